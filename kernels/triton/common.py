"""Building blocks of the attention kernels: addressing keys, rotating queries, and one step of the online softmax.

Names: BM rows of queries and BN keys make a tile; a row of a query tile is one query of one head. D is the head_dim.
"""

# Kernels are in Triton's dialect, which a type checker takes for Python.
# pyright: reportArgumentType=false, reportCallIssue=false, reportGeneralTypeIssues=false
# pyright: reportPossiblyUnboundVariable=false

import os
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from ..errors import KernelError
from ..paged_kv import PagedKV

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""True if the kernels run in Triton's interpreter, where tiles are small so that tests are fast."""
NO_LOGIT = tl.constexpr(-1e30)
"""The maximum of no logits. Finite: inf - inf would be NaN in a row that has seen no key yet."""
LOG2_E = tl.constexpr(1.4426950408889634)
LN_2 = tl.constexpr(0.6931471805599453)


@dataclass(frozen=True)
class Tiles:
    """The tile sizes of a kernel. Choose them by measuring."""

    queries: int
    keys: int
    warps: int
    buffers: int
    """Tiles of K and V being loaded or in use at a time; 1 is no software pipeline."""

    def stages(self, lookups: int) -> int:
        """num_stages of a loop in which so many dependent loads come before that of a tile, for its address.

        Triton gives each of them as many stages as the tile itself.
        """
        return (self.buffers - 1) * (lookups + 1) + 1


@triton.jit
def locate(table, start, limit, PAGE: tl.constexpr, BN: tl.constexpr):
    """Locate the keys start ... start + BN - 1: (page, offset in it, further offsets). `start` is a multiple of BN.

    If pages hold whole tiles that takes one lookup, and the rows of a tile are evenly spaced; otherwise each key looks
    up its own page. PAGE = 0 is a cache of one page per sequence of any length: no page size to compile for.

    Args:
        limit: keys from here on are not looked up.
    """
    further = tl.arange(0, BN)
    if PAGE == 0:
        page = tl.load(table)
        place = start
    elif PAGE % BN == 0:
        page = tl.load(table + start // PAGE)
        place = start % PAGE
    else:
        tokens = start + further  # [BN]
        page = tl.load(table + tokens // PAGE, mask=tokens < limit, other=0)  # [BN]
        place = tokens % PAGE
        further = further * 0
    return page, place, further


@triton.jit
def offsets_of(page, place, further, stride_page, stride_token):
    """Offsets [BN] of the rows that `locate` found; int64, since a cache has more than 2³¹ elements."""
    return page.to(tl.int64) * stride_page + place.to(tl.int64) * stride_token + further * stride_token


@triton.jit
def load_keys(k, rows, D: tl.constexpr, dtype: tl.constexpr, there=None):
    """Keys [D, BN] at the offsets `rows` [BN], transposed for q·k. Those not `there` are 0."""
    pointers = k + rows[None, :] + tl.arange(0, D)[:, None]  # [D, BN]
    if there is None:
        return tl.load(pointers).to(dtype)
    else:
        return tl.load(pointers, mask=there[None, :], other=0.0).to(dtype)


@triton.jit
def load_values(v, rows, D: tl.constexpr, dtype: tl.constexpr, there=None):
    """Values [BN, D] at the offsets `rows` [BN]. Those not `there` are 0: a weight of 0 does not stop a NaN."""
    pointers = v + rows[:, None] + tl.arange(0, D)[None, :]  # [BN, D]
    if there is None:
        return tl.load(pointers).to(dtype)
    else:
        return tl.load(pointers, mask=there[:, None], other=0.0).to(dtype)


@triton.jit
def positions_for(query, chunk, span, furthest, Q_ROTATED: tl.constexpr, CONTINUOUS: tl.constexpr):
    """The positions by which queries [BM] are rotated for the keys of a chunk: `DCASpec.query_positions` for each row.

    A row whose own chunk comes before `chunk` sees none of its keys; its position is any row of the tables.
    """
    apart = query // span - chunk
    own = query % span
    successive = own + span
    if CONTINUOUS:
        inter = own + furthest
    else:
        successive = tl.minimum(successive, furthest)
        inter = own * 0 + furthest
    position = tl.where(apart == 0, own, tl.where(apart == 1, successive, inter))
    if Q_ROTATED:
        # Only the difference. In the query's own chunk that is 0, row 0 of the tables: q stays exactly as it is.
        position -= own
    return position


@triton.jit
def rotate_queries(
    q, rows, query, chunk, span, furthest, cos, sin, D: tl.constexpr, Q_ROTATED: tl.constexpr, CONTINUOUS: tl.constexpr
):
    """The queries [BM, D] at the offsets `rows` [BM], rotated for the keys of a chunk.

    Dimension d is rotated with d + D / 2. Both are loaded for each, since registers cannot be concatenated cheaply; it
    happens once for each segment.
    """
    HALF: tl.constexpr = D // 2
    dim = tl.arange(0, D)
    position = positions_for(query, chunk, span, furthest, Q_ROTATED, CONTINUOUS)
    angles = position[:, None] * HALF + (dim % HALF)[None, :]  # [BM, D]
    c = tl.load(cos + angles)
    s = tl.load(sin + angles)
    x = tl.load(q + rows[:, None] + dim[None, :])
    partner = tl.load(q + rows[:, None] + ((dim + HALF) % D)[None, :])
    s = tl.where((dim < HALF)[None, :], -s, s)
    return (x.to(tl.float32) * c + partner.to(tl.float32) * s).to(x.dtype)


@triton.jit
def scales_of(query, scale, window, prompt, TEMPERATURE: tl.constexpr):
    """The scale of the logits of queries [BM], times log2(e): the softmax is computed with powers of 2."""
    base = scale * LOG2_E
    if TEMPERATURE == "none":
        return tl.zeros_like(query).to(tl.float32) + base
    else:
        length = (query + 1).to(tl.float32)
        if TEMPERATURE == "prompt":
            length = length * 0 + prompt.to(tl.float32)
        m = 0.1 * tl.log(tl.maximum(length / window, 1.0)) + 1
        return m * m * base


@triton.jit
def attend(queries, scale, keys, values, best, total, acc, seen=None):
    """One step of the online softmax. Rows see the keys that are true in `seen` [BM, BN], or all.

    Args:
        best, total: [BM], the largest logit so far and the sum of the weights relative to it.
        acc: [BM, D] float32, the sum of weighted values.
    """
    logits = tl.dot(queries, keys, input_precision="ieee")  # [BM, BN]
    if seen is not None:
        logits = tl.where(seen, logits, float("-inf"))
    better = tl.maximum(best, tl.max(logits, 1) * scale)
    weights = tl.exp2(logits * scale[:, None] - better[:, None])
    fading = tl.exp2(best - better)
    total = total * fading + tl.sum(weights, 1)
    acc = tl.dot(weights.to(values.dtype), values, acc * fading[:, None], input_precision="ieee")
    return better, total, acc


@triton.jit
def log_sum_of(best, total):
    """The natural log-sum-exp [BM]; -inf for rows that saw no key."""
    empty = total == 0
    return tl.where(empty, float("-inf"), (best + tl.log2(tl.where(empty, 1.0, total))) * LN_2)


def check_supported(q: Tensor, kv: PagedKV, out: Tensor | None = None) -> None:
    """Check what `ops` does not, since only these kernels require it.

    Raises:
        KernelError: a head_dim, a type of cache or strides of `out` that they do not support.
    """
    if q.shape[2] not in (32, 64, 128):
        raise KernelError(f"head_dim is {q.shape[2]}; the Triton kernels take 32, 64 and 128")
    if kv.k.dtype not in (q.dtype, torch.float8_e4m3fn):
        raise KernelError(
            f"q is {q.dtype} and the caches {kv.k.dtype}; for the Triton kernels the caches are of q's type, or "
            "float8_e4m3fn"
        )
    if out is not None and out.stride(-1) != 1:
        raise KernelError("the last dimension of out is not contiguous")


def has_large_shared_memory(device: torch.device) -> bool:
    """Whether a GPU has 227 KB of shared memory for each multiprocessor, as Hopper and the large Blackwells have."""
    return device.type != "cuda" or torch.cuda.get_device_capability(device)[0] in (9, 10)


def page_of(kv: PagedKV, block_table: Tensor) -> int:
    """PAGE of `locate`: 0 where each sequence has a single page."""
    if block_table.stride(-1) != 1:
        raise KernelError("the last dimension of block_table is not contiguous")
    return 0 if block_table.shape[-1] == 1 else kv.page_size
