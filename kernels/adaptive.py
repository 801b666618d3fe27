"""Adaptive sparsity: each block of queries chooses its keys, by what a few of its queries look at.

Vertical-slash (`selection.py`) has one choice for all queries of a chunk, of a size that was fixed beforehand. Here
each head chooses anew for every block of queries, as much as it has to: a few *witnesses*, evenly spaced over the
block, attend to every key, and the keys that get most of it are taken until they have the share `keep` of all of it.
(Such a cumulative threshold is FlexPrefill's, arXiv 2502.20766, and XAttention's, arXiv 2503.16428, whose scores are
coarser.)

Whether they have it is asked of witnesses that did not choose them. A retrieval head looks at other keys from every
query, so what its witnesses choose for themselves has their share, and little of their neighbours'. So the witnesses
are two halves, of which each says how many of the other's best keys it takes: where queries differ, nearly all.

Keys are chosen in blocks of `key_block`: one by one where they are gathered anyway, as on a CPU, or as many as a tile
of a GPU has.
"""

import json
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from .errors import KernelError

KEEP = 0.95
WITNESSES = 32
QUERY_BLOCK = 1024
KEY_BLOCK = 1
"""The kept share was measured on a CPU (docs/quality.md); so were blocks of single keys against blocks of 64
(docs/calibration.md)."""
GPU_BLOCKS = {"witnesses": 8, "query_block": 128, "key_block": 64}
"""`Adaptive`'s options for the Triton kernel, whose tiles the blocks are. Not measured yet."""

SINK = 64
"""Keys at the beginning that are always chosen. So are as many before a query block as it has queries, and its own."""

WATCHED = 64
"""Queries of which a chunk's recall is estimated while it is used, as many as choose in vertical-slash attention."""

_DROPPED = 15
"""Of a share's 32 bits: the 8 of its mantissa that stay tell shares apart that differ by half a percent."""
_LEAST = (127 - 60 << 8) - 1
"""The bits that stay of 2^-60: keys of a lower share are chosen only when all are."""
_BINS = (127 << 8) - _LEAST + 1
_UNIT = 1 << 36
"""Shares are added up as integers, so that the sum is the same in any order."""
_KEY = 1 << 38
"""Such an integer counts keys as well, above the bits that a sum of shares, at most 1, needs."""


@dataclass(frozen=True)
class Adaptive:
    """How much of its attention each query head of a layer keeps.

    Args:
        keep: per query head, the share of the attention that the chosen keys are to have, as witnesses tell who did
            not choose them; 1 keeps all.
        witnesses: queries of a block that choose, at least 2.
        query_block: tokens that share a choice.
        key_block: tokens that are chosen together: 1, or a power of two from 16 on, which divides `query_block`.

    Raises:
        KernelError: shares beyond 0 to 1, or blocks that do not fit each other.
    """

    keep: tuple[float, ...]
    witnesses: int = WITNESSES
    query_block: int = QUERY_BLOCK
    key_block: int = KEY_BLOCK

    def __post_init__(self) -> None:
        if not self.keep or not 0 < min(self.keep) <= max(self.keep) <= 1:
            raise KernelError(f"keep is {self.keep}; it is a share above 0, and at most 1, for each head")
        if self.query_block < 16 or self.query_block & (self.query_block - 1):
            raise KernelError(f"query_block is {self.query_block}; it is a power of two, at least 16")
        if self.key_block != 1 and (self.key_block < 16 or self.query_block % self.key_block):
            raise KernelError(
                f"key_block is {self.key_block}; it is 1, or at least 16 and a divisor of the query block, "
                f"{self.query_block}"
            )
        if not 2 <= self.witnesses <= self.query_block:
            raise KernelError(f"witnesses is {self.witnesses}; it is 2 to {self.query_block}, the query block")

    @classmethod
    def uniform(cls, heads: int, keep: float, **options: int) -> "Adaptive":
        """The same for every query head."""
        return cls((keep,) * heads, **options)

    @classmethod
    def of_text(cls, text: str) -> "Adaptive":
        """From `text`."""
        given = json.loads(text)
        return cls(tuple(given.pop("keep")), **given)

    @property
    def text(self) -> str:
        """All of it: the form in which it is handed to a torch operator, whose arguments are of few types."""
        return json.dumps(asdict(self))

    @property
    def heads(self) -> int:
        return len(self.keep)

    @property
    def last_q(self) -> int:
        return WATCHED

    def of_heads(self, heads: slice) -> "Adaptive":
        """Those of some of the heads: what a tensor-parallel rank needs."""
        return replace(self, keep=self.keep[heads])


@dataclass(frozen=True)
class BlockSelection:
    """The key blocks that each query block of a chunk looks at, as far as they are causal."""

    chosen: Tensor
    """[Hq, query blocks, key blocks] bool. A query block's own key blocks are always among them."""
    query_block: int
    key_block: int
    start: int
    """The first query. Query blocks begin at multiples of `query_block`; of the first one a part may be missing."""

    @classmethod
    def empty(cls, adaptive: Adaptive, start: int, length: int, device: torch.device) -> "BlockSelection":
        """For the queries from `start` to `length`, not chosen yet."""
        blocks = -(-length // adaptive.query_block) - start // adaptive.query_block
        shape = adaptive.heads, blocks, -(-length // adaptive.key_block)
        return cls(torch.empty(shape, dtype=torch.bool, device=device), adaptive.query_block, adaptive.key_block, start)

    def begins(self) -> Tensor:
        """[query blocks] int64: the first token of each."""
        blocks = torch.arange(self.chosen.shape[1], device=self.chosen.device)
        return (self.start // self.query_block + blocks) * self.query_block

    def before(self) -> Tensor:
        """[query blocks, key blocks] bool: whether a key block lies before the query block."""
        keys = torch.arange(self.chosen.shape[2], device=self.chosen.device) * self.key_block
        return keys < self.begins()[:, None]


def witnesses(adaptive: Adaptive, start: int, length: int) -> Tensor:
    """[query blocks, witnesses] int64: token indices, evenly spaced over the block's queries, the last one included."""
    size, count = adaptive.query_block, adaptive.witnesses
    begins = torch.arange(start // size * size, length, size)
    first, end = begins.clamp(min=start), (begins + size).clamp(max=length)
    steps = (end - first)[:, None] * torch.arange(1, count + 1) // count
    return (first[:, None] + steps - 1).maximum(first[:, None])


def halves(witnesses: int) -> Tensor:
    """[2, witnesses] float32: how much each witness counts in the mean of each half. Every other is in the first."""
    mask = (torch.arange(witnesses) % 2 == torch.tensor([[0], [1]])).float()
    return mask / mask.sum(1, keepdim=True)


def choose_blocks(shares: Tensor, keep: float, begins: Tensor, adaptive: Adaptive) -> Tensor:
    """The key blocks of the highest shares, as many as have `keep` of them, and those that are always chosen.

    How many, each half of the witnesses says of the other's order; the mean of both numbers is taken, in the order of
    the mean shares. How high a share must be is found by histograms, to within half a percent: it takes a fraction of a
    sort's time.

    Args:
        shares: [query blocks, 2, key blocks], of the attention of each half of the witnesses of one head.
        begins: [query blocks], the first token of each query block.

    Returns:
        [query blocks, key blocks] bool.
    """
    key = torch.arange(shares.shape[-1], device=shares.device) * adaptive.key_block
    begins = begins[:, None]
    causal = key < begins + adaptive.query_block
    if keep >= 1:
        return causal
    forced = (key < SINK) | (key >= begins - adaptive.query_block)
    free = shares.masked_fill(forced[:, None], 0)
    bins = _bins(free)
    held = (free * _UNIT).long()
    needed = ((free.sum(-1) - (1 - keep) * shares.sum(-1)).clamp(min=0) * _UNIT).long()
    counted = torch.where(forced, 0, _KEY)  # what is not causal is among the forced: no share, and none to count
    enough = torch.zeros(len(shares), 1, dtype=torch.int64, device=shares.device)
    for one, other in ((0, 1), (1, 0)):
        above = _from_above(bins[:, one], held[:, other] + counted)
        short = (above % _KEY < needed[:, other, None]).sum(1, keepdim=True).clamp(max=_BINS - 1)
        enough += (above // _KEY).gather(1, short) * (needed[:, other, None] > 0)
    bins = _bins(free.mean(1))
    short = (_from_above(bins, counted) // _KEY < enough // 2).sum(1, keepdim=True)
    return (forced | (bins >= _BINS - 1 - short)) & causal


def _bins(shares: Tensor) -> Tensor:
    """In which bin of a histogram each is: numbers that are not negative are in the order of their bits."""
    return (shares.float().view(torch.int32) >> _DROPPED).sub_(_LEAST).clamp_(0, _BINS - 1).long()


def _from_above(bins: Tensor, amounts: Tensor) -> Tensor:
    """[query blocks, bins] int64: what is in the highest bin, in it and the next, and so on."""
    return amounts.new_zeros(len(bins), _BINS).scatter_add_(1, bins, amounts).flip(1).cumsum(1)


def block_density(selection: BlockSelection, *, length: int) -> Tensor:
    """The share of the causal keys of the queries up to `length` that the selection has: [Hq] float64."""
    begins, size = selection.begins(), selection.query_block
    rows = ((begins + size).clamp(max=length) - begins.clamp(min=selection.start)).double()
    before = (selection.chosen & selection.before()).sum(-1) * selection.key_block  # [Hq, query blocks]
    queries = torch.arange(selection.start, length, device=begins.device)
    return ((before * rows).sum(-1) + (queries % size + 1).sum()) / (queries + 1).sum()
