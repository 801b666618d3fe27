"""Options that several commands share."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


def token_count(text: str, option: str | None = None) -> int:
    """A number of tokens, as 4096, 16K or 1M: a K is 1,024.

    Args:
        option: to be named in the error; Click names the one that it parses by itself.

    Raises:
        typer.BadParameter: it is something else, or nothing.
    """
    number, scale = text.strip().upper(), 1
    if number[-1:] in ("K", "M"):
        number, scale = number[:-1], {"K": 1024, "M": 1024 * 1024}[number[-1]]
    if not number.isdecimal() or not int(number):
        raise typer.BadParameter(f"{text.strip()!r} is no number of tokens: write 4096, 16K or 1M.", param_hint=option)
    return int(number) * scale


_FILE = typer.Option(
    "--file",
    "-f",
    metavar="PATH",
    help="A file, a folder, a pattern in quotes, or - for standard input. May be repeated.",
)
Files = Annotated[list[str], _FILE]
MaybeFiles = Annotated[list[str] | None, _FILE]
Pages = Annotated[
    list[str] | None,
    typer.Option(
        "--pages", metavar="[NAME:]RANGES", help="Only these pages, as 1-20,45 or book:1-20. May be repeated."
    ),
]
Password = Annotated[str | None, typer.Option("--password", help="For encrypted files.")]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Go on without the files that cannot be read, naming each.")
]
Server = Annotated[
    str | None,
    typer.Option("--server", metavar="URL", help="An OpenAI-compatible server; else the embedded model runs."),
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="The model's name: agent models.")]
ApiKey = Annotated[str | None, typer.Option("--api-key", help="For the server. Better kept in LONGREAD_API_KEY.")]
Window = Annotated[
    int | None,
    typer.Option(
        "--window",
        parser=token_count,
        metavar="TOKENS",
        help="That the model can hold, as 16K; asked of it if not set. More than its own stretches an embedded one.",
    ),
]
MaxTokens = Annotated[int | None, typer.Option("--max-tokens", help="The longest answer, in tokens; 512 if not set.")]
Temperature = Annotated[
    float | None, typer.Option("--temperature", help="Sampling temperature; 0 is greedy. The model's own if not set.")
]
Device = Annotated[str | None, typer.Option("--device", help="Where the embedded model runs: cpu, cuda.")]
Layout = Annotated[bool | None, typer.Option("--layout/--no-layout", help="Read PDFs as Markdown with tables: slower.")]
Ocr = Annotated[bool | None, typer.Option("--ocr/--no-ocr", help="Read scanned pages with tesseract.")]
Jobs = Annotated[int | None, typer.Option("--jobs", help="Parser processes; one a core if not set.")]


class Ways(StrEnum):
    """As `longread.agent.overflow.Overflow`, for the command line."""

    error = "error"
    retrieve = "retrieve"
    map = "map"
    auto = "auto"


OverflowWay = Annotated[
    Ways,
    typer.Option(
        "--overflow",
        help="Documents larger than the window: an error; retrieve: only the pages that have the question's words; "
        "map: everything in parts, and what they say merged; auto: one of these, and why.",
    ),
]
ToolNames = Annotated[
    list[str] | None,
    typer.Option(
        "--tool",
        metavar="NAME",
        help="Let the model call this tool. On documents, all of them if none is named: search, read_pages, outline, "
        "tables, compare. With effects, only if named: python, web_fetch. May be repeated.",
    ),
]
Mcp = Annotated[
    Path | None,
    typer.Option("--mcp", metavar="FILE", help="MCP servers whose tools it may call, too: the usual mcpServers JSON."),
]
NoTools = Annotated[bool, typer.Option("--no-tools", help="Let the model call no tools.")]
Highlight = Annotated[
    Path | None,
    typer.Option(
        "--highlight",
        metavar="OUT.pdf",
        help="Write a copy of the PDF with the answer's quotes highlighted; of several, OUT-NAME.pdf each.",
    ),
]
Approve = Annotated[bool, typer.Option("--approve", help="Ask before each call of a tool.")]
