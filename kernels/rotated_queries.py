"""Queries and keys of one sequence, for attention in plain torch on any device."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .dca import INTER, INTRA, SUCCESSIVE, DCASpec, rotate
from .paged_kv import PagedKV


class RotatedQueries:
    """The queries of one sequence, and how they are rotated for each region of keys."""

    def __init__(
        self,
        q: Tensor,
        length: int,
        spec: DCASpec,
        kv_heads: int,
        *,
        q_rotated: bool,
        prompt_length: int | None = None,
        continuous: bool = False,
        tempered: bool = True,
    ):
        self.count = q.shape[0]
        self.start = length - self.count
        self.length = length
        self.spec = spec
        self.group = q.shape[1] // kv_heads
        self._q = q.unflatten(1, (kv_heads, self.group)).permute(1, 2, 0, 3)  # [Hkv, G, T, D]
        self._rotated = q_rotated
        self._continuous = continuous
        self._indices = torch.arange(self.start, length, device=q.device)
        self._tables = spec.tables(length, q.device)
        self._temperature = None  # [T], the factor of a query's logits beside the base scale
        if spec.temperature != "none" and tempered:
            self._temperature = (spec.scales(self._indices, prompt_length) / spec.base_scale).float()

    def chunks(self, begin: int | None = None, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Split the token indices from `begin` to `end`, all by default, at the borders of chunks."""
        begin, end = self.start if begin is None else begin, self.length if end is None else end
        span = self.spec.span
        while begin < end:
            stop = min(end, (begin // span + 1) * span)
            yield begin, stop
            begin = stop

    def regions(self, begin: int, until: int) -> list[tuple[int, int, int]]:
        """(region, first key, end) of the keys before the chunk of `begin`, and of those in it up to `until`."""
        span = self.spec.span
        own = begin // span * span
        parts = [(INTER, 0, own - span), (SUCCESSIVE, max(own - span, 0), own), (INTRA, own, until)]
        return [part for part in parts if part[1] < part[2]]

    def rotated(
        self, rows: slice | Tensor, region: int, head: int | slice = slice(None), member: int | slice = slice(None)
    ) -> Tensor:
        """The queries rotated for a region and multiplied by their temperature: [Hkv, G, rows, D]; [rows, D] of a head.

        Args:
            rows: indices of queries, counted from the first.
            head, member: the K/V head, and the query head among those that share it.
        """
        q = self._q[head, member][..., rows, :]
        at = self.spec.query_positions(self._indices[rows], region, continuous=self._continuous)
        if self._rotated:
            at = at - self._indices[rows] % self.spec.span
        if not self._rotated or region != INTRA:
            cos, sin = self._tables
            q = rotate(q.float(), cos[at], sin[at])
        if self._temperature is not None:
            q = q * self._temperature[rows, None]
        return q.to(self._q.dtype)

    def rows(self, begin: int, end: int) -> slice:
        """The rows of the tokens from `begin` to `end`."""
        return slice(begin - self.start, end - self.start)


def sequence(kv: PagedKV, block_table: Tensor, length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """K and V of one sequence, [Hkv, n, D] each: views if its pages are consecutive and evenly strided, else copies."""
    pages = block_table[: -(-length // kv.page_size)].long()
    first = int(pages[0])
    # Consecutive pages are one page, where the strides allow it.
    run = bool((pages == torch.arange(first, first + len(pages), device=pages.device)).all())

    def gathered(cache: Tensor, scale: float) -> Tensor:
        x = (cache[first : first + len(pages)] if run else cache[pages]).flatten(0, 1)[:length]
        if x.dtype != dtype or scale != 1.0:
            x = (x.float() * scale).to(dtype)
        return x.transpose(0, 1)

    return gathered(kv.k, kv.k_scale), gathered(kv.v, kv.v_scale)
