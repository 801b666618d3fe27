"""Measured step costs of engines, stored under all that they depend on, for the scheduler and the planner.

Each engine has a JSON file in `calibration/` of the cache folder. `agent calibrate chunking MODEL` writes it.
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

from longread.cache import Store, cache_dir
from longread.errors import NoCalibration

from ..models.shape import ModelShape
from .cost_model import CostModel, Pipeline, Sample, Terms

_BYTES = 64 << 20
_CPU_UNIT = 32
_SPLIT_GAIN = 0.02
"""The share of the pace that another split of the layers must gain: less is within the error of measurement."""


class EngineKey(BaseModel):
    """All that the step costs of an engine depend on.

    Args:
        model: the sizes of the model, without its window: see `sizes`.
        device: the device of one stage: see `gpu_name` and `cpu_name`.
        dtype, quantization, kv_dtype: with vLLM's names.
        attention: vLLM's own, or longread's, dense or sparse.
        detail: a hash of the sparsity budgets of longread's attention; empty for vLLM's own.
        tp: GPUs, or processes, of one stage.
        layers: the layers of each stage.
        page: tokens of a page of the K/V cache.
        vllm: the version, without the patch level.
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


class StepCosts(BaseModel):
    """The measurements of an engine, and the costs that were fitted to them.

    Args:
        engine: the key.
        name: the name of the model, for display.
        pipeline: the fitted costs.
        samples: the measured steps of each stage.
        text: the tokens of the text that the prompts were made of; 0 if they were random.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    engine: EngineKey
    name: str
    pipeline: Pipeline
    samples: tuple[tuple[Sample, ...], ...]
    text: int = 0

    def of(self, layers: Sequence[int]) -> Pipeline:
        """The costs with another number of stages, or another split of the layers.

        The cost of a layer is taken from the stages that have only layers, which are all but the last one: that has the
        output layer, too.
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
        """The layers of each stage for the lowest pace halfway through a prompt; vLLM's own split if it is as good."""
        total = sum(self.engine.layers)
        usual = even_split(total, stages)
        best, pace = usual, self.of(usual).seconds(tokens // 2, chunk) * (1 - _SPLIT_GAIN)
        for last in range(1, total - stages + 2) if stages > 1 else ():
            found = (*even_split(total - last, stages - 1), last)
            if (seconds := self.of(found).seconds(tokens // 2, chunk)) < pace:
                best, pace = found, seconds
        return best


def keep(found: StepCosts) -> None:
    """Store step costs, in place of earlier ones of this engine."""
    _store().put(found.engine.key, found.model_dump_json(indent=1).encode())


def find(engine: EngineKey) -> StepCosts:
    """Find the step costs of an engine, or of one with the same layers in other stages.

    Raises:
        NoCalibration: there are none, or the stored ones cannot be read.
    """
    data = _store().get(engine.key)
    if data is not None:
        try:
            return StepCosts.model_validate_json(data)
        except ValidationError as error:
            raise NoCalibration(f"what was measured cannot be read ({error.errors()[0]['msg']})") from error
    for other in everything():
        if other.engine.model_copy(update={"layers": engine.layers}) == engine:
            return other
    raise NoCalibration("no step times were measured for this model, device, precision and attention")


def everything() -> Iterator[StepCosts]:
    """All stored step costs, the newest first, without those of other versions of longread."""
    paths = sorted(_store().root.glob("*/*.json"), key=lambda path: -path.stat().st_mtime)
    for path in paths:
        try:
            found = StepCosts.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            continue
        if path.name.startswith(found.engine.key):
            yield found


def even_split(layers: int, stages: int) -> tuple[int, ...]:
    """vLLM's split of layers: even, with the remainder in the stages before the last one."""
    found = [layers // stages] * stages
    for index in range(layers % stages):
        found[-(index + 2)] += 1
    return tuple(found)


def sizes(shape: ModelShape) -> tuple[int, ...]:
    """The sizes of a model that its step costs depend on, which do not include its window."""
    return (
        shape.layers, shape.hidden, shape.heads, shape.kv_heads, shape.head_dim, shape.intermediate, shape.vocabulary,
        shape.experts, shape.experts_per_token, shape.shared_intermediate, shape.biased, shape.head_norms,
    )  # fmt: skip


def chunk_unit(page: int, *, cpu: bool) -> int:
    """The tokens that chunks are multiples of: a page, which is a tile of a GPU's kernels.

    A CPU takes a considerable part of a second for a page, and gains nothing from whole pages.
    """
    return math.gcd(page, _CPU_UNIT) if cpu else page


def gpu_name(name: str) -> str:
    """The name of a GPU as in `agent plan --gpus`: "NVIDIA H100 80GB HBM3" -> "H10080GBHBM3"."""
    return name.removeprefix("NVIDIA ").replace(" ", "")


def cpu_name(workers: int) -> str:
    """The name of this machine's processor, with the number of cores of each worker."""
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
