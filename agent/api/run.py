"""`agent api`: settings to a server that listens."""

import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .. import assemble, bars, terminal
from ..config import Config
from ..corpus import LoadOptions
from ..corpus.sources import check_existence
from ..errors import ConfigError, without_login
from .guard import LOOPBACK
from .options import Options

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from .files import FileStore

_GRACE = 5
"""Seconds that answers under way are given when the server is told to end."""


def run(config: Config, files: Sequence[str], options: Options, *, host: str, port: int, data: Path | None) -> None:
    """Serve until a signal ends it.

    Raises:
        LongreadError: a setting cannot be used, a file not be read, or the model not be had.
    """
    check(options, host)
    check_existence(files)
    from .files import FileStore, default_folder

    with (
        closing(listen(host, port)) as listening,
        closing(FileStore(data or default_folder(), options.limits)) as store,
    ):
        app, name = application(config, files, options, store)
        shown = f"[{host}]" if ":" in host else host
        terminal.note(f"{name} answers at http://{shown}:{listening.getsockname()[1]}/v1; Ctrl-C ends it")
        server(app).run(sockets=[listening])


def check(options: Options, host: str) -> None:
    """Raises ConfigError for a server that would be open to others."""
    options.tools.check()
    if host not in LOOPBACK and options.key is None:
        raise ConfigError(
            f"A server on {host} can be reached from other machines: give clients a key with --key or "
            "LONGREAD_CLIENT_KEY."
        )


def listen(host: str, port: int) -> socket.socket:
    """Raises ConfigError where nothing can listen."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"{host}, port {port}: {error.strerror or error}. Give another with --host or --port."
        ) from error


def application(config: Config, files: Sequence[str], options: Options, store: "FileStore") -> "tuple[FastAPI, str]":
    """The application for the settings, and the name of its model."""
    config = assemble.with_running_server(config)
    settings = config.settings
    if settings.server and not config.origins["server"].startswith("flag"):
        terminal.note(f"the model is at {without_login(settings.server)} ({config.origins['server']})")
    from ..llm.choose import chat_model
    from .app import create_app

    with bars.Preparing() as show:
        model = chat_model(assemble.llm(settings, on_event=show))
    corpus = assemble.corpus(settings, files, tokenizer=getattr(model, "tokenizer", None)) if files else None
    options = options.model_copy(
        update={"window": settings.window, "max_tokens": settings.max_tokens, "load": _load(config)}
    )
    return create_app(model, store, corpus=corpus, options=options), options.name or model.model


def server(app: "FastAPI") -> "uvicorn.Server":
    """What runs the application. Its log is ours: a line a request, on standard error."""
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


def _load(config: Config) -> LoadOptions:
    settings = config.settings
    return LoadOptions(
        layout=settings.layout,
        ocr=settings.ocr,
        ocr_language=settings.ocr_language,
        jobs=settings.jobs,
        timeout=settings.parse_timeout,
        memory=settings.parse_memory_mib * 2**20,
        cache=False,
    )
