"""Measurement of step costs: the chunks to read, and samples from the times of the workers. Pure Python."""

import random
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, cycle, islice, pairwise
from statistics import median

import numpy as np

from longread.errors import LongreadError

from .cost_model import Sample, Transfer, nonnegative

_SIZES = 6
_RUN = 3
"""Chunks of a size in a row, so that stages mostly work on the same size at a time: see `concurrent_steps`."""
_OVERLAP = 0.8
"""The least share of the usual overlap with which a step counts as concurrent."""


@dataclass
class FixedSizes:
    """A policy with chunks of given sizes in turn, which records what was read. See `chunker.Policy`."""

    sizes: Sequence[int]
    read: list[tuple[int, int]] = field(default_factory=list)

    def next(self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        chunk = min(self.sizes[len(self.read) % len(self.sizes)], remaining)
        self.read.append((prefix, chunk))
        return chunk

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        pass

    def forget(self, request: Hashable) -> None:
        pass


@dataclass(frozen=True)
class Step:
    """The step of one stage on a chunk. `start` is on a clock that all workers of a machine share."""

    prefix: int
    chunk: int
    start: float
    seconds: float

    @property
    def end(self) -> float:
        return self.start + self.seconds


def chunk_sizes(most: int, least: int, length: int, sparse: tuple[int, int] | None) -> list[int]:
    """Chunk sizes to measure: halved from 1/8 of the prompt, which is more than pipelines need, and doubled again.

    At least two sizes have enough queries for sparse attention.
    """
    largest = max(length // 8, 2 * sparse[1] if sparse else 0)
    most = max(least, min(most, largest) // least * least)
    sizes = [most >> power for power in range(_SIZES) if most >> power >= least]
    return [size for size in sizes + sizes[-2:0:-1] for _ in range(_RUN)]


def prompts(text: Sequence[int], vocabulary: int, tokens: int, places: int) -> Iterator[list[int]]:
    """Prompts of so many tokens: from as many places of the text in turn, or random if there is no text.

    Those from a text start with different tokens, so that they do not share a cached prefix.
    """
    for seed in count():
        if text:
            start = seed * len(text) // places
            yield [seed % vocabulary, *islice(cycle(text), start, start + tokens - 1)]
        else:
            yield random.Random(seed).choices(range(vocabulary), k=tokens)


def stage_steps(read: Sequence[tuple[int, int]], ranks: Sequence[Sequence[tuple[int, float, float]]]) -> list[Step]:
    """The steps of one stage, each as long as in its slowest tensor-parallel rank."""
    found = []
    for (prefix, chunk), *timed in zip(read, *(rank[: len(read)] for rank in ranks), strict=True):
        if any(tokens != chunk for tokens, _, _ in timed):
            raise LongreadError(f"A step of {chunk} tokens was scheduled, but the workers ran {timed[0][0]}.")
        found.append(Step(prefix, chunk, min(s for _, s, _ in timed), max(seconds for _, _, seconds in timed)))
    return found


def concurrent_steps(stages: Sequence[Sequence[Step]]) -> list[list[Step]]:
    """The steps of each stage during which the other stages worked for about as long as usual.

    Stages that share a machine slow each other down, on a CPU by about 5%, and they will do so in service: a step that
    outlasts those of the other stages is faster than it will be then.
    """
    found = []
    for own in stages:
        others = [other for other in stages if other is not own]
        shares = [min((_overlap(step, other) for other in others), default=1.0) for step in own]
        usual = median(shares) if shares else 0.0
        found.append([step for step, share in zip(own, shares, strict=True) if share >= _OVERLAP * usual])
    return found


def _overlap(step: Step, others: Iterable[Step]) -> float:
    """The share of a step's time during which one of the others was running."""
    both = sum(max(0.0, min(step.end, other.end) - max(step.start, other.start)) for other in others)
    return both / step.seconds if step.seconds else 1.0


def samples(steps: Iterable[Step], sparse: tuple[int, int] | None, least: int) -> list[Sample]:
    """The samples of one stage, without chunks smaller than `least`, which are the remainders of prompts."""
    found = []
    for one in steps:
        if one.chunk >= least:
            is_sparse = sparse is not None and one.prefix + one.chunk > sparse[0] and one.chunk >= sparse[1]
            found.append(Sample(prefix=one.prefix, chunk=one.chunk, seconds=one.seconds, sparse=is_sparse))
    return found


def transfer(rounds: Sequence[Sequence[Sequence[Step]]]) -> Transfer:
    """The time between a stage's end and the start of the next one, where that one was idle."""
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
