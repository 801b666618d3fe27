"""Tables: cells over several rows and columns, tables in cells, and tables over several pages."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import markup
from ..table import Cell, markdown, spread
from .context import CHANGES, Context, within
from .pages import EXPLICIT, RENDERED, SOFT, Block, cleaned
from .styles import is_shading
from .xml import VAL, W, has, number, value

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .story import Story

_WRAPPERS = frozenset(W + name for name in ("sdt", "sdtContent", "customXml", "smartTag", "ins", "moveTo"))
_BREAKS = re.compile(f"[{EXPLICIT}{RENDERED}{SOFT}]")
_REPEATED = 300
"""Characters of a head that is repeated on each page of a table whose author did not ask for it."""


@dataclass
class _Cell:
    texts: list[str]
    rows: int
    columns: int


@dataclass
class _Row:
    cells: list[_Cell]
    head: bool = False
    breaks_before: int = 0
    breaks_after: int = 0


class Table:
    """A table as it is read.

    Args:
        element: w:tbl.
        context: what surrounds it.
    """

    def __init__(self, element: "_Element", story: "Story", context: Context):
        self._story = story
        self._context = context
        self._nested: list[Block] = []
        properties = element.find(f"{W}tblPr")
        shading = properties.find(f"{W}shd") if properties is not None else None
        self._shaded = story.shared.styles.shades_tables(value(properties, "tblStyle")) or (
            shading is not None and is_shading(shading)
        )
        self._rows: list[_Row] = []
        self._blocks: list[Block] = []
        """The content of a table with one column, which is a box around text."""
        self._hidden = ""
        """What stands for the hidden words of rows that are left out."""
        rows = list(_within(element, f"{W}tr"))
        self._boxed = not any(1 for row in rows for at, _ in enumerate(_within(row, f"{W}tc")) if at)
        above: dict[int, _Cell] = {}
        for row in rows:
            self._read_row(row, above)

    def blocks(self) -> Iterator[Block]:
        """The table as a Markdown table, and the larger ones in its cells after it; a box around text as that text."""
        if self._boxed:
            yield from self._blocks
            return
        if not self._rows:
            yield Block(self._hidden)
            return
        if self._hidden:
            cells = self._rows[-1].cells
            cells[-1:] = [cells[-1] if cells else _Cell([""], 1, 1)]
            cells[-1].texts[0] += self._hidden
        rows = [[Cell("\n".join(cell.texts), cell.rows, cell.columns) for cell in row.cells] for row in self._rows]
        texts = _without_empty_columns(spread(rows))
        if not any(cleaned(text).strip() for row in texts for text in row):
            yield Block("".join(dict.fromkeys(text for row in texts for text in row)))
            return
        yield Block(self._pages(texts), table=tuple(map(tuple, texts)))
        yield from self._nested

    def _pages(self, texts: Sequence[Sequence[str]]) -> str:
        """The table in Markdown, with page breaks between its parts. Each begins with the head."""
        heads = 0
        while heads < len(self._rows) - 1 and self._rows[heads].head:
            heads += 1
        if not heads and sum(map(len, texts[0])) <= _REPEATED:
            heads = 1
        parts: list[str] = []
        current: list[Sequence[str]] = []
        for at, (row, cells) in enumerate(zip(self._rows, texts, strict=True)):
            if row.breaks_before:
                if len(current) > (heads if parts else 0):
                    parts.append(markdown(current))
                elif not parts:
                    parts.append("")
                parts += [""] * (row.breaks_before - 1)
                current = [*texts[:heads]] if at >= heads else []
            current.append(cells)
            if row.breaks_after and at + 1 < len(self._rows):
                self._rows[at + 1].breaks_before += row.breaks_after
        parts.append(markdown(current))
        trailing = RENDERED * self._rows[-1].breaks_after
        return RENDERED.join(parts) + trailing

    def _read_row(self, element: "_Element", above: dict[int, _Cell]) -> None:
        properties = element.find(f"{W}trPr")
        context = self._context
        if properties is not None:
            for name in ("ins", "del"):
                if properties.find(W + name) is not None:
                    context = context._replace(change=within(context.change, CHANGES[name]))
            if has(properties, "hidden"):
                context = context._replace(hidden=context.hidden or "a hidden row")
        row = _Row([], head=has(properties, "tblHeader"))
        column = number(properties, "gridBefore") or 0
        if column > 0:
            row.cells.append(_Cell([""], 1, column))
        merged: _Cell | None = None
        lengthened: list[_Cell] = []
        for element_of_cell in _within(element, f"{W}tc"):
            cell_properties = element_of_cell.find(f"{W}tcPr")
            across = max(number(cell_properties, "gridSpan") or 1, 1)
            own = list(self._content(element_of_cell, cell_properties, context))
            if self._boxed:
                self._blocks += own
                continue
            text = self._cell_text(own, row)
            if merged is not None and _merge(cell_properties, "hMerge") == "continue":
                merged.columns += across
                merged.texts += [text] * bool(text)
                column += across
                continue
            vertical = _merge(cell_properties, "vMerge")
            if vertical == "continue" and column in above:
                merged = above[column]
                merged.rows += 1
                merged.texts += [text] * bool(cleaned(text).strip())
                lengthened.append(merged)
            else:
                merged = _Cell([text], 1, across)
                row.cells.append(merged)
                for covered in range(column, column + min(across, 100)):
                    above.pop(covered, None)
                if vertical:
                    above[column] = merged
            column += across
        if self._boxed:
            return
        if not self._shows(context):
            self._hidden += "".join(text for cell in row.cells for text in cell.texts if not cleaned(text).strip())
            for cell in lengthened:
                cell.rows -= 1
            return
        if self._hidden and row.cells:
            row.cells[0].texts[0] += self._hidden
            self._hidden = ""
        self._rows.append(row)

    def _shows(self, context: Context) -> bool:
        options = self._story.shared.options
        return self._story.shared.shows(context.change) and (not context.hidden or options.hidden == "keep")

    def _content(self, cell: "_Element", properties: "_Element | None", context: Context) -> Iterator[Block]:
        if properties is not None:
            for name in ("cellIns", "cellDel"):
                if properties.find(W + name) is not None:
                    context = context._replace(change=within(context.change, CHANGES[name]))
        shading = properties.find(f"{W}shd") if properties is not None else None
        coloured = self._shaded or (shading is not None and is_shading(shading))
        return self._story.within(coloured=coloured).blocks(cell, context)

    def _cell_text(self, blocks: Sequence[Block], row: _Row) -> str:
        """The content of a cell. Page breaks in it end the page before or after its row."""
        parts: list[str] = []
        for block in blocks:
            parts.append(self._nested_table(block) if block.table else block.text)
        text = "\n".join(parts)
        if not _BREAKS.search(text):
            return text
        start = len(text) - len(text.lstrip())  # the breaks are white space
        before = len(_BREAKS.findall(text[:start]))
        row.breaks_before = max(row.breaks_before, before)
        row.breaks_after = max(row.breaks_after, len(_BREAKS.findall(text)) - before)
        return _BREAKS.sub(" ", text).strip()

    def _nested_table(self, block: Block) -> str:
        """A table within a cell: a line of it as text, a larger one after this table."""
        rows = [[" ".join(_BREAKS.sub(" ", cell).split()) for cell in row] for row in block.table]
        if len(rows) == 1 or len(rows[0]) <= 1:
            return "; ".join(cell for row in rows for cell in row if cell)
        self._story.shared.nested_tables += 1
        mark = markup.named("table", str(self._story.shared.nested_tables))
        self._nested += [Block(mark, tight=True), Block(_BREAKS.sub(" ", block.text), tight=True)]
        return mark


def _within(parent: "_Element", tag: str) -> "Iterator[_Element]":
    """The children with this tag, also within content controls and the like."""
    stack = [iter(parent)]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
        elif child.tag == tag:
            yield child
        elif child.tag in _WRAPPERS:
            stack.append(iter(child))


def _merge(properties: "_Element | None", name: str) -> str:
    found = properties.find(W + name) if properties is not None else None
    return "" if found is None else found.get(VAL, "continue")


def _without_empty_columns(rows: list[list[str]]) -> list[list[str]]:
    """The rows without columns that only keep a distance."""
    width = max(map(len, rows), default=0)
    kept = [at for at in range(width) if any(row[at].strip() for row in rows)]
    return rows if len(kept) == width or not kept else [[row[at] for at in kept] for row in rows]
