"""Excel workbooks as Excel shows them, and damaged ones as far as they can be read."""

import csv
import datetime
import io
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.worksheet.worksheet import Worksheet

from longread.agent.corpus.formats import ParseOptions, detect
from longread.agent.corpus.formats.base import OpenFile, ParseError
from longread.agent.corpus.formats.spreadsheet import Xlsx
from tests.support.workbooks import NAMESPACES, RELATIONS, Book, SheetPart, cell, rows, styles

DRAWING = (
    'xmlns:xdr="http://schemas.openxmlformats.org/drawingml/2006/spreadsheetDrawing" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    f'xmlns:r="{RELATIONS}"'
)


def read(data: bytes | Book, **options: str) -> OpenFile:
    data = data.data() if isinstance(data, Book) else data
    return Xlsx().open(data, ParseOptions(**options))  # pyright: ignore[reportArgumentType]


def texts(file: OpenFile) -> list[str]:
    return [file.page(index).text.rstrip("\n") for index in range(file.pages)]


def labels(file: OpenFile) -> list[str]:
    return [file.page(index).label for index in range(file.pages)]


def notes(file: OpenFile) -> str:
    return " | ".join(note for index in range(file.pages) for note in file.page(index).notes)


def only(sheet_rows: str, **parts: object) -> Book:
    return Book([SheetPart("Sheet", sheet_rows)], **parts)  # pyright: ignore[reportArgumentType]


def shape(text: str, properties: str = 'id="2" name="Box"') -> str:
    return (
        f"<xdr:sp><xdr:nvSpPr><xdr:cNvPr {properties}/></xdr:nvSpPr><xdr:txBody>"
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></xdr:txBody></xdr:sp>"
    )


def anchor(content: str, row: int = 0) -> str:
    return (
        f"<xdr:twoCellAnchor><xdr:from><xdr:col>1</xdr:col><xdr:row>{row}</xdr:row></xdr:from>{content}"
        "<xdr:clientData/></xdr:twoCellAnchor>"
    )


def with_drawing(content: str, parts: dict[str, str | bytes] | None = None, relations: str = "") -> Book:
    return Book(
        [SheetPart("Sheet", rows(["cell"]), relations=[("d", "drawing", "../drawings/drawing1.xml")])],
        parts={
            "xl/drawings/drawing1.xml": f"<xdr:wsDr {DRAWING}>{content}</xdr:wsDr>",
            "xl/drawings/_rels/drawing1.xml.rels": (
                '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
                f"{relations}</Relationships>"
            ),
            **(parts or {}),
        },
    )


# Values


@pytest.mark.parametrize("strict", [False, True])
def test_values_as_displayed(strict: bool) -> None:
    look = styles("0.00%", "[h]:mm", "00000", 14, '#,##0.00 "€"')
    found = "".join(
        cell(f"{letter}1", value, style)
        for letter, value, style in zip(
            "ABCDEF", (0.0525, 1.253472222222222, 1234, 45352, 5.5, 7), (1, 2, 3, 4, 5, 99), strict=True
        )
    )
    file = read(only(f"<row>{found}</row>", styles=look, strict=strict))
    assert texts(file) == ["5.25%,30:05,01234,3/1/2024 [2024-03-01],5.50 €,7"]
    assert not file.warnings


def test_kinds_of_cells() -> None:
    strings = (
        "<si><t>plain</t></si>"
        "<si><r><t>10</t></r><r><rPr><vertAlign val='superscript'/></rPr><t>6</t></r><r><t> km</t></r></si>"
        "<si><t>東京</t><rPh sb='0' eb='2'><t>トウキョウ</t></rPh></si>"
        "<si><t>line_x000D_\nnext &amp; _x005F_x</t></si>"
    )
    found = (
        '<c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c>'
        '<c r="D1" t="b"><v>1</v></c><c r="E1" t="e"><v>#N/A</v></c><c r="F1" t="str"><f>A1</f><v>made</v></c>'
        '<c r="G1" t="d"><v>2024-03-01T10:00:00</v></c><c r="H1" t="s"><v>77</v></c><c r="I1"><v>x1</v></c>'
    )
    file = read(only(f'<row r="1">{found}</row><row r="2"><c r="A2" t="s"><v>3</v></c></row>', strings=strings))
    assert texts(file) == [
        'plain,10^6 km,東京,TRUE,#N/A,made,2024-03-01T10:00:00,[missing text: 77],x1\n"line\nnext & _x"'
    ]


def test_dates_of_the_1904_system() -> None:
    book = only(f"<row>{cell('A1', 43890, 1)}</row>", styles=styles("yyyy-mm-dd"))
    book.properties = '<workbookPr date1904="1"/>'
    assert texts(read(book)) == ["2024-03-01"]


def test_formulas() -> None:
    found = (
        '<c r="A1"><f>B1*2</f></c><c r="B1"><f>1+1</f><v></v></c><c r="C1" t="str"><f>""</f><v></v></c>'
        '<c r="D1"><f>SUM(1,2)</f><v>3</v></c><c r="E1"><f t="shared" ref="E1:F1" si="0">A1&amp;"x"</f></c>'
        '<c r="F1"><f t="shared" si="0"/></c><c r="G1" t="str"><f>'
        'HYPERLINK("https://example.org/a","go")</f><v>go</v></c>'
    )
    file = read(only(f'<row r="1">{found}</row>'))
    assert next(csv.reader([texts(file)[0]])) == [
        *("=B1*2", "=1+1", "", "3", '=A1&"x"', "[formula: as in E1]", "[go](https://example.org/a)")
    ]
    assert "4 formulas" in notes(file)


def test_results_that_a_library_stores_as_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, [2, 3, 0])
        sheet.write_formula(0, 3, "=A1+B1")
        sheet.write_formula(0, 4, "=A1*B1", None, 6)
    file = read(path.read_bytes())
    assert texts(file) == ["2,3,0,=A1+B1,6"]
    assert "1 formula" in notes(file)


@pytest.mark.parametrize(
    "found",
    [
        '<x:row r="1"><x:c r="A1"><x:v>1</x:v></x:c><x:c r="C1" t="str"><x:v>b</x:v></x:c></x:row>',
        "<row><c><v>1</v></c><c/><c t='str'><v>b</v></c></row>",
        '<row r="1" ><c t="n" r="A1" ><v >1</v ></c ><c r="C1" t="str"><v><![CDATA[b]]></v></c></row>',
        '<!-- <row/> --><row r="1"><c r="A1"><v>1</v></c><!-- x --><c r="C1" t="inlineStr"><is><t>b</t></is></c></row>',
        '<row r="1" x:y="z"><c r="A1" cm="1"><v>1</v></c><c r="B1"/><c r="C1" t="str"><v>&#98;</v></c></row>',
    ],
)
def test_ways_to_write_the_same(found: str) -> None:
    sheet = f'<worksheet {NAMESPACES} xmlns:x="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    data = "x:sheetData" if found.startswith("<x:") else "sheetData"
    part = f"{sheet}<{data}>{found}</{data}></worksheet>"
    for encoded in (part.encode(), part.encode("utf-16")):
        book = Book([SheetPart("Sheet")], parts={"xl/worksheets/sheet1.xml": encoded})
        assert texts(read(book)) == ["1,,b"], encoded[:20]


# What is hidden, covered or beside


def test_hidden_sheets_rows_and_columns() -> None:
    table = rows(["a", "b", "c"], [1, 2, 3], [4, 5, 6])
    table = table.replace('<row r="2">', '<row r="2" hidden="1">')
    book = Book(
        [
            SheetPart("Open", table, before='<cols><col min="2" max="2" hidden="1"/></cols>'),
            SheetPart("Shut", rows(["x"]), state="hidden"),
            SheetPart("Sealed", rows(["y"]), state="veryHidden"),
        ]
    )
    file = read(book)
    assert labels(file) == ["Open", "Shut (hidden)", "Sealed (very hidden)"]
    assert texts(file)[0] == "a,[hidden column] b,c\n[hidden row] 1,2,3\n4,5,6"
    assert [title for _, title, _ in file.outline] == labels(file)
    assert "2 (Shut (hidden), Sealed (very hidden))" in file.warnings[0]
    assert "1 hidden row and 1 hidden column" in file.warnings[1]


def test_rows_hidden_by_a_filter() -> None:
    table = rows(["a"], [1]).replace('<row r="2">', '<row r="2" hidden="true">')
    after = '<autoFilter ref="A1:A2"><filterColumn colId="0"><filters/></filterColumn></autoFilter>'
    assert "filtered" in read(Book([SheetPart("S", table, after=after)])).warnings[0]


def test_text_that_nobody_sees() -> None:
    look = styles(
        ";;;",
        fonts='<font><color rgb="FFFFFFFF"/></font><font><color theme="0"/></font><font><color rgb="FF112233"/></font>',
        fills='<fill><patternFill patternType="solid"><fgColor rgb="FF112233"/></patternFill></fill>',
        xfs='<xf numFmtId="0" fontId="1" fillId="0"/><xf numFmtId="0" fontId="2" fillId="0"/>'
        '<xf numFmtId="0" fontId="3" fillId="2"/><xf numFmtId="0" fontId="1" fillId="2"/>',
    )
    found = "".join(cell(f"{'ABCDEF'[at]}1", f"word {'uvwxyz'[at]}", at) for at in range(6))
    table = f'<row r="1">{found}</row>'
    file = read(only(table, styles=look))
    assert texts(file) == ["word u,,,,,word z"]  # the last one is white on a dark ground
    assert "2 hidden words (a number format that shows nothing) left out" in notes(file)
    assert "6 hidden words (text in the colour of its background) left out" in notes(file)
    kept = read(only(table, styles=look), hidden="keep")
    assert "[hidden: word v],[hidden: word w]" in texts(kept)[0]
    assert "kept" in notes(kept)
    # A condition may give the cells another colour, and so may the style of a table to its heads.
    look = look.replace("</styleSheet>", "<dxfs><dxf><font/></dxf><dxf><fill/></dxf></dxfs></styleSheet>")
    rule = '<conditionalFormatting sqref="A1:F9"><cfRule type="expression" dxfId="{}"/></conditionalFormatting>'
    coloured = Book([SheetPart("S", table, after=rule.format(1))], styles=look)
    assert texts(read(coloured)) == ["word u,,word w,word x,word y,word z"]
    assert "background" not in notes(read(coloured))
    uncoloured = Book([SheetPart("S", table, after=rule.format(0))], styles=look)
    assert texts(read(uncoloured)) == ["word u,,,,,word z"]
    heads = f'<table {NAMESPACES} ref="A1:C2"><tableStyleInfo name="TableStyleMedium2"/></table>'
    book = Book(
        [SheetPart("S", table, relations=[("t", "table", "../tables/t.xml")])],
        styles=look,
        parts={"xl/tables/t.xml": heads},
    )
    assert texts(read(book)) == ["word u,,word w,,,word z"]


def test_a_sheet_with_nothing_but_hidden_text_has_a_page() -> None:
    file = read(only(f"<row>{cell('A1', 'secret', 1)}</row>", styles=styles(";;;")))
    assert texts(file) == [""]
    assert "1 hidden word" in notes(file)


def test_merged_cells() -> None:
    table = (
        '<row r="1"><c r="A1" t="str"><v>Title</v></c></row>'
        '<row r="2"><c r="A2" t="str"><v>Region</v></c><c r="B2" '
        't="str"><v>2023</v></c><c r="D2" t="str"><v>2024</v></c></row>'
        '<row r="3"><c r="B3"><v>1</v></c><c r="C3"><v>2</v></c><c r="D3"><v>3</v></c><c r="E3"><v>4</v></c></row>'
        '<row r="5"><c r="A5" t="str"><v>North</v></c><c r="B5"><v>5</v></c></row>'
        '<row r="6"><c r="A6" t="str"><v>left over</v></c><c r="B6"><v>6</v></c></row>'
    )
    merged = "".join(
        f'<mergeCell ref="{ref}"/>' for ref in ("A1:E1", "B2:C2", "D2:E2", "A2:A3", "A5:A9", "x", "G1:H1048576")
    )
    sheet = SheetPart("S", table, after=f"<mergeCells>{merged}</mergeCells>")
    file = read(Book([sheet]))
    assert texts(file) == ["Title\nRegion,2023,2023,2024,2024\nRegion,1,2,3,4\nNorth,5\nNorth,6"]
    assert "2 hidden words (cells under a merged cell)" in notes(file)
    assert "[hidden: left over],6" in texts(read(Book([sheet]), hidden="keep"))[0]


def test_comments_and_threads() -> None:
    legacy = (
        f"<comments {NAMESPACES}><authors><author>Ann</author><author>tc={{1}}</author></authors><commentList>"
        '<comment ref="A1" authorId="0"><text><r><t>Ann:</t></r><r><t>\nlook here</t></r></text></comment>'
        '<comment ref="B1" authorId="1"><text><t>[Threaded comment] Your version of Excel…</t></text></comment>'
        '<comment ref="C9" authorId="0"><text><t>alone</t></text></comment></commentList></comments>'
    )
    threads = (
        '<ThreadedComments xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments">'
        '<threadedComment ref="B1" personId="{A}" id="1"><text>why?</text></threadedComment>'
        '<threadedComment ref="B1" personId="{B}" id="2" parentId="1"><text>because</text></threadedComment>'
        "</ThreadedComments>"
    )
    persons = (
        '<personList xmlns="http://schemas.microsoft.com/office/spreadsheetml/2018/threadedcomments">'
        '<person displayName="Bo" id="{A}"/><person displayName="Cy" id="{B}"/></personList>'
    )
    book = Book(
        [
            SheetPart(
                "S",
                rows(["a", "b"]),
                relations=[("c", "comments", "../comments1.xml"), ("t", "threadedComment", "../threads.xml")],
            )
        ],
        parts={"xl/comments1.xml": legacy, "xl/threads.xml": threads, "xl/persons/person.xml": persons},
        relations=[("p", "person", "persons/person.xml")],
    )
    assert texts(read(book)) == [
        "a [comment by Ann: look here],b [comment by Bo: why?] [comment by Cy: because]\n,,[comment by Ann: alone]"
    ]


def test_where_links_lead() -> None:
    links = "".join(
        f'<hyperlink ref="{ref}" r:id="{identity}"/>' for ref, identity in (("A1", "x"), ("B1:B2", "y"), ("C1", "none"))
    )
    sheet = SheetPart(
        "S",
        rows(["there", "mail", "nowhere"], [1, "https://example.org/y"]),
        after=f'<hyperlinks>{links}<hyperlink ref="A2" location="Other!A1"/></hyperlinks>',
        relations=[("x", "hyperlink", "https://example.org/x"), ("y", "hyperlink", "https://example.org/y")],
    )
    assert texts(read(Book([sheet]))) == [
        "[there](https://example.org/x),[mail](https://example.org/y),nowhere\n1,https://example.org/y"
    ]


def test_text_boxes_pictures_and_charts() -> None:
    picture = (
        '<xdr:pic><xdr:nvPicPr><xdr:cNvPr id="3" name="P" descr="{}"/></xdr:nvPicPr><xdr:spPr><a:xfrm>'
        '<a:ext cx="1270000" cy="635000"/></a:xfrm></xdr:spPr></xdr:pic>'
    )
    frame = (
        '<xdr:graphicFrame><xdr:nvGraphicFramePr><xdr:cNvPr id="4" name="Chart 1"/></xdr:nvGraphicFramePr><a:graphic>'
        '<a:graphicData><c:chart r:id="{}"/></a:graphicData></a:graphic></xdr:graphicFrame>'
    )
    chart = (
        '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
        'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><c:chart><c:title><c:tx><c:rich><a:p><a:r>'
        "<a:t>Sales</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:idx val='0'/>"
        "<c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>41</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser>"
        "</c:barChart></c:plotArea></c:chart></c:chartSpace>"
    )
    group = f"<xdr:grpSp>{shape('in a group')}<xdr:grpSp>{shape('deeper')}</xdr:grpSp></xdr:grpSp>"
    choice = (
        f"<mc:AlternateContent><mc:Choice>{shape('new')}</mc:Choice>"
        f"<mc:Fallback>{shape('old')}</mc:Fallback></mc:AlternateContent>"
    )
    hidden = shape("unseen words", 'id="9" name="H" hidden="1"')
    content = (
        anchor(shape("second"), 5)
        + anchor(shape("first"), 1)
        + anchor(group + choice, 7)
        + anchor(picture.format("a map") + picture.format(""), 8)
        + anchor(frame.format("c") + frame.format("missing"), 9)
        + anchor(hidden, 10)
    )
    relation = f'<Relationship Id="c" Type="{RELATIONS}/chart" Target="../charts/chart1.xml"/>'
    file = read(with_drawing(content, {"xl/charts/chart1.xml": chart}, relation))
    assert labels(file) == ["Sheet", "Sheet, beside the cells"]
    body = texts(file)[1]
    order = [
        body.index(word) for word in ("first", "second", "in a group", "deeper", "new", "[picture: a map]", "Sales")
    ]
    assert order == sorted(order)
    assert "old" not in body
    assert "unseen" not in body
    assert "41" in body
    assert "[chart: Chart 1]" in body
    for said in ("100×50 pt", "a chart could not be read", "2 hidden words (hidden shapes)"):
        assert said in notes(file)


def test_form_controls() -> None:
    vml = '<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:x="urn:schemas-microsoft-com:office:excel">{}</xml>'
    control = (
        "<v:shape><v:textbox><div><font>{}<br></font></div></v:textbox>"
        '<x:ClientData ObjectType="{}">{}</x:ClientData></v:shape>'
    )
    shapes = (
        control.format("agreed", "Checkbox", "<x:Checked>1</x:Checked>")
        + control.format("paid", "Checkbox", "")
        + control.format("Send", "Button", "")
        + control.format("a note", "Note", "")
    )
    book = Book(
        [SheetPart("S", rows([1]), relations=[("v", "vmlDrawing", "../drawings/v.vml")])],
        parts={"xl/drawings/v.vml": vml.format(shapes)},
    )
    assert texts(read(book))[1] == "[x] agreed\n\n[ ] paid\n\nSend"


def test_headers_and_footers_of_the_print() -> None:
    after = (
        '<headerFooter><oddHeader>&amp;L&amp;"Arial,Bold"&amp;12Draft for review&amp;R&amp;D</oddHeader>'
        "<oddFooter>&amp;CPage &amp;P of &amp;N</oddFooter><evenHeader>&amp;A</evenHeader></headerFooter>"
    )
    assert texts(read(Book([SheetPart("S", rows([1]), after=after)])))[1] == "Header: Draft for review [date]"


# Long sheets


def test_pages_begin_with_the_heads() -> None:
    table = rows(["report of the year"], ["name", "2023", "amount, net"], *([f"n{n}", n, n * 2] for n in range(800)))
    file = read(only(table))
    assert file.pages > 2
    assert labels(file)[0].startswith("Sheet, rows 1-")
    seen: list[list[str]] = []
    for index, text in enumerate(texts(file)):
        found = list(csv.reader(io.StringIO(text)))
        if index:
            assert found.pop(0) == ["[row 2] name", "2023", "amount, net"]
        seen += found
    assert len(seen) == 802
    assert seen[-1] == ["n799", "799", "1598"]


def test_rows_that_stay_on_the_screen_are_the_heads() -> None:
    view = '<sheetViews><sheetView><pane ySplit="2" state="frozen"/></sheetView></sheetViews>'
    table = rows(["a", 1], ["b", 2], *([n, n] for n in range(900)))
    page = texts(read(Book([SheetPart("S", table, before=view)])))[1]
    assert page.startswith("[row 1] a,1\n[row 2] b,2\n")
    plain = texts(read(only(rows(*([n, n] for n in range(900))))))[1]
    assert not plain.startswith("[row")


def test_pages_within_a_table_begin_with_its_heads() -> None:
    body = [[f"n{n}", n] for n in range(600)]
    table = '<table {} ref="{}"/>'
    book = Book(
        [
            SheetPart(
                "S",
                rows(["above", "all"], ["one", "1st"], *body, ["two", "2nd"], *body),
                relations=[("a", "table", "../tables/a.xml"), ("b", "table", "../tables/b.xml")],
            )
        ],
        parts={
            "xl/tables/a.xml": table.format(NAMESPACES, "A2:B602"),
            "xl/tables/b.xml": table.format(NAMESPACES, "A603:B1203"),
        },
    )
    found = texts(read(book))
    assert found[1].startswith("[row 2] one,1st\n")
    assert found[-1].startswith("[row 603] two,2nd\n")


def test_rows_that_the_print_repeats_are_the_heads() -> None:
    book = only(rows(["a", 1], ["b", 2], *([n, n] for n in range(900))))
    titles = '<definedName name="_xlnm.Print_Titles" localSheetId="0">Sheet!$A:$A,Sheet!$2:$2</definedName>'
    book.properties = f"<definedNames>{titles}<definedName name='x'>#REF!</definedName></definedNames>"
    assert texts(read(book))[1].startswith("[row 2] b,2\n")


def test_empty_rows_and_columns_cost_nothing() -> None:
    many = "".join(
        f'<row r="{n}" s="1" customFormat="1"><c r="A{n}" s="1"/><c r="XFD{n}"/></row>' for n in range(2, 60_000)
    )
    table = (
        rows(["first"]) + many + '<row r="1048576"><c r="XFD1048576"><v>1</v></c><c r="ABC1048576"><v>2</v></c></row>'
    )
    sheet = SheetPart("S", table, before='<dimension ref="A1:XFD1048576"/>')
    file = read(Book([sheet]))
    assert file.pages == 1
    assert texts(file) == ["first\n,,2,,1"]
    assert "empty columns" in notes(file)


def test_a_sheet_of_single_cells_far_apart_is_no_bomb() -> None:
    letters = [a + b + c for a in "ABCDEFGHIJKLMNOPQRSTUVWX" for b in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for c in "ABC"]
    table = "".join(
        f'<row r="{n}"><c r="{letters[n % len(letters)]}{n}"><v>{n}</v></c></row>' for n in range(1, 30_000)
    )
    file = read(only(table))
    assert sum(map(len, texts(file))) < 2_000_000
    assert "names of their columns" in notes(file)


# Damage


def test_parts_that_are_missing_or_damaged() -> None:
    table = f"<row>{cell('A1', 0.5, 1)}</row>"
    assert texts(read(only(table, styles=None))) == ["0.5"]
    damaged = read(only(table, styles="<styleSheet><cellXfs><xf numFmtId='9'/><xf numFmtId='x'"))
    assert texts(damaged)[0] in ("50%", "0.5")
    assert "styles.xml" in damaged.warnings[0]
    odd = '<fonts><font><color rgb="red"/></font><font><color theme="99"/></font></fonts>'
    look = styles(9, fonts=odd).replace('fontId="0"', 'fontId="77"')
    assert texts(read(only(table, styles=look))) == ["50%"]
    missing = read(only('<row><c t="s"><v>3</v></c></row>'))
    assert texts(missing) == ["[missing text: 3]"]


def test_a_sheet_that_is_cut_off() -> None:
    whole = Book([SheetPart("S", rows(*([n, "x"] for n in range(2000))))])
    part = f"<worksheet {NAMESPACES}><sheetData>{whole.sheets[0].rows}"
    book = Book([SheetPart("S"), SheetPart("T", rows(["after"]))], parts={"xl/worksheets/sheet1.xml": part[:50_000]})
    file = read(book)
    assert "480,x" in "\n".join(texts(file))
    assert texts(file)[-1] == "after"
    assert "sheet1.xml" in file.warnings[0]


def test_sheets_that_are_missing_are_named() -> None:
    book = Book([SheetPart("There", rows(["a"])), SheetPart("Gone")])
    data = book.data({"xl/worksheets/sheet2.xml": "elsewhere.xml"})
    file = read(data)
    assert texts(file) == ["a", "[sheet: Gone]"]
    assert "missing" in notes(file)
    with pytest.raises(ParseError, match="no sheets"):
        read(Book([]))


def test_names_of_parts_in_other_cases_and_places() -> None:
    book = Book([SheetPart("S", '<row><c t="s"><v>0</v></c></row>')], strings="<si><t>text</t></si>")
    for rename in (
        {"xl/worksheets/sheet1.xml": "xl/Worksheets/Sheet1.XML", "xl/sharedStrings.xml": "xl/SharedStrings.xml"},
        {"xl/worksheets/sheet1.xml": "xl\\worksheets\\sheet1.xml"},
        {"xl/_rels/workbook.xml.rels": "unknown.rels"},
    ):
        assert texts(read(book.data(rename))) == ["text"], rename


def test_chart_sheets_and_dialog_sheets() -> None:
    chart = SheetPart(
        "Figure", kind="chartsheet", before='<drawing r:id="d"/>', relations=[("d", "drawing", "../drawings/d.xml")]
    )
    book = Book(
        [SheetPart("Data", rows([1])), chart, SheetPart("Ask", kind="dialogsheet")],
        parts={"xl/drawings/d.xml": f"<xdr:wsDr {DRAWING}>{anchor(shape('shown'))}</xdr:wsDr>"},
    )
    file = read(book)
    assert labels(file) == ["Data", "Figure", "Ask"]
    assert texts(file) == ["1", "shown", "[dialog sheet: Ask]"]


def test_entities_are_not_expanded() -> None:
    bomb = (
        '<!DOCTYPE sst [<!ENTITY a "aaaaaaaaaa"><!ENTITY b '
        '"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c SYSTEM "/etc/hostname">]>'
        f"<sst {NAMESPACES}><si><t>x&b;&c;</t></si></sst>"
    )
    book = only('<row><c t="s"><v>0</v></c></row>', strings="")
    book.parts = {"xl/sharedStrings.xml": bomb}
    assert "aaa" not in "".join(texts(read(book)))


# Files of real programs


def test_what_openpyxl_writes(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["when", "share"])
    sheet.append([datetime.date(2024, 5, 6), 0.0525])
    sheet["B2"].number_format = "0%"
    sheet["A2"].comment = Comment("checked", "Ann")
    sheet.merge_cells("A4:B4")
    sheet["A4"] = "the end"
    sheet.freeze_panes = "A2"
    sheet.sheet_state = "visible"
    book.save(tmp_path / "a.xlsx")
    file = read((tmp_path / "a.xlsx").read_bytes())
    assert texts(file) == ["when,share\n2024-05-06 [comment by Ann: checked],5% [0.0525]\nthe end"]


def test_what_xlsxwriter_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Äpfel & Birnen")
        sheet.write_rich_string(0, 0, "E = mc", book.add_format({"font_script": 1}), "2", " holds")
        sheet.write_url(1, 0, "https://example.org/", string="there")
        sheet.write_boolean(2, 0, False)
        sheet.write_datetime(
            3, 0, datetime.datetime(2024, 3, 1, 9, 5), book.add_format({"num_format": "d mmm yyyy hh:mm"})
        )
        sheet.add_table("C1:D3", {"data": [["a", 1], ["b", 2]], "columns": [{"header": "key"}, {"header": "value"}]})
        sheet.insert_textbox(5, 5, "in a box")
        sheet.set_row(2, None, None, {"hidden": True})
        chart = book.add_chart({"type": "line"})
        assert chart is not None
        chart.add_series({"values": "='Äpfel & Birnen'!$D$2:$D$3", "name": "growth"})
        sheet.insert_chart("G1", chart)
        sheet.data_validation("A9", {"validate": "list", "source": ["never", "shown"]})
    file = read(path.read_bytes())
    assert texts(file)[0] == (
        "E = mc^2 holds,,key,value\n[there](https://example.org/),,a,1\n[hidden row] FALSE,,b,2\n1 Mar 2024 09:05"
    )
    assert "in a box" in texts(file)[1]
    assert "growth" in texts(file)[1]
    assert "never" not in "".join(texts(file))


def test_a_chart_without_values_names_its_cells(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for number in range(4):
        sheet.append([number])
    chart = BarChart()
    chart.add_data(Reference(worksheet=sheet, min_col=1, min_row=1, max_row=4))
    sheet.add_chart(chart)
    book.save(tmp_path / "a.xlsx")
    assert "'Sheet'!$A$1:$A$4" in texts(read((tmp_path / "a.xlsx").read_bytes()))[1]


@pytest.mark.parametrize("extension", ["xlsx", "xlsm", "xltx", "xltm", "bin"])
def test_extensions(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_bytes(only(rows([1])).data())
    assert isinstance(detect(path.name, path), Xlsx)
