"""DCA on CPUs, from torch's own flash attention: one call for each region of keys, merged by log-sum-exp.

No region but a chunk's own end needs a mask, so no work is spent on masked keys; K and V are read where they are, and
the query heads of a group lie side by side as one long run of queries, so K and V are never repeated.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from .dca import INTER, INTRA, SUCCESSIVE, DCASpec, rotate
from .paged import Batch, PagedKV
from .selection import Selection

_SCORED_KEYS = 2048
"""At a time, so that the logits stay in the processor's caches: it takes two passes, and several over each tile."""


def dense(
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
) -> None:
    """Dense causal attention of a batch. See `longread.kernels.ops.dca_prefill`."""
    starts = batch.query_starts.tolist()
    for index, length in enumerate(batch.lengths.tolist()):
        rows = slice(starts[index], starts[index + 1])
        if rows.start == rows.stop:
            continue
        if not length:
            out[rows] = 0
            if lse is not None:
                lse[rows] = -torch.inf
            continue
        k, v = _sequence(kv, batch.block_table[index], length, q.dtype)
        prompt = None if batch.prompt_lengths is None else int(batch.prompt_lengths[index])
        queries = _Queries(q[rows], length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt)
        found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
        for begin, end in queries.chunks():
            _dense_chunk(queries, k, v, begin, end, out[rows], found)
        if lse is not None:
            lse[rows] = found


def sparse(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: Selection,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    prompt_length: int | None = None,
) -> None:
    """Attention of a sequence's last queries to the selected keys. See `longread.kernels.ops.dca_prefill`."""
    k, v = _sequence(kv, block_table, length, q.dtype)
    queries = _Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, prompt_length=prompt_length)
    found = torch.empty(queries.count, q.shape[1], dtype=torch.float32)
    size, heads = selection.block, q.shape[1]
    # Only the block that a query is in has keys after it. The rest is one unmasked call a head and query block.
    tiles = [
        (max(begin, queries.start), min(begin + size, length))
        for begin in range(queries.start // size * size, length, size)
    ]
    columns = torch.zeros(heads, -(-(length + 1) // size) * size, dtype=torch.bool)
    columns.scatter_(1, selection.columns.long(), True)  # what fills up a row lies beyond the sequence
    columns = columns.unflatten(1, (-1, size))

    @torch.inference_mode()  # a thread does not inherit it
    def tile(place: tuple[int, int]) -> None:
        for begin, end in queries.chunks(*place):
            _sparse_tile(queries, k, v, begin, end, columns, selection, out, found)

    # A tile is too small for torch to share out over threads.
    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(tile, tiles):
                pass
    finally:
        torch.set_num_threads(threads)  # a part of it is the process's, not the thread's
    if lse is not None:
        lse.copy_(found)


def scores(
    q: Tensor, kv: PagedKV, block_table: Tensor, length: int, spec: DCASpec, *, q_rotated: bool = False
) -> tuple[Tensor, Tensor]:
    """What each key column and each diagonal i - j gets of the attention of the last queries: [Hq, n] twice, float32.

    Args:
        q: [L, Hq, D], the last L of the sequence's tokens.
    """
    k, _ = _sequence(kv, block_table, length, q.dtype)
    queries = _Queries(q, length, spec, k.shape[0], q_rotated=q_rotated, continuous=True)
    vertical, slash = torch.zeros(2, k.shape[0], queries.group, length)
    log_sum = torch.full((k.shape[0], queries.group, queries.count), -torch.inf)
    for rows, _, logits in _logits(queries, k):
        log_sum[:, :, rows] = log_sum[:, :, rows].logaddexp(logits.logsumexp(-1))
    for rows, first, logits in _logits(queries, k):
        shares = logits.sub_(log_sum[:, :, rows, None]).exp_()
        stop = first + shares.shape[-1]
        vertical[..., first:stop] += shares.sum(2)
        nearest = queries.start + rows.start - stop + 1
        sums = _diagonal_sums(shares)[..., max(-nearest, 0) :]
        nearest = max(nearest, 0)
        slash[..., nearest : nearest + sums.shape[-1]] += sums
    return vertical.flatten(0, 1), slash.flatten(0, 1)


def write(
    k: Tensor,
    v: Tensor,
    kv: PagedKV,
    slots: Tensor,
    positions: Tensor,
    spec: DCASpec,
    *,
    max_length: int | None = None,
) -> None:
    """Rotate K and put K and V into the cache. See `longread.kernels.ops.dca_write`."""
    there = slots >= 0
    slots, positions = slots[there], positions[there].long()
    page, place = slots // kv.page_size, slots % kv.page_size
    cos, sin = spec.tables(max_length or int(positions.max()) + 1 if len(positions) else 1)
    at = spec.key_positions(positions)
    rotated = rotate(k[there].float(), cos[at][:, None], sin[at][:, None])
    kv.k[page, place] = (rotated / kv.k_scale).to(kv.k.dtype)
    kv.v[page, place] = (v[there].float() / kv.v_scale).to(kv.v.dtype)


class _Queries:
    """The queries of one sequence, and their rotation for each region."""

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
    ):
        self.count = q.shape[0]
        self.start = length - self.count
        self.length = length
        self.spec = spec
        self.group = q.shape[1] // kv_heads
        self._q = q.unflatten(1, (kv_heads, self.group)).permute(1, 2, 0, 3)  # [Hkv, G, T, D]
        self._rotated = q_rotated
        self._continuous = continuous
        self._indices = torch.arange(self.start, length)
        self._tables = spec.tables(length)
        self._temperature = None  # [T], what a query's logits are multiplied by beyond the base scale
        if spec.temperature != "none" and not continuous:
            self._temperature = (spec.scales(self._indices, prompt_length) / spec.base_scale).float()

    def chunks(self, begin: int | None = None, end: int | None = None) -> Iterator[tuple[int, int]]:
        """The runs of token indices from `begin` to `end`, all by default, that lie in one chunk each."""
        begin, end = self.start if begin is None else begin, self.length if end is None else end
        span = self.spec.span
        while begin < end:
            stop = min(end, (begin // span + 1) * span)
            yield begin, stop
            begin = stop

    def regions(self, begin: int, until: int) -> list[tuple[int, int, int]]:
        """(region, first key, end) of the keys before the chunk of `begin`, and of its own up to `until`."""
        span = self.spec.span
        own = begin // span * span
        parts = [(INTER, 0, own - span), (SUCCESSIVE, max(own - span, 0), own), (INTRA, own, until)]
        return [part for part in parts if part[1] < part[2]]

    def turned(self, begin: int, end: int, region: int) -> Tensor:
        """Queries of these token indices, rotated for a region, with their temperature in them: [Hkv, G, T, D]."""
        rows = slice(begin - self.start, end - self.start)
        q = self._q[:, :, rows]
        at = self.spec.query_positions(self._indices[rows], region, continuous=self._continuous)
        if self._rotated:
            at = at - self._indices[rows] % self.spec.span
        if not self._rotated or region != INTRA:
            cos, sin = self._tables
            q = rotate(q.float(), cos[at], sin[at])
        if self._temperature is not None:
            q = q * self._temperature[rows, None]
        return q.to(self._q.dtype)


def _dense_chunk(queries: _Queries, k: Tensor, v: Tensor, begin: int, end: int, out: Tensor, lse: Tensor) -> None:
    """Attention of queries that lie in one chunk. k, v: [Hkv, n, D]."""
    shape = (k.shape[0], queries.group, end - begin, k.shape[2])
    alone = end - begin == 1  # a decode step: it sees itself, so nothing is to be masked
    parts = []
    for region, first, stop in queries.regions(begin, end if alone else begin):
        packed = queries.turned(begin, end, region).flatten(1, 2)[:, None]  # [Hkv, 1, G · T, D]
        parts.append(_flash(packed, k[:, None, first:stop], v[:, None, first:stop], queries.spec))
    if not alone:
        # Stride 0 over the group: one K/V head seen by several query heads, not copied.
        keys, values = (x[:, None, begin:end].expand(shape) for x in (k, v))
        parts.append(_flash(queries.turned(begin, end, INTRA), keys, values, queries.spec, causal=True))
    merged, total = _merge([(part.reshape(shape), weight.reshape(shape[:3])) for part, weight in parts])
    rows = slice(begin - queries.start, end - queries.start)
    out[rows].unflatten(1, shape[:2]).copy_(merged.permute(2, 0, 1, 3))
    lse[rows].unflatten(1, shape[:2]).copy_(total.permute(2, 0, 1))


def _sparse_tile(
    queries: _Queries,
    k: Tensor,
    v: Tensor,
    begin: int,
    end: int,
    columns: Tensor,
    selection: Selection,
    out: Tensor,
    lse: Tensor,
) -> None:
    """Attention of the queries of one block, as far as they lie in one chunk, to the selected keys before it."""
    size = selection.block
    block = begin // size
    rows = slice(begin - queries.start, end - queries.start)
    regions = queries.regions(begin, begin)
    turned = {region: queries.turned(begin, end, region) for region in {INTRA, *(region for region, *_ in regions)}}
    borders = torch.tensor([border for _, *both in regions for border in both])
    seen = columns[:, : block + 1] | selection.covered[:, : block + 1].flip(1)[..., None]  # [Hq, blocks, size]
    seen = seen.flatten(1)[:, :begin]
    for head in range(columns.shape[0]):
        own, member = divmod(head, queries.group)
        found = seen[head].nonzero().squeeze(1)
        query = turned[INTRA][own, member][None, None]
        parts = [_flash(query, k[own, begin:end][None, None], v[own, begin:end][None, None], queries.spec, causal=True)]
        edges = torch.searchsorted(found, borders).tolist()
        for (region, *_), first, stop in zip(regions, edges[::2], edges[1::2], strict=True):
            chosen = found[first:stop]
            if len(chosen):
                keys, values = (x[own].index_select(0, chosen)[None, None] for x in (k, v))
                parts.append(_flash(turned[region][own, member][None, None], keys, values, queries.spec))
        merged, total = _merge(parts)
        out[rows, head] = merged[0, 0]
        lse[rows, head] = total[0, 0]


def _logits(queries: _Queries, k: Tensor) -> Iterator[tuple[slice, int, Tensor]]:
    """(rows, first key, their logits [Hkv, G, rows, keys] float32), tile by tile. k: [Hkv, n, D]."""
    for begin, end in queries.chunks():
        rows = slice(begin - queries.start, end - queries.start)
        for region, first, stop in queries.regions(begin, end):
            turned = queries.turned(begin, end, region).float() * queries.spec.base_scale
            packed = turned.flatten(1, 2)  # [Hkv, G · rows, D]
            for at in range(first, stop, _SCORED_KEYS):
                keys = k[:, at : min(at + _SCORED_KEYS, stop)].float()
                logits = (packed @ keys.mT).unflatten(1, turned.shape[1:3])
                if at + keys.shape[1] > begin:
                    future = torch.arange(at, at + keys.shape[1]) > torch.arange(begin, end)[:, None]
                    logits.masked_fill_(future, -torch.inf)
                yield rows, at, logits


def _diagonal_sums(shares: Tensor) -> Tensor:
    """[..., rows, keys] summed along its diagonals: [..., rows + keys - 1], from the top right one on."""
    rows, keys = shares.shape[-2:]
    # In rows a place longer than they are, every row is shifted by one against the last: columns are diagonals.
    width = keys + 2 * rows
    padded = torch.nn.functional.pad(shares, (rows, rows)).flatten(0, -3)
    skewed = padded.as_strided((padded.shape[0], rows, rows + keys), (rows * width, width + 1, 1))
    return skewed.sum(1)[:, 1:].flip(1).unflatten(0, shares.shape[:-2])


def _flash(query: Tensor, key: Tensor, value: Tensor, spec: DCASpec, *, causal: bool = False) -> tuple[Tensor, Tensor]:
    """torch's flash attention for CPUs, which `scaled_dot_product_attention` runs without showing the log-sum-exp.

    query [B, H, T, D], key and value [B, H, n, D] of any strides -> out like query, log-sum-exp [B, H, T]
    """
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, scale=spec.base_scale
    )


def _merge(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """One softmax out of softmaxes over disjoint keys: (out [..., D], log-sum-exp [...]) of each."""
    out, lse = parts[0]
    for other, weight in parts[1:]:
        out = torch.lerp(out, other, torch.sigmoid(weight - lse)[..., None].to(out.dtype))
        lse = torch.logaddexp(lse, weight)
    return out, lse


def _sequence(kv: PagedKV, block_table: Tensor, length: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """K and V of one sequence, [Hkv, n, D] each: views if its pages lie in a row, and tokens evenly, else copies."""
    pages = block_table[: -(-length // kv.page_size)].long()
    first = int(pages[0])
    # Pages in a row are one page, where the strides allow it.
    run = bool((pages == torch.arange(first, first + len(pages))).all())

    def gathered(cache: Tensor, scale: float) -> Tensor:
        x = (cache[first : first + len(pages)] if run else cache[pages]).flatten(0, 1)[:length]
        if x.dtype != dtype or scale != 1.0:
            x = (x.float() * scale).to(dtype)
        return x.transpose(0, 1)

    return gathered(kv.k, kv.k_scale), gathered(kv.v, kv.v_scale)
