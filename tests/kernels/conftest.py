"""Attention problems for the kernels, and Triton's interpreter where there is no GPU to run them on."""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import Tensor

CUDA = torch.cuda.is_available()
# Triton 3.9 warns of a new default unless somebody has chosen.
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")
if not CUDA:
    # Triton reads it when it is imported: from then on its own functions are compiled, or interpreted.
    assert "triton" not in sys.modules or os.environ.get("TRITON_INTERPRET") == "1", "triton was imported before"
    os.environ["TRITON_INTERPRET"] = "1"

from longread.kernels.dca import DCASpec, rotate  # noqa: E402
from longread.kernels.paged_kv import Batch, PagedKV  # noqa: E402

DEVICE = "cuda" if CUDA else "cpu"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):  # whose coverage is not measured, and would take as long as the interpreter
            item.add_marker(pytest.mark.no_cover)
        if not CUDA and item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@dataclass
class Problem:
    """Sequences with random Q, K and V, as the reference takes them (float64) and as the kernels do."""

    spec: DCASpec
    starts: list[int]
    lengths: list[int]
    q: list[Tensor]  # a sequence: [T, Hq, D], not rotated
    k: list[Tensor]  # [n, Hkv, D], not rotated
    v: list[Tensor]
    queries: Tensor  # [N, Hq, D], rotated at i mod S if q_rotated
    kv: PagedKV
    batch: Batch

    def poisoned(self) -> tuple[Tensor, Tensor]:
        """Outputs [N, Hq, D] and [N, Hq] full of NaN: what is not written shows."""
        out = torch.full_like(self.queries, torch.nan)
        return out, torch.full(out.shape[:2], torch.nan, dtype=torch.float32, device=out.device)


def rotated(x: Tensor, positions: Tensor, spec: DCASpec) -> Tensor:
    angles = spec.angles(positions).double()[:, None]
    return rotate(x, angles.cos(), angles.sin())


def _views(layout: str, pages: int, page_size: int, heads: int, dim: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """K and V [pages, page size, Hkv, D] full of NaN, in memory as an engine has them."""
    if layout == "interleaved":  # vLLM on a CPU: [pages, Hkv, page size, 2 D]
        whole = torch.full((pages, heads, page_size, 2 * dim), torch.nan).to(dtype).transpose(1, 2)
        return whole[..., :dim], whole[..., dim:]
    if layout == "pairs":  # [pages, 2, page size, Hkv, D]
        whole = torch.full((pages, 2, page_size, heads, dim), torch.nan).to(dtype)
        return whole[:, 0], whole[:, 1]
    whole = torch.full((2, pages, page_size, heads, dim), torch.nan).to(dtype)
    return whole[0], whole[1]


@pytest.fixture(scope="session")
def problem() -> Callable[..., Problem]:
    def make(
        spec: DCASpec,
        sequences: Sequence[tuple[int, int]] = ((0, 100),),
        *,
        heads: int = 2,
        group: int = 1,
        page_size: int = 16,
        one_page: bool = False,
        dtype: torch.dtype = torch.float32,
        kv_dtype: torch.dtype | None = None,
        layout: str = "split",
        q_rotated: bool = False,
        padding: int = 0,
        seed: int = 0,
    ) -> Problem:
        """Sequences of (tokens before the queries, queries). `heads` share K and V in groups; pages are shuffled.

        Args:
            padding: queries at the end that belong to sequences of no tokens, one each.
        """
        random = torch.Generator().manual_seed(seed)
        kv_heads, dim = heads // group, spec.head_dim
        starts, lengths = [start for start, _ in sequences], [start + queries for start, queries in sequences]
        if one_page:
            page_size = max(lengths)
        counts = [-(-length // page_size) for length in lengths]
        table = torch.zeros(len(lengths) + padding, max(counts), dtype=torch.int32)
        pages = torch.randperm(sum(counts) + 1, generator=random).int()
        k_cache, v_cache = _views(layout, len(pages), page_size, kv_heads, dim, kv_dtype or dtype)
        k_scale, v_scale = (0.5, 0.25) if kv_dtype else (1.0, 1.0)
        qs, ks, vs, rotated_qs = [], [], [], []
        for row, (start, length, count) in enumerate(zip(starts, lengths, counts, strict=True)):
            own, pages = pages[:count], pages[count:]
            table[row, :count] = own
            tokens = torch.arange(length)
            # A logit's deviation is about 1.5: the softmax has peaks, and does not hang on a single key.
            q = (1.5 * torch.randn(length - start, heads, dim, generator=random)).to(dtype).double()
            k = torch.randn(length, kv_heads, dim, generator=random).double()
            v = torch.randn(length, kv_heads, dim, generator=random).double()
            stored_k = (rotated(k, spec.key_positions(tokens), spec) / k_scale).float().to(kv_dtype or dtype)
            stored_v = (v / v_scale).float().to(kv_dtype or dtype)
            page, place = own[tokens // page_size].long(), tokens % page_size
            k_cache[page, place], v_cache[page, place] = stored_k, stored_v
            # The reference gets what was stored, so that only the kernel's own rounding is left to differ.
            ks.append(rotated(stored_k.double() * k_scale, -spec.key_positions(tokens), spec))
            vs.append(stored_v.double() * v_scale)
            qs.append(q)
            positions = torch.arange(start, length) % spec.span if q_rotated else torch.zeros(length - start)
            rotated_qs.append(rotated(q, positions, spec).to(dtype))
            if q_rotated:
                qs[-1] = rotated(rotated_qs[-1].double(), -positions, spec)
        rotated_qs.append(torch.ones(padding, heads, dim, dtype=dtype))
        counts = [length - start for start, length in zip(starts, lengths, strict=True)] + [1] * padding
        batch = Batch(
            block_table=table.to(DEVICE),
            query_starts=torch.tensor([0, *counts]).cumsum(0).int().to(DEVICE),
            lengths=torch.tensor(lengths + [0] * padding).int().to(DEVICE),
            max_query=max(counts),
            max_length=max(lengths),
            prompt_lengths=torch.tensor([length + 7 for length in lengths] + [1] * padding).int().to(DEVICE),
        )
        kv = PagedKV(k_cache.to(DEVICE), v_cache.to(DEVICE), k_scale, v_scale)
        return Problem(spec, starts, lengths, qs, ks, vs, torch.cat(rotated_qs).to(DEVICE), kv, batch)

    return make
