"""Vertical-slash sparsity: from the scores of a chunk's last queries to the keys its queries look at.

Attention of long prompts gathers in a few key columns (*vertical*: keys that every later query looks at) and along a
few diagonals (*slash*: keys a fixed distance back), which differ from head to head (MInference, arXiv 2407.02490). The
last 64 queries of a chunk show which ones; all its queries then look at those only.

Diagonals are kept as *block offsets*: a query of block b sees the whole key block b - o for every offset o that a
selected diagonal touches. That is the same list for every query block, and it makes dense tiles.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from .errors import KernelError

LAST_Q = 64
FORCED_COLUMNS = 30
FORCED_DIAGONALS = 100
BLOCK = 64


@dataclass(frozen=True)
class Sparsity:
    """How many columns and diagonals each query head of a layer may keep.

    Args:
        vertical, slash: per query head. The first `FORCED_COLUMNS` columns and the last `FORCED_DIAGONALS` diagonals
            are always kept, and count. A budget beyond the prompt keeps everything.
        last_q: how many of a chunk's queries choose.
        block: tokens of a slash block.

    Raises:
        KernelError: budgets of different lengths, or below 1.
    """

    vertical: tuple[int, ...]
    slash: tuple[int, ...]
    last_q: int = LAST_Q
    block: int = BLOCK

    def __post_init__(self) -> None:
        if not self.vertical or len(self.vertical) != len(self.slash):
            raise KernelError(f"{len(self.vertical)} vertical and {len(self.slash)} slash budgets; one of each a head")
        if min(*self.vertical, *self.slash, self.last_q) < 1:
            raise KernelError("budgets and last_q are at least 1")
        if self.block < 16 or self.block & (self.block - 1):
            raise KernelError(f"block is {self.block}; it is a power of two, at least 16")

    @classmethod
    def uniform(cls, heads: int, *, vertical: int, slash: int, last_q: int = LAST_Q, block: int = BLOCK) -> "Sparsity":
        """The same budget for every query head."""
        return cls((vertical,) * heads, (slash,) * heads, last_q, block)

    @classmethod
    def of_text(cls, text: str) -> "Sparsity":
        given = json.loads(text)
        return cls(tuple(given.pop("vertical")), tuple(given.pop("slash")), **given)

    @property
    def text(self) -> str:
        """All of it: the form in which it is handed to a torch operator, whose arguments are of few types."""
        return json.dumps(asdict(self))

    @property
    def heads(self) -> int:
        return len(self.vertical)

    def of_heads(self, heads: slice) -> "Sparsity":
        """The budgets of some of the heads: what a tensor-parallel rank needs."""
        return Sparsity(self.vertical[heads], self.slash[heads], self.last_q, self.block)


@dataclass(frozen=True)
class Selection:
    """The keys that a chunk's queries look at: the union of columns and slash blocks, as far as they are causal."""

    columns: Tensor
    """[Hq, V] int32, ascending; after a head's own the length of the sequence is repeated."""
    column_counts: Tensor
    """[Hq] int32"""
    offsets: Tensor
    """[Hq, O] int32, ascending, beginning with 0; after a head's own a number beyond every block is repeated."""
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
    ) -> "Selection":
        """From the columns and block offsets of each head, in any order; offset 0 is added."""
        kept = torch.zeros(len(columns), length, dtype=torch.bool, device=columns[0].device)
        covered = torch.zeros(len(columns), -(-length // block), dtype=torch.bool, device=columns[0].device)
        for head, (own_columns, own_offsets) in enumerate(zip(columns, offsets, strict=True)):
            kept[head, own_columns.long()] = True
            covered[head, own_offsets.long()] = True
        return cls._of_masks(kept, covered, block)

    @classmethod
    def _of_masks(cls, kept: Tensor, covered: Tensor, block: int) -> "Selection":
        covered[:, 0] = True
        columns, column_counts = _indices(kept)
        offsets, offset_counts = _indices(covered)
        return cls(columns, column_counts, offsets, offset_counts, covered, block)


def choose(vertical: Tensor, slash: Tensor, sparsity: Sparsity) -> Selection:
    """The columns and diagonals with the highest scores, within each head's budget.

    Args:
        vertical: [Hq, n], what column j got from the last queries. Overwritten.
        slash: [Hq, n], what diagonal i - j got. Overwritten.
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
    return Selection._of_masks(kept, covered, block)


def density(selection: Selection, *, start: int, length: int) -> Tensor:
    """The share of the causal keys of queries `start` to `length` that the selection has: [Hq] float64."""
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
    """[Hq, n] bool: the highest scores of each row, as many as its budget says."""
    most = min(max(budgets), scores.shape[1])
    best = scores.topk(most, dim=1).indices
    within = torch.arange(most, device=scores.device) < torch.tensor(budgets, device=scores.device)[:, None]
    return torch.zeros_like(scores, dtype=torch.bool).scatter_(1, best, within)


def _indices(mask: Tensor) -> tuple[Tensor, Tensor]:
    """Where each row is true: [rows, most] int32, filled up with the row's length, and how many, [rows] int32."""
    counts = mask.sum(1, dtype=torch.int32)
    width = mask.shape[1]
    places = torch.where(mask, torch.arange(width, device=mask.device, dtype=torch.int32), width)
    return places.sort(1).values[:, : int(counts.max())].contiguous(), counts
