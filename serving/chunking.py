"""Chunks of equal time: how much of a long prompt each step reads, so that the stages of a pipeline are never idle.

Stages of the same pace S, and chunks that take t_1 … t_N: the last chunk leaves the last stage after

    TTFT = Σ t_k + (S - 1)·max t_k,

for the longest chunk is waited for once in every stage. For a given number of chunks that is least when all take the
same time; with more chunks the second part shrinks, and the first grows by what a step costs in any case.
docs/pipeline.md derives this, and compares it with the rules of SGLang and ATOM.
"""

import itertools
import math
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .correction import Corrector
from .costs import CostModel, Pipeline, PoorFit, Sample, Terms, Transfer
from .makespan import Limits, aligned_up, best_fixed, fixed, makespan, starts

__all__ = [
    "Chunker", "Corrector", "CostModel", "Forecast", "Limits", "Pacer", "Pipeline", "Policy", "PoorFit", "Sample",
    "Target", "Terms", "Transfer", "best_fixed", "fixed", "makespan",
]  # fmt: skip

_SCAN = 1.5
"""Ratio of the target times, and of the sizes, of which the prompt is first reckoned with."""
_LONGER = 1.2
"""By how much a target that may be too short is lengthened, as often as it helps."""
_SPANS = 12
"""Parts of a prompt that stand for all of it then."""
_SURE = 0.01
"""Relative error of what is reckoned."""
_STEP = 0.05
"""Of a size: by how much others that are tried differ from it."""
_FACTORS = (0.8, 0.9, 1.0, 1.1, 1.25)
"""Times the number of chunks reckoned with, which are then tried."""
_FEW = 16
"""Chunks up to which all numbers are tried from half of them to two more, and one: what is reckoned is coarse there."""
_HALVINGS = 12
_LOOKS = 2_500
"""Chunks looked at for that. Some 5 ms: the engine has nothing to do meanwhile."""
_SLACK = 0.02
"""By how much a prompt's last chunk may take longer than the others, rather than leave a sliver."""


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


class Target(NamedTuple):
    """What the chunks of a prompt have in common: each is as long as it may be.

    Args:
        seconds: that a step may take; infinite for chunks of one size.
        tokens: that a chunk may have; infinite for chunks of equal time.
        dense: whether chunks may be too short for sparse attention where the prompt is long enough for it.
    """

    seconds: float
    tokens: float = math.inf
    dense: bool = False


class Chunker:
    """The sizes of chunks. Has no memory: `Pacer` follows requests.

    Everywhere `tokens` or `remaining` are to be read after a `prefix` that the cache holds already.
    """

    def __init__(self, pipeline: Pipeline, limits: Limits):
        self.pipeline = pipeline
        self.limits = limits
        # With fewer queries a chunk would be dense, however long its prefix.
        queries = max(stage.least_queries for stage in pipeline.distinct)
        self._sparse_least, self._dense_least = (
            min(aligned_up(max(limits.least, least), limits.alignment), limits.most) for least in (queries, 0)
        )

    def next(
        self, prefix: int, remaining: int, decodes: int = 0, target: Target | None = None, *, shared: bool = False
    ) -> int:
        """How many tokens the next step reads; 0 only if none remain, or decodes take up the whole step.

        Args:
            decodes: tokens of other requests in the step.
            target: None for what is best for the rest of the prompt.
            shared: whether any request decodes, in another step under way if not in this: it waits for this one, too.
        """
        room = min(self.limits.most - decodes, remaining)
        if room <= 0:
            return 0
        if target is None:
            target = self.target(remaining, prefix)
        room = int(min(room, target.tokens))
        seconds, least, bound = target.seconds, self._least(target.dense), self._bound(shared or decodes > 0)
        if bound < seconds:
            seconds, least = bound, self.limits.alignment
        size = self.pipeline.chunk(prefix, seconds, decodes, room) if seconds < math.inf else room
        size = min(max(size, least), room)
        if room == remaining and (
            size == remaining or self.pipeline.seconds(prefix, remaining, decodes) <= (1 + _SLACK) * seconds
        ):
            return remaining
        size = self._aligned(prefix, size)
        if remaining - size >= max(least, min(size, self._sparse_least)):
            return size
        # A sliver would cost a step, and be too short for sparse attention: two halves or one chunk may take less.
        sizes = [size]
        half = self._aligned(prefix, remaining // 2)
        if min(half, remaining - half) >= least and half <= room:
            sizes.append(half)
        if room == remaining and seconds < bound:
            sizes.append(remaining)
        ends = [[one, remaining - one] if one < remaining else [one] for one in reversed(sizes)]
        return min(ends, key=lambda end: makespan(self.pipeline, end, prefix, self.limits.queued))[0]

    def plan(self, tokens: int, prefix: int = 0, target: Target | None = None) -> list[int]:
        """The sizes of all chunks, when nothing else runs."""
        if target is None:
            target = self.target(tokens, prefix)
        return list(self._sizes(tokens, prefix, target))

    def target(self, tokens: int, prefix: int = 0) -> Target:
        """What gives the least TTFT: chunks of equal time, or of one size where that is better.

        It seldom is: where memory does not allow chunks as long as they should be, or without a queued step, by a
        little (docs/pipeline.md).
        """
        tried: dict[Target, float] = {}
        self._equal(tokens, prefix, tried)
        if self._dense_least < self._sparse_least:
            self._equal(tokens, prefix, tried, dense=True)
        low, high = self._range(tokens, dense=True)
        seconds, size = self._reckoned(tokens, prefix, low, high, lambda _, size: int(size))
        if seconds < (1 + _SURE) * min(tried.values()):
            self._climb(tokens, prefix, math.ceil(size), tried)
        return min(tried, key=tried.__getitem__)

    def _climb(self, tokens: int, prefix: int, size: int, tried: dict[Target, float]) -> None:
        """Try chunks of one size: of about this, and on to shorter and to longer ones as long as they are better."""
        page = self.limits.alignment
        step = aligned_up(math.ceil(_STEP * size), page)
        for way in (-step, step):
            at, before = min(aligned_up(size, page), self.limits.most // page * page), math.inf
            while 0 < at <= self.limits.most:
                target = Target(math.inf, at, dense=at < self._sparse_least)
                if target not in tried:
                    self._attempt(tokens, prefix, target, tried)
                if tried[target] >= before:
                    break
                at, before = at + way, tried[target]

    def longer(self, tokens: int, prefix: int, before: Target) -> Target:
        """A target that is as long or longer, if that gives less TTFT. Takes less than a millisecond."""
        seconds, size = before.seconds, self._sizes_reckoned(tokens, before.dense)
        best = self._reckon(tokens, prefix, seconds, size)
        while (other := self._reckon(tokens, prefix, _LONGER * seconds, size)) < best:
            best, seconds = other, _LONGER * seconds
        return Target(seconds, dense=before.dense)

    def _equal(self, tokens: int, prefix: int, tried: dict[Target, float], *, dense: bool = False) -> None:
        """Try targets for chunks of equal time.

        A few parts of the prompt stand for all of it, to find about how many chunks are best. For about so many, the
        least target that makes do with so many is then found by bisection: no last chunk is left nearly empty.
        """
        low, high = (self.pipeline.seconds(prefix + tokens - size, size) for size in self._range(tokens, dense))
        seconds, reckoned = self._reckoned(tokens, prefix, low, high, self._sizes_reckoned(tokens, dense))
        if seconds > (1 + _SURE) * min(tried.values(), default=math.inf):
            return
        if dense and self.pipeline.chunk(prefix + tokens, reckoned) >= self._sparse_least:
            return  # the floor of sparse chunks does not bind: these have been tried
        count = self._attempt(tokens, prefix, Target(reckoned, dense=dense), tried)
        factors = _FACTORS if count * len(_FACTORS) * 4 <= _LOOKS else (1.0,)
        counts = {max(1, round(count * factor)) for factor in factors}
        if count <= _FEW:
            counts |= {1, *range(-(-count // 2), count + 3)}
        halvings = min(_HALVINGS, _LOOKS // (len(counts) * count))
        for chunks in sorted(counts) if halvings else ():
            near, reach = reckoned, 1 + 4 / chunks
            if len(counts) > 1:
                size = min(aligned_up(math.ceil(tokens / chunks), self.limits.alignment), tokens)
                near, reach = self.pipeline.seconds(prefix + (tokens - size) // 2, size), _SCAN
            spread = Target(near / reach, dense=dense), Target(near * reach, dense=dense)
            for target in (Target(near, dense=dense), self._tightest(tokens, prefix, chunks, *spread, halvings)):
                self._attempt(tokens, prefix, target, tried)

    def _least(self, dense: bool) -> int:
        return self._dense_least if dense else self._sparse_least

    def _range(self, tokens: int, dense: bool) -> tuple[int, int]:
        """Tokens of the shortest and the longest chunk."""
        return min(tokens, self._least(dense)), min(tokens, self.limits.most)

    def _sizes_reckoned(self, tokens: int, dense: bool) -> Callable[[int, float], int]:
        """(prefix, target) -> about how many tokens a chunk of equal time has."""
        least, most = self._range(tokens, dense)
        return lambda prefix, seconds: max(self.pipeline.chunk(prefix, seconds, 0, most), least)

    def _reckon(self, tokens: int, prefix: int, value: float, size: Callable[[int, float], int]) -> float:
        """About what a prompt takes, by the value that gives a chunk's size after a prefix."""
        total, longest = 0.0, (0.0, 0, 0)
        for index in range(_SPANS):
            middle = prefix + tokens * (2 * index + 1) // (2 * _SPANS)
            start = max(middle - size(middle, value) // 2, prefix)
            chunk = max(size(start, value), 1)
            seconds = self.pipeline.seconds(start, chunk)
            total += seconds * tokens / chunk / _SPANS
            longest = max(longest, (seconds, start, chunk))
        return total + self._filling(*longest)

    def _reckoned(
        self, tokens: int, prefix: int, low: float, high: float, size: Callable[[int, float], int]
    ) -> tuple[float, float]:
        """(seconds, value): the least of `_reckon` between two values."""
        count = math.ceil(math.log(max(high / low, 1.0), _SCAN))
        ratio = (high / low) ** (1 / max(count, 1))
        values = [high / ratio**index for index in range(count + 1)]
        tried: list[float] = []
        for value in values:
            tried.append(self._reckon(tokens, prefix, value, size))
            if tried[-1] > 1.5 * min(tried):
                break
        at = tried.index(min(tried))
        if 0 < at < len(tried) - 1:  # the vertex of a parabola through the best and its neighbours
            before, best, after = tried[at - 1 : at + 2]
            bend = before - 2 * best + after
            if bend > 0:
                between = values[at] * ratio ** ((after - before) / 2 / bend)
                return min((tried[at], values[at]), (self._reckon(tokens, prefix, between, size), between))
        return tried[at], values[at]

    def _filling(self, seconds: float, prefix: int, chunk: int) -> float:
        """What the longest chunk, of so many seconds, takes in the stages beside the slowest."""
        return sum([stage.seconds(prefix, chunk) for stage in self.pipeline.paces]) - seconds

    def _tightest(self, tokens: int, prefix: int, chunks: int, low: Target, high: Target, halvings: int) -> Target:
        """The least target between two that makes do with so many chunks."""
        for _ in range(halvings):
            middle = low._replace(seconds=math.sqrt(low.seconds * high.seconds))
            found = sum(1 for _ in itertools.islice(self._sizes(tokens, prefix, middle), chunks + 1))
            low, high = (low, middle) if found <= chunks else (middle, high)
        return high

    def _attempt(self, tokens: int, prefix: int, target: Target, tried: dict[Target, float]) -> int:
        """The number of chunks; `tried` gets the TTFT."""
        plan = self.plan(tokens, prefix, target)
        tried[target] = makespan(self.pipeline, plan, prefix, self.limits.queued)
        return len(plan)

    def forecast(self, tokens: int, prefix: int = 0) -> Forecast:
        """What to expect of a prompt that is read alone."""
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
    target: Target
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
            target = self.chunker.longer(remaining, prefix, before.target)
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
            taken, expected = (costs.seconds(one.prefix, one.size) for costs in (after, before))
            # That one size was best was found by costs that were wrong.
            seconds = taken if one.target.tokens < math.inf else one.target.seconds * taken / expected
            one.target = one.target._replace(seconds=seconds, tokens=math.inf)
            one.stale = True

    def forget(self, request: Hashable) -> None:
        """A request that is read, or was given up."""
        self._reading.pop(request, None)
