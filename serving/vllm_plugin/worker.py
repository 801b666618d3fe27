"""Worker extension for a pipeline stage: step timing, receive buffers and error handling.

vLLM mixes `Stage` into its workers, and imports this module in no other process. The import patches vLLM (at the end of
the file), and ends the worker when its engine is gone.
"""

import functools
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import torch
from vllm.distributed.parallel_state import get_pp_group, get_tensor_model_parallel_rank
from vllm.logger import init_logger
from vllm.v1.worker.gpu_model_runner import GPUModelRunner
from vllm.v1.worker.worker_base import WorkerWrapperBase

from .constants import LOGGER

logger = init_logger(LOGGER)
_POLL = 0.5
"""Seconds between two checks of the parent process."""


class Stage:
    """Methods for `collective_rpc`, beside those of vLLM's own workers."""

    model_runner: Any

    def longread_start_clock(self) -> None:
        """Time each step from now on."""
        runner, steps = self.model_runner, []
        execute = type(runner).execute_model

        @functools.wraps(execute)
        def timed(scheduler_output: Any, intermediate_tensors: Any = None) -> Any:
            if not scheduler_output.total_num_scheduled_tokens:
                return execute(runner, scheduler_output, intermediate_tensors)
            if intermediate_tensors is not None:
                intermediate_tensors.wait_for_comm()  # waiting for the previous stage is not part of this one's time
            torch.accelerator.synchronize()
            start = time.perf_counter()
            result = execute(runner, scheduler_output, intermediate_tensors)
            torch.accelerator.synchronize()
            steps.append((scheduler_output.total_num_scheduled_tokens, start, time.perf_counter() - start))
            return result

        runner.execute_model = timed
        self._longread_steps = steps

    def longread_read_clock(self) -> list[tuple[int, float, float]]:
        """(tokens, start, seconds) of each step since the last call; the start is on this process's clock."""
        steps = list(self._longread_steps)
        self._longread_steps.clear()
        return steps


def end_with_parent(grace: float = 10.0) -> None:
    """End this process at most so many seconds after its parent, if it does not end by itself.

    vLLM's workers notice the end of their engine when they ask for the next step. A worker that waits for data from
    another stage would wait forever, at full load and with the memory of its device.
    """
    threading.Thread(target=_watch, args=(os.getppid(), grace), name="longread-orphan", daemon=True).start()


def _watch(parent: int, grace: float) -> None:
    while os.getppid() == parent:
        time.sleep(_POLL)
    time.sleep(grace)
    os._exit(1)


def _with_buffers(gather: Callable[..., Any]) -> Callable[..., Any]:
    """Allocate the tensors that a stage receives into, if vLLM has not.

    vLLM allocates them when it warms up, which an eager engine on a CPU does not.
    """

    @functools.wraps(gather)
    def sync_and_gather(self: Any, num_tokens: int, intermediate_tensors: Any, sync_self: bool) -> Any:
        if self.intermediate_tensors is None:
            self.intermediate_tensors = self.model.make_empty_intermediate_tensors(
                batch_size=self.max_num_tokens, dtype=self.model_config.dtype, device=self.device
            )
        return gather(self, num_tokens, intermediate_tensors, sync_self)

    return sync_and_gather


def _or_exit(method: Callable[..., Any]) -> Callable[..., Any]:
    """End the worker, and with it the engine, on an error that vLLM would not report.

    vLLM reads the result of a step from the first rank of the last stage only, and that rank would wait for the others
    until VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS have passed. With a K/V connector vLLM reads the results of all workers.
    """

    @functools.wraps(method)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception:
            reported = get_pp_group().is_last_rank and get_tensor_model_parallel_rank() == 0
            if reported or self.vllm_config.kv_transfer_config is not None:
                raise
            logger.exception("a step failed in pipeline stage %d; its worker ends", get_pp_group().rank_in_group)
            os._exit(1)

    return step


def _sample_tokens(self: Any, grammar_output: Any) -> Any:
    return self.worker.sample_tokens(grammar_output)


_runner: Any = GPUModelRunner
_runner.sync_and_gather_intermediate_tensors = _with_buffers(_runner.sync_and_gather_intermediate_tensors)
_wrapper: Any = WorkerWrapperBase
_wrapper.execute_model = _or_exit(_wrapper.execute_model)
_wrapper.sample_tokens = _or_exit(_sample_tokens)
end_with_parent()
