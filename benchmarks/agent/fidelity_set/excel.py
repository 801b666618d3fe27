# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Excel documents: number formats, dates, merged and hidden cells, formulas, comments, text boxes, charts, odd parts."""

import datetime
import io
from collections.abc import Callable
from typing import Any

import xlsxwriter

from .archive import repacked
from .facts import Cell, Contains
from .samples import sample

_CREATED = {"created": datetime.datetime(2024, 3, 1, 12)}


def book_of(fill: Callable[[Any], None], **options: Any) -> bytes:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, **options})
    book.set_properties(_CREATED)
    fill(book)
    book.close()
    return repacked(out.getvalue())


_FORMATS = (
    ("Interest", 0.0725, "0.00%", "7.25%"),
    ("Rent", 1234.5, '#,##0.00 "€"', "1,234.50 €"),
    ("Fee", 99.9, "[$$-409]#,##0.00", "$99.90"),
    ("Postcode", 1069, "00000", "01069"),
    ("Duration", 30.5 / 24, "[h]:mm", "30:30"),
    ("Loss", -4200, "#,##0;(#,##0)", "(4,200)"),
    ("Share", 0.375, "# ?/?", "3/8"),
    ("Mass", 0.00042, "0.00E+00", "4.20E-04"),
    ("Millions", 2500000, '0.0,," Mio"', "2.5 Mio"),
    ("Phone", 5551234, "000-0000", "555-1234"),
    ("Blank zero", 0, '0;-0;"none"', "none"),
)
_OTHER_FORMS = {"3/8": ("0 3/8",), "(4,200)": ("-4,200", "−4,200")}


@sample(
    "number_formats.xlsx",
    (Contains(shown, _OTHER_FORMS.get(shown, ())) for _, _, _, shown in _FORMATS),
    Cell("7.25%", "Value", "Interest"),
)
def number_formats() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Terms")
        sheet.write_row(0, 0, ("Item", "Value"))
        for row, (name, value, shape, _) in enumerate(_FORMATS, 1):
            sheet.write(row, 0, name)
            sheet.write_number(row, 1, value, book.add_format({"num_format": shape}))

    return book_of(fill)


_DATES = (
    ("Signed", "dd/mm/yyyy", "09/05/2024"),
    ("Due", "yyyy-mm-dd", "2024-05-09"),
    ("Paid", 'd "de" mmmm "de" yyyy', "9 de May de 2024"),
    ("Closed", "mmm yy", "May 24"),
    ("Weekday", "dddd", "Thursday"),
)


@sample(
    "dates.xlsx",
    (Contains(shown, ("2024-05-09",) if name != "Weekday" else ()) for name, _, shown in _DATES),
    Contains("14:45"),
    Contains("2:45 PM", ("02:45 PM", "2:45 pm")),
)
def dates() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Dates")
        for row, (name, shape, _) in enumerate(_DATES):
            sheet.write(row, 0, name)
            sheet.write_datetime(row, 1, datetime.datetime(2024, 5, 9), book.add_format({"num_format": shape}))
        for row, shape in ((6, "hh:mm"), (7, "h:mm AM/PM")):
            sheet.write_number(row, 1, 14.75 / 24, book.add_format({"num_format": shape}))

    return book_of(fill)


@sample("dates_of_1904.xlsx", Contains("2019-07-21", wrong=("2015-07-20", "2015-07-21")), Contains("Moon day"))
def dates_1904() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Mac")
        sheet.write_row(0, 0, ("Event", "Day"))
        sheet.write(1, 0, "Moon day")
        sheet.write_datetime(1, 1, datetime.datetime(2019, 7, 21), book.add_format({"num_format": "yyyy-mm-dd"}))

    return book_of(fill, date_1904=True)


@sample(
    "formulas.xlsx",
    Cell("41.3", "Sum", "Stall 2"),
    Contains("#N/A"),
    Contains("#DIV/0!"),
    Contains("TRUE", ("True",)),
    Contains("ok: Stall 2"),
)
def formulas() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Sums")
        sheet.write_row(0, 0, ("Stall", "Apples", "Pears", "Sum"))
        sheet.write_row(1, 0, ("Stall 2", 20.1, 21.2))
        sheet.write_formula(1, 3, "=B2+C2", None, 41.3)
        sheet.write_formula(2, 0, '="ok: "&A2', None, "ok: Stall 2")
        sheet.write_formula(2, 1, "=NA()", None, "#N/A")
        sheet.write_formula(2, 2, "=1/0", None, "#DIV/0!")
        sheet.write_formula(2, 3, "=B2>1", None, True)

    return book_of(fill)


@sample(
    "merged_cells.xlsx",
    Cell("South", "Area", "Soest"),
    Cell("812", "Heat", "Soest"),
    Cell("655", "Heat", "Werl"),
    Cell("South", "Area", "Werl"),
    Cell("44", "Water", "Werl"),
    Cell("812", "Use in 2024", "Soest"),
)
def merged() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Use")
        sheet.merge_range("C1:D1", "Use in 2024")
        sheet.write_row(1, 0, ("Area", "Town", "Heat", "Water"))
        sheet.merge_range("A3:A4", "South")
        sheet.write_row(2, 1, ("Soest", 812, 31))
        sheet.write_row(3, 1, ("Werl", 655, 44))

    return book_of(fill)
