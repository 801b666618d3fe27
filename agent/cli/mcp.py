"""`agent mcp`: documents for other assistants, over MCP."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from .exit_codes import exit_on_error
from .options import READING_SETTINGS, Files, Pages, Password, SkipUnreadable, with_settings


@with_settings(READING_SETTINGS)
def mcp(
    file: Files,
    http: Annotated[
        int | None,
        typer.Option(
            "--http", metavar="PORT", help="Serve HTTP on this port of 127.0.0.1; 0 picks a free port. Default: stdio."
        ),
    ] = None,
    pages: Pages = None,
    password: Password = None,
    skip_unreadable: SkipUnreadable = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Run an MCP server on standard input and output, with which other assistants search and read documents.

    agent mcp --file contracts/
    """
    with exit_on_error():
        from longread.tools import document_tools

        from .. import mcp_server
        from .config import load
        from .setup import load_corpus

        config = load(settings, folder=Path.cwd())
        corpus = load_corpus(
            config.settings, file, pages=pages or (), password=password, skip_unreadable=skip_unreadable
        )
        if http is None:
            mcp_server.serve(corpus, document_tools(corpus))
        else:
            mcp_server.serve_http(corpus, document_tools(corpus), port=http)
