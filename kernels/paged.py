"""What the implementations are handed: a paged K/V cache, and which queries of which sequences look into it."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PagedKV:
    """The K/V cache of a layer. A contiguous K/V of one sequence is a cache of one page."""

    k: Tensor
    """[pages, page size, Hkv, D], rotated at j mod S. Any strides, as long as D is contiguous; may be float8_e4m3fn."""
    v: Tensor
    """Like `k`."""
    k_scale: float = 1.0
    """What the stored K is multiplied by to be K."""
    v_scale: float = 1.0

    @property
    def page_size(self) -> int:
        return self.k.shape[1]


@dataclass(frozen=True)
class Batch:
    """The sequences of a batch. Queries lie one sequence after the other, each the last tokens of its sequence."""

    block_table: Tensor
    """[sequences, most pages] int32: the page of tokens p · page size and on."""
    query_starts: Tensor
    """[sequences + 1] int32: where each sequence's queries begin in q, and where the last one's end."""
    lengths: Tensor
    """[sequences] int32: tokens, those of the queries included; their K/V are in the cache already."""
    max_query: int
    """The most queries of a sequence."""
    max_length: int
    """The greatest length."""
    prompt_lengths: Tensor | None = None
    """[sequences] int32: n of the "prompt" temperature, which alone needs it."""
    host: tuple[Sequence[int], Sequence[int]] | None = None
    """`query_starts` and `lengths` on the host, where known: sparse prefill asks the device otherwise, and waits."""
