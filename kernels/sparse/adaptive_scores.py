"""The first stage of adaptive sparsity, in plain torch on any device: probe queries attend, and keys are selected."""

import threading
from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor

from ..dca import DCASpec
from ..paged_kv import PagedKV
from ..rotated_queries import RotatedQueries, sequence
from .adaptive import Adaptive, BlockSelection, choose_blocks, halves, probe_positions

_SCORED_KEYS = 2048
"""Keys at a time: on a CPU the logits then stay in its caches while several passes go over them."""
_NO_LOGIT = -1e30


class _Scratch(threading.local):
    """A buffer for each thread, reused: on a CPU the first touch of fresh memory costs half a matrix product."""

    def __init__(self) -> None:
        self._memory = torch.empty(0)

    def empty(self, count: int, device: torch.device) -> Tensor:
        """[count] float32; the result of the last call is overwritten."""
        if self._memory.numel() < count or self._memory.device != device:
            self._memory = torch.empty(count, device=device)
        return self._memory[:count]


def select_key_blocks(
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
    """The key blocks that each block of these queries selects.

    Args:
        q: [T, Hq, D], the last T of the sequence's tokens.
        rows: rows of logits to compute at a time; a query block's probes are always computed together. Beside K and
            the result, they take all the memory.
        each: calls a function for each of many places.
    """
    k, _ = sequence(kv, block_table, length, q.dtype)
    queries = RotatedQueries(q, length, spec, k.shape[0], q_rotated=q_rotated, tempered=False)
    at = probe_positions(adaptive, queries.start, length)
    found = BlockSelection.empty(adaptive, queries.start, length, q.device)
    begins = found.begins()
    scratch = _Scratch()
    step = max(1, rows // (queries.group * adaptive.probes))

    def choose(place: tuple[int, int]) -> None:
        kv_head, first = place
        blocks = slice(first, first + step)
        shares = shares_of(queries, k, kv_head, at[blocks], adaptive.key_block, scratch)
        for head, of_head in enumerate(shares, kv_head * queries.group):
            found.chosen[head, blocks] = choose_blocks(of_head, adaptive.keep[head], begins[blocks], adaptive)

    # The last ones take longest: they come first.
    firsts = reversed(range(0, len(at), step))
    each(choose, [(kv_head, first) for first in firsts for kv_head in range(k.shape[0])])
    return found


def shares_of(queries: RotatedQueries, k: Tensor, kv_head: int, at: Tensor, size: int, scratch: _Scratch) -> Tensor:
    """The share of each key block of `size` tokens in the attention of the probes at these tokens.

    The query heads that share a K/V head are taken together: each tile of keys is read once for all of them.

    Args:
        k: [Hkv, n, D].
        at: [query blocks, probes] int64, ascending.

    Returns:
        [G, query blocks, 2, key blocks] float32, the mean over each half of a block's probes.
    """
    tokens, keys = at.flatten(), k[kv_head].float()
    # Probes of the same DCA chunk are rotated alike.
    runs = torch.unique_consecutive(tokens // queries.spec.span, return_counts=True)[1].tolist()
    blocks = -(-k.shape[1] // size)
    shapes = [(queries.group, count, blocks) for count in runs]
    buffers = scratch.empty(queries.group * len(tokens) * blocks, k.device).split([*map(prod, shapes)])
    sums = [buffer.view(shape) for buffer, shape in zip(buffers, shapes, strict=True)]
    found = [_weigh(queries, keys, kv_head, run, out, size) for run, out in zip(tokens.split(runs), sums, strict=True)]
    weights, factors = (parts[0] if len(parts) == 1 else torch.cat(parts, 1) for parts in (sums, found))
    # The means over the probes, each tile of keys with its factor: a product of two rows and a matrix.
    tile, means = max(_SCORED_KEYS // size, 1), halves(at.shape[1]).to(k.device)
    shares = torch.empty(queries.group * len(at), 2, weights.shape[2], device=k.device)
    weights, factors = (x.unflatten(1, at.shape).flatten(0, 1) for x in (weights, factors))
    for index in range(factors.shape[2]):
        columns = slice(index * tile, (index + 1) * tile)
        shares[..., columns] = torch.bmm(factors[:, None, :, index] * means, weights[..., columns])
    return shares.unflatten(0, (queries.group, len(at)))


def _weigh(queries: RotatedQueries, k: Tensor, kv_head: int, tokens: Tensor, out: Tensor, size: int) -> Tensor:
    """Write sums of exp(logits) by key block to `out` [G, tokens, key blocks]. -> [G, tokens, tiles], the factors that
    turn them into shares.

    One pass: each tile of keys is taken relative to its own greatest logit. The tokens lie in one DCA chunk.
    """
    begin, until = int(tokens[0]), int(tokens[-1]) + 1
    tokens = tokens.to(k.device)
    rows, scale = tokens - queries.start, queries.spec.base_scale
    regions = queries.regions(begin, until)
    rotated = {region: (queries.rotated(rows, region, kv_head).float() * scale).flatten(0, 1) for region, *_ in regions}
    sums, tile = out.flatten(0, 1), max(_SCORED_KEYS // size, 1)
    last = tokens.repeat(queries.group)[:, None]  # the keys after it are in a row's future
    tops = torch.full((len(last), -(-sums.shape[1] // tile)), _NO_LOGIT, device=k.device)
    totals = torch.zeros_like(tops)
    sums[:, -(-until // size) :] = 0
    for index, at in enumerate(range(0, until, tile * size)):
        end = min(at + tile * size, until)
        whole = -(-(end - at) // size)
        here = sums[:, index * tile : index * tile + whole]
        logits = here if size == 1 else torch.empty(len(last), whole * size, device=k.device)
        logits[:, end - at :] = -torch.inf
        for region, first, stop in regions:
            first, stop = max(first, at), min(stop, end)
            if first < stop:
                torch.mm(rotated[region], k[first:stop].T, out=logits[:, first - at : stop - at])
        if end > begin:
            future = torch.arange(at, at + whole * size, device=k.device) > last
            logits.masked_fill_(future, -torch.inf)
        top = logits.amax(1, keepdim=True).clamp_(min=_NO_LOGIT)
        logits.sub_(top).exp_()
        if size > 1:
            torch.sum(logits.unflatten(1, (whole, size)), -1, out=here)
        tops[:, index] = top[:, 0]
        totals[:, index] = here.sum(1)
    factors = (tops - tops.amax(1, keepdim=True)).exp_()
    factors /= (factors * totals).sum(1, keepdim=True)
    return factors.unflatten(0, out.shape[:2])
