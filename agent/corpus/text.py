"""Text as pages hold it: one normal form, and stretches of it where a file has no pages."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..control import encodable

_NEWLINES = re.compile("\r\n?")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")

MAX_BLANK = 4096
"""White space in a row that a page may hold: tiktoken's regular expression overflows its stack at about a million."""
_BLANKS = re.compile(rf"\s{{{MAX_BLANK + 1},}}")

SECTION = 3000
"""Characters that a stretch of text standing for a page aims at: a printed page."""


def clean(text: str) -> tuple[str, list[str]]:
    """`text` in the form that `Page.text` promises, and what was changed that a reader would miss.

    NFC, newline as the only line end, no control characters but tab and newline, U+FFFD for lone surrogates, no white
    space at either end, and no more than `MAX_BLANK` of it in a row.
    """
    notes: list[str] = []
    text = _CONTROLS.sub("", _LINE_ENDS.sub("\n", text)).strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", encodable(text))
    text, shortened = _BLANKS.subn(lambda run: run.group()[:MAX_BLANK], text)
    if shortened:
        notes.append(f"runs of more than {MAX_BLANK} white space characters were shortened to that")
    return text, notes


class Line(NamedTuple):
    """A line with its end, or a part of one that is longer than a section."""

    number: int
    """From 1, in the file."""
    text: str


def split_lines(text: str) -> list[Line]:
    """The lines of `text`; one longer than a section is cut, at white space or a comma where it has one."""
    lines: list[Line] = []
    for number, whole in enumerate(_NEWLINES.sub("\n", text).split("\n"), start=1):
        line = whole + "\n"
        while len(line) > SECTION:
            at = max(line.rfind(mark, SECTION // 2, SECTION) for mark in " \t,") + 1 or SECTION
            lines.append(Line(number, line[:at]))
            line = line[at:]
        lines.append(Line(number, line))
    return lines


def stretches(lines: Sequence[Line], starts: Collection[int] = ()) -> list[Sequence[Line]]:
    """Cut lines into stretches of about `SECTION` characters, nothing left out but white space.

    `starts` are the numbers of the lines that begin something, a heading or a record. A cut is made before the last of
    these in the second half of a stretch, else before a paragraph, else before a line that is not indented (pages are
    stripped, so an indented one would lose its indentation), else at any line end.
    """
    anchors = frozenset(starts)
    cuts = [0]
    size = 0  # characters since the last cut
    best, rank = 0, -1  # where to cut next
    for at, line in enumerate(lines):
        if at > cuts[-1] and size + len(line.text) > SECTION:
            cuts.append(best if rank >= 0 else at)
            size = sum(len(line.text) for line in lines[cuts[-1] : at])
            best, rank = 0, -1
        if at > cuts[-1] and size >= SECTION // 2:
            here = _rank(lines[at - 1], line, anchors)
            if here >= rank:
                best, rank = at, here
        size += len(line.text)
    parts = [lines[a:b] for a, b in pairwise([*cuts, len(lines)])]
    return [part for part in parts if not all(line.text.isspace() for line in part)]


def _rank(before: Line, line: Line, anchors: frozenset[int]) -> int:
    if line.number in anchors and before.number != line.number:
        return 3
    if line.text[0].isspace():
        return 0
    return 2 if before.text.isspace() else 1


def ranges(numbers: Iterable[int]) -> str:
    """'3-5, 9' for 3, 4, 5, 9."""
    parts: list[list[int]] = []
    for number in sorted(set(numbers)):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
