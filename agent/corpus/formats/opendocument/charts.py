"""Charts of OpenDocument as the tables of their data, which each has inside of it."""

from typing import TYPE_CHECKING

from .. import markup, table
from ..office.package import integer
from .names import attribute, child, children, descendants, name, text_in

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MOST_CELLS = 1 << 16
_ROW_GROUPS = ("table:table-header-rows", "table:table-rows")


def chart_text(root: "_Element", name_of_frame: str = "") -> str:
    """A chart as Markdown: "[chart: TITLE]", the titles of its axes, and its data as a table.

    Args:
        root: the root element of the chart's part.
        name_of_frame: used if the chart has no title.
    """
    chart = child(root, "office:body", "office:chart", "chart:chart")
    if chart is None:
        return markup.named("chart", name_of_frame)
    titles = [text_in(found) for kind in ("chart:title", "chart:subtitle") for found in children(chart, kind)]
    parts = [markup.named("chart", ": ".join(title for title in titles if title) or name_of_frame)]
    head = ""
    for axis in descendants(chart, "chart:axis"):
        title = text_in(child(axis, "chart:title"))
        if title and attribute(axis, "chart:dimension") == "x" and not head:
            head = title
        elif title:
            parts.append(f"Axis: {title}")
    data = child(chart, "table:table")
    rows = _rows(data) if data is not None else []
    if rows:
        rows[0][0] = rows[0][0] or head
        parts += ["", table.markdown(rows)]
    return "\n".join(parts)


def _rows(data: "_Element") -> list[list[str]]:
    found: list[list[str]] = []
    room = _MOST_CELLS
    holders = [data, *(group for group in data if name(group) in _ROW_GROUPS)]
    for row in (row for holder in holders for row in children(holder, "table:table-row")):
        cells: list[str] = []
        for cell in children(row, "table:table-cell", "table:covered-table-cell"):
            given = attribute(cell, "table:number-columns-repeated", "1")
            times = min(integer(given, 1), max(room, 1))
            room -= times
            cells += [_shown(cell)] * times
        if any(cells):
            found.append(cells)
    # A column whose cells are all empty is one of descriptions that there are not.
    width = max(map(len, found), default=0)
    used = [at for at in range(width) if at == 0 or any(at < len(row) and row[at] for row in found)]
    return [[row[at] if at < len(row) else "" for at in used] for row in found]


def _shown(cell: "_Element") -> str:
    if attribute(cell, "office:value-type") in ("float", "percentage", "currency"):
        value = attribute(cell, "office:value")
        return "" if value.lower() == "nan" else text_in(cell) or value
    return text_in(cell)
