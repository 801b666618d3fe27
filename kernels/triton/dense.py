"""Dense causal attention with DCA's positions, for prefill, for the chunks of one, and for decoding.

DCA (arXiv 2402.17463) rotates a query differently for each region of keys. The keys are walked in order, one *segment*
after the other: first all that lie two or more chunks before the first query of the tile, for which all its queries are
rotated to the same position, then chunk by chunk. For each segment every row of Q is rotated by its own region, so
query tiles may start anywhere, and one online softmax (FlashAttention-2, arXiv 2307.08691) goes over all segments.

Few queries cannot keep a GPU busy. Then the query heads that share a K/V head are packed into one tile, and the keys
are split: each split has an output of its own, and those are merged by their log-sum-exps (Flash-Decoding).
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
from ..paged_kv import Batch, PagedKV
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

MOST_SPLITS = 128
LEAST_KEYS = 512
"""Keys of a split: with fewer, merging costs more than it gains."""


# Values that change from batch to batch must not cause a recompilation, which takes seconds.
@triton.jit(
    do_not_specialize=["lse_split", "lse_token", "lse_head", "table_sequence"],
    do_not_specialize_on_alignment=["table", "query_starts", "lengths", "prompt_lengths", "lse"],
)
def _dense(
    q,
    k,
    v,
    out,
    lse,
    table,
    query_starts,
    lengths,
    prompt_lengths,
    cos,
    sin,
    span,
    furthest,
    scale,
    window,
    v_scale,
    q_token,
    q_head,
    k_page,
    k_token,
    k_head,
    v_page,
    v_token,
    v_head,
    out_split,
    out_token,
    out_head,
    lse_split,
    lse_token,
    lse_head,
    table_sequence,
    D: tl.constexpr,
    GROUP: tl.constexpr,
    PACK: tl.constexpr,
    PAGE: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
    SPLITS: tl.constexpr,
    TEMPERATURE: tl.constexpr,
    Q_ROTATED: tl.constexpr,
):
    """PACK is the number of query heads in a tile: 1, or GROUP, all that share a K/V head."""
    # Later tiles see more keys: they start first, so that the last to finish are short.
    tile = tl.num_programs(1) - 1 - tl.program_id(1)
    sequence, split = tl.program_id(2) // SPLITS, tl.program_id(2) % SPLITS
    first_query = tl.load(query_starts + sequence)
    queries = tl.load(query_starts + sequence + 1) - first_query
    if tile * BM >= queries * PACK:
        return
    length = tl.load(lengths + sequence)
    row = tile * BM + tl.arange(0, BM)  # [BM]
    # Rows beyond the last query compute the same as it; their result is dropped.
    token = tl.minimum(row // PACK, queries - 1)
    head = (tl.program_id(0) * PACK + row % PACK).to(tl.int64)
    kv_head = tl.program_id(0) * PACK // GROUP
    # A sequence of no tokens may have a query (a padded batch): its position counts from 0 too, but it sees no key.
    start = tl.maximum(length - queries, 0)
    query = start + token
    earliest = start + tl.minimum(tile * BM // PACK, queries - 1)
    latest = start + tl.minimum((tile * BM + BM - 1) // PACK, queries - 1)

    until = tl.minimum(latest + 1, length)
    part = tl.cdiv(tl.cdiv(until, BN), SPLITS) * BN
    begin = tl.minimum(split * part, until)
    end = tl.minimum(begin + part, until)

    prompt = None
    if TEMPERATURE == "prompt":
        prompt = tl.load(prompt_lengths + sequence)
    scales = scales_of(query, scale, window, prompt, TEMPERATURE)  # [BM]
    q_rows = (first_query + token).to(tl.int64) * q_token + head * q_head  # [BM]
    k += kv_head.to(tl.int64) * k_head
    v += kv_head.to(tl.int64) * v_head
    table += sequence.to(tl.int64) * table_sequence
    best = tl.full([BM], NO_LOGIT, tl.float32)
    total = tl.zeros([BM], tl.float32)
    acc = tl.zeros([BM, D], tl.float32)

    # Chunk `inter` stands for itself and all before it: every row is at least two chunks after those.
    inter = earliest // span - 2
    # A split without keys may start in a chunk after the last one, for which the tables may have no rotation.
    earliest_chunk = tl.maximum(tl.maximum(inter, 0), tl.minimum(begin, latest) // span)
    last = tl.maximum(tl.minimum(latest, end - 1) // span, earliest_chunk)
    rotated = rotate_queries(q, q_rows, query, earliest_chunk, span, furthest, cos, sin, D, Q_ROTATED, False)
    for chunk in range(earliest_chunk, last + 1):
        low = tl.maximum(tl.where(chunk > inter, chunk * span, 0), begin)
        high = tl.minimum((chunk + 1) * span, end)
        # Tiles start at multiples of BN. All rows see all keys from `full` to `partial`.
        full = tl.cdiv(low, BN) * BN
        partial = tl.maximum(full, tl.minimum(high, earliest + 1) // BN * BN)
        for tile_start in range(full, partial, BN):
            page, place, further = locate(table, tile_start, length, PAGE, BN)
            k_rows = offsets_of(page, place, further, k_page, k_token)
            v_rows = offsets_of(page, place, further, v_page, v_token)
            keys = load_keys(k, k_rows, D, q.dtype.element_ty)
            values = load_values(v, v_rows, D, q.dtype.element_ty)
            best, total, acc = attend(rotated, scales, keys, values, best, total, acc)
        # The rest: the tile in which the segment starts, if it starts within one, and those on the diagonal.
        cut = tl.cdiv(full - low, BN)
        for step in range(cut + tl.cdiv(tl.maximum(high - partial, 0), BN)):
            tile_start = tl.where(step < cut, full - BN, partial + (step - cut) * BN)
            key = tile_start + tl.arange(0, BN)  # [BN]
            there = (key >= low) & (key < high)
            page, place, further = locate(table, tile_start, length, PAGE, BN)
            k_rows = offsets_of(page, place, further, k_page, k_token)
            v_rows = offsets_of(page, place, further, v_page, v_token)
            keys = load_keys(k, k_rows, D, q.dtype.element_ty, there)
            values = load_values(v, v_rows, D, q.dtype.element_ty, there)
            seen = there[None, :] & (key[None, :] <= query[:, None])  # [BM, BN]
            best, total, acc = attend(rotated, scales, keys, values, best, total, acc, seen)
        # Rotated here for the next segment: a loop-carried value goes to shared memory, from where the tensor cores
        # read it directly; a value computed at the start of an iteration would be held in registers.
        if chunk < last:
            rotated = rotate_queries(q, q_rows, query, chunk + 1, span, furthest, cos, sin, D, Q_ROTATED, False)

    log_sum = log_sum_of(best, total)
    result = acc * (v_scale / tl.where(total > 0, total, 1.0))[:, None]
    valid = row < queries * PACK
    out_rows = split.to(tl.int64) * out_split + (first_query + token).to(tl.int64) * out_token + head * out_head
    dims = tl.arange(0, D)
    tl.store(out + out_rows[:, None] + dims[None, :], result.to(out.dtype.element_ty), mask=valid[:, None])
    if lse is not None:
        lse_rows = split.to(tl.int64) * lse_split + (first_query + token).to(tl.int64) * lse_token + head * lse_head
        tl.store(lse + lse_rows, log_sum, mask=valid)


@triton.jit
def _merge(parts, logs, out, lse, out_token, out_head, lse_token, lse_head, D: tl.constexpr, SPLITS: tl.constexpr):
    """Merge the splits of one query of one head. parts [SPLITS, N, Hq, D] float32, logs [SPLITS, N, Hq]: contiguous."""
    token, head = tl.program_id(0).to(tl.int64), tl.program_id(1)
    one = token * tl.num_programs(1) + head
    split = tl.arange(0, SPLITS).to(tl.int64) * tl.num_programs(0) * tl.num_programs(1) + one
    log = tl.load(logs + split)  # [SPLITS]
    best = tl.maximum(tl.max(log, 0), NO_LOGIT)
    weight = tl.exp(log - best)
    total = tl.sum(weight, 0)
    # A split with no weight has not written its part.
    written = log[:, None] > float("-inf")
    part = tl.load(parts + split[:, None] * D + tl.arange(0, D)[None, :], mask=written, other=0.0)  # [SPLITS, D]
    empty = total == 0
    total = tl.where(empty, 1.0, total)
    result = tl.sum(part * weight[:, None], 0) / total  # [D]
    tl.store(out + token * out_token + head * out_head + tl.arange(0, D), result.to(out.dtype.element_ty))
    if lse is not None:
        tl.store(lse + token * lse_token + head * lse_head, tl.where(empty, float("-inf"), best + tl.log(total)))


def dense(
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    out: Tensor,
    lse: Tensor | None = None,
    q_rotated: bool = False,
    splits: int | None = None,
    pack: bool | None = None,
    tiles: Tiles | None = None,
) -> Tensor:
    """Dense causal attention of a batch. See `longread.kernels.ops.dca_prefill`, which checks the arguments.

    Args:
        out: [N, Hq, D], written.
        lse: [N, Hq] float32, written: the log-sum-exp of the scaled logits.
        splits: the number of parts that the keys are split into, a power of two; None chooses.
        pack: whether the query heads of a K/V head share a tile; None chooses.
        tiles: None chooses.

    Returns:
        out.

    Raises:
        KernelError: see `check_supported`; or `splits` is no power of two.
    """
    check_supported(q, kv, out)
    tokens, heads, dim = q.shape
    sequences, group = batch.lengths.shape[0], heads // kv.k.shape[2]
    if not tokens or not batch.max_query:
        return out
    packed = group if (batch.max_query < 128 if pack is None else pack) else 1
    rows = batch.max_query * packed
    tiles = tiles or dense_tiles(q, rows)
    blocks = (heads // packed, triton.cdiv(rows, tiles.queries), sequences)
    splits = splits or _splits(q.device, blocks[0] * blocks[1] * blocks[2], batch.max_length)
    if splits & (splits - 1):
        raise KernelError(f"splits is {splits}; it is a power of two")
    parts, logs = out[None], None if lse is None else lse[None]
    if splits > 1:
        parts = torch.empty(splits, tokens, heads, dim, dtype=torch.float32, device=q.device)
        # -inf, since queries that belong to no sequence, as in a padded batch, are merged, too.
        logs = torch.full((splits, tokens, heads), -torch.inf, dtype=torch.float32, device=q.device)
    page = page_of(kv, batch.block_table)
    cos, sin = spec.tables(batch.max_length, q.device)
    _dense[blocks[0], blocks[1], sequences * splits](
        q,
        kv.k,
        kv.v,
        parts,
        logs,
        batch.block_table,
        batch.query_starts,
        batch.lengths,
        batch.prompt_lengths if spec.temperature == "prompt" else None,
        cos,
        sin,
        spec.span,
        spec.furthest,
        spec.base_scale * kv.k_scale,
        float(spec.trained_window or 1),
        float(kv.v_scale),
        *q.stride()[:2],
        *kv.k.stride()[:3],
        *kv.v.stride()[:3],
        *parts.stride()[:3],
        *((0, 0, 0) if logs is None else logs.stride()),
        batch.block_table.stride(0),
        D=dim,
        GROUP=group,
        PACK=packed,
        PAGE=page,
        BM=tiles.queries,
        BN=tiles.keys,
        SPLITS=splits,
        TEMPERATURE=spec.temperature,
        Q_ROTATED=q_rotated,
        num_warps=tiles.warps,
        num_stages=tiles.stages(lookups=min(page, 1)),
    )
    if splits > 1:
        strides = (*out.stride()[:2], *((0, 0) if lse is None else lse.stride()))
        _merge[tokens, heads](parts, logs, out, lse, *strides, D=dim, SPLITS=splits)
    return out


def dense_tiles(q: Tensor, rows: int) -> Tiles:
    """Tiles for q and a number of rows in a sequence, chosen for Hopper: three tiles of K and V fill its 227 KB."""
    if INTERPRETED:
        return Tiles(16 if rows <= 16 else 32, 32, 4, 1)
    if q.dtype == torch.float32:  # no tensor cores
        return Tiles(32, 32, 4, 1)
    if rows <= 64:
        return Tiles(max(16, triton.next_power_of_2(rows)), 64, 4, 3 if has_large_shared_memory(q.device) else 2)
    return Tiles(128, 128, 8, 3) if has_large_shared_memory(q.device) else Tiles(64, 64, 4, 2)


def _splits(device: torch.device, blocks: int, length: int) -> int:
    processors = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 1
    most = min(2 * processors // blocks, triton.cdiv(length, LEAST_KEYS), MOST_SPLITS)
    return 1 if blocks >= processors else 1 << max(most, 1).bit_length() - 1
