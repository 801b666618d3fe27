"""The process that highlights one PDF: `python -m longread.agent.citations.highlight_worker MEMORY`.

The file may crash MuPDF, hang it, or use up all memory: `highlight.py`, in the other process, has a time limit, and
only reads the output of this process, as JSON. It is not a sandbox: a file that took over MuPDF would have the rights
of the user.

The request is a JSON object on standard input, with the fields of `Job`. The reply on standard output has "missed", the
numbers of the passages that were not found on their pages, or "error" and its "kind".
"""

import contextlib
import hashlib
import json
import os
import resource
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus.formats.pdf.reading_order import Block
from ..corpus.formats.pdf.text import reading_order
from .normalize import NormalText

if TYPE_CHECKING:
    import pymupdf

_ENOUGH = 0.8
"""Minimum fraction of a passage's letters that must be found on its page."""


@dataclass(frozen=True)
class Job:
    path: str
    sha256: str
    output: str
    """The file to write, which exists and is empty."""
    password: str | None
    comment: str
    """The text of the highlights."""
    passages: list[dict[str, Any]]
    """Each has "color", "subject" and "parts"; each part has "page" (an index), "text", the passage in the text of the
    page, and "before", the text in front of it."""


@dataclass(frozen=True, eq=False)
class _Span:
    """Characters of a line in one font."""

    direction: tuple[float, float]
    raw: dict[str, Any]


@dataclass
class _Letters:
    """The text of a page in reading order, and the position of each character on the page."""

    text: NormalText
    drawn: list[tuple[int, _Span, dict[str, Any]] | None]
    """For each character of `text.original` the number of its line, its span, and itself; None for line ends."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    memory = int(sys.argv[1])
    for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # the limit is lower already, or the system has none
            resource.setrlimit(limit, (most, most))
    out = os.dup(1)
    os.dup2(2, 1)  # output of libraries must not get into the reply
    job = Job(**json.load(sys.stdin))
    try:
        answer: dict[str, Any] = {"missed": _highlight(job)}
    except PermissionError as error:
        answer = {"kind": "secret", "error": str(error)}
    except Exception as error:
        answer = {"kind": "error", "error": " ".join(f"{error or type(error).__name__}".split())[:400]}
    with os.fdopen(out, "w", encoding="ascii") as stream:
        json.dump(answer, stream)


def _highlight(job: Job) -> list[int]:
    data = Path(job.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != job.sha256:
        raise ValueError("it has changed since it was read; ask again with the file as it is now")
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    document = pymupdf.open(stream=data, filetype="pdf")
    if document.needs_pass and not document.authenticate(job.password):
        raise PermissionError("the password is wrong" if job.password else "encrypted")
    missed: list[int] = []
    pages: dict[int, tuple[pymupdf.Page, _Letters]] = {}
    for number, passage in enumerate(job.passages):
        marked = 0
        for part in passage["parts"]:
            if part["page"] not in pages:
                page = document.load_page(part["page"])
                pages[part["page"]] = page, _letters(page)
            page, letters = pages[part["page"]]
            if quads := _quads(letters, part["before"], part["text"]):
                note = page.add_highlight_annot(quads=quads)
                note.set_info(content=job.comment, title="longread", subject=passage["subject"])
                note.set_colors(stroke=passage["color"])
                note.update()
                marked += 1
        if marked < len(passage["parts"]):
            missed.append(number)
    document.save(job.output, deflate=True, encryption=pymupdf.PDF_ENCRYPT_KEEP)  # pyright: ignore
    return missed


def _letters(page: "pymupdf.Page") -> _Letters:
    import pymupdf

    flags = pymupdf.TEXT_MEDIABOX_CLIP  # as the page was parsed
    raw: Any = page.get_text("rawdict", flags=flags)
    waiting: dict[Block, list[Any]] = {}
    for part in raw["blocks"]:
        lines = ("".join(char["c"] for span in line["spans"] for char in span["chars"]) for line in part["lines"])
        x0, y0, x1, y1 = part["bbox"]
        block = Block(x0, y0, x1, y1, "\n".join(lines))
        if block.text.strip():
            waiting.setdefault(block, []).append(part)
    blocks = [block for block, parts in waiting.items() for _ in parts]
    ends = 0
    text: list[str] = []
    drawn: list[tuple[int, _Span, dict[str, Any]] | None] = []
    for block in reading_order(page, blocks, flags):
        for line in waiting[block].pop(0)["lines"]:
            for raw_span in line["spans"]:
                span = _Span(line["dir"], raw_span)
                text += [char["c"] for char in raw_span["chars"]]
                drawn += [(ends, span, char) for char in raw_span["chars"]]
            text.append("\n")
            drawn.append(None)
            ends += 1
    return _Letters(NormalText("".join(text)), drawn)


def _quads(letters: _Letters, before: str, text: str) -> "list[pymupdf.Quad]":
    """The boxes of a passage; [] if the page does not contain enough of it."""
    around = len(NormalText(before).text)
    wanted = NormalText(text).text
    spans = [span] if (span := _nearest(letters.text.text, wanted, around)) else []
    if not spans:  # the blocks are in another order than when it was parsed: search line by line
        divided = [line for part in text.split("\n") if (line := NormalText(part).text)]
        for line in divided:
            if span := _nearest(letters.text.text, line, spans[-1][1] if spans else around):
                spans.append(span)
        if sum(end - start for start, end in spans) < _ENOUGH * len("".join(divided)):
            return []
    lines: dict[int, dict[_Span, list[dict[str, Any]]]] = {}
    for span in spans:
        start, end = letters.text.span(*span)
        for place in letters.drawn[start:end]:
            if place:
                line, font, char = place
                lines.setdefault(line, {}).setdefault(font, []).append(char)
    return [_quad(line) for line in lines.values()]


def _nearest(text: str, wanted: str, around: int) -> tuple[int, int] | None:
    """The occurrence of a text that is nearest to a position."""
    after = text.find(wanted, around)
    before = text.rfind(wanted, 0, around + len(wanted))
    starts = [start for start in (before, after) if start >= 0]
    if not starts or not wanted:
        return None
    start = min(starts, key=lambda start: abs(start - around))
    return start, start + len(wanted)


def _quad(line: dict[_Span, list[dict[str, Any]]]) -> "pymupdf.Quad":
    """The box around characters of a line, in any direction of writing."""
    import pymupdf

    quads = [pymupdf.recover_span_quad(span.direction, span.raw, chars) for span, chars in line.items()]
    return pymupdf.Quad(quads[0].ul, quads[-1].ur, quads[0].ll, quads[-1].lr)


if __name__ == "__main__":
    main()
