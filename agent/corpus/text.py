"""The text of pages: its normal form, and its division into sections for files without pages."""

import re
import unicodedata
from collections.abc import Collection, Sequence
from itertools import pairwise
from typing import NamedTuple

from longread.control_tokens import encodable

from .invisible import without_invisible

_NEWLINES = re.compile("\r\n?")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f]")
MAX_BLANK = 4096
"""Maximum length of a run of white space in a page: tiktoken's regular expression overflows its stack at about a
million."""
_BLANKS = re.compile(rf"(?<!\s)\s{{{MAX_BLANK + 1},}}")
"""With the lookbehind, a run is looked at once, and not again from each of its characters."""
SECTION = 3000
"""Target length in characters of a section that replaces a page: about a printed page."""


def normalize(text: str, *, keep_hidden: bool = False) -> tuple[str, list[str]]:
    """Convert `text` to the form of `Page.text`; returns it with notes on changes that a reader would miss.

    NFC; newline as the only line end; no control characters except tab and newline, and no others that nothing shows
    (`without_invisible`); U+FFFD for unpaired surrogates; no white space at either end, and runs of it no longer than
    `MAX_BLANK`.
    """
    text, notes = without_invisible(_CONTROLS.sub("", _LINE_ENDS.sub("\n", text)), keep=keep_hidden)
    text = text.strip()
    if not text.isascii():
        text = unicodedata.normalize("NFC", encodable(text))
    text, shortened = _BLANKS.subn(lambda run: run.group()[:MAX_BLANK], text)
    if shortened:
        notes.append(f"runs of more than {MAX_BLANK} white space characters were shortened to that")
    return text, notes


class Line(NamedTuple):
    """A line with its line end, or a part of a line that is longer than a section."""

    number: int
    """Its number in the file, from 1."""
    text: str


def split_lines(text: str) -> list[Line]:
    """Split a text into lines. A line longer than a section is split, after white space or a comma if it has one."""
    lines: list[Line] = []
    written = _NEWLINES.sub("\n", text).split("\n") if "\r" in text else text.split("\n")
    if max(map(len, written)) < SECTION:
        return list(map(Line._make, enumerate([f"{line}\n" for line in written], start=1)))
    for number, whole in enumerate(written, start=1):
        line, start = whole + "\n", 0
        while len(line) - start > SECTION:
            middle, end = start + SECTION // 2, start + SECTION
            at = max(line.rfind(mark, middle, end) for mark in " \t,") + 1 or end
            lines.append(Line(number, line[start:at]))
            start = at
        lines.append(Line(number, line[start:] if start else line))
    return lines


def split_sections(lines: Sequence[Line], starts: Collection[int] = ()) -> list[Sequence[Line]]:
    """Group lines into sections of about `SECTION` characters. Nothing is left out but white space.

    `starts` are the numbers of lines that start something, such as a heading or a record. A section ends before the
    last of these in its second half; else before a paragraph; else before a line that is not indented (pages are
    stripped, so that an indented one would lose its indentation); else at any line end.
    """
    anchors = starts if isinstance(starts, range | frozenset) else frozenset(starts)
    cuts = [0]
    first = 0  # the last of them
    size = 0  # characters in this section
    best, rank = 0, -1  # where to end it
    for at, line in enumerate(lines):
        length = len(line.text)
        if size + length > SECTION and at > first:
            first = best if rank >= 0 else at
            cuts.append(first)
            size = sum(len(line.text) for line in lines[first:at])
            best, rank = 0, -1
        if size >= SECTION // 2 and at > first:
            here = _rank(lines[at - 1], line, anchors)
            if here >= rank:
                best, rank = at, here
        size += length
    parts = [lines[a:b] for a, b in pairwise([*cuts, len(lines)])]
    return [part for part in parts if not all(line.text.isspace() for line in part)]


def _rank(before: Line, line: Line, anchors: Collection[int]) -> int:
    if line.number in anchors and before.number != line.number:
        return 3
    if line.text[0].isspace():
        return 0
    return 2 if before.text.isspace() else 1
