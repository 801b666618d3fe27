"""The values that a chart stores, as they are displayed."""

from math import isfinite
from typing import TYPE_CHECKING

from ..spreadsheet.number_format import number_format
from .drawing_text import paragraphs
from .package import integer

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

Points = dict[int, str]
"""Index, from 0, to text. Gaps have no entry; errors such as "#N/A" are texts."""


def text_of(element: "_Element | None") -> str:
    """The text of a title or a series' name: rich text, or what is cached of the cells that it refers to."""
    if element is None:
        return ""
    if lines := paragraphs(element):
        return " ".join(lines)
    cached = (found.text or "" for name in ("{*}pt", "{*}v") for found in _values(element, name))
    return " ".join(" ".join(cached).split())


def _values(element: "_Element", name: str) -> "list[_Element]":
    """The values in the points of a cache; without points, the value of a literal."""
    if name == "{*}pt":
        return [v for point in element.iter(name) for v in (point.find("{*}v"),) if v is not None]
    return [] if element.find(".//{*}pt") is not None else list(element.iter(name))


def points(element: "_Element | None") -> Points:
    """The points of a c:val, c:yVal and the like."""
    found = levels(element)
    return found[-1] if found else {}


def levels(element: "_Element | None") -> list[Points]:
    """The levels of categories or values, the outermost first: files store the innermost first."""
    if element is None:
        return []
    date_1904 = element.getroottree().getroot().find("{*}date1904")
    from_1904 = date_1904 is not None and date_1904.get("val", "1") in ("1", "true")
    found: list[Points] = []
    for holder in element.iter("{*}lvl") if element.find(".//{*}lvl") is not None else [_holder(element)]:
        given = holder.find("{*}formatCode")
        code = holder.get("formatCode", "") or (given.text or "" if given is not None else "")
        level: Points = {}
        for point in holder.iterchildren("{*}pt"):
            index, value = point.get("idx", ""), point.find("{*}v")
            text = (value.text if value is not None else point.text) or ""
            if text and (at := integer(index, -1)) >= 0:
                level[at] = displayed(text, point.get("formatCode", code), from_1904=from_1904)
        found.append(level)
    return [level for level in reversed(found) if level]


def _holder(element: "_Element") -> "_Element":
    """The cache or literal in a reference, that is, the parent of the points."""
    point = element.find(".//{*}pt")
    parent = point.getparent() if point is not None else None
    return parent if parent is not None else element


def displayed(text: str, code: str, *, from_1904: bool = False) -> str:
    """A stored number as a spreadsheet with this format shows it (`NumberFormat.show`); what is no number as it is."""
    try:
        number = float(text)
    except ValueError:
        return text
    if not isfinite(number):
        return text
    try:
        return number_format(code, from_1904).show(number) or text
    except (ValueError, OverflowError):
        return text  # a format that nobody can read
