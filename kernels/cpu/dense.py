"""Dense DCA on CPUs: one call of torch's flash attention for each region of keys, merged by log-sum-exp.

Only the end of a chunk's own keys needs a mask, so no work is spent on masked keys. K and V are read in place. The
query heads of a group are laid out as one long run of queries, so K and V are never repeated.
"""

import torch
from torch import Tensor

from ..dca import INTRA, DCASpec
from ..paged_kv import Batch, PagedKV
from ..rotated_queries import RotatedQueries, sequence
from .common import flash, merge


def dense(
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
) -> None:
    """Dense causal attention of a batch. See `longread.kernels.ops.dca_prefill`."""
    starts = batch.query_starts.tolist()
    for index, length in enumerate(batch.lengths.tolist()):
        rows = slice(starts[index], starts[index + 1])
        if rows.start == rows.stop:
            continue
        if not length:
            out[rows] = 0
            if lse is not None:
                lse[rows] = -torch.inf
            continue
        k, v = sequence(kv, batch.block_table[index], length, q.dtype)
        prompt = None if batch.prompt_lengths is None else int(batch.prompt_lengths[index])
        queries = RotatedQueries(q[rows], length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt)
        found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
        for begin, end in queries.chunks():
            _dense_chunk(queries, k, v, begin, end, out[rows], found)
        if lse is not None:
            lse[rows] = found


def _dense_chunk(queries: RotatedQueries, k: Tensor, v: Tensor, begin: int, end: int, out: Tensor, lse: Tensor) -> None:
    """Attention of the queries from `begin` to `end`, which lie in one chunk. k, v: [Hkv, n, D]."""
    shape = (k.shape[0], queries.group, end - begin, k.shape[2])
    alone = end - begin == 1  # a decode step: the query sees itself, so nothing must be masked
    parts = []
    for region, first, stop in queries.regions(begin, end if alone else begin):
        packed = queries.rotated(queries.rows(begin, end), region).flatten(1, 2)[:, None]  # [Hkv, 1, G · T, D]
        parts.append(flash(packed, k[:, None, first:stop], v[:, None, first:stop], queries.spec))
    if not alone:
        # Stride 0 over the group: several query heads see one K/V head, which is not copied.
        keys, values = (x[:, None, begin:end].expand(shape) for x in (k, v))
        parts.append(flash(queries.rotated(queries.rows(begin, end), INTRA), keys, values, queries.spec, causal=True))
    merged, total = merge([(part.reshape(shape), weight.reshape(shape[:3])) for part, weight in parts])
    rows = queries.rows(begin, end)
    out[rows].unflatten(1, shape[:2]).copy_(merged.permute(2, 0, 1, 3))
    lse[rows].unflatten(1, shape[:2]).copy_(total.permute(2, 0, 1))
