"""The command `agent mcp`. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from .cli_options import Files, Jobs, Layout, Ocr, Pages, Password, SkipUnreadable
from .faults import errors


def mcp(
    file: Files,
    http: Annotated[
        int | None, typer.Option("--http", metavar="PORT", help="Serve HTTP on this port of 127.0.0.1; 0 for any.")
    ] = None,
    pages: Pages = None,
    password: Password = None,
    skip_unreadable: SkipUnreadable = False,
    layout: Layout = None,
    ocr: Ocr = None,
    jobs: Jobs = None,
) -> None:
    """Offer documents to other assistants: an MCP server on standard input and output, to search and read them.

    agent mcp --file contracts/
    """
    with errors():
        from ..tools import document_tools
        from . import assemble, mcp_server
        from .config import load
        from .tool_choice import clean

        config = load({"layout": layout, "ocr": ocr, "jobs": jobs}, folder=Path.cwd())
        loaded = assemble.corpus(
            config.settings, file, pages=pages or (), password=password, skip_unreadable=skip_unreadable
        )
        tools = document_tools(loaded, clean=clean)
        if http is None:
            mcp_server.serve(loaded, tools)
        else:
            mcp_server.serve_http(loaded, tools, port=http)
