"""OpenDocument texts: as LibreOffice shows them."""

import pytest

from longread.agent.corpus.formats import ParseOptions
from longread.agent.corpus.formats.base import OpenFile
from longread.agent.corpus.formats.opendocument import Odt
from tests.support.opendocuments import (
    cell,
    document,
    frame,
    h,
    list_style,
    note,
    p,
    row,
    style,
    text_style,
    ul,
)

FLAT = pytest.mark.parametrize("flat", [False, True], ids=["archive", "flat"])
NUMBERS = 'style:num-format="1" style:num-suffix="."'


def read(data: bytes, **options: str) -> OpenFile:
    return Odt().open(data, ParseOptions(**options))  # pyright: ignore[reportArgumentType]


def text(body: str, automatic: str = "", common: str = "", **options: str) -> str:
    opened = read(document(body, automatic=automatic, common=common), **options)
    return "\n".join(opened.page(at).text for at in range(opened.pages))


def lines(found: str) -> list[str]:
    return [line for line in found.splitlines() if line]


def notes(body: str, automatic: str = "", **options: str) -> tuple[str, ...]:
    return read(document(body, automatic=automatic), **options).page(0).notes


@FLAT
def test_headings_and_paragraphs(flat: bool) -> None:
    opened = read(
        document(h("First") + p("one<text:s text:c='2'/>two\n  three<text:tab/>four") + h("Deep", 3), flat=flat)
    )
    assert opened.page(0).text == "# First\n\none  two three\tfour\n\n### Deep"
    assert opened.outline == [(1, "First", 1), (3, "Deep", 1)]
    assert opened.title == "The title"
    assert opened.metadata == {"creator": "Ann"}
    assert opened.warnings == []


def test_headings_with_the_numbers_of_the_outline() -> None:
    outline = (
        f'<text:outline-style style:name="Outline"><text:outline-level-style text:level="1" {NUMBERS}/>'
        '<text:outline-level-style text:level="2" style:num-format="1" text:display-levels="2"/>'
        '<text:outline-level-style text:level="3" style:num-format=""/></text:outline-style>'
    )
    none = style("Plain", "", "paragraph", 'style:list-style-name=""')
    body = (
        h("Scope")
        + h("Terms", 2)
        + h("More terms", 2)
        + h("Preface", 1, 'text:style-name="Plain"')
        + h("Not counted", 1, 'text:is-list-header="true"')
        + h("Duties")
        + h("Payment", 2)
        + h("Detail", 3)
        + h("Ninth", 1, 'text:restart-numbering="true" text:start-value="9"')
    )
    opened = read(document(body, common=outline, automatic=none))
    assert [title for _, title, _ in opened.outline] == [
        "1. Scope",
        "1.1 Terms",
        "1.2 More terms",
        "Preface",
        "Not counted",
        "2. Duties",
        "2.1 Payment",
        "Detail",
        "9. Ninth",
    ]


def test_bullets_and_numbers_of_several_levels() -> None:
    levels = list_style(
        "L",
        NUMBERS,
        'style:num-format="a" style:num-prefix="(" style:num-suffix=")"',
        'style:num-format="i" text:display-levels="3"',
    )
    inner = ul("deep", "deeper", style_name="")
    letters = ul(p("letter") + inner, "other letter", style_name="")
    body = ul("one", p("two") + p("still two") + letters, "three")
    assert lines(text(body, levels)) == [
        "1. one",
        "2. two",
        "  still two",
        "  (a) letter",
        "    2.a.i deep",
        "    2.a.ii deeper",
        "  (b) other letter",
        "3. three",
    ]
    assert lines(text(ul("x", "y", style_name="B"), list_style("B", "•"))) == ["- x", "- y"]
    assert lines(text(ul("x", style_name="unknown"))) == ["- x"]


def test_numbering_that_continues_and_restarts() -> None:
    def item(*content: str, attributes: str = "") -> str:
        return ul(*content, attributes=attributes)

    body = (
        item("one", "two", attributes='xml:id="first"')
        + p("between")
        + item("three", attributes='text:continue-numbering="true"')
        + item("anew", attributes='xml:id="second"')
        + item("four", attributes='text:continue-list="first"')
        + item("anew two", attributes='text:continue-list="second"')
        + f'<text:list text:style-name="L"><text:list-item text:start-value="9">{p("nine")}</text:list-item>'
        f"<text:list-header>{p('a line')}</text:list-header><text:list-item>{p('ten')}</text:list-item></text:list>"
    )
    assert lines(text(body, list_style("L", NUMBERS))) == [
        "1. one",
        "2. two",
        "between",
        "3. three",
        "1. anew",
        "4. four",
        "2. anew two",
        "9. nine",
        "a line",
        "10. ten",
    ]


def test_clauses_as_word_processors_write_them_through_converters() -> None:
    # Each clause is in lists that are there only for its level.
    levels = list_style(
        "L",
        'style:num-format="1"',
        'style:num-format="1" text:display-levels="2"',
        'style:num-format="a" style:num-suffix=")"',
    )
    again = 'text:continue-numbering="true"'

    def nested(level: int, content: str) -> str:
        for _ in range(level - 1):
            content = f"<text:list><text:list-item>{content}</text:list-item></text:list>"
        return ul(content, attributes=again)

    body = (
        ul(h("Payment"))
        + nested(2, p("Fees"))
        + nested(3, p("monthly"))
        + p("Between the clauses.")
        + nested(3, p("yearly"))
        + nested(2, p("Interest"))
        + nested(3, p("from the day"))
        + nested(1, h("Term"))
        + nested(2, p("Start"))
    )
    assert [line.strip() for line in lines(text(body, levels))] == [
        "# 1 Payment",
        "1.1 Fees",
        "a) monthly",
        "Between the clauses.",
        "b) yearly",
        "1.2 Interest",
        "a) from the day",
        "# 2 Term",
        "2.1 Start",
    ]


@pytest.mark.parametrize(
    ("attributes", "first", "last"),
    [
        ('style:num-format="I" style:num-suffix=")"', "I)", "XXVIII)"),
        ('style:num-format="A" style:num-letter-sync="true"', "A", "BB"),
        ('style:num-format="a"', "a", "ab"),
        ('style:num-format="1" loext:num-list-format="§ %1%:"', "§ 1:", "§ 28:"),
        ('style:num-format="1" text:start-value="5"', "5", "32"),
        ('style:num-format="" style:num-suffix="Note"', "Note", "Note"),
    ],
)
def test_formats_of_numbers(attributes: str, first: str, last: str) -> None:
    found = lines(text(ul(*(["x"] * 28)), list_style("L", attributes)))
    assert found[0] == f"{first} x"
    assert found[-1] == f"{last} x"


def test_numbered_paragraphs() -> None:
    start = '<text:numbered-paragraph text:list-id="a" text:level="1" text:style-name="L">'
    one, two = (f"{start}{p(content)}</text:numbered-paragraph>" for content in "xz")
    assert lines(text(one + p("y") + two, list_style("L", NUMBERS))) == ["1. x", "y", "2. z"]


COVERED = "<table:covered-table-cell/>"


def test_merged_and_repeated_cells() -> None:
    body = (
        '<table:table><table:table-column table:number-columns-repeated="3"/><table:table-header-rows>'
        + row(cell("region"), cell("sales", 'table:number-columns-spanned="2"'), COVERED)
        + "</table:table-header-rows>"
        + row(cell("North", 'table:number-rows-spanned="2"'), cell("7", 'table:number-columns-repeated="2"'))
        + row(COVERED, cell("3"), cell("4"))
        + '<table:table-row table:number-rows-repeated="1000000">'
        '<table:table-cell table:number-columns-repeated="16384"/>'
        "</table:table-row></table:table>"
    )
    assert lines(text(body)) == [
        "| region | sales | sales |",
        "| --- | --- | --- |",
        "| North | 7 | 7 |",
        "| North | 3 | 4 |",
    ]


def test_a_covered_cell_that_nothing_covers_and_lists_in_cells() -> None:
    body = f"<table:table>{row(cell('a'), cell('b'))}{row(COVERED, cell(ul('x', 'y')))}</table:table>"
    assert lines(text(body))[-1] == "|  | - x - y |"


def test_tables_in_tables() -> None:
    line = f"<table:table>{row(cell('in'), cell('ner'))}</table:table>"
    assert lines(text(f"<table:table>{row(cell('a'), cell(line))}</table:table>"))[0] == "| a | in; ner |"
    larger = f"<table:table>{row(cell('h1'), cell('h2'))}{row(cell('1'), cell('2'))}</table:table>"
    found = lines(text(f"<table:table>{row(cell('a'), cell(larger))}</table:table>"))
    assert found == ["| a | [table: 1] |", "| --- | --- |", "[table: 1]", "| h1 | h2 |", "| --- | --- |", "| 1 | 2 |"]


def test_a_table_over_several_pages_keeps_its_head() -> None:
    soft = "<text:soft-page-break/>"
    inside = f"<text:p>2{soft}</text:p>"
    rows = (
        row(cell("h"), cell("k"))
        + row(cell("1"), cell("x"))
        + soft
        + row(cell(inside), cell("y"))
        + row(cell("3"), cell("z"))
    )
    opened = read(document(f"<table:table>{rows}</table:table>{p('after')}"))
    head = "| h | k |\n| --- | --- |\n"
    assert [(opened.page(at).label, opened.page(at).text) for at in range(opened.pages)] == [
        ("1", f"{head}| 1 | x |"),
        ("2", f"{head}| 2 | y |"),
        ("3", f"{head}| 3 | z |\n\nafter"),
    ]


def test_hidden_rows_are_counted() -> None:
    hidden = row(cell("secret words")).replace("<table:table-row>", '<table:table-row table:visibility="collapse">')
    body = f"<table:table>{row(cell('a'))}{hidden}</table:table>"
    assert "secret" not in text(body)
    assert notes(body)[0].startswith("2 hidden words")
    assert "[hidden: secret words]" in text(body, hidden="keep")


def test_notes_stand_on_the_page_that_refers_to_them() -> None:
    breaks = style("Break", '<style:paragraph-properties fo:break-before="page"/>', "paragraph")
    body = p(f"fact{note('footnote', '1', 'source')}.") + p(f"end{note('endnote', 'i', 'later')}", "Break")
    opened = read(document(body, automatic=breaks))
    assert [opened.page(at).text for at in range(opened.pages)] == [
        "fact[^1].\n\n[^1]: source",
        "end[^i]\n\n[^i]: later",
    ]
    assert [opened.page(at).label for at in range(opened.pages)] == ["1", "2"]


def test_comments_with_their_authors() -> None:
    date = "<dc:date>2027-01-01</dc:date>"
    given = f"<office:annotation><dc:creator>Ann</dc:creator>{date}{p('Is it?')}{ul('x')}</office:annotation>"
    assert text(p(f"fact{given}s")) == "fact[comment by Ann: Is it? - x]s"


REGIONS = (
    '<text:tracked-changes><text:changed-region text:id="i"><text:insertion><office:change-info><dc:creator>Bo'
    "</dc:creator></office:change-info></text:insertion></text:changed-region>"
    '<text:changed-region text:id="d"><text:deletion><office:change-info/><text:p>1,000,000</text:p></text:deletion>'
    "</text:changed-region></text:tracked-changes>"
)
CHANGED = REGIONS + (
    '<text:p>pay <text:change text:change-id="d"/><text:change-start text:change-id="i"/>250,000<text:s/>'
    '<text:span>EUR</text:span><text:change-end text:change-id="i"/> now</text:p>'
)


@pytest.mark.parametrize(
    ("mode", "shown"),
    [
        ("marked", "pay [deleted: 1,000,000][inserted: 250,000 EUR] now"),
        ("final", "pay 250,000 EUR now"),
        ("original", "pay 1,000,000 now"),
    ],
)
def test_tracked_changes(mode: str, shown: str) -> None:
    opened = read(document(CHANGED), changes=mode)
    assert opened.page(0).text == shown
    assert "1 insertion and 1 deletion" in opened.warnings[0]


def test_an_insertion_over_several_paragraphs() -> None:
    body = REGIONS + (
        '<text:p>old<text:change-start text:change-id="i"/> new</text:p><text:p>newer</text:p>'
        '<text:p>newest<text:change-end text:change-id="i"/> old</text:p>'
    )
    assert lines(text(body)) == ["old [inserted: new]", "[inserted: newer]", "[inserted: newest] old"]
    assert lines(text(body, changes="original")) == ["old", " old".strip()]


@FLAT
def test_superscripts_and_subscripts(flat: bool) -> None:
    styles = (
        text_style("up", 'style:text-position="super 58%"')
        + text_style("raised", 'style:text-position="33% 58%"')
        + text_style("down", 'style:text-position="-33% 58%"')
        + text_style("even", 'style:text-position="0% 100%"')
    )

    def span(content: str, name: str) -> str:
        return f'<text:span text:style-name="{name}">{content}</text:span>'

    body = p(f"10{span('6', 'up')} km, m{span('2', 'raised')}, H{span('2', 'down')}O{span(' and', 'even')} so on")
    assert read(document(body, automatic=styles, flat=flat)).page(0).text == "10^6 km, m^2, H_2O and so on"


SPAN = '<text:p>x <text:span text:style-name="h">secret words</text:span></text:p>'
SECRET = p("secret words")


@pytest.mark.parametrize(
    ("body", "styles", "why"),
    [
        (SPAN, text_style("h", 'text:display="none"'), "hidden"),
        (SPAN, text_style("h", 'fo:color="#FFFFFF"'), "background"),
        (SPAN, text_style("h", 'fo:font-size="1pt"'), "2 points"),
        (p("x") + p("secret words", "h"), text_style("h", 'text:display="none"', "paragraph"), "hidden"),
        (p("x") + p("secret words", "h"), text_style("h", 'fo:color="#fefefe"', "paragraph"), "background"),
        (f'{p("x")}<text:section text:name="s" text:display="none">{SECRET}</text:section>', "", "section"),
        (p('x <text:hidden-text text:is-hidden="true" text:string-value="secret words"/>'), "", "condition"),
        (p("x") + p('secret <text:hidden-paragraph text:is-hidden="true"/>words'), "", "condition"),
        (p("x") + frame(f"<draw:text-box>{SECRET}</draw:text-box>", attributes='draw:display="none"'), "", "shape"),
    ],
)
def test_hidden_text_is_counted_and_left_out(body: str, styles: str, why: str) -> None:
    assert text(body, styles).strip() == "x"
    found = notes(body, styles)
    assert len(found) == 1
    assert found[0].startswith("2 hidden words")
    assert why in found[0]
    assert "[hidden: secret words]" in text(body, styles, hidden="keep")


def test_white_text_on_a_dark_cell_is_seen() -> None:
    styles = text_style("w", 'fo:color="#ffffff"') + style(
        "dark", '<style:table-cell-properties fo:background-color="#000080"/>', "table-cell"
    )
    white = '<text:p><text:span text:style-name="w">white</text:span></text:p>'
    dark = cell(white, 'table:style-name="dark"')
    body = f"<table:table>{row(dark, cell('b'))}</table:table>"
    assert "| white | b |" in text(body, styles)
    assert "white" not in text(f"<table:table>{row(cell(white), cell('b'))}</table:table>", styles)
