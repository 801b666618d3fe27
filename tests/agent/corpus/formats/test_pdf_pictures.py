"""PDF: scans, pictures and drawings are read by OCR, or named; fonts that nobody can map are noticed."""

import io
import random
from itertools import pairwise

import pymupdf
import pytest
from PIL import Image, ImageDraw
from pymupdf import mupdf

from longread.agent.corpus.formats.base import ParseOptions, RawPage
from longread.agent.corpus.formats.pdf import Pdf
from longread.agent.corpus.formats.pdf.fonts import is_nonsense
from longread.agent.corpus.formats.pdf.ocr import tessdata

LINES = ("The lessee shall pay a deposit of 48,250 euros.", "Termination requires ninety days.", "Clause 14 stays.")


def read(data: bytes, *, ocr: bool = False, page: int = 0) -> RawPage:
    options = ParseOptions(ocr=ocr, tessdata=str(tessdata("eng")) if ocr else "")
    return Pdf().open(data, options).page(page)


def written(width: int = 1240, height: int = 1754, lines: tuple[str, ...] = LINES, size: int = 34) -> bytes:
    """A picture of lines of text."""
    picture = Image.new("L", (width, height), 248)
    for number, line in enumerate(lines):
        ImageDraw.Draw(picture).text((60, 60 + 2 * number * size), line, fill=20, font_size=size)
    return png(picture)


def photo() -> bytes:
    return png(Image.effect_noise((300, 240), 120).resize((600, 480)))


def png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "png")
    return out.getvalue()


def document(
    *pictures: tuple[bytes, tuple[float, float, float, float]], text: str = "", size: tuple[float, float] = (595, 842)
) -> bytes:
    with pymupdf.open() as made:
        page = made.new_page(width=size[0], height=size[1])
        for stream, box in pictures:
            page.insert_image(box, stream=stream, keep_proportion=False)
        if text:
            page.insert_textbox((72, 20, 550, 300), text, fontsize=9)
        return made.tobytes()


WHOLE = (0, 0, 595, 842)
STAMP = "Case 1:21-cv-01234-ABC-DEF  Document 123-4  Filed 01/02/21  Page 1 of 17"


def test_a_scan_with_a_stamp() -> None:
    data = document((written(), WHOLE), text=STAMP)
    page = read(data)
    assert page.text.split() == STAMP.split()
    assert page.needs_picture
    assert "--ocr always" in page.notes[0]
    seen = read(data, ocr=True)
    assert "48,250" in seen.text
    assert "ABC-DEF" in seen.text
    assert seen.text.count("Filed") == 1
    assert seen.notes == ("read by OCR",)


def test_half_a_scan() -> None:
    text = "An ordinary paragraph of text, as long as such a paragraph usually is. " * 6
    data = document((written(1240, 800), (0, 400, 595, 784)), text=text)
    assert "595×384" in read(data).notes[0]
    seen = read(data, ocr=True)
    assert "48,250" in seen.text
    assert "ordinary paragraph" in seen.text
    assert "read by OCR" in seen.notes[0]


@pytest.mark.parametrize("size", [(2384, 3370), (600, 14_000)])
def test_very_large_pages(size: tuple[float, float]) -> None:
    box = (0, 0, 595, 842) if size[1] > 10_000 else (0, 0, *size)
    page = read(document((written(), box), text="x " * 4, size=size), ocr=True)
    assert "48,250" in page.text


def test_a_picture_without_text_is_named() -> None:
    page = read(document((photo(), (100, 300, 400, 540)), text="A page about a picture."), ocr=True)
    assert page.text == "A page about a picture."
    assert "300×240" in page.notes[0]
    assert page.needs_picture


def test_what_is_no_content() -> None:
    """Small pictures, an even colour, and a logo that is on every page."""
    small = document((photo(), (10, 10, 50, 40)), text="A page with a small picture.")
    even = document((png(Image.new("RGB", (50, 50), (240, 240, 255))), WHOLE), text="A page with a colour.")
    for data in (small, even):
        assert read(data).notes == ()
    with pymupdf.open() as made:
        logo = 0
        for number in range(6):
            page = made.new_page()
            page.insert_text((72, 400), f"Page {number}")
            logo = page.insert_image((300, 20, 500, 180), stream=photo() if not logo else None, xref=logo)
        data = made.tobytes()
    assert read(data, page=3).notes == ()


def test_a_picture_under_text_is_accounted_for() -> None:
    text = "Text that is over a picture, as on a slide, and says all that there is to say. " * 30
    assert (
        read(
            document(
                (png(Image.linear_gradient("L").point([200 + value // 8 for value in range(256)])), WHOLE), text=text
            )
        ).notes
        == ()
    )


def test_a_drawing_without_labels_is_named() -> None:
    with pymupdf.open() as made:
        page = made.new_page()
        page.insert_text((72, 72), "A chart:")
        points = [(100 + 3 * i, 400 + random.Random(i).randrange(100)) for i in range(100)]
        for a, b in pairwise(points):
            page.draw_line(a, b)
        assert "a picture of" in read(made.tobytes()).notes[0]
        for i in range(10):
            page.insert_text((100 + 30 * i, 450), f"label {i}", fontsize=6)
        assert read(made.tobytes()).notes == ()


def test_ocr_that_fails_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("Tesseract has no memory")

    monkeypatch.setattr(pymupdf.Pixmap, "pdfocr_tobytes", fail)
    page = read(document((written(), WHOLE), text=STAMP), ocr=True)
    assert page.text.split() == STAMP.split()
    assert any("Tesseract has no memory" in note for note in page.notes)


def test_ocr_without_its_data_and_pages_that_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    data = document((written(), WHOLE), text=STAMP)
    page = Pdf().open(data, ParseOptions(ocr=True, tessdata="/nowhere")).page(0)
    assert page.text.split() == STAMP.split()
    assert any("OCR failed" in note for note in page.notes)

    def fail(*_: object, **__: object) -> None:
        raise mupdf.FzErrorSyntax("damaged")

    monkeypatch.setattr(pymupdf.Page, "get_bboxlog", fail)
    page = read(data)
    assert page.text.split() == STAMP.split()
    assert sum("cannot be drawn" in note and "damaged" in note for note in page.notes) == 2


ENGLISH = (
    "The deposit is due within thirty days after the contract was signed. It is returned when the lease has ended and "
    "nothing is left to be paid. Both parties agree that changes of this contract have to be made in writing. "
) * 2


def shifted(text: str, by: int) -> str:
    return "".join(chr((ord(c) - 97 + by) % 26 + 97) if c.islower() else c for c in text)


@pytest.mark.parametrize("by", [1, 3, 7, 13, 20])
def test_letters_that_stand_for_others_are_noticed(by: int) -> None:
    assert is_nonsense(shifted(ENGLISH, by), lambda: False)


def test_codes_without_meaning_are_noticed() -> None:
    assert is_nonsense("".join(chr(0xE000 + ord(c)) for c in ENGLISH), lambda: False)
    assert is_nonsense("".join(chr(ord(c) - 29) if c.isalpha() else c for c in ENGLISH), lambda: False)
    assert is_nonsense("hiiegeeceiafihaicdeaig adaheiefheae idfehabdcaead", lambda: True)


@pytest.mark.parametrize(
    "text",
    [
        ENGLISH,
        "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. " * 5,
        "Genir pawb yn rhydd ac yn gydradd a'i gilydd mewn urddas a hawliau. " * 5,
        "Všichni lidé se rodí svobodní a sobě rovní co do důstojnosti a práv. Prst skrz krk. " * 5,
        "Kaikki ihmiset syntyvät vapaina ja tasavertaisina arvoltaan ja oikeuksiltaan. " * 5,
        "for (i=0; i<n; i++) { ptr->hdr.len = strlen(buf); memcpy(dst, src, sz); } #define HAVE_STRCHR 1 " * 4,
        "d41d8cd98f00b204e9800998ecf8427e 0cc175b9c0f1b6a831c399e269772661 " * 8,
        "TG9yZW0gaXBzdW0gZG9sb3Igc2l0IGFtZXQsIGNvbnNlY3RldHVyIGFkaXBpc2NpbmcgZWxpdCwgc2VkIGRv" * 4,
        "Все люди рождаются свободными и равными в своем достоинстве и правах. " * 5,
        "人人生而自由,在尊严和权利上一律平等。" * 10,
        "XYZ 123",
        "",
    ],
)
def test_what_only_looks_odd_is_no_nonsense(text: str) -> None:
    assert not is_nonsense(text, lambda: False)


def test_a_font_that_names_nothing() -> None:
    """A Type 3 font whose glyphs are called a0, a1, …: what they show is only in their drawings."""
    with pymupdf.open() as made:
        page = made.new_page()
        page.insert_text((72, 72), "seed")
        glyph, font = made.get_new_xref(), made.get_new_xref()
        made.update_object(glyph, "<<>>")
        made.update_stream(glyph, b"600 0 0 0 500 700 d1 0 0 500 700 re f")
        names = " ".join(f"/a{i}" for i in range(26))
        made.update_object(
            font,
            f"<</Type/Font/Subtype/Type3/FontBBox[0 0 1000 1000]/FontMatrix[.001 0 0 .001 0 0]"
            f"/FirstChar 97/LastChar 122"
            f"/Widths[{'600 ' * 26}]/CharProcs<<{''.join(f'/a{i} {glyph} 0 R' for i in range(26))}>>"
            f"/Encoding<</Differences[97 {names}]>>/Resources<<>>>>",
        )
        resources = int(made.xref_get_key(page.xref, "Resources")[1].split()[0])
        made.xref_set_key(resources, "Font", f"<</T {font} 0 R>>")
        made.update_stream(page.get_contents()[0], b"BT /T 12 Tf 72 700 Td (hiiegeec eiafi haicdeaig) Tj ET")
        page_read = read(made.tobytes())
    assert "nonsense" in page_read.notes[0]
    assert page_read.needs_picture
