"""Measures what the steps of an engine cost. A program of its own, which `serving.calibrate_chunking` starts:

    python -m longread.serving.vllm_plugin.measure '{"name": …, "length": …, "tolerance": …}' [arguments of vllm serve]

It reads prompts in chunks that shrink and grow, another first each time, so that all sizes meet all stretches of a
prompt, after a prefix that was written as any other; and has the workers time their steps. Prompts are of the text on
standard input; if there is none, of random tokens. It prints lines of JSON: how far it is, and at last the calibration.
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

from ..costs import TYPICAL, WORST, CostModel, Pipeline, Sample
from ..errors import LongreadError
from ..measuring import Step, Turns, accompanied, chunk_sizes, prompts, samples, stage_steps, transfer
from ..step_costs import Calibration
from .engine import engine_of, limits_of, sparse_from
from .names import SCHEDULERS, STAGE

_ENOUGH, _LEAST, _ROUNDS = 24, 8, 6
"""Steps of each regime that are wanted, and those that are needed; prompts that are read for them at most."""
_CHARACTERS = 8
"""Of a token, at most: more of a long text need not be encoded."""
_TURN = 7
"""By how many chunks the order of one prompt is shifted against the one before."""
_SECONDS = 120.0
"""After this long, those that are needed are enough."""


def tokens_of(engine: Any, text: str, length: int) -> list[int]:
    """As many tokens of a text as prompts of this length may be made of; none if it is empty."""
    if not text:
        return []
    found = engine.get_tokenizer().encode(text[: length * _ROUNDS * _CHARACTERS], add_special_tokens=False)
    if not found:
        raise LongreadError("the model's tokenizer makes nothing of the text to calibrate with: give another")
    return found


def read(engine: Any, sizes: Sequence[int], prompt: Sequence[int]) -> list[list[Step]]:
    """Read a prompt in chunks of these sizes by turns. -> the steps of each stage"""
    turns = Turns(sizes)
    engine.engine_core.engine_core.scheduler.chunks = turns
    sampling = SamplingParams(temperature=0, max_tokens=1, ignore_eos=True, detokenize=False)
    engine.add_request("prompt", {"prompt_token_ids": list(prompt)}, sampling)
    while engine.has_unfinished_requests():
        engine.step()
    return steps(engine, turns.read)


def steps(engine: Any, read: Sequence[tuple[int, int]]) -> list[list[Step]]:
    """What the workers' clocks say of each stage's last steps, which began by reading these (prefix, chunk)."""
    workers = engine.collective_rpc("longread_read_clock")
    tp = engine.vllm_config.parallel_config.tensor_parallel_size
    return [stage_steps(read, workers[first : first + tp]) for first in range(0, len(workers), tp)]


def main() -> None:
    asked = json.loads(sys.argv[1])
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # vLLM logs to standard output

    def tell(**values: object) -> None:
        print(json.dumps(values), file=lines, flush=True)

    try:
        found = measured(
            asked["name"],
            asked["length"],
            asked["tolerance"],
            sys.argv[2:],
            tell,
            text=sys.stdin.buffer.read().decode(),
        )
        tell(calibration=found.model_dump(mode="json"))
    except LongreadError as error:
        tell(error=str(error))


def measured(
    name: str,
    length: int,
    tolerance: tuple[float, float],
    arguments: Sequence[str],
    tell: Callable[..., None],
    *,
    text: str = "",
) -> Calibration:
    """Start an engine with these arguments of `vllm serve`, and measure it.

    Raises:
        PoorFit: the steps follow no cost model.
    """
    began = time.monotonic()
    parser: Any = EngineArgs.add_cli_args(FlexibleArgumentParser())
    given = EngineArgs.from_cli_args(parser.parse_args(list(arguments)))
    if given.pipeline_parallel_size == 1:  # has neither by itself
        given.scheduler_cls, given.async_scheduling, given.worker_extension_cls = SCHEDULERS[0], False, STAGE
    engine: Any = LLMEngine.from_engine_args(given)

    def read_again(rounds: int) -> None:
        tell(round=rounds, tokens=length, seconds=time.monotonic() - began)

    try:
        return calibration(engine, name, length, read_again, tolerance=tolerance, text=text)
    finally:
        engine.engine_core.shutdown()


def calibration(
    engine: Any,
    name: str,
    length: int,
    on_round: Callable[[int], None],
    *,
    most: int = _ROUNDS,
    tolerance: tuple[float, float] = (TYPICAL, WORST),
    text: str = "",
) -> Calibration:
    """Measure an engine that runs in this process, with prompts of so many tokens, read `most` times at most.

    Args:
        tolerance: errors of the fit, in the median and at worst, up to which it is accepted.
        text: what the prompts are of, repeated if it is too short; random tokens if it is empty.

    Raises:
        PoorFit: the steps follow no cost model.
    """
    config = engine.vllm_config
    sparse, most_tokens = sparse_from(config), config.scheduler_config.max_num_batched_tokens
    least = limits_of(config, most_tokens).alignment
    sizes = chunk_sizes(most_tokens, least, length, sparse)
    engine.collective_rpc("longread_start_clock")
    each = sorted(set(sizes))
    written = tokens_of(engine, text, length)
    prompt = prompts(written, config.model_config.get_vocab_size(), length, 1 + _ROUNDS)  # the first to warm up
    read(engine, each, next(prompt)[: sum(each)])
    rounds: list[list[list[Step]]] = []
    stages: list[list[Sample]] = []
    start, fewest = time.monotonic(), 0
    while len(rounds) < most and fewest < (_ENOUGH if time.monotonic() - start < _SECONDS else _LEAST):
        turned = len(rounds) * _TURN % len(sizes)
        rounds.append(read(engine, sizes[turned:] + sizes[:turned], next(prompt)))
        timed = map(accompanied, rounds) if current_platform.is_cpu() else rounds
        stages = [samples(chain(*one), sparse, least) for one in zip(*timed, strict=True)]
        fewest = min(sum(one.sparse is regime for one in stages[0]) for regime in {False, sparse is not None})
        on_round(len(rounds))
    threshold, least_queries = sparse or (0, 0)
    fitted = [
        CostModel.fit(one, threshold=threshold, least_queries=least_queries, typical=tolerance[0], worst=tolerance[1])
        for one in stages
    ]
    pipeline = Pipeline(stages=tuple(fitted), transfer=transfer(rounds))
    return Calibration(
        engine=engine_of(config),
        name=name,
        pipeline=pipeline,
        samples=tuple(tuple(one) for one in stages),
        text=len(written),
    )


if __name__ == "__main__":
    main()
