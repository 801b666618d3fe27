"""Vertical-slash sparse attention of a chunk of one sequence's prompt, with DCA's positions.

The pattern is MInference's (arXiv 2407.02490), with DCA's rotations as in the Qwen2.5-1M report (arXiv 2501.15383). A
tile of queries is one block of the sequence. It attends to the key blocks that lie a selected number of blocks before
it (the slash part), and to single columns (the vertical part), whose K and V are gathered into contiguous memory first.
So all tiles are dense. Columns in a key block of the slash part are masked.

Offsets and columns are sorted, so the keys of a region are a range of each; the ranges are computed first.
"""

# Kernels are in Triton's dialect, which a type checker takes for Python.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false
# pyright: reportPossiblyUnboundVariable=false

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..dca import DCASpec
from ..errors import KernelError
from ..paged_kv import PagedKV
from ..sparse.vertical_slash import VerticalSlashSelection
from .common import (
    INTERPRETED,
    NO_LOGIT,
    Tiles,
    attend,
    check_supported,
    has_large_shared_memory,
    load_keys,
    load_values,
    locate,
    log_sum_of,
    offsets_of,
    page_of,
    rotate_queries,
    scales_of,
)


# Values that change from chunk to chunk must not cause a recompilation, which takes seconds.
@triton.jit(
    do_not_specialize=["start", "length", "prompt", "widest", "lse_token", "lse_head", "offsets_head", "covered_head"],
    do_not_specialize_on_alignment=["table", "lse"],
)
def _sparse(
    q,
    k,
    v,
    out,
    lse,
    table,
    ranges,
    offsets,
    columns,
    k_columns,
    v_columns,
    covered,
    cos,
    sin,
    start,
    length,
    prompt,
    span,
    furthest,
    scale,
    window,
    v_scale,
    widest,
    q_token,
    q_head,
    k_page,
    k_token,
    k_head,
    v_page,
    v_token,
    v_head,
    out_token,
    out_head,
    lse_token,
    lse_head,
    offsets_head,
    covered_head,
    D: tl.constexpr,
    GROUP: tl.constexpr,
    PAGE: tl.constexpr,
    BLOCK: tl.constexpr,
    BN: tl.constexpr,
    TEMPERATURE: tl.constexpr,
    Q_ROTATED: tl.constexpr,
    SLASH_STAGES: tl.constexpr,
    COLUMN_STAGES: tl.constexpr,
):
    """Tiles of columns have BN keys; those of the slash part, like those of queries, have BLOCK tokens."""
    head = tl.program_id(0).to(tl.int64)
    tile = tl.num_programs(1) - 1 - tl.program_id(1)  # later tiles have more keys: they start first
    block = start // BLOCK + tile
    row = block * BLOCK + tl.arange(0, BLOCK)  # [BLOCK]
    valid = (row >= start) & (row < length)
    query = tl.minimum(tl.maximum(row, start), length - 1)
    chunk = block * BLOCK // span

    scales = scales_of(query, scale, window, prompt, TEMPERATURE)  # [BLOCK]
    q_rows = (query - start).to(tl.int64) * q_token + head * q_head  # [BLOCK]
    k += (head // GROUP) * k_head
    v += (head // GROUP) * v_head
    k_columns += head * widest * D
    v_columns += head * widest * D
    columns += head * widest
    offsets += head * offsets_head
    covered += head * covered_head
    ranges += (head * tl.num_programs(1) + tile) * 12  # [3, 4]: a region's offsets from and to, and its columns
    best = tl.full([BLOCK], NO_LOGIT, tl.float32)
    total = tl.zeros([BLOCK], tl.float32)
    acc = tl.zeros([BLOCK, D], tl.float32)

    earliest_chunk = tl.maximum(chunk - 2, 0)
    rotated = rotate_queries(q, q_rows, query, earliest_chunk, span, furthest, cos, sin, D, Q_ROTATED, False)
    for looked_at in range(earliest_chunk, chunk + 1):
        region = ranges + (chunk - looked_at) * 4
        for slash in tl.range(tl.load(region), tl.load(region + 1), num_stages=SLASH_STAGES):
            key_block = block - tl.load(offsets + slash)
            page, place, further = locate(table, key_block * BLOCK, length, PAGE, BLOCK)
            k_rows = offsets_of(page, place, further, k_page, k_token)
            v_rows = offsets_of(page, place, further, v_page, v_token)
            keys = load_keys(k, k_rows, D, q.dtype.element_ty)
            values = load_values(v, v_rows, D, q.dtype.element_ty)
            best, total, acc = attend(rotated, scales, keys, values, best, total, acc)
        end = tl.load(region + 3)
        for column_start in tl.range(tl.load(region + 2), end, BN, num_stages=COLUMN_STAGES):
            column = column_start + tl.arange(0, BN)  # [BN]
            place = tl.minimum(column, widest - 1)
            key = tl.load(columns + place)
            seen = (tl.load(covered + tl.maximum(block - key // BLOCK, 0)) == 0) & (column < end)
            rows = place.to(tl.int64) * D
            keys = load_keys(k_columns, rows, D, q.dtype.element_ty)
            values = load_values(v_columns, rows, D, q.dtype.element_ty)
            best, total, acc = attend(rotated, scales, keys, values, best, total, acc, seen[None, :])
        if looked_at < chunk:  # see dense.py
            rotated = rotate_queries(q, q_rows, query, looked_at + 1, span, furthest, cos, sin, D, Q_ROTATED, False)

    # The block itself, which is always among the slash blocks, and alone needs a causal mask.
    key = block * BLOCK + tl.arange(0, BLOCK)
    there = key < length
    page, place, further = locate(table, block * BLOCK, length, PAGE, BLOCK)
    k_rows = offsets_of(page, place, further, k_page, k_token)
    v_rows = offsets_of(page, place, further, v_page, v_token)
    keys = load_keys(k, k_rows, D, q.dtype.element_ty, there)
    values = load_values(v, v_rows, D, q.dtype.element_ty, there)
    seen = key[None, :] <= query[:, None]  # [BLOCK, BLOCK]
    best, total, acc = attend(rotated, scales, keys, values, best, total, acc, seen)

    result = acc * (v_scale / total)[:, None]  # not 0: every query sees itself
    token = (query - start).to(tl.int64)
    dims = tl.arange(0, D)
    out_rows = token * out_token + head * out_head
    tl.store(out + out_rows[:, None] + dims[None, :], result.to(out.dtype.element_ty), mask=valid[:, None])
    if lse is not None:
        tl.store(lse + token * lse_token + head * lse_head, log_sum_of(best, total), mask=valid)


def sparse(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: VerticalSlashSelection,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    prompt_length: int | None = None,
    tiles: Tiles | None = None,
) -> Tensor:
    """Attention of the last T tokens of one sequence to the keys of a selection.

    Args:
        q: [T, Hq, D].
        block_table: [pages] int32, the pages of the sequence.
        length: its tokens, whose K and V are in the cache.
        out: [T, Hq, D], written.
        lse: [T, Hq] float32, written: the log-sum-exp of the scaled logits that were computed.
        q_rotated: q is already rotated at i mod S.
        prompt_length: the length of the whole prompt, for the temperature "prompt"; `length` if None.
        tiles: None chooses; `queries` is ignored, it is the selection's block.

    Returns:
        out.

    Raises:
        KernelError: S is no multiple of the selection's block, though the sequence is longer; or see `check_supported`.
    """
    check_supported(q, kv, out)
    tokens, heads, dim = q.shape
    block = selection.block
    if length > spec.span and spec.span % block:
        raise KernelError(
            f"chunks have {spec.span} tokens, which blocks of {block} do not divide: choose another block"
        )
    if not tokens:
        return out
    tiles = tiles or sparse_tiles(q, block)
    start, group = length - tokens, heads // kv.k.shape[2]
    ranges = _ranges(selection, spec, start, length)
    k_columns, v_columns = _gathered(kv, block_table, selection, length, group)
    page = page_of(kv, block_table)
    cos, sin = spec.tables(length, q.device)
    _sparse[heads, ranges.shape[1]](
        q,
        kv.k,
        kv.v,
        out,
        lse,
        block_table,
        ranges,
        selection.offsets,
        selection.columns,
        k_columns,
        v_columns,
        selection.covered.view(torch.int8),
        cos,
        sin,
        start,
        length,
        prompt_length or length,
        spec.span,
        spec.furthest,
        spec.base_scale * kv.k_scale,
        float(spec.trained_window or 1),
        float(kv.v_scale),
        selection.columns.shape[1],
        *q.stride()[:2],
        *kv.k.stride()[:3],
        *kv.v.stride()[:3],
        *out.stride()[:2],
        *((0, 0) if lse is None else lse.stride()),
        selection.offsets.stride(0),
        selection.covered.stride(0),
        D=dim,
        GROUP=group,
        PAGE=page,
        BLOCK=block,
        BN=tiles.keys,
        TEMPERATURE=spec.temperature,
        Q_ROTATED=q_rotated,
        num_warps=tiles.warps,
        # The address of a key block takes an offset, and then a page if there are pages; that of a column is known.
        SLASH_STAGES=tiles.stages(lookups=1 + min(page, 1)),
        COLUMN_STAGES=tiles.stages(lookups=0),
    )
    return out


def sparse_tiles(q: Tensor, block: int) -> Tiles:
    """Tiles for q and slash blocks of `block` tokens, chosen for Hopper: a multiprocessor holds two of 64 tokens."""
    if INTERPRETED:
        return Tiles(block, 32, 4, 1)
    if q.dtype == torch.float32:  # no tensor cores
        return Tiles(block, 32, 4, 1)
    return Tiles(block, 64, 4 if block <= 64 else 8, 3 if has_large_shared_memory(q.device) else 2)


def _ranges(selection: VerticalSlashSelection, spec: DCASpec, start: int, length: int) -> Tensor:
    """[Hq, query blocks, 3, 4] int32: the ranges of offsets (from, to) and of columns (from, to) in each region."""
    size = selection.block
    block = torch.arange(start // size, -(-length // size), device=selection.offsets.device)
    chunk_start = block * size // spec.span * spec.span
    own = block - chunk_start // size  # blocks before it of its own chunk
    # The ends of the regions: by offsets back from the block, by columns forward from the first token.
    back = torch.stack((own + 1, (own + 1 + spec.span // size).minimum(block + 1), block + 1))
    forward = torch.stack((block * size, chunk_start, (chunk_start - spec.span).clamp(min=0)))
    to_offset = _places(selection.offsets, back)  # [Hq, blocks, 3]
    to_column = _places(selection.columns, forward)
    # Offset 0, the block itself, is computed separately, with all columns in it.
    from_offset = torch.cat((torch.ones_like(to_offset[..., :1]), to_offset[..., :-1]), -1)
    from_column = torch.cat((to_column[..., 1:], torch.zeros_like(to_column[..., :1])), -1)
    return torch.stack((from_offset, to_offset, from_column, to_column), -1).contiguous()


def _places(rows: Tensor, values: Tensor) -> Tensor:
    """The number of entries of each ascending row [Hq, ...] below values [3, blocks]: [Hq, blocks, 3] int32."""
    wanted = values.T.to(rows.dtype).reshape(1, -1).expand(rows.shape[0], -1).contiguous()
    return torch.searchsorted(rows, wanted, out_int32=True).view(rows.shape[0], -1, values.shape[0])


def _gathered(
    kv: PagedKV, block_table: Tensor, selection: VerticalSlashSelection, length: int, group: int
) -> tuple[Tensor, Tensor]:
    """K and V of the selected columns, [Hq, V, D] each, contiguous."""
    column = selection.columns.long().clamp(max=length - 1)
    page, place = block_table[column // kv.page_size].long(), column % kv.page_size
    head = torch.arange(column.shape[0], device=column.device)[:, None] // group
    # As bytes, since not every device can index float8.
    as_bytes = kv.k.dtype.itemsize == 1
    stored = [x.view(torch.uint8) if as_bytes else x for x in (kv.k, kv.v)]
    k, v = (x[page, place, head].view(kv.k.dtype) for x in stored)
    return k, v
