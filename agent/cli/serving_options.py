"""Options that the commands around `agent serve` share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from .options import token_count

if TYPE_CHECKING:
    from longread.serving.vllm_server.options import Options

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A name in the catalogue (agent models lists it), a folder, a GGUF file or a Hugging Face id.",
    ),
]

Tokens = Annotated[
    int | None,
    typer.Option(
        "--tokens",
        parser=token_count,
        metavar="TOKENS",
        help="Length of prompt and answer together, e.g. 131072, 128K or 1M. Default: the model's window, or the "
        "longest that fits.",
    ),
]

GpuSpec = Annotated[
    str | None,
    typer.Option(
        "--gpus",
        metavar="4xH100-80",
        help="GPUs, e.g. 4xH100-80, or 2x8xH100-80 for two nodes of eight. Default: those of this machine.",
    ),
]

Chunk = Annotated[
    int | None,
    typer.Option(
        "--chunk",
        parser=token_count,
        metavar="TOKENS",
        help="Maximum number of tokens that are prefilled at once. Default: the largest chunk that fits.",
    ),
]

Tp = Annotated[int | None, typer.Option("--tp", min=1, help="Tensor parallel size. Default: the best for the GPUs.")]

Pp = Annotated[
    int | None, typer.Option("--pp", min=1, help="Number of pipeline stages. Default: the best for the GPUs.")
]

Fp8Weights = Annotated[bool, typer.Option("--fp8-weights", help="Store the weights in 8 bits.")]

Fp8Kv = Annotated[bool, typer.Option("--fp8-kv", help="Store the K/V cache in 8 bits.")]

Sparse = Annotated[
    bool | None,
    typer.Option("--sparse/--no-sparse", help="Sparse or dense prefill. Default: as the checkpoint sets it."),
]

ChunkingMode = Annotated[
    str,
    typer.Option(
        "--chunking",
        metavar="MODE",
        help="How prompts are split for pipeline stages: equal-time, or fixed:2048 for chunks of 2,048 tokens.",
    ),
]

Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]

Port = Annotated[
    int | None,
    typer.Option(
        "--port", min=1, max=65535, help="Port to listen on. Default: 8000 if it is free, or else any free port."
    ),
]

ServerKey = Annotated[
    str | None, typer.Option("--api-key", help="API key that clients must send.", envvar="LONGREAD_API_KEY")
]

KvDisk = Annotated[
    Path | None,
    typer.Option("--kv-disk", metavar="FOLDER", help="Keep the K/V of prompts in this folder across restarts."),
]

KvDiskSize = Annotated[
    float | None,
    typer.Option(
        "--kv-disk-size",
        metavar="GIB",
        min=0,
        help="Maximum size of the --kv-disk folder. Default: four prompts of the full length.",
    ),
]

KvMemory = Annotated[
    float | None,
    typer.Option(
        "--kv-memory", metavar="GIB", min=0, help="Main memory between GPU and disk, with --kv-disk. Default: 4."
    ),
]


class VllmCommand(TyperCommand):
    """A command whose arguments after `--` are left in `context.args`, for vLLM. Other extra arguments are errors."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        super().parse_args(ctx, args[:end])
        ctx.args = args[end + 1 :]
        return ctx.args

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [*super().collect_usage_pieces(ctx), "[-- VLLM_ARGUMENTS...]"]


def server_options(*, gpus: str | None, chunking: str = "equal-time", extra: list[str], **values: Any) -> "Options":
    """The options of a server, from those of a command."""
    from longread.serving.planning.gpus import Gpus
    from longread.serving.vllm_server.options import Chunking, Options

    mode = Chunking.parse(chunking)
    for option, name in (("--kv-disk-size", "kv_disk_gib"), ("--kv-memory", "kv_memory_gib")):
        if values.get(name) is None:
            values.pop(name, None)  # the default of `Options`
        elif values["kv_disk"] is None:
            raise typer.BadParameter("it has no effect without --kv-disk.", param_hint=option)
    if mode.size is not None and values.get("chunk") is not None:
        raise typer.BadParameter(f"it has no effect with --chunking {chunking}.", param_hint="--chunk")
    return Options(gpus=Gpus.parse(gpus) if gpus else None, chunking=mode, extra=tuple(extra), **values)
