"""Vertical-slash sparsity: selects the keys of a chunk by the scores of its last queries.

In long prompts attention concentrates on a few key columns (*vertical*: keys that every later query attends to) and
along a few diagonals (*slash*: keys a fixed distance back), which differ from head to head (MInference, arXiv
2407.02490). The last 64 queries of a chunk show which ones; all queries of the chunk then attend to those only.

Diagonals are stored as *block offsets*: a query of block b sees the whole key block b - o for every offset o that a
selected diagonal touches. That is the same list for every query block, and it makes dense tiles.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..errors import KernelError

LAST_Q = 64
FORCED_COLUMNS = 30
FORCED_DIAGONALS = 100
BLOCK = 64


@dataclass(frozen=True)
class VerticalSlash:
    """How many columns and diagonals each query head of a layer may keep.

    Args:
        vertical, slash: per query head. The first `FORCED_COLUMNS` columns and the last `FORCED_DIAGONALS` diagonals
            are always kept, and count. A budget beyond the prompt keeps everything.
        last_q: how many of a chunk's queries score the keys.
        block: tokens of a slash block.

    Raises:
        KernelError: budgets of different lengths, or below 1.
    """

    vertical: tuple[int, ...]
    slash: tuple[int, ...]
    last_q: int = LAST_Q
    block: int = BLOCK
    text: str = field(init=False, repr=False, compare=False)
    """All of it as text, which a torch operator can take as an argument."""

    def __post_init__(self) -> None:
        if not self.vertical or len(self.vertical) != len(self.slash):
            raise KernelError(f"{len(self.vertical)} vertical and {len(self.slash)} slash budgets; one of each a head")
        if min(*self.vertical, *self.slash, self.last_q) < 1:
            raise KernelError("budgets and last_q are at least 1")
        if self.block < 16 or self.block & (self.block - 1):
            raise KernelError(f"block is {self.block}; it is a power of two, at least 16")
        object.__setattr__(self, "text", json.dumps(self.__dict__))

    @classmethod
    def uniform(
        cls, heads: int, *, vertical: int, slash: int, last_q: int = LAST_Q, block: int = BLOCK
    ) -> "VerticalSlash":
        """The same budget for every query head."""
        return cls((vertical,) * heads, (slash,) * heads, last_q, block)

    @classmethod
    def of_text(cls, text: str) -> "VerticalSlash":
        """The pattern whose `text` this is."""
        given = json.loads(text)
        return cls(tuple(given.pop("vertical")), tuple(given.pop("slash")), **given)

    @property
    def heads(self) -> int:
        """Query heads of the layer."""
        return len(self.vertical)

    def of_heads(self, heads: slice) -> "VerticalSlash":
        """The budgets of some of the heads: what a tensor-parallel rank needs."""
        return VerticalSlash(self.vertical[heads], self.slash[heads], self.last_q, self.block)


@dataclass(frozen=True)
class VerticalSlashSelection:
    """The keys that a chunk's queries attend to: the union of columns and slash blocks, as far as they are causal."""

    columns: Tensor
    """[Hq, V] int32, ascending; rows are padded with the length of the sequence."""
    column_counts: Tensor
    """[Hq] int32"""
    offsets: Tensor
    """[Hq, O] int32, ascending, starting with 0; rows are padded with the number of blocks."""
    offset_counts: Tensor
    """[Hq] int32"""
    covered: Tensor
    """[Hq, blocks] bool: whether a block this many before the query's own is among its offsets."""
    block: int

    def columns_of_heads(self) -> list[Tensor]:
        return [row[:count] for row, count in zip(self.columns, self.column_counts, strict=True)]

    def offsets_of_heads(self) -> list[Tensor]:
        return [row[:count] for row, count in zip(self.offsets, self.offset_counts, strict=True)]

    @classmethod
    def of(
        cls, columns: Sequence[Tensor], offsets: Sequence[Tensor], *, length: int, block: int = BLOCK
    ) -> "VerticalSlashSelection":
        """From the columns and block offsets of each head, in any order; offset 0 is added."""
        kept = torch.zeros(len(columns), length, dtype=torch.bool, device=columns[0].device)
        covered = torch.zeros(len(columns), -(-length // block), dtype=torch.bool, device=columns[0].device)
        for head, (own_columns, own_offsets) in enumerate(zip(columns, offsets, strict=True)):
            kept[head, own_columns.long()] = True
            covered[head, own_offsets.long()] = True
        return cls._of_masks(kept, covered, block)

    @classmethod
    def _of_masks(cls, kept: Tensor, covered: Tensor, block: int) -> "VerticalSlashSelection":
        covered[:, 0] = True
        columns, column_counts = _indices(kept)
        offsets, offset_counts = _indices(covered)
        return cls(columns, column_counts, offsets, offset_counts, covered, block)


def choose(vertical: Tensor, slash: Tensor, sparsity: VerticalSlash) -> VerticalSlashSelection:
    """The columns and diagonals with the highest scores, within each head's budget.

    Args:
        vertical: [Hq, n], the attention of the last queries to column j. Overwritten.
        slash: [Hq, n], that to diagonal i - j. Overwritten.
    """
    length, block = vertical.shape[1], sparsity.block
    vertical[:, :FORCED_COLUMNS] = torch.inf
    slash[:, :FORCED_DIAGONALS] = torch.inf
    kept = _top(vertical, sparsity.vertical)
    diagonals = _top(slash, sparsity.slash)
    # Query block b has queries at every place in it: diagonal d touches blocks b - floor(d / B) and b - ceil(d / B).
    blocks = -(-length // block)
    padded = torch.nn.functional.pad(diagonals, (0, blocks * block - length)).unflatten(1, (blocks, block))
    covered = padded.any(-1)
    covered[:, 1:] |= padded[:, :-1, 1:].any(-1)
    return VerticalSlashSelection._of_masks(kept, covered, block)


def density(selection: VerticalSlashSelection, *, start: int, length: int) -> Tensor:
    """The density of a selection: the fraction of the causal keys of queries `start` to `length`. [Hq] float64"""
    block = selection.block
    heads, blocks = selection.covered.shape
    device = selection.covered.device
    kept = torch.zeros(heads, length + 1, dtype=torch.bool, device=device).scatter_(1, selection.columns.long(), True)
    kept = kept[:, :length]
    in_block = torch.nn.functional.pad(kept, (0, blocks * block - length)).unflatten(1, (blocks, block)).sum(-1)
    queries = torch.arange(start, length, device=device)
    own = torch.arange(start // block, blocks, device=device)
    # Keys in the query's own block are counted up to the query; the block is always among the offsets.
    seen = (queries % block + 1).sum().double().expand(heads).clone()
    first, last = own * block, (own + 1) * block
    rows = (last.clamp(max=length) - first.clamp(min=start)).double()
    before = torch.arange(1, blocks, device=device)
    for index, count in zip(own.tolist(), rows, strict=True):
        back = before[:index]
        slash = selection.covered[:, back]
        columns = in_block[:, index - back] * ~slash
        seen += count * (slash.sum(1) * block + columns.sum(1))
    return seen / (queries + 1).sum()


def _top(scores: Tensor, budgets: Sequence[int]) -> Tensor:
    """[Hq, n] bool: the highest scores of each row, up to its budget."""
    most = min(max(budgets), scores.shape[1])
    best = scores.topk(most, dim=1).indices
    within = torch.arange(most, device=scores.device) < torch.tensor(budgets, device=scores.device)[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, within)


def _indices(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where each row is true: [rows, most] int32, padded with the row's length, and how many, [rows] int32."""
    counts = mask.sum(1, dtype=torch.int32)
    width = mask.shape[1]
    places = torch.where(mask, torch.arange(width, device=mask.device, dtype=torch.int32), width)
    return places.sort(1).values[:, : int(counts.max())].contiguous(), counts
