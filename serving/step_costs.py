"""Step costs that were measured on an engine, kept by all that they depend on: for the scheduler and the planner.

One JSON file an engine in `calibration/` of the cache folder. `agent calibrate MODEL --chunking` writes it.
"""

import hashlib
import math
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from .costs import CostModel, Pipeline, Sample, Terms
from .errors import LongreadError
from .shape import ModelShape
from .store import Store, cache_dir

_BYTES = 64 << 20
_CPU_UNIT = 32
_SPLIT_GAIN = 0.02
"""Share of the pace that another split of the layers must gain: less is within what was measured."""


class NoCalibration(LongreadError):
    """Why there are no step costs to go by."""


class Engine(BaseModel):
    """What step costs depend on.

    Args:
        model: sizes of the model, without its window: `sizes`.
        device: of one stage: `device_name`.
        dtype, quantization, kv_dtype: as vLLM calls them.
        attention: vLLM's own, or ours, dense or sparse.
        detail: of our attention: positions, budgets, threshold.
        layers: of each stage.
        page: tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: tuple[int, ...]
    device: str
    dtype: str
    quantization: str | None
    kv_dtype: str
    attention: Literal["vllm", "dense", "sparse"]
    detail: str
    tp: int
    layers: tuple[int, ...]
    page: int
    vllm: str

    @property
    def pp(self) -> int:
        return len(self.layers)

    @property
    def key(self) -> str:
        values = f"{version('longread')} {self.model_dump_json()}"
        return hashlib.blake2b(values.encode(), digest_size=16).hexdigest()


class Calibration(BaseModel):
    """What was measured on an engine, and the costs that were fitted to it.

    Args:
        name: of the model, for people.
        samples: of each stage.
        text: of how many tokens of text the prompts were made; 0 if they were random tokens.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: Engine
    name: str
    pipeline: Pipeline
    samples: tuple[tuple[Sample, ...], ...]
    text: int = 0

    def of(self, layers: Sequence[int]) -> Pipeline:
        """The costs of another number of stages, or other shares of the layers.

        A layer costs what it does in the stages that have nothing else, all but the last, which has the output layer,
        too.
        """
        if tuple(layers) == self.engine.layers:
            return self.pipeline
        counts, stages = self.engine.layers, self.pipeline.stages
        inner = stages[:-1] or stages
        share = 1 / sum(counts[: len(inner)])
        last, count = stages[-1], counts[-1] if len(stages) > 1 else 0

        def terms(own: "Sequence[Terms]", final: Terms, layers: int, end: bool) -> Terms:
            layer = [share * sum(values) for values in zip(*(one.values for one in own), strict=True)]
            extra = [max(0.0, value - count * one) for value, one in zip(final.values, layer, strict=True)]
            more = end and len(stages) > 1
            return Terms.of(layers * one + more * rest for one, rest in zip(layer, extra, strict=True))

        def stage(layers: int, end: bool) -> CostModel:
            sparse = None
            if last.sparse is not None:
                sparse = terms([one.terms(True) for one in inner], last.sparse, layers, end)
            dense = terms([one.dense for one in inner], last.dense, layers, end)
            return last.model_copy(update={"dense": dense, "sparse": sparse})

        ends = [False] * (len(layers) - 1) + [True]
        return Pipeline(stages=tuple(map(stage, layers, ends)), transfer=self.pipeline.transfer)

    def split(self, stages: int, tokens: int, chunk: int) -> tuple[int, ...]:
        """Layers of each stage, for the least pace half-way through a prompt; vLLM's own where that is as good."""
        total = sum(self.engine.layers)
        usual = even_split(total, stages)
        best, pace = usual, self.of(usual).seconds(tokens // 2, chunk) * (1 - _SPLIT_GAIN)
        for last in range(1, total - stages + 2) if stages > 1 else ():
            found = (*even_split(total - last, stages - 1), last)
            if (seconds := self.of(found).seconds(tokens // 2, chunk)) < pace:
                best, pace = found, seconds
        return best


def keep(found: Calibration) -> None:
    """Write it, in place of an earlier one of this engine."""
    _store().put(found.engine.key, found.model_dump_json(indent=1).encode())


def find(engine: Engine) -> Calibration:
    """The calibration of an engine, or of one with the same layers in other stages.

    Raises:
        NoCalibration: there is none, or what is kept cannot be read.
    """
    data = _store().get(engine.key)
    if data is not None:
        try:
            return Calibration.model_validate_json(data)
        except ValidationError as error:
            raise NoCalibration(f"what was measured cannot be read ({error.errors()[0]['msg']})") from error
    for other in everything():
        if other.engine.model_copy(update={"layers": engine.layers}) == engine:
            return other
    raise NoCalibration("no step times were measured for this model, device, precision and attention")


def everything() -> Iterator[Calibration]:
    """All that are kept, the newest first; without those of other versions."""
    paths = sorted(_store().root.glob("*/*.json"), key=lambda path: -path.stat().st_mtime)
    for path in paths:
        try:
            found = Calibration.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if path.name.startswith(found.engine.key):
            yield found


def even_split(layers: int, stages: int) -> tuple[int, ...]:
    """As vLLM shares layers out: evenly, what is left over to the stages before the last."""
    found = [layers // stages] * stages
    for index in range(layers % stages):
        found[-(index + 2)] += 1
    return tuple(found)


def sizes(shape: ModelShape) -> tuple[int, ...]:
    """What of a model's shape its step costs depend on; its window is not among it."""
    return (
        shape.layers, shape.hidden, shape.heads, shape.kv_heads, shape.head_dim, shape.intermediate, shape.vocabulary,
        shape.experts, shape.experts_per_token, shape.shared_intermediate, shape.biased, shape.head_norms,
    )  # fmt: skip


def chunk_unit(page: int, *, cpu: bool) -> int:
    """Tokens of which chunks are multiples: a page, which is a tile of a GPU's kernels.

    A CPU takes a good part of a second for a page, and gains nothing by reading it whole.
    """
    return math.gcd(page, _CPU_UNIT) if cpu else page


def gpu_name(name: str) -> str:
    """As `agent plan --gpus` has it: "NVIDIA H100 80GB HBM3" -> "H10080GBHBM3"."""
    return name.removeprefix("NVIDIA ").replace(" ", "")


def cpu_name(workers: int) -> str:
    """This machine's processor, with the cores that each of so many workers has."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return f"{_processor()}, {max(1, cores // workers)} cores"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())


def _store() -> Store:
    return Store(cache_dir() / "calibration", max_bytes=_BYTES, suffix=".json")
