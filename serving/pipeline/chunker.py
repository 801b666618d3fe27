"""Chunks of equal time: divides a long prompt into steps so that the stages of a pipeline are never idle.

In a pipeline of S stages of the same pace, with chunks that take t_1 … t_N, the last chunk leaves the last stage after

    TTFT = Σ t_k + (S - 1)·max t_k,

because every stage waits once for the longest chunk. For a given number of chunks that is least when all take the same
time; with more chunks the second term shrinks, and the first one grows by the fixed cost of a step.
docs/internals/pipeline.md derives this, and compares it with the rules of SGLang and ATOM.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from longread.errors import PoorFit

from .cost_model import CostModel, Pipeline, Sample, Terms, Transfer
from .makespan import Limits, aligned_up, best_fixed, fixed, makespan, starts
from .online_correction import Corrector

__all__ = [
    "Chunker", "Corrector", "CostModel", "Forecast", "Limits", "Pacer", "Pipeline", "Policy", "PoorFit", "Sample",
    "Target", "Terms", "Transfer", "best_fixed", "fixed", "makespan",
]  # fmt: skip

_SCAN = 1.5
"""Ratio between the target times, or sizes, with which the time of a prompt is first estimated."""
_LONGER = 1.2
"""The factor by which a target that may be too short is lengthened, repeatedly while it helps."""
_SPANS = 12
"""Parts of a prompt that represent all of it in an estimate."""
_SURE = 0.01
"""The relative error of an estimate."""
_STEP = 0.05
"""The relative difference between sizes that are tried."""
_FACTORS = (0.8, 0.9, 1.0, 1.1, 1.25)
"""Multiples of the estimated number of chunks that are then tried."""
_FEW = 16
"""Up to this number of chunks, all numbers from half of it to two more are tried, and one: the estimate is coarse."""
_HALVINGS = 12
_LOOKS = 2_500
"""The most chunks to evaluate for that. It takes about 5 ms, while the engine is idle."""
_SLACK = 0.02
"""The relative time by which a prompt's last chunk may exceed the target, to leave no sliver."""


@dataclass(frozen=True)
class Forecast:
    """The expected time of reading a prompt.

    Args:
        chunks: their sizes.
        seconds: from its first step to its last token's logits: the engine's share of TTFT.
        bubble: the share of the time of all stages in which they are idle.
        fixed, fixed_seconds: the best size for chunks of one size, and the time with it.
        extrapolated: whether the prompt is far longer than the measured ones.
    """

    chunks: tuple[int, ...]
    seconds: float
    bubble: float
    fixed: int
    fixed_seconds: float
    extrapolated: bool


class Target(NamedTuple):
    """The bounds that all chunks of a prompt share: each chunk is as long as they allow.

    Args:
        seconds: the longest time of a step; infinite for chunks of one size.
        tokens: the largest size of a chunk; infinite for chunks of equal time.
        dense: whether chunks may be too short for sparse attention where the prompt is long enough for it.
    """

    seconds: float
    tokens: float = math.inf
    dense: bool = False


class Chunker:
    """Computes the sizes of chunks. It has no state: `Pacer` keeps track of requests.

    Everywhere `tokens` or `remaining` are the tokens to read after a `prefix` that is already in the cache.
    """

    def __init__(self, pipeline: Pipeline, limits: Limits):
        self.pipeline = pipeline
        self.limits = limits
        # With fewer queries a chunk would be dense after any prefix.
        queries = max(stage.least_queries for stage in pipeline.distinct)
        self._sparse_least, self._dense_least = (
            min(aligned_up(max(limits.least, least), limits.alignment), limits.most) for least in (queries, 0)
        )

    def next(
        self, prefix: int, remaining: int, decodes: int = 0, target: Target | None = None, *, shared: bool = False
    ) -> int:
        """The tokens that the next step reads; 0 only if none remain, or decodes take up the whole step.

        Args:
            decodes: tokens of other requests in the step.
            target: None computes the best one for the rest of the prompt.
            shared: whether any request decodes, in this step or in another one in flight, and so waits for this step.
        """
        most = min(self.limits.most - decodes, remaining)
        if most <= 0:
            return 0
        if target is None:
            target = self.target(remaining, prefix)
        most = int(min(most, target.tokens))
        seconds, least, bound = target.seconds, self._least(target.dense), self._bound(shared or decodes > 0)
        if bound < seconds:
            seconds, least = bound, self.limits.alignment
        size = self.pipeline.chunk(prefix, seconds, decodes, most) if seconds < math.inf else most
        size = min(max(size, least), most)
        if most == remaining and (
            size == remaining or self.pipeline.seconds(prefix, remaining, decodes) <= (1 + _SLACK) * seconds
        ):
            return remaining
        size = self._aligned(prefix, size)
        if remaining - size >= max(least, min(size, self._sparse_least)):
            return size
        # A sliver would cost a step, and be too short for sparse attention: two halves or one chunk may be faster.
        sizes = [size]
        half = self._aligned(prefix, remaining // 2)
        if min(half, remaining - half) >= least and half <= most:
            sizes.append(half)
        if most == remaining and seconds < bound:
            sizes.append(remaining)
        ends = [[one, remaining - one] if one < remaining else [one] for one in reversed(sizes)]
        return min(ends, key=lambda end: makespan(self.pipeline, end, prefix, self.limits.queued))[0]

    def plan(self, tokens: int, prefix: int = 0, target: Target | None = None) -> list[int]:
        """The sizes of all chunks, when nothing else runs."""
        if target is None:
            target = self.target(tokens, prefix)
        return list(self._sizes(tokens, prefix, target))

    def target(self, tokens: int, prefix: int = 0) -> Target:
        """The target with the least TTFT: chunks of equal time, or of one size where that is better.

        It seldom is: where memory does not allow chunks of the best length, or, by a little, without a queued step
        (docs/internals/pipeline.md).
        """
        tried: dict[Target, float] = {}
        self._equal(tokens, prefix, tried)
        if self._dense_least < self._sparse_least:
            self._equal(tokens, prefix, tried, dense=True)
        low, high = self._range(tokens, dense=True)
        seconds, size = self._least_estimate(tokens, prefix, low, high, lambda _, size: int(size))
        if seconds < (1 + _SURE) * min(tried.values()):
            self._climb(tokens, prefix, math.ceil(size), tried)
        return min(tried, key=tried.__getitem__)

    def _climb(self, tokens: int, prefix: int, size: int, tried: dict[Target, float]) -> None:
        """Try chunks of one size: about this size, then smaller and larger ones while they are better."""
        page = self.limits.alignment
        step = aligned_up(math.ceil(_STEP * size), page)
        for change in (-step, step):
            at, before = min(aligned_up(size, page), self.limits.most // page * page), math.inf
            while 0 < at <= self.limits.most:
                target = Target(math.inf, at, dense=at < self._sparse_least)
                if target not in tried:
                    self._attempt(tokens, prefix, target, tried)
                if tried[target] >= before:
                    break
                at, before = at + change, tried[target]

    def longer(self, tokens: int, prefix: int, before: Target) -> Target:
        """The same target or a longer one, if that gives less TTFT. It takes less than a millisecond."""
        seconds, size = before.seconds, self._estimated_size(tokens, before.dense)
        best = self._estimate(tokens, prefix, seconds, size)
        while (other := self._estimate(tokens, prefix, _LONGER * seconds, size)) < best:
            best, seconds = other, _LONGER * seconds
        return Target(seconds, dense=before.dense)

    def _equal(self, tokens: int, prefix: int, tried: dict[Target, float], *, dense: bool = False) -> None:
        """Try targets for chunks of equal time.

        An estimate from a few parts of the prompt gives the approximate number of chunks. For numbers around it, the
        least target that needs no more chunks is then found by bisection, so that the last chunk is not nearly empty.
        """
        low, high = (self.pipeline.seconds(prefix + tokens - size, size) for size in self._range(tokens, dense))
        seconds, estimated = self._least_estimate(tokens, prefix, low, high, self._estimated_size(tokens, dense))
        if seconds > (1 + _SURE) * min(tried.values(), default=math.inf):
            return
        if dense and self.pipeline.chunk(prefix + tokens, estimated) >= self._sparse_least:
            return  # the floor of sparse chunks does not bind: these have been tried
        count = self._attempt(tokens, prefix, Target(estimated, dense=dense), tried)
        factors = _FACTORS if count * len(_FACTORS) * 4 <= _LOOKS else (1.0,)
        counts = {max(1, round(count * factor)) for factor in factors}
        if count <= _FEW:
            counts |= {1, *range(-(-count // 2), count + 3)}
        halvings = min(_HALVINGS, _LOOKS // (len(counts) * count))
        for chunks in sorted(counts) if halvings else ():
            near, reach = estimated, 1 + 4 / chunks
            if len(counts) > 1:
                size = min(aligned_up(math.ceil(tokens / chunks), self.limits.alignment), tokens)
                near, reach = self.pipeline.seconds(prefix + (tokens - size) // 2, size), _SCAN
            spread = Target(near / reach, dense=dense), Target(near * reach, dense=dense)
            for target in (Target(near, dense=dense), self._tightest(tokens, prefix, chunks, *spread, halvings)):
                self._attempt(tokens, prefix, target, tried)

    def _least(self, dense: bool) -> int:
        return self._dense_least if dense else self._sparse_least

    def _range(self, tokens: int, dense: bool) -> tuple[int, int]:
        """Tokens of the smallest and the largest chunk."""
        return min(tokens, self._least(dense)), min(tokens, self.limits.most)

    def _estimated_size(self, tokens: int, dense: bool) -> Callable[[int, float], int]:
        """(prefix, target) -> the approximate tokens of a chunk of equal time."""
        least, most = self._range(tokens, dense)
        return lambda prefix, seconds: max(self.pipeline.chunk(prefix, seconds, 0, most), least)

    def _estimate(self, tokens: int, prefix: int, value: float, size: Callable[[int, float], int]) -> float:
        """Estimate the time of a prompt. `size(prefix, value)` is the size of a chunk."""
        total, longest = 0.0, (0.0, 0, 0)
        for index in range(_SPANS):
            middle = prefix + tokens * (2 * index + 1) // (2 * _SPANS)
            start = max(middle - size(middle, value) // 2, prefix)
            chunk = max(size(start, value), 1)
            seconds = self.pipeline.seconds(start, chunk)
            total += seconds * tokens / chunk / _SPANS
            longest = max(longest, (seconds, start, chunk))
        return total + self._filling(*longest)

    def _least_estimate(
        self, tokens: int, prefix: int, low: float, high: float, size: Callable[[int, float], int]
    ) -> tuple[float, float]:
        """(seconds, value): the least of `_estimate` between two values."""
        count = math.ceil(math.log(max(high / low, 1.0), _SCAN))
        ratio = (high / low) ** (1 / max(count, 1))
        values = [high / ratio**index for index in range(count + 1)]
        tried: list[float] = []
        for value in values:
            tried.append(self._estimate(tokens, prefix, value, size))
            if tried[-1] > 1.5 * min(tried):
                break
        at = tried.index(min(tried))
        if 0 < at < len(tried) - 1:  # the vertex of a parabola through the best and its neighbours
            before, best, after = tried[at - 1 : at + 2]
            bend = before - 2 * best + after
            if bend > 0:
                between = values[at] * ratio ** ((after - before) / 2 / bend)
                return min((tried[at], values[at]), (self._estimate(tokens, prefix, between, size), between))
        return tried[at], values[at]

    def _filling(self, seconds: float, prefix: int, chunk: int) -> float:
        """The time of the longest chunk, of so many seconds, in the other stages than the slowest."""
        return sum([stage.seconds(prefix, chunk) for stage in self.pipeline.paces]) - seconds

    def _tightest(self, tokens: int, prefix: int, chunks: int, low: Target, high: Target, halvings: int) -> Target:
        """The least target between two that needs at most so many chunks."""
        for _ in range(halvings):
            middle = low._replace(seconds=math.sqrt(low.seconds * high.seconds))
            found = sum(1 for _ in itertools.islice(self._sizes(tokens, prefix, middle), chunks + 1))
            low, high = (low, middle) if found <= chunks else (middle, high)
        return high

    def _attempt(self, tokens: int, prefix: int, target: Target, tried: dict[Target, float]) -> int:
        """Evaluate a target, and enter its TTFT in `tried`. -> the number of chunks"""
        plan = self.plan(tokens, prefix, target)
        tried[target] = makespan(self.pipeline, plan, prefix, self.limits.queued)
        return len(plan)

    def forecast(self, tokens: int, prefix: int = 0) -> Forecast:
        """The expected time of a prompt when nothing else runs."""
        chunks = self.plan(tokens, prefix)
        seconds = makespan(self.pipeline, chunks, prefix, self.limits.queued)
        busy = sum(
            stage.seconds(start, chunk)
            for start, chunk in zip(starts(chunks, prefix), chunks, strict=True)
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

    def _sizes(self, tokens: int, prefix: int, target: Target) -> Iterator[int]:
        while tokens:
            size = self.next(prefix, tokens, target=target)
            yield size
            prefix, tokens = prefix + size, tokens - size

    def _bound(self, shared: bool) -> float:
        """The longest time of a step: between two decodes of a request there are as many steps as stages."""
        if not shared or self.limits.latency is None:
            return math.inf
        return self.limits.latency / len(self.pipeline.stages)

    def _aligned(self, prefix: int, size: int) -> int:
        """The size reduced to end at the end of a page; unchanged if it does not reach one."""
        reached = (prefix + size) // self.limits.alignment * self.limits.alignment - prefix
        return reached if reached > 0 else size


@dataclass
class _Reading:
    """A prompt that is partly read: its last chunk, and its target, in seconds of the current costs."""

    prefix: int
    size: int
    target: Target
    stale: bool = False


class Policy(Protocol):
    """Decides how much of a prompt the next step reads: `Pacer`, or its replacement in a measurement."""

    def next(
        self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False
    ) -> int: ...

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None: ...

    def forget(self, request: Hashable) -> None: ...


class Pacer:
    """The policy of a scheduler: the next chunk of each request, from costs that are corrected by its steps."""

    def __init__(self, pipeline: Pipeline, limits: Limits):
        self.corrector = Corrector(pipeline)
        self.chunker = Chunker(pipeline, limits)
        self._reading: dict[Hashable, _Reading] = {}

    def next(self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        """The tokens of a request that the next step reads: `Chunker.next`, with one target for the whole prompt."""
        before = self._reading.get(request)
        if before is None:
            target = self.chunker.target(remaining, prefix)
        elif before.stale:
            # Every stage waits for the longest chunk so far already: shorter ones gain nothing.
            target = self.chunker.longer(remaining, prefix, before.target)
        else:
            target = before.target
        size = self.chunker.next(prefix, remaining, decodes, target, shared=shared)
        self._reading[request] = _Reading(prefix, size, target)
        if size == remaining:
            self.forget(request)
        return size

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        """Record a finished step, as in `Corrector.observe`; `chunk` is 0 for a step that only decodes."""
        before = self.chunker.pipeline
        self.corrector.observe(prefix, chunk, seconds, decodes)
        after = self.corrector.pipeline
        if after is before:
            return
        self.chunker = Chunker(after, self.chunker.limits)
        for one in self._reading.values():
            taken, expected = (costs.seconds(one.prefix, one.size) for costs in (after, before))
            # If one size seemed best, that was by costs that were wrong.
            seconds = taken if one.target.tokens < math.inf else one.target.seconds * taken / expected
            one.target = one.target._replace(seconds=seconds, tokens=math.inf)
            one.stale = True

    def forget(self, request: Hashable) -> None:
        """Forget a request that has been read, or was cancelled."""
        self._reading.pop(request, None)
