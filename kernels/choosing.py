"""Adaptive sparsity's first stage, with torch's own operators on any device: witnesses attend, and keys are chosen."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .adaptive import Adaptive, BlockSelection, choose_blocks, witnesses
from .dca import DCASpec
from .paged import PagedKV
from .queries import Queries, sequence

_SCORED_KEYS = 2048
"""At a time, so that on a CPU the logits stay in its caches while several passes go over them."""
_NO_LOGIT = -1e30


def choose_all(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    adaptive: Adaptive,
    *,
    q_rotated: bool,
    rows: int,
    each: Callable[[Callable[[tuple[int, int]], None], Sequence[tuple[int, int]]], None],
) -> BlockSelection:
    """What each block of these queries chooses.

    Args:
        q: [T, Hq, D], the last T of the sequence's tokens.
        rows: witnesses at a time. Beside K and the choice, the memory is that of so many rows of logits.
        each: does a piece of work for each of many places.
    """
    k, _ = sequence(kv, block_table, length, q.dtype)
    queries = Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, tempered=False)
    at = witnesses(adaptive, queries.start, length)
    found = BlockSelection.empty(adaptive, queries.start, length, q.device)
    begins = found.begins()
    step = max(1, rows // adaptive.witnesses)

    def choose(place: tuple[int, int]) -> None:
        head, first = place
        blocks = slice(first, first + step)
        shares = shares_of(queries, k, head, at[blocks], adaptive.key_block)
        found.chosen[head, blocks] = choose_blocks(shares, adaptive.keep[head], begins[blocks], adaptive)

    # The last ones take longest.
    firsts = reversed(range(0, len(at), step))
    each(choose, [(head, first) for first in firsts for head in range(q.shape[1])])
    return found


def shares_of(queries: Queries, k: Tensor, head: int, at: Tensor, size: int) -> Tensor:
    """What each key block of `size` tokens gets of the attention of the witnesses at these tokens, by one head.

    Args:
        k: [Hkv, n, D].
        at: [query blocks, witnesses] int64, ascending.

    Returns:
        [query blocks, key blocks] float32, the mean over a block's witnesses.
    """
    tokens, keys = at.flatten(), k[head // queries.group].float()
    # A run of witnesses of one DCA chunk turns alike.
    runs = torch.unique_consecutive(tokens // queries.spec.span, return_counts=True)[1].tolist()
    found = [_weights(queries, keys, head, run, size) for run in tokens.split(runs)]
    weights, factors = found[0] if len(found) == 1 else [torch.cat(parts) for parts in zip(*found, strict=True)]
    # The mean over witnesses, each tile of keys with its factor: a product of a row and a matrix.
    tile = max(_SCORED_KEYS // size, 1)
    shares = torch.empty(len(at), weights.shape[1], device=k.device)
    factors = factors.unflatten(0, at.shape)
    for index in range(factors.shape[2]):
        columns = slice(index * tile, (index + 1) * tile)
        part = weights[:, columns].unflatten(0, at.shape)
        shares[:, columns] = torch.bmm(factors[:, None, :, index] / at.shape[1], part)[:, 0]
    return shares


def _weights(queries: Queries, k: Tensor, head: int, tokens: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Sums of exp(logits) by key block [tokens, key blocks], and the factors [tokens, tiles] that make shares of them.

    One pass: each tile of keys is taken relative to its own greatest logit. The tokens lie in one DCA chunk.
    """
    begin, until, length = int(tokens[0]), int(tokens[-1]) + 1, k.shape[0]
    rows = tokens.to(k.device) - queries.start
    regions = queries.regions(begin, until)
    turned = {
        region: queries.turned(rows, region, *divmod(head, queries.group)).float() * queries.spec.base_scale
        for region, *_ in regions
    }
    blocks, tile = -(-length // size), max(_SCORED_KEYS // size, 1)
    sums = torch.empty(len(tokens), blocks, device=k.device)
    tops = torch.full((len(tokens), -(-blocks // tile)), _NO_LOGIT, device=k.device)
    totals = torch.zeros_like(tops)
    sums[:, -(-until // size) :] = 0
    for index, at in enumerate(range(0, until, tile * size)):
        end = min(at + tile * size, until)
        whole = -(-(end - at) // size)
        here = sums[:, index * tile : index * tile + whole]
        logits = here if size == 1 else torch.empty(len(tokens), whole * size, device=k.device)
        logits[:, end - at :] = -torch.inf
        for region, first, stop in regions:
            first, stop = max(first, at), min(stop, end)
            if first < stop:
                torch.mm(turned[region], k[first:stop].T, out=logits[:, first - at : stop - at])
        if end > begin:
            future = torch.arange(at, at + whole * size, device=k.device) > tokens.to(k.device)[:, None]
            logits.masked_fill_(future, -torch.inf)
        top = logits.amax(1, keepdim=True).clamp_(min=_NO_LOGIT)
        logits.sub_(top).exp_()
        if size > 1:
            torch.sum(logits.unflatten(1, (whole, size)), -1, out=here)
        tops[:, index] = top[:, 0]
        totals[:, index] = here.sum(1)
    factors = (tops - tops.amax(1, keepdim=True)).exp_()
    return sums, factors / (factors * totals).sum(1, keepdim=True)
