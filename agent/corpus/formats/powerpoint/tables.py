"""Tables of a slide, whose merged cells are stored once and marked where they continue."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import table
from ..office.package import integer

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class


def table_text(element: "_Element", text: "Callable[[_Element], str]") -> str:
    """An a:tbl as Markdown. `text` gives the text of an a:tc."""
    stored = [list(row.iterchildren("{*}tc")) for row in element.iterchildren("{*}tr")]
    rows: list[list[table.Cell]] = []
    covered: set[tuple[int, int]] = set()
    room = table.MAX_CELLS
    for at, row in enumerate(stored):
        cells: list[table.Cell] = []
        for column, cell in enumerate(row):
            if (at, column) in covered:
                continue
            down = min(_span(cell, "rowSpan"), len(stored) - at)
            across = min(_span(cell, "gridSpan"), len(row) - column)
            if down * across > 1:
                room -= down * across
                down, across = (down, across) if room >= 0 else (1, 1)
                covered.update(
                    (below, right) for below in range(at, at + down) for right in range(column, column + across)
                )
            # A cell that continues one which does not exist is empty, and keeps those beside it in their columns.
            cells.append(table.Cell(text(cell), down, across))
        rows.append(cells)
    texts = table.spread(rows)
    return table.markdown(texts) if any(any(row) for row in texts) else ""


def _span(cell: "_Element", name: str) -> int:
    return max(integer(cell.get(name, ""), 1), 1)
