"""Schedulers for vLLM with chunks of equal time: they set the tokens of each step, and leave all else to vLLM.

vLLM sends the next chunk of a prompt into the pipeline before the previous one has left it. It reads the most tokens of
a step from `max_num_scheduled_tokens`, and the most of one request from `long_prefill_token_threshold`, whenever it
schedules. Setting both leaves the tokens of decodes to them at any place in the queue.
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

from longread.errors import LongreadError

from ..pipeline.chunker import Pacer, Policy
from ..pipeline.step_costs import find
from .constants import LOGGER
from .engine_key import engine_of, limits_of

logger = init_logger(LOGGER)
_AT_ONCE = 0.05
"""Seconds from the last event in the engine within which a step is scheduled if the pipeline does not run dry."""


@dataclass
class _Step:
    """A step in flight."""

    output: Any
    read: tuple[int, int, int] | None
    """(prefix, chunk, decodes); None if it read no prompt, or several."""
    full: bool
    """Whether every stage had a step, and none had to wait for the scheduler."""


class EqualTime:
    """A mixin for vLLM's schedulers."""

    chunks: Policy | None
    """None leaves the steps to vLLM."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scheduler: Any = self
        self._most: int = scheduler.max_num_scheduled_tokens
        self._stages: int = scheduler.parallel_config.pipeline_parallel_size
        self._steps: deque[_Step] = deque()
        self._last = self._previous = 0.0
        self.chunks = _find_pacer(scheduler.vllm_config, self._most)

    def schedule(self, throttle_prefills: bool = False) -> Any:
        scheduler: Any = self
        if self.chunks is None:
            return super().schedule(throttle_prefills)  # type: ignore[misc]
        config = scheduler.scheduler_config
        before = config.long_prefill_token_threshold
        size, decodes = self._next_tokens(scheduler)
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
            self._record(scheduler_output, now, self.chunks)
        return super().update_from_output(scheduler_output, model_runner_output)  # type: ignore[misc]

    def _next_tokens(self, scheduler: Any) -> tuple[int, int]:
        """(tokens of prompts, tokens of decodes) of the next step. Without prompts nothing needs to be set."""
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
            # The next requests share its last step: as if they continued it, which costs no less.
            more = remaining + min(rest, self._most)
            size = max(size, self.chunks.next(None, prefix, more, decodes, shared=shared))
            self.chunks.forget(None)
        return size, decodes

    def _read(self, output: Any) -> tuple[int, int, int] | None:
        """(prefix, chunk, decodes) of a step that reads at most one prompt; None for others."""
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

    def _record(self, output: Any, now: float, chunks: Policy) -> None:
        """Report each step and the time since the previous one: in a full pipeline, its time in the slowest stage."""
        while self._steps:
            step = self._steps.popleft()
            if step.output is output:
                if step.read is not None and output.total_num_scheduled_tokens:
                    prefix, chunk, decodes = step.read
                    seconds = now - self._previous if step.full and self._previous else None
                    chunks.observe(prefix, chunk, seconds, decodes)
                break
        # Only a step that was in flight behind this one can be timed from here.
        self._previous = now if self._steps and output.total_num_scheduled_tokens else 0.0
        self._last = now


class EqualTimeScheduler(EqualTime, Scheduler):
    """For an engine that waits for a step's results before it schedules beyond one step for each stage."""


class AsyncEqualTimeScheduler(EqualTime, AsyncScheduler):
    """For an engine that schedules one step ahead."""


def _ready(scheduler: Any) -> Iterator[Any]:
    """The waiting requests that can be scheduled, in vLLM's order."""
    for request in chain(scheduler.kv_holding_waiting, scheduler.waiting):
        if request.status in (RequestStatus.WAITING, RequestStatus.PREEMPTED):
            yield request


def _find_pacer(config: Any, most: int) -> Pacer | None:
    """A pacer with the measured costs of the engine; None if there are none, with the reason in the log."""
    try:
        engine, limits = engine_of(config), limits_of(config, most)
        found = find(engine)
        pacer = Pacer(found.of(engine.layers), limits)
    except (LongreadError, ValueError) as error:
        logger.warning(
            "longread: chunks of one size, up to %d tokens: %s. `agent calibrate chunking MODEL` measures the costs",
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
