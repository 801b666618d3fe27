"""Excel's binary workbooks (.xlsb, [MS-XLSB]): the packages of the XML kind with most parts as records."""

import zipfile
from collections.abc import Iterator

from .. import markup
from ..base import ParseError
from ..office.package import Package, Relationship
from . import binary_records as brt
from .comments import Comments, read_comments, read_persons
from .drawings import add_drawings
from .number_format import BUILT_IN, number_format
from .placing import place_links
from .sheet import MAX_COLUMN, Area, Row, Sheet
from .styles import WHITE, Style, Styles
from .worksheet import HIDDEN, CellReader, Context

_STATES = {1: "hidden", 2: "very hidden"}
_FORMULAS = {
    brt.FORMULA_STRING: brt.STRING,
    brt.FORMULA_NUMBER: brt.REAL,
    brt.FORMULA_BOOL: brt.BOOL,
    brt.FORMULA_ERROR: brt.ERROR,
}
_CELLS = frozenset((brt.RK, brt.ERROR, brt.BOOL, brt.REAL, brt.STRING, brt.SHARED_STRING, brt.RICH_STRING, *_FORMULAS))


class BinaryWorkbook:
    """An Excel file of the binary kind."""

    def __init__(self, archive: zipfile.ZipFile, *, keep_hidden: bool):
        self._package = Package(archive)
        self._keep_hidden = keep_hidden
        self._part = self._package.main("xl/workbook.bin")
        data = self._package.read(self._part)
        if data is None:
            raise ParseError("damaged: the list of sheets in it cannot be read")
        self._sheets: list[tuple[str, str, str]] = []
        from_1904 = False
        for kind, record in brt.records(data):
            if kind == brt.WORKBOOK_PROPERTIES:
                from_1904 = bool(brt.integer(record, 0) & 1)
            elif kind == brt.SHEET:
                relation, at = brt.string(record, 8)
                self._sheets.append((brt.string(record, at)[0], _STATES.get(brt.integer(record, 0), ""), relation))
        strings = (self._related("sharedStrings") or b"", brt.SHARED_ITEM)
        self._context = Context(
            self._read_styles(from_1904),
            [brt.rich_string(record, 0) for kind, record in brt.records(strings[0]) if kind == strings[1]],
            from_1904=from_1904,
            keep_hidden=keep_hidden,
        )
        self._persons = read_persons(self._package, self._part)

    def warnings(self) -> list[str]:
        damaged = self._package.damaged.items()
        return [f"{part} in it is damaged ({why}): what can be read of it is shown." for part, why in damaged]

    def sheets(self) -> list[tuple[str, str, Relationship | None]]:
        """Name, state and part of the sheets, in the order of their tabs."""
        relationships = self._package.relationships(self._part)
        found = [(name, state, relationships.get(relation)) for name, state, relation in self._sheets]
        if not found:
            raise ParseError("damaged: there are no sheets in it")
        return [(name, state, r if r is not None and r.target in self._package else None) for name, state, r in found]

    def read(self, name: str, state: str, part: Relationship | None) -> Sheet:
        """A sheet. What is missing or of another kind than cells and charts is named."""
        sheet = Sheet(name, state)
        if part is None:
            sheet.beside.append(markup.named("sheet", name))
            sheet.beside_notes.append("the sheet is missing from the file")
            return sheet
        if part.kind not in ("chartsheet", "dialogsheet"):
            self._read_cells(part.target, sheet)
        add_drawings(self._package, part.target, sheet, keep_hidden=self._keep_hidden)
        return sheet

    def _read_cells(self, part: str, sheet: Sheet) -> None:
        data = self._package.read(part) or b""
        links: list[tuple[Area, str]] = []
        coloured: list[Area] = []
        relationships = self._package.relationships(part)
        for related in self._package.related(part, "table"):
            for kind, record in brt.records(self._package.read(related.target) or b""):
                if kind == brt.BEGIN_TABLE:
                    table = brt.area(record)
                    coloured += [table._replace(bottom=table.top), table._replace(top=table.bottom)]
                    sheet.tables.append(table)
        cells = CellReader(self._context, sheet, coloured)
        for kind, record in brt.records(data):
            match kind:
                case brt.COLUMN if brt.integer(record, 16, 2) & 1 or not brt.integer(record, 8):
                    first, last = brt.integer(record, 0) + 1, brt.integer(record, 4) + 1
                    sheet.hidden_columns.append((first, min(last, MAX_COLUMN)))
                case brt.PANE if len(record) > 28 and record[28] & 3:
                    sheet.frozen = int(min(brt.real(record, 8), 1 << 20))
                case brt.MERGED:
                    sheet.merged.append(brt.area(record))
                case brt.LINK:
                    related = relationships.get(brt.string(record, 16)[0])
                    if related is not None:
                        links.append((brt.area(record), related.target))
                case _:
                    pass
        sheet.rows = list(_rows(data, cells, self._context))
        sheet.remarks = self._comments(part)
        place_links(sheet, links)

    def _comments(self, part: str) -> Comments:
        found = read_comments(self._package, part, self._persons)
        for related in self._package.related(part, "comments"):
            authors: list[str] = []
            cell, author = (0, 0), ""
            for kind, record in brt.records(self._package.read(related.target) or b""):
                if kind == brt.COMMENT_AUTHOR:
                    authors.append(brt.string(record, 0)[0].strip())
                elif kind == brt.BEGIN_COMMENT:
                    index, place = brt.integer(record, 0), brt.area(record, 4)
                    cell, author = (place.top, place.left), authors[index] if index < len(authors) else ""
                elif kind == brt.COMMENT_TEXT and not author.startswith("tc={"):
                    text = brt.rich_string(record, 0).strip().removeprefix(f"{author}:").strip()
                    if text:
                        found.setdefault(cell, []).append(markup.comment(text, author))
        return found

    def _read_styles(self, from_1904: bool) -> Styles:
        codes = dict(BUILT_IN)
        fonts: list[str | None] = []
        fills: list[str | None] = []
        styles: list[Style] = []
        in_cells = False
        for kind, record in brt.records(self._related("styles") or b""):
            match kind:
                case brt.FORMAT:
                    codes[brt.integer(record, 0, 2)] = brt.string(record, 2)[0]
                case brt.FONT:
                    fonts.append(brt.colour(record, 12))
                case brt.FILL:
                    pattern = brt.integer(record, 0)
                    fills.append(WHITE if not pattern else brt.colour(record, 4) if pattern == 1 else None)
                case brt.BEGIN_CELL_XFS | brt.END_CELL_XFS:
                    in_cells = kind == brt.BEGIN_CELL_XFS
                case brt.XF if in_cells:
                    code, font, fill = (brt.integer(record, at, 2) for at in (2, 4, 6))
                    text = fonts[font] if font < len(fonts) else None
                    behind = fills[fill] if 1 < fill < len(fills) else None if fill else WHITE
                    found = number_format(codes.get(code, "General"), from_1904)
                    styles.append(Style(found, text is not None and text == behind))
                case _:
                    pass
        return Styles(styles, from_1904=from_1904)

    def _related(self, kind: str) -> bytes | None:
        part = next((related.target for related in self._package.related(self._part, kind)), f"xl/{kind}.bin")
        return self._package.read(part)


def _rows(data: bytes, cells: CellReader, context: Context) -> Iterator[Row]:
    """The rows with something in them."""
    number, hidden = 0, False
    columns: list[int] = []
    texts: list[str] = []
    for kind, record in brt.records(data):
        if kind == brt.ROW:
            if texts:
                yield Row(number, columns, texts, hidden).ordered()
            number = brt.integer(record, 0) + 1
            hidden = len(record) > 11 and bool(record[11] & 0x10)
            columns, texts = [], []
        elif kind in _CELLS:
            column, style = brt.integer(record, 0) + 1, brt.integer(record, 4, 3)
            text = _cell(_FORMULAS.get(kind, kind), record, cells, context, style)
            if text == HIDDEN or (text and cells.is_special(style)):
                raw = _raw(_FORMULAS.get(kind, kind), record) if text == HIDDEN else text
                text = cells.visible(text, raw, style, number, column)
            if text:
                columns.append(column)
                texts.append(text)
    if texts:
        yield Row(number, columns, texts, hidden).ordered()


def _cell(kind: int, record: bytes, cells: CellReader, context: Context, style: int) -> str:
    match kind:
        case brt.RK | brt.REAL:
            return cells.number(_raw(kind, record), style)
        case brt.SHARED_STRING:
            index = brt.integer(record, 8)
            known = index < len(context.strings)
            return cells.text(context.strings[index], style) if known else markup.named("missing text", str(index))
        case brt.STRING:
            return cells.text(brt.string(record, 8)[0], style)
        case brt.RICH_STRING:
            return cells.text(brt.rich_string(record, 8), style)
        case brt.BOOL:
            return "TRUE" if brt.integer(record, 8, 1) else "FALSE"
        case _:
            return brt.ERRORS.get(brt.integer(record, 8, 1), "#ERROR")


def _raw(kind: int, record: bytes) -> str:
    return f"{brt.rk_number(record, 8) if kind == brt.RK else brt.real(record, 8):.17g}"
