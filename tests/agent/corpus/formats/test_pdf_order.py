"""The order in which the lines of generated PDF pages are read. A typesetter would know; here the generator does."""

import io
import random
from collections.abc import Iterable, Sequence

import pymupdf
import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table

from longread.agent.corpus.formats.pdf.text import page_text

WORDS = (  # noqa: SIM905
    "the quick report shows that revenue from long term contracts grew in every region while costs of staff and energy "
    "fell because of new plants built last year near the coast where rents are low and people move to find work"
).split()
Part = tuple[float, float, str]


def column(name: str, lines: int, width: int = 34) -> list[str]:
    """Lines of running text, full but for the last; the first begins with NAMEfirst, the last with NAMElast."""
    rand = random.Random(name)
    found: list[str] = []
    line = f"{name}first"
    while len(found) < lines:
        word = rand.choice(WORDS)
        if len(line) + len(word) >= width:
            found.append(line)
            line = word
        else:
            line += " " + word
    found[-1] = f"{name}last and so on"
    return found


def down(x: float, y: float, lines: Iterable[str], lead: float = 12) -> list[Part]:
    return [(y + lead * n, x, line) for n, line in enumerate(lines)]


def page(parts: Iterable[Part], size: float = 9, turn: int = 0) -> pymupdf.Document:
    """A page with the parts in this order, drawn turned by a number of degrees."""
    document = pymupdf.open()
    width, height = (842, 842) if turn else (595, 842)
    sheet = document.new_page(width=width, height=height)
    for y, x, text in parts:
        at = {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}[turn]
        sheet.insert_text(at, text, fontsize=size, rotate=turn)
    return document


def read(document: pymupdf.Document) -> str:
    return page_text(document[0])[0]


def assert_order(text: str, *marks: str) -> None:
    found = [text.find(mark) for mark in marks]
    assert min(found) >= 0, marks[found.index(-1)]
    assert found == sorted(found), text


BOTH = ("Afirst", "Alast", "Bfirst", "Blast")


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_two_columns_drawn_across(turn: int, rotation: int) -> None:
    document = page(sorted(down(60, 90, column("A", 20)) + down(320, 90, column("B", 20))), turn=turn)
    document[0].set_rotation(rotation)
    assert_order(read(document), *BOTH)


@pytest.mark.parametrize(
    ("left", "right", "shift", "lead"),
    [(20, 20, 0, 12), (20, 20, 5, 12), (25, 9, 0, 12), (8, 30, 3, 11), (15, 15, 0, 15)],
)
def test_columns_of_other_lengths_and_heights(left: int, right: int, shift: float, lead: float) -> None:
    parts = sorted(down(60, 90, column("A", left), lead) + down(320, 90 + shift, column("B", right), lead))
    head = [(50.0, 60.0, "The title goes across both of the columns, and some more words to be wide enough for it")]
    foot = [(780.0, 290.0, "17"), (795.0, 60.0, "Annual report")]
    assert_order(read(page(head + parts + foot)), "The title", *BOTH, "Annual report")


def test_three_columns_drawn_across() -> None:
    parts = [part for n, name in enumerate("ABC") for part in down(50 + 170 * n, 100, column(name, 18, 24))]
    assert_order(read(page(sorted(parts))), *BOTH, "Cfirst", "Clast")


def test_headings_across_divide_columns() -> None:
    parts: list[Part] = []
    for n, (left, right) in enumerate(("AB", "CD")):
        top = 80.0 + 180 * n
        parts.append(
            (top, 60.0, f"Heading {n} across both of the columns of this page, which is why it is as wide as this")
        )
        parts += sorted(down(60, top + 24, column(left, 10)) + down(320, top + 24, column(right, 10)))
    assert_order(read(page(parts)), "Heading 0", *BOTH, "Heading 1", "Cfirst", "Clast", "Dfirst", "Dlast")


def test_paragraphs_drawn_by_their_height() -> None:
    lengths = {"l": (5, 8, 4, 7), "r": (7, 4, 8, 5)}
    paragraphs: list[tuple[float, list[Part]]] = []
    for side, x in (("l", 60.0), ("r", 320.0)):
        y = 80.0
        for n, length in enumerate(lengths[side]):
            paragraphs.append((y, down(x, y, column(f"{side}{n}", length))))
            y += 12 * length + 8
    parts = [part for _, paragraph in sorted(paragraphs) for part in paragraph]
    assert_order(read(page(parts)), "l0first", "l1first", "l2first", "l3last", "r0first", "r1first", "r3last")


def test_paragraphs_on_a_common_grid_are_no_table() -> None:
    left, right = column("A", 20), column("B", 20)
    parts = [
        (90 + 12 * n + 8 * (n // 5), x, lines[n]) for n in range(20) for x, lines in ((60.0, left), (320.0, right))
    ]
    assert_order(read(page(parts)), *BOTH)


def test_a_sidebar_drawn_across() -> None:
    body, side = down(60, 90, column("A", 30, 55)), down(430, 140, column("B", 8, 22))
    assert_order(read(page([(60.0, 60.0, "Heading"), *sorted(body + side)])), "Heading", *BOTH)


def test_columns_in_order_stay_as_they_are() -> None:
    parts = down(60, 90, column("A", 20)) + down(320, 90, column("B", 20))
    assert_order(read(page(parts)), *BOTH)


def test_text_along_the_margin_does_not_disturb() -> None:
    document = page(sorted(down(60, 90, column("A", 20)) + down(320, 90, column("B", 20))))
    document[0].insert_text((30, 500), "Downloaded from a library", rotate=90)
    assert_order(read(document), *BOTH)
    assert "Downloaded from a library" in read(document)


def table(rows: Sequence[Sequence[str]], places: Sequence[float], lead: float = 14) -> list[Part]:
    return [(100 + lead * n, x, cell) for n, row in enumerate(rows) for x, cell in zip(places, row, strict=True)]


def test_short_cells_are_read_by_rows() -> None:
    rows = [("Region", "Sales 2023", "Sales 2024")] + [
        (f"Place {n}", f"{117 + n}.50", f"{131 + n}.25") for n in range(12)
    ]
    lines = read(page(table(rows, (60, 220, 380)))).split("\n")
    assert lines == [" ".join(row) for row in rows]


@pytest.mark.parametrize("places", [(60, 220, 380), (60, 300, 420)])
def test_cells_with_words_are_read_by_rows(places: Sequence[float]) -> None:
    rows = [(f"Item {n} of the list", f"Supplier {n} Ltd", f"City {n}") for n in range(12)]
    assert read(page(table(rows, places))).split("\n") == [" ".join(row) for row in rows]


ANSWERS = [(f"Requirement {n}: the supplier delivers", f"Answer {n}: yes, every month by mail") for n in range(10)]


def test_wide_cells_far_apart_are_read_by_rows() -> None:
    assert read(page(table(ANSWERS, (60, 320), lead=24))).split("\n") == [" ".join(row) for row in ANSWERS]


@pytest.mark.parametrize("rule", ["line", "box"])
def test_wide_cells_between_rules_are_read_by_rows(rule: str) -> None:
    document = page(table(ANSWERS, (60, 320)))
    for n in range(10):
        if rule == "line":
            document[0].draw_line((55, 104 + 14 * n), (560, 104 + 14 * n))
        else:
            document[0].draw_rect((55, 90 + 14 * n, 560, 104 + 14 * n))
    text = read(document)
    assert_order(text, *(mark for n in range(10) for mark in (f"Requirement {n}", f"Answer {n}")))


def test_cells_of_several_lines_are_read_one_after_the_other() -> None:
    parts: list[Part] = []
    for n in range(5):
        top = 100.0 + 53 * n
        parts += sorted(down(60, top, column(f"R{n}", 3), 11) + down(320, top, column(f"S{n}", 4), 11))
    assert_order(
        read(page(parts)), *(f"{side}{n}{end}" for n in range(5) for side in "RS" for end in ("first", "last"))
    )


def test_terms_stay_with_what_explains_them() -> None:
    parts: list[Part] = []
    for n in range(8):
        parts += [(100.0 + 40 * n, 60.0, f"Term{n}"), *down(180, 100 + 40 * n, column(f"D{n}", 3, 60), 11)]
    assert_order(read(page(parts)), *(mark for n in range(8) for mark in (f"Term{n}", f"D{n}first", f"D{n}last")))


def test_parts_of_a_row_are_put_together() -> None:
    parts = [
        (100.0, 60.0, "1.2"),
        (100.0, 90.0, "Scope of the work"),
        (120.0, 60.0, "\u00a7"),
        (120.0, 75.0, "an item"),
    ]
    assert read(page(parts)) == "1.2 Scope of the work\n\u00a7 an item"


def test_many_lines_take_little_time() -> None:
    """A page with thousands of short texts, as a plan or a map has: steps are not quadratic."""
    rand = random.Random(0)
    parts = [(rand.uniform(10, 830), rand.uniform(10, 580), f"t{n}") for n in range(4000)]
    text = read(page(parts, size=2))
    assert all(f"t{n}" in text for n in range(0, 4000, 97))


def test_names_stay_beside_what_explains_them() -> None:
    rows = [(f"show{n} (img, map, zoom)", f"display the image in way {n} of many") for n in range(12)]
    assert read(page(table(rows, (60, 220), lead=11))).split("\n") == [" ".join(row) for row in rows]


def test_remarks_stay_beside_the_lines_of_a_program() -> None:
    rows = [(f"take the next line of it {n}", f"# say what it is good for {n}") for n in range(12)]
    assert read(page(table(rows, (60, 240), lead=11))).split("\n") == [" ".join(row) for row in rows]


@pytest.mark.parametrize("grid", [True, False])
def test_a_table_of_paragraphs_by_reportlab(grid: bool) -> None:
    """Its cells are centred or at the bottom, so that rows share neither their first lines nor their last."""
    style = getSampleStyleSheet()["BodyText"]
    rows = [
        [
            Paragraph(" ".join(column(f"{name}{n}", length)), style)
            for name, length in zip("ABC", (3, 4, 2), strict=True)
        ]
        for n in range(5)
    ]
    data = io.BytesIO()
    table_of = Table(rows, style=[("GRID", (0, 0), (-1, -1), 0.5, "black")] if grid else [])
    SimpleDocTemplate(data).build([table_of])
    text = read(pymupdf.open(stream=data.getvalue()))
    assert_order(text, *(f"{name}{n}first" for n in range(5) for name in "ABC"))


def test_heads_and_feet_at_both_sides_stay_out_of_the_columns() -> None:
    parts = sorted(down(60, 80, column("A", 40), 16) + down(320, 80, column("B", 40), 16))
    head, foot = (
        [(40.0, 60.0, "Chapter 3"), (40.0, 500.0, "Report")],
        [(790.0, 60.0, "Contoso Ltd"), (790.0, 540.0, "12")],
    )
    assert_order(read(page(head + parts + foot)), "Chapter 3 Report", *BOTH, "Contoso Ltd 12")
