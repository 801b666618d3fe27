"""vLLM's scheduler with chunks of equal time: it sets how many tokens a step reads, and leaves all else to vLLM.

vLLM sends the next chunk of a prompt into the pipeline before the one before it has come out. How many tokens a step
may have, it reads from `max_num_scheduled_tokens` when it begins to schedule; how many one request may have of them,
from `long_prefill_token_threshold`, so that what decodes need is left to them wherever they stand in line.
"""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from vllm.logger import init_logger
from vllm.v1.core.sched.async_scheduler import AsyncScheduler
from vllm.v1.core.sched.scheduler import Scheduler
from vllm.v1.request import RequestStatus

from ..chunking import Pacer, Policy
from ..errors import LongreadError
from ..step_costs import find
from .engine import engine_of, limits_of
from .names import LOGGER

logger = init_logger(LOGGER)
_AT_ONCE = 0.05
"""Seconds after the last event in the engine within which a step is scheduled when the pipeline does not run dry."""


@dataclass
class _Step:
    """One that is under way."""

    output: Any
    read: tuple[int, int, int] | None
    """(prefix, chunk, decodes); None if it read no prompt, or several."""
    full: bool
    """Whether every stage had a step, and none had to wait for it to be scheduled."""


class EqualTime:
    """To be mixed into a scheduler of vLLM's."""

    chunks: Policy | None
    """None leaves the steps to vLLM."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scheduler: Any = self
        self._most: int = scheduler.max_num_scheduled_tokens
        self._stages: int = scheduler.parallel_config.pipeline_parallel_size
        self._steps: deque[_Step] = deque()
        self._last = self._previous = 0.0
        self.chunks = _pacer(scheduler.vllm_config, self._most)

    def schedule(self, throttle_prefills: bool = False) -> Any:
        scheduler: Any = self
        if self.chunks is None:
            return super().schedule(throttle_prefills)  # type: ignore[misc]
        config = scheduler.scheduler_config
        before = config.long_prefill_token_threshold
        size, decodes = self._turn(scheduler)
        if size:
            scheduler.max_num_scheduled_tokens = min(size + decodes, self._most)
            config.long_prefill_token_threshold = min(size, before or size)
        try:
            output = super().schedule(throttle_prefills)  # type: ignore[misc]
        finally:
            scheduler.max_num_scheduled_tokens = self._most
            config.long_prefill_token_threshold = before
        now = time.perf_counter()
        for request in output.finished_req_ids:
            self.chunks.forget(request)
        full = len(self._steps) + 1 >= self._stages and now - self._last < _AT_ONCE
        self._steps.append(_Step(output, self._read(output), full))
        self._last = now
        return output

    def update_from_output(self, scheduler_output: Any, model_runner_output: Any) -> Any:
        now = time.perf_counter()
        if self.chunks is not None:
            self._came_out(scheduler_output, now, self.chunks)
        return super().update_from_output(scheduler_output, model_runner_output)  # type: ignore[misc]

    def _turn(self, scheduler: Any) -> tuple[int, int]:
        """(tokens of prompts, tokens of decodes) of the step to come. Without prompts vLLM needs no telling."""
        assert self.chunks is not None
        decodes, shared, prompts = 0, False, []
        for request in scheduler.running:
            left = request.num_tokens_with_spec + request.num_output_placeholders - request.num_computed_tokens
            if request.is_prefill_chunk:
                prompts.append((request, request.num_computed_tokens, left))
                continue
            shared = True  # by a decode, in this step or the next
            if left > 0 and scheduler.current_step + 1 >= request.next_decode_eligible_step:
                decodes += left
        rest = sum(left for _, _, left in prompts[1:])
        for request in _ready(scheduler):
            if not prompts:
                prefix = request.num_computed_tokens or scheduler.kv_cache_manager.get_computed_blocks(request)[1]
                prompts.append((request, prefix, request.num_tokens - prefix))
            elif rest >= self._most:
                break
            else:
                rest += request.num_tokens
        if not prompts:
            return 0, decodes
        head, prefix, remaining = prompts[0]
        size = self.chunks.next(head.request_id, prefix, remaining, decodes, shared=shared)
        if size == remaining and rest:
            # The next in line share its last step: as if they went on with it, which costs no less.
            more = remaining + min(rest, self._most)
            size = max(size, self.chunks.next(None, prefix, more, decodes, shared=shared))
            self.chunks.forget(None)
        return size, decodes

    def _read(self, output: Any) -> tuple[int, int, int] | None:
        """Of a step that reads one prompt at most: (prefix, chunk, decodes)."""
        requests: Any = self
        read, others = [], 0
        for name, tokens in output.num_scheduled_tokens.items():
            request = requests.requests[name]
            prefix = request.num_computed_tokens - tokens  # vLLM counts them as computed already
            if prefix < request.num_prompt_tokens:
                read.append((prefix, tokens))
            else:
                others += tokens
        prefix, chunk = read[0] if read else (0, 0)
        return (prefix, chunk, others) if len(read) < 2 else None

    def _came_out(self, output: Any, now: float, chunks: Policy) -> None:
        """Tell of each step, with the time since the one before: in a full pipeline, what the slowest stage takes."""
        while self._steps:
            step = self._steps.popleft()
            if step.output is output:
                if step.read is not None and output.total_num_scheduled_tokens:
                    prefix, chunk, decodes = step.read
                    seconds = now - self._previous if step.full and self._previous else None
                    chunks.observe(prefix, chunk, seconds, decodes)
                break
        # The next one was under way behind this, or its time is not to be had from this.
        self._previous = now if self._steps and output.total_num_scheduled_tokens else 0.0
        self._last = now


class EqualTimeScheduler(EqualTime, Scheduler):
    """Where the engine waits for a step before it schedules the one after the pipeline's last."""


class AsyncEqualTimeScheduler(EqualTime, AsyncScheduler):
    """Where it schedules ahead."""


def _ready(scheduler: Any) -> Iterator[Any]:
    """The requests that wait and can be taken, in vLLM's order."""
    for request in chain(scheduler.kv_holding_waiting, scheduler.waiting):
        if request.status in (RequestStatus.WAITING, RequestStatus.PREEMPTED):
            yield request


def _pacer(config: Any, most: int) -> Pacer | None:
    """Of the engine's measured costs; None, with a line in the log that says why, if there are none to go by."""
    try:
        engine, limits = engine_of(config), limits_of(config, most)
        found = find(engine)
        pacer = Pacer(found.of(engine.layers), limits)
    except (LongreadError, ValueError) as error:
        logger.warning(
            "longread: chunks of one size, up to %d tokens: %s. `agent calibrate MODEL --chunking` measures them",
            most,
            str(error).rstrip("."),
        )
        return None
    expected = pacer.chunker.forecast(config.model_config.max_model_len)
    logger.info(
        "longread: chunks of equal time in %d stages of %s layers; a prompt of %d tokens is expected to take %.3g s "
        "in %d chunks of %d to %d tokens, idle for %.1f%%; chunks of one size would take %.3g s at best, with %d",
        engine.pp, "+".join(map(str, engine.layers)), config.model_config.max_model_len, expected.seconds,
        len(expected.chunks), min(expected.chunks), max(expected.chunks), 100 * expected.bubble,
        expected.fixed_seconds, expected.fixed,
    )  # fmt: skip
    return pacer
