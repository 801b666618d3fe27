"""The text of PDF pages: scripts, leaders, letter spacing, drop caps, text drawn twice, vertical text."""

import random
from collections.abc import Callable
from typing import Any

import pymupdf
import pytest

from longread.agent.citations.normalize import NormalText
from longread.agent.corpus.formats.pdf import hidden
from longread.agent.corpus.formats.pdf.leaders import collapsed
from longread.agent.corpus.formats.pdf.spacing import closed
from longread.agent.corpus.formats.pdf.text import page_text

Run = tuple[str, float, float]
"""Text, its size, and how far its baseline is raised."""


def read(document: pymupdf.Document) -> str:
    return page_text(document[0])[0]


def runs(*lines: list[Run], fontname: str = "helv") -> pymupdf.Document:
    """A page with lines of runs that touch each other."""
    document = pymupdf.open()
    page = document.new_page()
    for n, line in enumerate(lines):
        x = 72.0
        for text, size, raised in line:
            page.insert_text((x, 100 + 30 * n - raised), text, fontsize=size, fontname=fontname)
            x += pymupdf.get_text_length(text, fontname, size)
    return document


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ([("about 10", 11, 0), ("6", 7, 4), (" km away", 11, 0)], "about 10^6 km away"),
        ([("about 10", 11, 0), ("-12", 7, 4), (" m", 11, 0)], "about 10^-12 m"),
        ([("H", 11, 0), ("2", 7, -2), ("O is wet", 11, 0)], "H_2O is wet"),
        ([("CO", 11, 0), ("2", 7, -2), (" and x", 11, 0), ("2", 7, 4)], "CO_2 and x^2"),
        ([("area in m", 11, 0), ("2", 7, 4), (", or ha", 11, 0)], "area in m^2, or ha"),
        ([("as Smith said", 11, 0), ("7", 7, 4), (" in a book", 11, 0)], "as Smith said^7 in a book"),
        ([("the end.", 11, 0), ("12", 7, 4), (" Then", 11, 0)], "the end.^12 Then"),
        ([("on the 1", 11, 0), ("st", 7, 4), (" of May", 11, 0)], "on the 1st of May"),
        ([("log", 11, 0), ("10", 7, -2), ("100", 11, 0)], "log_(10)100"),
        ([("raised 10", 11, 0), ("6", 11, 4), (" only", 11, 0)], "raised 10^6 only"),
        ([("7", 7, 4), ("Accessed in May of this year", 9, 0)], "^7 Accessed in May of this year"),
        # The baseline is the same: small capitals, a change of size, a price.
        ([("T", 11, 0), ("HE TITLE", 8, 0), (" of it", 11, 0)], "THE TITLE of it"),
        ([("Total", 14, 0), (" 12", 9, 0)], "Total 12"),
        ([("12", 14, 0), ("34", 9, 0)], "1234"),
    ],
)
def test_scripts(line: list[Run], text: str) -> None:
    assert read(runs(line)) == text
    # The same on a page that is looked at in detail, because of a subscript.
    assert read(runs(line, [("H", 11, 0), ("2", 7, -2), ("O", 11, 0)])).split("\n") == [text, "H_2O"]


def test_a_real_paper_has_its_notes_marked(paperqa: Callable[[str], object]) -> None:
    with pymupdf.open(str(paperqa("pasa.pdf"))) as document:
        text = page_text(document[6])[0]
    assert "then calls Google^7 with the parameters" in text
    assert "^7 Accessed via the Google Search API" in text


@pytest.mark.parametrize(
    ("leader", "shown"),
    [
        ("Introduction ........ 5", "Introduction … 5"),
        ("Introduction........5", "Introduction … 5"),
        ("1.2 Scope . . . . . . . . . . . . xii", "1.2 Scope … xii"),
        ("Annex A .  .  .  .  .  .  .  . A-3", "Annex A … A-3"),
        ("Scope \u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7\u00b7 12", "Scope … 12"),
        ("Scope \u2026\u2026\u2026\u2026\u2026 12", "Scope … 12"),
        ("Scope ..................", "Scope …"),
        ("Scope .................. p. 7\nNext ........ 8", "Scope … p. 7\nNext … 8"),
        ("Name: ..................... Date: ..................", "Name: … Date: …"),
        ("wait...... 3 more", "wait...... 3 more"),
        ("He said .... and left", "He said .... and left"),
        ("an ellipsis...", "an ellipsis..."),
        ("....F...", "....F..."),
        ("f(...) and x[..., 0]", "f(...) and x[..., 0]"),
        ("test_a.py ..... [100%]", "test_a.py ..... [100%]"),
        ("1.2.3.4.5.6", "1.2.3.4.5.6"),
        ("a . b . c", "a . b . c"),
    ],
)
def test_leaders(leader: str, shown: str) -> None:
    assert collapsed(leader) == shown


def test_a_table_of_contents() -> None:
    document = pymupdf.open()
    page = document.new_page()
    for n, (title, number) in enumerate((("1 Introduction", "1"), ("1.1 Scope", "12"), ("2 Terms", "123"))):
        page.insert_text((72, 100 + 14 * n), f"{title} " + ". " * 40)
        page.insert_text((450, 100 + 14 * n), number)
    assert read(document) == "1 Introduction … 1\n1.1 Scope … 12\n2 Terms … 123"
    # A quote is found, however the model writes the leader.
    assert NormalText("1.1 Scope … 12").text in NormalText(read(document)).text


@pytest.mark.parametrize(
    ("spaced", "closed_up"),
    [
        ("C O N T E N T S", "CONTENTS"),
        ("T A B L E   O F   C O N T E N T S", "TABLE OF CONTENTS"),
        ("I n h a l t", "Inhalt"),
        ("1 I N T R O D U C T I O N", "1 INTRODUCTION"),
        ("A B C D E F", "A B C D E F"),
        ("x y z w", "x y z w"),
        ("A, B, C, D", "A, B, C, D"),
        ("I a m", "I a m"),
    ],
)
def test_letter_spaced_words(spaced: str, closed_up: str) -> None:
    assert closed(spaced) == closed_up
    document = pymupdf.open()
    document.new_page().insert_text((72, 100), spaced)
    assert read(document) == closed_up


def test_letters_spaced_by_the_page_description() -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 100), "x")
    content = b"q BT /helv 14 Tf %f Tc 1 0 0 1 72 700 Tm (SUMMARY OF RESULTS) Tj ET Q"
    for gap in (0.3, 1.0, 3.0, 6.0):
        document.update_stream(page.get_contents()[0], content % gap)
        assert read(document) == "SUMMARY OF RESULTS"


def test_text_that_is_drawn_twice_to_be_bold_is_there_once() -> None:
    document = pymupdf.open()
    page = document.new_page()
    for shift in (0.0, 0.3, 0.6):
        page.insert_text((72 + shift, 100), "A bold heading", fontsize=14)
    page.insert_text((72, 130), "Not bold")
    page.insert_text((72, 130), "Not bold")
    page.insert_text((72, 160), "Twice")
    page.insert_text((200, 160), "Twice")
    page.insert_text((72, 190), "Twice")
    assert read(document) == "A bold heading\nNot bold\nTwice Twice\nTwice"


@pytest.mark.parametrize(
    ("cap", "first", "text"),
    [
        ("O", "nce upon a time there was", "Once upon a time there was"),
        ("T", "he king was old", "The king was old"),
        ("A", "long time ago", "A long time ago"),
        ("A", "nother king was old", "Another king was old"),
        ("I", "saw the king", "I saw the king"),
        ("W", "HEN THE king was", "WHEN THE king was"),
    ],
)
def test_drop_caps(cap: str, first: str, text: str) -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 130), cap, fontsize=40)
    page.insert_text((110, 110), first)
    page.insert_text((110, 124), "and lived near the sea.")
    assert read(document) == f"{text}\nand lived near the sea."


def test_line_numbers_are_kept_apart_from_running_text() -> None:
    document = pymupdf.open()
    page = document.new_page()
    for n in range(12):
        page.insert_text((40, 100 + 14 * n), str(n + 301), fontsize=8)
        page.insert_text((72, 100 + 14 * n), "and the witness went on to say that he" if n % 3 else "The witness said:")
    text = read(document)
    assert text.startswith("The witness said:\nand the witness went on")
    assert text.endswith("[line numbers: 301–312]")


def test_numbers_of_a_list_stay() -> None:
    document = pymupdf.open()
    page = document.new_page()
    for n in range(12):
        page.insert_text((40, 100 + 14 * n), str(n + 1))
        page.insert_text((72, 100 + 14 * n), f"Item of the list {n}")
    assert read(document).startswith("1 Item of the list 0\n2 Item of the list 1\n")


LINES = ("吾輩は猫である。名前は", "まだ無い。どこで生れた", "かとんと見当がつかぬ。")


@pytest.mark.parametrize("encoded", [True, False])
def test_vertical_japanese(encoded: bool) -> None:
    document = pymupdf.open()
    page = document.new_page()
    for n, line in enumerate(LINES):
        if encoded:  # a font whose glyphs go down
            page.insert_text((400 - 20 * n, 80), line, fontname="japan", fontsize=12)
        else:
            for i, glyph in enumerate(line):
                page.insert_text((400 - 20 * n, 80 + 14 * i), glyph, fontname="japan", fontsize=12)
    if encoded:
        document.xref_set_key(page.get_fonts()[0][0], "Encoding", "/UniJIS-UTF16-V")
        document = pymupdf.open(stream=document.tobytes())
    assert read(document) == "\n".join(LINES)


def test_ligatures_are_written_out() -> None:
    document = pymupdf.open()
    document.new_page().insert_htmlbox((72, 72, 400, 200), "<p>e\ufb03cient \ufb02ow</p>")
    assert read(document) == "efficient flow"


def test_hidden_characters_are_left_out() -> None:
    document = pymupdf.open()
    page = document.new_page()
    page.insert_text((72, 100), "What is seen, ")
    page.insert_text((172, 100), "and what is not")
    page.insert_text((72, 130), "is read.")
    raw: Any = page.get_text("rawdict")
    places = frozenset(
        hidden.place(char["c"], char["origin"])
        for block in raw["blocks"]
        for line in block["lines"]
        for span in line["spans"]
        for char in span["chars"]
        if char["bbox"][0] > 170
    )
    assert page_text(page, places)[0] == "What is seen,\nis read."
    assert page_text(page)[0] == "What is seen, and what is not\nis read."


def test_no_letter_is_lost_or_made_up() -> None:
    """Of random pages, with text at random places in random sizes."""
    for seed in range(30):
        rand = random.Random(seed)
        document = pymupdf.open()
        page = document.new_page()
        for _ in range(rand.randint(1, 60)):
            text = "".join(rand.choice("abcdefgh ABC012") for _ in range(rand.randint(1, 20)))
            at = rand.uniform(20, 500), rand.uniform(20, 800)
            page.insert_text(at, text, fontsize=rand.choice((6, 9, 9, 9, 12, 30)), rotate=rand.choice((0, 0, 0, 90)))
        plain = page.get_text("text", flags=pymupdf.TEXT_MEDIABOX_CLIP)
        assert sorted(filter(str.isalnum, read(document))) == sorted(filter(str.isalnum, plain)), seed


def test_a_quote_without_the_marks_of_notes_is_found() -> None:
    line: list[Run] = [
        ("Smith said", 11, 0),
        ("7", 7, 4),
        (" so in the book.", 11, 0),
        ("8,9", 7, 4),
        (" Then he left", 11, 0),
    ]
    text = read(runs(line))
    assert text == "Smith said^7 so in the book.^(8,9) Then he left"
    assert NormalText(text, footnote_marks=False).text == "Smith said so in the book. Then he left"
    assert NormalText("10^6 km and 3 m^2", footnote_marks=False).text == "10^6 km and 3 m^2"
