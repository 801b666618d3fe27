"""The reading order of a page's blocks of text.

A PDF lists text in the order in which it was drawn. Programs that set type draw it in reading order, columns included,
and know more about it than can be seen from where the blocks lie: so their order is kept. Only where it jumps up and
down within a column, as in forms and diagrams put together piece by piece, is the order found from the page: columns
and rows are told apart by the white space between them (an XY-cut: Nagy and Seth, 1984).
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_JUMPS = 0.15
"""Part of the steps from block to block that may go up within a column before the drawing order is not believed."""
_GUTTER = 8.0
"""Points of white space that separate columns."""
_COLUMN = 0.2
"""Part of the region's width that a column has at least; narrower ones are those of a table, which is read by rows."""


class Block(NamedTuple):
    """Text in a box. Points, with y growing downwards."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str


def is_ordered(blocks: Sequence[Block], turn: int = 0) -> bool:
    """Whether text that has to be turned by `turn` quarters, clockwise, to be read is drawn in reading order."""
    turned = [_turned(block, turn) for block in blocks] if turn else blocks
    return sum(_goes_up(a, b) for a, b in pairwise(turned)) <= max(2, _JUMPS * len(blocks))


def ordered(blocks: Sequence[Block], turn: int = 0) -> list[Block]:
    """All of `blocks` in the order in which a reader takes them, found from where they lie."""
    turned = [(_turned(block, turn), block) for block in blocks]
    original = dict(turned)
    return [original[block] for block in _cut([block for block, _ in turned])]


def _turned(block: Block, quarters: int) -> Block:
    x0, y0, x1, y1, text = block
    for _ in range(quarters % 4):
        x0, y0, x1, y1 = -y1, x0, -y0, x1
    return Block(x0, y0, x1, y1, text)


def _goes_up(a: Block, b: Block) -> bool:
    """Whether `b` lies above `a`, and not in a column to its right, which is where reading goes on after a column."""
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
    # Rows that have a gutter in common are one set of columns: a gap that runs across all of them is only where
    # paragraphs happen to end side by side.
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
    """Groups of blocks between which there is white space right across, along x (axis 0) or y (axis 1)."""
    spans = sorted(((b.x0, b.x1) if axis == 0 else (b.y0, b.y1), i) for i, b in enumerate(blocks))
    groups: list[list[Block]] = []
    end = float("-inf")
    for (low, high), i in spans:
        if low - end > least:
            groups.append([])
        groups[-1].append(blocks[i])
        end = max(end, high)
    return groups
