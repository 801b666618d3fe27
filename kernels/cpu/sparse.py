"""Vertical-slash attention on CPUs: what the last queries look at, and attention to the columns and slash blocks."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..dca import INTRA, DCASpec
from ..paged import PagedKV
from ..queries import Queries, sequence
from ..selection import Selection
from .common import flash, in_threads, merge

_SCORED_KEYS = 2048
"""At a time, so that the logits stay in the processor's caches: it takes two passes, and several over each tile."""


def sparse(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: Selection,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    prompt_length: int | None = None,
) -> None:
    """Attention of a sequence's last queries to the selected keys. See `longread.kernels.ops.dca_prefill`."""
    k, v = sequence(kv, block_table, length, q.dtype)
    queries = Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt_length)
    found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
    size, heads = selection.block, q.shape[1]
    # Only the block that a query is in has keys after it. The rest is one unmasked call a head and query block.
    tiles = [
        (max(begin, queries.start), min(begin + size, length))
        for begin in range(queries.start // size * size, length, size)
    ]
    columns = torch.zeros(heads, -(-(length + 1) // size) * size, dtype=torch.bool)
    columns.scatter_(1, selection.columns.long(), True)  # what fills up a row lies beyond the sequence
    columns = columns.unflatten(1, (-1, size))

    def tile(place: tuple[int, int]) -> None:
        for begin, end in queries.chunks(*place):
            _sparse_tile(queries, k, v, begin, end, columns, selection, out, found)

    in_threads(tile, tiles)
    if lse is not None:
        lse.copy_(found)


def scores(
    q: Tensor, kv: PagedKV, block_table: Tensor, length: int, spec: DCASpec, *, q_rotated: bool = False
) -> tuple[Tensor, Tensor]:
    """What each key column and each diagonal i - j gets of the attention of the last queries: [Hq, n] twice, float32.

    Args:
        q: [L, Hq, D], the last L of the sequence's tokens.
    """
    k, _ = sequence(kv, block_table, length, q.dtype)
    queries = Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, continuous=True, tempered=False)
    vertical, slash = torch.zeros(2, k.shape[0], queries.group, length)
    log_sum = torch.full((k.shape[0], queries.group, queries.count), -torch.inf)
    for rows, _, logits in _logits(queries, k):
        log_sum[:, :, rows] = log_sum[:, :, rows].logaddexp(logits.logsumexp(-1))
    for rows, first, logits in _logits(queries, k):
        shares = logits.sub_(log_sum[:, :, rows, None]).exp_()
        stop = first + shares.shape[-1]
        vertical[..., first:stop] += shares.sum(2)
        nearest = queries.start + rows.start - stop + 1
        sums = _diagonal_sums(shares)[..., max(-nearest, 0) :]
        nearest = max(nearest, 0)
        slash[..., nearest : nearest + sums.shape[-1]] += sums
    return vertical.flatten(0, 1), slash.flatten(0, 1)


def _sparse_tile(
    queries: Queries,
    k: Tensor,
    v: Tensor,
    begin: int,
    end: int,
    columns: Tensor,
    selection: Selection,
    out: Tensor,
    lse: Tensor,
) -> None:
    """Attention of the queries of one block, as far as they lie in one chunk, to the selected keys before it."""
    size = selection.block
    block = begin // size
    rows = queries.rows(begin, end)
    regions = queries.regions(begin, begin)
    turned = {region: queries.turned(rows, region) for region in {INTRA, *(region for region, *_ in regions)}}
    borders = torch.tensor([border for _, *both in regions for border in both])
    seen = columns[:, : block + 1] | selection.covered[:, : block + 1].flip(1)[..., None]  # [Hq, blocks, size]
    seen = seen.flatten(1)[:, :begin]
    for head in range(columns.shape[0]):
        own, member = divmod(head, queries.group)
        found = seen[head].nonzero().squeeze(1)
        query = turned[INTRA][own, member][None, None]
        parts = [flash(query, k[own, begin:end][None, None], v[own, begin:end][None, None], queries.spec, causal=True)]
        edges = torch.searchsorted(found, borders).tolist()
        for (region, *_), first, stop in zip(regions, edges[::2], edges[1::2], strict=True):
            chosen = found[first:stop]
            if len(chosen):
                keys, values = (x[own].index_select(0, chosen)[None, None] for x in (k, v))
                parts.append(flash(turned[region][own, member][None, None], keys, values, queries.spec))
        merged, total = merge(parts)
        out[rows, head] = merged[0, 0]
        lse[rows, head] = total[0, 0]


def _logits(queries: Queries, k: Tensor) -> Iterator[tuple[slice, int, Tensor]]:
    """(rows, first key, their logits [Hkv, G, rows, keys] float32), tile by tile. k: [Hkv, n, D]."""
    for begin, end in queries.chunks():
        rows = queries.rows(begin, end)
        for region, first, stop in queries.regions(begin, end):
            turned = queries.turned(rows, region).float() * queries.spec.base_scale
            packed = turned.flatten(1, 2)  # [Hkv, G · rows, D]
            for at in range(first, stop, _SCORED_KEYS):
                keys = k[:, at : min(at + _SCORED_KEYS, stop)].float()
                logits = (packed @ keys.mT).unflatten(1, turned.shape[1:3])
                if at + keys.shape[1] > begin:
                    future = torch.arange(at, at + keys.shape[1]) > torch.arange(begin, end)[:, None]
                    logits.masked_fill_(future, -torch.inf)
                yield rows, at, logits


def _diagonal_sums(shares: Tensor) -> Tensor:
    """[..., rows, keys] summed along its diagonals: [..., rows + keys - 1], from the top right one on."""
    rows, keys = shares.shape[-2:]
    # In rows a place longer than they are, every row is shifted by one against the last: columns are diagonals.
    width = keys + 2 * rows
    padded = torch.nn.functional.pad(shares, (rows, rows)).flatten(0, -3)
    skewed = padded.as_strided((padded.shape[0], rows, rows + keys), (rows * width, width + 1, 1))
    return skewed.sum(1)[:, 1:].flip(1).unflatten(0, shares.shape[:-2])
