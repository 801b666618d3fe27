"""Adaptive sparsity: each block of queries chooses its blocks of keys, by what a few of its queries look at.

Vertical-slash (`selection.py`) has one choice for all queries of a chunk, of a size that was fixed beforehand. Here the
choice is made anew for every block of queries, and is as large as it has to be: a few *witnesses*, evenly spaced over
the block, attend to every key; blocks of keys are taken in the order of the attention they get until they have the
share `keep` of it (a cumulative threshold, as in FlexPrefill, arXiv 2502.20766, and XAttention, arXiv 2503.16428).

The heads that share K and V choose together, by the mean of their attention. So K and V of a choice are fetched once
for all of them, and their queries are one tile.
"""

import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .errors import KernelError

WATCHED = 64
"""Queries of which a chunk's recall is estimated while it is used, as many as choose in vertical-slash attention."""


@dataclass(frozen=True)
class Adaptive:
    """How much of its attention each query head of a layer keeps.

    Args:
        keep: per query head, the share of the witnesses' attention that the chosen blocks have at least; 1 keeps
            everything. Of the heads that share K and V the greatest counts.
        witnesses: queries of a block that choose.
        query_block, key_block: tokens. The first key block, that before the queries, and their own are always chosen.

    Raises:
        KernelError: shares beyond 0 to 1, or blocks that do not fit each other.
    """

    keep: tuple[float, ...]
    witnesses: int = 4
    query_block: int = 128
    key_block: int = 64

    def __post_init__(self) -> None:
        if not self.keep or not 0 < min(self.keep) <= max(self.keep) <= 1:
            raise KernelError(f"keep is {self.keep}; it is a share above 0, and at most 1, for each head")
        sizes = (self.query_block, self.key_block)
        if any(size < 16 or size & (size - 1) for size in sizes) or self.query_block < self.key_block:
            raise KernelError(
                f"query_block is {sizes[0]} and key_block {sizes[1]}; both are powers of two, at least 16, and a "
                "query block is no shorter than a key block"
            )
        if not 1 <= self.witnesses <= self.query_block:
            raise KernelError(f"witnesses is {self.witnesses}; it is 1 to {self.query_block}, the query block")

    @classmethod
    def uniform(cls, heads: int, keep: float, **options: int) -> "Adaptive":
        """The same for every query head."""
        return cls((keep,) * heads, **options)

    @classmethod
    def of_text(cls, text: str) -> "Adaptive":
        given = json.loads(text)
        return cls(tuple(given.pop("keep")), **given)

    @property
    def text(self) -> str:
        """All of it, in the form in which it is handed to a torch operator."""
        return json.dumps(asdict(self))

    @property
    def heads(self) -> int:
        return len(self.keep)

    @property
    def last_q(self) -> int:
        return WATCHED

    def of_heads(self, heads: slice) -> "Adaptive":
        """Those of some of the heads: what a tensor-parallel rank needs. It has whole groups, or parts of one."""
        return Adaptive(self.keep[heads], self.witnesses, self.query_block, self.key_block)


@dataclass(frozen=True)
class BlockSelection:
    """The key blocks that each query block of a chunk looks at, as far as they are causal."""

    chosen: Tensor
    """[Hkv, query blocks, key blocks] bool. A query block's own key blocks are among them."""
    query_block: int
    key_block: int
    start: int
    """Of the first query. Query blocks begin at multiples of `query_block`; of the first one a part may be missing."""

    def begins(self) -> Tensor:
        """[query blocks] int64: the first token of each."""
        return block_begins(self.start, self.chosen.shape[1], self.query_block, self.chosen.device)

    def before(self) -> Tensor:
        """[query blocks, key blocks] bool: whether a key block lies wholly before the query block."""
        keys = torch.arange(self.chosen.shape[2], device=self.chosen.device) * self.key_block
        return keys < self.begins()[:, None]


def block_begins(start: int, blocks: int, size: int, device: torch.device) -> Tensor:
    return (start // size + torch.arange(blocks, device=device)) * size


def witnesses(adaptive: Adaptive, start: int, length: int) -> Tensor:
    """[query blocks, witnesses] int64: token indices, evenly spaced over the block's queries, the last one included."""
    size, count = adaptive.query_block, adaptive.witnesses
    begins = torch.arange(start // size * size, length, size)
    first, end = begins.clamp(min=start), (begins + size).clamp(max=length)
    steps = (end - first)[:, None] * torch.arange(1, count + 1) // count
    return (first[:, None] + steps - 1).maximum(first[:, None])


def choose_blocks(shares: Tensor, adaptive: Adaptive, start: int) -> BlockSelection:
    """The fewest key blocks that have the share `keep` of the witnesses' attention, and those always chosen.

    Args:
        shares: [Hkv, query blocks, key blocks] float32, of the attention of the witnesses of a group of heads.
        start: the first query of the chunk.
    """
    kv_heads, queries, keys = shares.shape
    size, device = adaptive.key_block, shares.device
    begins = block_begins(start, queries, adaptive.query_block, device)[:, None]
    key = torch.arange(keys, device=device) * size
    forced = (key >= begins - size) & (key < begins + adaptive.query_block) | (key == 0)
    keep = torch.tensor(adaptive.keep, device=device).unflatten(0, (kv_heads, -1)).amax(1)[:, None, None]
    order = shares.masked_fill(forced, torch.inf).sort(dim=-1, descending=True, stable=True).indices
    ranked = shares.gather(-1, order)
    missing = ranked.cumsum(-1) - ranked < keep * shares.sum(-1, keepdim=True)  # before a block is taken
    chosen = torch.zeros_like(missing).scatter_(-1, order, missing | (keep >= 1))
    return BlockSelection((chosen | forced) & (key < begins + adaptive.query_block), adaptive.query_block, size, start)


def block_density(selection: BlockSelection, *, length: int, heads: int) -> Tensor:
    """The share of the causal keys of the queries up to `length` that the selection has: [heads] float64."""
    begins, size = selection.begins(), selection.query_block
    first, end = begins.clamp(min=selection.start), (begins + size).clamp(max=length)
    rows = (end - first).double()
    before = (selection.chosen & selection.before()).sum(-1) * selection.key_block  # [Hkv, query blocks]
    queries = torch.arange(selection.start, length, device=begins.device)
    own = (queries % size + 1).sum()
    seen = (before * rows).sum(-1) + own
    return (seen / (queries + 1).sum()).repeat_interleave(heads // len(seen))
