"""The reading order of the text blocks of a page.

A PDF lists text in drawing order. Typesetting programs draw in reading order, columns included, and know more about it
than positions show, so their order is kept. Only where it jumps up and down within a column, as in forms and diagrams,
is the order computed from positions: white space separates columns and rows (an XY-cut: Nagy and Seth, 1984).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_JUMPS = 0.15
"""Fraction of steps from block to block that may go up within a column before the drawing order is rejected."""
_GUTTER = 8.0
"""Width in points of white space that separates columns."""
_COLUMN = 0.2
"""Minimum width of a column as a fraction of the region's width; narrower ones belong to a table, which is read by
rows."""


class Block(NamedTuple):
    """Text in a box, turned so that it runs from left to right. Units are points; y grows downwards."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str


def is_ordered(blocks: Sequence[Block]) -> bool:
    """Whether text is drawn in reading order."""
    return sum(_goes_up(a, b) for a, b in pairwise(blocks)) <= max(2, _JUMPS * len(blocks))


def ordered(blocks: Sequence[Block]) -> list[Block]:
    """The blocks in reading order, computed from their positions."""
    return _cut(list(blocks))


def _goes_up(a: Block, b: Block) -> bool:
    """Whether `b` is above `a`, and not in a column to its right, where reading continues after a column."""
    overlap = min(a.x1, b.x1) - max(a.x0, b.x0)
    to_the_right = b.x0 > a.x0 and overlap < 0.3 * min(a.x1 - a.x0, b.x1 - b.x0)
    return b.y1 < a.y0 + 1 and not to_the_right


def _cut(blocks: list[Block]) -> list[Block]:
    if len(blocks) < 2:
        return blocks
    columns = _columns(blocks)
    if len(columns) > 1:
        return [block for column in columns for block in _cut(column)]
    rows = _gaps(blocks, 1, 0.0)
    if len(rows) == 1:
        return sorted(blocks, key=lambda block: (block.y0, block.x0))
    # Rows with a common gutter are one set of columns: a gap across all of them is only where
    # paragraphs happen to end at the same height.
    bands: list[list[Block]] = []
    for row in rows:
        if bands and len(_columns(bands[-1])) > 1 and len(_columns(bands[-1] + row)) > 1:
            bands[-1] = bands[-1] + row
        else:
            bands.append(row)
    return [block for band in (bands if len(bands) > 1 else rows) for block in _cut(band)]


def _columns(blocks: list[Block]) -> list[list[Block]]:
    width = max(block.x1 for block in blocks) - min(block.x0 for block in blocks)
    columns = _gaps(blocks, 0, _GUTTER)
    wide = all(max(b.x1 for b in c) - min(b.x0 for b in c) >= _COLUMN * width for c in columns)
    return columns if wide else [blocks]


def _gaps(blocks: list[Block], axis: int, least: float) -> list[list[Block]]:
    """Groups of blocks that are separated by white space along x (axis 0) or y (axis 1)."""
    spans = sorted(((b.x0, b.x1) if axis == 0 else (b.y0, b.y1), i) for i, b in enumerate(blocks))
    groups: list[list[Block]] = []
    end = float("-inf")
    for (low, high), i in spans:
        if low - end > least:
            groups.append([])
        groups[-1].append(blocks[i])
        end = max(end, high)
    return groups
