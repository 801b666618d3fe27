"""Old office files, converted by a program in LibreOffice's place."""

import os
import zipfile
from pathlib import Path

import pytest

from longread.agent.corpus import Corpus, LoadOptions
from longread.agent.corpus.formats import ParseError, ParseOptions, WrongFormat, detect, libreoffice
from longread.agent.corpus.formats.libreoffice import OldExcel, OldPowerPoint, OldWord
from tests.agent.corpus.formats.compound_files import compound_file

DOCUMENT = (
    '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
    "<w:t>converted words</w:t></w:r></w:p></w:body></w:document>"
)
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType='
    '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/>'
    "</Relationships>"
)


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A script called soffice, on the path. It appends its arguments to a file `called`."""
    result = tmp_path / "result.docx"
    with zipfile.ZipFile(result, "w") as archive:
        for name, text in (("[Content_Types].xml", TYPES), ("_rels/.rels", RELATIONS), ("word/document.xml", DOCUMENT)):
            archive.writestr(name, text)
    folder = tmp_path / "bin"
    folder.mkdir()
    script(
        folder,
        f'echo "$@" >> {tmp_path}/called\nwhile [ "$1" != --outdir ]; do shift; done\n'
        f'mkdir -p "$2"\ncp {result} "$2/source.docx"\n',
    )
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def script(folder: Path, commands: str) -> None:
    (folder / "soffice").write_text(f"#!/bin/sh\n{commands}")
    (folder / "soffice").chmod(0o755)


def test_a_file_is_converted_and_read(office: Path, tmp_path: Path) -> None:
    path = tmp_path / "letter.doc"
    path.write_bytes(compound_file({"WordDocument": b"x" * 100}))
    (document,) = Corpus.load([path], options=LoadOptions(cache=False, timeout=300.0))
    assert "converted words" in document.pages[0].text
    assert "LibreOffice" in document.warnings[0]
    called = (tmp_path / "called").read_text()
    assert "--headless" in called
    assert "-env:UserInstallation=file:///" in called
    assert "--convert-to docx" in called
    assert str(path) not in called  # no name that a stranger chose


@pytest.mark.parametrize(
    ("commands", "message"),
    [
        ("echo no filter; exit 1\n", "could not convert it.*no filter"),
        ("echo wrong Password; exit 1\n", "encrypted"),
        (
            'while [ "$1" != --outdir ]; do shift; done; mkdir -p "$2"; echo x > "$2/source.docx"\n',
            "not a|damaged|Word",
        ),
    ],
)
def test_a_conversion_that_fails(office: Path, commands: str, message: str) -> None:
    script(office, commands)
    with pytest.raises(ParseError, match=message):
        OldWord().open(b"x", ParseOptions())


def test_a_conversion_without_end(office: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(office, "exec sleep 600\n")
    monkeypatch.setattr(libreoffice, "_SECONDS", 0.2)
    with pytest.raises(ParseError, match="within"):
        OldWord().open(b"x", ParseOptions())


@pytest.mark.parametrize(("known", "target"), [(OldWord, "docx"), (OldExcel, "xlsx"), (OldPowerPoint, "pptx")])
def test_without_libreoffice_the_error_says_what_to_do(
    known: type[libreoffice.Converted], target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libreoffice, "program", lambda: None)
    with pytest.raises(ParseError, match=rf"install LibreOffice.*\.{target}"):
        known().open(b"x", ParseOptions())


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("WordDocument", "Word before 2007"),
        ("Workbook", "Excel before 2007"),
        ("Book", "Excel before 2007"),
        ("PowerPoint Document", "PowerPoint before 2007"),
        ("__properties_version1.0", "Outlook mail"),
    ],
)
def test_the_content_decides_over_the_extension(tmp_path: Path, stream: str, expected: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(compound_file({stream: b"x" * 100}))
    assert detect("thing.doc", path).name == expected


def test_compound_files_that_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(compound_file({"EncryptedPackage": b"x" * 100}))
    with pytest.raises(WrongFormat, match="password"):
        detect("a.docx", path)
    path.write_bytes(compound_file({"VisioDocument": b"x" * 100}))
    with pytest.raises(WrongFormat, match="compound file"):
        detect("a.vsd", path)
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    with pytest.raises(WrongFormat, match="damaged"):
        detect("a.doc", path)
