"""Excel workbooks in XML: sheets in their order, with what they refer to."""

import zipfile
from typing import TYPE_CHECKING

from .. import markup
from ..base import ParseError
from ..office.package import Package, R, Relationship
from .comments import read_comments, read_persons
from .drawings import add_drawings
from .placing import place_links
from .rich_text import has_colours, rich_text
from .rich_values import value_names
from .sheet import MAX_COLUMN, MAX_ROW, Sheet, area_of
from .streaming import elements
from .styles import read_styles
from .surroundings import read_surroundings
from .worksheet import CellReader, Context, read_rows

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_TRUE = ("1", "true")
STATES = {"hidden": "hidden", "veryhidden": "very hidden"}


class Workbook:
    """An Excel file of the XML kind."""

    def __init__(self, archive: zipfile.ZipFile, *, keep_hidden: bool):
        self._archive = archive
        self._package = Package(archive)
        self._keep_hidden = keep_hidden
        self._part = self._package.main("xl/workbook.xml")
        self._root = self._package.xml(self._part)
        self._context = self._read_context()
        self._persons = read_persons(self._package, self._part)
        self._damaged: dict[str, str] = {}
        self._repeated = self._repeated_rows()

    def warnings(self) -> list[str]:
        """Sentences on what could not be read, complete when all sheets are read."""
        damaged = {**self._package.damaged, **self._damaged}
        return [f"{part} in it is damaged ({why}): what can be read of it is shown." for part, why in damaged.items()]

    def sheets(self) -> list[tuple[str, str, Relationship | None]]:
        """Name, state and part of the sheets, in the order of their tabs."""
        relationships = self._package.relationships(self._part)
        found: list[tuple[str, str, Relationship | None]] = []
        for element in self._root.iterfind("{*}sheets/{*}sheet") if self._root is not None else ():
            state = STATES.get(element.get("state", "").lower(), "")
            related = relationships.get(element.get(f"{R}id", ""))
            name = element.get("name") or f"Sheet {len(found) + 1}"
            if related is None or related.target not in self._package:
                guess = f"xl/worksheets/sheet{len(found) + 1}.xml"  # the name that every program gives it
                related = Relationship("", "worksheet", guess, external=False) if guess in self._package else None
            found.append((name, state, related))
        if not found:  # the workbook part is missing or damaged
            parts = sorted(name for name in self._package if "worksheets/" in name.lower() and "_rels" not in name)
            found = [
                (f"Sheet {number}", "", Relationship("", "worksheet", part, external=False))
                for number, part in enumerate(parts, start=1)
                if part.lower().endswith(".xml")
            ]
        if not found:
            raise ParseError("damaged: there are no sheets in it")
        return found

    def read(self, name: str, state: str, part: Relationship | None) -> Sheet:
        """A sheet. What is missing or of another kind than cells and charts is named."""
        sheet = Sheet(name, state)
        if part is None:
            sheet.beside.append(markup.named("sheet", name))
            sheet.beside_notes.append("the sheet is missing from the file")
            return sheet
        if part.kind == "dialogsheet":
            sheet.beside.append(markup.named("dialog sheet", name))
        elif part.kind != "chartsheet":
            self._read_cells(part.target, sheet)
        add_drawings(self._package, part.target, sheet, keep_hidden=self._keep_hidden)
        return sheet

    def _read_cells(self, part: str, sheet: Sheet) -> None:
        def damaged(why: str) -> None:
            self._damaged.setdefault(part, why)

        try:
            around = read_surroundings(self._package, self._archive, part, sheet, self._context.styles.filling)
        except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
            damaged(str(error))
            return
        sheet.head = sheet.head or self._repeated.get(sheet.name, 0)
        cells = CellReader(self._context, sheet, around.coloured)
        sheet.rows = list(read_rows(self._archive, part, sheet, self._context, cells, damaged))
        sheet.rows.sort(key=lambda row: row.number)
        sheet.remarks = read_comments(self._package, part, self._persons)
        place_links(sheet, around.links)

    def _read_context(self) -> Context:
        root = self._root
        properties = root.find("{*}workbookPr") if root is not None else None
        calculation = root.find("{*}calcPr") if root is not None else None
        from_1904 = properties is not None and properties.get("date1904") in _TRUE
        strings, coloured = self._read_strings()
        return Context(
            read_styles(self._related("styles", "styles.xml"), self._related("theme", ""), from_1904=from_1904),
            strings,
            coloured,
            from_1904=from_1904,
            recalculated=calculation is not None and calculation.get("fullCalcOnLoad") in _TRUE,
            keep_hidden=self._keep_hidden,
            value_names=value_names(self._package, self._part),
        )

    def _repeated_rows(self) -> dict[str, int]:
        """The last of the rows that the print repeats on each page, by sheet."""
        root = self._root
        names = [s.get("name", "") for s in root.iterfind("{*}sheets/{*}sheet")] if root is not None else []
        found: dict[str, int] = {}
        for defined in root.iterfind("{*}definedNames/{*}definedName") if root is not None else ():
            index = defined.get("localSheetId", "")
            if defined.get("name") == "_xlnm.Print_Titles" and index.isdigit() and int(index) < len(names):
                areas = (area_of(reference) for reference in (defined.text or "").split(","))
                rows = [area.bottom for area in areas if area and area.right == MAX_COLUMN and area.bottom < MAX_ROW]
                found[names[int(index)]] = max(rows, default=0)
        return found

    def _related(self, kind: str, default: str) -> "_Element | None":
        found = next((related.target for related in self._package.related(self._part, kind)), "")
        if not found and default:
            found = f"xl/{default}"
        return self._package.xml(found) if found else None

    def _read_strings(self) -> tuple[list[str], frozenset[int]]:
        part = next((related.target for related in self._package.related(self._part, "sharedStrings")), "")
        if part not in self._package:
            part = next((name for name in self._package if name.lower().endswith("/sharedstrings.xml")), "")
        if not part:
            return [], frozenset()

        def damaged(why: str) -> None:
            self._package.damaged.setdefault(part, why)

        strings: list[str] = []
        coloured: set[int] = set()
        for element in elements(self._archive, part, ("{*}si",), damaged):
            if len(element) > 1 and has_colours(element):
                coloured.add(len(strings))
            strings.append(rich_text(element))
        return strings, frozenset(coloured)
