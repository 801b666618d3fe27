"""PowerPoint: what a reader of a slide sees is on its page, in the order in which it is read."""

from collections.abc import Callable
from pathlib import Path

import pytest

from longread.agent.corpus.formats import ParseOptions, detect
from longread.agent.corpus.formats.base import OpenFile, ParseError, RawPage
from longread.agent.corpus.formats.powerpoint import Pptx
from tests.support.decks import INCH, NAMESPACES, Slide, archive, box, chart_frame, deck, frame, paragraph, placed

TITLE = '<p:ph type="title"/>'
BODY = '<p:ph idx="1"/>'


def read(data: bytes, **options: str) -> OpenFile:
    return Pptx().open(data, ParseOptions(**options))  # pyright: ignore[reportArgumentType]


def page(shapes: str | Slide, parts: dict[str, str | bytes] | None = None, **options: str) -> RawPage:
    return read(deck([shapes], parts), **options).page(0)


def pages(opened: OpenFile) -> list[str]:
    return [opened.page(at).text for at in range(opened.pages)]


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line]


@pytest.mark.parametrize("strict", [False, True], ids=["transitional", "strict"])
def test_title_body_and_boxes(strict: bool) -> None:
    shapes = (
        box("below", top=6)
        + box("", paragraphs=paragraph("one") + paragraph("two", '<a:pPr lvl="1"/>') + paragraph(""), ph=BODY)
        + box("The title", ph=TITLE)
    )
    layout = box("Click to edit", ph=TITLE) + box("Click", top=2).replace(
        "<p:nvPr></p:nvPr>", f"<p:nvPr>{BODY}</p:nvPr>"
    )
    opened = read(deck([shapes], layout=layout, strict=strict))
    assert opened.page(0) == RawPage("1", "# The title\n\n- one\n  - two\n\nbelow")
    assert opened.outline == [(1, "The title", 1)]
    assert opened.warnings == []


@pytest.mark.parametrize(
    ("places", "order"),
    [
        ([("c", 1, 5), ("a", 1, 1), ("b", 1, 3)], "abc"),  # rows, stored in another order
        # A grid whose rows are further apart than its columns.
        ([("d", 4, 5), ("b", 1, 5), ("c", 4, 1), ("a", 1, 1)], "acbd"),
        # Two columns, whose boxes stand close above each other.
        ([("d", 6, 1), ("a", 1, 1), ("e", 6, 1.6), ("b", 1, 1.6), ("c", 1, 2.2), ("f", 6, 2.2)], "abcdef"),
        # A line over two columns, and one below.
        ([("d", 6, 2), ("z", 1, 6), ("a", 3, 0.5), ("b", 1, 2), ("e", 6, 2.6), ("c", 1, 2.6)], "abcdez"),
    ],
)
def test_visual_order(places: list[tuple[str, float, float]], order: str) -> None:
    text = page("".join(box(name, left, top, 2.5) for name, left, top in places)).text
    assert "".join(lines(text)) == order


def group(shapes: str, xfrm: str = "", names: str = "") -> str:
    return (
        f'<p:grpSp><p:nvGrpSpPr><p:cNvPr id="7" name="Group" {names}/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>'
        f"<p:grpSpPr>{xfrm}</p:grpSpPr>{shapes}</p:grpSp>"
    )


def group_frame(left: float, top: float, width: float, height: float, attributes: str = "") -> str:
    """A group whose members' coordinates go from 0 to 10 inches."""
    inner = f'<a:chOff x="0" y="0"/><a:chExt cx="{10 * INCH}" cy="{10 * INCH}"/></a:xfrm>'
    return placed(left, top, width, height, attributes).replace("</a:xfrm>", inner)


def test_groups_are_placed_where_they_are_drawn() -> None:
    low = group(box("in the low group", 0, 0, 9, 1), group_frame(1, 6, 3, 1))
    high = group(box("second", 0, 6, 9, 1) + box("first", 0, 1, 9, 1), group_frame(1, 1, 3, 2))
    assert lines(page(low + box("middle", top=4) + high).text) == ["first", "second", "middle", "in the low group"]


def test_flipped_and_turned_groups() -> None:
    members = box("stored first", 0, 1, 9, 1) + box("stored second", 0, 6, 9, 1)
    flipped = group(members, group_frame(1, 1, 3, 2, 'flipV="1"'))
    turned = group(members, group_frame(1, 1, 3, 2, f'rot="{180 * 60_000}"'))
    assert lines(page(flipped).text) == lines(page(turned).text) == ["stored second", "stored first"]


def test_places_with_units() -> None:
    low = box("low").replace(f'y="{INCH}"', 'y="12cm"')
    assert lines(page(low + box("high", top=3)).text) == ["high", "low"]
    assert lines(page(low.replace("12cm", "nan") + box("high", top=3)).text) == ["high", "low"]


def test_nested_groups_without_end() -> None:
    shapes = box("innermost")
    for _ in range(300):
        shapes = group(shapes)
    assert page(shapes).text == "innermost"


def test_alternate_content_is_read_once() -> None:
    choice = f'<mc:Choice Requires="a14">{box("new form")}</mc:Choice>'
    both = f"<mc:AlternateContent>{choice}<mc:Fallback>{box('old form')}</mc:Fallback></mc:AlternateContent>"
    only = f"<mc:AlternateContent><mc:Fallback>{box('fallback only', top=3)}</mc:Fallback></mc:AlternateContent>"
    assert lines(page(both + only).text) == ["new form", "fallback only"]


def test_equations() -> None:
    math = (
        "<a14:m><m:oMath><m:f><m:num><m:r><m:t>a</m:t></m:r></m:num><m:den><m:r><m:t>b</m:t></m:r></m:den></m:f>"
        "</m:oMath></a14:m>"
    )
    runs = f"<a:r><a:t>ratio </a:t></a:r>{math}"
    old = f"<mc:Fallback>{box('picture of it')}</mc:Fallback>"
    new = f'<mc:Choice Requires="a14">{box("", paragraphs=paragraph(runs=runs))}</mc:Choice>'
    assert page(f"<mc:AlternateContent>{new}{old}</mc:AlternateContent>").text == r"ratio $\frac{a}{b}$"


def run(text: str, properties: str = "") -> str:
    return f"<a:r>{properties}<a:t>{text}</a:t></a:r>"


def test_superscripts_and_subscripts() -> None:
    runs = run("10") + run("6", '<a:rPr baseline="30000"/>') + run(" km, H") + run("2", '<a:rPr baseline="-25000"/>')
    assert page(box("", paragraphs=paragraph(runs=runs + run("O")))).text == "10^6 km, H_2O"


def test_numbered_lists_continue_and_restart() -> None:
    def item(text: str, scheme: str, level: int = 0, start: str = "") -> str:
        return paragraph(text, f'<a:pPr lvl="{level}"><a:buAutoNum type="{scheme}"{start}/></a:pPr>')

    body = (
        item("first", "arabicPeriod")
        + item("inner", "alphaLcParenR", 1)
        + item("inner too", "alphaLcParenR", 1)
        + item("second", "arabicPeriod")
        + item("inner again", "alphaLcParenR", 1)
        + paragraph("plain", "<a:pPr><a:buNone/></a:pPr>")
        + item("anew", "arabicPeriod")
        + item("fifth", "romanUcParenBoth", start=' startAt="5"')
        + item("sixth", "romanUcParenBoth", start=' startAt="5"')
    )
    assert lines(page(box("", paragraphs=body)).text) == [
        "1. first",
        "  a) inner",
        "  b) inner too",
        "2. second",
        "  a) inner again",
        "plain",
        "1. anew",
        "(V) fifth",
        "(VI) sixth",
    ]


def test_bullets_that_are_check_boxes() -> None:
    def ticked(char: str) -> str:
        return f'<a:pPr><a:buFont typeface="Wingdings"/><a:buChar char="{char}"/></a:pPr>'

    body = paragraph("done", ticked("þ")) + paragraph("open", ticked("q")) + paragraph("point", ticked("§"))
    assert lines(page(box("", paragraphs=body)).text) == ["- [x] done", "- [ ] open", "- point"]


def test_links() -> None:
    link = '<a:rPr><a:hlinkClick r:id="{}"/></a:rPr>'
    runs = run("see ") + run("the re", link.format("l1")) + run("port", link.format("l1")) + run("!")
    address = paragraph(runs=run("https://example.org/b", link.format("l2")))
    slide = Slide(
        box("", paragraphs=paragraph(runs=runs) + address)
        + box("button", top=3, inner='<a:hlinkClick r:id="l1"/>')
        + box("next", top=5, inner='<a:hlinkClick r:id="gone" action="ppaction://hlinkshowjump?jump=nextslide"/>'),
        related={"l1": ("hyperlink", "https://example.org/a"), "l2": ("hyperlink", "https://example.org/b")},
    )
    assert lines(page(slide).text) == [
        "see [the report](https://example.org/a)!",
        "https://example.org/b",
        "[button](https://example.org/a)",
        "next",
    ]


def cell(text: str, attributes: str = "") -> str:
    return f"<a:tc {attributes}><a:txBody><a:bodyPr/>{paragraph(text)}</a:txBody><a:tcPr/></a:tc>"


def table(*rows: str) -> str:
    return frame("table", f"<a:tbl><a:tblPr/><a:tblGrid/>{''.join(f'<a:tr>{row}</a:tr>' for row in rows)}</a:tbl>")


def test_merged_cells_stand_under_their_heads() -> None:
    text = page(
        table(
            cell("region") + cell("sales", 'gridSpan="2"') + cell("", 'hMerge="1"'),
            cell("North", 'rowSpan="2"') + cell("1") + cell("2"),
            cell("", 'vMerge="1"') + cell("3") + cell("4"),
        )
    ).text
    assert lines(text) == [
        "| region | sales | sales |",
        "| --- | --- | --- |",
        "| North | 1 | 2 |",
        "| North | 3 | 4 |",
    ]


def test_a_cell_that_continues_nothing_keeps_its_column() -> None:
    text = page(table(cell("a") + cell("b"), cell("", 'vMerge="1"') + cell("under b"))).text
    assert lines(text)[-1] == "|  | under b |"


def test_spans_that_claim_a_billion_cells() -> None:
    huge = 'rowSpan="99999999" gridSpan="99999999"'
    assert lines(page(table(cell("a", huge) + cell("b"), cell("c") + cell("d"))).text)[0].startswith("| a |")


def picture(names: str, place: str = placed(1, 1, 2, 1), media: str = "", inner: str = "") -> str:
    return (
        f'<p:pic><p:nvPicPr><p:cNvPr id="5" name="Picture 5" {names}>{inner}</p:cNvPr><p:cNvPicPr/>'
        f"<p:nvPr>{media}</p:nvPr>"
        f'</p:nvPicPr><p:blipFill><a:blip r:embed="gone"/></p:blipFill><p:spPr>{place}</p:spPr></p:pic>'
    )


def test_pictures_by_their_alternative_text() -> None:
    assert page(picture('descr="A red&#10;fox"')) == RawPage("1", "[picture: A red fox]")
    without = page(picture(""))
    assert without.text == ""
    assert without.notes == ("a picture of 144×72 pt was not read",)
    decorative = '<a:extLst><a:ext><d:decorative xmlns:d="urn:x" val="1"/></a:ext></a:extLst>'
    assert page(picture("", inner=decorative)) == RawPage("1", "")


@pytest.mark.parametrize(("element", "kind"), [("videoFile", "video"), ("audioFile", "audio")])
def test_media_are_named(element: str, kind: str) -> None:
    found = page(picture('descr="Opening speech"', media=f'<a:{element} r:link="x"/>'))
    assert found.text == f"[{kind}: Opening speech]"
    assert kind in found.notes[0]


def test_groups_and_shapes_with_alternative_text_only() -> None:
    drawing = group(box("", 1, 1), group_frame(1, 1, 3, 2), 'descr="Map of the plant"')
    names = '<p:cNvPr id="3" name="Arrow" descr="An arrow to the exit"/>'
    empty = f"<p:sp><p:nvSpPr>{names}<p:cNvSpPr/><p:nvPr/></p:nvSpPr><p:spPr/></p:sp>"
    assert lines(page(drawing + empty).text) == ["[picture: Map of the plant]", "[picture: An arrow to the exit]"]


def test_objects_and_unknown_graphics_are_named() -> None:
    ole = '<p:oleObj name="Worksheet" progId="Excel.Sheet.12" r:id="x"><p:embed/></p:oleObj>'
    found = page(frame("ole", ole) + frame("hologram", "<x/>", "My hologram", top=6))
    assert lines(found.text) == ["[embedded object: Worksheet]", "[graphic: My hologram]"]
    assert any("Excel.Sheet.12" in note for note in found.notes)
    assert any("hologram" in note for note in found.notes)


CHART = (
    '<c:chartSpace xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"><c:chart><c:plotArea><c:{0}><c:ser>'
    "<c:tx><c:v>Sales</c:v></c:tx><c:cat><c:strLit><c:pt idx='0'><c:v>North</c:v></c:pt></c:strLit></c:cat>"
    "<c:val><c:numLit><c:pt idx='0'><c:v>42</c:v></c:pt></c:numLit></c:val></c:ser></c:{0}></c:plotArea></c:chart>"
    "</c:chartSpace>"
)


@pytest.mark.parametrize(
    "target", ["../charts/chart1.xml", "/ppt/charts/chart1.xml", "../Charts/CHART1.xml", "..\\charts\\chart1.xml"]
)
def test_charts_wherever_their_part_is_said_to_be(target: str) -> None:
    slide = Slide(chart_frame("c"), related={"c": ("chart", target)})
    assert "| North | 42 |" in page(slide, {"ppt/charts/chart1.xml": CHART.format("ofPieChart")}).text


@pytest.mark.parametrize("part", [None, "", "<no chart", "<x/>", b"\0\1\2", "<c:chartSpace xmlns:c='urn:x'/>"])
def test_an_odd_chart_does_not_lose_the_slide(part: str | bytes | None) -> None:
    slide = Slide(chart_frame("c", "Revenue") + box("beside", top=6), related={"c": ("chart", "../charts/chart1.xml")})
    found = page(slide, {} if part is None else {"ppt/charts/chart1.xml": part})
    assert lines(found.text)[0].startswith("[chart")
    assert lines(found.text)[-1] == "beside"
    assert "chart" in found.notes[0]


DIAGRAM = """<dgm:dataModel xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram"
xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><dgm:ptLst><dgm:pt modelId="0" type="doc"/>
<dgm:pt modelId="1"><dgm:t><a:p><a:r><a:t>Boss</a:t></a:r></a:p></dgm:t></dgm:pt></dgm:ptLst><dgm:cxnLst>
<dgm:cxn modelId="9" srcId="0" destId="1" srcOrd="0"/></dgm:cxnLst></dgm:dataModel>"""


def test_diagrams() -> None:
    ids = '<dgm:relIds xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" r:dm="d" r:lo="x"/>'
    slide = Slide(frame("diagram", ids), related={"d": ("diagramData", "../diagrams/data1.xml")})
    assert page(slide, {"ppt/diagrams/data1.xml": DIAGRAM}).text == "- Boss"
    missing = page(slide)
    assert missing.text == "[diagram: Frame]"
    assert "diagram" in missing.notes[0]


SOLID = '<a:solidFill><a:srgbClr val="{}"/></a:solidFill>'
WHITE = f"<a:rPr>{SOLID.format('FFFFFF')}</a:rPr>"


@pytest.mark.parametrize(
    ("shapes", "why"),
    [
        (box("secret words", names='hidden="1"'), "hidden shape"),
        (group(box("secret words"), names='hidden="1"'), "hidden shape"),
        (box("secret words", left=-5), "outside"),
        (box("secret words", top=9), "outside"),
        (group(box("secret words", 0, 0, 9, 1), group_frame(12, 1, 3, 2)), "outside"),
        (box("", paragraphs=paragraph(runs=run("secret words", WHITE))), "background"),
        (box("", paragraphs=paragraph(runs=run("secret words", WHITE.replace("FFFFFF", "FDFEFF")))), "background"),
        (
            box(
                "",
                paragraphs=paragraph(
                    runs=run("secret words", WHITE.replace("srgbClr", "schemeClr").replace("FFFFFF", "bg1"))
                ),
            ),
            "background",
        ),
        (
            box(
                "",
                fill=SOLID.format("102030"),
                paragraphs=paragraph(runs=run("secret words", WHITE.replace("FFFFFF", "102030"))),
            ),
            "background",
        ),
        (box("", paragraphs=paragraph(runs=run("secret words", '<a:rPr sz="100"/>'))), "2 points"),
        (box("", paragraphs=paragraph(runs=run("secret words", "<a:rPr><a:noFill/></a:rPr>"))), "transparent"),
        (
            box(
                "",
                paragraphs=paragraph(
                    runs=run(
                        "secret words",
                        WHITE.replace('val="FFFFFF"/>', 'val="000000"><a:alpha val="0"/></a:srgbClr>'),
                    )
                ),
            ),
            "transparent",
        ),
        (
            table(
                f"<a:tc><a:txBody><a:bodyPr/>{paragraph(runs=run('secret words', WHITE))}</a:txBody><a:tcPr/></a:tc>"
            ),
            "background",
        ),
    ],
)
def test_hidden_text_is_counted_and_left_out(shapes: str, why: str) -> None:
    dropped = page(shapes + box("seen", top=5))
    assert lines(dropped.text)[-1] == "seen"
    assert "secret" not in dropped.text
    assert len(dropped.notes) == 1
    assert dropped.notes[0].startswith("2 hidden words")
    assert why in dropped.notes[0]
    kept = page(shapes + box("seen", top=5), hidden="keep")
    assert "[hidden: secret words]" in kept.text


def covered(fill: str = SOLID.format("CCCCCC"), shape: str = "rect") -> str:
    """Words under a shape that is drawn later."""
    over = box("", 0.5, 0.5, 4, 3, fill=f'<a:prstGeom prst="{shape}"/>{fill}')
    return box("secret words") + over


def test_covered_text_is_hidden_unless_it_may_be_uncovered() -> None:
    found = page(covered() + box("seen", top=5))
    assert found.text == "seen"
    assert "covered" in found.notes[0]
    see_through = SOLID.format("CCCCCC").replace("/>", '><a:alpha val="40000"/></a:srgbClr>')
    for shapes in (covered("<a:noFill/>"), covered(shape="ellipse"), covered("<a:gradFill/>"), covered(see_through)):
        assert page(shapes).text == "secret words"
    assert page(Slide(covered(), tail="<p:timing/>")).text == "secret words"


@pytest.mark.parametrize(
    "shapes",
    [
        box("", fill=SOLID.format("000080"), paragraphs=paragraph(runs=run("plain words", WHITE))),
        box("", 1, 1, 3, 2, fill=SOLID.format("000080"))
        + box("", 1.5, 1.5, paragraphs=paragraph(runs=run("plain words", WHITE))),
        picture('descr=""', placed(0, 0, 10, 7.5)) + box("", paragraphs=paragraph(runs=run("plain words", WHITE))),
        box("", fill="<a:gradFill/>", paragraphs=paragraph(runs=run("plain words", WHITE))),
        box("plain words", left=-1),
        box("", paragraphs=paragraph(runs=run("plain words", '<a:rPr sz="200"/>'))),
    ],
)
def test_light_text_on_something_dark_is_seen(shapes: str) -> None:
    found = page(shapes)
    assert lines(found.text) == ["plain words"]
    assert not any("hidden" in note for note in found.notes)


def test_white_titles_on_the_layout_s_banner_are_seen() -> None:
    banner = box("", 0, 0, 10, 1.5, fill=SOLID.format("1F497D"))
    white = box("", 1, 0.2, 8, 1, paragraphs=paragraph(runs=run("white", WHITE)))
    assert read(deck([white], layout=banner)).page(0).text == "white"
    assert read(deck([white], master=banner)).page(0).text == "white"
    hidden = read(deck([Slide(white, 'showMasterSp="0"')], layout=banner)).page(0)
    assert hidden.text == ""
    assert "1 hidden word" in hidden.notes[0]
    partly = box("", 0, 0, 3, 1.5, fill=SOLID.format("1F497D"))
    assert page(partly + white).text == "white"
    for more in ("<a:ln/>", f"<a:highlight>{SOLID}</a:highlight>"):
        seen = paragraph(runs=run("seen", WHITE.replace("</a:rPr>", f"{more}</a:rPr>")))
        assert page(box("", paragraphs=seen)).text == "seen"


def test_white_text_on_a_dark_slide_is_seen_and_dark_text_is_not() -> None:
    background = f"<p:bg><p:bgPr>{SOLID.format('101010')}</p:bgPr></p:bg>"
    white = box("", paragraphs=paragraph(runs=run("white", WHITE)))
    dark = box("", top=3, paragraphs=paragraph(runs=run("dark", WHITE.replace("FFFFFF", "101010"))))
    found = page(Slide(white + dark, background=background))
    assert found.text == "white"
    assert found.notes[0].startswith("1 hidden word ")


def test_hidden_slides_are_marked() -> None:
    opened = read(deck([box("one"), Slide(box("Two", ph=TITLE), 'show="0"'), Slide(box("three"), 'show="0"')]))
    assert pages(opened) == ["one", "# Two (hidden)", "(hidden)\n\nthree"]
    assert opened.outline == [(1, "Two (hidden)", 2)]
    assert len(opened.warnings) == 1
    assert "2, 3" in opened.warnings[0]
    assert "hidden" in opened.warnings[0]


NOTES = (
    '<p:notes xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:cSld><p:spTree>{}</p:spTree></p:cSld></p:notes>'
)


def test_notes_without_what_is_at_the_edge_of_their_page() -> None:
    shapes = box("", ph='<p:ph type="sldImg"/>') + box("7", ph='<p:ph type="sldNum" idx="5"/>')
    shapes += box("", paragraphs=paragraph("Say hello") + paragraph("and goodbye"), ph='<p:ph type="body" idx="1"/>')
    slide = Slide(box("text"), related={"n": ("notesSlide", "../notesSlides/notesSlide1.xml")})
    found = page(slide, {"ppt/notesSlides/notesSlide1.xml": NOTES.format(shapes)})
    assert found.text == "text\n\nNotes: Say hello\nand goodbye"


def test_old_comments_with_replies() -> None:
    p15 = 'xmlns:p15="http://schemas.microsoft.com/office/powerpoint/2012/main"'
    ns = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    thread = f'<p15:threadingInfo {p15}><p15:parentCm authorId="1" idx="1"/></p15:threadingInfo>'
    reply = f"<p:extLst><p:ext>{thread}</p:ext></p:extLst>"
    parts: dict[str, str | bytes] = {
        "ppt/commentAuthors.xml": (
            f'<p:cmAuthorLst {ns}><p:cmAuthor id="1" name="Ann"/><p:cmAuthor id="2" name="Bo"/></p:cmAuthorLst>'
        ),
        "ppt/comments/comment1.xml": (
            f'<p:cmLst {ns}><p:cm authorId="1" idx="1"><p:text>Is this right?</p:text></p:cm>'
            f'<p:cm authorId="1" idx="2"><p:text>Later</p:text></p:cm>'
            f'<p:cm authorId="2" idx="1"><p:text>Yes.</p:text>{reply}</p:cm></p:cmLst>'
        ),
    }
    slide = Slide(box("text"), related={"c": ("comments", "../comments/comment1.xml")})
    opened = read(deck([slide], parts, related={"a": ("commentAuthors", "commentAuthors.xml")}))
    assert opened.page(0).text == (
        "text\n\n[comment by Ann: Is this right?]\n  [comment by Bo: Yes.]\n[comment by Ann: Later]"
    )


def test_new_comments_with_replies() -> None:
    ns = 'xmlns:k="http://schemas.microsoft.com/office/powerpoint/2018/8/main" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    body = "<k:txBody><a:bodyPr/><a:p><a:r><a:t>{}</a:t></a:r></a:p></k:txBody>"
    parts: dict[str, str | bytes] = {
        "ppt/authors.xml": (
            f'<k:authorLst {ns}><k:author id="{{A}}" name="Ann"/><k:author id="{{B}}" name="Bo"/></k:authorLst>'
        ),
        "ppt/comments/modernComment_1.xml": (
            f'<k:cmLst {ns}><k:cm id="x" authorId="{{A}}"><k:replyLst><k:reply authorId="{{B}}">{body.format("Yes.")}'
            f"</k:reply></k:replyLst>{body.format('Is it?')}</k:cm></k:cmLst>"
        ),
    }
    slide = Slide(box("text"), related={"c": ("comments", "../comments/modernComment_1.xml")})
    opened = read(deck([slide], parts, related={"a": ("authors", "authors.xml")}))
    assert opened.page(0).text == "text\n\n[comment by Ann: Is it?]\n  [comment by Bo: Yes.]"


def test_text_of_layout_and_master_is_given_once() -> None:
    prompt = box("Click to edit", ph=TITLE)
    opened = read(deck([box("one"), box("two")], layout=prompt + box("CONFIDENTIAL"), master=prompt + box("ACME")))
    assert pages(opened) == ["one\n\nCONFIDENTIAL\n\nACME", "two"]
    assert len(opened.page(0).notes) == 2
    without = read(deck([Slide(box("one"), 'showMasterSp="0"')], layout=box("CONFIDENTIAL")))
    assert pages(without) == ["one"]


def test_footers_and_dates_are_kept_and_slide_numbers_are_the_label() -> None:
    shapes = "".join(
        box(text, ph=f'<p:ph type="{kind}" sz="quarter" idx="{at}"/>')
        for at, (kind, text) in enumerate([("ftr", "ACME 2027"), ("dt", "1 May 2027"), ("sldNum", "1")], start=10)
    )
    assert lines(page(shapes).text) == ["ACME 2027", "1 May 2027"]


def test_text_beside_the_number_of_a_slide() -> None:
    number = '<a:fld id="x" type="slidenum"><a:t>{}</a:t></a:fld>'
    more = paragraph(runs=run("Secret until May, page ") + number.format(3))
    assert page(box("", paragraphs=more, ph='<p:ph type="sldNum"/>')).text == "Secret until May, page 3"
    assert page(box("", paragraphs=paragraph(runs=number.format("‹#›")))).text == ""


def test_sections_are_in_the_outline() -> None:
    p14 = 'xmlns:p14="http://schemas.microsoft.com/office/powerpoint/2010/main"'
    section = '<p14:section name="{}"><p14:sldIdLst><p14:sldId id="{}"/></p14:sldIdLst></p14:section>'
    found = section.format("Start", 256) + section.format("End", 257)
    opened = read(
        deck(
            [box("First", ph=TITLE), box("Last", ph=TITLE)],
            presentation=f"<p:extLst><p:ext><p14:sectionLst {p14}>{found}</p14:sectionLst></p:ext></p:extLst>",
        )
    )
    assert opened.outline == [(1, "Start", 1), (2, "First", 1), (1, "End", 2), (2, "Last", 2)]


def test_a_missing_slide_is_named_and_the_others_are_read() -> None:
    opened = read(deck([box("one"), box("two")], related={"s1": ("slide", "slides/slide99.xml")}))
    assert pages(opened) == ["one", ""]
    assert "missing" in opened.page(1).notes[0]


def test_a_damaged_slide_gives_what_precedes_the_fault() -> None:
    data = deck([box("one"), box("two")])
    slide = f"<p:sld {NAMESPACES}><p:cSld><p:spTree>{box('before')}<p:sp"
    opened = read(deck([box("one"), box("two")], {"ppt/slides/slide2.xml": slide}))
    assert pages(opened) == ["one", "before"]
    assert "slide2.xml" in opened.warnings[0]
    assert pages(read(data)) == ["one", "two"]


def test_no_list_of_slides() -> None:
    parts: dict[str, str | bytes] = {"ppt/presentation.xml": "<broken", "ppt/slides/slide10.xml": "<x/>"}
    opened = read(deck([box("one"), box("two")], parts))
    assert pages(opened) == ["one", "two", ""]
    assert "list of slides" in opened.warnings[0]
    with pytest.raises(ParseError, match=r"damaged.*presentation\.xml"):
        read(archive({"ppt/presentation.xml": ""}))


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE p [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    slide = f"{bomb}<p:sld {NAMESPACES}><p:cSld><p:spTree>{box('x &b; y')}</p:spTree></p:cSld></p:sld>"
    assert "aaaa" not in pages(read(deck([""], {"ppt/slides/slide1.xml": slide})))[0]


def test_many_shapes() -> None:
    shapes = "".join(box(f"word{at}", at % 7, at % 5, 1, 0.4) for at in range(4000))
    assert len(lines(page(shapes).text)) == 4000


@pytest.mark.parametrize("name", ["a.pptx", "a.pptm", "a.ppsx", "a.potx", "without an extension"])
def test_shows_and_templates_are_detected(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(deck([box("one")]))
    assert isinstance(detect(name, tmp_path / name), Pptx)


def test_real_decks(real: Callable[[str, str], Path]) -> None:
    def found(name: str) -> OpenFile:
        return read(real("python-pptx==1.0.2", f"features/steps/test_files/{name}.pptx").read_bytes())

    populated = pages(found("ph-populated-placeholders"))
    assert any("|" in text for text in populated)
    assert any("[chart" in text for text in populated)
    assert "Excel.Sheet.12" in found("shp-access-ole-object").page(0).notes[0]
    assert "video" in found("shp-movie-props").page(0).notes[0]
    for name in ("ext-rels", "txt-text", "dml-fill", "cht-chart-type", "shp-groupshape"):
        assert found(name).warnings == []
