"""The process that highlights one PDF: `python -m longread.agent.citations.highlight_worker MEMORY`.

The file may crash MuPDF, hang it, or use up all memory: `highlight.py`, in the other process, has a time limit, and
only reads the output of this process, as JSON. It is not a sandbox: a file that took over MuPDF would have the rights
of the user.

The request is a JSON object on standard input, with the fields of `Job`. The reply on standard output has "missed", the
numbers of the passages that were not found on their pages, or "error" and its "kind".
"""

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..corpus.formats.pdf.bidi import has_right_to_left
from ..corpus.formats.pdf.lines import Line
from ..corpus.formats.pdf.text import lines_in_order
from ..corpus.parsing.isolation import isolate
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
    out = isolate(int(sys.argv[1]))
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
    text: list[str] = []
    drawn: list[tuple[int, _Span, dict[str, Any]] | None] = []
    for number, line in enumerate(lines_in_order(page)):
        chars = [
            (number, span, char)
            for raw in line.raws
            for span in (_Span(raw["dir"], raw_span) for raw_span in raw["spans"])
            for char in span.raw["chars"]
        ]
        if has_right_to_left(line.text):
            chars = _as_read(line, chars)
            text.append(line.text)
        else:
            text += [char["c"] for _, _, char in chars]
        drawn += [*chars, None]
        text.append("\n")
    return _Letters(NormalText("".join(text)), drawn)


def _as_read(line: Line, chars: list[tuple[int, _Span, dict[str, Any]]]) -> list[tuple[int, _Span, dict[str, Any]]]:
    """For each character of right-to-left text one that is drawn at about its place."""
    ordered = sorted(chars, key=lambda place: -place[2]["bbox"][0])
    return [ordered[at * len(ordered) // len(line.text)] for at in range(len(line.text))]


def _quads(letters: _Letters, before: str, text: str) -> "list[pymupdf.Quad]":
    """The boxes of a passage; [] if the page does not contain enough of it."""
    around = len(NormalText(before).text)
    wanted = NormalText(text).text
    spans = [span] if (span := _nearest(letters.text.text, wanted, around)) else []
    if not spans:
        spans = _alike(letters.text.text, wanted, around)
    if not spans:  # the blocks are in another order than when it was parsed: search line by line
        divided = [line for part in text.split("\n") if (line := NormalText(part).text)]
        for line in divided:
            around = spans[-1][1] if spans else around
            if span := _nearest(letters.text.text, line, around):
                spans.append(span)
            else:
                spans += _alike(letters.text.text, line, around)
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


def _alike(text: str, wanted: str, around: int) -> list[tuple[int, int]]:
    """The occurrence of the letters and digits of a text, whatever is between them.

    The text of a page has marks that are not drawn ("10^6"), and lacks signs that are, such as the dots of a leader.
    """
    places = [at for at, character in enumerate(text) if character.isalnum()]
    start = sum(character.isalnum() for character in text[:around])
    letters = "".join(filter(str.isalnum, wanted))
    found = _nearest("".join(text[at] for at in places), letters, start)
    return [(places[found[0]], places[found[1] - 1] + 1)] if found else []


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

    spans = list(line.items())
    if all(span.direction == (1.0, 0.0) for span, _ in spans):  # read from the left or from the right
        spans = [(span, sorted(chars, key=_left)) for span, chars in spans]
        spans.sort(key=lambda part: _left(part[1][0]))
    quads = [pymupdf.recover_span_quad(span.direction, span.raw, chars) for span, chars in spans]
    return pymupdf.Quad(quads[0].ul, quads[-1].ur, quads[0].ll, quads[-1].lr)


def _left(char: dict[str, Any]) -> float:
    return char["bbox"][0]


if __name__ == "__main__":
    main()
