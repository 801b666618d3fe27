"""Chunks of equal time: how much of a long prompt each step reads, so that the stages of a pipeline are never idle.

Stages of the same pace S, and chunks that take t_1 … t_N: the last chunk leaves the last stage after

    TTFT = Σ t_k + (S - 1)·max t_k,

for the longest chunk is waited for once in every stage. For a given number of chunks that is least when all take the
same time; with more chunks the second part shrinks, and the first grows by what a step costs in any case.
docs/pipeline.md derives this, and compares it with the rules of SGLang and ATOM.
"""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, model_validator

from .correction import Corrector
from .costs import CostModel, Pipeline, PoorFit, Sample, Terms, Transfer

__all__ = [
    "Chunker", "Corrector", "CostModel", "Forecast", "Limits", "Pacer", "Pipeline", "Policy", "PoorFit", "Sample",
    "Terms", "Transfer", "best_fixed", "fixed", "makespan",
]  # fmt: skip

_SCAN = 1.12
"""Ratio of the target times that are tried at first."""
_HALVINGS = 12
_MANY = 100
"""Chunks of a prompt from which a few more or less make no difference."""
_SLACK = 0.02
"""By how much a prompt's last chunk may take longer than the others, rather than leave a sliver."""


class Limits(BaseModel):
    """What a chunk's size must keep to.

    Args:
        most: tokens a step has memory for, decodes included.
        least: tokens below which no chunk is made, but a prompt's last or one that decodes hold back.
        page: tokens of a page of the K/V cache; chunks end where pages do.
        block: tokens of a block of sparse attention; they end where these do, too.
        latency: seconds that a decode may wait for its next token while prompts are read; None for no limit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    most: PositiveInt
    least: PositiveInt = 1
    page: PositiveInt = 128
    block: PositiveInt = 1
    latency: PositiveFloat | None = None

    @property
    def alignment(self) -> int:
        return math.lcm(self.page, self.block)

    @model_validator(mode="after")
    def _meaningful(self) -> "Limits":
        if not max(self.least, self.alignment) <= self.most:
            raise ValueError(
                f"a step of {self.most:,} tokens has no room for a chunk of {max(self.least, self.alignment):,}"
            )
        return self


@dataclass(frozen=True)
class Forecast:
    """What is expected of reading a prompt.

    Args:
        chunks: their sizes.
        seconds: from its first step to its last token's logits: the engine's share of TTFT.
        bubble: the share of all stages' time in which they have nothing to do.
        fixed, fixed_seconds: the best size for chunks of one size, and what it would take.
        extrapolated: whether the prompt is far longer than what was measured.
    """

    chunks: tuple[int, ...]
    seconds: float
    bubble: float
    fixed: int
    fixed_seconds: float
    extrapolated: bool


class _Outline(NamedTuple):
    chunks: int
    total: float
    longest: float


class Chunker:
    """The sizes of chunks. Has no memory: `Pacer` follows requests.

    Everywhere `tokens` or `remaining` are to be read after a `prefix` that the cache holds already.
    """

    def __init__(self, pipeline: Pipeline, limits: Limits):
        self.pipeline = pipeline
        self.limits = limits
        # With fewer queries a chunk would be dense, however long its prefix.
        queries = max(stage.least_queries for stage in pipeline.distinct)
        self._least = min(_up(max(limits.least, queries), limits.alignment), limits.most)

    def next(
        self, prefix: int, remaining: int, decodes: int = 0, target: float | None = None, *, shared: bool = False
    ) -> int:
        """How many tokens the next step reads; 0 only if none remain, or decodes take up the whole step.

        Args:
            decodes: tokens of other requests in the step.
            target: seconds a step is to take; None for what is best for the rest of the prompt.
            shared: whether any request decodes, in another step under way if not in this: it waits for this one, too.
        """
        room = min(self.limits.most - decodes, remaining)
        if room <= 0:
            return 0
        if target is None:
            target = self.target(remaining, prefix)
        least, bound = self._least, self._bound(shared or decodes > 0)
        if bound < target:
            target, least = bound, self.limits.alignment
        size = min(max(self.pipeline.chunk(prefix, target, decodes, room), least), room)
        if room == remaining and (
            size == remaining or self.pipeline.seconds(prefix, remaining, decodes) <= (1 + _SLACK) * target
        ):
            return remaining
        size = self._aligned(prefix, size)
        rest = remaining - size
        if rest >= least:
            return size
        # No sliver: it would cost a step, and be too short for sparse attention.
        half = self._aligned(prefix, remaining // 2)
        if min(half, remaining - half) >= least and half <= room:
            return half
        return remaining if room == remaining and target < bound else size

    def plan(self, tokens: int, prefix: int = 0, target: float | None = None) -> list[int]:
        """The sizes of all chunks, when nothing else runs."""
        if target is None:
            target = self.target(tokens, prefix)
        return list(self._sizes(tokens, prefix, target))

    def target(self, tokens: int, prefix: int = 0) -> float:
        """The seconds that each chunk is to take, for the least TTFT.

        Targets are tried from the longest down, where plans are short, until one stage alone would take longer than the
        best. For about as many chunks as the best has, the least target that makes do with so many is then found by
        bisection: no last chunk is left nearly empty.
        """
        end = prefix + tokens
        longest = self.pipeline.seconds(max(end - self.limits.most, prefix), min(tokens, self.limits.most))
        shortest = self.pipeline.seconds(max(end - self._least, prefix), min(tokens, self._least))
        tried: dict[float, float] = {}

        def attempt(target: float) -> float:
            outline = self._outline(tokens, prefix, target)
            tried[target] = outline.total + (len(self.pipeline.stages) - 1) * outline.longest
            return outline.total

        target = longest
        while attempt(target) < min(tried.values()) and target > shortest:
            target /= _SCAN
        best = min(tried, key=tried.__getitem__)
        count = self._outline(tokens, prefix, best).chunks
        factors = (0.8, 0.9, 1.0, 1.1, 1.25) if count < _MANY else (1.0,)
        for chunks in sorted({max(1, round(count * factor)) for factor in factors}):
            attempt(self._tightest(tokens, prefix, chunks, best / _SCAN**3, best * _SCAN**3))
        return min(tried, key=tried.__getitem__)

    def forecast(self, tokens: int, prefix: int = 0) -> Forecast:
        """What to expect of a prompt that is read alone."""
        chunks = self.plan(tokens, prefix)
        seconds = makespan(self.pipeline, chunks, prefix)
        busy = sum(
            stage.seconds(start, chunk)
            for start, chunk in zip(_starts(chunks, prefix), chunks, strict=True)
            for stage in self.pipeline.stages
        )
        size, fixed_seconds = best_fixed(self.pipeline, self.limits, tokens, prefix)
        return Forecast(
            tuple(chunks),
            seconds,
            1 - busy / (len(self.pipeline.stages) * seconds),
            size,
            fixed_seconds,
            any(stage.extrapolates(prefix + tokens) for stage in self.pipeline.distinct),
        )

    def _tightest(self, tokens: int, prefix: int, chunks: int, low: float, high: float) -> float:
        """The least target between two that makes do with so many chunks."""
        for _ in range(_HALVINGS):
            middle = math.sqrt(low * high)
            if self._outline(tokens, prefix, middle).chunks <= chunks:
                high = middle
            else:
                low = middle
        return high

    def _outline(self, tokens: int, prefix: int, target: float) -> _Outline:
        chunks, total, longest = 0, 0.0, 0.0
        for size in self._sizes(tokens, prefix, target):
            seconds = self.pipeline.seconds(prefix, size)
            chunks, total, longest, prefix = chunks + 1, total + seconds, max(longest, seconds), prefix + size
        return _Outline(chunks, total, longest)

    def _sizes(self, tokens: int, prefix: int, target: float) -> Iterator[int]:
        while tokens:
            size = self.next(prefix, tokens, target=target)
            yield size
            prefix, tokens = prefix + size, tokens - size

    def _bound(self, shared: bool) -> float:
        """Seconds that a step may take: between a decode and its request's next lie as many steps as stages."""
        if not shared or self.limits.latency is None:
            return math.inf
        return self.limits.latency / len(self.pipeline.stages)

    def _aligned(self, prefix: int, size: int) -> int:
        """So much less that it ends where a page does; as it is if it does not reach one."""
        reached = (prefix + size) // self.limits.alignment * self.limits.alignment - prefix
        return reached if reached > 0 else size


@dataclass
class _Reading:
    """A prompt of which a part is read: its last chunk, and the target, in seconds of the costs now in force."""

    prefix: int
    size: int
    target: float
    stale: bool = False


class Policy(Protocol):
    """Who says how much of a prompt the next step reads: `Pacer`, or what stands for it in a measurement."""

    def next(
        self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False
    ) -> int: ...

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None: ...

    def forget(self, request: Hashable) -> None: ...


class Pacer:
    """The policy of a scheduler: the next chunk of each request, from costs that follow what its steps take."""

    def __init__(self, pipeline: Pipeline, limits: Limits):
        self.corrector = Corrector(pipeline)
        self.chunker = Chunker(pipeline, limits)
        self._reading: dict[Hashable, _Reading] = {}

    def next(self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        """How many tokens of a request the next step reads: `Chunker.next`, with one target for all of a prompt."""
        before = self._reading.get(request)
        if before is None:
            target = self.chunker.target(remaining, prefix)
        elif before.stale:
            # What its chunks took so far is waited for in every stage already: shorter ones gain nothing.
            target = max(before.target, self.chunker.target(remaining, prefix))
        else:
            target = before.target
        size = self.chunker.next(prefix, remaining, decodes, target, shared=shared)
        self._reading[request] = _Reading(prefix, size, target)
        if size == remaining:
            self.forget(request)
        return size

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        """Take note of a step that came out, as `Corrector.observe` does; `chunk` is 0 for one that only decodes."""
        before = self.chunker.pipeline
        self.corrector.observe(prefix, chunk, seconds, decodes)
        after = self.corrector.pipeline
        if after is before:
            return
        self.chunker = Chunker(after, self.chunker.limits)
        for one in self._reading.values():
            one.target *= after.seconds(one.prefix, one.size) / before.seconds(one.prefix, one.size)
            one.stale = True

    def forget(self, request: Hashable) -> None:
        """A request that is read, or was given up."""
        self._reading.pop(request, None)


def fixed(tokens: int, size: int) -> list[int]:
    """Chunks of one size, and what is left."""
    return [min(size, tokens - start) for start in range(0, tokens, size)]


def makespan(pipeline: Pipeline, chunks: Sequence[int], prefix: int = 0) -> float:
    """Seconds from a prompt's first step to its last chunk's leaving the last stage, when nothing else runs."""
    free = [0.0] * len(pipeline.stages)
    for start, chunk in zip(_starts(chunks, prefix), chunks, strict=True):
        taken = {pace: pace.seconds(start, chunk) for pace in pipeline.distinct}
        ready = 0.0
        for index, pace in enumerate(pipeline.paces):
            ready = free[index] = max(free[index], ready) + taken[pace]
    return free[-1]


def best_fixed(pipeline: Pipeline, limits: Limits, tokens: int, prefix: int = 0) -> tuple[int, float]:
    """(size, seconds) of the best chunks of one size, by trying: in steps of an eighth, then closer round the best."""
    page = limits.alignment
    tried: dict[int, float] = {}

    def attempt(size: float) -> None:
        aligned = max(_up(int(size), page), _up(limits.least, page))
        if aligned <= limits.most and aligned not in tried:
            tried[aligned] = makespan(pipeline, fixed(tokens, aligned), prefix)

    size = float(min(limits.most // page * page, _up(tokens, page)))
    while size >= max(page, limits.least) and (not tried or list(tried.values())[-1] <= 2 * min(tried.values())):
        attempt(size)
        size /= 1.125
    best = min(tried, key=tried.__getitem__)
    for step in range(-8, 9):
        attempt(best * (1 + step / 72))
    return min(tried.items(), key=lambda item: item[1])


def _starts(chunks: Sequence[int], prefix: int) -> Iterator[int]:
    for chunk in chunks:
        yield prefix
        prefix += chunk


def _up(tokens: int, unit: int) -> int:
    return -(-tokens // unit) * unit
