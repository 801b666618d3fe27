"""`agent ask`: one question, answered on standard output."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .exit_codes import exit_on_error
from .options import (
    MODEL_SETTINGS,
    READING_SETTINGS,
    Approve,
    Files,
    Highlight,
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

if TYPE_CHECKING:
    from ..answer import Answer
    from ..reader import LongReader

_SEVERAL_FILES = "For several files repeat --file, or put a pattern in quotes: --file 'docs/*.md'."


@with_settings(MODEL_SETTINGS, READING_SETTINGS)
def ask(
    context: typer.Context,
    question: Annotated[str, typer.Argument(help="The question, or - to read it from standard input.")],
    file: Files,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer, its citations and its token counts as JSON.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the token counts of the prompt, and whether it fits the context window."),
    ] = False,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="Exit with 3 if a quote is not on the cited page or a citation has no page."),
    ] = False,
    schema: Annotated[
        Path | None, typer.Option("--schema", metavar="FILE", help="JSON schema that the answer must match.")
    ] = None,
    highlight: Highlight = None,
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
    """Ask one question about documents.

    The answer is printed on standard output, everything else on standard error. Exit codes: 0: answered; 1: not
    answered, or --highlight wrote no file; 2: invalid option or setting; 3: with --strict, the answer has an unverified
    quote or citation; 130: interrupted; 143: terminated.

    agent ask 'Who signed it?' --file contracts/ --json
    """
    with exit_on_error():
        from longread.errors import ConfigError

        from ..tool_selection import ToolChoice, mcp_tools
        from . import answer_view, console
        from .config import load
        from .setup import build_reader

        config = load(settings)
        question = read_question(question, context.args, file)
        sources = {"pages": pages or (), "password": password, "skip_unreadable": skip_unreadable}
        tools = ToolChoice(tuple(tool or ()), none=no_tools, approve=approve, mcp=mcp)
        if dry_run:
            from .dry_run import print_prompt_budget

            fits = print_prompt_budget(config, file, question, as_json=as_json, tools=tools, **sources)
            raise typer.Exit(0 if fits else 1)
        json_schema = read_schema(schema) if schema else None
        if highlight:
            if schema:
                raise ConfigError("--highlight and --schema exclude each other: JSON has no quotes to highlight.")
            from ..citations.highlight import check_target

            check_target(highlight)
        with mcp_tools(tools) as more_tools:
            reader = build_reader(config, file, tools=tools, more_tools=more_tools, overflow=overflow.value, **sources)
            terminal = sys.stdout.isatty()
            with answer_view.AnswerView(markdown=terminal, text=not as_json) as view:
                answer = reader.ask(question, schema=json_schema, on_event=view)
            if as_json:
                print(json.dumps(answer_as_json(reader, answer), ensure_ascii=False, indent=2))
            else:
                (console.out if terminal else console.err).print(answer_view.footer(answer, reader.corpus))
            if highlight:
                write_highlights(reader, answer, highlight, password=password)
            raise typer.Exit(3 if strict and not answer.verified else 0)


def read_question(question: str, more: Sequence[str], files: Sequence[str]) -> str:
    """The question itself, or standard input for '-'.

    Args:
        more: further arguments. There should be none.

    Raises:
        ConfigError: the question is empty; or it or a further argument is a file, as a shell makes of a pattern without
            quotes.
        DocumentError: standard input is also a document.
    """
    from longread.errors import ConfigError, DocumentError

    from ..corpus.sources import STDIN
    from ..prompt.build import check_question

    if more:
        raise ConfigError(
            f"There is more than one question: {' '.join(map(repr, more))} is left over. {_SEVERAL_FILES}"
        )
    if question == "-":
        if STDIN in files:
            raise DocumentError("Standard input cannot be both the question and a document.", source=STDIN)
        if sys.stdin is None:
            raise ConfigError("The question should be read from standard input, which is closed.")
        question = sys.stdin.read()
    elif question and len(question) < 4096 and Path(question).exists():
        raise ConfigError(f"The question is {question!r}, which is a file or folder. {_SEVERAL_FILES}")
    return check_question(question)


def read_schema(path: Path) -> dict[str, Any]:
    """The JSON schema in a file.

    Raises:
        ConfigError: the file cannot be read, or has no JSON schema.
    """
    from longread.errors import ConfigError

    from ..structured_output import json_schema

    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--schema {path} cannot be read as JSON: {error}.") from error
    if not isinstance(schema, dict):
        raise ConfigError(f"--schema {path} is not a JSON schema: it is not an object.")
    return json_schema(schema)


def answer_as_json(reader: "LongReader", answer: "Answer") -> dict[str, Any]:
    """An answer and its documents as JSON values: the output of `--json`."""
    return {
        **answer.model_dump(exclude={"history"}),
        "model": reader.model_name,
        "documents": [
            {
                "name": document.name,
                "id": document.id,
                "title": document.title,
                "source": document.source,
                "pages": len(document.pages),
                "tokens": document.tokens,
                "warnings": document.warnings,
            }
            for document in reader.corpus.documents
        ],
    }


def write_highlights(reader: "LongReader", answer: "Answer", path: Path, *, password: str | None) -> None:
    """Write copies of the PDFs with the answer's quotes highlighted, and print the files and the quotes left out.

    Raises:
        DocumentError: no quote was highlighted, or a file could not be written.
    """
    from longread.errors import DocumentError

    from ..citations.highlight import highlight
    from . import console

    done = highlight(reader.corpus, answer.quotes, path, question=answer.question, password=password)
    for missed in done.missed:
        console.note(f"not highlighted, as {missed.reason}: “{' '.join(missed.quote.text.split())}”")
    if not done.files:
        raise DocumentError(
            f"{path} was not written: "
            + ("none of the answer's quotes was found." if answer.quotes else "the answer quotes nothing."),
            source=str(path),
        )
    for file in done.files:
        console.note(f"{file.path}: {len(file.quotes)} quote{'s' * (len(file.quotes) != 1)} highlighted")
