"""A pipeline in simulated time: vLLM's engine loop round any number of stages, with a scheduler's real policy in it.

The loop is vLLM's (v1/engine/core.py, step_with_batch_queue): as many steps under way as there are stages, and one more
where it schedules asynchronously; a step is scheduled whenever there is room for one; otherwise the oldest is waited
for. A stage begins a step when it has done the
one before, has received, and the stage behind has taken what it sent last: vLLM's workers wait for their sends then. On
a CPU a worker begins to receive when it is free; on a GPU, whose kernels are launched ahead of their time, when it
begins the step before. Requests are served in the order they came. Those that are read decode in every step that finds
their last token out; asynchronously, which does not wait to see it, in every so many steps as there are stages.
"""

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from longread.serving.chunking import Policy, Transfer


class Stage(Protocol):
    """`longread.serving.costs.CostModel`, or times that were measured."""

    def seconds(self, prefix: int, chunk: int, decodes: int = 0) -> float: ...


class Stages(Protocol):
    """`longread.serving.costs.Pipeline`, or times that were measured."""

    @property
    def stages(self) -> Sequence[Stage]: ...

    @property
    def transfer(self) -> Transfer: ...


@dataclass
class Arrival:
    """A request.

    Args:
        tokens: of its prompt.
        answer: tokens it decodes.
        at: seconds.
    """

    tokens: int
    answer: int = 1
    at: float = 0.0


@dataclass
class Served:
    """What became of a request: when its tokens came, in seconds since it did; the sizes of its chunks."""

    arrival: Arrival
    chunks: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    read: int = 0
    due: int = 0
    """Its tokens that are out or under way."""
    resumes: float = 0
    """The number of the step that may decode it though one of its tokens is under way."""

    @property
    def ttft(self) -> float:
        return self.times[0]

    @property
    def gaps(self) -> list[float]:
        """Seconds between its tokens."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


@dataclass(frozen=True)
class Run:
    """What was simulated.

    Args:
        seconds: until the last token.
        busy: the share of it that stages worked.
        spans: (stage, start, seconds) of each step in each stage.
    """

    served: tuple[Served, ...]
    seconds: float
    busy: float
    spans: tuple[tuple[int, float, float], ...]


@dataclass
class _Step:
    reads: Served | None
    prefix: int
    chunk: int
    decodes: list[Served]
    done: float
    full: bool


def simulate(
    pipeline: Stages,
    policy: Policy,
    arrivals: Sequence[Arrival],
    *,
    ahead: bool = False,
    queued: int = 0,
    overhead: float = 0.0,
    noise: float = 0.0,
) -> Run:
    """Serve requests.

    Args:
        pipeline: what steps cost in truth; a policy brings its own idea of it.
        ahead: whether stages receive while they work.
        queued: steps under way beyond one a stage: 0 or 1, see `longread.serving.chunking.Limits`.
        overhead: seconds the engine takes to schedule a step, with none of which it overlaps.
        noise: relative spread of what a stage takes for a step; the same for the same step of another run.
    """
    stages, draw = len(pipeline.stages), random.Random(0)
    waiting = deque(sorted((Served(arrival) for arrival in arrivals), key=lambda one: one.arrival.at))
    everyone = tuple(waiting)
    queue: deque[_Step] = deque()
    free, taken = [0.0] * stages, [0.0] * stages
    began = [0.0] * stages if ahead else free
    spans: list[tuple[int, float, float]] = []
    decoding: list[Served] = []
    now, out, number = 0.0, 0.0, 0
    while waiting or decoding or queue:
        ready = [
            one
            for one in decoding
            if one.due < one.arrival.answer and (one.due == len(one.times) or number >= one.resumes)
        ]
        head = waiting[0] if waiting and waiting[0].arrival.at <= now else None
        if len(queue) < stages + queued and (ready or head is not None):
            chunk, prefix = 0, 0
            if head is not None:
                prefix = head.read
                remaining = head.arrival.tokens - prefix
                chunk = policy.next(id(head), prefix, remaining, len(ready), shared=bool(decoding))
            now += overhead
            step = _Step(head if chunk else None, prefix, chunk, list(ready), 0.0, len(queue) + 1 >= stages)
            step.done = _through(pipeline, step, now, free, taken, spans, began, noise, draw)
            queue.append(step)
            if head is not None and chunk:
                head.read += chunk
                head.chunks.append(chunk)
                if head.read == head.arrival.tokens:
                    decoding.append(waiting.popleft())
                    ready.append(head)
            for one in ready:
                one.due += 1
                one.resumes = number + stages if queued else math.inf
            number += 1
            continue
        if not queue:
            now = max(now, waiting[0].arrival.at)
            continue
        step = queue.popleft()
        now = max(now, step.done)
        policy.observe(step.prefix, step.chunk, step.done - out if step.full else None, len(step.decodes))
        out = step.done
        _tokens(step, decoding)
    busy = sum(seconds for _, _, seconds in spans)
    return Run(everyone, out, busy / (stages * out), tuple(spans))


def _through(
    pipeline: Stages, step: _Step, now: float, free: list[float], taken: list[float],
    spans: list[tuple[int, float, float]], began: list[float], noise: float, draw: random.Random,
) -> float:  # fmt: skip
    """When a step leaves the last stage. `free`: when each stage is done with the step before; `taken`: when the one
    behind it took that; `began`: from when on each receives."""
    transfer = pipeline.transfer.seconds(step.chunk + len(step.decodes))
    arrives = now
    for index, stage in enumerate(pipeline.stages):
        if index:
            arrives = taken[index - 1] = max(arrives, began[index]) + transfer
        start = began[index] = max(arrives, free[index], taken[index])
        seconds = stage.seconds(step.prefix, step.chunk, len(step.decodes)) * draw.uniform(1 - noise, 1 + noise)
        spans.append((index, start, seconds))
        arrives = free[index] = start + seconds
    return arrives


def _tokens(step: _Step, decoding: list[Served]) -> None:
    """A step has come out: those it read to the end, or decoded for, have a token more."""
    finished = [step.reads] if step.reads is not None and step.prefix + step.chunk == step.reads.arrival.tokens else []
    for one in [*finished, *step.decodes]:
        one.times.append(step.done - one.arrival.at)
        if len(one.times) == one.arrival.answer:
            decoding.remove(one)
