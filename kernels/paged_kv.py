"""The paged K/V cache and the batch of sequences that the kernels are called with."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class PagedKV:
    """The K/V cache of a layer. Contiguous K and V of one sequence are a cache of one page."""

    k: Tensor
    """[pages, page size, Hkv, D], rotated at j mod S. Any strides, as long as D is contiguous; may be float8_e4m3fn."""
    v: Tensor
    """Like `k`."""
    k_scale: float = 1.0
    """K is the stored K times this."""
    v_scale: float = 1.0

    @property
    def page_size(self) -> int:
        """Tokens of a page."""
        return self.k.shape[1]


@dataclass(frozen=True)
class Batch:
    """The sequences of a batch. Their queries are concatenated; those of each sequence are its last tokens."""

    block_table: Tensor
    """[sequences, most pages] int32: entry p is the page with the tokens from p · page size on."""
    query_starts: Tensor
    """[sequences + 1] int32: where the queries of each sequence start in q, and where those of the last one end."""
    lengths: Tensor
    """[sequences] int32: tokens, including the queries, whose K and V are in the cache already."""
    max_query: int
    """The largest number of queries of a sequence."""
    max_length: int
    """The largest length."""
    prompt_lengths: Tensor | None = None
    """[sequences] int32: the length of each whole prompt. Only the temperature "prompt" needs it."""
    host: tuple[Sequence[int], Sequence[int]] | None = None
    """`query_starts` and `lengths` on the host, if known. Without them sparse prefill has to wait for the device."""
