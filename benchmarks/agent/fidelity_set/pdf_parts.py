# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""PDFs with things that are not text: forms, notes, attachments, scans, odd fonts, locks, damage."""

import io
from typing import Any

import pymupdf
from reportlab.lib.utils import ImageReader

from . import pictures
from .facts import Contains, Flagged, Order, Ticked
from .pdf_layout import drawn, lines, saved
from .samples import sample


@sample(
    "form.pdf",
    Contains("Leyla Aksoy", named="form|field"),
    Contains("Surname", named="form|field"),
    Ticked("Member", True, named="form|field"),
    Ticked("Guest", False, named="form|field"),
    Contains("Ravensburg", named="form|field"),
)
def form() -> bytes:
    def draw(canvas: Any) -> None:
        lines(canvas, "Registration", "Surname", step=40)
        form = canvas.acroForm
        form.textfield(name="Surname", value="Leyla Aksoy", x=200, y=720, width=200, height=20)
        lines(canvas, "Member", top=180)
        form.checkbox(name="Member", checked=True, x=200, y=655, size=15)
        lines(canvas, "Guest", top=220)
        form.checkbox(name="Guest", checked=False, x=200, y=615, size=15)
        lines(canvas, "Town", top=260)
        form.choice(name="Town", value="Ravensburg", options=["Ulm", "Ravensburg"], x=200, y=575, width=120, height=20)

    return drawn(draw)


def _xfa(template: str, data: str, shown: str) -> bytes:
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), shown)
        xml = f'<xdp:xdp xmlns:xdp="http://ns.adobe.com/xdp/"><template xmlns="http://www.xfa.org/schema/xfa-template/3.3/">{template}</template><xfa:datasets xmlns:xfa="http://www.xfa.org/schema/xfa-data/1.0/"><xfa:data>{data}</xfa:data></xfa:datasets></xdp:xdp>'
        number = document.get_new_xref()
        document.update_object(number, "<<>>")
        document.update_stream(number, xml.encode())
        document.xref_set_key(document.pdf_catalog(), "AcroForm", f"<</Fields[]/XFA {number} 0 R>>")
        return saved(document)


@sample(
    "xfa.pdf",
    Contains("Kestrel Shipping", named="xfa|form"),
    Contains("88,410", named="xfa|form"),
    Flagged("the form", named="xfa|form"),
)
def xfa() -> bytes:
    return _xfa(
        '<subform name="f"><field name="Company"/><field name="Turnover"/></subform>',
        "<f><Company>Kestrel Shipping</Company><Turnover>88,410</Turnover></f>",
        "Please wait... If this message is not replaced, your viewer cannot show it.",
    )


@sample(
    "annotations.pdf",
    Contains("https://archive.example/file/17"),
    Contains("Check this sum"),
    Contains("Dr. Weiss"),
    Contains("Stamped words on the page"),
    Contains("The total is 4,411"),
)
def annotations() -> bytes:
    with pymupdf.open() as document:
        page = document.new_page()
        page.insert_text((72, 72), "The total is 4,411")
        page.insert_text((72, 110), "See the archive")
        page.insert_link(
            {"kind": pymupdf.LINK_URI, "from": pymupdf.Rect(72, 95, 170, 115), "uri": "https://archive.example/file/17"}
        )
        note = page.add_text_annot((200, 60), "Check this sum")
        note.set_info(title="Dr. Weiss", content="Check this sum", creationDate="", modDate="")
        note.update()
        page.add_freetext_annot(pymupdf.Rect(72, 200, 300, 230), "Stamped words on the page")
        return saved(document)


@sample(
    "attachments.pdf",
    Contains("Letter with two enclosures"),
    Contains("costs.csv", named="attach|embedded"),
    Flagged("the attached files", named="attach|embedded|costs.csv"),
)
def attachments() -> bytes:
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 72), "Letter with two enclosures")
        document.embfile_add("costs.csv", b"item,euro\nroof,1200\n", filename="costs.csv")
        document.embfile_add("readme.txt", b"see costs.csv", filename="readme.txt")
        for name in document.embfile_names():
            document.xref_set_key(document.embfile_upd(name), "Params", "null")
        return saved(document)


def _scan(*texts: str, stamp: str = "", quality: int = 80) -> bytes:
    image = pictures.page(*texts, width=1240, height=1754, size=34)

    def draw(canvas: Any) -> None:
        canvas.drawImage(ImageReader(io.BytesIO(pictures.encoded(image, "JPEG", quality=quality))), 0, 0, 595, 842)
        if stamp:
            canvas.setFont("Helvetica", 8)
            lines(canvas, stamp, top=20)

    return drawn(draw)


_UNREAD = "ocr|picture|image|scan"


@sample(
    "scan.pdf",
    Contains("Deed of sale number 5521", named=_UNREAD),
    Contains("between Otto Brand", named=_UNREAD),
    Flagged("that the page is a scan", named=_UNREAD),
)
def scan() -> bytes:
    return _scan("Deed of sale number 5521", "between Otto Brand", "and the town of Calw")


@sample(
    "stamped_scan.pdf",
    Contains("Case 12/2024, filed 8 May 2024, page 1 of 1"),
    Contains("The fine is 3,650 francs", named=_UNREAD),
    Flagged("that the page is a scan", named=_UNREAD),
)
def stamped_scan() -> bytes:
    return _scan(
        "Judgment in the matter of the mill",
        "The fine is 3,650 francs",
        stamp="Case 12/2024, filed 8 May 2024, page 1 of 1, District Court of Northern Something",
    )


@sample(
    "scan_with_text_layer.pdf",
    Contains("Minutes of the choir"),
    Contains("Fees rise to 14 marks"),
    Order("Minutes of the choir", "Fees rise to 14 marks"),
)
def scan_with_layer() -> bytes:
    image = pictures.page("Minutes of the choir", "Fees rise to 14 marks", width=1240, height=1754, size=34)

    def draw(canvas: Any) -> None:
        text = canvas.beginText(40, 790)
        text.setTextRenderMode(3)
        text.setLeading(33)
        text.textLines("Minutes of the choir\nFees rise to 14 marks")
        canvas.drawText(text)
        canvas.drawImage(ImageReader(io.BytesIO(pictures.encoded(image, "JPEG"))), 0, 0, 595, 842)

    return drawn(draw)


@sample(
    "figure.pdf",
    Contains("Figure 4 shows the flow chart"),
    Contains("START PUMP 9", named=_UNREAD),
    Contains("The text goes on below"),
)
def figure() -> bytes:
    def draw(canvas: Any) -> None:
        lines(canvas, "Figure 4 shows the flow chart of the plant that the team built in March.")
        canvas.drawImage(ImageReader(io.BytesIO(pictures.text("START PUMP 9"))), 72, 400, 450, 254)
        lines(canvas, "The text goes on below the drawing and says more.", top=470)

    return drawn(draw)


@sample(
    "unmapped_font.pdf",
    Contains("Readable headline"),
    Flagged(
        "letters that nobody can map", named="unmapped|cannot|not be read|unreadable|no text|garbled|ocr|unicode|font"
    ),
)
def unmapped_font() -> bytes:
    """A Type 3 font whose glyph names say nothing and which has no ToUnicode, as old TeX and scanners' programs write."""
    glyphs = "".join(f"/g{i} 6 0 R" for i in range(10))
    names = "".join(f"/g{i}" for i in range(10))
    square = b"500 0 0 0 400 700 d1 0 0 400 700 re f"
    content = b"BT /F1 12 Tf 72 760 Td (Readable headline) Tj /T3 12 Tf 0 -60 Td "
    content += b"(\\001\\002\\003\\004\\005\\006\\007\\010\\011\\012\\003\\005\\007) Tj 0 -20 Td " * 6 + b"ET"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 7 0 R/Resources<</Font<</F1 4 0 R/T3 5 0 R>>>>>>",
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        f"<</Type/Font/Subtype/Type3/FontBBox[0 0 500 800]/FontMatrix[0.001 0 0 0.001 0 0]/CharProcs<<{glyphs}>>/FirstChar 1/LastChar 10"
        f"/Encoding<</Type/Encoding/Differences[1{names}]>>/Widths[{'500 ' * 10}]/Resources<<>>>>".encode(),
        b"<</Length %d>>stream\n%s\nendstream" % (len(square), square),
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    return _assembled(objects)


def _assembled(objects: list[bytes]) -> bytes:
    """A PDF of the objects, numbered from 1; the first one is the catalog."""
    out = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (
        count,
        table,
        count,
        len(out),
    )


@sample("empty_password.pdf", Contains("Opens without a password"), Contains("tariff of 0.318"))
def empty_password() -> bytes:
    return _encrypted("", "Opens without a password", "tariff of 0.318")


@sample("locked.pdf", Flagged("that it needs a password", named="password|encrypt"))
def locked() -> bytes:
    return _encrypted("tulip", "Nobody reads this")


def _encrypted(user: str, *texts: str) -> bytes:
    from reportlab.lib.pdfencrypt import StandardEncryption

    return drawn(
        lambda canvas: lines(canvas, *texts), encrypt=StandardEncryption(user, ownerPassword="owner", strength=128)
    )


@sample("damaged.pdf", Contains("Page one of a damaged file"), Contains("Page two of a damaged file"))
def damaged() -> bytes:
    """The cross-reference table points nowhere: readers rebuild it."""
    whole = drawn(
        lambda canvas: lines(canvas, "Page one of a damaged file"),
        lambda canvas: lines(canvas, "Page two of a damaged file"),
    )
    start = whole.rindex(b"startxref")
    return whole[:start] + b"startxref\n7\n%%EOF\n"


@sample(
    "empty_page.pdf",
    Contains("Text on the first page"),
    Contains("Text on the third page"),
    Order("Text on the first page", "Text on the third page"),
)
def empty_page() -> bytes:
    return drawn(
        lambda canvas: lines(canvas, "Text on the first page"),
        lambda canvas: None,
        lambda canvas: lines(canvas, "Text on the third page"),
    )
