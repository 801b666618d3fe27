"""The commands around `agent serve`. Nothing heavy is imported before one runs."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import token_count
from .faults import errors

Tokens = Annotated[
    int | None,
    typer.Option(
        "--tokens",
        parser=token_count,
        metavar="TOKENS",
        help="Of prompt and answer together, as 131072, 128K or 1M; the model's window if not set.",
    ),
]
GpuSpec = Annotated[
    str | None,
    typer.Option(
        "--gpus", metavar="4xH100-80", help="GPUs, as 4xH100-80, or 2x8xH100-80 for two nodes; these if not set."
    ),
]
Chunk = Annotated[
    int | None,
    typer.Option(
        "--chunk",
        parser=token_count,
        metavar="TOKENS",
        help="Most of a prompt that is read at a time; what fits if not set.",
    ),
]
Tp = Annotated[int | None, typer.Option("--tp", min=1, help="GPUs that share out heads; as is best if not set.")]
Pp = Annotated[
    int | None, typer.Option("--pp", min=1, help="Pipeline stages that share out layers; as is best if not set.")
]
Cut = Annotated[
    str,
    typer.Option(
        "--chunking", metavar="WAY", help="How prompts are cut for pipeline stages: equal-time, or fixed:2048."
    ),
]
Fp8Weights = Annotated[bool, typer.Option("--fp8-weights", help="Keep the weights in 8 bits.")]
Fp8Kv = Annotated[bool, typer.Option("--fp8-kv", help="Keep the K/V cache in 8 bits.")]

Sparse = Annotated[
    bool | None, typer.Option("--sparse/--no-sparse", help="Sparse prefill; as the checkpoint says if not set.")
]


def plan(
    model: Annotated[str, typer.Argument(help="A name in the catalogue, a folder or a hub id.")],
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    tp: Tp = None,
    pp: Pp = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Work out what a model and a length take, and how to serve them. Exit code 1: it does not fit.

    agent plan qwen2.5-7b-1m --tokens 1000000 --gpus 4xH100-80
    """
    with errors():
        from ..serving.launch import Options, plan_for
        from ..serving.plan import Gpus
        from . import serving_view

        options = Options(
            tokens=tokens, gpus=Gpus.parse(gpus) if gpus else None, chunk=chunk, tp=tp, pp=pp, fp8_weights=fp8_weights,
            fp8_kv=fp8_kv,
        )  # fmt: skip
        found = plan_for(model, options)
        print(serving_view.plan_as_json(found)) if as_json else serving_view.show_plan(found)
        raise typer.Exit(0 if found.chosen else 1)


def serve(
    context: typer.Context,
    model: Annotated[str | None, typer.Argument(help="A name in the catalogue, a folder or a hub id.")] = None,
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    tp: Tp = None,
    pp: Pp = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    chunking: Cut = "equal-time",
    sparse: Sparse = None,
    host: Annotated[str, typer.Option("--host", help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", help="8000 if it is free, else any.")] = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", help="What clients must send.", envvar="LONGREAD_API_KEY")
    ] = None,
    kv_disk: Annotated[
        Path | None, typer.Option("--kv-disk", help="A folder for the K/V of prompts, which outlives the server.")
    ] = None,
    kv_disk_size: Annotated[
        float | None,
        typer.Option(
            "--kv-disk-size", metavar="GIB", min=0, help="What it may take; four of the longest prompts if not set."
        ),
    ] = None,
    kv_memory: Annotated[
        float, typer.Option("--kv-memory", help="GiB of main memory between GPU and disk, with --kv-disk.")
    ] = 4.0,
    stop: Annotated[bool, typer.Option("--stop", help="End the server.")] = False,
    status: Annotated[bool, typer.Option("--status", help="List the servers that run.")] = False,
) -> None:
    """Serve a model with vLLM, in the background. agent chat finds it. What follows -- goes to vLLM as it is.

    agent serve qwen2.5-7b-1m --tokens 1000000
    """
    with errors():
        from ..serving import launch, served
        from ..serving.command import Chunking
        from ..serving.plan import Gpus
        from . import bars, serving_view

        if status:
            serving_view.show_all(served.running(), served.ended())
            return
        if stop:
            serving_view.stop(model)
            return
        if model is None:
            raise typer.BadParameter("say which model to serve: agent models lists them.")
        options = launch.Options(
            tokens=tokens, gpus=Gpus.parse(gpus) if gpus else None, chunk=chunk, tp=tp, pp=pp,
            chunking=Chunking.parse(chunking), fp8_weights=fp8_weights, fp8_kv=fp8_kv, sparse=sparse, host=host,
            port=port, api_key=api_key, kv_disk=kv_disk, kv_disk_gib=kv_disk_size, kv_memory_gib=kv_memory,
            extra=tuple(context.args),
        )  # fmt: skip
        with bars.Preparing() as show:
            found = launch.launch(model, options, on_event=show)
        serving_view.show_served(found)
