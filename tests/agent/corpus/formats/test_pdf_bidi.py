"""Right-to-left text of PDFs, from programs that store it as it looks and from those that store it as it is read."""

from collections.abc import Callable
from pathlib import Path

import bidi
import matplotlib
import pymupdf
import pytest
from fpdf import FPDF

from longread.agent.corpus.formats.pdf.bidi import Glyph, has_right_to_left, is_right_to_left, logical
from longread.agent.corpus.formats.pdf.text import page_text

FONT = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
HEBREW = (
    "החוזה מסתיים ב-31 במרץ 2027.",
    'הסכום הוא 1,234.56 ש"ח (כולל מע"מ).',
    "ראה את PDF Reader של Adobe (גרסה 2) כאן.",
    "טלפון: 03-1234567, 50% הנחה",
    "שלום",
    "מחיר $50 בלבד [הערה 3]",
    'ינתן "ציטוט" כאן: א, ב; ג.',
    "ראו https://example.org/a-b?x=1 או כתבו אל jane@example.org עד 12/05/2027 בשעה 10:30",
)
ARABIC = (
    "ينتهي العقد في 31 مارس 2027 والمبلغ 1,234.56 ريال.",
    "لا إله (ملاحظة 5) الأول",
    "في ٣١ مارس ٢٠٢٧ تم",
    "قال Adobe Reader 9 هنا",
    "نسبة 50% من المبلغ",
)


def as_seen(text: str) -> str:
    """The characters from left to right, as a reader of right-to-left text sees them."""
    return str(bidi.get_display(text, base_dir="R"))


def shaped(lines: tuple[str, ...]) -> pymupdf.Document:
    """By a layout engine, which stores glyphs as they look, with the forms that Arabic letters have in words."""
    file = FPDF()
    file.add_page()
    file.add_font("text", "", FONT)
    file.set_font("text", size=12)
    file.set_text_shaping(True)
    for line in lines:
        file.cell(0, 10, line, align="R", new_x="LMARGIN", new_y="NEXT")
    return pymupdf.open(stream=bytes(file.output()))


def visual(lines: tuple[str, ...]) -> pymupdf.Document:
    """By a program without right-to-left text, to which the text was given as it looks."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_font("text", fontfile=str(FONT))
    for n, line in enumerate(lines):
        page.insert_text((72, 72 + 24 * n), as_seen(line), fontname="text", fontsize=11)
    return document


def from_the_right(lines: tuple[str, ...]) -> pymupdf.Document:
    """Glyph by glyph, the rightmost first."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_font("text", fontfile=str(FONT))
    font = pymupdf.Font(fontfile=str(FONT))
    for n, line in enumerate(lines):
        x = 72.0
        glyphs: list[tuple[float, str]] = []
        for glyph in as_seen(line):
            glyphs.append((x, glyph))
            x += font.text_length(glyph, 11)
        for at, glyph in reversed(glyphs):
            page.insert_text((at, 72 + 24 * n), glyph, fontname="text", fontsize=11)
    return document


@pytest.mark.parametrize("program", [shaped, visual, from_the_right])
@pytest.mark.parametrize("lines", [HEBREW, ARABIC], ids=["Hebrew", "Arabic"])
def test_lines_are_in_logical_order(
    program: Callable[[tuple[str, ...]], pymupdf.Document], lines: tuple[str, ...]
) -> None:
    assert page_text(program(lines)[0])[0].split("\n") == list(lines)


def test_presentation_forms_are_letters() -> None:
    # The word "salam" in the forms of Arabic Presentation Forms-B, with the ligature of lam and alef.
    assert page_text(visual(("\ufeb3\ufefc\ufee1 1",))[0])[0] == "سلام 1"
    # A full width letter is no form of Arabic, and stays.
    assert page_text(visual(("\ufeb3\ufefc\ufee1 m²",))[0])[0] == "سلام m²"


def test_vowel_points_stay_with_their_letters() -> None:
    words = "בְּרֵאשִׁית בָּרָא"
    assert page_text(visual((words,))[0])[0] == words


def page_of(parts: list[tuple[float, float, str]]) -> pymupdf.Document:
    """Lines that end at x."""
    document = pymupdf.open()
    page = document.new_page()
    page.insert_font("text", fontfile=str(FONT))
    font = pymupdf.Font(fontfile=str(FONT))
    for x, y, line in parts:
        shown = as_seen(line)
        page.insert_text((x - font.text_length(shown, 9), y), shown, fontname="text", fontsize=9)
    return document


def test_the_right_column_is_read_first() -> None:
    parts = [
        part
        for n in range(10)
        for part in (
            (540.0, 100.0 + 12 * n, f"שורה {n} בטור הימני ממשיכה עם מילים"),
            (270.0, 100.0 + 12 * n, f"קו {n} בטור השמאלי ממשיך עם מילים"),
        )
    ]
    lines = page_text(page_of(parts)[0])[0].split("\n")
    assert [line.split()[0] for line in lines] == ["שורה"] * 10 + ["קו"] * 10


def test_rows_of_a_table_are_read_from_the_right() -> None:
    rows = (("אזור", "מכירות"), ("צפון", "12.5"), ("דרום", "7,000"))
    parts = [
        (x, 100.0 + 20 * n, cell) for n, row in enumerate(rows) for x, cell in zip((540.0, 300.0), row, strict=True)
    ]
    assert page_text(page_of(parts)[0])[0].split("\n") == ["אזור מכירות", "צפון 12.5", "דרום 7,000"]


def test_a_word_in_an_english_line() -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_font("text", fontfile=str(FONT))
    page.insert_text((72, 100), "The word " + as_seen("שלום") + " means peace (1995).", fontname="text")
    assert page_text(page)[0] == "The word שלום means peace (1995)."


def test_directions() -> None:
    assert has_right_to_left("a ש")
    assert not has_right_to_left("aé中²")
    assert is_right_to_left("שלום a")
    assert not is_right_to_left("shalom ש")
    assert not is_right_to_left("12.5")
    assert logical([]) == ""
    assert logical([Glyph("ב", 0, 5, 10), Glyph("א", 9, 14, 10)]) == "א ב"
