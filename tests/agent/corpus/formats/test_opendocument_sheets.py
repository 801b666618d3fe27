"""OpenDocument spreadsheets as LibreOffice shows them."""

import csv
from collections.abc import Mapping
from pathlib import Path

import pytest

from longread.agent.corpus.formats import ParseOptions, detect
from longread.agent.corpus.formats.base import OpenFile, ParseError, SecretNeeded
from longread.agent.corpus.formats.spreadsheet import Ods
from tests.support.opendocuments import document

FLAT = pytest.mark.parametrize("flat", [False, True], ids=["archive", "flat"])
STYLES = (
    '<style:style style:name="shut" style:family="table"><style:table-properties table:display="false"/></style:style>'
    '<style:style style:name="white" style:family="table-cell">'
    '<style:text-properties fo:color="#ffffff"/></style:style>'
    '<style:style style:name="dark" style:family="table-cell" style:parent-style-name="white">'
    '<style:table-cell-properties fo:background-color="#000000"/></style:style>'
    '<style:style style:name="up" style:family="text">'
    '<style:text-properties style:text-position="super 58%"/></style:style>'
)


def read(*tables: str, flat: bool = False, hidden: str = "drop", parts: Mapping[str, str] | None = None) -> OpenFile:
    data = document("".join(tables), "spreadsheet", automatic=STYLES, flat=flat, parts=parts)
    return Ods().open(data, ParseOptions(hidden=hidden))  # pyright: ignore[reportArgumentType]


def table(*rows: str, name: str = "Sheet", style: str = "", before: str = "", after: str = "") -> str:
    return f'<table:table table:name="{name}" table:style-name="{style}">{before}{"".join(rows)}{after}</table:table>'


def row(*cells: str, attributes: str = "") -> str:
    return f"<table:table-row {attributes}>{''.join(cells)}</table:table-row>"


def cell(text: str = "", kind: str = "string", value: str = "", attributes: str = "", inside: str = "") -> str:
    key = {"date": "date-value", "time": "time-value", "boolean": "boolean-value", "string": "string-value"}
    given = f' office:{key.get(kind, "value")}="{value}"' if value else ""
    paragraphs = "".join(f"<text:p>{line}</text:p>" for line in text.split("\n")) if text else ""
    kind = f' office:value-type="{kind}"' if kind else ""
    return f"<table:table-cell{kind}{given} {attributes}>{inside}{paragraphs}</table:table-cell>"


EMPTY = "<table:table-cell/>"


def texts(file: OpenFile) -> list[str]:
    return [file.page(index).text.rstrip("\n") for index in range(file.pages)]


def notes(file: OpenFile) -> str:
    return " | ".join(note for index in range(file.pages) for note in file.page(index).notes)


@FLAT
def test_cells_as_displayed(flat: bool) -> None:
    file = read(
        table(
            row(cell("a\nb"), cell("5,25 %", "percentage", "0.0525"), cell("1.234,50 €", "currency", "1234.5")),
            row(cell("WAHR", "boolean", "true"), cell("26:05", "time", "PT26H05M00S"), cell("#N/A", "string")),
            row(
                cell('10<text:span text:style-name="up">6</text:span>  km<text:s text:c="2"/>x'),
                cell("Err:502", "string"),
            ),
            row(cell('<text:a xlink:href="https://example.org/">there</text:a>'), cell("1/2", "float", "0.5")),
        ),
        flat=flat,
    )
    assert texts(file) == [
        '"a\nb","5,25 %","1.234,50 €"\nWAHR,26:05,#N/A\n10^6 km  x,Err:502\n[there](https://example.org/),1/2'
    ]
    assert file.title == "The title"
    assert not notes(file)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        (cell("5%", "percentage", "0.0525"), "5% [0.0525]"),
        (cell("33%", "percentage", "0.333333"), "33%"),
        (cell("3", "float", "3.14159"), "3 [3.14159]"),
        (cell("1 234,57", "float", "1234.567"), "1 234,57"),
        (cell("1,235", "float", "1234.567"), "1,235"),
        (cell("5", "float", "-5"), "5 [-5]"),
        (cell("(5)", "float", "-5"), "(5)"),
        (cell("1,2E+03", "float", "1234.5"), "1,2E+03 [1234.5]"),
        (cell("ja", "float", "1"), "ja [1]"),
        (cell("1. Mrz", "date", "2024-03-01"), "1. Mrz [2024-03-01]"),
        (cell("03/01/2024", "date", "2024-03-01"), "03/01/2024 [2024-03-01]"),
        (cell("01.03.24 10:15", "date", "2024-03-01T10:15:00"), "01.03.24 10:15 [2024-03-01 10:15]"),
        (cell("1. März 2024", "date", "2024-03-01"), "1. März 2024"),
        # Some programs store no display.
        (cell("", "percentage", "0.0525"), "5.25%"),
        (cell("", "float", "0.30000000000000004"), "0.3"),
        (cell("", "date", "2024-03-01T00:00:00"), "2024-03-01"),
        (cell("", "time", "PT26H05M07S"), "26:05:07"),
        (cell("", "boolean", "false"), "FALSE"),
        (cell("", "string", "stored"), "stored"),
        (cell("", "", attributes='table:formula="of:=SUM([.A1:.B2])*2"'), "=SUM(A1:B2)*2"),
    ],
)
def test_what_the_display_does_not_say(found: str, text: str) -> None:
    assert [*csv.reader(texts(read(table(row(found)))))] == [[text]]


def test_hidden_sheets_rows_columns_and_texts() -> None:
    columns = '<table:table-column/><table:table-column table:visibility="collapse"/><table:table-column/>'
    tables = (
        table(
            row(cell("a"), cell("b"), cell("c")),
            row(cell("d"), attributes='table:visibility="filter"'),
            row(
                cell("unseen words", attributes='table:style-name="white"'),
                EMPTY,
                cell("seen", attributes='table:style-name="dark"'),
            ),
            row('<table:table-cell office:value-type="float" office:value="7"><text:p/></table:table-cell>'),
            before=columns,
        ),
        table(row(cell("x")), name="Shut", style="shut"),
    )
    file = read(*tables)
    assert texts(file) == ["a,[hidden column] b,c\n[hidden row] d\n,,seen", "x"]
    assert file.page(1).label == "Shut (hidden)"
    assert "1 (Shut (hidden))" in file.warnings[0]
    assert "filtered" in file.warnings[1]
    assert "2 hidden words (text in the colour" in notes(file)
    assert "1 hidden word (a number format" in notes(file)
    assert "[hidden: unseen words],,seen\n[hidden: 7]" in texts(read(*tables, hidden="keep"))[0]


def test_merged_cells() -> None:
    wide = 'table:number-columns-spanned="2" table:number-rows-spanned="2"'
    covered = '<table:covered-table-cell office:value-type="string"><text:p>under</text:p></table:covered-table-cell>'
    file = read(
        table(
            row(cell("M", attributes=wide), "<table:covered-table-cell/>", cell("1")),
            row('<table:covered-table-cell table:number-columns-repeated="2"/>', cell("2")),
            row(cell("N", attributes='table:number-columns-spanned="2"'), covered, cell("3")),
        )
    )
    assert texts(file) == ["M,M,1\nM,M,2\nN,N,3"]
    assert "1 hidden word (cells under a merged cell)" in notes(file)


def test_repeated_rows_and_columns() -> None:
    file = read(
        table(
            row(cell("x", attributes='table:number-columns-repeated="3"'), attributes='table:number-rows-repeated="2"'),
            row(
                '<table:table-cell table:number-columns-repeated="16384"/>',
                attributes='table:number-rows-repeated="1048570"',
            ),
            row(cell("end")),
        )
    )
    assert texts(file) == ["x,x,x\nx,x,x\nend"]
    bomb = row(
        cell("x", attributes='table:number-columns-repeated="16384"'),
        attributes='table:number-rows-repeated="999999999"',
    )
    file = read(table(bomb))
    assert sum(map(len, texts(file))) < 300_000
    assert "999,999,999" in notes(file)


def test_comments_shapes_and_headers() -> None:
    comment = "<office:annotation><dc:creator>Ann</dc:creator><text:p>look</text:p></office:annotation>"
    box = "<draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    picture = '<draw:frame svg:width="4cm" svg:height="2cm"><draw:image xlink:href="Pictures/1.png"/></draw:frame>'
    shapes = f"<table:shapes>{box.format('over the cells')}{picture}</table:shapes>"
    file = read(table(row(cell("a", inside=comment), cell("", "", inside=box.format("at a cell"))), after=shapes))
    assert texts(file)[0] == "a [comment by Ann: look]"
    assert file.page(1).label == "Sheet, beside the cells"
    assert "over the cells" in texts(file)[1]
    assert "at a cell" in texts(file)[1]
    assert "113×57 pt" in notes(file)


def test_charts() -> None:
    chart = (
        '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
        'xmlns:chart="urn:oasis:names:tc:opendocument:xmlns:chart:1.0" '
        'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0">'
        "<office:body><office:chart><chart:chart><chart:title><text:p>Growth</text:p></chart:title></chart:chart>"
        "</office:chart></office:body></office:document-content>"
    )
    frame = '<table:shapes><draw:frame><draw:object xlink:href="./Object 1"/></draw:frame></table:shapes>'
    data = document(table(row(cell("a")), after=frame), "spreadsheet", parts={"Object 1/content.xml": chart})
    assert "[chart: Growth]" in texts(Ods().open(data, ParseOptions()))[1]


def test_tables_that_are_no_sheets_are_left_alone() -> None:
    links = f"<table:dde-links><table:dde-link>{table(row(cell('stale')), name='')}</table:dde-link></table:dde-links>"
    assert texts(read(table(row(cell("a"))), links)) == ["a"]


def test_long_sheets_repeat_the_rows_for_each_page() -> None:
    heads = f"<table:table-header-rows>{row(cell('name'), cell('value'))}</table:table-header-rows>"
    body = [row(cell(f"n{n}"), cell(str(n), "float", str(n))) for n in range(900)]
    file = read(table(heads, *body))
    assert file.pages > 2
    assert texts(file)[1].startswith("[row 1] name,value\n")
    assert texts(file)[-1].endswith("n899,899")


def test_what_cannot_be_read() -> None:
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        "<manifest:file-entry><manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    )
    with pytest.raises(SecretNeeded):
        read(table(row(cell("a"))), parts={"META-INF/manifest.xml": manifest})
    cut = document(table(*(row(cell(f"n{n}")) for n in range(50))), "spreadsheet", flat=True)
    file = Ods().open(cut[: cut.index(b"n40")], ParseOptions())
    assert "n39" in texts(file)[0]
    assert "damaged" in file.warnings[0]
    with pytest.raises(ParseError):
        Ods().open(b"plain text", ParseOptions())


@FLAT
def test_detection(tmp_path: Path, flat: bool) -> None:
    path = tmp_path / ("a.fods" if flat else "a.bin")
    path.write_bytes(document(table(row(cell("a"))), "spreadsheet", flat=flat))
    assert isinstance(detect(path.name, path), Ods)
