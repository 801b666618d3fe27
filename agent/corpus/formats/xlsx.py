"""Excel: rows as CSV, split into pages within each sheet. A cell is its value, or its formula if no value is stored."""

import csv
import datetime
import io
from collections.abc import Iterator
from io import BytesIO
from itertools import zip_longest
from typing import Any

from ..text import Line, split_sections
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, line_label
from .zip_archive import open_archive, properties


class Xlsx(Format):
    name = "Excel"
    extensions = (".xlsx", ".xlsm")
    media_type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    library = "openpyxl"
    zip_member = "xl/workbook.xml"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from openpyxl import load_workbook

        archive = open_archive(data, self.name)
        metadata = properties(archive)
        names = archive.namelist()
        values = load_workbook(BytesIO(data), read_only=True, data_only=True)
        # Only spreadsheet programs store values: a file written by a library contains only formulas.
        has_formulas = any(b"<f" in archive.read(name) for name in names if name.startswith("xl/worksheets/sheet"))
        formulas = load_workbook(BytesIO(data), read_only=True) if has_formulas else None
        pages: list[RawPage] = []
        outline: list[tuple[int, str, int]] = []
        for sheet in values.worksheets:
            rows = _rows(sheet, formulas[sheet.title] if formulas else None)
            parts = split_sections([Line(number, line) for number, line in rows])
            for part in parts:
                label = sheet.title if len(parts) == 1 else f"{sheet.title}, {line_label(part).replace('line', 'row')}"
                if not outline or outline[-1][1] != sheet.title:
                    outline.append((1, sheet.title, len(pages) + 1))
                pages.append(RawPage(label, "".join(line.text for line in part)))
        warnings = []
        if any(name.startswith(("xl/comments", "xl/threadedComments")) for name in names):
            warnings.append("Comments on cells were not read.")
        if any(name.startswith(("xl/charts/", "xl/chartsheets/")) for name in names):
            warnings.append("Charts were not read; the cells behind them were.")
        return Sections(
            len(pages),
            sections=pages,
            outline=outline,
            title=metadata.pop("title", ""),
            metadata=metadata,
            warnings=warnings,
        )


def _rows(sheet: Any, formulas: Any) -> Iterator[tuple[int, str]]:
    """The rows that are not empty, as (row number, CSV line)."""
    for view in filter(None, (sheet, formulas)):
        view.reset_dimensions()  # the size stored in a file is often wrong
    lists = (view.iter_rows(values_only=True) if view else iter(()) for view in (sheet, formulas))
    for number, (row, written) in enumerate(zip_longest(*lists, fillvalue=()), start=1):
        cells = [_text(a if a is not None else b) for a, b in zip_longest(row, written)]
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(cells)
            yield number, line.getvalue()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ").removesuffix(" 00:00:00")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).upper()  # as Excel displays it
    return str(getattr(value, "text", value))  # an array formula is an object with a text
