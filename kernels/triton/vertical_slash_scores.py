"""The scores of vertical-slash attention: how much the last queries of a chunk attend to each column and diagonal.

Vertical-slash attention selects its keys by these shares (MInference, arXiv 2407.02490), computed with positions beyond
DCA's limit (Qwen2.5-1M report, arXiv 2501.15383, section 4.2). All shares, [heads, 64, n], would take 7 GB for 28 heads
and a million tokens: they are computed tile by tile, and only their sums are stored. The first pass over the keys
computes the log-sum-exp of each query, the second one the shares.
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
from .common import (
    INTERPRETED,
    LOG2_E,
    NO_LOGIT,
    Tiles,
    check_supported,
    load_keys,
    locate,
    log_sum_of,
    offsets_of,
    page_of,
    rotate_queries,
)

MOST_QUERIES = 64


# Values that change from chunk to chunk must not cause a recompilation, which takes seconds.
@triton.jit(do_not_specialize=["queries", "length", "portion"], do_not_specialize_on_alignment=["table", "slash"])
def _scores(
    q,
    k,
    lse,
    vertical,
    slash,
    table,
    cos,
    sin,
    queries,
    length,
    portion,
    span,
    furthest,
    scale,
    q_token,
    q_head,
    k_page,
    k_token,
    k_head,
    D: tl.constexpr,
    GROUP: tl.constexpr,
    PAGE: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    Q_ROTATED: tl.constexpr,
):
    """`portion` keys, a multiple of BN, for one head. BM ≤ BN.

    Args:
        lse: [portions, Hq, BM], written in the first pass, where `vertical` and `slash` are None; [Hq, BM], read in the
            second.
        vertical, slash: [Hq, n] float32 zeros, to add to.
    """
    head = tl.program_id(0).to(tl.int64)
    begin = tl.program_id(1) * portion
    end = tl.minimum(begin + portion, length)
    row = tl.arange(0, BM)  # [BM]
    earliest = length - queries
    query = earliest + tl.minimum(row, queries - 1)
    q_rows = (query - earliest).to(tl.int64) * q_token + head * q_head
    k += (head // GROUP) * k_head
    scale *= LOG2_E
    if vertical is None:
        best = tl.full([BM], NO_LOGIT, tl.float32)
        total = tl.zeros([BM], tl.float32)
    else:
        log_sum = tl.load(lse + head * BM + row, mask=row < queries, other=0.0) * LOG2_E  # of other rows -inf
        vertical += head * length
        slash += head * length

    # The segments of dense.py.
    inter = earliest // span - 2
    earliest_chunk = tl.maximum(tl.maximum(inter, 0), begin // span)
    last = tl.maximum((end - 1) // span, earliest_chunk)
    rotated = rotate_queries(q, q_rows, query, earliest_chunk, span, furthest, cos, sin, D, Q_ROTATED, True)
    for chunk in range(earliest_chunk, last + 1):
        low = tl.maximum(tl.where(chunk > inter, chunk * span, 0), begin)
        high = tl.minimum((chunk + 1) * span, end)
        for tile_start in range(low // BN * BN, high, BN):
            key = tile_start + tl.arange(0, BN)  # [BN]
            there = (key >= low) & (key < high)
            page, place, further = locate(table, tile_start, length, PAGE, BN)
            k_rows = offsets_of(page, place, further, k_page, k_token)
            keys = load_keys(k, k_rows, D, q.dtype.element_ty, there)
            logits = tl.dot(rotated, keys, input_precision="ieee") * scale  # [BM, BN]
            seen = there[None, :] & (key[None, :] <= query[:, None]) & (row < queries)[:, None]
            logits = tl.where(seen, logits, float("-inf"))
            if vertical is None:
                better = tl.maximum(best, tl.max(logits, 1))
                total = total * tl.exp2(best - better) + tl.sum(tl.exp2(logits - better[:, None]), 1)
                best = better
            else:
                shares = tl.exp2(logits - log_sum[:, None])
                tl.atomic_add(vertical + key, tl.sum(shares, 0), mask=there, sem="relaxed")
                # Key c of row r is on the diagonal r - c from that of the tile's corner. With each row rolled by its
                # number, the columns are diagonals, each together with a second one BN further.
                diagonal = tl.arange(0, BN)
                rolled = tl.gather(shares, (row[:, None] - diagonal[None, :]) & (BN - 1), 1)
                near = diagonal[None, :] <= row[:, None]
                distance = earliest - tile_start + diagonal
                nearer = distance - BN
                far_sum = tl.sum(tl.where(near, rolled, 0.0), 0)
                near_sum = tl.sum(tl.where(near, 0.0, rolled), 0)
                tl.atomic_add(slash + distance, far_sum, mask=(distance >= 0) & (distance < length), sem="relaxed")
                tl.atomic_add(slash + nearer, near_sum, mask=(nearer >= 0) & (nearer < length), sem="relaxed")
        if chunk < last:
            rotated = rotate_queries(q, q_rows, query, chunk + 1, span, furthest, cos, sin, D, Q_ROTATED, True)

    if vertical is None:
        place = (tl.program_id(1) * tl.num_programs(0) + head) * BM + row
        tl.store(lse + place, log_sum_of(best, total))


def scores(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    *,
    q_rotated: bool = False,
    tiles: Tiles | None = None,
) -> tuple[Tensor, Tensor]:
    """The attention of the last queries to each key column and each diagonal i - j.

    Args:
        q: [L, Hq, D], the last L ≤ 64 tokens of one sequence.
        block_table: [pages] int32, the pages of the sequence.
        length: n, its tokens, whose K and V are in the cache.
        q_rotated: q is already rotated at i mod S.
        tiles: None chooses; `queries` is ignored.

    Returns:
        vertical and slash, [Hq, n] float32.

    Raises:
        KernelError: more than 64 queries; or see `check_supported`.
    """
    check_supported(q, kv)
    queries, heads, dim = q.shape
    if not 0 < queries <= min(MOST_QUERIES, length):
        raise KernelError(
            f"{queries} queries of {length} tokens; there are 1 to {MOST_QUERIES}, and not more than tokens"
        )
    tiles = tiles or scoring_tiles(q)
    bm = max(16, triton.next_power_of_2(queries))
    bn = max(tiles.keys, bm)
    cos, sin = spec.tables(length, q.device)
    portion = bn * triton.cdiv(triton.cdiv(length, bn), _portions(q.device, heads))
    grid = (heads, triton.cdiv(length, portion))
    lse = torch.empty(grid[1], heads, bm, dtype=torch.float32, device=q.device)
    vertical, slash = torch.zeros(2, heads, length, dtype=torch.float32, device=q.device)

    page = page_of(kv, block_table)

    def run(lse: Tensor, vertical: Tensor | None, slash: Tensor | None) -> None:
        _scores[grid](
            q,
            kv.k,
            lse,
            vertical,
            slash,
            block_table,
            cos,
            sin,
            queries,
            length,
            portion,
            spec.span,
            spec.furthest,
            spec.base_scale * kv.k_scale,
            *q.stride()[:2],
            *kv.k.stride()[:3],
            D=dim,
            GROUP=heads // kv.k.shape[2],
            PAGE=page,
            BM=bm,
            BN=bn,
            Q_ROTATED=q_rotated,
            num_warps=tiles.warps,
            num_stages=tiles.stages(lookups=min(page, 1)),
        )

    run(lse, None, None)
    run(lse.logsumexp(0), vertical, slash)
    return vertical, slash


def scoring_tiles(q: Tensor) -> Tiles:
    """Tiles for q, chosen for Hopper: with wider ones the rolled shares do not fit into registers."""
    if INTERPRETED:
        return Tiles(64, 32, 4, 1)
    if q.dtype == torch.float32:  # no tensor cores
        return Tiles(64, 64, 4, 1)
    return Tiles(64, 64, 4, 3)


def _portions(device: torch.device, heads: int) -> int:
    """The number of portions of the keys: several for each multiprocessor, so that all end at about the same time."""
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 2
    return triton.cdiv(8 * processors, heads)
