"""PDF: what a page says, what it is called, and what cannot be read of it."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.formats.pdf.labels import numeral
from longread.agent.corpus.formats.pdf.ocr import tessdata
from longread.agent.prompt.tokenizer import qwen
from longread.control_tokens import neutralise
from longread.errors import ConfigError, DocumentError, PasswordRequired, UnsupportedFormat
from tests.agent.corpus.loading import load, text_of

Pypdf = Callable[[str], Path]


def make(path: Path, *texts: str, **save: object) -> Path:
    """A PDF with a page a text."""
    with pymupdf.open() as document:
        for text in texts:
            page = document.new_page()
            if text:
                page.insert_text((72, 100), text)
        document.save(path, **save)
    return path


def test_a_paper(paperqa: Pypdf) -> None:
    document = load(paperqa("pasa.pdf"))
    assert (document.name, document.title, len(document.pages)) == ("pasa", "pasa", 15)
    assert document.media_type == "application/pdf"
    assert [page.number for page in document.pages] == list(range(1, 16))
    assert document.outline[0].title == "Introduction"
    assert (document.outline[0].level, document.outline[0].page) == (1, 1)
    assert document.metadata["creator"] == "LaTeX with hyperref"
    text = text_of(document)
    assert "We introduce PaSa, an advanced Paper Search" in text
    assert "efficient" in text  # typeset with a ligature
    assert not re.search("[\ufb00-\ufb06]", text)
    expected = [qwen().count(neutralise(page.text)[0] + "\n") for page in document.pages]
    assert [page.tokens for page in document.pages] == expected
    assert document.tokens == sum(expected)


def test_no_letter_of_any_page_is_lost(pypdf: Pypdf, paperqa: Pypdf) -> None:
    for path in (paperqa("paper.pdf"), pypdf("GeoBase_NHNC1_Data_Model_UML_EN.pdf"), pypdf("indirect-rotation.pdf")):
        document = load(path)
        with pymupdf.open(path) as plain:
            for page, reference in zip(document.pages, plain, strict=True):
                letters = unicodedata.normalize("NFC", reference.get_text("text", flags=0))
                # In another order, and words that a line end divides put together; but all of them.
                lost = Counter(filter(str.isalnum, letters)) - Counter(filter(str.isalnum, page.text))
                assert not lost, (path.name, page.number)


def test_words_divided_at_line_ends_are_joined(tmp_path: Path) -> None:
    lines = [
        "Reading order matters for docu-",
        "ments with a well-",
        "known order, 1990-",
        "2000, and North-",
        "South.",
    ]
    path = make(tmp_path / "a.pdf", "\n".join([*lines, "It is a well-known thing."]))
    assert load(path).pages[0].text.split("\n") == [
        "Reading order matters for documents with a well-known order, 1990-2000, and North-South.",
        "It is a well-known thing.",
    ]


def test_page_labels(tmp_path: Path) -> None:
    path = tmp_path / "labelled.pdf"
    with pymupdf.open() as document:
        for _ in range(40):
            document.new_page().insert_text((72, 100), "text")
        rules = [
            {"startpage": 0, "prefix": "", "style": "r", "firstpagenum": 1},
            {"startpage": 4, "prefix": "A-", "style": "D", "firstpagenum": 7},
            {"startpage": 6, "prefix": "", "style": "a", "firstpagenum": 26},
            {"startpage": 8, "prefix": "Cover", "style": "", "firstpagenum": 1},
            {"startpage": 9, "prefix": "", "style": "R", "firstpagenum": 49},
        ]
        document.set_page_labels(rules)
        document.save(path)
    labels = [page.label for page in load(path).pages]
    assert labels[:11] == ["i", "ii", "iii", "iv", "A-7", "A-8", "z", "aa", "Cover", "XLIX", "L"]
    assert len(labels) == 40  # more pages than the first job of a file reads
    with pymupdf.open(path) as document:
        assert labels == [page.get_label() for page in document]
    assert numeral(1994, "R") == "MCMXCIV"


def test_pages_without_labels_are_called_by_their_number(tmp_path: Path) -> None:
    assert [page.label for page in load(make(tmp_path / "a.pdf", "one", "two")).pages] == ["1", "2"]


def test_rotated_pages(pypdf: Pypdf, tmp_path: Path) -> None:
    source = pypdf("crazyones.pdf")
    upright = load(source).pages[0].text
    for turn in (90, 180, 270):
        path = tmp_path / f"{turn}.pdf"
        with pymupdf.open(source) as document:
            document[0].set_rotation(turn)
            document.save(path)
        assert load(path).pages[0].text == upright


def test_form_values_and_comments_are_read(pypdf: Pypdf) -> None:
    assert "Alice" in load(pypdf("libreoffice-form.pdf")).pages[0].text
    assert load(pypdf("form_acrobatReader.pdf")).pages[0].text == "foo Bar\n1"
    assert "[comment by moose: Note in second paragraph]" in load(pypdf("commented.pdf")).pages[0].text


def test_attachments_are_named(pypdf: Pypdf, tmp_path: Path) -> None:
    (warning,) = load(pypdf("attachment.pdf")).warnings
    assert warning.startswith("Page 1: the attached file jpeg.pdf was not read")
    path = tmp_path / "with.pdf"
    with pymupdf.open() as document:
        document.new_page().insert_text((72, 100), "see the attachment")
        document.embfile_add("data.csv", b"a,b")
        document.save(path)
    (warning,) = load(path).warnings
    assert warning.startswith("Attached files were not read: data.csv")


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("encryption/r2-user-password.pdf", "asdfzxcv"),
        ("encryption/r4-aes-user-password.pdf", "asdfzxcv"),
        ("encryption/r6-both-passwords.pdf", "foo"),
        ("encryption/r6-both-passwords.pdf", "bar"),
        ("libreoffice-writer-password.pdf", "openpassword"),
    ],
)
def test_encrypted(pypdf: Pypdf, name: str, password: str) -> None:
    path = pypdf(name)
    with pytest.raises(PasswordRequired) as missing:
        load(path)
    assert str(missing.value) == f"{path}: encrypted; give its password with --password (password=… in LoadOptions)"
    assert missing.value.source == str(path)
    with pytest.raises(PasswordRequired, match=r"password is wrong.*--password"):
        load(path, password="wrong")
    assert load(path, password=password).tokens > 0


def test_a_file_that_opens_without_its_password_needs_none(pypdf: Pypdf) -> None:
    assert load(pypdf("encryption/r6-owner-password.pdf")).tokens > 0


def scan(path: Path, tmp_path: Path, number: int, dpi: int = 150, stamp: str = "") -> Path:
    """A page of a PDF as a picture in another."""
    out = tmp_path / "scan.pdf"
    with pymupdf.open(path) as source, pymupdf.open() as document:
        picture = source[number - 1].get_pixmap(dpi=dpi)
        document.new_page().insert_text((72, 100), "A page with text.")
        page = document.new_page()
        page.insert_image(page.rect, pixmap=picture)
        if stamp:
            page.insert_text((10, 10), stamp)
        document.new_page()  # blank: nothing to read, nothing to warn of
        document.save(out)
    return out


def test_pages_without_a_text_layer_are_named(paperqa: Pypdf, tmp_path: Path) -> None:
    document = load(scan(paperqa("paper.pdf"), tmp_path, 2), ocr="never")
    (warning,) = document.warnings
    assert warning.startswith("Page 2: no text layer")
    assert "--ocr always" in warning
    assert [page.text for page in document.pages] == ["A page with text.", "", ""]
    assert [page.needs_picture for page in document.pages] == [False, True, False]
    stamped = load(scan(paperqa("paper.pdf"), tmp_path, 2, stamp="Case 1:21-cv-01234 " * 5), ocr=False)
    assert stamped.warnings[0].startswith("Page 2: next to no text")


def test_ocr(paperqa: Pypdf, tmp_path: Path) -> None:
    document = load(scan(paperqa("paper.pdf"), tmp_path, 2, stamp="Scanned by Ada"))  # "auto": its data is there
    assert document.warnings == ("Page 2: read by OCR.",)
    assert document.pages[0].text == "A page with text."
    text = document.pages[1].text
    assert "Scanned by Ada" in text
    assert "Deep learning (DL) is advancing the boundaries of computational chemistry" in text
    with pymupdf.open(paperqa("paper.pdf")) as original:
        words = set(re.findall(r"[a-z]{4,}", original[1].get_text()))
    assert len(words & set(re.findall(r"[a-z]{4,}", text))) > 0.9 * len(words)
    assert document.pages[1].tokens > 300


def test_ocr_without_language_data(monkeypatch: pytest.MonkeyPatch, pypdf: Pypdf, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="OCR needs tesseract's data for 'tlh'") as missing:
        load(pypdf("form.pdf"), ocr=True, ocr_language="tlh")
    assert "tlh.traineddata" in str(missing.value)
    assert "apt-get install tesseract-ocr-tlh" in str(missing.value)
    with pytest.raises(ConfigError, match=r"eng\.traineddata, tlh\.traineddata"):
        tessdata("eng+tlh")
    (tmp_path / "text.txt").write_text("No PDF, so OCR has nothing to do.")
    assert load(tmp_path / "text.txt", ocr=True, ocr_language="tlh").tokens > 0


def test_language_data_is_looked_for_where_the_user_says_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert (tessdata("eng") / "eng.traineddata").is_file()
    own = tmp_path / "own"
    own.mkdir()
    (own / "eng.traineddata").touch()
    monkeypatch.setenv("TESSDATA_PREFIX", str(own))
    assert tessdata("eng") == own
    monkeypatch.delenv("TESSDATA_PREFIX")
    # The program's own folder, as it reports it.
    listed = tmp_path / "listed"
    listed.mkdir()
    (listed / "tlh.traineddata").touch()
    program = tmp_path / "bin" / "tesseract"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho 'List of available languages in \"{listed}/\" (1):'\necho tlh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert tessdata("tlh") == listed


def test_fonts_without_unicode_values(pypdf: Pypdf, paperqa: Pypdf) -> None:
    document = load(paperqa("paper.pdf"), ocr="never")
    assert document.warnings[:1] == (
        "Pages 9, 12: some characters have no Unicode value in the file's fonts and may read as nonsense.",
    )


def test_layout(paperqa: Pypdf) -> None:
    pages = {}
    with pymupdf.open(paperqa("pasa.pdf")) as source, pymupdf.open() as document:
        document.insert_pdf(source, from_page=5, to_page=6)
        path = paperqa("pasa.pdf").with_name("two.pdf")
        document.save(path)
    pages = load(path, layout=True, timeout=300).pages
    plain = load(path).pages
    assert "# **5 Experiments**" in pages[1].text
    assert "|learning rate|1e-6|" in pages[1].text
    for page, reference in zip(pages, plain, strict=True):
        # Formulas are marked up letter by letter, so letters are what can be compared.
        letters, found = (Counter(filter(str.isalnum, text)) for text in (reference.text, page.text))
        assert sum((letters - found).values()) < 0.02 * sum(letters.values())


def test_damaged_files(pypdf: Pypdf, tmp_path: Path) -> None:
    assert "The file is damaged; MuPDF repaired what it could." in load(pypdf("toy.pdf")).warnings
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7\nthis is not a PDF\n")
    with pytest.raises(DocumentError, match=r"broken\.pdf: (not a PDF, or damaged beyond repair|it has no pages)"):
        load(broken)
    html = tmp_path / "page.pdf"
    html.write_text("<html>404 Not Found</html>")
    with pytest.raises(UnsupportedFormat, match=r"page\.pdf: not a PDF; give it the extension of what it is"):
        load(html)
    cut = tmp_path / "cut.pdf"
    cut.write_bytes(pypdf("git.pdf").read_bytes()[:9000])
    assert "The file is damaged; MuPDF repaired what it could." in load(cut).warnings


def test_every_pdf_of_a_test_suite_of_pdfs_is_read_or_refused(real: Callable[[str, str], Path]) -> None:
    """Files collected because they broke some parser."""
    import tarfile

    from tests.support.real_files import package

    with tarfile.open(package("pypdf==7.1.0")) as archive:
        members = [m.name.partition("/")[2] for m in archive.getmembers() if m.name.endswith(".pdf")]
    paths = [real("pypdf==7.1.0", name) for name in members]
    corpus = Corpus.load(paths, options=LoadOptions(cache=False, ocr="never"), on_error="collect")
    # Same bytes under two names, and the encrypted ones.
    assert len(corpus) + len(corpus.failures) > 60
    assert {type(failure) for failure in corpus.failures} == {PasswordRequired}
    for document in corpus:
        assert document.pages
        assert len({page.number for page in document.pages}) == len(document.pages)
