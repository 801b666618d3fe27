"""`agent api`: an OpenAI-compatible server for other programs."""

import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .exit_codes import exit_on_error
from .options import (
    MODEL_SETTINGS,
    READING_SETTINGS,
    NoTools,
    Overflow,
    OverflowMode,
    ToolNames,
    token_count,
    with_settings,
)

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from ..api.file_store import FileStore
    from ..api.options import ApiOptions
    from .config import Config

_GRACE = 5
"""Seconds that running answers have to finish when the server is stopped."""
_MIB, _GIB = 1 << 20, 1 << 30


@with_settings(MODEL_SETTINGS, READING_SETTINGS)
def api(
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH", help="File that every request can use. Can be repeated."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8080,
    key: Annotated[
        str | None,
        typer.Option("--key", help="API key that clients must send.", envvar="LONGREAD_CLIENT_KEY"),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(
            "--cors",
            metavar="ORIGIN",
            help="Allow web pages of this origin to use the API, e.g. https://example.org. Can be repeated.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", metavar="FOLDER", help="Folder for uploaded files. Default: a folder of the user's."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the model for clients. Default: the model's own name.")
    ] = None,
    max_answers: Annotated[int, typer.Option("--max-answers", min=1, help="Maximum number of concurrent answers.")] = 8,
    max_prompt: Annotated[
        int | None,
        typer.Option(
            "--max-prompt",
            parser=token_count,
            metavar="TOKENS",
            help="Maximum length of a prompt, e.g. 16K. Default: the model's window.",
        ),
    ] = None,
    max_file: Annotated[
        float, typer.Option("--max-file", metavar="MIB", min=0.001, help="Maximum size of an uploaded file.")
    ] = 128,
    max_body: Annotated[
        float,
        typer.Option(
            "--max-body", metavar="MIB", min=0.001, help="Maximum size of a request, including the files in it."
        ),
    ] = 64,
    max_files: Annotated[int, typer.Option("--max-files", min=0, help="Maximum number of uploaded files.")] = 1000,
    max_storage: Annotated[
        float, typer.Option("--max-storage", metavar="GIB", min=0, help="Maximum size of all uploaded files.")
    ] = 10,
    overflow: Overflow = OverflowMode.error,
    tool: ToolNames = None,
    no_tools: NoTools = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Run an OpenAI-compatible server of chat completions and files.

    agent api --server http://localhost:8000/v1
    """
    with exit_on_error():
        from longread.errors import ConfigError

        from .config import load

        config = load(settings)
        if key == "":
            raise ConfigError("--key is empty. Leave it out for a server on this machine alone.")
        _check_packages()
        from ..api.options import ApiLimits, ApiOptions
        from ..tool_selection import ToolChoice

        options = ApiOptions(
            name=name,
            key=key,
            cors=tuple(cors or ()),
            overflow=overflow.value,
            tools=ToolChoice(tuple(tool or ()), none=no_tools),
            limits=ApiLimits(
                answers=max_answers,
                prompt_tokens=max_prompt,
                file_bytes=int(max_file * _MIB),
                body_bytes=int(max_body * _MIB),
                files=max_files,
                storage_bytes=int(max_storage * _GIB),
            ),
        )
        run(config, file or (), options, host=host, port=port, data=data)


def run(
    config: "Config", files: Sequence[str], options: "ApiOptions", *, host: str, port: int, data: Path | None
) -> None:
    """Serve until a signal stops the server.

    Raises:
        LongreadError: a setting is invalid, a file cannot be read, or the model is not available.
    """
    from ..api.file_store import FileStore, default_folder
    from ..corpus.sources import check_existence
    from .console import note

    check(options, host)
    check_existence(files)
    with (
        closing(listen(host, port)) as listening,
        closing(FileStore(data or default_folder(), options.limits)) as store,
    ):
        app, name = application(config, files, options, store)
        shown = f"[{host}]" if ":" in host else host
        note(f"{name} answers at http://{shown}:{listening.getsockname()[1]}/v1; Ctrl-C stops the server")
        server(app).run(sockets=[listening])


def check(options: "ApiOptions", host: str) -> None:
    """Raise ConfigError for tools that cannot be used, and for a server that anyone could use."""
    from longread.errors import ConfigError

    from ..api.middleware import LOOPBACK

    options.tools.check()
    if host not in LOOPBACK and options.key is None:
        raise ConfigError(
            f"A server on {host} can be reached from other machines: give clients a key with --key or "
            "LONGREAD_CLIENT_KEY."
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ConfigError: the address or the port cannot be used.
    """
    from longread.errors import ConfigError

    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"{host}, port {port}: {error.strerror or error}. Choose another with --host or --port."
        ) from error


def application(
    config: "Config", files: Sequence[str], options: "ApiOptions", store: "FileStore"
) -> "tuple[FastAPI, str]":
    """The application for the settings, and the name of its model."""
    from ..api.app import create_app
    from ..llm.protocol import capabilities
    from .setup import load_corpus, load_model, load_options, with_running_server

    config = with_running_server(config)
    settings = config.settings
    model = load_model(config)
    corpus = load_corpus(settings, files, tokenizer=capabilities(model).tokenizer) if files else None
    load = load_options(settings, cache=False)  # the cache would keep the text of files that clients have deleted
    options = options.model_copy(
        update={
            "window": settings.window,
            "max_tokens": settings.max_tokens,
            "vision": settings.vision,
            "load": load,
        }
    )
    return create_app(model, store, corpus=corpus, options=options), options.name or model.model


def server(app: "FastAPI") -> "uvicorn.Server":
    """The server that runs the application, with one log line for each request on standard error."""
    import uvicorn

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log = logging.getLogger("longread.api")
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_GRACE,
        )
    )


def _check_packages() -> None:
    from importlib.util import find_spec

    from longread.errors import ConfigError

    if missing := [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]:
        raise ConfigError(f"agent api needs {', '.join(missing)}. Run pip install 'longread[api]'.")
