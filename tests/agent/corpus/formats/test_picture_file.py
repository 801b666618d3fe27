"""Picture files, by OCR where Tesseract's data is."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.formats import OpenFile, ParseOptions, WrongFormat
from longread.agent.corpus.formats.pdf.ocr import tessdata
from longread.agent.corpus.formats.picture_file import Picture

FORMATS = ["PNG", "JPEG", "TIFF", "WEBP", "GIF", "BMP"]


def picture(text: str = "Invoice total 48,250 EUR") -> Image.Image:
    image = Image.new("RGB", (900, 200), "white")
    ImageDraw.Draw(image).text((30, 50), text, fill="black", font=ImageFont.load_default(40))
    return image


def stored(kind: str, first: Image.Image, *more: Image.Image) -> bytes:
    out = io.BytesIO()
    if more:
        first.save(out, kind, save_all=True, append_images=more)
    else:
        first.save(out, kind)
    return out.getvalue()


def opened(data: bytes) -> OpenFile:
    return Picture().open(data, ParseOptions(ocr=True, tessdata=str(tessdata("eng"))))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_read_by_ocr(kind: str) -> None:
    page = opened(stored(kind, picture())).page(0)
    assert page.text == "Invoice total 48,250 EUR"
    assert any("OCR" in note for note in page.notes)
    assert page.needs_picture


def test_each_picture_of_a_tiff_is_a_page() -> None:
    file = opened(stored("TIFF", picture("First page"), picture("Second page")))
    assert [file.page(index).text for index in range(file.pages)] == ["First page", "Second page"]


def test_without_ocr_or_text_the_page_says_so(tmp_path: Path) -> None:
    page = Picture().open(stored("PNG", picture()), ParseOptions()).page(0)
    assert (page.text, page.needs_picture) == ("", True)
    assert "OCR is off" in page.notes[0]
    page = opened(stored("PNG", Image.new("RGB", (90, 30), "white"))).page(0)
    assert (page.text, page.needs_picture) == ("", True)
    assert "no text that OCR finds" in page.notes[0]
    (tmp_path / "photo.png").write_bytes(stored("PNG", picture()))
    (document,) = Corpus.load([tmp_path], options=LoadOptions(cache=False, timeout=300.0, ocr="never"))
    assert "only OCR or a model that reads pictures can" in document.warnings[0]


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n" + bytes(50), b"RIFF1234WEBPVP8 nothing", b"no picture", b"BM" + bytes(9)]
)
def test_what_is_no_picture(data: bytes) -> None:
    with pytest.raises(WrongFormat, match="not a picture"):
        opened(data).page(0)
