"""Choose how to split a model over GPUs, or say what would have to change for it to fit.

Memory is added up for one prompt of the full length on the GPU that holds most: weights, K/V cache, the activations of
one chunk, the buffers of our attention, and the runtime. Pure Python; nothing is measured.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from longread.errors import PlanError

from ..models.shape import ModelShape
from ..pipeline.chunker import Forecast
from .gpus import GIB, Gpus

CHUNKS = (131_072, 65_536, 32_768, 16_384, 8_192, 4_096, 2_048)
"""Prefill chunk sizes in tokens, tried from the largest: fewer chunks mean fewer passes over the weights."""
CPU_CHUNK, CPU_SPARSE_CHUNK = 1_024, 4_096
"""Chunk sizes on a CPU, where a chunk takes seconds and blocks every other request."""
UTILIZATION = 0.95
"""The fraction of a GPU's memory that vLLM may use."""
RUNTIME = 1.5 * GIB
"""Bytes on each GPU for the CUDA context, library workspaces and communication buffers. An assumption."""
CPU_RUNTIME = 1.75 * GIB
"""Bytes of a server on a CPU: three Python processes with torch and vLLM, and what malloc holds back
(benchmarks/serving/memory.py)."""
PAGE = 128
"""Tokens in a page of the K/V cache: one tile of keys, which is then contiguous in memory."""
SEQUENCES = 8
"""Concurrent requests. Memory is planned for one of the full length; shorter ones share it."""
_STEP = 1024


@dataclass(frozen=True)
class Precision:
    """The number of bits that weights, K/V cache and everything else are stored in."""

    fp8_weights: bool = False
    fp8_kv: bool = False
    bits: int = 16
    """Of everything that is not FP8."""

    @property
    def bytes(self) -> int:
        return self.bits // 8

    @property
    def kv_bytes(self) -> int:
        return 1 if self.fp8_kv else self.bytes


@dataclass(frozen=True)
class Need:
    """Bytes on the GPU that holds most."""

    weights: int
    kv: int
    activations: int
    attention: int
    runtime: int

    @property
    def total(self) -> int:
        return self.weights + self.kv + self.activations + self.attention + self.runtime


@dataclass(frozen=True)
class Layout:
    """One split of the model over GPUs, and the memory it takes."""

    tp: int
    pp: int
    chunk: int
    need: Need
    budget: int
    split: tuple[int, ...] | None = None
    """Layers of each stage; None for vLLM's own split."""
    expected: Forecast | None = None
    """For a prompt of the full length; None without measured step costs."""

    @property
    def gpus(self) -> int:
        return self.tp * self.pp

    @property
    def headroom(self) -> int:
        return self.budget - self.need.total

    @property
    def fits(self) -> bool:
        return self.headroom >= 0


@dataclass(frozen=True)
class Request:
    """What to plan for.

    Args:
        model: its name.
        tokens: prompt and answer together.
        chunk: tokens of a prefill chunk; None for the largest of `CHUNKS` that fits.
        config_overrides: changes to the model's config.json that this length needs.
        tp, pp: sizes of tensor and pipeline parallelism; None for the best.
    """

    model: str
    shape: ModelShape
    tokens: int
    gpus: Gpus
    precision: Precision = Precision()
    chunk: int | None = None
    config_overrides: Mapping[str, Any] = field(default_factory=dict)
    tp: int | None = None
    pp: int | None = None


@dataclass(frozen=True)
class Remedy:
    """A change that makes the model fit."""

    change: str
    request: Request


@dataclass(frozen=True)
class Plan:
    """The answer to a request."""

    request: Request
    layouts: tuple[Layout, ...]
    """All possible splits, the best first."""
    chosen: Layout | None
    longest: int
    """The most tokens that fit on the same GPUs in the same precision; 0 if the weights alone do not fit."""
    remedies: tuple[Remedy, ...]
    """If nothing fits: changes that would help, the cheapest first."""


def plan(request: Request) -> Plan:
    """Find the layouts of a model, and choose one that fits.

    The choice is the layout with the most GPUs, then with the most tensor parallelism: tensor parallelism shortens
    every chunk, pipeline stages only overlap them.

    Raises:
        PlanError: the number of tokens is outside the model's window, the chunk is smaller than a page, FP8 is
            requested on GPUs without it, or no layout has the requested TP and PP.
    """
    shape, gpus = request.shape, request.gpus
    if not 0 < request.tokens <= shape.window:
        raise PlanError(
            f"{request.model} has a window of {shape.window:,} tokens, and {request.tokens:,} are requested. "
            "Change --tokens."
        )
    if request.chunk is not None and request.chunk < PAGE:
        raise PlanError(
            f"A chunk of {request.chunk:,} tokens is too small: the minimum is {PAGE}, a page of the K/V cache. "
            "Change --chunk."
        )
    if (request.precision.fp8_weights or request.precision.fp8_kv) and not gpus.fp8:
        raise PlanError(f"{gpus.name} does not support FP8. Remove the --fp8 options or choose different GPUs.")
    layouts = sorted(_layouts(request), key=lambda one: (not one.fits, -one.gpus, -one.tp))
    if not layouts:
        fixed = [f"--{name} {size}" for name, size in (("tp", request.tp), ("pp", request.pp)) if size]
        possible = sorted({(one.tp, one.pp) for one in _layouts(replace(request, tp=None, pp=None))})
        raise PlanError(
            f"{request.model} cannot be split by {' and '.join(fixed)} on {gpus}. "
            f"Possible TP × PP: {', '.join(f'{tp} × {pp}' for tp, pp in possible)}."
        )
    chosen = layouts[0] if layouts[0].fits else None
    return Plan(
        request,
        tuple(layouts),
        chosen,
        _longest(request),
        () if chosen else tuple(_remedies(request)),
    )


def layout(request: Request, tp: int, pp: int) -> Layout:
    """A layout with the largest chunk that fits, or the smallest if none fits."""
    sizes = CHUNKS
    if request.gpus.is_cpu:
        sizes = (CPU_SPARSE_CHUNK if request.shape.sparse else CPU_CHUNK,)
    chunks = [request.chunk] if request.chunk else [chunk for chunk in sizes if chunk < 2 * request.tokens]
    tried: list[Layout] = []
    for chunk in chunks or [sizes[-1]]:
        tried.append(Layout(tp, pp, chunk, need(request, tp, pp, chunk), int(request.gpus.memory * GIB * UTILIZATION)))
        if tried[-1].fits:
            break
    return tried[-1]


def need(request: Request, tp: int, pp: int, chunk: int) -> Need:
    """Bytes on the GPU that holds most."""
    shape, precision, cpu = request.shape, request.precision, request.gpus.is_cpu
    return Need(
        weights=shape.weights(tp, pp, bits=precision.bits, linear_bits=8 if precision.fp8_weights else None, cpu=cpu),
        kv=prompt_kv(request, tp, pp),
        activations=shape.activations(min(chunk, request.tokens), tp, pp, act_bytes=precision.bytes, cpu=cpu),
        attention=shape.attention(request.tokens, tp),
        runtime=int(CPU_RUNTIME if cpu else RUNTIME),
    )


def prompt_kv(request: Request, tp: int = 1, pp: int = 1) -> int:
    """Bytes of one prompt's K/V in whole pages, on the GPU that holds most."""
    pages = -(-request.tokens // PAGE)
    return pages * PAGE * request.shape.kv_per_token(tp, pp, kv_bytes=request.precision.kv_bytes)


def _layouts(request: Request) -> Iterator[Layout]:
    gpus, shape = request.gpus, request.shape
    for tp in [1] if gpus.is_cpu else shape.tensor_parallel_sizes():
        if tp > gpus.count:  # heads stay within a node: tensor parallelism communicates at every layer
            continue
        for pp in range(1, min(gpus.total // tp, shape.layers) + 1):
            within = gpus.count % tp == 0 or tp * pp <= gpus.count
            allowed = request.tp in (None, tp) and request.pp in (None, pp)
            if allowed and within and (tp * pp <= gpus.count or tp * pp % gpus.count == 0):
                yield layout(request, tp, pp)


def _longest(request: Request) -> int:
    """The most tokens that fit in some layout, in steps of 1,024."""

    def fits(tokens: int) -> bool:
        return any(one.fits for one in _layouts(replace(request, tokens=tokens)))

    if fits(request.shape.window):
        return request.shape.window
    low, high = 0, -(-request.shape.window // _STEP)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle * _STEP) else (low, middle)
    return low * _STEP


def _remedies(request: Request) -> Iterator[Remedy]:
    """Changes that make the model fit, the cheapest first: time, a little accuracy, more accuracy, money."""
    precision, gpus = request.precision, request.gpus
    single: list[tuple[str, Request]] = []
    if request.chunk:
        single.append(("a smaller chunk", replace(request, chunk=None)))
    if gpus.fp8:
        kv, weights = replace(precision, fp8_kv=True), replace(precision, fp8_weights=True)
        single += [
            ("an FP8 K/V cache (--fp8-kv)", replace(request, precision=kv)),
            ("FP8 weights (--fp8-weights)", replace(request, precision=weights)),
            ("FP8 weights and K/V cache", replace(request, precision=Precision(True, True))),
        ]
    for more in () if gpus.is_cpu else (gpus.count + 1, 2 * gpus.count, 4 * gpus.count):
        single.append((_more(more - gpus.count, gpus), _with_gpus(request, more)))
    if gpus.fp8:
        both = replace(request, precision=Precision(True, True))
        single.append((f"FP8 weights and K/V cache, and {_more(gpus.count, gpus)}", _with_gpus(both, 2 * gpus.count)))
    for change, changed in single:
        if changed != request and any(one.fits for one in _layouts(changed)):
            yield Remedy(change, changed)


def _more(count: int, gpus: Gpus) -> str:
    return f"{count} more GPU{'s' * (count > 1)}{' in each node' * (gpus.nodes > 1)}"


def _with_gpus(request: Request, count: int) -> Request:
    return replace(request, gpus=replace(request.gpus, count=count))


def layout_table(plan: Plan) -> tuple[Sequence[str], list[Sequence[str]]]:
    """(columns, rows) of the table of layouts; memory in GiB."""

    def gib(size: float) -> str:
        return f"{size / GIB:.1f}"

    forecasts = any(one.expected for one in plan.layouts)
    columns = ("TP", "PP", "chunk", "weights", "K/V", "activ.", "attn.", "other", "total", "left")
    rows: list[Sequence[str]] = []
    for one in plan.layouts:
        state: Literal["chosen", "fits", "too large"] = "fits" if one.fits else "too large"
        needs = (one.need.weights, one.need.kv, one.need.activations, one.need.attention, one.need.runtime)
        rows.append(
            (
                str(one.tp), str(one.pp), f"{one.chunk:,}", *map(gib, needs), gib(one.need.total), gib(one.headroom),
                *([f"{one.expected.seconds:.3g} s" if one.expected else "?"] if forecasts else []),
                "chosen" if one is plan.chosen else state,
            )
        )  # fmt: skip
    return (*columns, *(["TTFT"] if forecasts else []), ""), rows
