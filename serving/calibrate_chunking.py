"""Measure what the steps of an engine cost, on the engine that will run: started as `launch` would start a server.

The measuring itself is `vllm_plugin.measure`, in a process of its own; nothing here imports torch or vLLM.
"""

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import models
from .command import Options, engine_arguments, engine_environment
from .costs import TYPICAL, WORST
from .errors import ServerError
from .events import ServeEvent, Starting
from .launch import check, does_not_fit, plan_for
from .served import path_of
from .server_log import cause
from .step_costs import Calibration, keep

_PROGRAM = "longread.serving.vllm_plugin.measure"


def calibrate(
    model: str,
    options: Options,
    *,
    text: str | None = None,
    tolerance: tuple[float, float] = (TYPICAL, WORST),
    on_event: Callable[[ServeEvent], None] | None = None,
) -> Calibration:
    """Measure, fit and keep the step costs of a model as `options` would serve it.

    Prompts of `options.tokens` are read several times: so long are the prefixes that are measured.

    Args:
        text: what these prompts are of, repeated if it is too short. None is random tokens, which dense attention reads
            like any other; sparse attention leaves out more of some texts than of others.
        tolerance: relative errors of the fit, in the median and at worst, up to which it is accepted.

    Raises:
        ModelNotFound, ModelUnusable: no such model, or vLLM is missing.
        ServerError: it does not fit, it did not come up, or its steps follow no cost model; nothing is kept then.
    """
    report = on_event or (lambda _: None)
    if text is not None and not text.strip():
        raise ServerError("the text to calibrate with is empty: give one of the kind that the model will read")
    check(options)
    folder = models.obtain(model, on_event=report)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = plan_for(model, options, config)
    if found.chosen is None:
        raise ServerError(does_not_fit(found))
    length = found.request.tokens - 1  # one token is answered
    asked = {"name": model, "length": length, "tolerance": tolerance}
    arguments = [*engine_arguments(folder, found, options), *options.extra]
    environment = {**engine_environment(found), "VLLM_ENABLE_V1_MULTIPROCESSING": "0"}
    log = path_of(model, ".calibration.log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", _PROGRAM, json.dumps(asked), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, env=environment,
            encoding="utf-8", errors="replace",
        ) as process,
    ):  # fmt: skip
        try:
            report(Starting(name=model, what="starting the engine", seconds=0.0))
            _give(process, text or "")
            measured = _watch(process, model, log, report)
        except BaseException:
            process.terminate()
            raise
    keep(measured)
    return measured


def _give(process: Any, text: str) -> None:
    """Write it to the program's standard input; one that ended before it read this is found by `_watch`."""
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(text)


def _watch(process: Any, model: str, log: Path, report: Callable[[ServeEvent], None]) -> Calibration:
    for line in process.stdout:
        told = json.loads(line)
        if "calibration" in told:
            return Calibration.model_validate(told["calibration"])
        if "error" in told:
            raise ServerError(told["error"])
        what = f"has read {told['tokens']:,} tokens {told['round']} times"
        report(Starting(name=model, what=what, seconds=told["seconds"]))
    lines = log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    raise ServerError(
        f"the engine of {model} ended (exit code {process.wait()}): {cause(lines).text.rstrip('.')}. Its log: {log}"
    )
