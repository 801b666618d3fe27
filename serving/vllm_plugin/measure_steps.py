"""Measures the step costs of an engine. A program, which `serving.vllm_server.calibrate_steps` starts:

    python -m longread.serving.vllm_plugin.measure_steps \\
        '{"name": …, "length": …, "tolerance": …}' [arguments of vllm serve]

It reads prompts in chunks that shrink and grow, in another order each time, so that every size occurs after prefixes of
all lengths; and the workers time their steps. The prompts are made of the text on standard input, or of random tokens
if it is empty. The program prints lines of JSON: its progress, and at the end the step costs.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

from vllm.engine.arg_utils import EngineArgs
from vllm.platforms import current_platform
from vllm.sampling_params import SamplingParams
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine.llm_engine import LLMEngine

from longread.errors import LongreadError

from ..pipeline.cost_model import TYPICAL, WORST, CostModel, Pipeline, Sample
from ..pipeline.measurement import (
    FixedSizes,
    Step,
    chunk_sizes,
    concurrent_steps,
    prompts,
    samples,
    stage_steps,
    transfer,
)
from ..pipeline.step_costs import StepCosts
from .constants import SCHEDULERS, STAGE
from .engine_key import engine_of, limits_of, sparse_from

_ENOUGH, _LEAST, _ROUNDS = 24, 8, 6
"""Steps of each regime to measure, the least number of them, and the most prompts to read for them."""
_CHARACTERS = 8
"""The most characters of a token: the rest of a long text is not encoded."""
_SHIFT = 7
"""The number of chunks by which the order is rotated from one prompt to the next."""
_SECONDS = 120.0
"""After this time the least number of steps is enough."""


def tokens_of(engine: Any, text: str, length: int) -> list[int]:
    """The tokens of a text that prompts of this length can use; none if it is empty."""
    if not text:
        return []
    found = engine.get_tokenizer().encode(text[: length * _ROUNDS * _CHARACTERS], add_special_tokens=False)
    if not found:
        raise LongreadError("The model's tokenizer gives no tokens for the calibration text. Use another text.")
    return found


def read(engine: Any, sizes: Sequence[int], prompt: Sequence[int]) -> list[list[Step]]:
    """Read a prompt in chunks of these sizes in turn. -> the steps of each stage"""
    chunks = FixedSizes(sizes)
    engine.engine_core.engine_core.scheduler.chunks = chunks
    sampling = SamplingParams(temperature=0, max_tokens=1, ignore_eos=True, detokenize=False)
    engine.add_request("prompt", {"prompt_token_ids": list(prompt)}, sampling)
    while engine.has_unfinished_requests():
        engine.step()
    return steps(engine, chunks.read)


def steps(engine: Any, read: Sequence[tuple[int, int]]) -> list[list[Step]]:
    """The last steps of each stage from the workers' clocks. `read` has the (prefix, chunk) of the first ones."""
    workers = engine.collective_rpc("longread_read_clock")
    tp = engine.vllm_config.parallel_config.tensor_parallel_size
    return [stage_steps(read, workers[first : first + tp]) for first in range(0, len(workers), tp)]


def main() -> None:
    task = json.loads(sys.argv[1])
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # vLLM logs to standard output

    def report(**values: object) -> None:
        print(json.dumps(values), file=lines, flush=True)

    try:
        found = measure(
            task["name"],
            task["length"],
            task["tolerance"],
            sys.argv[2:],
            report,
            text=sys.stdin.buffer.read().decode(),
        )
        report(calibration=found.model_dump(mode="json"))
    except LongreadError as error:
        report(error=str(error))


def measure(
    name: str,
    length: int,
    tolerance: tuple[float, float],
    arguments: Sequence[str],
    report: Callable[..., None],
    *,
    text: str = "",
) -> StepCosts:
    """Start an engine with these arguments of `vllm serve`, and measure it.

    Raises:
        PoorFit: no cost model fits the steps.
    """
    began = time.monotonic()
    parser: Any = EngineArgs.add_cli_args(FlexibleArgumentParser())
    given = EngineArgs.from_cli_args(parser.parse_args(list(arguments)))
    if given.pipeline_parallel_size == 1:  # the plug-in sets them for several stages only
        given.scheduler_cls, given.async_scheduling, given.worker_extension_cls = SCHEDULERS[0], False, STAGE
    engine: Any = LLMEngine.from_engine_args(given)

    def report_round(rounds: int) -> None:
        report(round=rounds, tokens=length, seconds=time.monotonic() - began)

    try:
        return measure_engine(engine, name, length, report_round, tolerance=tolerance, text=text)
    finally:
        engine.engine_core.shutdown()


def measure_engine(
    engine: Any,
    name: str,
    length: int,
    on_round: Callable[[int], None],
    *,
    most: int = _ROUNDS,
    tolerance: tuple[float, float] = (TYPICAL, WORST),
    text: str = "",
) -> StepCosts:
    """Measure an engine that runs in this process, with up to `most` prompts of `length` tokens.

    Args:
        tolerance: the median and the worst error up to which a fit is accepted.
        text: the text of the prompts, repeated if it is too short; if it is empty, they are random tokens.

    Raises:
        PoorFit: no cost model fits the steps.
    """
    config = engine.vllm_config
    sparse, most_tokens = sparse_from(config), config.scheduler_config.max_num_batched_tokens
    least = limits_of(config, most_tokens).alignment
    sizes = chunk_sizes(most_tokens, least, length, sparse)
    engine.collective_rpc("longread_start_clock")
    each = sorted(set(sizes))
    text_tokens = tokens_of(engine, text, length)
    prompt = prompts(text_tokens, config.model_config.get_vocab_size(), length, 1 + _ROUNDS)  # the first one warms up
    read(engine, each, next(prompt)[: sum(each)])
    rounds: list[list[list[Step]]] = []
    stages: list[list[Sample]] = []
    start, fewest = time.monotonic(), 0
    while len(rounds) < most and fewest < (_ENOUGH if time.monotonic() - start < _SECONDS else _LEAST):
        first = len(rounds) * _SHIFT % len(sizes)
        rounds.append(read(engine, sizes[first:] + sizes[:first], next(prompt)))
        timed = map(concurrent_steps, rounds) if current_platform.is_cpu() else rounds
        stages = [samples(chain(*one), sparse, least) for one in zip(*timed, strict=True)]
        fewest = min(sum(one.sparse is regime for one in stages[0]) for regime in {False, sparse is not None})
        on_round(len(rounds))
    threshold, least_queries = sparse or (0, 0)
    fitted = [
        CostModel.fit(one, threshold=threshold, least_queries=least_queries, typical=tolerance[0], worst=tolerance[1])
        for one in stages
    ]
    pipeline = Pipeline(stages=tuple(fitted), transfer=transfer(rounds))
    return StepCosts(
        engine=engine_of(config),
        name=name,
        pipeline=pipeline,
        samples=tuple(tuple(one) for one in stages),
        text=len(text_tokens),
    )


if __name__ == "__main__":
    main()
