"""Excel documents: hidden parts, comments, charts, rich text, and packages as other programs write them."""

from typing import Any

from .archive import packed, repacked, unpacked
from .excel import book_of
from .facts import Cell, Contains, Flagged, Hidden, cells
from .samples import sample


@sample(
    "hidden_parts.xlsx",
    Contains("Public price list"),
    Hidden("purchase price 3.11", named="hidden"),
    Hidden("bribe 5000", named="hidden"),
    Hidden("ghost sheet text", named="hidden"),
    Flagged("the hidden rows, columns and sheets", named="hidden"),
    cells(("Public price list", "Price"), ("Screw", "0.12")),
)
def hidden() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Prices")
        sheet.write_row(0, 0, ("Public price list", "Price", "Cost"))
        sheet.write_row(1, 0, ("Screw", 0.12, "purchase price 3.11"))
        sheet.write_row(2, 0, ("bribe 5000", 1))
        sheet.set_column("C:C", None, None, {"hidden": True})
        sheet.set_row(2, None, None, {"hidden": True})
        book.add_worksheet("Calc").write(0, 0, "ghost sheet text")
        book.worksheets()[1].very_hidden()

    return book_of(fill)


@sample(
    "comments_and_boxes.xlsx",
    Contains("Budget of the club"),
    Contains("Ask the treasurer"),
    Contains("Box: figures are preliminary", named="text box|shape|drawing"),
    Contains("https://club.example/budget"),
    Contains("the statutes"),
)
def comments() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Budget")
        sheet.write(0, 0, "Budget of the club")
        sheet.write_comment(0, 0, "Ask the treasurer", {"author": "Jo"})
        sheet.insert_textbox(4, 1, "Box: figures are preliminary")
        sheet.write_url(2, 0, "https://club.example/budget", string="the statutes")

    return book_of(fill)


@sample(
    "chart.xlsx",
    cells(("Week", "Visitors"), ("W14", "1031"), ("W15", "1177")),
    Contains("Visitors by week", named=r"\[chart|charts?\b"),
)
def chart() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Museum")
        for row, values in enumerate((("Week", "Visitors"), ("W14", 1031), ("W15", 1177))):
            sheet.write_row(row, 0, values)
        drawing = book.add_chart({"type": "column"})
        drawing.add_series({"categories": "=Museum!$A$2:$A$3", "values": "=Museum!$B$2:$B$3"})
        drawing.set_title({"name": "Visitors by week"})
        sheet.insert_chart("D2", drawing)

    return book_of(fill)


@sample(
    "several_sheets.xlsx",
    Contains("Inventory 2024"),
    Contains("Suppliers"),
    cells(("Bin", "Pieces"), ("B-07", "120")),
    cells(("Firm", "City"), ("Voss KG", "Kiel")),
)
def several() -> bytes:
    def fill(book: Any) -> None:
        for name, rows in (
            ("Inventory 2024", (("Bin", "Pieces"), ("B-07", 120))),
            ("Suppliers", (("Firm", "City"), ("Voss KG", "Kiel"))),
        ):
            sheet = book.add_worksheet(name)
            for row, values in enumerate(rows):
                sheet.write_row(row, 0, values)

    return book_of(fill)


@sample("far_corner.xlsx", Contains("top left"), Contains("far away"), Cell("8.5", "Score", "Ida"))
def far() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Sparse")
        sheet.write(0, 0, "top left")
        sheet.write_row(10, 5, ("Pupil", "Score"))
        sheet.write_row(11, 5, ("Ida", 8.5))
        sheet.write(1_000_000, 2, "far away")

    return book_of(fill)


@sample(
    "rich_text.xlsx",
    Contains("10^-3 mol", wrong=("10-3 mol",)),
    Contains("line one line two", ("line one / line two", "line one; line two")),
    Contains("pipe a|b", ("pipe a|b", r"pipe a\|b")),
    Contains("00042"),
)
def rich() -> bytes:
    def fill(book: Any) -> None:
        sheet = book.add_worksheet("Rich")
        sheet.write_row(0, 0, ("Name", "Value"))
        sheet.write_rich_string(1, 0, "10", book.add_format({"font_script": 1}), "-3", " mol")
        sheet.write_string(2, 0, "line one\nline two", book.add_format({"text_wrap": True}))
        sheet.write_string(3, 0, "pipe a|b")
        sheet.write_string(4, 0, "00042")

    return book_of(fill)


_CROPS = tuple(cells(("Crop", "Yield"), ("Rye", "5.4"), ("Oats", "4.8")))


def _crops(book: Any) -> None:
    sheet = book.add_worksheet("Crops")
    for row, values in enumerate((("Crop", "Yield"), ("Rye", 5.4), ("Oats", 4.8))):
        sheet.write_row(row, 0, values)


@sample("strict.xlsx", _CROPS)
def strict() -> bytes:
    changes: dict[str, str | bytes] = {}
    plain = book_of(_crops)
    for name, content in unpacked(plain).items():
        content = content.replace(
            b"http://schemas.openxmlformats.org/spreadsheetml/2006/main",
            b"http://purl.oclc.org/ooxml/spreadsheetml/main",
        )
        changes[name] = content.replace(
            b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
            b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        )
    return repacked(plain, changes)


@sample("odd_style.xlsx", _CROPS)
def odd_style() -> bytes:
    plain = book_of(_crops)
    styles = unpacked(plain)["xl/styles.xml"].replace(b'<color theme="1"/>', b'<color rgb="FFGGHH"/>')
    return repacked(plain, {"xl/styles.xml": styles})


@sample("shared_parts_in_capitals.xlsx", _CROPS)
def capitals() -> bytes:
    """Some exporters write the part names in another case than the relationships do."""
    parts = unpacked(book_of(_crops))
    return packed(
        {
            name.replace("sharedStrings", "SharedStrings").replace("sheet1.xml", "Sheet1.xml"): content
            for name, content in parts.items()
        }
    )


@sample("macro_book.xlsm", cells(("Crop", "Yield"), ("Rye", "5.4")))
def macros() -> bytes:
    plain = book_of(_crops)
    name = "[Content_Types].xml"
    types = unpacked(plain)[name].replace(
        b"vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml", b"vnd.ms-excel.sheet.macroEnabled.main+xml"
    )
    return repacked(plain, {name: types})
