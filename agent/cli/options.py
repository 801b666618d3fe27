"""Options that several commands share."""

import functools
import inspect
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

MORE_ARGUMENTS = {"allow_extra_args": True}
"""For commands that read further arguments themselves: a pattern without quotes, which the shell has expanded, is
reported with what to do about it."""


def token_count(text: str, option: str | None = None) -> int:
    """Parse a number of tokens: 4096, 16K or 1M. K is 1,024 and M is K squared.

    Args:
        option: the option to name in the error. Not needed for a Typer parser: Click names the option.

    Raises:
        typer.BadParameter: the text is not a positive number of tokens.
    """
    number, scale = text.strip().upper(), 1
    if number[-1:] in ("K", "M"):
        number, scale = number[:-1], {"K": 1024, "M": 1024 * 1024}[number[-1]]
    if not number.isdecimal() or not int(number):
        raise typer.BadParameter(
            f"{text.strip()!r} is not a number of tokens: write 4096, 16K or 1M.", param_hint=option
        )
    return int(number) * scale


class OverflowMode(StrEnum):
    """The values of `longread.agent.overflow.Overflow`, as Typer needs them."""

    error = "error"
    retrieve = "retrieve"
    map = "map"
    auto = "auto"


class OcrChoice(StrEnum):
    """The values of `longread.agent.corpus.choices.OcrMode`, as Typer needs them."""

    auto = "auto"
    always = "always"
    never = "never"


class ChangesChoice(StrEnum):
    """The values of `longread.agent.corpus.choices.Changes`, as Typer needs them."""

    marked = "marked"
    final = "final"
    original = "original"


class HiddenChoice(StrEnum):
    """The values of `longread.agent.corpus.choices.HiddenText`, as Typer needs them."""

    drop = "drop"
    keep = "keep"


class VisionChoice(StrEnum):
    """The values of `longread.agent.corpus.picture_selection.Vision`, as Typer needs them."""

    auto = "auto"
    never = "never"
    always = "always"


_FILE = typer.Option(
    "--file",
    "-f",
    metavar="PATH",
    help="File, folder, quoted pattern, address, or - for standard input. Can be repeated.",
)

Files = Annotated[list[str], _FILE]
MaybeFiles = Annotated[list[str] | None, _FILE]

Pages = Annotated[
    list[str] | None,
    typer.Option(
        "--pages", metavar="[NAME:]RANGES", help="Read only these pages: 1-20,45 or book:1-20. Can be repeated."
    ),
]

Password = Annotated[str | None, typer.Option("--password", help="Password of encrypted files.")]

SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out files that cannot be read, with an error for each.")
]

Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="URL of an OpenAI-compatible server. Default: the embedded model runs."
    ),
]

Model = Annotated[str | None, typer.Option("--model", "-m", help="Name of the model. agent models lists them.")]

ApiKey = Annotated[
    str | None, typer.Option("--api-key", help="API key of the server. Safer: set LONGREAD_API_KEY instead.")
]

Window = Annotated[
    int | None,
    typer.Option(
        "--window",
        parser=token_count,
        metavar="TOKENS",
        help="Context window in tokens, e.g. 16K. Default: detected from the model. A larger value extends an embedded "
        "model's window.",
    ),
]

MaxTokens = Annotated[
    int | None, typer.Option("--max-tokens", help="Maximum length of an answer in tokens. Default: 512.")
]

Temperature = Annotated[
    float | None, typer.Option("--temperature", help="Sampling temperature; 0 is greedy. Default: the model's.")
]

Device = Annotated[
    str | None, typer.Option("--device", help="Device of the embedded model: cpu or cuda. Default: detected.")
]

Vision = Annotated[
    VisionChoice | None,
    typer.Option(
        "--vision",
        help="Send pages as pictures, too, to a model that reads pictures: scans and pages with pictures (auto), all "
        "(always), or none.",
    ),
]

Layout = Annotated[bool | None, typer.Option("--layout/--no-layout", help="Read PDFs as Markdown with tables. Slower.")]

Ocr = Annotated[
    OcrChoice | None,
    typer.Option(
        "--ocr",
        help="Read scanned pages and pictures with Tesseract: if its data is installed (auto), always (an error "
        "without it), or never.",
    ),
]

OcrLanguage = Annotated[
    str | None, typer.Option("--ocr-language", metavar="CODES", help="Languages of the scans: eng, or eng+deu.")
]

Changes = Annotated[
    ChangesChoice | None,
    typer.Option("--changes", help="Tracked changes of Word: mark them, or read the final or the original text."),
]

Hidden = Annotated[
    HiddenChoice | None,
    typer.Option("--hidden", help="Text that a reader of the file does not see: leave it out, or keep it marked."),
]

Encoding = Annotated[
    str | None,
    typer.Option("--encoding", metavar="NAME", help="Encoding of text files that do not name theirs, e.g. cp1252."),
]

Attachments = Annotated[
    bool | None,
    typer.Option("--attachments/--no-attachments", help="Read the files attached to PDFs as documents, too."),
]

Jobs = Annotated[int | None, typer.Option("--jobs", help="Number of parser processes. Default: one for each core.")]

Overflow = Annotated[
    OverflowMode,
    typer.Option(
        "--overflow",
        help="If the documents exceed the context window: fail (error), send only matching pages (retrieve), process "
        "everything in batches and merge the answers (map), or choose automatically (auto).",
    ),
]

ToolNames = Annotated[
    list[str] | None,
    typer.Option(
        "--tool",
        metavar="NAME",
        help="Let the model call this tool. On documents: search, read_pages, outline, tables, compare; if none is "
        "named, all of these. With effects, only if named: python, web_fetch. Can be repeated.",
    ),
]

Mcp = Annotated[
    Path | None,
    typer.Option(
        "--mcp", metavar="FILE", help="Let the model call the tools of MCP servers, from a JSON file with mcpServers."
    ),
]

NoTools = Annotated[bool, typer.Option("--no-tools", help="Do not let the model call tools.")]

Approve = Annotated[bool, typer.Option("--approve", help="Ask before each tool call.")]

Highlight = Annotated[
    Path | None,
    typer.Option(
        "--highlight",
        metavar="OUT.pdf",
        help="Write a copy of the PDF with the answer's quotes highlighted. For several PDFs: OUT-NAME.pdf each.",
    ),
]

MODEL_SETTINGS = {
    "server": Server,
    "model": Model,
    "api_key": ApiKey,
    "window": Window,
    "max_tokens": MaxTokens,
    "temperature": Temperature,
    "device": Device,
    "vision": Vision,
}
"""The settings of `config.Settings` that say which model answers, with their options."""

READING_SETTINGS = {
    "layout": Layout,
    "ocr": Ocr,
    "ocr_language": OcrLanguage,
    "changes": Changes,
    "hidden": Hidden,
    "encoding": Encoding,
    "attachments": Attachments,
    "jobs": Jobs,
}
"""The settings of `config.Settings` that say how files are read, with their options."""


def with_settings(*groups: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of these settings, after its own.

    The command receives them as one mapping, `settings`, as `config.load` takes it.
    """
    options = {name: option for group in groups for name, option in group.items()}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def with_own_options(**arguments: Any) -> None:
            command(settings={name: arguments.pop(name) for name in options}, **arguments)

        own = [p for p in inspect.signature(command).parameters.values() if p.name != "settings"]
        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
            for name, option in options.items()
        ]
        parameters = [*(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own), *added]
        # Typer reads both.
        with_own_options.__signature__ = inspect.Signature(parameters)  # pyright: ignore[reportAttributeAccessIssue]
        with_own_options.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        return with_own_options

    return decorate
