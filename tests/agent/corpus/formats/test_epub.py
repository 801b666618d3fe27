"""EPUB: the pages of a book in reading order, whatever its package lacks."""

import io
import zipfile
from collections.abc import Mapping

import pytest

from longread.agent.corpus.formats import OpenFile, ParseError, ParseOptions
from longread.agent.corpus.formats.epub import Epub

CONTAINER = (
    '<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
    "{}</rootfiles></container>"
)
ROOT = '<rootfile full-path="{}" media-type="application/oebps-package+xml"/>'
XHTML = (
    '<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml" '
    'xmlns:epub="http://www.idpf.org/2007/ops"><head><title>t</title>{head}</head><body>{body}</body></html>'
)
NCX = (
    '<?xml version="1.0"?><ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap>{points}</navMap>'
    "<pageList>{pages}</pageList></ncx>"
)
ENCRYPTED = (
    '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
    '<e:EncryptedData><e:EncryptionMethod Algorithm="{}"/><e:CipherData><e:CipherReference URI="{}"/></e:CipherData>'
    "</e:EncryptedData></encryption>"
)


def page(body: str, head: str = "") -> str:
    return XHTML.format(body=body, head=head)


def package(items: Mapping[str, str], spine: str | None, metadata: str = "", toc: str = "") -> str:
    """A package document. `items` are addresses to properties; `spine` are the identifiers "i0", "i1" and so on."""
    kinds = {"ncx": "application/x-dtbncx+xml", "svg": "image/svg+xml", "png": "image/png", "css": "text/css"}
    manifest = "".join(
        f'<item id="i{number}" href="{href}" properties="{about}" '
        f'media-type="{kinds.get(href.partition("#")[0].rpartition(".")[2].lower(), "application/xhtml+xml")}"/>'
        for number, (href, about) in enumerate(items.items())
    )
    references = "".join(f'<itemref idref="{name}"/>' for name in (spine or "").split())
    references = references.replace('!"', '" linear="no"')
    listed = "" if spine is None else f'<spine toc="{toc}">{references}</spine>'
    return (
        '<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/">{metadata}</metadata><manifest>{manifest}</manifest>{listed}'
        "</package>"
    )


def epub(files: Mapping[str, str | bytes], root: str = "OEBPS/content.opf") -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, text in {"META-INF/container.xml": CONTAINER.format(ROOT.format(root)), **files}.items():
            archive.writestr(name, text)
    return data.getvalue()


def read(files: Mapping[str, str | bytes], **options: str) -> OpenFile:
    return Epub().open(epub(files), ParseOptions(**options))  # type: ignore[arg-type]


def book(chapters: Mapping[str, str], spine: str | None, metadata: str = "", **files: str) -> OpenFile:
    items = dict.fromkeys(chapters, "")
    content = {f"OEBPS/{name.partition('#')[0]}": page(body) for name, body in chapters.items()}
    return read({"OEBPS/content.opf": package(items, spine, metadata), **content, **files})


def texts(opened: OpenFile) -> list[str]:
    return [opened.page(number).text.strip() for number in range(opened.pages)]


def labels(opened: OpenFile) -> list[str]:
    return [opened.page(number).label for number in range(opened.pages)]


# The order of reading


def test_the_spine_is_the_order() -> None:
    opened = book(
        {"a.xhtml": "<h1>A</h1>a", "b.xhtml": "<h1>B</h1>b"},
        "i1 i0",
        "<dc:title>T</dc:title><dc:creator>C</dc:creator>",
    )
    assert texts(opened) == ["# B\n\nb", "# A\n\na"]
    assert labels(opened) == ["B", "A"]
    assert opened.outline == [(1, "B", 1), (1, "A", 2)]
    assert (opened.title, opened.metadata) == ("T", {"creator": "C"})
    assert not opened.warnings


@pytest.mark.parametrize("spine", [None, "", "nothing"])
def test_without_a_spine_the_list_of_files_is_the_order(spine: str | None) -> None:
    opened = book({"z.xhtml": "<p>first", "a.xhtml": "<p>second"}, spine)
    assert texts(opened) == ["first", "second"]
    assert any("spine" in warning for warning in opened.warnings)


def test_what_is_not_in_the_spine_comes_at_the_end() -> None:
    opened = book({"notes.xhtml": "<p>note 1", "a.xhtml": "<p>a", "b.xhtml": "<p>b"}, "i1 i2")
    assert texts(opened) == ["a", "b", "note 1"]
    assert "notes.xhtml" in opened.warnings[0]
    aside = book({"notes.xhtml": "<p>note 1", "a.xhtml": "<p>a"}, "i0! i1")
    assert texts(aside) == ["a", "note 1"]
    assert not aside.warnings


def test_addresses_as_people_write_them() -> None:
    chapters = {"Text/a%20b.xhtml": "", "text/C.XHTML#start": "", "d&#233;.xhtml": "", "../up.xhtml": ""}
    files = {
        "OEBPS/content.opf": package(chapters, "i0 i1 i2 i3"),
        "OEBPS/Text/a b.xhtml": page("<p>one"),
        "OEBPS/Text/c.xhtml": page("<p>two"),
        "OEBPS/de\u0301.xhtml": page("<p>three"),
        "up.xhtml": page("<p>four"),
    }
    opened = read(files)
    assert texts(opened) == ["one", "two", "three", "four"]
    assert not opened.warnings


def test_the_same_file_twice_is_read_once() -> None:
    items = {"a.xhtml#one": "", "a.xhtml#two": ""}
    opened = read({"OEBPS/content.opf": package(items, "i0 i1"), "OEBPS/a.xhtml": page("<p id='one'>x<p id='two'>y")})
    assert texts(opened) == ["x\n\ny"]


def test_a_missing_file_and_a_missing_package_are_named() -> None:
    opened = read(
        {"OEBPS/content.opf": package({"a.xhtml": "", "b.xhtml": ""}, "i0 i1 i7"), "OEBPS/a.xhtml": page("<p>a")}
    )
    assert texts(opened) == ["a"]
    assert any("OEBPS/b.xhtml" in warning for warning in opened.warnings)
    assert any("i7" in warning for warning in opened.warnings)
    chapters = {f"x/c{n}.html": page(f"<p>chapter {n}") for n in (10, 9, 1)}
    for package_document in ({}, {"OEBPS/content.opf": "<package"}, {"OEBPS/content.opf": "no XML"}):
        opened = read({**package_document, **chapters})
        assert texts(opened) == ["chapter 1", "chapter 9", "chapter 10"]
        assert any("package document" in warning for warning in opened.warnings)


def test_several_renditions() -> None:
    files = {
        "META-INF/container.xml": CONTAINER.format(ROOT.format("a/p.opf") + ROOT.format("b/p.opf")),
        "a/p.opf": package({"c.xhtml": ""}, "i0"),
        "b/p.opf": package({"c.xhtml": ""}, "i0"),
        "a/c.xhtml": page("<p>reflowed"),
        "b/c.xhtml": page("<p>fixed"),
    }
    opened = read(files)
    assert texts(opened) == ["reflowed"]
    assert "2 times" in opened.warnings[0]


def test_drawings_and_pictures_in_the_spine() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><text>Figure &#8212; 7</text></svg>'
    opened = read(
        {
            "OEBPS/content.opf": package({"f.svg": "", "p.png": ""}, "i0 i1"),
            "OEBPS/f.svg": svg,
            "OEBPS/p.png": b"\x89PNG",
        }
    )
    assert texts(opened) == ["Figure — 7", "[picture: p.png]"]
    assert "not read" in opened.page(1).notes[0]


# Its text


@pytest.mark.parametrize(
    "doctype", ["", "<!DOCTYPE html>", '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" "x.dtd">']
)
@pytest.mark.parametrize("broken", ["", "<br>", "<p>"])
def test_entities_and_broken_xml(doctype: str, broken: str) -> None:
    body = f"<h1>Caf&eacute;</h1><p>&ldquo;It&rsquo;s 5&nbsp;&euro;&rdquo;</p><script/>{broken}<p>end</p>"
    text = page(body).replace("<html", f"{doctype}<html", 1)
    opened = read({"OEBPS/content.opf": package({"a.xhtml": ""}, "i0"), "OEBPS/a.xhtml": text})
    assert texts(opened) == ["# Café\n\n“It’s 5\u00a0€”\n\nend"]


def test_marks_of_notes_are_no_digits() -> None:
    note = '<aside epub:type="footnote" id="n1">1. Note</aside>'
    body = f'<p>word<a epub:type="noteref" href="#n1">1</a> and 10<sup>6</sup></p>{note}'
    assert texts(book({"a.xhtml": body}, "i0")) == ["word^1 and 10^6\n\n1. Note"]


def test_styles_of_the_book_hide_text() -> None:
    link = '<link rel="stylesheet" type="text/css" href="../s/x.css"/>'
    files = {
        "OEBPS/content.opf": package({"t/a.xhtml": "", "s/x.css": ""}, "i0"),
        "OEBPS/t/a.xhtml": page('<p class="h">ignore all of this</p><p>seen x<span class="up">2</span></p>', link),
        "OEBPS/s/x.css": ".h { display: none } .up { vertical-align: super }",
    }
    opened = read(files)
    assert texts(opened) == ["seen x^2"]
    assert opened.page(0).notes[0].startswith("4 hidden words")
    assert texts(read(files, hidden="keep")) == ["[hidden: ignore all of this]\n\nseen x^2"]


# Pages and contents


def test_print_pages_are_pages() -> None:
    mark = '<span epub:type="pagebreak" id="p{0}" title="{0}"/>'
    first = f"<h1>One</h1><p>intro</p>{mark.format('xii')}<p>on xii</p><p>mid {mark.format(1)}page</p>"
    second = f"<p>goes on</p><hr role='doc-pagebreak' aria-label=' 2. '/><h2>Two</h2><p>{'word ' * 2000}</p>"
    opened = book({"a.xhtml": first, "b.xhtml": second}, "i0 i1")
    assert labels(opened) == ["One", "xii", "1", "1 (continued)", "2", *["2 (continued)"] * (opened.pages - 5)]
    assert texts(opened)[:4] == ["# One\n\nintro", "on xii\n\nmid", "page", "goes on"]
    assert opened.pages > 6
    assert opened.outline == [(1, "One", 1), (2, "Two", 5)]


@pytest.mark.parametrize("kind", ["nav", "ncx"])
def test_a_page_list_and_a_table_of_contents(kind: str) -> None:
    nav = page(
        '<nav epub:type="toc"><ol><li><a href="a.xhtml">Alpha</a><ol><li><a href="a.xhtml#s">Sub</a></li></ol></li>'
        '<li><a href="b.xhtml#x">Beta</a></li></ol></nav><nav epub:type="page-list" hidden=""><ol><li>'
        '<a href="a.xhtml#p7">7</a></li><li><a href="b.xhtml">8</a></li></ol></nav>'
    )
    point = '<navPoint><navLabel><text>{}</text></navLabel><content src="{}"/>{}</navPoint>'
    target = (
        '<pageTarget type="normal" value="{0}"><navLabel><text>{0}</text></navLabel><content src="{1}"/></pageTarget>'
    )
    ncx = NCX.format(
        points=point.format("Alpha", "a.xhtml", point.format("Sub", "a.xhtml#s", ""))
        + point.format("Beta", "b.xhtml#x", ""),
        pages=target.format(7, "a.xhtml#p7") + target.format(8, "b.xhtml"),
    )
    files = {
        "OEBPS/a.xhtml": page("<p>before</p><p>x <a id='p7'/>seven</p><p id='s'>sub</p>"),
        "OEBPS/b.xhtml": page("<p id='x'>eight</p>"),
    }
    if kind == "nav":
        files |= {
            "OEBPS/content.opf": package({"a.xhtml": "", "b.xhtml": "", "nav.xhtml": "nav"}, "i0 i1"),
            "OEBPS/nav.xhtml": nav,
        }
    else:
        files |= {
            "OEBPS/content.opf": package({"a.xhtml": "", "b.xhtml": "", "t.ncx": ""}, "i0 i1", toc="i2"),
            "OEBPS/t.ncx": ncx,
        }
    opened = read(files)
    assert texts(opened) == ["before\n\nx", "seven\n\nsub", "eight"]
    assert labels(opened)[1:] == ["7", "8"]
    assert opened.outline == [(1, "Alpha", 1), (2, "Sub", 2), (1, "Beta", 3)]
    assert not opened.warnings


def test_a_nav_in_the_spine_is_read_without_its_page_list() -> None:
    nav = page(
        '<nav epub:type="toc"><ol><li><a href="a.xhtml">Alpha</a></li></ol></nav>'
        '<nav epub:type="page-list" hidden="hidden"><ol><li><a href="a.xhtml">7</a></li></ol></nav>'
    )
    opened = read({"OEBPS/content.opf": package({"n.xhtml": "nav"}, "i0"), "OEBPS/n.xhtml": nav})
    assert texts(opened) == ["1. Alpha"]
    assert opened.page(0).notes == ()


def test_chapters_without_headings_are_named_by_the_contents() -> None:
    ncx = NCX.format(
        points='<navPoint><navLabel><text>Preface</text></navLabel><content src="a.xhtml"/></navPoint>', pages=""
    )
    files = {
        "OEBPS/content.opf": package({"a.xhtml": "", "b.xhtml": "", "t.ncx": ""}, "i0 i1"),
        "OEBPS/a.xhtml": page(f"<p>{'word ' * 1000}</p>"),
        "OEBPS/b.xhtml": page("<h1>One</h1><p>x</p>"),
        "OEBPS/t.ncx": ncx,
    }
    opened = read(files)
    assert labels(opened) == ["Preface", "Preface (continued)", "One"]
    assert opened.outline == [(1, "Preface", 1), (1, "One", 3)]


# Books that cannot be read


@pytest.mark.parametrize(
    ("files", "seller"),
    [
        ({"META-INF/rights.xml": '<r xmlns="http://ns.adobe.com/adept"/>'}, "Adobe ADEPT"),
        ({"META-INF/sinf.xml": "<x/>"}, "Apple FairPlay"),
        ({"META-INF/license.lcpl": "{}"}, "Readium LCP"),
        ({}, r"\(DRM\); only"),
    ],
)
def test_protected_books_are_named(files: dict[str, str], seller: str) -> None:
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    content = {"OEBPS/content.opf": package({"a.xhtml": ""}, "i0"), "OEBPS/a.xhtml": b"\x00\xff", **files}
    with pytest.raises(ParseError, match=rf"protected by its seller \(DRM\).*{seller}|{seller}"):
        read({**content, "META-INF/encryption.xml": ENCRYPTED.format(aes, "OEBPS/a.xhtml")})


def test_encrypted_fonts_and_pictures_do_not_lock_a_book() -> None:
    content = {"OEBPS/content.opf": package({"a.xhtml": ""}, "i0"), "OEBPS/a.xhtml": page("<p>open")}
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    for method, name in (("http://www.idpf.org/2008/embedding", "OEBPS/f.otf"), (aes, "OEBPS/i.jpg")):
        assert texts(read({**content, "META-INF/encryption.xml": ENCRYPTED.format(method, name)})) == ["open"]
    assert texts(read({**content, "META-INF/rights.xml": '<r xmlns="http://ns.adobe.com/adept"/>'})) == ["open"]


def test_a_damaged_chapter_is_named_and_the_rest_is_read() -> None:
    files = {
        "OEBPS/content.opf": package({"a.xhtml": "", "b.xhtml": ""}, "i0 i1"),
        "OEBPS/a.xhtml": page("<p>UNIQUE"),
        "OEBPS/b.xhtml": page("<p>b"),
    }
    data = epub(files).replace(b"UNIQUE", b"uniqUE")  # the checksum does not fit any more
    opened = Epub().open(data, ParseOptions())
    assert texts(opened) == ["b"]
    assert "OEBPS/a.xhtml" in opened.warnings[0]
