"""The rows of text of a page, put together from parts that are side by side."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .. import markup
from .words import is_commoner

_SAME = 0.35
"""Distance of the baselines of parts of one row at most, in font sizes."""
_TWICE = 0.1
"""Shift between two drawings of one text, which make it bold, in font sizes."""
_DROP = 1.8
"""Size of a drop cap at least, in sizes of the text that goes on."""
_NUMBERED = 8
"""Rows whose numbers in the margin are said to be line numbers."""


class Piece(NamedTuple):
    """A part of a row, in reading order. Units are points in the direction of the text."""

    text: str
    x0: float
    baseline: float
    size: float
    x1: float = float("nan")
    """Its end; NaN where MuPDF does not say it."""
    direction: bool = True
    """Two parts of one row have the same."""


def rows(pieces: Sequence[Piece]) -> list[str]:
    """The text row by row, without what is drawn a second time at its place, and with line numbers apart."""
    texts: list[str] = []
    drawn: dict[str, list[Piece]] = {}
    numbers: list[tuple[int, str]] = []
    last: Piece | None = None
    large: Piece | None = None
    for piece in pieces:
        if same := drawn.get(piece.text):
            near = max(_TWICE * piece.size, 0.8)
            if any(abs(a.x0 - piece.x0) < near and abs(a.baseline - piece.baseline) < near for a in same):
                continue
            same.append(piece)
        else:
            drawn[piece.text] = [piece]
        if last is not None and _in_row(last, piece):
            if texts[-1].isdigit():
                numbers.append((len(texts) - 1, texts[-1]))
            texts[-1] = _beside(texts[-1], piece, last)
        elif large is not None and _goes_on(large, piece):
            texts[-1] += piece.text if not _is_apart(large.text, piece.text) else f" {piece.text}"
        else:
            texts.append(piece.text)
        large = piece if len(piece.text) == 1 and piece.text.isupper() else None
        last = piece
    return _numbered_apart(texts, numbers) if len(numbers) >= _NUMBERED else texts


def _in_row(a: Piece, b: Piece) -> bool:
    return abs(a.baseline - b.baseline) < _SAME * min(a.size, b.size) and b.x0 > a.x0 and a.direction == b.direction


def _beside(row: str, piece: Piece, last: Piece) -> str:
    text = piece.text
    if row[-1:].isspace() or text[:1].isspace():
        return row + text
    gap = piece.x0 - last.x1  # NaN compares false
    touching = gap < 0.05 * piece.size or (gap < 0.3 * piece.size and row[-1:] > "\u2e80" and text[:1] > "\u2e80")
    return row + text if touching else f"{row} {text}"


def _goes_on(large: Piece, piece: Piece) -> bool:
    """Whether a text goes on beside its drop cap."""
    first = piece.text.lstrip()[:2]
    return (
        large.size > _DROP * piece.size
        and piece.x0 > large.x0
        and large.baseline - 1.2 * large.size < piece.baseline <= large.baseline + 0.2 * piece.size
        and (first[:1].islower() or (len(first) == 2 and first.isupper()))
    )


def _is_apart(letter: str, text: str) -> bool:
    """Whether a drop cap is a word of its own: "A long time", but not "Another"."""
    word = text.split(maxsplit=1)[0].strip(".,;:!?")
    return letter in "AIO" and len(word) > 2 and is_commoner(word, letter + word)


def _numbered_apart(texts: list[str], numbers: Sequence[tuple[int, str]]) -> list[str]:
    """Take out the numbers of lines of continuous text; of a list or a table they stay."""
    values = [int(number) for _, number in numbers]
    steps = {b - a for a, b in pairwise(values)}
    bodies = [texts[at][len(number) :].lstrip() for at, number in numbers]
    if len(steps) != 1 or not steps <= {1, 2, 5, 10} or sum(body[:1].islower() for body in bodies) < 0.3 * len(bodies):
        return texts
    for (at, _), body in zip(numbers, bodies, strict=True):
        texts[at] = body
    return [*texts, markup.named("line numbers", f"{values[0]}–{values[-1]}")]
