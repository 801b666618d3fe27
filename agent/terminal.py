"""How it looks: streamed Markdown, tables, and the footer of tokens and times."""

import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.live import Live
from rich.markdown import Markdown
from rich.table import Column, Table
from rich.text import Text

from ..serving.events import Delta, Prefill, Usage, Waiting
from .bars import Bars
from .citations import sources
from .console import err as err
from .console import error as error
from .console import note as note
from .console import out as out
from .console import printable as printable
from .console import question as question
from .echo import echo
from .events import Note, ToolEnd, ToolStart
from .overflow.events import MapPlanned, Merging, Retrying, Warned, WindowDone, WindowStarted
from .quotes import tally

if TYPE_CHECKING:
    from .answer import Answer, ReaderEvent
    from .config import Config
    from .corpus import Corpus
    from .prompt import Prompt

_LINE = 100  # characters shown of what a tool is given and gives


def allowed(call: ToolStart) -> bool:
    """Ask the user whether a tool may be called. Whatever is no clear yes is a no."""
    err.print(Text(f"{call.name} {printable(call.arguments)}", style="yellow"), soft_wrap=True)
    try:
        with echo(True):
            return err.input("Let the model do this? [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except EOFError:
        return False


class AnswerView:
    """Streams one answer: a bar while the prompt is read, then Markdown, a finished block at a time.

    Args:
        text: show the answer, and not only what happens before it is there.
    """

    def __init__(self, *, markdown: bool, text: bool = True):
        self._markdown = markdown
        self._text = text
        self._live: Live | None = None
        self._bars: Bars | None = None
        self._tail = ""
        self._parts = 0
        self._keys = echo(False)

    def __enter__(self) -> "AnswerView":
        self._keys.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bars()
        self._end_text()
        self._keys.__exit__(None, None, None)

    def _end_text(self) -> None:
        if self._live:
            self._live.stop()
            self._live = None
        if self._tail:
            out.print(Markdown(self._tail) if self._markdown else "")
        self._tail = ""

    def __call__(self, event: "ReaderEvent") -> None:
        match event:
            case Prefill(done=done, total=total, cached=cached, seconds_left=left):
                status = f"{done:,}/{total:,} tokens" + (f", {cached:,} cached" if cached else "")
                self._bar("reading", done, total, status + _left(left))
            case Waiting(seconds=seconds):
                self._bar("the server is reading", None, None, f"{seconds:,.0f} s")
            case Delta(reasoning=True):
                self._bar("thinking", None, None, "")
            case Delta(text=text):
                if self._text:
                    self._end_bars()
                    self._write(printable(text))
                else:
                    self._bar("answering", None, None, "")
            case ToolStart(name=name, arguments=arguments):
                self._end_bars()
                self._end_text()
                note(f"→ {name} {_shortened(arguments)}")
            case ToolEnd(name=name, result=result, seconds=seconds):
                note(f"← {name}: {_shortened(result)}, {seconds:,.1f} s")
            case Note(text=text) | Warned(text=text):
                self._end_bars()
                self._end_text()
                note(text)
            case MapPlanned():
                self._end_bars()
                note(event.describe())
            case WindowStarted(index=index, of=of, pages=pages):
                self._bar(f"reading part {index} of {of}", self._parts, of, pages)
            case WindowDone(of=of, kept=kept):
                self._parts += 1
                if not kept:
                    self._bar("reading parts", self._parts, of, "")
            case Retrying(what=what, attempt=attempt, of=of, error=error):
                note(f"{what}: attempt {attempt} of {of} failed: {error}")
            case Merging(answers=answers):
                self._bar(f"merging {answers} answers", None, None, "")
            case _:
                pass

    def _write(self, text: str) -> None:
        if not self._markdown:
            out.print(text, end="", soft_wrap=True)
            self._tail = text
            return
        self._tail += text
        head, self._tail = _finished_blocks(self._tail)
        if self._live is None:
            self._live = Live(console=out, transient=True, refresh_per_second=12, vertical_overflow="visible")
            self._live.start()
        if head:
            self._live.console.print(Markdown(head))
        self._live.update(Markdown(self._tail))

    def _bar(self, description: str, done: int | None, total: int | None, status: str) -> None:
        if self._bars is None:
            self._bars = Bars().__enter__()
        self._bars.show("prefill", description, done, total, status)

    def _end_bars(self) -> None:
        if self._bars:
            self._bars.__exit__()
            self._bars = None


def _shortened(text: str) -> str:
    """The first line, and how much more there is."""
    line, _, more = text.strip().partition("\n")
    if len(line) > _LINE:
        line, more = f"{line[:_LINE]}…", text
    return f"{line} ({len(text):,} characters)" if more else line


def _finished_blocks(text: str) -> tuple[str, str]:
    """Markdown up to the last blank line outside a code fence, which later text cannot change, and the rest."""
    cut = text.rfind("\n\n")
    while cut > 0 and text.count("```", 0, cut) % 2:
        cut = text.rfind("\n\n", 0, cut)
    return (text[: cut + 2], text[cut + 2 :]) if cut > 0 else ("", text)


_MARKS = {
    "verified": ("✓", "green"),
    "corrected": ("≠", "yellow"),
    "moved": ("→", "yellow"),
    "unverified": ("✗", "red"),
}
_QUOTED = 60  # characters of a quote that are shown


def footer(answer: "Answer", corpus: "Corpus") -> RenderableType:
    """Under an answer: its quotes, the pages, what is wrong with its marks, and what it cost."""
    lines = []
    for quote in answer.quotes:
        sign, style = _MARKS[quote.status]
        words = " ".join(quote.text.split())
        shown = words if len(words) <= _QUOTED else f"{words[: _QUOTED - 1]}…"
        link = f" link {url}" if (url := page_url(corpus, quote.document, quote.page_found)) else ""
        lines.append(
            Text(printable(f"{sign} “{shown}” "), style=style) + Text(printable(str(quote)), style=style + link)
        )
    if answer.quotes:
        lines.append(Text(f"Quotes: {tally(quote.status for quote in answer.quotes)}"))
    if cited := [str(citation) for citation in answer.citations if citation.found_by == "model"]:
        lines.append(Text(f"Cited by the model: {' '.join(cited)}", style="cyan"))
    lines.append(Text(sources(answer.citations), style="cyan"))
    if answer.unknown_citations:
        lines.append(Text(f"Cited, and no such page: {' '.join(answer.unknown_citations)}", style="yellow"))
    if not answer.text.strip():
        lines.append(Text("The model answered nothing.", style="yellow"))
    if answer.finish_reason == "content_filter":
        lines.append(Text("The server's content filter cut the answer off.", style="yellow"))
    if answer.finish_reason == "length":
        lines.append(Text("The answer was cut off at its token limit: raise --max-tokens.", style="yellow"))
    if answer.usage:
        lines.append(Text(usage_line(answer.usage), style="dim"))
    return Group(*lines)


def page_url(corpus: "Corpus", document: str | None, page: int | None) -> str | None:
    """Where a click leads: the page of a file, as PDF viewers and browsers understand it."""
    if document is None or document not in corpus or (source := corpus[document].source) == "-":
        return None
    return f"{Path(source).resolve().as_uri()}#page={page}"


def usage_line(usage: Usage) -> str:
    about = "about " if usage.estimated else ""
    cached = "" if usage.cached_tokens is None else f" ({usage.cached_tokens:,} cached)"
    speed = f", {usage.tokens_per_second:,.1f} tokens/s" if usage.tokens_per_second else ""
    return (
        f"prompt {about}{usage.prompt_tokens:,} tokens{cached}, answer {usage.output_tokens:,} tokens, "
        f"first token {usage.ttft:,.2f} s{speed}"
    )


def budget_table(prompt: "Prompt", ranges: dict[str, list[tuple[str, int]]], window: int | None) -> Table:
    """Tokens a document, a page range and in all. `ranges`: document name -> (pages, tokens) of each range."""
    table = Table("document", "pages", Column("tokens", justify="right"), box=None, pad_edge=False)
    for share in prompt.shares:
        for pages, tokens in ranges.get(share.name, []):
            table.add_row(share.name, pages, f"{tokens:,}", style="dim")
        table.add_row(share.name, f"all {share.pages:,}", f"{share.tokens:,}")
    table.add_row("instructions, tools, question, chat template", "", f"{prompt.tokens - prompt.document_tokens:,}")
    table.add_row("prompt", "", f"{prompt.tokens:,}", style="bold")
    if prompt.budget is None or window is None:
        table.add_row("room", "", "not known (--window)")
    else:
        table.add_row(
            f"room (window {window:,} less {window - prompt.budget:,} for the answer)", "", f"{prompt.budget:,}"
        )
        table.add_row(
            "left" if prompt.tokens <= prompt.budget else "too much", "", f"{abs(prompt.budget - prompt.tokens):,}"
        )
    return table


def config_table(config: "Config") -> Table:
    return rows(("setting", "value", "from", "what it is"), config.table())


def rows(headings: Iterable[str], body: Iterable[Iterable[str | Text]], *, numbers: Collection[int] = ()) -> Table:
    """A table whose cells are folded, never cut: names and paths are there to be copied.

    Args:
        numbers: columns that are set flush right.
    """
    columns = (
        Column(heading, overflow="fold", justify="right" if index in numbers else "left")
        for index, heading in enumerate(headings)
    )
    table = Table(*columns, box=None, pad_edge=False)
    for row in body:
        table.add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in row))
    return table


def interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _left(seconds: float | None) -> str:
    return "" if seconds is None else f", {seconds:,.0f} s left"
