"""Writes of K, rotated, and V into the cache."""

from torch import Tensor

from ..dca import DCASpec, rotate
from ..paged_kv import PagedKV


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
