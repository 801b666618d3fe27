"""`agent sessions`: the recorded conversations of `agent chat`."""

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .exit_codes import exit_on_error

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ..sessions.records import Hit, Summary, TurnRecord

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="List, show, search, export and delete the conversations that agent chat has recorded.",
)


class ExportFormat(StrEnum):
    """The values of `longread.agent.sessions.export.Format`, as Typer needs them."""

    markdown = "markdown"
    json = "json"
    jsonl = "jsonl"


Id = Annotated[str, typer.Argument(metavar="ID", help="ID of the conversation, or the beginning of it if unique.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON. Times are in UTC.")]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Maximum number of results, the latest first. Default: all.")
]

_NAMED = 3  # documents of a conversation that a list names


@app.command("list")
def list_(limit: Limit = None, as_json: AsJson = False) -> None:
    """List the conversations, the most recently used first."""
    with exit_on_error():
        from ..sessions import Sessions
        from . import console, tables

        with Sessions() as sessions:
            found = sessions.list(limit)
        if as_json:
            _print_json(found)
            return
        if not found:
            console.note("There are no conversations yet: agent chat starts one.")
            return
        rows = (
            (
                one.id,
                _local_time(one.touched) + " (open)" * (one.writer is not None),
                f"{one.turns:,}",
                one.title,
                _document_names(one),
                one.model,
            )
            for one in found
        )
        console.out.print(tables.rows(("id", "last", "turns", "title", "documents", "model"), rows, numbers=(2,)))


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a conversation: documents, questions, answers and token counts."""
    with exit_on_error():
        from ..sessions import Sessions
        from ..sessions.export import as_json as conversation_as_json

        with Sessions() as sessions:
            summary, turns = sessions.read(id)
        if as_json:
            print(json.dumps(conversation_as_json(summary, turns), ensure_ascii=False, indent=2))
        else:
            print_conversation(summary, turns)


@app.command()
def search(
    text: Annotated[
        str, typer.Argument(help='Words that the question and the answer contain; a "quoted phrase" counts as one.')
    ],
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """Search questions and answers, the latest first. Exit code 1: no match.

    agent sessions search 'termination "notice period"'
    """
    with exit_on_error():
        from ..sessions import Sessions

        with Sessions() as sessions:
            found = sessions.search(text, limit)
        if as_json:
            _print_json(found)
        else:
            print_hits(found, text)
        raise typer.Exit(0 if found else 1)


@app.command()
def export(
    id: Id,
    format: Annotated[
        ExportFormat,
        typer.Option(
            "--format", help="markdown for reading, json with everything recorded, jsonl with a line per turn."
        ),
    ] = ExportFormat.markdown,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="PATH", help="A new file. Default: standard output.")
    ] = None,
) -> None:
    """Write a conversation as Markdown or JSON."""
    with exit_on_error():
        from longread.errors import SessionError

        from ..sessions import Sessions
        from . import console

        with Sessions() as sessions:
            text = sessions.export(id, format.value)
        if format is ExportFormat.markdown:
            text = console.printable(text)
        if output is None:
            sys.stdout.write(text)
            return
        try:
            with output.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise SessionError(f"{output} exists; --output needs a new name.") from error
        console.note(f"written to {output}")


@app.command()
def delete(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The conversations to delete.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Delete conversations for good: their text is overwritten."""
    with exit_on_error():
        from longread.errors import ConfigError

        from ..sessions import Sessions
        from . import console

        with Sessions() as sessions:
            chosen = {found.id: found.title for found in map(sessions.get, ids)}  # all exist, or none is deleted
            if not yes and not console.interactive():
                raise ConfigError("Nobody is at the terminal to confirm the deletion: give --yes.")
            for id, title in chosen.items():
                if yes or typer.confirm(console.printable(f"Delete {id}, {title!r}?")):
                    sessions.delete(id)
                    console.note(f"deleted {id}")


def print_hits(found: "Sequence[Hit]", text: str) -> None:
    """Print the turns that match `text`."""
    from . import console, tables

    if not found:
        console.note(f"no question or answer contains {text}")
        return
    rows = ((hit.session, f"{hit.position:,}", _local_time(hit.began), hit.question, hit.snippet) for hit in found)
    console.out.print(tables.rows(("id", "turn", "when", "question", "found"), rows, numbers=(1,)))


def print_conversation(summary: "Summary", turns: "Sequence[TurnRecord]") -> None:
    """Print a whole conversation as it looked in `agent chat`."""
    from rich.markdown import Markdown

    from ..sessions.export import how_it_ended
    from . import console, tables

    documents = ((one.name, one.pages, one.title, one.source) for one in summary.documents)
    console.out.print(tables.rows(("document", "pages", "title", "source"), documents))
    for turn in turns:
        console.out.print()
        console.question(turn.question)
        for message in turn.messages:
            if call := message.get("function_call"):
                console.out.print(console.printable(f"{call['name']} {call['arguments']}"), style="dim")
        answer = console.printable(turn.answer)
        console.out.print(Markdown(answer) if console.out.is_terminal else answer, soft_wrap=True)
        if note := how_it_ended(turn):
            console.out.print(console.printable(note), style="yellow")
        console.out.print(console.printable(_footer(turn)), style="dim")


def _footer(turn: "TurnRecord") -> str:
    from ..sessions.export import quotes_of

    parts = [_local_time(turn.began), turn.model]
    if (usage := turn.usage) and {"prompt_tokens", "output_tokens"} <= usage.keys():
        parts.append(f"prompt {usage['prompt_tokens']:,} tokens, answer {usage['output_tokens']:,} tokens")
    pages = dict.fromkeys(f"[{c['document']}:{c['page']}]" for c in turn.citations if {"document", "page"} <= c.keys())
    if pages:
        parts.append(f"pages {' '.join(pages)}")
    if quotes := quotes_of(turn):
        parts.append(f"quotes: {quotes}")
    return ", ".join(parts)


def _document_names(summary: "Summary") -> str:
    names = [one.name for one in summary.documents]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _local_time(time: datetime) -> str:
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _print_json(found: "Sequence[BaseModel]") -> None:
    print(json.dumps([one.model_dump(mode="json") for one in found], ensure_ascii=False, indent=2))
