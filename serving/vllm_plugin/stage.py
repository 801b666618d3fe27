"""Of a worker of one pipeline stage: its clock, room for what the stage before it sends, its errors and its end.

vLLM mixes the class into its workers, and imports this module there alone.
"""

import functools
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from vllm.distributed.parallel_state import get_pp_group, get_tensor_model_parallel_rank
from vllm.logger import init_logger
from vllm.v1.worker.gpu_model_runner import GPUModelRunner
from vllm.v1.worker.worker_base import WorkerWrapperBase

from .names import LOGGER
from .orphan import end_with_parent

logger = init_logger(LOGGER)
_gather = GPUModelRunner.sync_and_gather_intermediate_tensors


@functools.wraps(_gather)
def _with_room(self: Any, num_tokens: int, intermediate_tensors: Any, sync_self: bool) -> Any:
    """Make the tensors that a stage receives into, where nobody has.

    vLLM makes them when it warms up, which an eager engine on a CPU does not.
    """
    if self.intermediate_tensors is None:
        self.intermediate_tensors = self.model.make_empty_intermediate_tensors(
            batch_size=self.max_num_tokens, dtype=self.model_config.dtype, device=self.device
        )
    return _gather(self, num_tokens, intermediate_tensors, sync_self)


def _or_end(method: Callable[..., Any]) -> Callable[..., Any]:
    """Have a worker end with an error that vLLM would not hear of, so that the engine ends, too.

    Of a step it hears the first rank of the last stage alone, and that one would wait for the others until
    VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS are over. With a K/V connector it hears them all.
    """

    @functools.wraps(method)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return method(self, *args, **kwargs)
        except Exception:
            heard = get_pp_group().is_last_rank and get_tensor_model_parallel_rank() == 0
            if heard or self.vllm_config.kv_transfer_config is not None:
                raise
            logger.exception("a step failed in pipeline stage %d; its worker ends", get_pp_group().rank_in_group)
            os._exit(1)

    return step


def _sample_tokens(self: Any, grammar_output: Any) -> Any:
    return self.worker.sample_tokens(grammar_output)


GPUModelRunner.sync_and_gather_intermediate_tensors = _with_room
_wrapper: Any = WorkerWrapperBase
_wrapper.execute_model = _or_end(_wrapper.execute_model)
_wrapper.sample_tokens = _or_end(_sample_tokens)
end_with_parent()


class Stage:
    """For `collective_rpc`: what a worker can be asked beside what vLLM's own can."""

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
                intermediate_tensors.wait_for_comm()  # what the stage before takes is not ours
            torch.accelerator.synchronize()
            start = time.perf_counter()
            result = execute(runner, scheduler_output, intermediate_tensors)
            torch.accelerator.synchronize()
            steps.append((scheduler_output.total_num_scheduled_tokens, start, time.perf_counter() - start))
            return result

        runner.execute_model = timed
        self._longread_steps = steps

    def longread_read_clock(self) -> list[tuple[int, float, float]]:
        """(tokens, start, seconds) of each step since this was called last; the start is on this process's clock."""
        steps = list(self._longread_steps)
        self._longread_steps.clear()
        return steps
