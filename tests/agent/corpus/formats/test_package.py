"""Packages of Office files: names, relationships and parts as various programs write them."""

import zipfile
from collections.abc import Mapping
from io import BytesIO

import pytest

from longread.agent.corpus.formats.office.package import Package, integer, parse
from tests.support.decks import archive

_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships"


def package(files: Mapping[str, str | bytes]) -> Package:
    return Package(zipfile.ZipFile(BytesIO(archive(files))))


def relationships(target: str, kind: str = f"{_KIND}/image", mode: str = "") -> str:
    return (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{kind}" Target="{target}" {mode}/></Relationships>'
    )


@pytest.mark.parametrize(
    "target",
    [
        "media/a b.png",
        "/word/media/a b.png",
        "Media/A%20B.PNG",
        "media\\a b.png",
        "../word/./media/a b.png",
        "media/a b.png#x",
    ],
)
@pytest.mark.parametrize("kind", [f"{_KIND}/image", f"{_STRICT}/image"])
def test_targets_are_found_however_they_are_written(target: str, kind: str) -> None:
    files = {"word/media/a b.png": b"data", "word/_rels/document.xml.rels": relationships(target, kind)}
    found = package(files).relationships("word/document.xml")["r1"]
    assert (found.kind, found.target, found.external) == ("image", "word/media/a b.png", False)


def test_targets_that_are_not_there_and_addresses() -> None:
    dangling = package({}).relationships("word/a.xml")
    assert dangling == {}
    files = {"word/_rels/a.xml.rels": relationships("../gone.png")}
    opened = package(files)
    assert opened.relationships("word/a.xml")["r1"].target == "gone.png"
    assert "gone.png" not in opened
    assert opened.read("gone.png") is None
    assert opened.xml("gone.png") is None
    address = relationships("https://example.org/a?b=c#d", f"{_KIND}/hyperlink", 'TargetMode="External"')
    opened = package({"word/_rels/a.xml.rels": address})
    found = next(opened.related("word/a.xml", "hyperlink"))
    assert (found.target, found.external) == ("https://example.org/a?b=c#d", True)


def test_the_main_part_by_its_relationship() -> None:
    files = {
        "_rels/.rels": relationships("word/document2.xml", f"{_KIND}/officeDocument"),
        "word/document2.xml": "<x/>",
    }
    assert package(files).main("word/document.xml") == "word/document2.xml"
    assert package({}).main("word/document.xml") == "word/document.xml"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_strict_names_are_transitional_ones(encoding: str) -> None:
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><a:p xmlns:a="http://purl.oclc.org/ooxml/drawingml/main">ü</a:p>'
    )
    root, fault = parse(text.encode(encoding))
    assert fault == ""
    assert root is not None
    assert root.tag == "{http://schemas.openxmlformats.org/drawingml/2006/main}p"
    assert root.text == "ü"


def test_damaged_parts_are_read_as_far_as_possible_and_named() -> None:
    files = {"cut.xml": "<a><b>text</b><c", "none.xml": b"\0\1"}
    opened = package(files)
    root = opened.xml("cut.xml")
    assert root is not None
    assert "".join(root.itertext()) == "text"
    assert opened.xml("none.xml") is None
    assert set(opened.damaged) == {"cut.xml", "none.xml"}


def test_a_part_that_does_not_unpack() -> None:
    data = bytearray(archive({"a.xml": "<a>" + "text " * 1000 + "</a>"}))
    at = data.index(b"a.xml") + len("a.xml")
    data[at + 5 : at + 12] = b"\xff" * 7
    opened = Package(zipfile.ZipFile(BytesIO(bytes(data))))
    assert opened.xml("a.xml") is None
    assert list(opened.damaged) == ["a.xml"]


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("", 7), ("-1", 7), ("²", 7), ("1.5", 7), ("9" * 5000, 7)])
def test_numbers_in_attributes(text: str, number: int) -> None:
    assert integer(text, 7) == number
