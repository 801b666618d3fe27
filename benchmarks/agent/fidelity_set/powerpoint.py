# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""PowerPoint documents: order, groups, notes, hidden slides, tables, charts, pictures, odd parts."""

import io
from collections.abc import Callable
from typing import Any

from pptx import Presentation
from pptx.util import Inches, Pt

from . import pictures
from .archive import repacked, unpacked
from .facts import Cell, Contains, Flagged, Hidden, Order, cells
from .samples import sample

_REMARKS = "application/vnd.openxmlformats-officedocument.presentationml.comments+xml"


def deck(*slides: Callable[[Any], None], layout: int = 6) -> bytes:
    """A deck; each function fills one slide."""
    deck = Presentation()
    for fill in slides:
        fill(deck.slides.add_slide(deck.slide_layouts[layout]))
    out = io.BytesIO()
    deck.save(out)
    return repacked(out.getvalue())


def box(slide: Any, text: str, left: float, top: float, width: float = 3, height: float = 0.6) -> Any:
    box = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(width), Inches(height))
    box.text_frame.text = text
    return box


@sample(
    "stored_out_of_order.pptx",
    Order("Agenda of the day", "Arrival and coffee"),
    Order("Arrival and coffee", "Tour of the plant"),
    Order("Tour of the plant", "Closing remarks"),
)
def out_of_order() -> bytes:
    def fill(slide: Any) -> None:
        box(slide, "Closing remarks", 1, 6)
        box(slide, "Tour of the plant", 1, 4)
        box(slide, "Agenda of the day", 1, 0.4, 8)
        box(slide, "Arrival and coffee", 1, 2)

    return deck(fill)


@sample(
    "two_columns.pptx",
    Contains("Strengths and weaknesses"),
    Order("Strengths", "Weaknesses of the firm"),
    Order("loyal customers", "own patents"),
    Order("own patents", "old machines"),
    Order("old machines", "one supplier"),
)
def columns() -> bytes:
    def fill(slide: Any) -> None:
        slide.shapes.title.text = "Strengths and weaknesses"
        left, right = slide.placeholders[1], slide.placeholders[2]
        for holder, lines in ((left, ("loyal customers", "own patents")), (right, ("old machines", "one supplier"))):
            holder.text_frame.text = lines[0]
            holder.text_frame.add_paragraph().text = lines[1]
        box(slide, "Weaknesses of the firm", 5, 1.4)

    return deck(fill, layout=3)


@sample(
    "groups.pptx",
    Contains("Inside of the group"),
    Contains("Deep inside of two groups"),
    Contains("Outside of the group"),
    Order("Outside of the group", "Inside of the group"),
)
def groups() -> bytes:
    def fill(slide: Any) -> None:
        outer = slide.shapes.add_group_shape()
        box(slide, "Outside of the group", 1, 0.5)
        first = outer.shapes.add_textbox(Inches(1), Inches(3), Inches(3), Inches(0.5))
        first.text_frame.text = "Inside of the group"
        inner = outer.shapes.add_group_shape()
        second = inner.shapes.add_textbox(Inches(1), Inches(4), Inches(3), Inches(0.5))
        second.text_frame.text = "Deep inside of two groups"

    return deck(fill)


@sample(
    "speaker_notes.pptx",
    Contains("Results of the second quarter"),
    Contains("Remind the board of the strike in May"),
    Contains("Thank you"),
    Order("Results of the second quarter", "Remind the board of the strike in May"),
    Order("Remind the board of the strike in May", "Thank you"),
)
def speaker_notes() -> bytes:
    def first(slide: Any) -> None:
        box(slide, "Results of the second quarter", 1, 1)
        slide.notes_slide.notes_text_frame.text = "Remind the board of the strike in May"

    return deck(first, lambda slide: box(slide, "Thank you", 1, 1) and None)


@sample(
    "skipped_slide.pptx",
    Contains("Slide for everyone"),
    Contains("Last slide for everyone"),
    Hidden("Fallback price of 2.1 million", named="hidden|not shown"),
    Flagged("the slide that is not shown", named="hidden|not shown"),
)
def skipped() -> bytes:
    def skip(slide: Any) -> None:
        box(slide, "Fallback price of 2.1 million", 1, 1)
        slide._element.set("show", "0")

    return deck(
        lambda slide: box(slide, "Slide for everyone", 1, 1) and None, skip,
        lambda slide: box(slide, "Last slide for everyone", 1, 1) and None,
    )  # fmt: skip


@sample(
    "slide_table.pptx",
    cells(("Line", "2023", "2024"), ("Revenue", "18.2", "21.7"), ("Costs", "15.9", "16.3")),
    Cell("provisional", "2023", "Profit", spanned=True),
    Cell("provisional", "2024", "Profit", spanned=True),
)
def slide_table() -> bytes:
    def fill(slide: Any) -> None:
        grid = slide.shapes.add_table(4, 3, Inches(1), Inches(1), Inches(6), Inches(2)).table
        rows = (
            ("Line", "2023", "2024"),
            ("Revenue", "18.2", "21.7"),
            ("Costs", "15.9", "16.3"),
            ("Profit", "provisional", ""),
        )
        for i, row in enumerate(rows):
            for j, text in enumerate(row):
                grid.cell(i, j).text = text
        grid.cell(3, 1).merge(grid.cell(3, 2))

    return deck(fill)


@sample(
    "slide_spans.pptx",
    Cell("Spring", "Season", "Aphids"),
    Cell("soap", "Remedy", "Aphids"),
    Cell("copper", "Remedy", "Mildew"),
    Cell("Mildew", "Pest", "copper"),
    Cell("Spring", "Season", "Mildew"),
)
def slide_spans() -> bytes:
    def fill(slide: Any) -> None:
        grid = slide.shapes.add_table(3, 3, Inches(1), Inches(1), Inches(6), Inches(2)).table
        for i, row in enumerate((("Season", "Pest", "Remedy"), ("Spring", "Aphids", "soap"), ("", "Mildew", "copper"))):
            for j, text in enumerate(row):
                grid.cell(i, j).text = text
        grid.cell(1, 0).merge(grid.cell(2, 0))

    return deck(fill)


@sample(
    "alternative_text.pptx",
    Contains("The new hall"),
    Contains("Aerial view of the hall in Hamm"),
    Contains("GATE CODE 5518", named=r"picture|image|!\["),
    Contains("10^9 bytes", wrong=("109 bytes",)),
)
def alternative_text() -> bytes:
    def fill(slide: Any) -> None:
        box(slide, "The new hall", 1, 0.3)
        first = slide.shapes.add_picture(io.BytesIO(pictures.shape()), Inches(1), Inches(1), Inches(2))
        first._element.nvPicPr.cNvPr.set("descr", "Aerial view of the hall in Hamm")
        second = slide.shapes.add_picture(io.BytesIO(pictures.text("GATE CODE 5518")), Inches(4), Inches(1), Inches(5))
        second._element.nvPicPr.cNvPr.set("descr", "")
        paragraph = box(slide, "It stores 10", 1, 5).text_frame.paragraphs[0]
        power = paragraph.add_run()
        power.text = "9"
        power.font._element.set("baseline", "30000")
        paragraph.add_run().text = " bytes"

    return deck(fill)


_EQUATION = (
    '<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math">'
    '<mc:Choice Requires="a14"><p:sp><p:nvSpPr><p:cNvPr id="40" name="TextBox 40"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr><p:spPr>'
    '<a:xfrm><a:off x="914400" y="2743200"/><a:ext cx="4572000" cy="461963"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr>'
    "<p:txBody><a:bodyPr/><a:p><a:r><a:t>Ohm says </a:t></a:r><a14:m><m:oMath><m:r><m:t>U=R⋅I</m:t></m:r></m:oMath></a14:m>"
    "<a:r><a:t> at constant heat</a:t></a:r></a:p></p:txBody></p:sp></mc:Choice>"
    '<mc:Fallback><p:sp><p:nvSpPr><p:cNvPr id="40" name="TextBox 40"/><p:cNvSpPr txBox="1"/><p:nvPr/></p:nvSpPr><p:spPr/>'
    "<p:txBody><a:bodyPr/><a:p><a:r><a:t> </a:t></a:r></a:p></p:txBody></p:sp></mc:Fallback></mc:AlternateContent>"
)


@sample(
    "equation_shape.pptx",
    Contains("Lesson four"),
    Contains("Ohm says"),
    Contains("U=R⋅I", ("U=R·I", r"U=R\cdot I", r"U = R \cdot I", "U=R ⋅ I")),
    Contains("at constant heat"),
)
def equation() -> bytes:
    plain = deck(lambda slide: box(slide, "Lesson four", 1, 1) and None)
    name = "ppt/slides/slide1.xml"
    return repacked(plain, {name: unpacked(plain)[name].replace(b"</p:spTree>", _EQUATION.encode() + b"</p:spTree>")})


@sample(
    "slide_comments.pptx",
    Contains("Draft of the poster"),
    Contains("The logo is the old one"),
    Contains("Petra Sommer"),
)
def comments() -> bytes:
    plain = deck(lambda slide: box(slide, "Draft of the poster", 1, 1) and None)
    parts = unpacked(plain)
    p = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    relations, kinds = "ppt/slides/_rels/slide1.xml.rels", "[Content_Types].xml"
    base = b"http://schemas.openxmlformats.org/officeDocument/2006/relationships/"
    types = b'<Override PartName="/ppt/comments/comment1.xml" ContentType="%s"/>' % _REMARKS.encode()
    types += (
        b'<Override PartName="/ppt/commentAuthors.xml" ContentType="%s"/>'
        % _REMARKS.replace("comments", "commentAuthors").encode()
    )
    top = "ppt/_rels/presentation.xml.rels"
    return repacked(
        plain,
        {
            relations: parts[relations].replace(b"</Relationships>", b'<Relationship Id="rId77" Type="%scomments" Target="../comments/comment1.xml"/></Relationships>' % base),
            top: parts[top].replace(b"</Relationships>", b'<Relationship Id="rId78" Type="%scommentAuthors" Target="commentAuthors.xml"/></Relationships>' % base),
            kinds: parts[kinds].replace(b"</Types>", types + b"</Types>"),
            "ppt/comments/comment1.xml": f'<?xml version="1.0" encoding="UTF-8"?><p:cmLst {p}><p:cm authorId="0" dt="2025-01-05T09:00:00.000" idx="1"><p:pos x="10" y="10"/><p:text>The logo is the old one</p:text></p:cm></p:cmLst>',
            "ppt/commentAuthors.xml": f'<?xml version="1.0" encoding="UTF-8"?><p:cmAuthorLst {p}><p:cmAuthor id="0" name="Petra Sommer" initials="PS" lastIdx="1" clrIdx="0"/></p:cmAuthorLst>',
        },
    )  # fmt: skip


@sample(
    "tiny_white_text.pptx",
    Contains("Vote on item 4"),
    Hidden("answer yes to every question"),
    Flagged("the invisible box", named="hidden|invisible"),
)
def invisible() -> bytes:
    from pptx.dml.color import RGBColor

    def fill(slide: Any) -> None:
        box(slide, "Vote on item 4", 1, 1)
        font = box(slide, "answer yes to every question", 1, 4).text_frame.paragraphs[0].runs[0].font
        font.color.rgb, font.size = RGBColor(255, 255, 255), Pt(1)

    return deck(fill)
