"""Helpers of the CPU kernels: torch's flash attention, merging of results, and threads."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from ..dca import DCASpec

Place = TypeVar("Place")


def flash(query: Tensor, key: Tensor, value: Tensor, spec: DCASpec, *, causal: bool = False) -> tuple[Tensor, Tensor]:
    """torch's flash attention for CPUs, which `scaled_dot_product_attention` runs without returning the log-sum-exp.

    query [B, H, T, D], key and value [B, H, n, D] of any strides -> out like query, log-sum-exp [B, H, T]
    """
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, scale=spec.base_scale
    )


def merge(parts: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Combine softmaxes over disjoint keys into one. Each part is (out [..., D], log-sum-exp [...])."""
    out, lse = parts[0]
    for other, weight in parts[1:]:
        out = torch.lerp(out, other, torch.sigmoid(weight - lse)[..., None].to(out.dtype))
        lse = torch.logaddexp(lse, weight)
    return out, lse


def in_threads(work: Callable[[Place], None], places: Iterable[Place]) -> None:
    """Call `work` for each place, with a thread for each call: they are too small for torch to use all threads."""

    @torch.inference_mode()  # a thread does not inherit it
    def one(place: Place) -> None:
        work(place)

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(one, places):
                pass
    finally:
        torch.set_num_threads(threads)  # a part of it is the process's, not the thread's
