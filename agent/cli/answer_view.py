"""An answer at the terminal: Markdown as it streams, what the model does meanwhile, and the footer."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from longread.events import Delta, Prefill, Usage, Waiting

from ..citations.lookup import sources
from ..citations.quote_checker import SIGNS, tally
from ..events import Note, ToolEnd, ToolStart
from ..overflow.events import MapPlanned, Merging, Retrying, Warned, WindowDone, WindowStarted
from .console import err, note, out, printable, terminal_echo
from .progress import ProgressBars

if TYPE_CHECKING:
    from rich.live import Live
    from rich.markdown import Markdown

    from ..answer import Answer, ReaderEvent
    from ..corpus import Corpus


_LINE = 100  # characters shown of a tool's arguments and of its result


def confirm_call(call: ToolStart) -> bool:
    """Ask the user whether a tool may be called. Anything but a clear yes is a no."""
    err.print(Text(f"{call.name} {printable(call.arguments)}", style="yellow"), soft_wrap=True)
    try:
        with terminal_echo(True):
            return err.input("Let the model do this? [y/N] ", markup=False).strip().lower() in ("y", "yes")
    except EOFError:
        return False


class AnswerView:
    """Shows one answer as it streams: a bar while the prompt is read, then Markdown, block by block.

    Args:
        markdown: render the text as Markdown; print it as it is otherwise.
        text: show the text of the answer, not only progress, tool calls and notes.
    """

    def __init__(self, *, markdown: bool, text: bool = True):
        self._markdown = markdown
        self._text = text
        self._live: Live | None = None
        self._bars: ProgressBars | None = None
        self._tail = ""
        self._parts = 0
        self._keys = terminal_echo(False)

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
            out.print(_render(self._tail) if self._markdown else "")
        self._tail = ""

    def __call__(self, event: "ReaderEvent") -> None:
        match event:
            case Prefill(done=done, total=total, cached=cached, seconds_left=left):
                status = f"{done:,}/{total:,} tokens" + (f", {cached:,} cached" if cached else "")
                self._bar("reading", done, total, status + _time_left(left))
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
                note(f"→ {name} {_shorten(arguments)}")
            case ToolEnd(name=name, result=result, seconds=seconds):
                note(f"← {name}: {_shorten(result)}, {seconds:,.1f} s")
            case Note(text=text) | Warned(text=text):
                self._end_bars()
                self._end_text()
                note(text)
            case MapPlanned():
                self._end_bars()
                note(event.describe())
            case WindowStarted(index=index, of=of, pages=pages):
                self._bar(f"reading part {index} of {of}", self._parts, of, pages)
            case WindowDone(of=of, cached=cached):
                self._parts += 1
                if not cached:
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
            from rich.live import Live

            self._live = Live(console=out, transient=True, refresh_per_second=12, vertical_overflow="visible")
            self._live.start()
        if head:
            self._live.console.print(_render(head))
        self._live.update(_render(self._tail))

    def _bar(self, description: str, done: int | None, total: int | None, status: str) -> None:
        if self._bars is None:
            self._bars = ProgressBars().__enter__()
        self._bars.show("prefill", description, done, total, status)

    def _end_bars(self) -> None:
        if self._bars:
            self._bars.__exit__()
            self._bars = None


def _shorten(text: str) -> str:
    """The first line, and the length of the text if there is more."""
    line, _, more = text.strip().partition("\n")
    if len(line) > _LINE:
        line, more = f"{line[:_LINE]}…", text
    return f"{line} ({len(text):,} characters)" if more else line


def _render(text: str) -> "Markdown":
    from rich.markdown import Markdown  # not needed where the output is not a terminal

    return Markdown(text)


def _finished_blocks(text: str) -> tuple[str, str]:
    """Markdown up to the last blank line outside a code fence, which later text cannot change, and the rest."""
    cut = text.rfind("\n\n")
    while cut > 0 and text.count("```", 0, cut) % 2:
        cut = text.rfind("\n\n", 0, cut)
    return (text[: cut + 2], text[cut + 2 :]) if cut > 0 else ("", text)


_STYLES = {"verified": "green", "corrected": "yellow", "moved": "yellow", "unverified": "red"}

_QUOTED = 60  # characters of a quote that are shown


def footer(answer: "Answer", corpus: "Corpus") -> RenderableType:
    """What is shown under an answer: its quotes and pages, wrong citations, token counts and times."""
    lines = []
    for quote in answer.quotes:
        sign, style = SIGNS[quote.status], _STYLES[quote.status]
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
    """The link to a page of a file, in the form that PDF viewers and browsers understand."""
    if document is None or document not in corpus or (source := corpus[document].source) == "-":
        return None
    from ..corpus.sources import download_url, is_address

    if is_address(source):
        return f"{download_url(source)}#page={page}"
    if any(folder.is_file() for folder in Path(source).parents):  # in a mail or an archive
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


def _time_left(seconds: float | None) -> str:
    return "" if seconds is None else f", {seconds:,.0f} s left"
