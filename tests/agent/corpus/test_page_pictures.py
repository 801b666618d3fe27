"""Pictures of pages, rendered in another process."""

from pathlib import Path

import pymupdf
import pytest

from longread import Corpus, LoadOptions
from longread.agent.corpus.page_pictures import has_pictures, page_pictures
from longread.errors import DocumentError, PasswordRequired


def pdf(path: Path, *sizes: tuple[float, float], **save: object) -> Path:
    with pymupdf.open() as file:
        for size in sizes:
            file.new_page(width=size[0], height=size[1]).insert_text((10, 20), "a page with a little text on it")
        file.save(path, **save)  # pyright: ignore[reportArgumentType]
    return path


def test_pages_are_rendered_at_the_resolution_asked_for(tmp_path: Path) -> None:
    path = pdf(tmp_path / "two.pdf", (144, 72), (72, 144), (72, 72))
    (document,) = Corpus.load([path], options=LoadOptions(cache=False))
    assert has_pictures(document)
    pictures = list(page_pictures(document, [1, 2], dpi=100))
    assert [(p.page, p.width, p.height) for p in pictures] == [(1, 200, 100), (2, 100, 200)]
    seen = pymupdf.Pixmap(pictures[0].jpeg)
    assert (seen.width, seen.height) == (200, 100)
    assert len(list(page_pictures(document))) == 3


def test_the_picture_of_a_plan_is_bounded(tmp_path: Path) -> None:
    (document,) = Corpus.load([pdf(tmp_path / "plan.pdf", (14_000, 14_000))], options=LoadOptions(cache=False))
    (picture,) = page_pictures(document, dpi=300)
    assert 3_900_000 < picture.width * picture.height < 4_300_000


def test_an_encrypted_file_needs_its_password(tmp_path: Path) -> None:
    path = pdf(
        tmp_path / "locked.pdf", (72, 72), encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="open", owner_pw="all"
    )
    (document,) = Corpus.load([path], options=LoadOptions(cache=False, password="open"))
    with pytest.raises(PasswordRequired):
        list(page_pictures(document))
    assert len(list(page_pictures(document, password="open"))) == 1


def test_a_file_that_has_changed_is_refused(tmp_path: Path) -> None:
    path = pdf(tmp_path / "changed.pdf", (72, 72))
    (document,) = Corpus.load([path], options=LoadOptions(cache=False))
    pdf(path, (72, 72), (72, 72))
    with pytest.raises(DocumentError, match=r"changed\.pdf, page 1: .*changed"):
        list(page_pictures(document))


def test_text_has_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("words")
    (document,) = Corpus.load([tmp_path / "a.txt"], options=LoadOptions(cache=False))
    assert not has_pictures(document)
