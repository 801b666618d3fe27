"""An uploaded archive, or mail with attachments, is one document for its client."""

import asyncio
import hashlib
import zipfile
from email.message import EmailMessage
from pathlib import Path

import pytest

from longread.agent.api.ingest import UploadParser
from longread.agent.corpus import LoadOptions
from longread.agent.prompt.tokenizer import qwen
from longread.documents import Document
from longread.errors import DocumentError


def read(path: Path) -> Document:
    parser = UploadParser(LoadOptions(cache=False, timeout=300.0), qwen(), at_once=1)
    return asyncio.run(parser.read(path))


def test_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "letters.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.md", "# Head\n\nfirst words")
        archive.writestr("sub/b.txt", "second words")
        archive.writestr("x.bin", bytes(100))
    document = read(path)
    assert (document.name, document.source) == ("letters", "letters.zip")
    assert document.id == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [(page.number, page.label) for page in document.pages] == [(1, "a.md: Head"), (2, "sub/b.txt: line 1")]
    assert [(entry.level, entry.title, entry.page) for entry in document.outline] == [
        *((1, "a.md", 1), (2, "Head", 1), (1, "sub/b.txt", 2)),
    ]
    assert any("x.bin" in warning for warning in document.warnings)
    assert all(str(tmp_path) not in warning for warning in document.warnings)


def test_a_mail(tmp_path: Path) -> None:
    message = EmailMessage()
    message["Subject"], message["From"] = "Hello", "a@example.org"
    message.set_content("The text.")
    message.add_attachment("attached words", filename="note.txt")
    path = tmp_path / "mail.eml"
    path.write_bytes(bytes(message))
    document = read(path)
    assert [page.label for page in document.pages] == ["mail.eml: message", "note.txt: lines 1-2"]
    assert "attached words" in document.pages[1].text


def test_an_error_names_the_file_inside(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("bad.pdf", b"%PDF-1.7 nothing")
        archive.writestr("good.txt", "good")
    with pytest.raises(DocumentError) as raised:
        read(path)
    assert str(raised.value).startswith("a.zip/bad.pdf: ")
