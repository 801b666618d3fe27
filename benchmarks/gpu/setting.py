"""Shapes, deadlines, clocks, and torch's own attention to compare with, for the sections of `run.py`."""

import os
import statistics
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

from longread.kernels.dca import DCASpec
from longread.kernels.sparse.vertical_slash import VerticalSlash

# Triton 3.9 warns of a new default unless it is set.
os.environ.setdefault("TRITON_DEFAULT_FP_FUSION", "1")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""True if the kernels run in Triton's interpreter, on the CPU: the results are right, but the times are meaningless."""
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
DTYPE = torch.float32 if INTERPRETED else torch.bfloat16  # the interpreter of Triton 3.9 cannot multiply bfloat16
THEIRS = {"flash": SDPBackend.FLASH_ATTENTION, "cuDNN": SDPBackend.CUDNN_ATTENTION}
"""The back ends of torch's attention to compare with."""

Row = dict[str, Any]
"""A line of a table, by heading. "failed" is a failure of longread, "refused" what a back end does not support."""


@dataclass(frozen=True)
class Shapes:
    """The shapes to measure. Lengths are in tokens."""

    heads: int
    kv_heads: int
    spec: DCASpec
    hidden: int
    mlp: int
    layers: int
    vocabulary: int
    dense: tuple[int, ...]
    """Whole prompts, read at once."""
    tiled: int
    """The length at which tile sizes of the dense kernel are compared."""
    tiles: tuple[tuple[int, int, int, int], ...]
    """(queries, keys, warps, buffers)"""
    crossing: DCASpec
    """A spec with chunks so short that `tiled` has several."""
    chunk: int
    """Tokens read at a time."""
    long: tuple[int, ...]
    prompts: tuple[int, ...]
    """Prompts for the whole model."""
    vertical: int
    slash: int
    blocks: tuple[int, int]
    page: int
    threshold: int
    """Prompts up to this length are dense."""
    batch: tuple[int, int]
    """For decoding: sequences, tokens of each."""
    copied: int
    """Bytes to copy."""
    square: int
    """Rows and columns of a matrix."""

    @property
    def dim(self) -> int:
        return self.spec.head_dim

    def budgets(self, block: int) -> VerticalSlash:
        return VerticalSlash.uniform(self.heads, vertical=self.vertical, slash=self.slash, block=block)


_K = 1024
SEVEN_B = Shapes(
    heads=28,
    kv_heads=4,
    spec=DCASpec(128, 1e7, None, 256 * _K, 8 * _K, 256 * _K, "query"),
    hidden=3584,
    mlp=18_944,
    layers=28,
    vocabulary=32_000,
    dense=(8 * _K, 16 * _K, 32 * _K, 64 * _K, 128 * _K),
    tiled=32 * _K,
    tiles=((128, 128, 8, 3), (128, 64, 8, 3), (128, 64, 4, 3), (64, 64, 4, 3), (64, 128, 4, 2)),
    crossing=DCASpec(128, 1e7, None, 10 * _K, 2 * _K),
    chunk=32 * _K,
    long=(128 * _K, 256 * _K, 512 * _K, 1024 * _K),
    prompts=(32 * _K, 128 * _K, 256 * _K, 512 * _K, 1_000_000),
    vertical=3920,
    slash=7650,
    blocks=(64, 128),
    page=128,
    threshold=32 * _K,
    batch=(8, 128 * _K),
    copied=4 << 30,
    square=8192,
)
"""A layer of Qwen2.5-7B-Instruct-1M, and the mean of its published budgets. The vocabulary is smaller."""
TINY = Shapes(
    heads=2,
    kv_heads=1,
    spec=DCASpec(32, 1e4, None, 48, 16, 48, "query"),
    hidden=64,
    mlp=128,
    layers=2,
    vocabulary=100,
    dense=(16, 32),
    tiled=48,
    tiles=((32, 32, 4, 1), (32, 16, 4, 1)),
    crossing=DCASpec(32, 1e4, None, 48, 16),
    chunk=32,
    long=(48, 80),
    prompts=(64, 80),
    vertical=40,
    slash=40,
    blocks=(16, 32),
    page=16,
    threshold=32,
    batch=(2, 48),
    copied=1 << 16,
    square=64,
)


@dataclass(frozen=True)
class Setting:
    """The argument of a section. `deadline` is on the clock of `time.monotonic`; `part` of `parts` shares its work."""

    tiny: bool
    deadline: float
    part: int = 0
    parts: int = 1

    @property
    def shapes(self) -> Shapes:
        return TINY if self.tiny else SEVEN_B

    def too_long(self, seconds: float) -> str | None:
        """The reason not to start something that takes so long; None if there is time."""
        left = self.deadline - time.monotonic()
        return f"would take about {seconds:.0f} s; {max(left, 0):.0f} s are left" if seconds > left else None


class Timing(NamedTuple):
    """Seconds of several runs."""

    median: float
    least: float
    most: float

    def rate(self, amount: float) -> Row:
        """Units of work per second: the median, and the spread of the runs."""
        return {"median": amount / self.median, "least": amount / self.most, "most": amount / self.least}


def timed(calls: Mapping[str, Callable[[], object]], *, repeat: int, warm: bool = True) -> dict[str, Timing]:
    """Time each call by the device's clock. The calls alternate, so that a drift affects all of them.

    Nothing waits for the device meanwhile, unless a call does: launches overlap with work that is still running. The
    interpreter runs each call once.
    """
    if INTERPRETED:
        warm, repeat = False, 1
    if warm:
        for call in calls.values():
            call()
    runs: dict[str, list[tuple[Any, Any]]] = {name: [] for name in calls}
    for _ in range(repeat):
        for name, call in calls.items():
            start = _now()
            call()
            runs[name].append((start, _now()))
    seconds = {name: [_between(*pair) for pair in pairs] for name, pairs in runs.items()}
    return {name: Timing(statistics.median(took), min(took), max(took)) for name, took in seconds.items()}


def replayed(call: Callable[[], object]) -> Callable[[], object]:
    """The call as a CUDA graph, which has a single launch. The interpreter has no graphs."""
    if INTERPRETED:
        return call
    call()  # compiles
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def synchronize() -> None:
    if not INTERPRETED:
        torch.cuda.synchronize()


def peak_bytes(call: Callable[[], object]) -> int | None:
    """The peak memory of a call on the device, beyond what was allocated before; None on a CPU."""
    if INTERPRETED:
        call()
        return None
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return torch.cuda.max_memory_allocated() - before


def last_line(error: BaseException) -> str:
    """The last line of an error's traceback, shortened for a table."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0] if text else 'no message'}"[:300]


@dataclass(frozen=True)
class Theirs:
    """One back end of torch's scaled_dot_product_attention, causal, where the last query sees the last key.

    It ignores positions: it computes as many logits as longread's kernels, but other values.
    """

    name: str
    """A key of `THEIRS`."""
    repeats: int
    """Copies of K and V, made before timing, for a back end without grouped heads."""

    @classmethod
    def probe(cls, name: str, q: Tensor, k: Tensor, v: Tensor) -> "Theirs | str":
        """The back end if it runs on the first tokens, or the reason why not. q [T, Hq, D], k and v [n, Hkv, D]."""
        reason = ""
        for repeats in (1, q.shape[1] // k.shape[1]):
            theirs = cls(name, repeats)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    theirs.on(q[: 256 * len(q) // len(k)], k[:256], v[:256])()
                except RuntimeError as error:
                    reasons = {str(warning.message).split(" (Triggered")[0] for warning in caught}
                    reason = "; ".join([last_line(error), *sorted(reasons)])[:600]
                else:
                    return theirs
        return reason

    def on(self, q: Tensor, k: Tensor, v: Tensor) -> Callable[[], Tensor]:
        """The call -> [T, Hq, D]."""
        queries, keys, values = (x.transpose(0, 1)[None] for x in (q, k, v))
        if self.repeats > 1:
            keys, values = (x.repeat_interleave(self.repeats, 1) for x in (keys, values))
        mask = causal_lower_right(len(q), len(k))

        def call() -> Tensor:
            with sdpa_kernel(THEIRS[self.name]):
                out = scaled_dot_product_attention(queries, keys, values, mask, enable_gqa=self.repeats == 1)
            return out[0].transpose(0, 1)

        return call

    @property
    def heads(self) -> str:
        return "grouped" if self.repeats == 1 else "K and V repeated"


def _now() -> Any:
    if INTERPRETED:
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record()
    return event


def _between(start: Any, end: Any) -> float:
    if INTERPRETED:
        return end - start
    end.synchronize()
    return start.elapsed_time(end) / 1e3
