"""Word: pages, headings, tables, headers and footers, and packages that are not as they should be."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from longread.agent.corpus.formats import OpenFile, ParseError, detect
from tests.agent.corpus.formats.word_files import PICTURE, docx, drawing, notes, p, r, read, table, tc, text, tr

BREAK = '<w:r><w:br w:type="page"/></w:r>'
RENDERED = "<w:r><w:lastRenderedPageBreak/></w:r>"


def section(content: str = "", *, last: bool = False) -> str:
    properties = f"<w:sectPr>{content}</w:sectPr>"
    return properties if last else f"<w:p><w:pPr>{properties}</w:pPr></w:p>"


def pages(opened: OpenFile) -> list[tuple[str, str]]:
    return [(page.label, page.text) for page in (opened.page(at) for at in range(opened.pages))]


@pytest.mark.parametrize(
    "body",
    [
        p("one", BREAK) + p("two") + p(BREAK, "three"),
        p("one") + p(BREAK) + p("two", BREAK, "three"),
        p("one", BREAK) + p(RENDERED, "two") + p(BREAK) + p(RENDERED, "three"),
        p("one") + p(RENDERED, "two") + p(RENDERED, "three"),
        p("one ", RENDERED, "two ", RENDERED, "three"),
        p("one")
        + p("two", properties="<w:pageBreakBefore/>")
        + p(RENDERED, "three", properties="<w:pageBreakBefore/>"),
        p("one", BREAK) + p("two", properties="<w:pageBreakBefore/>") + section() + p("three"),
        p("one") + section() + p(RENDERED, "two") + section() + p("three") + section(last=True),
        p("one", properties="<w:pageBreakBefore/>") + p("two", style="New") + p("three", style="New"),
        p(r("one", "<w:b/>"), BREAK) + table(tr(tc(p("two")))) + p(RENDERED, "three"),
    ],
)
def test_breaks_become_pages_with_their_numbers(body: str) -> None:
    styles = '<w:style w:type="paragraph" w:styleId="New"><w:pPr><w:pageBreakBefore/></w:pPr></w:style>'
    shown = pages(read(docx(body, styles=styles)))
    assert [(label, words.strip("*")) for label, words in shown] == [("1", "one"), ("2", "two"), ("3", "three")]


def test_breaks_that_are_no_new_page() -> None:
    continuous = section('<w:type w:val="continuous"/>', last=True)
    for body in (
        p("one") + section() + p("two") + continuous,
        p("one", '<w:r><w:br w:type="column"/></w:r>', "two"),
        p("one", '<w:r><w:br w:clear="all"/></w:r>', "two"),
        p("one", '<w:del w:id="1">' + BREAK + "</w:del>", "two"),
    ):
        assert read(docx(body), changes="final").pages == 1


def test_page_numbers_as_sections_write_them() -> None:
    preface = section('<w:pgNumType w:fmt="lowerRoman"/>')
    body = p("a", BREAK) + p("b") + preface + p("c", BREAK) + p("d") + section('<w:pgNumType w:start="1"/>', last=True)
    assert pages(read(docx(body))) == [("i", "a"), ("ii", "b"), ("1", "c"), ("2", "d")]
    odd = p("a") + section() + p("b") + section('<w:type w:val="oddPage"/>', last=True)
    assert pages(read(docx(odd))) == [("1", "a"), ("3", "b")]


def test_blank_pages_count_and_pages_with_only_a_picture_stay() -> None:
    body = p("a", BREAK) + p(RENDERED, BREAK) + p(RENDERED, "c", BREAK) + p(drawing(PICTURE, width=90, height=90))
    opened = read(docx(body))
    assert pages(opened) == [("1", "a"), ("3", "c"), ("4", "")]
    assert notes(opened) == ["a picture of 90×90 pt was not read"]


def test_a_page_of_more_than_a_page_is_divided() -> None:
    long = p("word " * 4000)
    opened = read(docx(p("one") + p(RENDERED, "Two", style="Heading1") + long + p(RENDERED, "three")))
    labels = [label for label, _ in pages(opened)]
    assert labels[:3] == ["1", "2, part 1", "2, part 2"]
    assert labels[-1] == "3"
    assert opened.outline == [(1, "Two", 2)]


def test_bold_text_over_the_end_of_a_page() -> None:
    body = p(r("to the ", "<w:b/>"), "<w:r><w:rPr><w:b/></w:rPr><w:lastRenderedPageBreak/><w:t>end</w:t></w:r>")
    assert pages(read(docx(body))) == [("1", "**to the**"), ("2", "**end**")]


def test_a_heading_with_its_page() -> None:
    body = p("Intro", style="Heading1") + p("text", BREAK) + p(RENDERED, "Results", style="Heading2") + p("more")
    opened = read(docx(body))
    assert opened.outline == [(1, "Intro", 1), (2, "Results", 2)]
    assert pages(opened)[1] == ("2", "## Results\n\nmore")


def test_headings_by_name_level_and_identifier() -> None:
    styles = (
        '<w:style w:type="paragraph" w:styleId="berschrift2"><w:name w:val="heading 2"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="Kap"><w:name w:val="Kap"/><w:basedOn w:val="berschrift2"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="Out"><w:pPr><w:outlineLvl w:val="3"/></w:pPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="T"><w:name w:val="Title"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="A"><w:name w:val="A"/><w:basedOn w:val="B"/></w:style>'
        '<w:style w:type="paragraph" w:styleId="B"><w:name w:val="B"/><w:basedOn w:val="A"/></w:style>'
    )
    body = (
        p("t", style="T") + p("a", style="berschrift2") + p("b", style="Kap") + p("c", style="Out") + p("d", style="A")
    )
    body += p("e", properties='<w:outlineLvl w:val="0"/>') + p("f", style="Kap", properties='<w:outlineLvl w:val="9"/>')
    body += p("", style="berschrift2") + p(r("g", "<w:b/>"), style="Kap") + p("h", style="Heading6")
    opened = read(docx(body, styles=styles))
    levels = [(level, title) for level, title, _ in opened.outline]
    assert levels == [(1, "t"), (2, "a"), (2, "b"), (4, "c"), (1, "e"), (2, "g"), (6, "h")]
    assert "## g\n" in opened.page(0).text
    assert read(docx(p("x", style="Heading3"))).outline == [(3, "x", 1)]


def test_without_breaks_headings_divide_the_text() -> None:
    long = p("word " * 800)
    opened = read(docx(p("One", style="Heading1") + long + p("Two", style="Heading1") + long))
    shown = pages(opened)
    assert {label for label, _ in shown} >= {"One", "One (continued)", "Two (continued)"}
    assert [title for _, title, _ in opened.outline] == ["One", "Two"]
    for _, title, page in opened.outline:
        assert f"# {title}" in shown[page - 1][1]
    assert opened.warnings == []


def test_breaks_between_long_chapters_are_no_page_numbers() -> None:
    long = p("word " * 4000)
    opened = read(docx(p("One", style="Heading1") + long + p(BREAK) + p("Two", style="Heading1") + long))
    labels = [label for label, _ in pages(opened)]
    assert labels[0] == "One"
    assert "Two" in labels
    assert not any(label.isdigit() for label in labels)
    assert "Page numbers are not in the file" in opened.warnings[0]


def test_tables() -> None:
    over, more = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    body = table(
        tr(tc("Region", over), tc("Exports", '<w:gridSpan w:val="2"/>')),
        tr(tc("", more), "2023", "2024"),
        tr(tc("North", over), "51", "64"),
        tr(tc("", '<w:vMerge w:val="continue"/>'), "12", "18"),
        tr("late", "1", properties='<w:gridBefore w:val="1"/>'),
    )
    assert text(body) == (
        "| Region | Exports | Exports |\n| --- | --- | --- |\n| Region | 2023 | 2024 |\n"
        "| North | 51 | 64 |\n| North | 12 | 18 |\n|  | late | 1 |"
    )
    across = table(tr(tc("A", '<w:hMerge w:val="restart"/>'), tc("", "<w:hMerge/>"), "c"), tr("1", "2", "3"))
    assert text(across) == "| A | A | c |\n| --- | --- | --- |\n| 1 | 2 | 3 |"
    wrapped = f"<w:sdt><w:sdtContent>{tr('1', '2')}</w:sdtContent></w:sdt>"
    assert text(table(tr("a", "b"), wrapped)) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
    assert text(table(tr(tc("a", more), "b"), tr("1", "2"))) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_tables_in_cells() -> None:
    inner = table(tr("part", "mm"), tr("bolt", "25"))
    body = table(tr("Name", "Content"), tr("x", tc(p("Parts:") + inner + p("end"))))
    assert text(body) == (
        "| Name | Content |\n| --- | --- |\n| x | Parts: [table: 1] end |\n\n"
        "[table: 1]\n| part | mm |\n| --- | --- |\n| bolt | 25 |"
    )
    listed = table(tr("a", tc(table(tr("one"), tr("two")) + p(""))), tr("b", "c"))
    assert text(listed) == "| a | one two |\n| --- | --- |\n| b | c |"
    box = table(tr(tc(p("boxed", style="Heading1") + inner)))
    assert text(box) == "# boxed\n\n| part | mm |\n| --- | --- |\n| bolt | 25 |"


def test_a_table_over_several_pages_repeats_its_head() -> None:
    rows = [
        tr("1", "2"),
        tr(tc(p(RENDERED, "3")), tc(p(RENDERED, "4"))),
        tr(tc(p("5 ", RENDERED, "goes on")), "6"),
        tr("7", "8"),
    ]
    shown = pages(read(docx(table(tr("A", "B", properties="<w:tblHeader/>"), *rows) + p("after"))))
    head = "| A | B |\n| --- | --- |\n"
    assert shown == [
        ("1", f"{head}| 1 | 2 |"),
        ("2", f"{head}| 3 | 4 |\n| 5 goes on | 6 |"),
        ("3", f"{head}| 7 | 8 |\n\nafter"),
    ]


@pytest.mark.parametrize(
    "properties",
    ['<w:gridSpan w:val="999999999"/>', '<w:gridSpan w:val="-4"/>', '<w:gridSpan w:val="x"/>', "<w:gridSpan/>"],
)
def test_spans_that_cannot_be(properties: str) -> None:
    assert "| 1 | 2 |" in text(table(tr(tc("a", properties), "b"), tr("1", "2")))


def test_nesting_without_end() -> None:
    body = p("the core")
    for _ in range(300):
        body = table(tr("x", tc(body + p(""))))
    opened = read(docx(body))
    assert "the core" in "".join(words for _, words in pages(opened))
    for element in ("sdtContent", "smartTag", "ins", "hyperlink", "fldSimple"):
        assert "the core" in text(f"<w:p>{f'<w:{element}>' * 1500}{r('the core')}{f'</w:{element}>' * 1500}</w:p>")


def test_headers_and_footers_that_are_shown_each_once() -> None:
    links = {f"rId{name}": (name.rstrip("12"), f"{name}.xml") for name in ("header1", "header2", "footer1", "footer2")}
    watermark = '<w:r><w:pict><v:shape><v:textpath string="DRAFT"/></v:shape></w:pict></w:r>'
    files = {
        f"word/{name}.xml": _story("hdr" if "header" in name else "ftr", content)
        for name, content in (
            ("header1", p("Agreement", watermark)),
            ("header2", p("First page only")),
            ("footer1", p("Page 1")),
            ("footer2", p("Agreement [watermark: DRAFT]")),
        )
    }

    def references(*names: tuple[str, str]) -> str:
        return "".join(f'<w:{name.rstrip("12")}Reference w:type="{kind}" r:id="rId{name}"/>' for kind, name in names)

    first = references(("default", "header1"), ("first", "header2"), ("default", "footer1"), ("even", "footer2"))
    body = p("text") + section(first) + p("more") + section(last=True)
    opened = read(docx(body, relations=links, files=files))
    assert pages(opened)[-1] == ("headers and footers", "Agreement[watermark: DRAFT]\nPage 1")
    # The second section has the first one's headers, and shows that of first pages.
    body = p("text") + section(first) + p("more") + section("<w:titlePg/>", last=True)
    opened = read(docx(body, relations=links, files=files))
    assert pages(opened)[-1][1].split("\n") == ["Agreement[watermark: DRAFT]", "First page only", "Page 1"]
    assert pages(read(docx(p("text"), relations=links, files=files)))[-1][0] == "part 1"


def _story(name: str, content: str) -> str:
    word = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    return f'<w:{name} {word} xmlns:v="urn:schemas-microsoft-com:vml">{content}</w:{name}>'


def _changed(
    data: bytes, rename: Callable[[str], str | None], change: Callable[[bytes], bytes] = lambda part: part
) -> bytes:
    """The package with its parts renamed, or left out for None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
        for item in old.infolist():
            name = rename(item.filename)
            if name is not None:
                new.writestr(name, change(old.read(item)))
    return out.getvalue()


def test_packages_as_other_programs_write_them(tmp_path: Path) -> None:
    styles = '<w:style w:type="paragraph" w:styleId="H"><w:name w:val="heading 1"/></w:style>'
    usual = docx(p("the text", style="H"), styles=styles)
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    variants = {
        "usual": usual,
        "Word Online": docx(p("the text", style="H"), styles=styles, main="word/document2.xml"),
        "another folder": docx(p("the text", style="H"), styles=styles, main="doc/main.xml"),
        "template": docx(p("the text", style="H"), styles=styles, media_type=f"{word}.template.main+xml"),
        "strict": docx(p("the text", style="H"), styles=styles, strict=True),
        "wrong case": _changed(
            usual, lambda name: name.replace("word/", "Word/").replace("document.xml", "Document.XML")
        ),
        "backslashes": _changed(usual, lambda name: name.replace("/", "\\")),
        "UTF-16": _changed(
            usual,
            lambda name: name,
            lambda part: f'<?xml version="1.0" encoding="UTF-16"?>{part.decode()}'.encode("utf-16"),
        ),
        "no content types": _changed(usual, lambda name: None if name.startswith("[") else name),
    }
    for what, data in variants.items():
        path = tmp_path / "file.dat"
        path.write_bytes(data)
        assert detect("file.dat", path).name == "Word", what
        assert read(data).page(0).text == "# the text", what
    for left_out in ("word/_rels/document.xml.rels", "word/styles.xml", "_rels/.rels"):
        assert (
            "the text" in read(_changed(usual, lambda name, gone=left_out: None if name == gone else name)).page(0).text
        )


def test_damaged_parts_are_said_and_the_rest_is_read() -> None:
    data = docx(p("the text"), styles='<w:style w:styleId="a">', header1="hdr:<w:p/>")
    opened = read(data)
    assert opened.page(0).text == "the text"
    assert "word/styles.xml" in opened.warnings[0]
    cut = _changed(
        docx(p("the text") + p("is cut")), lambda name: name, lambda part: part.replace(b"</w:body></w:document>", b"")
    )
    opened = read(cut)
    assert opened.page(0).text == "the text\n\nis cut"
    assert "word/document.xml" in opened.warnings[0]
    with pytest.raises(ParseError, match=r"damaged: the main part of the document, word/document\.xml"):
        read(_changed(docx(p("x")), lambda name: None if name == "word/document.xml" else name))


def test_title_and_properties() -> None:
    core = (
        '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title> On mills </dc:title><dc:creator>Ada</dc:creator>'
        "<cp:revision>3</cp:revision></cp:coreProperties>"
    )
    opened = read(docx(p("x"), files={"docProps/core.xml": core}))
    assert (opened.title, opened.metadata) == ("On mills", {"creator": "Ada"})


def test_entities_are_not_expanded() -> None:
    bomb = '<!DOCTYPE w:document [<!ENTITY a "x"><!ENTITY b "' + "&a;" * 1000 + '"><!ENTITY c "' + "&b;" * 1000 + '">]>'
    data = _changed(docx(p("text &amp;c;")), lambda name: name, lambda part: part.replace(b"&amp;c;", b"&c;"))
    data = _changed(data, lambda name: name, lambda part: bomb.encode() + part if b"<w:body>" in part else part)
    assert len(read(data).page(0).text) < 100


def test_forty_thousand_paragraphs_are_read_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each paragraph costs the same, however many there are."""
    from longread.agent.corpus.formats.word.styles import Styles

    calls = 0
    resolve = Styles._chain  # pyright: ignore[reportPrivateUsage]

    def counted(self: Styles, identity: str) -> object:
        nonlocal calls
        calls += 1
        return resolve(self, identity)

    monkeypatch.setattr(Styles, "_chain", counted)
    body = "".join(p(f"paragraph {at}", style="Heading1" if at % 50 == 0 else "Body") for at in range(3000))
    opened = read(docx(body))
    assert "paragraph 2999" in opened.page(opened.pages - 1).text
    assert calls < 20
