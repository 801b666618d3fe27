"""OpenDocument presentations and drawings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from longread.agent.corpus.formats import ParseOptions
from longread.agent.corpus.formats.base import OpenFile
from longread.agent.corpus.formats.opendocument import Odp
from tests.support.opendocuments import document, frame, list_style, p, slide, style, text_box, ul

TITLE = 'presentation:class="title"'
OUTLINE = 'presentation:class="outline"'


def read(body: str, automatic: str = "", kind: str = "presentation", **more: str) -> OpenFile:
    options = {key: more.pop(key) for key in ("hidden",) if key in more}
    data = document(body, kind, automatic=automatic, master=more.get("master", ""), layouts=more.get("layouts", ""))
    return Odp().open(data, ParseOptions(**options))  # pyright: ignore[reportArgumentType]


def texts(opened: OpenFile) -> list[str]:
    return [opened.page(at).text for at in range(opened.pages)]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("kind", ["presentation", "drawing"])
def test_title_outline_and_notes(kind: str) -> None:
    said = text_box("Say hello", attributes='presentation:class="notes"')
    notes = f"<presentation:notes><draw:page-thumbnail/>{said}</presentation:notes>"
    shapes = (
        text_box("below", 1, 15)
        + text_box(ul("one", f"{p('two')}{ul('deeper', style_name='')}"), 1, 5, OUTLINE)
        + text_box("The title", 1, 1, TITLE)
        + text_box("", 1, 9, 'presentation:placeholder="true"')
        + text_box("3", 20, 19, 'presentation:class="page-number"')
    )
    opened = read(slide(shapes + notes), list_style("L", "•", "–"), kind)
    assert texts(opened) == ["# The title\n\n- one\n- two\n  - deeper\n\nbelow\n\nNotes: Say hello"]
    assert opened.page(0).label == "1"
    assert opened.outline == [(1, "The title", 1)]


def test_visual_order_and_groups() -> None:
    group = f"<draw:g>{text_box('second', 1, 8)}{text_box('first', 1, 6)}</draw:g>"
    shapes = text_box("last", 1, 18) + group + text_box("top", 1, 1)
    assert lines(texts(read(slide(shapes)))[0]) == ["top", "first", "second", "last"]


def test_turned_shapes_are_where_they_are_drawn() -> None:
    turned = (
        '<draw:custom-shape svg:width="6cm" svg:height="1cm" draw:transform="rotate (1.5707963) translate (10cm 19cm)">'
        "<text:p>turned</text:p></draw:custom-shape>"
    )
    found = read(slide(turned + text_box("top", 1, 1)))
    assert lines(texts(found)[0]) == ["top", "turned"]
    assert found.page(0).notes == ()


def test_hidden_slides_and_shapes() -> None:
    hidden = style("off", '<style:drawing-page-properties presentation:visibility="hidden"/>', "drawing-page")
    body = slide(text_box("one")) + slide(text_box("Two", attributes=TITLE), 'draw:style-name="off"')
    opened = read(body, hidden)
    assert texts(opened) == ["one", "# Two (hidden)"]
    assert "2" in opened.warnings[0]
    assert "hidden" in opened.warnings[0]
    outside = slide(text_box("secret words", 30, 1) + text_box("seen", 1, 1))
    assert texts(read(outside)) == ["seen"]
    assert read(outside).page(0).notes[0].startswith("2 hidden words (outside")
    assert "[hidden: secret words]" in texts(read(outside, hidden="keep"))[0]


WHITE = '<text:p><text:span text:style-name="w">white words</text:span></text:p>'
WHITE_STYLE = (
    '<style:style style:name="w" style:family="text"><style:text-properties fo:color="#ffffff"/></style:style>'
)


def test_white_text_is_hidden_where_nothing_dark_is_behind_it() -> None:
    opened = read(slide(text_box(WHITE)), WHITE_STYLE)
    assert texts(opened) == [""]
    assert opened.page(0).notes[0].startswith("2 hidden words")
    dark = style("dark", '<style:drawing-page-properties draw:fill="solid" draw:fill-color="#000080"/>', "drawing-page")
    assert texts(read(slide(text_box(WHITE), 'draw:style-name="dark"'), WHITE_STYLE + dark)) == ["white words"]
    banner = '<draw:rect svg:x="0cm" svg:y="0cm" svg:width="28cm" svg:height="3cm"/>'
    assert texts(read(slide(banner + text_box(WHITE)), WHITE_STYLE)) == ["white words"]
    inside = f'<draw:rect svg:x="0cm" svg:y="0cm" svg:width="28cm" svg:height="3cm">{WHITE}</draw:rect>'
    assert texts(read(slide(inside), WHITE_STYLE)) == ["white words"]
    master = f'<style:master-page style:name="M" style:page-layout-name="pm">{banner}</style:master-page>'
    assert texts(read(slide(text_box(WHITE)), WHITE_STYLE, master=master)) == ["white words"]
    filled = style("f", '<style:graphic-properties draw:fill="solid" draw:fill-color="#000080"/>', "graphic")
    assert texts(read(slide(text_box(WHITE, attributes='draw:style-name="f"')), WHITE_STYLE + filled)) == [
        "white words"
    ]


def test_footers_are_declared_beside_the_slides() -> None:
    shown = style("s", '<style:drawing-page-properties presentation:display-footer="true"/>', "drawing-page")
    declared = '<presentation:footer-decl presentation:name="f">ACME 2027</presentation:footer-decl>'
    opened = read(declared + slide(text_box("x"), 'draw:style-name="s" presentation:use-footer-name="f"'), shown)
    assert texts(opened) == ["x\n\nACME 2027"]


def test_text_of_the_master_is_given_once() -> None:
    placeholder = text_box("Click to edit", attributes=TITLE)
    stamp = text_box("CONFIDENTIAL", 1, 19)
    master = f'<style:master-page style:name="M" style:page-layout-name="pm">{placeholder}{stamp}</style:master-page>'
    opened = read(slide(text_box("one")) + slide(text_box("two")), master=master)
    assert texts(opened) == ["one\n\nCONFIDENTIAL", "two"]
    assert "master" in opened.page(0).notes[0]


def test_tables_comments_pictures_and_media() -> None:
    cells = "".join(f"<table:table-cell>{p(text)}</table:table-cell>" for text in "ab")
    table = frame(f"<table:table><table:table-row>{cells}</table:table-row></table:table>", 1, 1)
    picture = frame('<draw:image xlink:href="a.png"/><svg:title>A fox</svg:title>', 1, 5)
    video = frame('<draw:plugin xlink:href="../film.mp4" draw:mime-type="application/vnd.sun.star.media"/>', 1, 9)
    note = f'<office:annotation svg:x="1cm"><dc:creator>Ann</dc:creator>{p("Really?")}</office:annotation>'
    page = read(slide(note + video + picture + table)).page(0)
    assert lines(page.text) == [
        "| a | b |",
        "| --- | --- |",
        "[picture: A fox]",
        "[video: film.mp4]",
        "[comment by Ann: Really?]",
    ]
    assert "video" in page.notes[0]


def test_many_shapes_and_deep_groups() -> None:
    many = "".join(text_box(f"word{at}", at % 7, at % 5) for at in range(2000))
    assert len(lines(texts(read(slide(many)))[0])) == 2000
    deep = "<draw:g>" * 200 + text_box("innermost") + "</draw:g>" * 200
    assert texts(read(slide(deep)))[0] in ("innermost", "")


def test_real_presentations(real: Callable[[str, str], Path]) -> None:
    def slides_of(name: str) -> OpenFile:
        data = real("odfpy==1.4.1", f"tests/examples/{name}.odp").read_bytes()
        return Odp().open(data, ParseOptions())

    assert "| val11 | val21 | val31 |" in texts(slides_of("emb_spreadsheet"))[0]
    assert "2. Tsvey\n  1. Dray" in texts(slides_of("ol"))[0]
    columns = texts(slides_of("cols"))[0]
    assert columns.index("Col 1") < columns.index("11 Lorem") < columns.index("51Cras") < columns.index("Col 2")
