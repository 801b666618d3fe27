"""Tables of HTML: with every cell under its heads, or as text if they only arrange a page."""

import re
from dataclasses import dataclass, field

from ..table import Cell, spread
from .tree import Attributes
from .writer import Frame, Grid, Item, Mark, Writer

_MAX_ROWS, _MAX_COLUMNS = 65_534, 1_000
"""The largest spans of HTML."""
_MAX_TABLES = 8
"""Tables within each other; those further inside are read as text."""
_BLOCKS = 6
"""Paragraphs in a cell of a table without heads that show that the table only arranges a page."""
_HEADING = re.compile(r"#{1,6} ")
_NUMBER = re.compile(r"\s*\+?(\d{1,9})")
_SECTIONS = {"thead": 0, "tfoot": 2}


@dataclass(slots=True)
class _Entry:
    items: list[Item]
    text: str
    rows: int
    columns: int
    head: bool
    blocks: int


@dataclass
class _Table:
    attributes: Attributes
    rows: list[tuple[int, int, list[_Entry]]] = field(default_factory=list)
    """(place of the section: 0 for the head, 1 for bodies, 2 for the foot; number of the section; cells)."""
    section: int = 1
    number: int = 0
    captions: list[Item] = field(default_factory=list)


class Tables:
    """The tables that are open."""

    def __init__(self, writer: Writer):
        self._writer = writer
        self._open: list[_Table] = []

    @property
    def inside(self) -> bool:
        return bool(self._open)

    @property
    def full(self) -> bool:
        """Whether a further table is too deeply nested to be one."""
        return len(self._open) >= _MAX_TABLES

    def start(self, attributes: Attributes) -> None:
        self._writer.flush(1)
        self._open.append(_Table(attributes))

    def section(self, tag: str) -> None:
        if self._open:
            self._open[-1].section = _SECTIONS.get(tag, 1)
            self._open[-1].number += 1

    def row(self) -> None:
        if self._open:
            table = self._open[-1]
            table.rows.append((table.section, table.number, []))

    def cell(self, frame: Frame, attributes: Attributes, *, head: bool) -> None:
        """Add a cell that is at its end."""
        table = self._open[-1]
        if not table.rows:
            self.row()
        items = frame.items
        only = items[0] if len(items) == 1 else None
        text = only if isinstance(only, str) and only[:1] not in "#*" else _line(items)
        rows = columns = 1
        if "rowspan" in attributes:
            rows = min(_span(attributes.get("rowspan"), 1), _MAX_ROWS)
        if "colspan" in attributes:
            columns = min(_span(attributes.get("colspan"), 1), _MAX_COLUMNS) or 1
        table.rows[-1][2].append(_Entry(items, text, rows, columns, head, frame.blocks))

    def caption(self, frame: Frame) -> None:
        self._open[-1].captions += frame.items

    def end(self) -> None:
        """Write the table."""
        table = self._open.pop()
        rows = [(place, number, row) for place, number, row in table.rows if row]
        rows.sort(key=lambda row: row[0])  # the foot may be written before the bodies
        self._writer.flush(1)
        if table.captions:
            self._writer.splice(table.captions)
            self._writer.frame.gap = 1
        if not rows:
            return
        if _is_layout(table, [row for _, _, row in rows]):
            for _, _, row in rows:
                apart = int(
                    any(len(entry.items) > 1 or not isinstance(item, str) for entry in row for item in entry.items)
                )
                for entry in row:
                    if entry.items:
                        self._writer.splice(entry.items)
                        self._writer.flush(apart)
                self._writer.flush(1)
            return
        texts = _rectangle(rows)
        if texts:
            self._writer.grid(texts)
        for _, _, row in rows:
            for entry in row:
                for item in entry.items:
                    if isinstance(item, Mark):
                        self._writer.mark(item)


def _is_layout(table: _Table, rows: list[list[_Entry]]) -> bool:
    """Whether a table only arranges a page. One with heads, a caption or a summary is data."""
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    if max(map(len, rows)) == 1:
        return True
    if any(len(entry.items) > 3 and any(map(_is_code, entry.items)) for row in rows for entry in row):
        return True
    if table.captions or table.attributes.get("summary"):
        return False
    cells = [entry for row in rows for entry in row]
    if any(entry.head for entry in cells):
        return False
    return any(
        entry.blocks
        and (
            entry.blocks > _BLOCKS
            or any(isinstance(item, Grid) or (isinstance(item, str) and _HEADING.match(item)) for item in entry.items)
        )
        for entry in cells
    )


def _is_code(item: Item) -> bool:
    return isinstance(item, str) and item.startswith("```")


def _rectangle(rows: list[tuple[int, int, list[_Entry]]]) -> list[list[str]]:
    """The texts of the cells, without columns and rows that are empty."""
    if any(entry.rows != 1 or entry.columns != 1 for _, _, row in rows for entry in row):
        left: list[int] = [0] * len(rows)  # rows of the section from this one on: cells end with their section
        for at in range(len(rows) - 1, -1, -1):
            same = at + 1 < len(rows) and rows[at + 1][:2] == rows[at][:2]
            left[at] = 1 + (left[at + 1] if same else 0)
        cells = [
            [Cell(e.text, min(e.rows or left[at], left[at]), e.columns, e.head) for e in row]
            for at, (_, _, row) in enumerate(rows)
        ]
        table = spread(cells)
    else:
        table = [[entry.text for entry in row] for _, _, row in rows]
    table = [row for row in table if any(row)]
    width = max(map(len, table), default=0)
    used = [False] * width
    for row in table:
        for column, text in enumerate(row):
            if text:
                used[column] = True
    if not all(used):
        table = [[text for text, keep in zip(row, used, strict=False) if keep] for row in table]
    return table


def _line(items: list[Item]) -> str:
    """The text of a cell on one line; a table in it as "cell, cell; cell, cell"."""
    parts: list[str] = []
    for item in items:
        if isinstance(item, Grid):
            parts.append("; ".join(", ".join(text for text in row if text) for row in item.rows))
        elif isinstance(item, str) and item:
            line = _HEADING.sub("", item.strip(), count=1)
            parts.append(f"• {line[2:]}" if line.startswith("* ") else line)
    return " ".join(parts)


def _span(value: str | None, default: int) -> int:
    match = _NUMBER.match(value or "")
    return int(match[1]) if match else default
