"""Measures what the steps of an engine cost. A program of its own, which `serving.calibrate` starts:

    python -m longread.serving.vllm_plugin.measure '{"name": …, "length": …, "tolerance": …}' [arguments of vllm serve]

It reads prompts of random tokens in chunks of all sizes by turns, another first each time, so that all sizes meet all
stretches of a prompt, after a prefix that was written as any other; and has the workers time their steps. It prints
lines of JSON: how far it is, and at last the calibration.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from statistics import median
from typing import Any

import numpy as np
from vllm.engine.arg_utils import EngineArgs
from vllm.sampling_params import SamplingParams
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.llm_engine import LLMEngine

from ..calibration import Calibration
from ..costs import TYPICAL, WORST, CostModel, Pipeline, Sample, Transfer, nonnegative
from ..errors import LongreadError
from .engine import engine_of, limits_of, sparse_from
from .names import SCHEDULERS, STAGE

_SIZES = 6
_ROUNDS = 4
_SECONDS = 120.0
"""After this long, no further round is begun."""


@dataclass
class Turns:
    """Chunks of given sizes, one after the other, and what was read by them. See `scheduler.Chunks`."""

    sizes: Sequence[int]
    read: list[tuple[int, int]] = field(default_factory=list)

    def next(self, request: Hashable, prefix: int, remaining: int, decodes: int = 0) -> int:
        chunk = min(self.sizes[len(self.read) % len(self.sizes)], remaining)
        self.read.append((prefix, chunk))
        return chunk

    def observe(self, prefix: int, chunk: int, seconds: float, decodes: int = 0) -> None:
        pass

    def forget(self, request: Hashable) -> None:
        pass


@dataclass(frozen=True)
class Step:
    """What one stage did with a chunk. `start` is of a clock that all workers of a machine have in common."""

    prefix: int
    chunk: int
    start: float
    seconds: float

    @property
    def end(self) -> float:
        return self.start + self.seconds


def chunk_sizes(most: int, least: int, length: int, sparse: tuple[int, int] | None) -> list[int]:
    """Sizes to measure: halves down from an eighth of the prompt, which is more than pipelines want, in a mixed order.

    In sparse attention two sizes at least are to have enough queries for it.
    """
    largest = max(length // 8, 2 * sparse[1] if sparse else 0)
    most = max(least, min(most, largest) // least * least)
    sizes = [most >> power for power in range(_SIZES) if most >> power >= least]
    return sizes[::2] + sizes[1::2]


def read(engine: Any, sizes: Sequence[int], tokens: int, seed: int) -> list[list[Step]]:
    """Read a prompt of random tokens in chunks of these sizes by turns. -> the steps of each stage"""
    turns = Turns(sizes)
    engine.engine_core.engine_core.scheduler.chunks = turns
    vocabulary = engine.vllm_config.model_config.get_vocab_size()
    prompt = random.Random(seed).choices(range(vocabulary), k=tokens)
    sampling = SamplingParams(temperature=0, max_tokens=1, ignore_eos=True, detokenize=False)
    engine.add_request(f"{seed}", {"prompt_token_ids": prompt}, sampling)
    while engine.has_unfinished_requests():
        engine.step()
    return steps(engine, turns.read)


def steps(engine: Any, read: Sequence[tuple[int, int]]) -> list[list[Step]]:
    """What the workers' clocks say of each stage's last steps, which began by reading these (prefix, chunk)."""
    workers = engine.collective_rpc("longread_read_clock")
    tp = engine.vllm_config.parallel_config.tensor_parallel_size
    return [_steps(read, workers[first : first + tp]) for first in range(0, len(workers), tp)]


def _steps(read: Sequence[tuple[int, int]], ranks: Sequence[Sequence[tuple[int, float, float]]]) -> list[Step]:
    """Of one stage, as long as the slowest of its tensor-parallel ranks takes."""
    found = []
    for (prefix, chunk), *timed in zip(read, *(rank[: len(read)] for rank in ranks), strict=True):
        if any(tokens != chunk for tokens, _, _ in timed):
            raise LongreadError(f"a step of {chunk} tokens was asked for, and the workers made {timed[0][0]} of it")
        found.append(Step(prefix, chunk, min(s for _, s, _ in timed), max(seconds for _, _, seconds in timed)))
    return found


def samples(steps: Iterable[Step], sparse: tuple[int, int] | None, least: int) -> list[Sample]:
    """Of one stage; without what is left of a prompt beyond the last whole chunk of `least`."""
    found = []
    for one in steps:
        if one.chunk >= least:
            is_sparse = sparse is not None and one.prefix + one.chunk > sparse[0] and one.chunk >= sparse[1]
            found.append(Sample(prefix=one.prefix, chunk=one.chunk, seconds=one.seconds, sparse=is_sparse))
    return found


def transfer(rounds: Sequence[Sequence[Sequence[Step]]]) -> Transfer:
    """What lies between a stage's end and the next one's beginning, where that had nothing else to do."""
    gaps = [gap for stages in rounds for gap in _gaps(stages)]
    if len({chunk for chunk, _ in gaps}) < 2:
        return Transfer(step=median(seconds for _, seconds in gaps)) if gaps else Transfer()
    chunks = np.array([chunk for chunk, _ in gaps], dtype=float)
    step, token = nonnegative(
        np.stack([np.ones_like(chunks), chunks], axis=1), np.array([seconds for _, seconds in gaps])
    )
    return Transfer(step=float(step), token=float(token))


def _gaps(stages: Sequence[Sequence[Step]]) -> Iterator[tuple[int, float]]:
    for one, other in pairwise(stages):
        for index, (before, after) in enumerate(zip(one, other, strict=True)):
            if index == 0 or other[index - 1].end < before.end:
                yield before.chunk, max(0.0, after.start - before.end)


def main() -> None:
    asked = json.loads(sys.argv[1])
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # vLLM logs to standard output

    def tell(**values: object) -> None:
        print(json.dumps(values), file=lines, flush=True)

    try:
        found = measured(asked["name"], asked["length"], asked["tolerance"], sys.argv[2:], tell)
        tell(calibration=found.model_dump(mode="json"))
    except LongreadError as error:
        tell(error=str(error))


def measured(
    name: str, length: int, tolerance: tuple[float, float], arguments: Sequence[str], tell: Callable[..., None]
) -> Calibration:
    """Start an engine with these arguments of `vllm serve`, and measure it.

    Raises:
        PoorFit: the steps follow no cost model.
    """
    began = time.monotonic()
    given = EngineArgs.from_cli_args(EngineArgs.add_cli_args(FlexibleArgumentParser()).parse_args(list(arguments)))
    if given.pipeline_parallel_size == 1:  # has neither by itself
        given.scheduler_cls, given.async_scheduling, given.worker_extension_cls = SCHEDULERS[0], False, STAGE
    engine: Any = LLMEngine.from_engine_args(given)

    def read_again(rounds: int) -> None:
        tell(round=rounds, rounds=_ROUNDS, tokens=length, seconds=time.monotonic() - began)

    try:
        return calibration(engine, name, length, read_again, tolerance=tolerance)
    finally:
        engine.engine_core.shutdown()


def calibration(
    engine: Any,
    name: str,
    length: int,
    on_round: Callable[[int], None],
    *,
    most: int = _ROUNDS,
    tolerance: tuple[float, float] = (TYPICAL, WORST),
) -> Calibration:
    """Measure an engine that runs in this process, with prompts of so many tokens, read `most` times at most.

    Args:
        tolerance: errors of the fit, in the median and at worst, up to which it is accepted.

    Raises:
        PoorFit: the steps follow no cost model.
    """
    config = engine.vllm_config
    sparse, most_tokens = sparse_from(config), config.scheduler_config.max_num_batched_tokens
    least = limits_of(config, most_tokens).alignment
    sizes = chunk_sizes(most_tokens, least, length, sparse)
    engine.collective_rpc("longread_start_clock")
    read(engine, sizes, min(length, sum(sizes)), seed=0)  # to warm up
    rounds: list[list[list[Step]]] = []
    start = time.monotonic()
    while len(rounds) < most and (not rounds or time.monotonic() - start < _SECONDS):
        turned = len(rounds) % len(sizes)
        rounds.append(read(engine, sizes[turned:] + sizes[:turned], length, seed=1 + len(rounds)))
        on_round(len(rounds))
    stages = [samples(chain(*one), sparse, least) for one in zip(*rounds, strict=True)]
    threshold, least_queries = sparse or (0, 0)
    fitted = [
        CostModel.fit(one, threshold=threshold, least_queries=least_queries, typical=tolerance[0], worst=tolerance[1])
        for one in stages
    ]
    pipeline = Pipeline(stages=tuple(fitted), transfer=transfer(rounds))
    return Calibration(
        engine=engine_of(config), name=name, pipeline=pipeline, samples=tuple(tuple(one) for one in stages)
    )


if __name__ == "__main__":
    main()
