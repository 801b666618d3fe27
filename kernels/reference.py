"""The reference implementation: attention by its definition, in float64, all logits at once. Slow; for tests."""

import torch
from torch import Tensor

from .dca import REGIONS, DCASpec, rotate
from .sparse.adaptive import Adaptive, BlockSelection, choose_blocks, halves, probe_positions
from .sparse.vertical_slash import VerticalSlash, VerticalSlashSelection, choose


def attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spec: DCASpec,
    *,
    start: int = 0,
    sparsity: VerticalSlash | Adaptive | VerticalSlashSelection | BlockSelection | None = None,
    prompt_tokens: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Causal attention of the last T of n = start + T tokens over all n.

    Args:
        q: [T, Hq, D], not rotated.
        k, v: [n, Hkv, D], not rotated; Hq is a multiple of Hkv.
        start: tokens before the first query.
        sparsity: a pattern of either method, which selects the keys, or the selection itself; None is dense.
        prompt_tokens: the length of the whole prompt, for the temperature "prompt"; n if None.

    Returns:
        out [T, Hq, D] and the log-sum-exp of the scaled logits [T, Hq], float64.
    """
    group = q.shape[1] // k.shape[1]
    queries = torch.arange(start, start + q.shape[0])
    keys = torch.arange(k.shape[0])
    logits = _logits(q, k, spec, queries)
    logits *= spec.scales(queries, prompt_tokens or k.shape[0])[:, None]
    seen = keys <= queries[:, None]
    if isinstance(sparsity, VerticalSlash):
        sparsity = choose(*scores(q[-sparsity.last_q :], k, spec), sparsity)
    elif isinstance(sparsity, Adaptive):
        sparsity = select_key_blocks(q, k, spec, sparsity)
    if isinstance(sparsity, BlockSelection):
        seen = seen & _chosen(sparsity, queries, keys)
    elif sparsity is not None:
        seen = seen & _selected(sparsity, queries, keys)
    logits = logits.masked_fill(~seen, -torch.inf)
    lse = logits.logsumexp(-1)
    out = torch.einsum("htn,nhd->thd", (logits - lse[..., None]).exp(), v.double().repeat_interleave(group, 1))
    return out, lse.T


def scores(q: Tensor, k: Tensor, spec: DCASpec) -> tuple[Tensor, Tensor]:
    """The attention of the last queries to each key column and each diagonal i - j: [Hq, n] each, float64.

    Args:
        q: [L, Hq, D], the last L of the n tokens of k [n, Hkv, D]; neither is rotated.
    """
    length, last = k.shape[0], q.shape[0]
    queries, keys = torch.arange(length - last, length), torch.arange(length)
    logits = _logits(q, k, spec, queries, continuous=True) * spec.base_scale
    shares = logits.masked_fill(keys > queries[:, None], -torch.inf).softmax(-1)
    distances = (queries[:, None] - keys).clamp(min=0).expand(shares.shape)
    slash = torch.zeros(q.shape[1], length, dtype=torch.float64)
    return shares.sum(1), slash.scatter_add_(1, distances.flatten(1), shares.flatten(1))


def select_key_blocks(q: Tensor, k: Tensor, spec: DCASpec, adaptive: Adaptive) -> BlockSelection:
    """The key blocks that each block of queries selects, by the attention of its probes without the temperature.

    Args:
        q: [T, Hq, D], the last T of the n tokens of k [n, Hkv, D]; neither is rotated.
    """
    length, start = k.shape[0], k.shape[0] - q.shape[0]
    found = BlockSelection.empty(adaptive, start, length, q.device)
    for row, tokens in enumerate(probe_positions(adaptive, start, length)):
        logits = _logits(q[tokens - start], k, spec, tokens) * spec.base_scale
        attention = logits.masked_fill(torch.arange(length) > tokens[:, None], -torch.inf).softmax(-1)
        attention = halves(adaptive.probes).double() @ attention  # [Hq, 2, n]
        padded = torch.nn.functional.pad(attention, (0, -length % adaptive.key_block))
        shares = padded.unflatten(-1, (-1, adaptive.key_block)).sum(-1)  # [Hq, 2, key blocks]
        for head, keep in enumerate(adaptive.keep):
            begin = found.begins()[row : row + 1]
            found.chosen[head, row] = choose_blocks(shares[head : head + 1], keep, begin, adaptive)[0]
    return found


def _logits(q: Tensor, k: Tensor, spec: DCASpec, queries: Tensor, *, continuous: bool = False) -> Tensor:
    """q·k with each query rotated for the region of the key, unscaled: [Hq, T, n]."""
    keys = torch.arange(k.shape[0])
    rotated_k = _rotate(k, spec.key_positions(keys), spec).repeat_interleave(q.shape[1] // k.shape[1], 1)
    region = spec.region(queries[:, None], keys)
    logits = torch.zeros(q.shape[1], q.shape[0], k.shape[0], dtype=torch.float64)
    for looked_at in REGIONS:
        rotated_q = _rotate(q, spec.query_positions(queries, looked_at, continuous=continuous), spec)
        logits += torch.einsum("thd,nhd->htn", rotated_q, rotated_k) * (region == looked_at)
    return logits


def _rotate(x: Tensor, positions: Tensor, spec: DCASpec) -> Tensor:
    angles = spec.angles(positions).double()[:, None]
    return rotate(x.double(), angles.cos(), angles.sin())


def _selected(selection: VerticalSlashSelection, queries: Tensor, keys: Tensor) -> Tensor:
    """[Hq, T, n] bool: the columns, and the blocks that lie a selected number of blocks before the query's own."""
    apart = queries[:, None] // selection.block - keys // selection.block
    heads = zip(selection.columns_of_heads(), selection.offsets_of_heads(), strict=True)
    return torch.stack([torch.isin(keys, columns) | torch.isin(apart, offsets) for columns, offsets in heads])


def _chosen(selection: BlockSelection, queries: Tensor, keys: Tensor) -> Tensor:
    """[Hq, T, n] bool: the key blocks that the query's own block has selected."""
    rows = queries // selection.query_block - selection.start // selection.query_block
    return selection.chosen[:, rows][:, :, keys // selection.key_block]
