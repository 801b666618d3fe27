"""vLLM's real scheduler with a simulated pipeline: when each step is scheduled, and what it reads.

`answers` runs it in the process that has imported vLLM.
"""

import hashlib
import logging
from collections import deque
from types import SimpleNamespace
from typing import Any

import pytest

from longread.serving.pipeline import step_costs
from longread.serving.pipeline.cost_model import Pipeline
from longread.serving.pipeline.step_costs import StepCosts
from longread.serving.vllm_plugin.constants import LOGGER


def schedules(asked: dict[str, Any]) -> dict[str, Any]:
    """Run requests to their ends.

    Args:
        asked: `engine` for EngineArgs, or `arguments` of the command line instead; `cache`, a folder; `believed`, the
            costs stored there, or None, or "broken"; `true`, those of the pipeline; `requests` with `name`, `tokens`,
            `answer`, `at` in seconds, and `seed` of the prompt; `blocks` of the K/V cache; `stop`, the name of one that
            is cancelled, and `stop_at`; `asynchronous`, to schedule as on a GPU.
    """
    from vllm import EngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    if "arguments" in asked["engine"]:
        parser: Any = EngineArgs.add_cli_args(FlexibleArgumentParser())
        engine_args = EngineArgs.from_cli_args(parser.parse_args(asked["engine"]["arguments"]))
    else:
        engine_args = EngineArgs(**asked["engine"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", asked["cache"])
        if asked.get("asynchronous"):
            _as_on_a_gpu(patch)
        return _scheduled(asked, engine_args.create_engine_config(), patch)


def _as_on_a_gpu(patch: pytest.MonkeyPatch) -> None:
    """vLLM schedules ahead there, with its second model runner, which needs Triton; on a CPU it does not."""
    from vllm import envs
    from vllm.platforms.cpu import CpuPlatform

    def check(config: Any) -> None:
        asynchronous = config.scheduler_config.async_scheduling
        checked(config)
        config.scheduler_config.async_scheduling = asynchronous

    checked = CpuPlatform.check_and_update_config
    patch.setattr(CpuPlatform, "check_and_update_config", staticmethod(check))
    patch.setattr(envs, "VLLM_USE_V2_MODEL_RUNNER", True)
    patch.setattr("vllm.config.vllm.HAS_TRITON", True)


def _scheduled(asked: dict[str, Any], config: Any, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
    from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig, KVCacheGroupSpec
    from vllm.v1.request import RequestStatus
    from vllm.v1.structured_output import StructuredOutputManager

    from longread.serving.vllm_plugin import scheduler as module
    from longread.serving.vllm_plugin.engine_key import engine_of

    config.cache_config.num_gpu_blocks = asked["blocks"]
    model = config.model_config
    spec: Any = FullAttentionSpec(
        block_size=config.cache_config.block_size, num_kv_heads=1, head_size=16, dtype=model.dtype
    )
    layout = KVCacheConfig(asked["blocks"], [], [KVCacheGroupSpec(["layer"], spec)])
    if asked["believed"] is not None:
        engine = engine_of(config)
        pipeline = Pipeline.model_validate(asked["believed"] if isinstance(asked["believed"], dict) else asked["true"])
        step_costs.keep(StepCosts(engine=engine, name="tiny", pipeline=pipeline, samples=((), ())))
        if asked["believed"] == "broken":
            step_costs._store().put(engine.key, b"{}")
    world = _World(Pipeline.model_validate(asked["true"]))
    patch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: world.now))
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger(LOGGER).addHandler(handler)
    scheduler: Any = config.scheduler_config.get_scheduler_cls()(
        vllm_config=config, kv_cache_config=layout, structured_output_manager=StructuredOutputManager(config),
        block_size=config.cache_config.block_size,
    )  # fmt: skip
    init_none_hash(_hash)
    hasher = get_request_block_hasher(config.cache_config.block_size, _hash)
    arrivals = deque(sorted(asked["requests"], key=lambda one: one["at"]))
    stop_at = asked.get("stop_at", float("inf"))
    flight: deque[tuple[float, Any]] = deque()
    tokens: dict[str, list[float]] = {one["name"]: [] for one in arrivals}
    while arrivals or flight or scheduler.has_requests():
        while arrivals and arrivals[0]["at"] <= world.now:
            scheduler.add_request(_request(arrivals.popleft(), hasher))
        if world.now >= stop_at:
            scheduler.finish_requests(asked["stop"], RequestStatus.FINISHED_ABORTED)
            stop_at = float("inf")
        if scheduler.has_requests() and len(flight) < config.max_concurrent_batches:
            output = scheduler.schedule()
            flight.append((world.run(scheduler, output), output))
            if output.total_num_scheduled_tokens:
                continue
        elif not flight:
            world.now = arrivals[0]["at"]
            continue
        ends, output = flight.popleft()
        world.now = max(world.now, ends)
        for name in scheduler.update_from_output(output, world.results(scheduler, output)).values():
            for one in name.outputs:
                tokens[one.request_id] += [world.now] * len(one.new_token_ids)
    reading = getattr(getattr(scheduler, "chunks", None), "_reading", {})
    logging.getLogger(LOGGER).removeHandler(handler)
    return {
        "class": type(scheduler).__name__, "steps": world.steps, "tokens": tokens, "left": len(reading), "said": said,
    }  # fmt: skip


class _World:
    """The pipeline, and its clock."""

    def __init__(self, pipeline: Pipeline):
        self.pipeline, self.now = pipeline, 0.0
        self.steps: list[dict[str, Any]] = []
        self._free = [0.0] * len(pipeline.stages)

    def run(self, scheduler: Any, output: Any) -> float:
        """-> when the step comes out"""
        ready, read, decodes = self.now, {}, 0
        for name, count in output.num_scheduled_tokens.items():
            request = scheduler.requests[name]
            start = request.num_computed_tokens - count
            if start < request.num_prompt_tokens:
                read[name] = (start, count)
            else:
                decodes += count
        if not output.total_num_scheduled_tokens:
            return ready
        for index, stage in enumerate(self.pipeline.stages):
            seconds = sum(stage.seconds(*one) for one in read.values()) or stage.seconds(0, 0, decodes)
            self._free[index] = ready = max(self._free[index], ready) + seconds + 1e-6
        self.steps.append({"at": self.now, "out": ready, "read": read, "decodes": decodes})
        return ready

    def results(self, scheduler: Any, output: Any) -> Any:
        """A token of each request whose prompt has been read."""
        from vllm.v1.outputs import ModelRunnerOutput

        names = list(output.num_scheduled_tokens)
        sampled = []
        for name in names:
            request = scheduler.requests.get(name)
            done = request is not None and self._reached(request, output) >= request.num_tokens
            sampled.append([7] if done else [])
        return ModelRunnerOutput(names, {name: index for index, name in enumerate(names)}, sampled)

    @staticmethod
    def _reached(request: Any, output: Any) -> int:
        """Up to where a request is read once this step has come out: less than is scheduled, if others follow."""
        later = request.num_in_flight_tokens - output.num_scheduled_tokens[request.request_id]
        return request.num_computed_tokens - later


def _request(one: dict[str, Any], hasher: Any) -> Any:
    import random

    from vllm import SamplingParams
    from vllm.v1.request import Request

    prompt = random.Random(one.get("seed", one["name"])).choices(range(1000), k=one["tokens"])
    sampling = SamplingParams(max_tokens=one.get("answer", 1), ignore_eos=True)
    sampling.update_from_generation_config({}, None)
    return Request(one["name"], prompt, sampling, None, block_hasher=hasher)


def _hash(value: object) -> bytes:
    return hashlib.sha256(repr(value).encode()).digest()
