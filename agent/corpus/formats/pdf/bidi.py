"""Right-to-left text in logical order: the order in which it is read, with numbers and Latin words in theirs.

A PDF places glyphs; whether it lists them from the left or from the right is up to the program that wrote it. So the
glyphs of a line are sorted by their place, and the rules by which Unicode text was laid out (UAX #9) are undone.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

_RIGHT_TO_LEFT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_SHAPED = re.compile("[\ufb1d-\ufb4f\ufb50-\ufdcf\ufdf0-\ufdff\ufe70-\ufefc]+")
_CONTROLS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")
_MIRRORED = {a: b for pair in ("()", "[]", "{}", "<>", "«»", "‹›", "⟨⟩", "≤≥") for a, b in (pair, pair[::-1])}
_OPENING, _CLOSING = "([{<«‹⟨", ")]}>»›⟩"
_GAP = 0.2
"""White space between glyphs, in font sizes, that is a space."""
_ARABIC = ("AL", "AN")


class Glyph(NamedTuple):
    """A character at its place; `x0` and `x1` in points in the direction of the line."""

    text: str
    x0: float
    x1: float
    size: float


def has_right_to_left(text: str) -> bool:
    """Whether a text has letters of a script that is written from the right."""
    return not text.isascii() and bool(_RIGHT_TO_LEFT.search("".join(set(text))))


def is_right_to_left(text: str) -> bool:
    """Whether most letters of a text are of a script that is written from the right."""
    strong = [unicodedata.bidirectional(letter) for letter in text]
    right = sum(kind in ("R", "AL") for kind in strong)
    return right > 0 and right >= strong.count("L")


def logical(glyphs: Sequence[Glyph], *, page: bool = True) -> str:
    """The glyphs of a line as text. `page` says whether most of the page is written from the right."""
    units = _units(glyphs)
    kinds = [_kind(unit) for unit in units]
    strong = ["R" if kind == "AL" else kind for kind in kinds if kind in ("L", "R", "AL")]
    if not strong or (page if strong[0] != strong[-1] else strong[0] == "R"):
        text = _read_from_right(units, kinds)
    else:
        parts: list[str] = []
        at = 0
        while at < len(units):
            end = _end_of_right_run(kinds, at)
            if end > at:
                parts.append(_read_from_right(units[at:end], kinds[at:end]))
            else:
                parts.append(units[at])
                end = at + 1
            at = end
        text = "".join(parts)
    return unshaped(text)


def unshaped(text: str) -> str:
    """Letters in place of the forms that Arabic and Hebrew fonts draw; without controls of direction."""
    return _CONTROLS.sub("", _SHAPED.sub(lambda found: unicodedata.normalize("NFKC", found.group()), text))


def _units(glyphs: Sequence[Glyph]) -> list[str]:
    """Letters with their marks, from left to right, with spaces where there is white space."""
    drawn = [glyph for glyph in glyphs if glyph.text.strip()]
    blanks = [glyph for glyph in glyphs if not glyph.text.strip() and glyph.x1 > glyph.x0]
    order = sorted((i for i, g in enumerate(drawn) if not _hangs(g)), key=lambda i: drawn[i].x0 + drawn[i].x1)
    if not order:
        return [glyph.text for glyph in glyphs]
    bases = [drawn[i] for i in order]
    texts = [base.text for base in bases]
    ranks = {i: rank for rank, i in enumerate(order)}
    previous = ranks.get(0, 0)
    for i, mark in enumerate(drawn):
        if i in ranks:
            previous = ranks[i]
            continue
        at = (mark.x0 + mark.x1) / 2
        # A mark may be drawn a little outside of its letter, the second letter of a ligature begins where it ends.
        if not unicodedata.combining(mark.text[0]) or not bases[previous].x0 - 1 <= at <= bases[previous].x1 + 1:
            previous = min(range(len(bases)), key=lambda n: max(bases[n].x0 - at, at - bases[n].x1, 0.0))
        texts[previous] += mark.text
    spaces = sorted((glyph.x0 + glyph.x1) / 2 for glyph in blanks)
    units: list[str] = []
    n = 0
    for i, base in enumerate(bases):
        if i:
            middle = (base.x0 + base.x1) / 2
            blank = False
            while n < len(spaces) and spaces[n] < middle:
                blank = blank or spaces[n] > (bases[i - 1].x0 + bases[i - 1].x1) / 2
                n += 1
            if blank or base.x0 - bases[i - 1].x1 > _GAP * base.size:
                units.append(" ")
        units.append(texts[i])
    return units


def _hangs(glyph: Glyph) -> bool:
    return unicodedata.combining(glyph.text[0]) != 0 or glyph.x1 - glyph.x0 < 0.01


def _kind(unit: str) -> str:
    return unicodedata.bidirectional(unit[0])


def _end_of_right_run(kinds: Sequence[str], start: int) -> int:
    """The end of what is written from the right within a line from the left; `start` if nothing is there."""
    if kinds[start] not in ("R", "AL"):
        return start
    end = start + 1
    for at in range(start + 1, len(kinds)):
        if kinds[at] == "L":
            break
        if kinds[at] in ("R", "AL"):
            end = at + 1
    return end


def _read_from_right(units: Sequence[str], kinds: Sequence[str]) -> str:
    parts: list[str] = []
    arabic = any(kind in _ARABIC for kind in kinds)
    mirror = _mirrors(units, kinds)
    at = 0
    while at < len(units):
        end = _end_of_left_run(kinds, at, arabic=arabic)
        if end > at:
            parts.append("".join(units[at:end]))
        else:
            parts.append(_MIRRORED.get(units[at], units[at]) if mirror else units[at])
            end = at + 1
        at = end
    return "".join(reversed(parts))


def _end_of_left_run(kinds: Sequence[str], start: int, *, arabic: bool) -> int:
    """The end of the number or Latin text that begins here; `start` if none does."""
    at, size = start, len(kinds)
    if kinds[at] == "ET" and not arabic and at + 1 < size and kinds[at + 1] == "EN":
        at += 1
    if kinds[at] not in ("L", "EN", "AN"):
        return start
    letters = False
    while at < size:
        kind = kinds[at]
        if kind in ("L", "EN", "AN", "NSM"):
            letters = letters or kind == "L"
            at += 1
            continue
        following = kinds[at + 1] if at + 1 < size else ""
        if not letters:
            between = kind == "CS" or (kind == "ES" and not arabic)
            if between and following in ("EN", "AN") and kinds[at - 1] in ("EN", "AN"):
                at += 1
                continue
            if kind == "ET" and not arabic and kinds[at - 1] == "EN":
                at += 1
                continue
            break
        ahead = at
        while ahead < size and kinds[ahead] not in ("L", "EN", "AN", "R", "AL"):
            ahead += 1
        if ahead == size or kinds[ahead] in ("R", "AL"):
            break
        at = ahead
    return at


def _mirrors(units: Sequence[str], kinds: Sequence[str]) -> bool:
    """Whether brackets have the value of the shape that is drawn, as after most layout programs, or the logical one."""
    balance = worse = 0
    for unit in reversed(units):  # as read, without mirroring
        balance += (unit in _OPENING) - (unit in _CLOSING) if len(unit) == 1 else 0
        worse = min(worse, balance)
    return worse < 0 or balance > 0
