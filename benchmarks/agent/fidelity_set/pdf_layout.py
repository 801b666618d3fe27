# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""PDFs as ReportLab, fpdf2 and PyMuPDF write them: columns, sidebars, tables, rotation."""

import datetime
import io
import logging
from collections.abc import Callable
from typing import Any

import pymupdf
from fpdf import FPDF
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    FrameBreak,
    PageTemplate,
    Paragraph,
    SimpleDocTemplate,
    Table,
    TableStyle,
)

from .facts import Contains, Order, cells
from .samples import sample

_HEIGHT = A4[1]
_STYLE = getSampleStyleSheet()


def drawn(*pages: Callable[[Any], None], **options: Any) -> bytes:
    """A PDF of pages that functions draw on a canvas of ReportLab."""
    out = io.BytesIO()
    canvas = Canvas(out, A4, invariant=1, pageCompression=0, **options)
    for draw in pages:
        canvas.setFont("Helvetica", 11)
        draw(canvas)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def lines(canvas: Any, *texts: str, left: float = 72, top: float = 72, step: float = 16) -> None:
    for number, text in enumerate(texts):
        canvas.drawString(left, _HEIGHT - top - number * step, text)


def flow(*parts: Any) -> bytes:
    out = io.BytesIO()
    SimpleDocTemplate(out, pagesize=A4, invariant=1).build(list(parts))
    return out.getvalue()


def paragraph(text: str, style: str = "BodyText") -> Any:
    return Paragraph(text, _STYLE[style])


def saved(document: Any, **options: Any) -> bytes:
    """The bytes of a document of PyMuPDF, without the time and a random id."""
    document.set_metadata({})
    return document.tobytes(no_new_id=True, **options)


_LEFT = [f"Left {word} of the column" for word in ("alpha", "beta", "gamma", "delta", "epsilon", "zeta")]
_RIGHT = [f"Right {word} of the column" for word in ("eta", "theta", "iota", "kappa", "lambda", "mu")]


@sample(
    "columns_by_row.pdf",
    Order("Left alpha of the column", "Left zeta of the column"),
    Order("Left zeta of the column", "Right eta of the column"),
    Order("Right eta of the column", "Right mu of the column"),
    Order("A headline over both", "Left alpha of the column"),
)
def columns_by_row() -> bytes:
    def draw(canvas: Any) -> None:
        lines(canvas, "A headline over both")
        for number, (left, right) in enumerate(zip(_LEFT, _RIGHT, strict=True)):
            lines(canvas, left, top=110 + 14 * number)
            lines(canvas, right, left=320, top=110 + 14 * number)

    return drawn(draw)


_PROSE = (
    "The canal was dug between 1836 and 1845 and carried timber, salt and, later, tourists. Its locks are worked by hand to this day, "
    "and the keepers live in houses beside them, which the state lets at a low rent in return for the work. "
)


@sample(
    "journal.pdf",
    Order("Canals of Bavaria", "The canal was dug"),
    Order("FIRSTCOLUMN", "SECONDCOLUMN"),
    Order("start of the second section", "end of the second section"),
    Contains("carried timber, salt and, later, tourists"),
    Contains("in houses beside them"),
)
def journal() -> bytes:
    out = io.BytesIO()
    document = BaseDocTemplate(out, pagesize=A4, invariant=1)
    frames = [Frame(50, 60, 240, 700, id="a"), Frame(305, 60, 240, 700, id="b")]
    document.addPageTemplates([PageTemplate("two", frames)])
    first = [paragraph("Canals of Bavaria", "Heading1"), paragraph("FIRSTCOLUMN " + _PROSE * 5)]
    second = [paragraph("SECONDCOLUMN " + _PROSE * 5), paragraph(_PROSE + " end of the second section")]
    document.build([*first, paragraph("start of the second section " + _PROSE), FrameBreak(), *second])
    return out.getvalue()


@sample(
    "ruled_table.pdf",
    cells(
        ("Station", "Metres", "Opened"),
        ("Brocken", "1125", "1899"),
        ("Wernigerode", "234", "1887"),
        ("Schierke", "688", "1901"),
        flat=True,
    ),
)
def ruled_table() -> bytes:
    table = Table(
        [
            ("Station", "Metres", "Opened"),
            ("Brocken", "1125", "1899"),
            ("Wernigerode", "234", "1887"),
            ("Schierke", "688", "1901"),
        ]
    )
    table.setStyle(TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)]))
    return flow(paragraph("Narrow-gauge stations", "Heading2"), table)


@sample(
    "open_table.pdf",
    cells(
        ("Species", "Count", "Share"),
        ("Blackbird", "412", "31.5%"),
        ("House sparrow", "377", "28.8%"),
        ("Great tit", "201", "15.4%"),
        flat=True,
    ),
)
def open_table() -> bytes:
    pdf = fpdf()
    with pdf.table(borders_layout="NONE", col_widths=(60, 30, 30)) as table:
        for cells_of in (
            ("Species", "Count", "Share"),
            ("Blackbird", "412", "31.5%"),
            ("House sparrow", "377", "28.8%"),
            ("Great tit", "201", "15.4%"),
        ):
            table.row(cells_of)
    return bytes(pdf.output())


def fpdf() -> Any:
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    pdf = FPDF()
    pdf.set_creation_date(datetime.datetime(2024, 3, 1, 12, tzinfo=datetime.UTC))
    pdf.add_page()
    pdf.set_font("Helvetica", size=11)
    return pdf


@sample(
    "merged_table.pdf",
    cells(("State", "Town", "Thousands"), ("Saxony", "Leipzig", "601"), flat=True),
    cells(("Town", "Thousands"), ("Dresden", "556"), flat=True),
    Contains("Population of towns"),
)
def merged_table() -> bytes:
    table = Table(
        [
            ("State", "Town", "Thousands"),
            ("Saxony", "Leipzig", "601"),
            ("", "Dresden", "556"),
            ("Hesse", "Kassel", "204"),
        ]
    )
    table.setStyle(
        TableStyle(
            [("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("SPAN", (0, 1), (0, 2)), ("VALIGN", (0, 1), (0, 2), "TOP")]
        )
    )
    return flow(paragraph("Population of towns", "Heading2"), table)


@sample(
    "rotated.pdf",
    Order("First line of the landscape", "Second line of the landscape"),
    Order("Second line of the landscape", "Third line of the landscape"),
    Contains("Upright page"),
)
def rotated() -> bytes:
    upright = drawn(
        lambda canvas: lines(canvas, "Upright page"),
        lambda canvas: (
            canvas.rotate(90),
            [
                canvas.drawString(80, -80 - 20 * i, f"{word} line of the landscape")
                for i, word in enumerate(("First", "Second", "Third"))
            ],
        )[0],
    )
    with pymupdf.open(stream=upright) as document:
        document[1].set_rotation(90)
        return saved(document)


@sample(
    "sidebar.pdf",
    Order("Body starts here and", "goes on to the end"),
    Contains("Box: vote on Sunday"),
    Contains("Town paper 4 May"),
    Contains("Page 1 of 1"),
    Contains("the council decided to widen the bridge"),
)
def sidebar() -> bytes:
    def draw(canvas: Any) -> None:
        lines(canvas, "Town paper 4 May", top=40)
        lines(
            canvas,
            "Body starts here and tells that",
            "the council decided to widen the",
            "bridge over the Lenne, which then",
            "goes on to the end",
            top=120,
        )
        canvas.rect(380, _HEIGHT - 190, 150, 80)
        lines(canvas, "Box: vote on Sunday", "in the town hall", left=390, top=130)
        lines(canvas, "Page 1 of 1", left=270, top=800)

    return drawn(draw)
