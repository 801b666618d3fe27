"""Measure the step costs of an engine that is started as `launch` would start a server.

`vllm_plugin.measure_steps` measures, in a process of its own: this module imports neither torch nor vLLM.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from longread.errors import ServerError
from longread.events import ServeEvent, Starting

from ..models import catalog
from ..pipeline.cost_model import TYPICAL, WORST
from ..pipeline.step_costs import StepCosts, keep
from .command import engine_arguments, engine_environment, process_environment
from .launch import check, describe_misfit, plan_for
from .log import cause
from .options import Options
from .registry import path_of

_PROGRAM = "longread.serving.vllm_plugin.measure_steps"


def calibrate(
    model: str,
    options: Options,
    *,
    text: str | None = None,
    tolerance: tuple[float, float] = (TYPICAL, WORST),
    on_event: Callable[[ServeEvent], None] | None = None,
) -> StepCosts:
    """Measure, fit and store the step costs of a model as `options` would serve it.

    Prompts of `options.tokens` are prefilled several times, so that prefixes up to that length are measured.

    Args:
        text: the text of these prompts, repeated if it is too short. None for random tokens: dense attention takes the
            same time for any text, while sparse attention skips more of some texts than of others.
        tolerance: the largest median and maximum relative error of an acceptable fit.

    Raises:
        ModelNotFound, ModelUnusable: there is no such model, or vLLM is not installed.
        ServerError: it does not fit, it did not start, or no cost model fits its steps; nothing is stored then.
    """
    report = on_event or (lambda _: None)
    if text is not None and not text.strip():
        raise ServerError("The calibration text is empty. Give a text of the kind that the model will read.")
    check(options)
    folder = catalog.obtain(model, on_event=report)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    plan = plan_for(model, options, config)
    if plan.chosen is None:
        raise ServerError(describe_misfit(plan))
    length = plan.request.tokens - 1  # leaves one token for the answer
    task = {"name": model, "length": length, "tolerance": tolerance}
    arguments = [*engine_arguments(folder, plan, options), *options.extra]
    environment = process_environment({**engine_environment(plan), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"})
    log = path_of(model, ".calibration.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, json.dumps(task), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, env=environment,
            encoding="utf-8", errors="replace",
        ) as process,
    ):  # fmt: skip
        try:
            report(Starting(name=model, what="starting the engine", seconds=0.0))
            _write(process, text or "")
            measured = _read(process, model, log, report)
        except BaseException:
            process.terminate()
            raise
    keep(measured)
    return measured


def _write(process: Any, text: str) -> None:
    """Write to the program's standard input. `_read` reports a program that exits before it has read the text."""
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(text)


def _read(process: Any, model: str, log: Path, report: Callable[[ServeEvent], None]) -> StepCosts:
    for line in process.stdout:
        message = json.loads(line)
        if "calibration" in message:
            return StepCosts.model_validate(message["calibration"])
        if "error" in message:
            raise ServerError(message["error"])
        what = f"has read {message['tokens']:,} tokens {message['round']} times"
        report(Starting(name=model, what=what, seconds=message["seconds"]))
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    why = cause(lines).text.rstrip(".")
    raise ServerError(f"The engine of {model} exited (exit code {process.wait()}): {why}. Its log: {log}.")
