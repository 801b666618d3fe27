"""Adaptive sparsity on CPUs: selection of keys, and attention to them.

A tile is a query block of one head with its selected keys, gathered into contiguous memory. That takes a few calls of
torch's flash attention without a mask, with enough rows for it to be fast.
"""

import torch
from torch import Tensor

from ..dca import INTRA, DCASpec
from ..paged_kv import PagedKV
from ..rotated_queries import RotatedQueries, sequence
from ..sparse.adaptive import Adaptive, BlockSelection
from ..sparse.adaptive_scores import select_key_blocks
from .common import flash, in_threads, merge

_SCORED_ROWS = 192
"""Rows at a time: with more a matrix product is faster, with fewer its logits stay in the processor's caches."""


def choose(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    adaptive: Adaptive,
    *,
    q_rotated: bool = False,
) -> BlockSelection:
    """`select_key_blocks`, with a thread for each place."""
    return select_key_blocks(
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
    """Attention of a sequence's last queries to their selected keys. See `longread.kernels.ops.dca_prefill`."""
    k, v = sequence(kv, block_table, length, q.dtype)
    queries = RotatedQueries(q, length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt_length)
    found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
    begins = selection.begins().tolist()
    within = torch.arange(selection.key_block)

    def tile(place: tuple[int, int]) -> None:
        row, head = place
        begin, end = max(begins[row], queries.start), min(begins[row] + selection.query_block, length)
        blocks = selection.chosen[head, row, : begins[row] // selection.key_block].nonzero()
        tokens = (blocks * selection.key_block + within).flatten()
        for first, stop in queries.chunks(begin, end):
            if first > begins[row]:  # the query block's own keys that lie before
                tokens = torch.cat((tokens[tokens < begins[row]], torch.arange(begins[row], first)))
            _tile(queries, k, v, head, first, stop, tokens, out, found)

    # The last tiles have the most keys: they come first.
    in_threads(tile, [(row, head) for row in reversed(range(len(begins))) for head in range(q.shape[1])])
    if lse is not None:
        lse.copy_(found)


def _tile(
    queries: RotatedQueries,
    k: Tensor,
    v: Tensor,
    head: int,
    begin: int,
    end: int,
    tokens: Tensor,
    out: Tensor,
    lse: Tensor,
) -> None:
    """Attention of one head's queries `begin` to `end`, of one chunk, to the keys at `tokens`, and to each other.

    Args:
        k, v: [Hkv, n, D].
        tokens: ascending, all before `begin`.
    """
    rows = queries.rows(begin, end)
    kv_head, member = divmod(head, queries.group)
    k, v = k[kv_head], v[kv_head]
    query = queries.rotated(rows, INTRA, kv_head, member)
    parts = [_flash(query, k[begin:end], v[begin:end], queries.spec, causal=True)]
    regions = queries.regions(begin, begin)
    edges = torch.searchsorted(tokens, torch.tensor([border for _, *both in regions for border in both])).tolist()
    for (region, *_), first, stop in zip(regions, edges[::2], edges[1::2], strict=True):
        if first < stop:
            keys, values = (x.index_select(0, tokens[first:stop]) for x in (k, v))
            rotated = query if region == INTRA else queries.rotated(rows, region, kv_head, member)
            parts.append(_flash(rotated, keys, values, queries.spec))
    out[rows, head], lse[rows, head] = merge(parts)


def _flash(
    query: Tensor, keys: Tensor, values: Tensor, spec: DCASpec, *, causal: bool = False
) -> tuple[Tensor, Tensor]:
    """query [T, D], keys and values [n, D] -> out [T, D], log-sum-exp [T]"""
    out, lse = flash(query[None, None], keys[None, None], values[None, None], spec, causal=causal)
    return out[0, 0], lse[0, 0]
