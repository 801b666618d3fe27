"""Columns whose lines are drawn across: left, right, left, right.

Programs that draw a page from top to bottom, whatever column a line is in, list the lines of columns alternately. A
table is drawn like that too, and read like that. What tells them apart: the lines of columns are full, close to each
other, and of words; the rows of a table are short, or apart, or ruled, or end at the same heights in all columns.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from .lines import Line

_GUTTER = 6.0
"""Width in points of the white space between columns."""
_LEAST = 3
"""Lines of a column."""
_SURE = 8
"""Lines of a column from which on sentences need not be seen to go on from line to line."""
_WIDTH = 7.0
"""Width of a column in font sizes: below, it is one of a table, or of numbers."""
_FULL = 0.6
"""Width of most lines of a column, as a fraction of its widest ones."""
_WORDS = 2.5
"""Words of a line of text at least, on average."""
_MANY_WORDS = 4.0
"""Words of a line that is taken for one of text although no sentence is seen to go on."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_PITCH = 1.8
"""Distance of lines of a column in font sizes."""
_DEEP = 6
"""Columns beside each other that are told apart."""
_MANY = 1500
"""Lines of a page above which it is a map or a plan, and not searched for columns."""

Rules = Callable[[], Sequence[tuple[float, float, float]]]
"""The horizontal rules of the page, as (y, x0, x1)."""
Band = tuple[list[Line], list[Line]]
"""Lines on the left and on the right of a gutter."""


def apart(lines: list[Line], rules: Rules = list, depth: int = _DEEP) -> list[list[Line]]:
    """The lines, in drawing order as far as that keeps columns apart, in groups that are not to be torn apart.

    A group is what was drawn together, or one column, or one cell, of what was drawn across.
    """
    if not depth or not 2 * _LEAST <= len(lines) <= _MANY:
        return [lines]
    order = {id(line): at for at, line in enumerate(lines)}
    found = [bands for edge in _edges(lines) if (bands := [b for b in _bands(lines, edge) if _are_columns(*b, edge)])]
    # A gutter that the drawing respects is one, and what is drawn across is on one side of it.
    found.sort(
        key=lambda bands: (any(_is_across(*band, order) for band in bands), -sum(len(a) + len(b) for a, b in bands))
    )
    moved: dict[int, list[list[Line]]] = {}
    for left, right in found[0] if found else ():
        parts = _parts(left, right, order, rules, depth)
        if parts:
            first, *others = sorted((*left, *right), key=lambda line: order[id(line)])
            moved[id(first)] = parts
            moved |= {id(line): [] for line in others}
    if not moved:
        return [lines]
    groups: list[list[Line]] = [[]]
    for line in lines:
        if id(line) not in moved:
            groups[-1].append(line)
        elif parts := moved[id(line)]:
            groups += [*parts, []]
    return [group for group in groups if group]


def _parts(left: list[Line], right: list[Line], order: dict[int, int], rules: Rules, depth: int) -> list[list[Line]]:
    """The groups of two columns; none if they are drawn as they are read."""
    across = _is_across(left, right, order)
    if across and (cells := _table(left, right, rules)):
        return cells
    sides = [apart(_down(side, order) if across else side, rules, depth - 1) for side in (left, right)]
    return [group for side in sides for group in side] if across or max(map(len, sides)) > 1 else []


def _is_across(left: Sequence[Line], right: Sequence[Line], order: dict[int, int]) -> bool:
    return max(order[id(line)] for line in left) > min(order[id(line)] for line in right)


def _edges(lines: Sequence[Line]) -> list[float]:
    """Left edges that several lines share, but for the leftmost."""
    counts = Counter(round(line.x0) for line in lines)
    if not counts:
        return []
    first = min(counts)
    near = {x: counts[x - 1] + counts[x] + counts[x + 1] for x in counts}
    often = [x for x in near if near[x] >= _LEAST and x > first + _GUTTER]
    return [float(x) for x in sorted(often, key=lambda x: -near[x])[:12]]


def _bands(lines: Sequence[Line], edge: float) -> list[tuple[list[Line], list[Line]]]:
    """The lines left and right of an edge, between the ones that cross it."""
    inside = [line for line in lines if line.main]
    crossing = sorted(
        (line.y0 + line.y1) / 2 for line in inside if line.x0 < edge - 1.5 and line.x1 > edge - _GUTTER + 1
    )
    bands: dict[int, tuple[list[Line], list[Line]]] = {}
    for line in inside:
        right = line.x0 >= edge - 1.5
        if not right and line.x1 > edge - _GUTTER + 1:
            continue
        band = bands.setdefault(bisect_left(crossing, (line.y0 + line.y1) / 2), ([], []))
        band[right].append(line)
    return [_trimmed(*band) for band in bands.values() if min(map(len, band)) >= _LEAST]


def _trimmed(left: list[Line], right: list[Line]) -> tuple[list[Line], list[Line]]:
    """Without a line or two at the top and the bottom that stand apart: heads and feet of the page."""
    every = sorted((*left, *right), key=lambda line: line.y0)
    size = median(line.size for line in every)
    low, high = every[0].y0, max(line.y1 for line in every)
    bottom = every[0].y1
    gaps: list[tuple[int, float, float]] = []  # lines above, end, beginning
    for at, line in enumerate(every):
        if line.y0 - bottom > 0.9 * size:
            gaps.append((at, bottom, line.y0))
        bottom = max(bottom, line.y1)
    for above, _, beginning in gaps:
        if above <= 2 and len(every) - above >= 2 * _LEAST:
            low = beginning
    for above, end, _ in reversed(gaps):
        if len(every) - above <= 2 and above >= 2 * _LEAST:
            high = end
    fits = [[line for line in side if line.y0 >= low - 0.1 and line.y1 <= high + 0.1] for side in (left, right)]
    return (fits[0], fits[1]) if min(map(len, fits)) >= _LEAST else (left, right)


def _are_columns(left: list[Line], right: list[Line], edge: float) -> bool:
    if min(len(left), len(right)) < _LEAST:
        return False
    overlap = min(max(line.y1 for line in side) for side in (left, right)) - max(
        min(line.y0 for line in side) for side in (left, right)
    )
    size = median(line.size for line in left)
    if overlap < 2 * size:
        return False
    beside = [line for line in right if line.x0 < edge + 3 * size]
    if len(beside) < _LEAST:
        return False
    nearest = _nearest(left, beside)
    return (
        len(nearest) >= _LEAST
        and _is_text(nearest)
        and _is_text(beside)
        and all(_goes_on(side) or (len(side) >= _SURE and _words(side) > _MANY_WORDS) for side in (nearest, beside))
    )


def _nearest(left: Sequence[Line], beside: Sequence[Line]) -> list[Line]:
    """The lines of the left side that are next to the gutter, or to nothing: other columns may be left of them."""
    top, bottom = min(line.y0 for line in beside), max(line.y1 for line in beside)
    rows: dict[int, Line] = {}
    for line in left:
        if line.y1 > top and line.y0 < bottom:
            row = round(line.baseline)
            if row not in rows or rows[row].x0 < line.x0:
                rows[row] = line
    return list(rows.values())


def _is_text(side: Sequence[Line]) -> bool:
    """Whether lines look like those of a column of text."""
    size = median(line.size for line in side)
    widths = sorted(line.x1 - line.x0 for line in side)
    wide = widths[int(0.85 * (len(widths) - 1))]
    if wide < _WIDTH * size or median(widths) < _FULL * wide:
        return False
    tops = sorted(line.baseline for line in side)
    steps = [b - a for a, b in pairwise(tops) if b - a > 0.4 * size]
    if not steps or median(steps) > _PITCH * size:
        return False
    texts = [line.text.strip() for line in side]
    text = "\n".join(texts)
    letters = sum(map(str.isalpha, text))
    code = sum(_CODE.match(part) is not None for part in texts)
    return (
        _words(side) >= _WORDS  # a name or a term is no line of text
        and letters > 0.6 * (len(text) - sum(map(str.isspace, text)) or 1)
        and len(set(texts)) > 0.7 * len(texts)
        and 3 * code < len(texts)
    )


_CODE = re.compile(r"#|//|%|/\*|--|;|[\w.:&*]+ ?\(.*\)")
"""The beginning of a line of a program, or of a remark beside one."""


def _words(side: Sequence[Line]) -> float:
    """Words of a line on average; letters where words have no spaces between them."""
    text = "\n".join(line.text for line in side)
    spaced = text.isascii() or text.count(" ") * 12 > len(text)
    return (len(_WORD.findall(text)) if spaced else len(text)) / len(side)


def _goes_on(side: Sequence[Line]) -> bool:
    """Whether sentences go on from line to line."""
    small = sum(line.text.lstrip()[:1].islower() for line in side)
    return small >= 0.3 * len(side)


def _down(side: list[Line], order: dict[int, int]) -> list[Line]:
    """A column from top to bottom; as drawn where that is downwards already."""
    drawn = sorted(side, key=lambda line: order[id(line)])
    if all(a.baseline <= b.baseline + 0.5 * a.size for a, b in pairwise(drawn)):
        return drawn
    return sorted(drawn, key=lambda line: (line.baseline, line.x0))


def _table(left: list[Line], right: list[Line], rules: Rules) -> list[list[Line]]:
    """The cells row by row, if rules or equal gaps divide both sides into rows; else nothing."""
    edge = (max(line.x1 for line in left) + min(line.x0 for line in right)) / 2
    top = min(line.y1 for line in (*left, *right))
    bottom = max(line.y0 for line in (*left, *right))
    cuts = sorted(y for y, x0, x1 in rules() if top < y < bottom and x0 < edge < x1)
    if len(cuts) < 2:
        gaps = [_gaps(side) for side in (left, right)]
        common = [(max(a, c), min(b, d)) for (a, b), (c, d) in _pairs(*gaps)]
        cuts = [(high + low) / 2 for high, low in common]
        if len(cuts) < 2 or len(cuts) < 0.7 * max(map(len, gaps)):
            return []
        firsts = [
            min((line for line in side if line.baseline > cut), key=lambda line: line.baseline, default=None)
            for cut in cuts
            for side in (left, right)
        ]
        if sum(line.text.lstrip()[:1].islower() for line in firsts if line) > 0.25 * len(firsts):
            return []  # sentences go on below the gaps: paragraphs on a common grid
    cells: list[list[Line]] = [[] for _ in range(2 * (len(cuts) + 1))]
    for n, side in enumerate((left, right)):
        for line in sorted(side, key=lambda line: (line.baseline, line.x0)):
            cells[2 * bisect_left(cuts, (line.y0 + line.y1) / 2) + n].append(line)
    return [cell for cell in cells if cell]


def _gaps(side: Sequence[Line]) -> list[tuple[float, float]]:
    """Where there is more white space between two lines of a column than usual: from which height to which."""
    tops = sorted(line.baseline for line in side)
    size = median(line.size for line in side)
    steps = [(b - a, a, b) for a, b in pairwise(tops) if b - a > 0.4 * size]
    usual = min(step for step, _, _ in steps)
    return [(a + 0.25 * size, b - 0.75 * size) for step, a, b in steps if step > 1.25 * usual + 1]


def _pairs(
    first: Sequence[tuple[float, float]], second: Sequence[tuple[float, float]]
) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """The intervals of two sorted lists that overlap."""
    found: list[tuple[tuple[float, float], tuple[float, float]]] = []
    at = 0
    for interval in first:
        while at < len(second) and second[at][1] <= interval[0]:
            at += 1
        if at < len(second) and second[at][0] < interval[1]:
            found.append((interval, second[at]))
    return found
