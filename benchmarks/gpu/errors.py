"""The section `errors` of `run.py`: every kernel against the reference, which computes in float64 on the CPU.

The reference gets the contents of the cache, so only the kernel's own rounding is left to differ. Outputs and caches
are filled with NaN first: values that are not written show, and so do values that must not be read.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.setting import DEVICE, Row, Setting, last_line
from longread.kernels import reference
from longread.kernels.dca import DCASpec, rotate
from longread.kernels.paged_kv import Batch, PagedKV
from longread.kernels.sparse.vertical_slash import VerticalSlashSelection
from longread.kernels.triton.dense import dense
from longread.kernels.triton.vertical_slash import sparse
from longread.kernels.triton.vertical_slash_scores import scores
from longread.kernels.triton.write_kv import write

NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16", torch.float8_e4m3fn: "fp8"}
BOUND = 0.01
"""The limit of the relative error: several times that of rounding to bfloat16, and far less than a wrong key causes."""
BOUND_WRITTEN_FP8 = 0.1
"""Rounding to e4m3 alone causes 0.03; Triton's interpreter does not round to nearest."""
_ERRORS = ("max error", "relative", "max error of lse")


@dataclass(frozen=True)
class Sizes:
    """Sequences as pairs of (tokens before the queries, queries); the longest one crosses S at least twice."""

    heads: int
    group: int
    chunk_size: int
    local_size: int
    blocks: tuple[int, int]
    scoring: tuple[int, int]
    prefills: dict[str, tuple[tuple[int, int], ...]]


FULL = Sizes(
    heads=14,
    group=7,
    chunk_size=512,
    local_size=128,
    blocks=(64, 128),
    scoring=(1137, 64),
    prefills={
        "one-shot": ((0, 1200),),
        "chunk": ((850, 350),),
        "batch with a decode": ((0, 200), (1100, 1), (700, 77)),
        "decode": ((1199, 1), (640, 1)),
    },
)
SMALL = Sizes(
    heads=4,
    group=2,
    chunk_size=48,
    local_size=16,
    blocks=(16, 32),
    scoring=(60, 12),
    prefills={
        "one-shot": ((0, 70),),
        "chunk": ((55, 16),),
        "batch with a decode": ((0, 10), (70, 1), (60, 7)),
        "decode": ((71, 1), (40, 1)),
    },
)


@dataclass(frozen=True)
class Kind:
    """The types and shapes that a kernel is compiled for. A page of None holds the whole sequence."""

    dtype: torch.dtype
    kv_dtype: torch.dtype
    dim: int
    page: int | None


def errors(setting: Setting) -> Iterator[Row]:
    """The largest absolute error, and ‖out - reference‖ / ‖reference‖, of every kernel in every kind."""
    torch.set_num_threads(max(1, torch.get_num_threads() // setting.parts))
    sizes = SMALL if setting.tiny else FULL
    checks = (_dense, _sparse, _scoring, _write)
    work = [(check, kind) for check, kind in product(checks, kinds(setting.tiny))]
    for check, kind in work[setting.part :: setting.parts]:
        names = {
            "dtype": NAMES[kind.dtype],
            "K/V": NAMES[kind.kv_dtype],
            "head_dim": kind.dim,
            "page": kind.page or "one",
        }
        try:
            for found in check(sizes, kind):
                yield {"kernel": check.__name__[1:], **found, **names}
        except Exception as error:  # the other kinds must still be tried
            yield {"kernel": check.__name__[1:], "case": "", **names, "failed": last_line(error)}


def kinds(tiny: bool) -> list[Kind]:
    """All page sizes for the larger head_dim, and the two most important ones for the smaller."""
    if tiny:
        return [
            Kind(torch.float32, torch.float32, 32, 16),
            Kind(torch.float16, torch.float8_e4m3fn, 64, None),
        ]
    types = (
        (torch.bfloat16, torch.bfloat16),
        (torch.float16, torch.float16),
        (torch.bfloat16, torch.float8_e4m3fn),
    )
    shapes = ((128, 128), (128, None), (128, 16), (128, 64), (64, 128), (64, None))
    return [Kind(dtype, stored, dim, page) for (dtype, stored), (dim, page) in product(types, shapes)]


def worst(rows: list[Row]) -> list[Row]:
    """The largest errors over all page sizes, for a readable table; and every failure."""
    grouped: dict[tuple[str, ...], Row] = {}
    for row in rows:
        if "failed" not in row:
            key = tuple(str(row[name]) for name in ("kernel", "case", "dtype", "K/V", "head_dim"))
            so_far = grouped.setdefault(key, {**row, "page": "any"})
            so_far.update({name: max(so_far[name], row[name]) for name in row if name in _ERRORS})
    return [grouped[key] for key in sorted(grouped)] + [row for row in rows if "failed" in row]


class Problem:
    """Sequences with random Q, K and V: for the reference, on the CPU, and for the kernels."""

    def __init__(self, sizes: Sizes, kind: Kind, sequences: tuple[tuple[int, int], ...], seed: int = 0):
        random = torch.Generator().manual_seed(seed)
        spec = self.spec = DCASpec(kind.dim, 1e6, None, sizes.chunk_size, sizes.local_size, sizes.chunk_size, "query")
        self.lengths = [before + queries for before, queries in sequences]
        self.starts = [before for before, _ in sequences]
        kv_heads = sizes.heads // sizes.group
        size = kind.page or max(self.lengths)
        counts = [-(-length // size) for length in self.lengths]
        pages = torch.randperm(sum(counts) + 1, generator=random).int()
        # K and V of a page side by side, so that the strides are not those of a contiguous tensor. It is filled in
        # float32, since not every device can index float8.
        cache = torch.full((len(pages), 2, size, kv_heads, kind.dim), torch.nan)
        scale = (0.5, 0.25) if kind.kv_dtype == torch.float8_e4m3fn else (1.0, 1.0)
        table = torch.zeros(len(counts), max(counts), dtype=torch.int32)
        self.q, self.k, self.v = [], [], []
        for row, (length, start) in enumerate(zip(self.lengths, self.starts, strict=True)):
            own, pages = pages[: counts[row]], pages[counts[row] :]
            table[row, : counts[row]] = own
            tokens = torch.arange(length)
            # A logit's deviation is about 1.5: the softmax has peaks, and does not hang on a single key.
            q = 1.5 * torch.randn(length - start, sizes.heads, kind.dim, generator=random)
            self.q.append(q.to(kind.dtype).double())
            k, v = torch.randn(2, length, kv_heads, kind.dim, generator=random).double()
            stored = [rotated(k, spec.key_positions(tokens), spec) / scale[0], v / scale[1]]
            stored = [x.float().to(kind.kv_dtype) for x in stored]
            page, place = own[tokens // size].long(), tokens % size
            for half, x in enumerate(stored):
                cache[page, half, place] = x.float()
            self.k.append(rotated(stored[0].double() * scale[0], -spec.key_positions(tokens), spec))
            self.v.append(stored[1].double() * scale[1])
        queries = [len(q) for q in self.q]
        self.queries = torch.cat(self.q).to(kind.dtype).to(DEVICE)
        cache = cache.to(kind.kv_dtype).to(DEVICE)
        self.kv = PagedKV(cache[:, 0], cache[:, 1], *scale)
        self.batch = Batch(
            block_table=table.to(DEVICE),
            query_starts=torch.tensor([0, *queries]).cumsum(0).int().to(DEVICE),
            lengths=torch.tensor(self.lengths).int().to(DEVICE),
            max_query=max(queries),
            max_length=max(self.lengths),
        )

    def poisoned(self) -> tuple[Tensor, Tensor]:
        """out and log-sum-exps."""
        out = torch.full_like(self.queries, torch.nan)
        return out, torch.full(out.shape[:2], torch.nan, dtype=torch.float32, device=DEVICE)


def rotated(x: Tensor, positions: Tensor, spec: DCASpec) -> Tensor:
    angles = spec.angles(positions).double()[:, None]
    return rotate(x, angles.cos(), angles.sin())


def _compared(
    case: str,
    found: Tensor,
    expected: Tensor,
    lse: Tensor | None = None,
    log_sums: Any = None,
    *,
    bound: float = BOUND,
) -> Row:
    apart = found.double().cpu() - expected
    row: Row = {
        "case": case,
        "max error": float(apart.abs().max()),
        "relative": float(apart.norm() / expected.norm()),
    }
    if lse is not None:
        row["max error of lse"] = float((lse.double().cpu() - log_sums).abs().max())
    if not all(math.isfinite(value) for name, value in row.items() if name in _ERRORS):
        row["failed"] = "not all values are finite: some were not written, or NaN was read"
    elif row["relative"] > bound:
        row["failed"] = f"the relative error is {row['relative']:.2g}, more than {bound}"
    return row


def _dense(sizes: Sizes, kind: Kind) -> Iterator[Row]:
    for case, sequences in sizes.prefills.items():
        problem = Problem(sizes, kind, sequences)
        answers = [
            reference.attention(q, k, v, problem.spec, start=start)
            for q, k, v, start in zip(problem.q, problem.k, problem.v, problem.starts, strict=True)
        ]
        expected, log_sums = (torch.cat(parts) for parts in zip(*answers, strict=True))
        for splits in (None, 4) if case == "decode" else (None,):
            out, lse = problem.poisoned()
            dense(problem.queries, problem.kv, problem.batch, problem.spec, out=out, lse=lse, splits=splits)
            name = f"{case}, keys split" if splits else case
            yield _compared(name, out, expected, lse, log_sums)


def _sparse(sizes: Sizes, kind: Kind) -> Iterator[Row]:
    problem = Problem(sizes, kind, sizes.prefills["chunk"])
    length = problem.lengths[0]
    for block in sizes.blocks:
        random = torch.Generator().manual_seed(block)
        columns = [torch.nonzero(torch.rand(length, generator=random) < 0.2)[:, 0] for _ in range(sizes.heads)]
        blocks = -(-length // block)
        offsets = [torch.nonzero(torch.rand(blocks, generator=random) < 0.4)[:, 0] for _ in range(sizes.heads)]
        drawn = VerticalSlashSelection.of(columns, offsets, length=length, block=block)
        on_device = VerticalSlashSelection.of(
            [x.to(DEVICE) for x in columns], [x.to(DEVICE) for x in offsets], length=length, block=block
        )
        out, lse = problem.poisoned()
        table = problem.batch.block_table[0]
        sparse(problem.queries, problem.kv, table, length, problem.spec, on_device, out=out, lse=lse)
        expected, log_sums = reference.attention(
            problem.q[0], problem.k[0], problem.v[0], problem.spec, start=problem.starts[0], sparsity=drawn
        )
        yield _compared(f"blocks of {block}", out, expected, lse, log_sums)


def _scoring(sizes: Sizes, kind: Kind) -> Iterator[Row]:
    problem = Problem(sizes, kind, (sizes.scoring,))
    found = scores(problem.queries, problem.kv, problem.batch.block_table[0], problem.lengths[0], problem.spec)
    expected = reference.scores(problem.q[0], problem.k[0], problem.spec)
    for name, ours, theirs in zip(("columns", "diagonals"), found, expected, strict=True):
        yield _compared(name, ours, theirs)


def _write(sizes: Sizes, kind: Kind) -> Iterator[Row]:
    """Here the error includes the rounding to the cache's type."""
    problem = Problem(sizes, kind, sizes.prefills["one-shot"])
    length, kv = problem.lengths[0], problem.kv
    random = torch.Generator().manual_seed(1)
    k, v = torch.randn(2, length, kv.k.shape[2], kind.dim, generator=random).to(kind.dtype)
    slots = torch.randperm(kv.k.shape[0] * kv.page_size, generator=random)[:length]
    slots[::7] = -1
    for cache in (kv.k, kv.v):
        cache.copy_(torch.full(cache.shape, torch.nan))
    tokens = torch.arange(length)
    write(k.to(DEVICE), v.to(DEVICE), kv, slots.to(DEVICE), tokens.to(DEVICE), problem.spec)
    there = slots >= 0
    page, place = slots[there] // kv.page_size, slots[there] % kv.page_size
    rotated_k = rotated(k.double(), problem.spec.key_positions(tokens), problem.spec)
    for name, cache, scale, expected in (("K", kv.k, kv.k_scale, rotated_k), ("V", kv.v, kv.v_scale, v.double())):
        stored = cache.cpu().float().double()
        bound = BOUND_WRITTEN_FP8 if kind.kv_dtype == torch.float8_e4m3fn else BOUND
        yield _compared(name, stored[page, place] * scale, expected[there], bound=bound)
        if int(stored.isnan().all(-1).all(-1).sum()) != stored.shape[0] * stored.shape[1] - int(there.sum()):
            yield {"case": name, "failed": "more tokens were written than have a slot, or fewer"}
