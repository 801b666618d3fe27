"""OpenDocument texts: pages, objects, detection, damage, and real documents."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from longread.agent.corpus.formats import ParseOptions, detect
from longread.agent.corpus.formats.base import OpenFile, ParseError, SecretNeeded, WrongFormat
from longread.agent.corpus.formats.opendocument import Odp, Odt
from tests.support.opendocuments import (
    NAMESPACES,
    cell,
    document,
    frame,
    h,
    list_style,
    note,
    p,
    row,
    slide,
    style,
    text_box,
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


def test_soft_page_breaks_are_pages_with_their_numbers() -> None:
    body = p("one<text:soft-page-break/> two") + "<text:soft-page-break/>" + h("Three") + p("four")
    opened = read(document(body))
    assert [(opened.page(at).label, opened.page(at).text) for at in range(opened.pages)] == [
        ("1", "one"),
        ("2", "two"),
        ("3", "# Three\n\nfour"),
    ]
    assert opened.outline == [(1, "Three", 3)]


def test_pages_that_begin_with_a_heading_or_an_item() -> None:
    soft = "<text:soft-page-break/>"
    body = h(f"{soft}Two") + p("text") + ul(p("one"), p(f"{soft}two")) + h(f"Long {soft}heading") + p(f"end{soft}")
    opened = read(document(body, automatic=list_style("L", NUMBERS)))
    assert [(opened.page(at).label, opened.page(at).text) for at in range(opened.pages)] == [
        ("2", "# Two\n\ntext\n\n1. one"),
        ("3", "2. two"),
        ("4", "# Long heading\n\nend"),
    ]
    assert [page for _, _, page in opened.outline] == [1, 3]


def test_breaks_before_and_after() -> None:
    styles = style("before", '<style:paragraph-properties fo:break-before="page"/>', "paragraph")
    styles += style("after", '<style:paragraph-properties fo:break-after="page"/>', "paragraph")
    styles += style("cover", "", "paragraph", 'style:master-page-name="M"')
    opened = read(document(p("a", "cover") + p("b", "after") + p("c", "before") + p("d"), automatic=styles))
    assert [opened.page(at).text for at in range(opened.pages)] == ["a\n\nb", "c\n\nd"]


def test_page_numbers_that_start_anew() -> None:
    start = '<style:paragraph-properties style:page-number="{}"/>'
    styles = style("front", start.format(3), "paragraph", 'style:master-page-name="F"')
    styles += style("main", start.format(1), "paragraph", 'style:master-page-name="M"')
    layout = (
        '<style:page-layout style:name="roman"><style:page-layout-properties style:num-format="i"/></style:page-layout>'
    )
    master = "".join(
        f'<style:master-page style:name="{key}" style:page-layout-name="{name}"/>'
        for key, name in (("F", "roman"), ("M", "pm"))
    )
    body = p("preface", "front") + "<text:soft-page-break/>" + p("more") + p("chapter", "main")
    opened = read(document(body, automatic=styles, master=master, layouts=layout))
    assert [opened.page(at).label for at in range(opened.pages)] == ["iii", "iv", "1"]


def test_lists_whose_style_is_that_of_their_paragraphs() -> None:
    styles = list_style("numbers", NUMBERS) + style("item", "", "paragraph", 'style:list-style-name="numbers"')
    listed = f"<text:list><text:list-item>{p('one', 'item')}</text:list-item></text:list>"
    assert text(listed, styles) == "1. one"


def test_headers_and_footers_are_a_page() -> None:
    master = (
        '<style:master-page style:name="Standard" style:page-layout-name="pm">'
        f"<style:header>{p('ACME', 'P1')}</style:header>"
        f"<style:footer>{p('Page <text:page-number>1</text:page-number>')}</style:footer>"
        f'<style:header-left style:display="false">{p("never shown")}</style:header-left></style:master-page>'
    )
    opened = read(
        document(
            p("body", "P1"),
            master=master,
            automatic=text_style("P1", 'text:display="true"', "paragraph"),
            layouts=text_style("P1", 'fo:color="#111111"', "paragraph"),
        )
    )
    assert [(opened.page(at).label, opened.page(at).text) for at in range(opened.pages)][-1] == (
        "headers and footers",
        "ACME\nPage 1",
    )


def test_text_boxes_pictures_and_shapes() -> None:
    image = '<draw:image xlink:href="Pictures/a.png"/>'
    body = p(
        "before "
        + frame(f"{image}<svg:desc>A red fox</svg:desc>")
        + frame(image, width=2.54, height=5.08)
        + text_box("in the box")
        + '<draw:custom-shape svg:width="3cm" svg:height="1cm"><text:p>in the shape</text:p></draw:custom-shape>'
        + " after"
    )
    assert lines(text(body)) == ["before [picture: A red fox] after", "in the box", "in the shape"]
    assert notes(body) == ("a picture of 72×144 pt was not read",)


def test_links_fields_and_readings() -> None:
    body = p(
        'see <text:a xlink:href="https://example.org/a">the <text:span>report</text:span></text:a>, '
        '<text:a xlink:href="#anchor">below</text:a>, <text:date>1 May</text:date>, '
        '<text:bookmark-ref text:ref-name="x">7.1</text:bookmark-ref>, '
        '<text:drop-down><text:label text:value="no"/><text:label text:value="yes"/>yes</text:drop-down>, '
        "<text:ruby><text:ruby-base>漢字</text:ruby-base><text:ruby-text>かんじ</text:ruby-text></text:ruby>"
    )
    assert text(body) == "see [the report](https://example.org/a), below, 1 May, 7.1, yes, 漢字(かんじ)"


def test_form_controls() -> None:
    forms = (
        '<office:forms><form:form><form:checkbox form:id="a" form:label="agreed" form:current-state="checked"/>'
        '<form:checkbox form:id="b" form:label="refused"/>'
        '<form:text form:id="c" form:name="Name" form:current-value="Ann"/>'
        "</form:form></office:forms>"
    )
    controls = "".join(f'<draw:control draw:control="{identity}"/>' for identity in "abc")
    assert text(forms + p(controls)) == "[x] agreed[ ] refusedName: Ann"


CHART = f"""<office:document-content {NAMESPACES}><office:body><office:chart><chart:chart>
<chart:title><text:p>Sales</text:p></chart:title>
<chart:plot-area><chart:axis chart:dimension="x"><chart:title><text:p>Quarter</text:p></chart:title></chart:axis>
</chart:plot-area><table:table table:name="local-table"><table:table-header-rows><table:table-row>
<table:table-cell><text:p/></table:table-cell><table:table-cell><text:p>North</text:p></table:table-cell>
</table:table-row></table:table-header-rows><table:table-rows><table:table-row>
<table:table-cell><text:p>Q1</text:p></table:table-cell>
<table:table-cell office:value-type="float" office:value="4.25"><text:p>4.25</text:p></table:table-cell>
</table:table-row></table:table-rows></table:table></chart:chart></office:chart></office:body>
</office:document-content>"""
MATH = (
    '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mi>α</mi>'
    '<annotation encoding="StarMath 5.0">%alpha</annotation></semantics></math>'
)


def test_objects_are_read_or_named() -> None:
    def thing(number: int, more: str = "") -> str:
        return frame(
            f'<draw:object xlink:href="./Object {number}"/><draw:image xlink:href="x.png"/>{more}',
            attributes='draw:name="Obj"',
        )

    data = document(
        p(f"{thing(1)}{thing(2)}{thing(3)}"), parts={"Object 1/content.xml": CHART, "Object 2/content.xml": MATH}
    )
    page = read(data).page(0)
    assert "[chart: Sales]\n\n| Quarter | North |\n| --- | --- |\n| Q1 | 4.25 |" in page.text
    assert r"$\alpha$" in page.text
    assert "%alpha" not in page.text
    assert "[embedded object: Obj]" in page.text
    assert "embedded object (Obj)" in page.notes[0]


def test_indexes_and_sections_are_read() -> None:
    body = (
        f"<text:table-of-content><text:table-of-content-source/><text:index-body><text:index-title>{p('Contents')}"
        f"</text:index-title>{p('1 Scope<text:tab/>3')}</text:index-body></text:table-of-content>"
        f"<text:section text:name='a'>{p('inside')}</text:section>"
    )
    assert lines(text(body)) == ["Contents", "1 Scope\t3", "inside"]


def test_deep_nesting_and_entities() -> None:
    deep = "<text:section>" * 300 + p("innermost") + "</text:section>" * 300
    assert text(deep) == "innermost"
    spans = p("<text:span>" * 300 + "in spans" + "</text:span>" * 300)
    assert text(spans) == "in spans"
    both = p("innermost of all")
    for _ in range(60):
        both = p("<text:span>" * 20 + text_box(both) + "</text:span>" * 20)
    assert "innermost of all" in text(both)
    styles = '<style:style style:name="a" style:family="text" style:parent-style-name="a"/>'
    assert text(p('<text:span text:style-name="a">x</text:span>'), styles) == "x"


def test_damage_and_encryption() -> None:
    cut = document(p("before"))
    with pytest.raises(ParseError, match=r"content\.xml"):
        read(document("", parts={"content.xml": ""}))
    opened = read(
        document(
            "",
            parts={
                "content.xml": f"<office:document-content {NAMESPACES}><office:body><office:text>{p('before')}<text:p"
            },
        )
    )
    assert opened.page(0).text == "before"
    assert "content.xml" in opened.warnings[0]
    assert read(document(p("x"), parts={"styles.xml": "<broken"})).page(0).text == "x"
    encrypted = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry>'
        "<manifest:encryption-data/></manifest:file-entry></manifest:manifest>"
    )
    with pytest.raises(SecretNeeded, match="encrypted"):
        read(document(p("x"), parts={"META-INF/manifest.xml": encrypted}))
    with pytest.raises(WrongFormat):
        read(b"plain text")
    assert read(cut).pages == 1


@pytest.mark.parametrize(
    ("name", "kind", "mimetype", "flat", "found"),
    [
        ("a.odt", "text", True, False, Odt),
        ("a", "text", False, False, Odt),
        ("a.fodt", "text", True, True, Odt),
        ("a.odp", "presentation", True, False, Odp),
        ("a.bin", "presentation", True, False, Odp),
        ("a.fodp", "presentation", True, True, Odp),
    ],
)
def test_detection(tmp_path: Path, name: str, kind: str, mimetype: bool, flat: bool, found: type) -> None:
    (tmp_path / name).write_bytes(
        document(slide("") if kind == "presentation" else p("x"), kind, mimetype=mimetype, flat=flat)
    )
    assert isinstance(detect(name, tmp_path / name), found)


def test_titles_in_the_outline_are_plain() -> None:
    body = h(f"Area in m<text:span text:style-name='up'>2</text:span>{note('footnote', '1', 'roughly')}")
    opened = read(document(body, automatic=text_style("up", 'style:text-position="super 58%"')))
    assert opened.outline == [(1, "Area in m^2", 1)]
    assert opened.page(0).text == "# Area in m^2[^1]\n\n[^1]: roughly"


def test_a_spreadsheet_that_does_not_say_so() -> None:
    sheet = f'<table:table table:name="Sheet">{row(cell("under"), cell("cover"))}</table:table>'
    assert "under" in read(document(sheet, "spreadsheet", mimetype=False)).page(0).text


def test_the_pages_of_a_real_manual_are_those_of_its_table_of_contents(real: Callable[[str, str], Path]) -> None:
    opened = read(real("odfpy==1.4.1", "api-for-odfpy.odt").read_bytes())
    entry = re.compile(r"(.+)\t(\d+)")
    listed = {
        match[1]: match[2]
        for at in range(2)
        for line in opened.page(at).text.splitlines()
        if (match := entry.fullmatch(line))
    }
    found = {title: opened.page(page - 1).label for _, title, page in opened.outline}
    assert len(listed) == 37
    assert {title: found[title] for title in listed} == listed


def test_real_texts(real: Callable[[str, str], Path]) -> None:
    def text_of(name: str) -> str:
        return read(real("odfpy==1.4.1", f"tests/examples/{name}.odt").read_bytes()).page(0).text

    assert "Km^2 - superscript" in text_of("parastyles")
    assert "- Item B\n  - Subitem B.1" in text_of("twolevellist")
    assert text_of("simpletable").startswith("| Cell 1 | Cell 2 |")
