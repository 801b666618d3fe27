"""What is printed while files are read: a line for each of a few, one for many; and files that cannot be read."""

from pathlib import Path

import pytest

from longread.agent.cli import setup
from longread.agent.cli.config import Settings
from longread.agent.cli.progress import LoadProgress
from longread.agent.corpus import FileFailed, FileLoaded, FileStarted, PagesRead
from longread.errors import DocumentError


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def loaded(name: str, pages: int = 2, *, cached: bool = False) -> FileLoaded:
    return FileLoaded(source=name, pages=pages, tokens=10, seconds=0.5, cached=cached)


def test_a_few_files_have_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with LoadProgress() as show:
        show(FileStarted(source="a.pdf", pages=2))
        show(PagesRead(source="a.pdf", done=2, total=2))
        show(loaded("a.pdf"))
        show(loaded("b.zip", pages=0))
        show(loaded("b.zip/c.txt", pages=1, cached=True))
        show(FileFailed(source="d.pdf", error="damaged"))
    assert lines(capsys) == ["a.pdf: 2 pages, 10 tokens, in 0.5 s", "b.zip/c.txt: 1 page, 10 tokens, from the cache"]


def test_many_files_have_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LoadProgress() as show:
        for number in range(200):
            show(FileStarted(source=f"{number}.txt", pages=None))
            show(PagesRead(source=f"{number}.txt", done=1, total=2))
            show(loaded(f"{number}.txt", cached=number % 4 == 0))
    (line,) = lines(capsys)
    assert line.startswith("200 files, 50 of them from the cache: 400 pages, 2,000 tokens, in ")


def test_a_folder_with_a_bad_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(8):
        (tmp_path / f"{number}.txt").write_text(f"text {number}")
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    settings = Settings.model_validate({"parse_timeout": 300.0})
    with pytest.raises(DocumentError, match=r"broken\.pdf: .*--skip-unreadable"):
        setup.load_corpus(settings, [str(tmp_path)])
    assert lines(capsys)[0].startswith("8 files: 8 pages, ")
    corpus = setup.load_corpus(settings, [str(tmp_path)], skip_unreadable=True)
    assert len(corpus) == 8
    assert any("left out" in line and "broken.pdf" in line for line in lines(capsys))
    with pytest.raises(DocumentError) as raised:  # nothing is left to answer from
        setup.load_corpus(settings, [str(tmp_path / "broken.pdf")])
    assert "--skip-unreadable" not in str(raised.value)
