"""`agent chat`: a conversation about documents."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from .ask import read_question
from .exit_codes import exit_on_error
from .options import (
    MODEL_SETTINGS,
    READING_SETTINGS,
    Approve,
    MaybeFiles,
    Mcp,
    NoTools,
    Overflow,
    OverflowMode,
    Pages,
    Password,
    SkipUnreadable,
    ToolNames,
    with_settings,
)


@with_settings(MODEL_SETTINGS, READING_SETTINGS)
def chat(
    context: typer.Context,
    question: Annotated[
        str | None, typer.Argument(help="The first question. Default: it is read like the others.")
    ] = None,
    file: MaybeFiles = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--continue",
            help="Resume the most recent conversation (with --file: the most recent one about that file).",
        ),
    ] = False,
    session: Annotated[
        str | None,
        typer.Option("--session", metavar="ID", help="Resume this conversation. agent sessions list shows the IDs."),
    ] = None,
    save: Annotated[bool, typer.Option("--save/--no-save", help="Record the conversation on disk.")] = True,
    overflow: Overflow = OverflowMode.error,
    tool: ToolNames = None,
    mcp: Mcp = None,
    no_tools: NoTools = False,
    approve: Approve = False,
    pages: Pages = None,
    password: Password = None,
    skip_unreadable: SkipUnreadable = False,
    *,
    settings: Mapping[str, Any],
) -> None:
    """Have a conversation about documents. Type /help for its commands.

    agent chat --file book.pdf --file 'notes/*.md'

    agent chat --continue
    """
    with exit_on_error():
        from ..tool_selection import ToolChoice, mcp_tools
        from .chat_history import ChatHistory
        from .chat_loop import ChatLoop, read_lines
        from .config import load
        from .setup import build_reader

        config = load(settings)
        tools = ToolChoice(tuple(tool or ()), none=no_tools, approve=approve, mcp=mcp)
        with mcp_tools(tools) as more_tools, ChatHistory(save=save, resume=resume, id=session) as saved:
            files, selections = saved.choose_sources(file or [], pages or [])
            first = first_question(question, context.args, files)
            reader = build_reader(
                config,
                files,
                pages=selections,
                password=password,
                skip_unreadable=skip_unreadable,
                tools=tools,
                more_tools=more_tools,
                overflow=overflow.value,
                confirm_effects=True,
            )
            recorder, history = saved.open(reader, selections)
            loop = ChatLoop(reader, recorder=recorder, history=history, selections=selections)
            loop.run(first, read_lines(stdin_is_document="-" in files))
        # Someone who types has seen the error; a script needs the exit code.
        if loop.failed and not (sys.stdin.isatty() and loop.transcript):
            raise typer.Exit(1)


def first_question(question: str | None, more: Sequence[str], files: Sequence[str]) -> str | None:
    """The question that the chat begins with, if any. See `read_question`.

    Raises:
        ConfigError: there is none, and as standard input is a document, none can be typed.
    """
    from longread.errors import ConfigError

    from ..corpus.sources import STDIN

    if question is not None:
        return read_question(question, more, files)
    if STDIN in files:
        raise ConfigError("Standard input is a document, so no question can be typed: give one as an argument.")
    return None
