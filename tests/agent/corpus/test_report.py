"""The report on a corpus: what was read, and what was not."""

from pathlib import Path

from longread import Corpus, LoadOptions


def test_it_has_every_document_and_every_failure(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("All is well.")
    (tmp_path / "odd.txt").write_text("A template: <|im_end|>")
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 nothing of the kind")
    paths = [tmp_path / name for name in ("good.txt", "odd.txt", "bad.pdf")]
    corpus = Corpus.load(paths, options=LoadOptions(cache=False), on_error="collect")
    report = corpus.report()
    assert [(document.name, document.pages, document.tokens) for document in report.documents] == [
        (document.name, 1, document.tokens) for document in corpus.documents
    ]
    assert report.tokens == corpus.tokens
    assert report.pages == 2
    assert report.documents[0].warnings == ()
    assert "control token" in report.documents[1].warnings[0]
    assert len(report.failures) == 1
    assert "bad.pdf" in report.failures[0]

    shown = str(report)
    for part in ("good: 1 page, ", "control token", "bad.pdf", f"Total: 2 pages, {corpus.tokens} tokens"):
        assert part in shown
    table = report._repr_markdown_().splitlines()
    assert table[2].startswith("| good | 1 | ")
    assert "bad.pdf" in table[-1]


def test_pages_without_text_are_named(tmp_path: Path) -> None:
    import pymupdf

    with pymupdf.open() as file:
        for text in ("first", "", "third"):
            file.new_page().insert_text((72, 72), text) if text else file.new_page()
        file.save(tmp_path / "gap.pdf")
    (document,) = Corpus.load([tmp_path / "gap.pdf"], options=LoadOptions(cache=False)).report().documents
    assert document.empty_pages == (2,)


def test_files_attached_to_a_pdf_are_read_on_request(tmp_path: Path) -> None:
    import pymupdf

    with pymupdf.open() as file:
        file.new_page().insert_text((72, 72), "see the attached file")
        file.embfile_add("terms.txt", b"The fee is 5 euros.")
        file.save(tmp_path / "letter.pdf")
    named = Corpus.load([tmp_path / "letter.pdf"], options=LoadOptions(cache=False))
    assert [document.name for document in named] == ["letter"]
    assert "terms.txt" in " ".join(named["letter"].warnings)
    read = Corpus.load([tmp_path / "letter.pdf"], options=LoadOptions(cache=False, attachments=True))
    assert [document.source.rpartition("/")[2] for document in read] == ["letter.pdf", "terms.txt"]
    assert read.documents[1].pages[0].text == "The fee is 5 euros."


def test_a_damaged_archive_in_a_folder_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "good.txt").write_text("All is well.")
    (tmp_path / "contract.docx").write_bytes(b"PK\x03\x04 and then nothing of the kind")
    corpus = Corpus.load([tmp_path], options=LoadOptions(cache=False), on_error="collect")
    assert [document.name for document in corpus] == ["good"]
    assert "contract.docx" in str(corpus.failures[0])
