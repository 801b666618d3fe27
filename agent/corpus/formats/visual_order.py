"""The order in which a reader meets the shapes of a slide or drawing."""

from bisect import bisect
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeVar

_SLACK = 0.08
"""Fraction of its size by which a box may reach into another: boxes are larger than the text in them."""
_ALIKE = 0.6
"""Gaps of at least this fraction of the widest one divide together with it."""
_MAX_DEPTH = 60
_T = TypeVar("_T")


class Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def covers(self, other: "Box") -> bool:
        x, y = (other.left + other.right) / 2, (other.top + other.bottom) / 2
        return self.left <= x <= self.right and self.top <= y <= self.bottom


def ordered(items: Sequence[_T], box: Callable[[_T], Box | None]) -> list[_T]:
    """The items in reading order: from top to bottom and from left to right, a column to its end before the next.

    The widest gap that divides all of a region from top to bottom or from side to side divides it into rows or columns
    (an XY-cut: Nagy and Seth, 1984), which are read one after the other; of equal gaps, that between rows. Items that
    no gap divides are ordered by their tops, then by their left sides; those without a place come last.
    """
    placed = [(found, item) for item in items if (found := box(item)) is not None]
    return [item for _, item in _cut(placed, 0)] + [item for item in items if box(item) is None]


def _cut(items: list[tuple[Box, _T]], depth: int) -> list[tuple[Box, _T]]:
    if len(items) < 2:
        return items
    rows, tall = _gaps([(box.top, box.bottom) for box, _ in items])
    columns, wide = _gaps([(box.left, box.right) for box, _ in items])
    if depth > _MAX_DEPTH or not (rows or columns):
        return _by_lines(items)
    by_rows = tall >= wide
    cuts = rows if by_rows else columns
    groups: list[list[tuple[Box, _T]]] = [[] for _ in range(len(cuts) + 1)]
    for box, item in items:
        middle = (box.top + box.bottom) / 2 if by_rows else (box.left + box.right) / 2
        groups[bisect(cuts, middle)].append((box, item))
    return [item for group in groups for item in _cut(group, depth + 1)]


def _gaps(spans: Sequence[tuple[float, float]]) -> tuple[list[float], float]:
    """The middles of the widest gaps between the spans, and the width of the widest one."""
    shrunk = sorted((start + (end - start) * _SLACK, end - (end - start) * _SLACK) for start, end in spans)
    found: list[tuple[float, float]] = []
    reach = shrunk[0][1]
    for (_, _), (start, end) in pairwise(shrunk):
        if start > reach:
            found.append((start - reach, (start + reach) / 2))
        reach = max(reach, end)
    widest = max((width for width, _ in found), default=0.0)
    return [middle for width, middle in found if width >= _ALIKE * widest], widest


def _by_lines(items: list[tuple[Box, _T]]) -> list[tuple[Box, _T]]:
    """By tops; boxes whose tops differ by less than a quarter of their height are on one line."""
    lines: list[list[tuple[Box, _T]]] = []
    for box, item in sorted(items, key=lambda found: (found[0].top, found[0].left)):
        first = lines[-1][0][0] if lines else None
        if first is not None and box.top - first.top < 0.25 * min(box.bottom - box.top, first.bottom - first.top):
            lines[-1].append((box, item))
        else:
            lines.append([(box, item)])
    return [found for line in lines for found in sorted(line, key=lambda found: found[0].left)]
