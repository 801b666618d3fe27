"""Tables (ISO/IEC 26300-1, 9): cells that span others, and repeated ones."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import markup, table
from ..office.package import integer
from ..word.pages import RENDERED, SOFT, Block
from .names import attribute, name

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .blocks import BlockReader

_ROW_GROUPS = ("table:table-header-rows", "table:table-rows", "table:table-row-group")
_CELLS = ("table:table-cell", "table:covered-table-cell")
_MOST = 1 << 16
"""Maximum number of cells that repetitions make: files claim a million empty rows in a few bytes."""


def table_blocks(element: "_Element", reader: "BlockReader", background: str | None) -> "Iterator[Block]":
    """A table:table as blocks: one for each page that it is on, with its head, and those for tables in its cells."""
    found = _Table(element, reader, background)
    texts = table.spread(found.rows)
    parts: list[list[list[str]]] = [[]]
    for at, row in enumerate(texts):
        parts += [[] for _ in range(found.breaks.get(at, 0))]
        parts[-1] += [row] if any(text.strip() for text in row) else []
    head = next((part[:1] for part in parts if part), [])
    for at, part in enumerate(parts):
        if at:
            yield Block(RENDERED)
        rows = part if part[:1] == head else head + part
        if part:
            yield Block(table.markdown(rows), table=tuple(tuple(row) for row in rows))
    yield from (Block(RENDERED) for _ in range(found.breaks.get(len(texts), 0)))
    yield from found.nested


def table_text(element: "_Element", reader: "BlockReader") -> str:
    """A table as one text, where pages cannot end."""
    found = _Table(element, reader, "")
    filled = [row for row in table.spread(found.rows) if any(text.strip() for text in row)]
    return "\n\n".join([table.markdown(filled), *(block.text for block in found.nested)]) if filled else ""


class _Table:
    """The cells of a table as they are stored."""

    def __init__(self, element: "_Element", reader: "BlockReader", background: str | None):
        self._reader = reader
        self._background = background
        self._covered: dict[int, set[int]] = {}
        self._room, self._repeats = table.MAX_CELLS, _MOST
        self.rows: list[list[table.Cell]] = []
        self.breaks: dict[int, int] = {}
        """Row, from 0, to the number of pages that end before it."""
        self.nested: list[Block] = []
        """Tables in cells, each after its mark."""
        for row in _rows(element):
            if name(row) == "text:soft-page-break":
                self.breaks[len(self.rows)] = self.breaks.get(len(self.rows), 0) + 1
            else:
                self._read_row(row)

    def _read_row(self, row: "_Element") -> None:
        at = len(self.rows)
        cells: list[table.Cell] = []
        column = breaks = 0
        hidden = attribute(row, "table:visibility") in ("collapse", "filter")
        for cell in row:
            if name(cell) not in _CELLS:
                continue
            text, inside = self._text(cell)
            breaks = max(breaks, inside)
            if hidden and text:
                text = self._reader.context.conceal(text, "in a hidden row")
            times = min(_count(cell, "table:number-columns-repeated"), max(self._repeats, 1))
            self._repeats -= times - 1
            for _ in range(times):
                if column not in self._covered.get(at, ()):
                    cells.append(table.Cell(text, *self._span(cell, at, column)))
                column += 1
        while cells and not cells[-1].text and cells[-1].rows == cells[-1].columns == 1:
            cells.pop()
        again = _count(row, "table:number-rows-repeated") if cells else 1
        for _ in range(min(again, max(self._repeats // max(len(cells), 1), 1))):
            self.rows.append(cells)
            self._repeats -= len(cells)
        if breaks:
            self.breaks[len(self.rows)] = self.breaks.get(len(self.rows), 0) + breaks

    def _span(self, cell: "_Element", at: int, column: int) -> tuple[int, int]:
        """The rows and columns of a cell, which are then covered."""
        down, across = (min(_count(cell, f"table:number-{what}-spanned"), _MOST) for what in ("rows", "columns"))
        self._room -= down * across
        if down * across == 1 or self._room < 0:
            return 1, 1
        for below in range(at, at + down):
            self._covered.setdefault(below, set()).update(range(column, column + across))
        return down, across

    def _text(self, cell: "_Element") -> tuple[str, int]:
        """The text of a cell, and the number of pages that end in it."""
        if not len(cell):
            return "", 0
        properties = self._reader.context.styles.of("table-cell", attribute(cell, "table:style-name"))
        own = properties.get("table-cell fo:background-color", "")
        parts: list[str] = []
        breaks = 0
        for block in self._reader.read(cell, None, own if own.startswith("#") else self._background):
            breaks += block.text.count(RENDERED)
            text = block.text.replace(RENDERED, " ").replace(SOFT, " ").strip()
            parts += [self._nested_table(block, text)] if block.table else [text] if text else []
        return "\n".join(parts), breaks

    def _nested_table(self, block: Block, text: str) -> str:
        """A table within a cell: a line of it as text, a larger one after this table."""
        if len(block.table) == 1 or len(block.table[0]) <= 1:
            return "; ".join(" ".join(cell.split()) for row in block.table for cell in row if cell)
        self._reader.context.nested_tables += 1
        mark = markup.named("table", str(self._reader.context.nested_tables))
        self.nested += [Block(mark, tight=True), Block(text, tight=True)]
        return mark


def _rows(element: "_Element") -> "Iterator[_Element]":
    """The rows, and the page breaks between them."""
    stack = [iter(element)]
    while stack:
        found = next(stack[-1], None)
        if found is None:
            stack.pop()
        elif name(found) in ("table:table-row", "text:soft-page-break"):
            yield found
        elif name(found) in _ROW_GROUPS:
            stack.append(iter(found))


def _count(element: "_Element", key: str) -> int:
    return max(integer(attribute(element, key), 1), 1)
