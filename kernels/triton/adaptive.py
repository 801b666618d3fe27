"""Adaptive sparse attention of a chunk of one prompt: each block of queries attends to the key blocks it selected.

A tile of queries is one query block of one head. It walks the list of its selected key blocks in ascending order: first
those two or more DCA chunks back, then those of the chunk before, then those of its own chunk. The query block's own
keys come last, and they alone need a causal mask. Every tile is dense.
"""

# Kernels are in Triton's dialect, which a type checker takes for Python.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false
# pyright: reportPossiblyUnboundVariable=false

from collections.abc import Callable, Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..dca import DCASpec
from ..errors import KernelError
from ..paged_kv import PagedKV
from ..sparse.adaptive import Adaptive, BlockSelection
from ..sparse.adaptive_scores import select_key_blocks
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

_SCORED_ROWS = 1024
TILES = (16, 32, 64, 128)


# Values that change from chunk to chunk must not cause a recompilation, which takes seconds.
@triton.jit(
    do_not_specialize=["start", "length", "prompt", "widest", "lse_token", "lse_head"],
    do_not_specialize_on_alignment=["table", "lse"],
)
def _blocks(
    q,
    k,
    v,
    out,
    lse,
    table,
    lists,
    ends,
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
    D: tl.constexpr,
    GROUP: tl.constexpr,
    PAGE: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    TEMPERATURE: tl.constexpr,
    Q_ROTATED: tl.constexpr,
    STAGES: tl.constexpr,
):
    """BM is the query block and BN the key block."""
    head = tl.program_id(0).to(tl.int64)
    tile = tl.num_programs(1) - 1 - tl.program_id(1)  # later tiles have more keys: they start first
    block = start // BM + tile
    row = block * BM + tl.arange(0, BM)  # [BM]
    valid = (row >= start) & (row < length)
    query = tl.minimum(tl.maximum(row, start), length - 1)
    chunk = block * BM // span

    scales = scales_of(query, scale, window, prompt, TEMPERATURE)  # [BM]
    q_rows = (query - start).to(tl.int64) * q_token + head * q_head  # [BM]
    k += (head // GROUP) * k_head
    v += (head // GROUP) * v_head
    own = head * tl.num_programs(1) + tile
    lists += own * widest
    ends += own * 3  # where the list leaves each region: inter, successive, intra
    best = tl.full([BM], NO_LOGIT, tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)

    at = 0
    earliest_chunk = tl.maximum(chunk - 2, 0)
    rotated = rotate_queries(q, q_rows, query, earliest_chunk, span, furthest, cos, sin, D, Q_ROTATED, False)
    for looked_at in range(earliest_chunk, chunk + 1):
        end = tl.load(ends + 2 - (chunk - looked_at))
        for place_in_list in tl.range(at, end, num_stages=STAGES):
            key_block = tl.load(lists + place_in_list)
            page, place, further = locate(table, key_block * BN, length, PAGE, BN)
            k_rows = offsets_of(page, place, further, k_page, k_token)
            v_rows = offsets_of(page, place, further, v_page, v_token)
            keys = load_keys(k, k_rows, D, q.dtype.element_ty)
            values = load_values(v, v_rows, D, q.dtype.element_ty)
            best, total, acc = attend(rotated, scales, keys, values, best, total, acc)
        at = end
        if looked_at < chunk:  # see dense.py
            rotated = rotate_queries(q, q_rows, query, looked_at + 1, span, furthest, cos, sin, D, Q_ROTATED, False)

    # The query block's own keys, which are always selected, and alone need a causal mask.
    for tile_start in range(block * BM, tl.minimum((block + 1) * BM, length), BN):
        key = tile_start + tl.arange(0, BN)  # [BN]
        there = key < length
        page, place, further = locate(table, tile_start, length, PAGE, BN)
        k_rows = offsets_of(page, place, further, k_page, k_token)
        v_rows = offsets_of(page, place, further, v_page, v_token)
        keys = load_keys(k, k_rows, D, q.dtype.element_ty, there)
        values = load_values(v, v_rows, D, q.dtype.element_ty, there)
        seen = there[None, :] & (key[None, :] <= query[:, None])  # [BM, BN]
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
    selection: BlockSelection,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    prompt_length: int | None = None,
    tiles: Tiles | None = None,
) -> Tensor:
    """Attention of the last T tokens of one sequence to the key blocks of a selection.

    The arguments are those of `longread.kernels.triton.vertical_slash.sparse`.

    Raises:
        KernelError: S is no multiple of the query block, though the sequence is longer; or see `check_supported`.
    """
    check_supported(q, kv, out)
    tokens, heads, dim = q.shape
    if length > spec.span and spec.span % selection.query_block:
        raise KernelError(
            f"chunks have {spec.span} tokens, which blocks of {selection.query_block} do not divide: choose another "
            "query_block"
        )
    if not tokens:
        return out
    tiles = tiles or block_tiles(q, selection)
    lists, ends = _lists(selection, spec)
    page = page_of(kv, block_table)
    cos, sin = spec.tables(length, q.device)
    _blocks[heads, lists.shape[1]](
        q,
        kv.k,
        kv.v,
        out,
        lse,
        block_table,
        lists,
        ends,
        cos,
        sin,
        length - tokens,
        length,
        prompt_length or length,
        spec.span,
        spec.furthest,
        spec.base_scale * kv.k_scale,
        float(spec.trained_window or 1),
        float(kv.v_scale),
        lists.shape[2],
        *q.stride()[:2],
        *kv.k.stride()[:3],
        *kv.v.stride()[:3],
        *out.stride()[:2],
        *((0, 0) if lse is None else lse.stride()),
        D=dim,
        GROUP=heads // kv.k.shape[2],
        PAGE=page,
        BM=tiles.queries,
        BN=tiles.keys,
        TEMPERATURE=spec.temperature,
        Q_ROTATED=q_rotated,
        num_warps=tiles.warps,
        # The address of a key block takes its entry in the list, and then its page if there are pages.
        STAGES=tiles.stages(lookups=1 + min(page, 1)),
    )
    return out


def choose(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    adaptive: Adaptive,
    *,
    q_rotated: bool = False,
) -> BlockSelection:
    """`select_key_blocks`, made of matrix products, which need no kernel of their own.

    Raises:
        KernelError: the blocks are no tiles of the kernel.
    """
    if adaptive.key_block not in TILES or adaptive.query_block not in TILES:
        raise KernelError(
            f"query_block is {adaptive.query_block} and key_block {adaptive.key_block}; they are the tiles of the "
            f"Triton kernel, and both are powers of two from {TILES[0]} to {TILES[-1]}"
        )

    def one_by_one(work: Callable[[tuple[int, int]], None], places: Sequence[tuple[int, int]]) -> None:
        for place in places:
            work(place)

    return select_key_blocks(
        q, kv, block_table, length, spec, adaptive, q_rotated=q_rotated, rows=_SCORED_ROWS, each=one_by_one
    )


def block_tiles(q: Tensor, selection: BlockSelection) -> Tiles:
    """Tiles for q, of the sizes of the selection's blocks, chosen for Hopper."""
    blocks = selection.query_block, selection.key_block
    if INTERPRETED or q.dtype == torch.float32:
        return Tiles(*blocks, 4, 1)
    return Tiles(*blocks, 4 if blocks[0] <= 64 else 8, 3 if has_large_shared_memory(q.device) else 2)


def _lists(selection: BlockSelection, spec: DCASpec) -> tuple[Tensor, Tensor]:
    """The selected key blocks before each query block, ascending, [Hq, query blocks, most] int32, and the end of each
    region in these lists, [Hq, query blocks, 3] int32.
    """
    begins = selection.begins()
    before = selection.chosen & selection.before()
    device = before.device
    own = begins // spec.span * spec.span
    blocks = torch.arange(before.shape[2], device=device)
    borders = torch.stack((own - spec.span, own, begins), -1)  # [query blocks, 3]
    inside = blocks * selection.key_block < borders[..., None]  # [query blocks, 3, key blocks]
    ends = (before[:, :, None] & inside).sum(-1, dtype=torch.int32)
    most = max(int(ends.max()), 1)
    places = torch.where(before, blocks.int(), before.shape[2])
    return places.sort(-1).values[..., :most].contiguous(), ends.contiguous()
