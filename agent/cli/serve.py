"""`agent plan` and `agent serve`: what a model takes on some GPUs, and vLLM servers on this machine."""

from typing import Annotated

import typer

from .exit_codes import exit_on_error
from .serving_options import (
    Chunk,
    ChunkingMode,
    Fp8Kv,
    Fp8Weights,
    GpuSpec,
    Host,
    KvDisk,
    KvDiskSize,
    KvMemory,
    ModelName,
    Port,
    Pp,
    ServerKey,
    Sparse,
    Tokens,
    Tp,
    server_options,
)


def plan(
    context: typer.Context,
    model: ModelName,
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    tp: Tp = None,
    pp: Pp = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    chunking: ChunkingMode = "equal-time",
    sparse: Sparse = None,
    host: Host = "127.0.0.1",
    port: Port = None,
    api_key: ServerKey = None,
    kv_disk: KvDisk = None,
    kv_disk_size: KvDiskSize = None,
    kv_memory: KvMemory = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan as JSON.")] = False,
) -> None:
    """Show the memory a model takes on some GPUs, and the command that agent serve runs with the same options.

    Nothing is started. The exit code is 1 if the model does not fit. Arguments after -- are passed to vLLM.

    agent plan qwen2.5-7b-1m --tokens 1000000 --gpus 4xH100-80
    """
    with exit_on_error():
        from longread.serving.models.catalog import local_folder
        from longread.serving.vllm_server.command import server_commands
        from longread.serving.vllm_server.launch import check_access, plan_for

        from . import plan_view

        options = server_options(
            tokens=tokens, gpus=gpus, chunk=chunk, tp=tp, pp=pp, chunking=chunking, fp8_weights=fp8_weights,
            fp8_kv=fp8_kv, sparse=sparse, host=host, port=port, api_key=api_key, kv_disk=kv_disk,
            kv_disk_gib=kv_disk_size, kv_memory_gib=kv_memory, extra=context.args,
        )  # fmt: skip
        check_access(options)
        found = plan_for(model, options)
        commands = server_commands(found, options, folder=local_folder(model))
        print(plan_view.as_json(found, commands)) if as_json else plan_view.show(found, commands)
        raise typer.Exit(0 if found.chosen else 1)


def serve(
    context: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A name in the catalogue (agent models lists it), a folder, a GGUF file or a Hugging Face id.",
        ),
    ] = None,
    tokens: Tokens = None,
    gpus: GpuSpec = None,
    chunk: Chunk = None,
    tp: Tp = None,
    pp: Pp = None,
    fp8_weights: Fp8Weights = False,
    fp8_kv: Fp8Kv = False,
    chunking: ChunkingMode = "equal-time",
    sparse: Sparse = None,
    host: Host = "127.0.0.1",
    port: Port = None,
    api_key: ServerKey = None,
    kv_disk: KvDisk = None,
    kv_disk_size: KvDiskSize = None,
    kv_memory: KvMemory = None,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the server of MODEL, or the only one.")] = False,
    status: Annotated[bool, typer.Option("--status", help="List the running servers.")] = False,
) -> None:
    """Serve a model with vLLM in the background. agent chat and agent ask find the server.

    Arguments after -- are passed to vLLM.

    agent serve qwen2.5-7b-1m --tokens 1000000
    """
    with exit_on_error():
        from . import server_view

        if status:
            server_view.show_servers()
            return
        if stop:
            stop_server(model)
            return
        if model is None:
            raise typer.BadParameter("name the model to serve: agent models lists them.", param_hint="MODEL")
        from longread.serving.vllm_server.launch import launch

        from .progress import ModelProgress

        options = server_options(
            tokens=tokens, gpus=gpus, chunk=chunk, tp=tp, pp=pp, chunking=chunking, fp8_weights=fp8_weights,
            fp8_kv=fp8_kv, sparse=sparse, host=host, port=port, api_key=api_key, kv_disk=kv_disk,
            kv_disk_gib=kv_disk_size, kv_memory_gib=kv_memory, extra=context.args,
        )  # fmt: skip
        with ModelProgress() as show:
            server = launch(model, options, on_event=show)
        server_view.show_server(server)


def stop_server(model: str | None) -> None:
    """Stop a server, or the only one, with the processes that a killed server left behind.

    Raises:
        ServerError: there is none, or no model is named and there are several.
    """
    from longread.errors import ServerError
    from longread.serving.vllm_server import registry

    from .console import note

    server = registry.find(model)
    if server is not None:
        registry.stop(server)
        note(f"stopped {server.model}")
        return
    exited = registry.exited_servers(model)
    for server in exited:
        registry.stop(server)
        note(f"{server.model} had exited: {server.exit_reason()}")
    if not exited:
        raise ServerError(f"No server of {model} is running here." if model else "No server is running here.")
