"""A pipeline in simulated time: vLLM's engine loop with any number of stages, and a scheduler's real policy.

The loop is vLLM's (v1/engine/core.py, step_with_batch_queue): as many steps are in flight as there are stages, and one
more where it schedules asynchronously. A step is scheduled whenever fewer are in flight; otherwise the loop waits for
the oldest. A stage starts a step when it has finished the previous one, has received its input, and the next stage has
taken its last output: until then vLLM's workers wait for their sends. On a CPU a worker starts to receive when it is
free; on a GPU, whose kernels are launched ahead of time, when it starts the previous step. Requests are served in order
of arrival. After its prompt, a request decodes in every step for which its last token is known; with asynchronous
scheduling, which does not wait for it, in every Nth step of N stages.
"""

import math
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from longread.serving.pipeline.chunker import Policy, Transfer


class Stage(Protocol):
    """A `longread.serving.pipeline.cost_model.CostModel`, or measured times."""

    def seconds(self, prefix: int, chunk: int, decodes: int = 0) -> float: ...


class Stages(Protocol):
    """A `longread.serving.pipeline.cost_model.Pipeline`, or measured times."""

    @property
    def stages(self) -> Sequence[Stage]: ...

    @property
    def transfer(self) -> Transfer: ...


@dataclass
class Arrival:
    """A request.

    Args:
        tokens: the length of its prompt.
        answer: the number of tokens to decode.
        at: the time of arrival, in seconds.
    """

    tokens: int
    answer: int = 1
    at: float = 0.0


@dataclass
class Served:
    """The course of a request: the sizes of its chunks, and the times of its tokens, in seconds since its arrival."""

    arrival: Arrival
    chunks: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    read: int = 0
    due: int = 0
    """The number of its tokens that are known or in flight."""
    resumes: float = 0
    """The number of the step that may decode it while one of its tokens is in flight."""

    @property
    def ttft(self) -> float:
        return self.times[0]

    @property
    def gaps(self) -> list[float]:
        """Seconds between its tokens."""
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


@dataclass(frozen=True)
class Run:
    """The result of a simulation.

    Args:
        served: the requests.
        seconds: the time until the last token.
        busy: the share of it in which the stages worked.
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
        pipeline: the true costs of steps; a policy has its own estimate.
        ahead: whether stages receive while they work.
        queued: steps in flight beyond one for each stage: 0 or 1, see `longread.serving.pipeline.chunker.Limits`.
        overhead: seconds in which the engine schedules a step, which do not overlap with others.
        noise: relative spread of a step's time in a stage, the same in every run.
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
    """The time at which a step leaves the last stage. `free`: when each stage has finished the previous step; `taken`:
    when the next stage has taken it; `began`: when each stage starts to receive."""
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
    """Give a token to the requests that a finished step has decoded, or read to the end."""
    finished = [step.reads] if step.reads is not None and step.prefix + step.chunk == step.reads.arrival.tokens else []
    for one in [*finished, *step.decodes]:
        one.times.append(step.done - one.arrival.at)
        if len(one.times) == one.arrival.answer:
            decoding.remove(one)
