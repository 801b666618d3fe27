"""The command line of a server: what the user asked for, the plan and the model, in vLLM's words."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import kv_disk, models
from .plan import TOOL_CALLS, Gpus, Plan, serve_arguments
from .shape import SHAPES, ModelShape
from .vllm_plugin.names import METRICS_FOLDER, SETTINGS


@dataclass(frozen=True)
class Options:
    """How a model is to be served.

    Args:
        tokens: of prompt and answer together; by default the model's window, or the longest that fits.
        gpus: those of this machine if None, or its CPU if it has none.
        sparse: None as the checkpoint says.
        kv_disk: a folder for K/V of prompts, which outlives the server.
        kv_disk_gib: what they may take there; by default, room for four prompts of the full length.
        kv_memory_gib: of main memory between GPU and disk.
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
    kv_disk_gib: float | None = None
    kv_memory_gib: float = 4.0
    timeout: float = 1800.0
    extra: tuple[str, ...] = ()


def command(folder: Path, model: str, found: Plan, options: Options, port: int) -> tuple[list[str], dict[str, str]]:
    """(arguments, environment) of the process that serves the model whose weights lie in `folder`, as planned."""
    assert found.chosen is not None
    request = found.request
    arguments = [
        "--model", str(folder), "--served-model-name", model, "--host", options.host, "--port", str(port),
        *serve_arguments(request, found.chosen), *TOOL_CALLS, "--enable-prompt-tokens-details",
    ]  # fmt: skip
    # What lies in the current folder is not to be imported: it may be called `agent`, or be an old longread.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    environment.pop(METRICS_FOLDER, None)  # of a vLLM in this process
    if request.gpus.is_cpu:
        arguments.append("--enforce-eager")  # compiling takes a minute, and gains nothing on long prompts
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
        environment.setdefault("VLLM_CPU_OMP_THREADS_BIND", ",".join(map(str, cores)))
    if (entry := models.find(model)) is not None:  # what clients that send no settings get
        arguments += ["--override-generation-config", entry.sampling.model_dump_json()]
    if options.sparse is not None:
        arguments += ["--additional-config", json.dumps({SETTINGS: {"sparse": options.sparse}})]
    if options.kv_disk is not None:
        arguments += kv_disk.transfer(options.kv_disk, folder, found, options)
    if options.api_key:
        environment["VLLM_API_KEY"] = options.api_key  # not an argument: those can be read by everyone
    # Not the `vllm` command: vllm-cpu's looks for a distribution called vllm, and dies.
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments, *options.extra], environment


def target(model: str) -> str:
    """What `vllm serve` is to be told: the hub's name, or the folder, of one in the catalogue."""
    entry = models.find(model)
    if entry is None:
        return model
    return entry.source if isinstance(entry.source, str) else str(models.installed().get(entry.name, model))


def overrides(model: str, shape: ModelShape, tokens: int, config: dict[str, Any]) -> tuple[str, ...]:
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
    if trained_shape(model):  # trained for it: Qwen3-2507, whose config.json leaves it out
        dual_chunk["original_max_position_embeddings"] = window
    overrides = {"max_position_embeddings": tokens, "dual_chunk_attention_config": dual_chunk}
    return ("--hf-overrides", json.dumps(overrides))


def trained_shape(model: str) -> ModelShape | None:
    """The shape of a model of the catalogue that reaches a million tokens."""
    entry = models.find(model)
    return next((shape for name, shape in SHAPES.items() if entry and entry.name.startswith(name)), None)
