"""How long a pipeline takes for given chunks of a prompt, and what chunks must keep to."""

import math
from collections import deque
from collections.abc import Iterator, Sequence

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from .costs import Pipeline


class Limits(BaseModel):
    """What a chunk's size must keep to.

    Args:
        most: tokens a step has memory for, decodes included.
        least: tokens below which no chunk is made, but a prompt's last or one that decodes hold back.
        page: tokens of a page of the K/V cache; chunks end where pages do.
        block: tokens of a block of sparse attention; they end where these do, too.
        latency: seconds that a decode may wait for its next token while prompts are read; None for no limit.
        queued: steps that the engine schedules beyond one a stage, and that wait before the first: vLLM has 1 where it
            schedules asynchronously.
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
    """Chunks of one size, and what is left."""
    return [min(size, tokens - start) for start in range(0, tokens, size)]


def makespan(pipeline: Pipeline, chunks: Sequence[int], prefix: int = 0, queued: int = 0) -> float:
    """Seconds from a prompt's first step to its last chunk's leaving the last stage, when nothing else runs.

    Args:
        queued: steps under way beyond one a stage. The first stage has no other before the oldest has come out.
    """
    free = [0.0] * len(pipeline.stages)
    under_way = deque([0.0] * (len(free) + queued))
    where = [pipeline.distinct.index(pace) for pace in pipeline.paces]
    for start, chunk in zip(starts(chunks, prefix), chunks, strict=True):
        taken = [pace.seconds(start, chunk) for pace in pipeline.distinct]
        ready = under_way.popleft()
        for index, pace in enumerate(where):
            ready = free[index] = max(free[index], ready) + taken[pace]
        under_way.append(ready)
    return free[-1]


def best_fixed(pipeline: Pipeline, limits: Limits, tokens: int, prefix: int = 0) -> tuple[int, float]:
    """(size, seconds) of the best chunks of one size, by trying: in steps of an eighth, then closer round the best."""
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
