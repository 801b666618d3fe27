"""Vertical-slash attention on CPUs: the scores of the last queries, and attention to columns and slash blocks."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..dca import INTRA, DCASpec
from ..paged_kv import PagedKV
from ..rotated_queries import RotatedQueries, sequence
from ..sparse.vertical_slash import VerticalSlashSelection
from .common import flash, in_threads, merge

_SCORED_KEYS = 2048
"""Keys at a time, so that the logits stay in the processor's caches while several passes go over each tile."""


def sparse(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: VerticalSlashSelection,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    prompt_length: int | None = None,
) -> None:
    """Attention of a sequence's last queries to the selected keys. See `longread.kernels.ops.dca_prefill`."""
    k, v = sequence(kv, block_table, length, q.dtype)
    queries = RotatedQueries(q, length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt_length)
    found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
    size, heads = selection.block, q.shape[1]
    # Only a query's own block has keys after it. The rest is one call without a mask for each head and query block.
    tiles = [
        (max(begin, queries.start), min(begin + size, length))
        for begin in range(queries.start // size * size, length, size)
    ]
    columns = torch.zeros(heads, -(-(length + 1) // size) * size, dtype=torch.bool)
    columns.scatter_(1, selection.columns.long(), True)  # the padding of a row lies beyond the sequence
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
    """The attention of the last queries to each key column and each diagonal i - j: [Hq, n] each, float32.

    Args:
        q: [L, Hq, D], the last L of the sequence's tokens.
    """
    k, _ = sequence(kv, block_table, length, q.dtype)
    queries = RotatedQueries(q, length, spec, k.shape[0], q_rotated=q_rotated, continuous=True, tempered=False)
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
    queries: RotatedQueries,
    k: Tensor,
    v: Tensor,
    begin: int,
    end: int,
    columns: Tensor,
    selection: VerticalSlashSelection,
    out: Tensor,
    lse: Tensor,
) -> None:
    """Attention of queries of one block and one chunk to the selected keys before them, and to each other."""
    size = selection.block
    block = begin // size
    rows = queries.rows(begin, end)
    regions = queries.regions(begin, begin)
    rotated = {region: queries.rotated(rows, region) for region in {INTRA, *(region for region, *_ in regions)}}
    borders = torch.tensor([border for _, *both in regions for border in both])
    seen = columns[:, : block + 1] | selection.covered[:, : block + 1].flip(1)[..., None]  # [Hq, blocks, size]
    seen = seen.flatten(1)[:, :begin]
    for head in range(columns.shape[0]):
        own, member = divmod(head, queries.group)
        found = seen[head].nonzero().squeeze(1)
        query = rotated[INTRA][own, member][None, None]
        parts = [flash(query, k[own, begin:end][None, None], v[own, begin:end][None, None], queries.spec, causal=True)]
        edges = torch.searchsorted(found, borders).tolist()
        for (region, *_), first, stop in zip(regions, edges[::2], edges[1::2], strict=True):
            chosen = found[first:stop]
            if len(chosen):
                keys, values = (x[own].index_select(0, chosen)[None, None] for x in (k, v))
                parts.append(flash(rotated[region][own, member][None, None], keys, values, queries.spec))
        merged, total = merge(parts)
        out[rows, head] = merged[0, 0]
        lse[rows, head] = total[0, 0]


def _logits(queries: RotatedQueries, k: Tensor) -> Iterator[tuple[slice, int, Tensor]]:
    """(rows, first key, logits [Hkv, G, rows, keys] float32) of each tile. k: [Hkv, n, D]."""
    for begin, end in queries.chunks():
        rows = queries.rows(begin, end)
        for region, first, stop in queries.regions(begin, end):
            rotated = queries.rotated(rows, region).float() * queries.spec.base_scale
            packed = rotated.flatten(1, 2)  # [Hkv, G · rows, D]
            for at in range(first, stop, _SCORED_KEYS):
                keys = k[:, at : min(at + _SCORED_KEYS, stop)].float()
                logits = (packed @ keys.mT).unflatten(1, rotated.shape[1:3])
                if at + keys.shape[1] > begin:
                    future = torch.arange(at, at + keys.shape[1]) > torch.arange(begin, end)[:, None]
                    logits.masked_fill_(future, -torch.inf)
                yield rows, at, logits


def _diagonal_sums(shares: Tensor) -> Tensor:
    """The sums along the diagonals of [..., rows, keys]: [..., rows + keys - 1], starting at the top right."""
    rows, keys = shares.shape[-2:]
    # Read with rows longer by one place, each row is shifted by one against the row before: columns are diagonals.
    width = keys + 2 * rows
    padded = torch.nn.functional.pad(shares, (rows, rows)).flatten(0, -3)
    skewed = padded.as_strided((padded.shape[0], rows, rows + keys), (rows * width, width + 1, 1))
    return skewed.sum(1)[:, 1:].flip(1).unflatten(0, shares.shape[:-2])
