"""Numbers of lists and headings (ISO/IEC 26300-1, 19.880 and 16.30 to 16.36)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..office.package import integer
from ..word.number_formats import written
from .names import attribute, name
from .styles import NUMBER_FORMATS, Styles

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_OTHER_FORMATS = {
    "一, 二, 三, ...": "ideographDigital",
    "①, ②, ③, ...": "decimalEnclosedCircle",
    "١, ٢, ٣, ٤, ...": "decimal",
}
_NUMBER = re.compile(r"%(\d+)%")
MAX_LEVEL = 10


@dataclass
class _Level:
    """How one level of a list is numbered."""

    bullet: str = ""
    number_format: str = ""
    prefix: str = ""
    suffix: str = ""
    shown: int = 1
    """How many levels the number has: 2 for "1.1"."""
    start: int = 1
    whole: str = ""
    """The whole number with the levels as "%1%", which newer programs write."""
    synchronized: bool = False
    """Two letters after "z" are "aa", "bb"; else "aa", "ab"."""


@dataclass
class Counters:
    """The numbers that a list has come to, by level from 1."""

    numbers: dict[int, int] = field(default_factory=dict)

    def below(self, level: int) -> None:
        """Forget the levels below one."""
        for deeper in [one for one in self.numbers if one > level]:
            del self.numbers[deeper]


class ListNumbers:
    """The numbers of all lists in a document."""

    def __init__(self, styles: Styles):
        self._styles = styles
        self._levels: dict[str, Mapping[int, _Level]] = {}
        self._outline = _levels(styles.outline) if styles.outline is not None else {}
        self._outline_counters = Counters()
        self._by_style: dict[str, Counters] = {}
        self._by_id: dict[str, Counters] = {}

    def counters(self, element: "_Element", style: str) -> Counters:
        """The counters of a text:list that is in no other: its own, or those that it continues."""
        before = self._by_id.get(attribute(element, "text:continue-list"))
        if before is None and attribute(element, "text:continue-numbering") == "true":
            before = self._by_style.get(style)
        found = before if before is not None else Counters()
        self._by_style[style] = found
        if identity := attribute(element, "xml:id") or attribute(element, "text:id"):
            self._by_id[identity] = found
        return found

    def of_id(self, identity: str) -> Counters:
        """The counters of the numbered paragraphs with this text:list-id."""
        return self._by_id.setdefault(f"#{identity}", Counters())

    def mark(self, counters: Counters, style: str, level: int, start: str = "") -> str:
        """Count an item; returns its number or bullet, "" for none.

        Args:
            level: from 1.
            start: the number that the item says it has.
        """
        levels = self._levels_of(style)
        found = levels.get(level, _Level(bullet="•"))
        counters.below(level)
        following = counters.numbers.get(level, found.start - 1) + 1
        counters.numbers[level] = integer(start, following)
        if found.bullet:
            return "-"
        return _number(levels, counters, level)

    def heading(self, level: int, *, restart: bool = False, start: str = "") -> str:
        """The number of a heading by the outline of the document, "" for none."""
        counters = self._outline_counters
        found = self._outline.get(level, _Level())
        counters.below(level)
        following = found.start if restart else counters.numbers.get(level, found.start - 1) + 1
        counters.numbers[level] = integer(start, following)
        return _number(self._outline, counters, level)

    def _levels_of(self, style: str) -> Mapping[int, _Level]:
        if style not in self._levels:
            element = self._styles.list_style(style)
            self._levels[style] = _levels(element) if element is not None else {}
        return self._levels[style]


def _levels(style: "_Element") -> dict[int, _Level]:
    found: dict[int, _Level] = {}
    for element in style:
        given = attribute(element, "text:level")
        if not integer(given):
            continue
        kind = name(element)
        start, shown = attribute(element, "text:start-value", "1"), attribute(element, "text:display-levels", "1")
        found[integer(given)] = _Level(
            bullet="•" if kind in ("text:list-level-style-bullet", "text:list-level-style-image") else "",
            number_format=attribute(element, "style:num-format"),
            prefix=attribute(element, "style:num-prefix"),
            suffix=attribute(element, "style:num-suffix"),
            shown=integer(shown, 1),
            start=integer(start, 1),
            whole=attribute(element, "style:num-list-format") or attribute(element, "loext:num-list-format"),
            synchronized=attribute(element, "style:num-letter-sync") == "true",
        )
    return found


def _number(levels: Mapping[int, _Level], counters: Counters, level: int) -> str:
    found = levels.get(level, _Level())
    if not found.number_format:
        return (found.prefix + found.suffix).strip()

    def one(at: int) -> str:
        of = levels.get(at, _Level())
        return _written(counters.numbers.get(at, of.start), of)

    if found.whole:
        return _NUMBER.sub(lambda match: one(int(match[1])) if int(match[1]) <= level else "", found.whole).strip()
    first = max(level - found.shown + 1, 1)
    numbers = [text for at in range(first, level + 1) if (text := one(at))]
    return f"{found.prefix}{'.'.join(numbers)}{found.suffix}".strip()


def _written(number: int, level: _Level) -> str:
    kind = level.number_format
    if not kind:
        return ""
    if kind in ("a", "A") and not level.synchronized and number > 26:
        letters = ""
        while number > 0:
            number, at = divmod(number - 1, 26)
            letters = chr(ord(kind) + at) + letters
        return letters
    return written(number, NUMBER_FORMATS.get(kind) or _OTHER_FORMATS.get(kind, "decimal"))
