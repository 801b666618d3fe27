"""Adaptive sparsity on CPUs: what the witnesses look at, and attention to the blocks that they choose.

A tile is a query block of all heads of a group, which lie side by side as one run of queries, and the keys that they
chose together, gathered into one run: as many rows as torch's flash attention is fast with, and K and V fetched once.
"""

import torch
from torch import Tensor

from ..adaptive import Adaptive, BlockSelection
from ..dca import INTRA, DCASpec
from ..paged import PagedKV
from ..queries import Queries, sequence
from ..shares import shares_of_heads
from .common import flash, in_threads, merge

_SCORED_ROWS = 256
"""At a time, so that their logits stay in the processor's caches while several passes go over them."""


def shares(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    adaptive: Adaptive,
    *,
    q_rotated: bool = False,
) -> Tensor:
    """See `longread.kernels.shares.shares_of_heads`."""
    return shares_of_heads(
        q, kv, block_table, length, spec, adaptive, q_rotated=q_rotated, rows=_SCORED_ROWS, each=in_threads
    )


def sparse(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: BlockSelection,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    prompt_length: int | None = None,
) -> None:
    """Attention of a sequence's last queries to the chosen blocks. See `longread.kernels.ops.dca_prefill`."""
    k, v = sequence(kv, block_table, length, q.dtype)
    queries = Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt_length)
    found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
    begins = selection.begins().tolist()
    chosen = selection.chosen & selection.before()
    within = torch.arange(selection.key_block)

    def tile(place: tuple[int, int]) -> None:
        row, head = place
        earlier = chosen[head, row].nonzero() * selection.key_block + within
        begin, end = max(begins[row], queries.start), min(begins[row] + selection.query_block, length)
        for first, stop in queries.chunks(begin, end):
            tokens = torch.cat((earlier.flatten(), torch.arange(begins[row], first)))
            _tile(queries, k[head], v[head], head, first, stop, tokens, out, found)

    # The last tiles have the most keys.
    in_threads(tile, [(row, head) for row in reversed(range(len(begins))) for head in range(k.shape[0])])
    if lse is not None:
        lse.copy_(found)


def _tile(
    queries: Queries, k: Tensor, v: Tensor, head: int, begin: int, end: int, tokens: Tensor, out: Tensor, lse: Tensor
) -> None:
    """Attention of a group's queries `begin` to `end`, of one chunk, to the keys at `tokens`, and to each other.

    Args:
        k, v: [n, D].
        tokens: ascending, all before `begin`.
    """
    rows = queries.rows(begin, end)
    shape = (queries.group, end - begin, k.shape[1])
    query = queries.turned(rows, INTRA, head)
    own = [x[None, None, begin:end].expand(1, *shape) for x in (k, v)]
    merged, total = flash(query[None], *own, queries.spec, causal=True)
    parts = [(merged.reshape(shape), total.reshape(shape[:2]))]
    regions = queries.regions(begin, begin)
    edges = torch.searchsorted(tokens, torch.tensor([border for _, *both in regions for border in both])).tolist()
    for (region, *_), first, stop in zip(regions, edges[::2], edges[1::2], strict=True):
        if first < stop:
            keys, values = (x.index_select(0, tokens[first:stop])[None, None] for x in (k, v))
            packed = query if region == INTRA else queries.turned(rows, region, head)
            part, weight = flash(packed.reshape(1, 1, -1, shape[2]), keys, values, queries.spec)
            parts.append((part.reshape(shape), weight.reshape(shape[:2])))
    merged, total = merge(parts)
    heads = slice(head * queries.group, (head + 1) * queries.group)
    out[rows, heads] = merged.transpose(0, 1)
    lse[rows, heads] = total.T
