"""The time that a pipeline takes for given chunks of a prompt, and the limits of chunk sizes."""

import math
from collections import deque
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from .cost_model import Pipeline


class Limits(BaseModel):
    """The limits of a chunk's size.

    Args:
        most: tokens that a step has memory for, including decodes.
        least: tokens of the smallest chunk, except for the last chunk of a prompt and for `latency`.
        page: tokens of a page of the K/V cache; chunks end at the end of a page.
        block: tokens of a block of sparse attention; chunks end at the end of a block, too.
        latency: seconds that a decode may wait for its next token while prompts are read; None for no limit.
        queued: steps that the engine schedules beyond one for each stage, which wait before the first stage: 1 where
            vLLM schedules asynchronously.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    most: PositiveInt
    least: PositiveInt = 1
    page: PositiveInt = 128
    block: PositiveInt = 1
    latency: PositiveFloat | None = None
    queued: NonNegativeInt = 0

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


def fixed(tokens: int, size: int) -> list[int]:
    """Chunks of one size, and the remainder."""
    return [min(size, tokens - start) for start in range(0, tokens, size)]


def makespan(pipeline: Pipeline, chunks: Sequence[int], prefix: int = 0, queued: int = 0) -> float:
    """Seconds from a prompt's first step until its last chunk leaves the last stage, when nothing else runs.

    Args:
        queued: steps in flight beyond one for each stage. Before the oldest one has finished, no other starts.
    """
    free = [0.0] * len(pipeline.stages)
    in_flight = deque([0.0] * (len(free) + queued))
    where = [pipeline.distinct.index(pace) for pace in pipeline.paces]
    for start, chunk in zip(starts(chunks, prefix), chunks, strict=True):
        taken = [pace.seconds(start, chunk) for pace in pipeline.distinct]
        ready = in_flight.popleft()
        for index, pace in enumerate(where):
            ready = free[index] = max(free[index], ready) + taken[pace]
        in_flight.append(ready)
    return free[-1]


def best_fixed(pipeline: Pipeline, limits: Limits, tokens: int, prefix: int = 0) -> tuple[int, float]:
    """(size, seconds) of the best chunks of one size, by search: in steps of 1/8, then in smaller ones."""
    page = limits.alignment
    tried: dict[int, float] = {}

    def attempt(size: float) -> None:
        aligned = max(aligned_up(int(size), page), aligned_up(limits.least, page))
        if aligned <= limits.most and aligned not in tried:
            tried[aligned] = makespan(pipeline, fixed(tokens, aligned), prefix, limits.queued)

    size = float(min(limits.most // page * page, aligned_up(tokens, page)))
    while size >= max(page, limits.least) and (not tried or list(tried.values())[-1] <= 2 * min(tried.values())):
        attempt(size)
        size /= 1.125
    best = min(tried, key=tried.__getitem__)
    for step in range(-8, 9):
        attempt(best * (1 + step / 72))
    return min(tried.items(), key=lambda item: item[1])


def starts(chunks: Sequence[int], prefix: int) -> Iterator[int]:
    for chunk in chunks:
        yield prefix
        prefix += chunk


def aligned_up(tokens: int, unit: int) -> int:
    return -(-tokens // unit) * unit
