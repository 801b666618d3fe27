"""Writes of new K, rotated, and V into the cache."""

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


@triton.jit(do_not_specialize_on_alignment=["slots", "positions"])
def _write(
    k,
    v,
    k_cache,
    v_cache,
    slots,
    positions,
    cos,
    sin,
    span,
    heads,
    k_shrink,
    v_shrink,
    k_token,
    k_head,
    v_token,
    v_head,
    k_page,
    k_place,
    k_cache_head,
    v_page,
    v_place,
    v_cache_head,
    PAGE: tl.constexpr,
    HALF: tl.constexpr,
    HEADS: tl.constexpr,
    LARGEST: tl.constexpr,
):
    """One token. HEADS is `heads` rounded up to a power of two; LARGEST the largest value of the cache's type, or 0."""
    token = tl.program_id(0).to(tl.int64)
    slot = tl.load(slots + token).to(tl.int64)
    if slot < 0:
        return
    page, place = slot // PAGE, slot % PAGE
    half = tl.arange(0, HALF)[None, :]
    head = tl.arange(0, HEADS)[:, None]
    there = head < heads
    angles = (tl.load(positions + token) % span) * HALF + half  # [1, HALF]
    c = tl.load(cos + angles) * k_shrink
    s = tl.load(sin + angles) * k_shrink
    x = tl.load(k + token * k_token + head * k_head + half, mask=there).to(tl.float32)  # [HEADS, HALF]
    y = tl.load(k + token * k_token + head * k_head + half + HALF, mask=there).to(tl.float32)
    first, second = x * c - y * s, y * c + x * s
    v_first = tl.load(v + token * v_token + head * v_head + half, mask=there).to(tl.float32) * v_shrink
    v_second = tl.load(v + token * v_token + head * v_head + half + HALF, mask=there).to(tl.float32) * v_shrink
    if LARGEST > 0:
        first, second = tl.clamp(first, -LARGEST, LARGEST), tl.clamp(second, -LARGEST, LARGEST)
        v_first, v_second = tl.clamp(v_first, -LARGEST, LARGEST), tl.clamp(v_second, -LARGEST, LARGEST)
    k_row = k_cache + page * k_page + place * k_place + head * k_cache_head + half
    v_row = v_cache + page * v_page + place * v_place + head * v_cache_head + half
    tl.store(k_row, first.to(k_cache.dtype.element_ty), mask=there)
    tl.store(k_row + HALF, second.to(k_cache.dtype.element_ty), mask=there)
    tl.store(v_row, v_first.to(v_cache.dtype.element_ty), mask=there)
    tl.store(v_row + HALF, v_second.to(v_cache.dtype.element_ty), mask=there)


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
    """Rotate K at j mod S, and write K and V into the cache, divided by its scales.

    See `longread.kernels.ops.dca_write`, which checks the arguments.

    Raises:
        KernelError: strides of V or a head_dim that the kernel does not support.
    """
    tokens, heads, dim = k.shape
    if v.stride(-1) != 1:
        raise KernelError("the last dimension of v is not contiguous")
    if dim & (dim - 1):
        raise KernelError(f"head_dim is {dim}; the Triton kernel that writes K and V takes powers of two")
    if not tokens:
        return
    cos, sin = spec.tables(int(positions.max()) + 1 if max_length is None else max_length, k.device)
    _write[(tokens,)](
        k,
        v,
        kv.k,
        kv.v,
        slots,
        positions,
        cos,
        sin,
        spec.span,
        heads,
        1 / kv.k_scale,
        1 / kv.v_scale,
        *k.stride()[:2],
        *v.stride()[:2],
        *kv.k.stride()[:3],
        *kv.v.stride()[:3],
        PAGE=kv.page_size,
        HALF=dim // 2,
        HEADS=triton.next_power_of_2(heads),
        LARGEST=448.0 if kv.k.dtype == torch.float8_e4m3fn else 0.0,
        num_warps=4,
    )
