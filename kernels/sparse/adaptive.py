"""Adaptive sparsity: each block of queries selects its keys, by what a few sampled queries attend to.

Vertical-slash (`vertical_slash.py`) makes one selection for all queries of a chunk, of a size that is fixed beforehand.
Here each head selects anew for every block of queries, and as many keys as it needs: a few *probe queries*, evenly
spaced over the block, attend to every key, and the keys with the most attention are taken until their combined share
reaches `keep`. (FlexPrefill, arXiv 2502.20766, and XAttention, arXiv 2503.16428, use such a cumulative threshold too,
with coarser scores.)

Coverage is cross-validated on held-out probe queries: in retrieval heads every query attends to different keys, so keys
selected by a probe cover that probe but not its neighbours. The probes are split into two halves, and each half decides
how many of the other half's top keys are needed; where the queries differ, that is nearly all of them.

Keys are selected in blocks of `key_block`: single keys where they are gathered anyway, as on a CPU, or as many as a
tile of a GPU kernel has.
"""

import json
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..errors import KernelError

KEEP = 0.95
PROBES = 32
QUERY_BLOCK = 1024
KEY_BLOCK = 1
"""The kept share was measured on a CPU (docs/quality.md); so were blocks of single keys against blocks of 64
(docs/internals/calibration.md)."""
GPU_BLOCKS = {"probes": 8, "query_block": 128, "key_block": 64}
"""`Adaptive`'s options for the Triton kernel, whose tiles the blocks are. Not measured yet."""

SINK = 64
"""Keys at the start of the sequence that are always selected. So are a query block's own keys, and as many before it
as it has queries."""

WATCHED = 64
"""Queries for which a chunk's recall is estimated while the model is used, as many as score in vertical-slash."""

_DROPPED = 15
"""Of a share's 32 bits: the 8 of its mantissa that stay tell shares apart that differ by half a percent."""
_LEAST = (127 - 60 << 8) - 1
"""The bits that stay of 2^-60: keys of a lower share are selected only when all are."""
_BINS = (127 << 8) - _LEAST + 1
_UNIT = 1 << 36
"""Shares are added up as integers, so that the sum is the same in any order."""
_KEY = 1 << 38
"""Such an integer counts keys as well, above the bits that a sum of shares, at most 1, needs."""


@dataclass(frozen=True)
class Adaptive:
    """How much of its attention each query head of a layer keeps.

    Args:
        keep: per query head, the share of the attention that the selected keys must have, as estimated by the probes
            that did not select them; 1 keeps all.
        probes: queries of a block that select, at least 2.
        query_block: tokens that share a selection.
        key_block: tokens that are selected together: 1, or a power of two from 16 on, which divides `query_block`.

    Raises:
        KernelError: shares beyond 0 to 1, or blocks that do not fit each other.
    """

    keep: tuple[float, ...]
    probes: int = PROBES
    query_block: int = QUERY_BLOCK
    key_block: int = KEY_BLOCK
    text: str = field(init=False, repr=False, compare=False)
    """All of it as text, which a torch operator can take as an argument."""

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
        if not 2 <= self.probes <= self.query_block:
            raise KernelError(f"probes is {self.probes}; it is 2 to {self.query_block}, the query block")
        object.__setattr__(self, "text", json.dumps(self.__dict__))

    @classmethod
    def uniform(cls, heads: int, keep: float, **options: int) -> "Adaptive":
        """The same for every query head."""
        return cls((keep,) * heads, **options)

    @classmethod
    def of_text(cls, text: str) -> "Adaptive":
        """The pattern whose `text` this is."""
        given = json.loads(text)
        return cls(tuple(given.pop("keep")), **given)

    @property
    def heads(self) -> int:
        """Query heads of the layer."""
        return len(self.keep)

    @property
    def last_q(self) -> int:
        """Queries at the end of a chunk for which its recall is estimated."""
        return WATCHED

    def of_heads(self, heads: slice) -> "Adaptive":
        """The pattern for some of the heads: what a tensor-parallel rank needs."""
        return replace(self, keep=self.keep[heads])


@dataclass(frozen=True)
class BlockSelection:
    """The key blocks that each query block of a chunk attends to, as far as they are causal."""

    chosen: Tensor
    """[Hq, query blocks, key blocks] bool. A query block's own key blocks are always among them."""
    query_block: int
    key_block: int
    start: int
    """The first query. Query blocks start at multiples of `query_block`; the first one may be incomplete."""

    @classmethod
    def empty(cls, adaptive: Adaptive, start: int, length: int, device: torch.device) -> "BlockSelection":
        """A selection for the queries from `start` to `length`, not filled in yet."""
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


def probe_positions(adaptive: Adaptive, start: int, length: int) -> Tensor:
    """[query blocks, probes] int64: token indices, evenly spaced over the block's queries, the last one included."""
    size, count = adaptive.query_block, adaptive.probes
    begins = torch.arange(start // size * size, length, size)
    first, end = begins.clamp(min=start), (begins + size).clamp(max=length)
    steps = (end - first)[:, None] * torch.arange(1, count + 1) // count
    return (first[:, None] + steps - 1).maximum(first[:, None])


def halves(probes: int) -> Tensor:
    """[2, probes] float32: the weight of each probe in the mean of each half. The even ones are in the first."""
    mask = (torch.arange(probes) % 2 == torch.tensor([[0], [1]])).float()
    return mask / mask.sum(1, keepdim=True)


def choose_blocks(shares: Tensor, keep: float, begins: Tensor, adaptive: Adaptive) -> Tensor:
    """The smallest set of key blocks whose combined share reaches `keep`, and those that are always selected.

    Its size is cross-validated: each half of the probes decides how many of the other half's top blocks are needed. The
    mean of both numbers is taken, in the order of the mean shares. The lowest share that is selected is found by
    histograms, to within half a percent, in a fraction of the time that sorting would take.

    Args:
        shares: [query blocks, 2, key blocks], of the attention of each half of the probes of one head.
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
    """The histogram bin of each share: numbers that are not negative are in the order of their bits."""
    return (shares.float().view(torch.int32) >> _DROPPED).sub_(_LEAST).clamp_(0, _BINS - 1).long()


def _from_above(bins: Tensor, amounts: Tensor) -> Tensor:
    """[query blocks, bins] int64: the sum of the highest bin, of the two highest, and so on."""
    return amounts.new_zeros(len(bins), _BINS).scatter_add_(1, bins, amounts).flip(1).cumsum(1)


def block_density(selection: BlockSelection, *, length: int) -> Tensor:
    """The density of a selection: the fraction of the causal keys of the queries up to `length`. [Hq] float64"""
    begins, size = selection.begins(), selection.query_block
    rows = ((begins + size).clamp(max=length) - begins.clamp(min=selection.start)).double()
    before = (selection.chosen & selection.before()).sum(-1) * selection.key_block  # [Hq, query blocks]
    queries = torch.arange(selection.start, length, device=begins.device)
    return ((before * rows).sum(-1) + (queries % size + 1).sum()) / (queries + 1).sum()
