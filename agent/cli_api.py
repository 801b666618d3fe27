"""The command `agent api`. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import (
    ApiKey,
    Device,
    Jobs,
    Layout,
    MaxTokens,
    Model,
    NoTools,
    Ocr,
    OverflowWay,
    Server,
    Temperature,
    ToolNames,
    Ways,
    Window,
    token_count,
)
from .faults import errors

_MIB, _GIB = 1 << 20, 1 << 30


def api(
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH", help="What every request reads. May be repeated."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Where it listens.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 for any that is free.")] = 8080,
    key: Annotated[
        str | None,
        typer.Option("--key", help="What clients must send as their API key.", envvar="LONGREAD_CLIENT_KEY"),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors", metavar="ORIGIN", help="Let pages from there use it: https://example.org. May be repeated."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="DIR", help="Where clients' files are kept; a folder of the user's."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="What clients call the model; its own name if not set.")
    ] = None,
    max_answers: Annotated[int, typer.Option("--max-answers", min=1, help="Answers at once.")] = 8,
    max_prompt: Annotated[
        int | None,
        typer.Option(
            "--max-prompt",
            parser=token_count,
            metavar="TOKENS",
            help="Of one prompt, as 16K; the model's window if not set.",
        ),
    ] = None,
    max_file: Annotated[float, typer.Option("--max-file", metavar="MIB", min=0.001, help="Of one file.")] = 128,
    max_body: Annotated[
        float, typer.Option("--max-body", metavar="MIB", min=0.001, help="Of a request, files inside it included.")
    ] = 64,
    max_files: Annotated[int, typer.Option("--max-files", min=0, help="Files that are kept.")] = 1000,
    max_storage: Annotated[
        float, typer.Option("--max-storage", metavar="GIB", min=0, help="Of all files together.")
    ] = 10,
    overflow: OverflowWay = Ways.error,
    tool: ToolNames = None,
    no_tools: NoTools = False,
    server: Server = None,
    model: Model = None,
    api_key: ApiKey = None,
    window: Window = None,
    max_tokens: MaxTokens = None,
    temperature: Temperature = None,
    device: Device = None,
    layout: Layout = None,
    ocr: Ocr = None,
    jobs: Jobs = None,
) -> None:
    """Answer other programs: an OpenAI-compatible server of chat completions and files, over this machine's model.

    agent api --server http://localhost:8000/v1
    """
    with errors():
        from . import config
        from .errors import ConfigError

        settings = config.load(
            {
                "server": server, "model": model, "api_key": api_key, "window": window, "max_tokens": max_tokens,
                "temperature": temperature, "device": device, "layout": layout, "ocr": ocr, "jobs": jobs,
            },
            folder=Path.cwd(),
        )  # fmt: skip
        if key == "":
            raise ConfigError("--key is empty: that is no key. Leave it out for a server on this machine alone.")
        _need_extra()
        from .api import run
        from .api.options import Limits, Options
        from .tool_choice import ToolChoice

        options = Options(
            name=name,
            key=key,
            cors=tuple(cors or ()),
            overflow=overflow.value,
            tools=ToolChoice(tuple(tool or ()), none=no_tools),
            limits=Limits(
                answers=max_answers,
                prompt_tokens=max_prompt,
                file_bytes=int(max_file * _MIB),
                body_bytes=int(max_body * _MIB),
                files=max_files,
                storage_bytes=int(max_storage * _GIB),
            ),
        )
        run.run(settings, file or (), options, host=host, port=port, data=data)


def _need_extra() -> None:
    from importlib.util import find_spec

    from .errors import ConfigError

    if missing := [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]:
        raise ConfigError(f"agent api needs {', '.join(missing)}: pip install 'longread[api]'")
