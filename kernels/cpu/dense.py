"""DCA on CPUs, from torch's own flash attention: one call for each region of keys, merged by log-sum-exp.

No region but a chunk's own end needs a mask, so no work is spent on masked keys; K and V are read where they are, and
the query heads of a group lie side by side as one long run of queries, so K and V are never repeated.
"""

import torch
from torch import Tensor

from ..dca import INTRA, DCASpec
from ..paged import Batch, PagedKV
from ..queries import Queries, sequence
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
        queries = Queries(q[rows], length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt)
        found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
        for begin, end in queries.chunks():
            _dense_chunk(queries, k, v, begin, end, out[rows], found)
        if lse is not None:
            lse[rows] = found


def _dense_chunk(queries: Queries, k: Tensor, v: Tensor, begin: int, end: int, out: Tensor, lse: Tensor) -> None:
    """Attention of queries that lie in one chunk. k, v: [Hkv, n, D]."""
    shape = (k.shape[0], queries.group, end - begin, k.shape[2])
    alone = end - begin == 1  # a decode step: it sees itself, so nothing is to be masked
    parts = []
    for region, first, stop in queries.regions(begin, end if alone else begin):
        packed = queries.turned(queries.rows(begin, end), region).flatten(1, 2)[:, None]  # [Hkv, 1, G · T, D]
        parts.append(flash(packed, k[:, None, first:stop], v[:, None, first:stop], queries.spec))
    if not alone:
        # Stride 0 over the group: one K/V head seen by several query heads, not copied.
        keys, values = (x[:, None, begin:end].expand(shape) for x in (k, v))
        parts.append(flash(queries.turned(queries.rows(begin, end), INTRA), keys, values, queries.spec, causal=True))
    merged, total = merge([(part.reshape(shape), weight.reshape(shape[:3])) for part, weight in parts])
    rows = queries.rows(begin, end)
    out[rows].unflatten(1, shape[:2]).copy_(merged.permute(2, 0, 1, 3))
    lse[rows].unflatten(1, shape[:2]).copy_(total.permute(2, 0, 1))
