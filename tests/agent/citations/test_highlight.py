"""Copies of PDFs in which quotes are highlighted: the right words, in a file that is otherwise the same."""

import errno
import hashlib
import os
from pathlib import Path

import bidi
import matplotlib
import pymupdf
import pytest

from longread.agent.citations.highlight import Highlights, highlight
from longread.agent.citations.quote_checker import check_quotes
from longread.agent.corpus import Corpus, LoadOptions
from longread.errors import DocumentError, PasswordRequired
from tests.support.corpora import document

LINES = (
    "Reading order matters for docu-",
    "ments with efficient columns.",
    "A million tokens take 57.3 GB",
    "of memory.",
)


def make(path: Path, *pages: tuple[str, ...], turn: int = 0, **save: object) -> Path:
    with pymupdf.open() as file:
        for lines in pages:
            page = file.new_page()
            page.insert_text((72, 100), list(lines))
            page.set_rotation(turn)
        file.save(path, **save)
    return path


def highlighted(path: Path, password: str = "") -> list[tuple[int, str, dict[str, str]]]:
    """(page, the words under it, what it says) for each highlight of a file."""
    found = []
    with pymupdf.open(path) as file:
        if password:
            assert file.authenticate(password)
        for page in file:
            for note in page.annots(types=[pymupdf.PDF_ANNOT_HIGHLIGHT]):
                corners = note.vertices
                boxes = [pymupdf.Quad(corners[at : at + 4]).rect for at in range(0, len(corners), 4)]
                # The middle of a character is within exactly one line's box.
                raw = page.get_text("rawdict", flags=pymupdf.TEXT_MEDIABOX_CLIP)
                words = "".join(
                    char["c"]
                    for block in raw["blocks"]
                    for line in block.get("lines", ())
                    for span in line["spans"]
                    for char in [*span["chars"], {"c": " ", "bbox": span["bbox"]}]
                    if any(_middle(char["bbox"]) in box for box in boxes) or char["c"] == " "
                )
                found.append((page.number + 1, " ".join(words.split()), note.info))
    return found


def _middle(box: tuple[float, float, float, float]) -> pymupdf.Point:
    return pymupdf.Point((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)


def run(path: Path, answer: str, target: Path, **options: object) -> Highlights:
    corpus = Corpus.load([path])
    return highlight(corpus, check_quotes(answer, corpus), target, **options)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_the_words_of_a_quote_are_highlighted(tmp_path: Path, turn: int) -> None:
    source = make(tmp_path / "a.pdf", ("Nothing here.",), LINES, turn=turn)
    before = hashlib.sha256(source.read_bytes()).hexdigest()
    answer = '"order matters for documents with efficient columns" [a:2] "A million tokens take 58.3 GB" [a:2]'
    result = run(source, answer, tmp_path / "out.pdf", question="What matters?")
    assert result.missed == ()
    assert [(file.document, file.path, len(file.quotes)) for file in result.files] == [("a", tmp_path / "out.pdf", 2)]
    (first_page, first, info), (_, second, other) = highlighted(tmp_path / "out.pdf")
    assert (first_page, first) == (2, "order matters for docu- ments with efficient columns")
    assert second == "A million tokens take 57.3 GB"
    assert (info["content"], info["title"], info["subject"]) == ("What matters?", "longread", "verified")
    assert other["subject"] == "corrected"
    assert hashlib.sha256(source.read_bytes()).hexdigest() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "out.pdf"]
    with pymupdf.open(source) as old, pymupdf.open(tmp_path / "out.pdf") as new:
        assert [page.get_text() for page in old] == [page.get_text() for page in new]
        drawn = old[1].get_pixmap(), new[1].get_pixmap()
    for rect, word in old_words(source):  # it is seen where the words are
        if word in ("order", "efficient", "million"):
            x, y = round((rect.x0 + rect.x1) / 2), round((rect.y0 + rect.y1) / 2)
            around = [(x + right, y + down) for right in range(-4, 5) for down in range(-4, 5)]
            assert any(drawn[0].pixel(*at) != drawn[1].pixel(*at) for at in around), word


def old_words(path: Path) -> list[tuple[pymupdf.Rect, str]]:
    """The words of page 2 and where they are drawn, in the page as it is shown."""
    with pymupdf.open(path) as file:
        page = file[1]
        return [(pymupdf.Rect(word[:4]) * page.rotation_matrix, word[4]) for word in page.get_text("words")]


def test_a_paper_in_two_columns(paper: Path, tmp_path: Path) -> None:
    words = "it is important to note that the AutoScholarQuery may only include a subset of the groundtruth papers"
    result = run(paper, f'"{words}" [pasa:6] and "{words}" [pasa:1]', tmp_path / "out.pdf")
    assert [quote.status for quote in result.files[0].quotes] == ["verified", "moved"]
    for page, found, _ in highlighted(tmp_path / "out.pdf"):
        assert page == 6
        assert found.replace("- ", "").replace("ground-truth", "groundtruth") == words


def test_the_place_is_the_one_that_was_quoted(tmp_path: Path) -> None:
    lines = ("The cat sat on the mat.", "Then it left.", "The cat sat on the mat.", "Then it slept for long.")
    source = make(tmp_path / "a.pdf", lines)
    run(source, '"The cat sat on the mat. Then it slept" [a:1]', tmp_path / "out.pdf")
    with pymupdf.open(tmp_path / "out.pdf") as file:
        page = file[0]  # MuPDF's annotations end with their page
        (note,) = page.annots()
        third = page.search_for("The cat sat on the mat")[1]
        assert note.rect.y0 > third.y0 - 5


def test_a_quote_over_two_pages_and_one_with_an_ellipsis(tmp_path: Path) -> None:
    source = make(tmp_path / "a.pdf", ("It ends in the middle",), ("of a sentence. The rest of it is of no interest.",))
    answer = '"in the middle of a sentence" [a:1] "The rest ... no interest" [a:2]'
    run(source, answer, tmp_path / "out.pdf")
    assert [(page, words) for page, words, _ in highlighted(tmp_path / "out.pdf")] == [
        (1, "in the middle"),
        (2, "of a sentence"),
        (2, "The rest"),
        (2, "no interest"),
    ]


def test_several_files(tmp_path: Path) -> None:
    make(tmp_path / "a.pdf", ("One thing is told here.",))
    make(tmp_path / "b.pdf", ("Another thing is told there.",))
    (tmp_path / "c.md").write_text("A third thing is told in text.")
    corpus = Corpus.load([tmp_path / name for name in ("a.pdf", "b.pdf", "c.md")])
    answer = (
        '"One thing is told" [a:1] "Another thing is told" [b:1] "third thing is told" [c:1] "no such words here" [a:1]'
    )
    result = highlight(corpus, check_quotes(answer, corpus), tmp_path / "out.pdf")
    assert [file.path.name for file in result.files] == ["out-a.pdf", "out-b.pdf"]
    assert [words for file in result.files for _, words, _ in highlighted(file.path)] == [
        "One thing is told",
        "Another thing is told",
    ]
    assert [(miss.quote.text, miss.reason) for miss in result.missed] == [
        ("third thing is told", "c is no PDF (text/markdown)"),
        ("no such words here", "no page has it"),
    ]


def test_encrypted_files(tmp_path: Path) -> None:
    make(tmp_path / "a.pdf", LINES, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="geheim", owner_pw="other")
    corpus = Corpus.load([tmp_path / "a.pdf"], options=LoadOptions(password="geheim"))
    quotes = check_quotes('"A million tokens take 57.3 GB of memory" [a:1]', corpus)
    for password in (None, "wrong"):
        with pytest.raises(PasswordRequired, match=r"a\.pdf: .*(encrypted|password is wrong)"):
            highlight(corpus, quotes, tmp_path / "out.pdf", password=password)
    assert not (tmp_path / "out.pdf").exists()
    highlight(corpus, quotes, tmp_path / "out.pdf", password="geheim")
    assert highlighted(tmp_path / "out.pdf", "geheim")[0][1] == "A million tokens take 57.3 GB of memory."[:-1]
    with pymupdf.open(tmp_path / "out.pdf") as file:
        assert file.needs_pass


def test_what_is_refused(tmp_path: Path) -> None:
    source = make(tmp_path / "a.pdf", LINES)
    corpus = Corpus.load([source])
    quotes = check_quotes('"A million tokens take 57.3 GB" [a:1]', corpus)
    (tmp_path / "there.pdf").write_bytes(b"kept")
    for target, why in (
        ("there.pdf", "is there already"),
        ("a.pdf", "is there already"),
        ("out.txt", r"end in \.pdf"),
        ("no/out.pdf", "there is no folder"),
    ):
        with pytest.raises(DocumentError, match=why):
            highlight(corpus, quotes, tmp_path / target)
    assert (tmp_path / "there.pdf").read_bytes() == b"kept"
    os.replace(source, tmp_path / "kept.pdf")
    os.mkfifo(source)  # nobody writes to it: whoever reads it waits
    with pytest.raises(DocumentError, match=r"could not be highlighted in 0\.5 s"):
        highlight(corpus, quotes, tmp_path / "out.pdf", timeout=0.5)
    os.replace(tmp_path / "kept.pdf", source)
    with pytest.raises(DocumentError, match="could not be highlighted"):
        highlight(corpus, quotes, tmp_path / "out.pdf", memory=1 << 20)
    make(tmp_path / "other.pdf", LINES, LINES)
    os.replace(tmp_path / "other.pdf", source)
    with pytest.raises(DocumentError, match=r"a\.pdf could not be highlighted: it has changed"):
        highlight(corpus, quotes, tmp_path / "out.pdf")
    source.unlink()
    with pytest.raises(DocumentError, match=os.strerror(errno.ENOENT)):
        highlight(corpus, quotes, tmp_path / "out.pdf")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.pdf"]


def test_documents_that_are_no_pdf(tmp_path: Path) -> None:
    (tmp_path / "c.md").write_text("A third thing is told in text.")
    corpus = Corpus.load([tmp_path / "c.md"])
    with pytest.raises(DocumentError, match="Only PDFs can be highlighted: c is text/markdown"):
        highlight(corpus, check_quotes('"A third thing is told" [c:1]', corpus), tmp_path / "out.pdf")
    nothing = highlight(corpus, check_quotes('"No such words are here" [c:1]', corpus), tmp_path / "out.pdf")
    assert (nothing.files, nothing.missed[0].reason) == ((), "no page has it")
    stdin = Corpus(documents=(document("stdin", "A third thing is told.").model_copy(update={"source": "-"}),))
    with pytest.raises(DocumentError, match="came from standard input"):
        highlight(stdin, check_quotes('"A third thing is told" [stdin:1]', stdin), tmp_path / "out.pdf")


def test_words_that_are_not_drawn_are_missed(tmp_path: Path) -> None:
    """As with OCR, whose text the file does not have."""
    corpus = Corpus.load([make(tmp_path / "a.pdf", LINES)])
    page = corpus["a"].pages[0].model_copy(update={"text": "Words that were read off a picture."})
    seen = Corpus(documents=(corpus["a"].model_copy(update={"pages": (page,)}),))
    result = highlight(seen, check_quotes('"Words that were read off a picture" [a:1]', seen), tmp_path / "out.pdf")
    assert (result.files, [miss.reason for miss in result.missed]) == ((), ["its place on page 1 was not found"])
    assert not (tmp_path / "out.pdf").exists()


def test_words_that_the_text_of_a_page_has_with_marks(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    with pymupdf.open() as file:
        page = file.new_page()
        x = 72.0
        for text, size, raised in (("It is about 10", 11, 0), ("6", 7, 4), (" km away from here.", 11, 0)):
            page.insert_text((x, 100 - raised), text, fontsize=size)
            x += pymupdf.get_text_length(text, "helv", size)
        page.insert_text((72, 130), "Introduction ........................ 5")
        file.save(source)
    corpus = Corpus.load([source])
    assert corpus["a"].pages[0].text == "It is about 10^6 km away from here.\nIntroduction … 5"
    quotes = check_quotes('"It is about 10^6 km away" [a:1] "Introduction … 5" [a:1]', corpus)
    assert [quote.status for quote in quotes] == ["verified", "verified"]
    result = highlight(corpus, quotes, tmp_path / "out.pdf")
    assert result.missed == ()
    found = [words for _, words, _ in highlighted(tmp_path / "out.pdf")]
    assert found[0].replace(" ", "") == "Itisabout106kmaway"


def test_columns_that_are_drawn_across(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    with pymupdf.open() as file:
        page = file.new_page()
        for n in range(12):
            page.insert_text((60, 100 + 12 * n), f"left line {n} goes on with more words", fontsize=9)
            page.insert_text((320, 100 + 12 * n), f"right line {n} goes on with other words", fontsize=9)
        file.save(source)
    words = "left line 4 goes on with more words left line 5 goes on with more words"
    result = run(source, f'"{words}" [a:1]', tmp_path / "out.pdf")
    assert [quote.status for quote in result.files[0].quotes] == ["verified"]
    assert [found for _, found, _ in highlighted(tmp_path / "out.pdf")] == [words]


def test_text_from_the_right(tmp_path: Path) -> None:
    source = tmp_path / "a.pdf"
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    lines = ("החוזה מסתיים ב-31 במרץ 2027.", "הסכום הוא 1,234.56 לשנה.")
    with pymupdf.open() as file:
        page = file.new_page()
        page.insert_font("text", fontfile=str(font))
        for n, line in enumerate(lines):
            page.insert_text((72, 100 + 24 * n), str(bidi.get_display(line, base_dir="R")), fontname="text")
        file.save(source)
    result = run(source, f'"{lines[1]}" [a:1]', tmp_path / "out.pdf")
    assert [quote.status for quote in result.files[0].quotes] == ["verified"]
    assert result.missed == ()
    with pymupdf.open(tmp_path / "out.pdf") as file:
        page = file[0]
        (note,) = page.annots()
        assert 105 < note.rect.y0 < note.rect.y1 < 135
        assert note.rect.width > 100
