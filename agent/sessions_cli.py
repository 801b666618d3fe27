"""The `agent sessions` commands: parses, calls, prints. Nothing heavy is imported before a command runs."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .faults import errors

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="List, show, search, export and delete the conversations that agent chat has kept.",
)


class ExportFormat(StrEnum):
    """As `longread.agent.sessions.export.Format`, for the command line."""

    markdown = "markdown"
    json = "json"
    jsonl = "jsonl"


Id = Annotated[str, typer.Argument(metavar="ID", help="The conversation's id, or as much of it as no other has.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON; times in it are UTC.")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="At most so many, the latest first; all if not set.")]


@app.command("list")
def list_(limit: Limit = None, as_json: AsJson = False) -> None:
    """List the conversations, the one that went on last first."""
    with errors():
        from . import sessions_view
        from .sessions import Sessions

        with Sessions() as sessions:
            sessions_view.show_list(sessions.list(limit), json_wanted=as_json)


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a conversation: its documents, questions, answers and what they cost."""
    with errors():
        from . import sessions_view
        from .sessions import Sessions

        with Sessions() as sessions:
            sessions_view.show(*sessions.read(id), json_wanted=as_json)


@app.command()
def search(
    text: Annotated[str, typer.Argument(help='Words that the question and answer have; "several as one" in quotes.')],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Find questions and answers, the latest first. Exit code 1: none was found.

    agent sessions search 'termination "notice period"'
    """
    with errors():
        from . import sessions_view
        from .sessions import Sessions

        with Sessions() as sessions:
            found = sessions.search(text, limit)
            sessions_view.show_hits(found, text, json_wanted=as_json)
        raise typer.Exit(0 if found else 1)


@app.command()
def export(
    id: Id,
    format: Annotated[
        ExportFormat, typer.Option("--format", help="markdown to read, json for all that is kept, jsonl a line a turn.")
    ] = ExportFormat.markdown,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="A new file; standard output if not set.")
    ] = None,
) -> None:
    """Write a conversation as Markdown or JSON."""
    with errors():
        from . import terminal
        from .errors import SessionError
        from .sessions import Sessions

        with Sessions() as sessions:
            text = sessions.export(id, format.value)
        if format is ExportFormat.markdown:
            text = terminal.printable(text)
        if output is None:
            sys.stdout.write(text)
            return
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise SessionError(f"{output} exists; --output needs a new name.") from error
        terminal.note(f"written to {output}")


@app.command()
def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Conversations to delete.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Delete conversations for good: their text is overwritten."""
    with errors():
        from . import terminal
        from .errors import ConfigError
        from .sessions import Sessions

        with Sessions() as sessions:
            chosen = {found.id: found.title for found in map(sessions.get, ids)}  # all are there, or none is deleted
            if not yes and not terminal.interactive():
                raise ConfigError("Nobody is here to ask whether to delete it: give --yes.")
            for id, title in chosen.items():
                if yes or typer.confirm(terminal.printable(f"Delete {id}, {title!r}?")):
                    sessions.delete(id)
                    terminal.note(f"deleted {id}")
