"""What the witnesses of adaptive sparsity look at, block by block of keys; with torch's own operators, on any device."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .adaptive import Adaptive, witnesses
from .dca import DCASpec
from .paged import PagedKV
from .queries import Queries, sequence

_SCORED_KEYS = 2048
"""At a time, for the same reason as `rows`."""
_NO_LOGIT = -1e30


def shares_of_heads(
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
) -> Tensor:
    """What each key block gets of the attention of each query block's witnesses: [Hkv, query blocks, key blocks].

    Args:
        q: [T, Hq, D], the last T of the sequence's tokens.
        rows: of logits at a time.
        each: does a piece of work for each of many places.

    Returns:
        The mean over the witnesses and the heads of a group, float32.
    """
    k, _ = sequence(kv, block_table, length, q.dtype)
    queries = Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, tempered=False)
    at = witnesses(adaptive, queries.start, length)
    found = torch.empty(k.shape[0], len(at), -(-length // adaptive.key_block), device=q.device)
    step = max(1, rows // (queries.group * adaptive.witnesses))

    def score(place: tuple[int, int]) -> None:
        head, first = place
        tokens = at[first : first + step]
        # A run of witnesses of one DCA chunk turns alike.
        runs = torch.unique_consecutive(tokens.flatten() // spec.span, return_counts=True)[1].tolist()
        parts = [
            _scored(queries, k[head].float(), head, run, adaptive.key_block, found.shape[2])
            for run in tokens.flatten().split(runs)
        ]
        found[head, first : first + step] = torch.cat(parts, 1).unflatten(1, tokens.shape).mean((0, 2))

    each(score, [(head, first) for first in range(0, len(at), step) for head in range(k.shape[0])])
    return found


def _scored(queries: Queries, k: Tensor, head: int, tokens: Tensor, size: int, blocks: int) -> Tensor:
    """The shares of the key blocks in the attention of these tokens, which lie in one DCA chunk: [G, tokens, blocks].

    One pass: each tile of keys is taken relative to its own greatest logit, and set right in the end.

    Args:
        k: [n, D].
    """
    begin, until = int(tokens[0]), int(tokens[-1]) + 1
    regions = queries.regions(begin, until)
    turned = {
        region: queries.turned(tokens - queries.start, region)[head].flatten(0, 1).float() * queries.spec.base_scale
        for region, *_ in regions
    }
    rows = queries.group * len(tokens)
    sums = torch.zeros(rows, blocks, device=k.device)
    tile = _SCORED_KEYS // size
    tops = torch.full((rows, -(-blocks // tile)), _NO_LOGIT, device=k.device)
    for index, at in enumerate(range(0, until, _SCORED_KEYS)):
        end = min(at + _SCORED_KEYS, until)
        whole = -(-(end - at) // size)
        logits = torch.empty(rows, whole * size, device=k.device)
        logits[:, end - at :] = -torch.inf
        for region, first, stop in regions:
            first, stop = max(first, at), min(stop, end)
            if first < stop:
                torch.mm(turned[region], k[first:stop].T, out=logits[:, first - at : stop - at])
        if end > begin:
            future = torch.arange(at, at + whole * size, device=k.device) > tokens[:, None]
            logits.masked_fill_(future.repeat(queries.group, 1), -torch.inf)
        tops[:, index] = logits.amax(1).clamp_(min=_NO_LOGIT)
        weights = logits.sub_(tops[:, index, None]).exp_()
        sums[:, index * tile : index * tile + whole] = weights.unflatten(1, (whole, size)).sum(-1)
    sums *= (tops - tops.amax(1, keepdim=True)).exp_().repeat_interleave(tile, 1)[:, :blocks]
    return (sums / sums.sum(1, keepdim=True)).unflatten(0, (queries.group, len(tokens)))
