"""The formats of spreadsheets."""

import zipfile
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..base import Format, OpenFile, ParseError, ParseOptions, RawPage, Sections
from ..zip_archive import open_archive, properties
from .pages import sheet_pages
from .sheet import Sheet

if TYPE_CHECKING:
    from ..zip_archive import Contents
    from .binary_workbook import BinaryWorkbook
    from .workbook import Workbook


class Xlsx(Format):
    name = "Excel"
    extensions = (".xlsx", ".xlsm", ".xltx", ".xltm")
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    library = "lxml"
    revision = 2
    options = ("hidden",)
    zip_member = "xl/workbook.xml"
    content_types = (
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.template.main+xml",
        "application/vnd.ms-excel.sheet.macroEnabled.main+xml",
        "application/vnd.ms-excel.template.macroEnabled.main+xml",
    )

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .workbook import Workbook

        archive = open_archive(data, self.name)
        return _opened_workbook(archive, Workbook(archive, keep_hidden=options.hidden == "keep"), options)


class Xlsb(Format):
    name = "Excel, binary"
    extensions = (".xlsb",)
    media_type = "application/vnd.ms-excel.sheet.binary.macroEnabled.12"
    library = "lxml"
    options = ("hidden",)
    zip_member = "xl/workbook.bin"
    content_types = ("application/vnd.ms-excel.sheet.binary.macroEnabled.main",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .binary_workbook import BinaryWorkbook

        archive = open_archive(data, self.name)
        return _opened_workbook(archive, BinaryWorkbook(archive, keep_hidden=options.hidden == "keep"), options)


def _opened_workbook(
    archive: zipfile.ZipFile, workbook: "Workbook | BinaryWorkbook", options: ParseOptions
) -> OpenFile:
    sheets = (workbook.read(*found) for found in workbook.sheets())
    file = opened(sheets, keep_hidden=options.hidden == "keep")
    try:
        metadata = properties(archive)
    except ParseError as error:
        metadata = {}
        file.warnings.append(f"The properties of the workbook are left out: {error}.")
    file.title, file.metadata = metadata.pop("title", ""), metadata
    file.warnings += workbook.warnings()
    return file


def opened(sheets: Iterable[Sheet], *, keep_hidden: bool) -> Sections:
    """The pages of sheets, which are read one by one, with warnings of what in them is hidden."""
    pages: list[RawPage] = []
    outline: list[tuple[int, str, int]] = []
    hidden_sheets: list[str] = []
    warnings: list[str] = []
    for sheet in sheets:
        found = sheet_pages(sheet, keep_hidden=keep_hidden)
        if not found:
            continue
        outline.append((1, sheet.label, len(pages) + 1))
        pages += found
        if sheet.state:
            hidden_sheets.append(sheet.label)
        if what := _hidden(sheet):
            warnings.append(f"Sheet {sheet.name}: {what} kept, and marked.")
    if hidden_sheets:
        listed = ", ".join(hidden_sheets[:10]) + (", …" if len(hidden_sheets) > 10 else "")
        warnings.insert(0, f"Hidden sheets kept, and marked in their labels: {len(hidden_sheets)} ({listed}).")
    return Sections(len(pages), sections=pages, outline=outline, warnings=warnings)


def _hidden(sheet: Sheet) -> str:
    """ "2 hidden rows and 1 hidden column", of those that have text."""
    rows = sum(row.hidden for row in sheet.rows)
    hidden = sheet.all_hidden_columns()
    columns = len({column for row in sheet.rows for column in row.columns if column in hidden}) if hidden else 0
    parts = [
        f"{count:,} hidden {what}{'s' * (count != 1)}" for count, what in ((rows, "row"), (columns, "column")) if count
    ]
    return " and ".join(parts) + (" (rows are filtered)" if rows and sheet.filtered else "")


class Ods(Format):
    name = "OpenDocument spreadsheet"
    extensions = (".ods", ".ots", ".fods")
    media_type = "application/vnd.oasis.opendocument.spreadsheet"
    library = "lxml"
    options = ("changes", "hidden")

    def matches(self, archive: "Contents") -> bool:
        return archive.media_type.startswith(("application/vnd.oasis.opendocument.spreadsheet",))

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from .opendocument import Spreadsheet

        spreadsheet = Spreadsheet(data, options)
        file = opened(spreadsheet.sheets(), keep_hidden=options.hidden == "keep")
        metadata = spreadsheet.metadata()
        file.title, file.metadata = metadata.pop("title", ""), metadata
        file.warnings += spreadsheet.warnings()
        return file
