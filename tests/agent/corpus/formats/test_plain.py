"""Text, CSV, JSON, LaTeX, subtitles and drawings: what of them is shown, and where their pages begin."""

import csv
import io
import json
from pathlib import Path

import pytest

from longread.agent.corpus.formats import OpenFile, ParseOptions
from longread.agent.corpus.formats.latex import Latex
from longread.agent.corpus.formats.plain import Csv, Json, Text, unescaped
from longread.agent.corpus.formats.subtitles import Subtitles
from longread.agent.corpus.formats.svg import Svg
from longread.agent.corpus.text import normalize, split_lines
from tests.agent.corpus.loading import load

OPTIONS = ParseOptions()


def pages_of(file: OpenFile) -> list[str]:
    return [file.page(index).text for index in range(file.pages)]


def test_colours_of_a_terminal_are_not_read() -> None:
    data = b"\x1b[1;31mERROR\x1b[0m failed \x1b]0;title\x07here"
    assert pages_of(Text().open(data, OPTIONS)) == ["ERROR failed here\n"]


@pytest.mark.parametrize(
    "text", ["x" * 5_000_000, "word, " * 800_000, "short\n" * 300_000, "a" + " " * 3_000_000 + "b"]
)
def test_a_huge_text_keeps_every_character(text: str) -> None:
    """It also ends: cutting a line of 5 MB again and again from its start copies 4 GB."""
    lines = split_lines(text)
    assert sum(len(line.text) for line in lines) == len(text) + 1
    assert max(len(line.text) for line in lines) <= 3000
    squeezed = "".join("".join(normalize(page)[0].split()) for page in pages_of(Text().open(text.encode(), OPTIONS)))
    assert squeezed == "".join(text.split())


def test_escaped_characters_of_json_are_characters() -> None:
    text = r'{"a": "caf\u00e9 \ud83d\ude00", "b": "\u0022 \u005c \u000a \ud800 \\u00e9 \\\u00e9", "n": 1.10, "n": 2}'
    (page,) = pages_of(Json().open(text.encode(), OPTIONS))
    assert page == r'{"a": "café 😀", "b": "\u0022 \u005c \u000a \ud800 \\u00e9 \\é", "n": 1.10, "n": 2}' + "\n"
    assert json.loads(page) == json.loads(text)
    for value in ("plain", 'ü\n\t"\\', "\x00\x1f\x7f\x9f", "\u2028\ufeff\u200b", "日本"):
        assert json.loads(unescaped(json.dumps(value))) == value


def test_json_lines_are_cut_between_records(tmp_path: Path) -> None:
    records = [{"n": n, "text": "é" * (n % 500)} for n in range(300)]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    document = load(path)
    assert document.warnings == ()
    assert [json.loads(line) for page in document.pages for line in page.text.split("\n")] == records
    assert document.pages[0].label.startswith("lines 1-")
    path.write_text('{"a": 1}\n{"b": \n')
    (warning,) = load(path).warnings
    assert "Line 2" in warning


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_records_of_csv_stay_whole(delimiter: str) -> None:
    out = io.StringIO()
    rows = [[str(n), f"two\nlines {delimiter} {'x' * 90}", "é"] for n in range(100)]
    csv.writer(out, delimiter=delimiter).writerows([["number", "text", "more"], *rows])
    pages = pages_of(Csv().open(out.getvalue().encode("cp1252"), OPTIONS))
    assert len(pages) > 3
    read = [row for page in pages for row in csv.reader(io.StringIO(page), delimiter=delimiter) if row]
    assert read[1:] == rows


def test_latex() -> None:
    body = "word " * 500
    source = (
        "\\title[short]{My \\emph{great}\n Paper}\n% \\section{no}\n\\section{Intro \\label{x}}\n" + body + "\n"
        "\\begin{verbatim}\n\\section{no}\n\\end{verbatim}\n\\subsection*{A {deep} one}\n"
        + body
        + "\n\\input{chapter2}\n"
    )
    file = Latex().open(source.encode(), OPTIONS)
    assert file.title == "My great Paper"
    assert [(level, title) for level, title, _ in file.outline] == [(1, "Intro"), (2, "A deep one")]
    for _, title, page in file.outline:
        assert title.split()[0] in file.page(page - 1).text
    assert "chapter2" in file.warnings[0]
    assert "".join("".join(pages_of(file)).split()) == "".join(source.split())


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>Hello</i> there
second line

2
00:01:03,500 --> 00:01:04,000
{\\an8}- 42 people

3
01:02:00,000 --> 01:02:01,000
1984
"""
VTT = """WEBVTT - A title

NOTE made by hand
more

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann Lee>Hello &amp; <00:01.500><c.loud>welcome</c></v>

NOTE inner

01:00:03.000 --> 01:00:04.000
a < b
"""


def test_subtitles() -> None:
    assert pages_of(Subtitles().open(SRT.encode(), OPTIONS)) == [
        "[00:00:01] Hello there\nsecond line\n[00:01:03] - 42 people\n[01:02:00] 1984\n"
    ]
    file = Subtitles().open(VTT.replace("\n", "\r\n").encode(), OPTIONS)
    assert pages_of(file) == ["[00:00:01] Ann Lee: Hello & welcome\n[01:00:03] a < b\n"]
    assert file.page(0).label == "00:00:01-01:00:03"
    broken = Subtitles().open(b"no times here", OPTIONS)
    assert pages_of(broken) == ["no times here\n"]
    assert "times" in broken.warnings[0]


def svg(body: str) -> bytes:
    return f'<svg xmlns="http://www.w3.org/2000/svg"><title>Chart</title>{body}</svg>'.encode()


def test_drawings_are_read_as_they_are_seen() -> None:
    file = Svg().open(
        svg(
            '<g transform="translate(0,100)"><text x="10" y="5">bottom</text></g>'
            '<text x="50" y="20">right</text>'
            '<text x="5" y="21"><tspan>le</tspan><tspan>ft</tspan><tspan x="5" dy="1.2em">second</tspan></text>'
            '<g transform="matrix(1 0 0 1 0 60) scale(2)"><text y="1">third</text></g>'
            '<defs><text>unused</text></defs><image href="data:image/png;base64,AAAA"/>'
        ),
        OPTIONS,
    )
    assert file.page(0).text == "left right\nsecond\nthird\nbottom"
    assert file.title == "Chart"
    assert "picture" in file.page(0).notes[0]


@pytest.mark.parametrize("how", ['display="none"', 'style="visibility:hidden"', 'opacity="0"'])
def test_hidden_text_of_drawings(how: str) -> None:
    data = svg(f"<text y='20'>seen</text><g {how}><text y='40'>two words</text></g>")
    page = Svg().open(data, OPTIONS).page(0)
    assert page.text == "seen"
    assert "2 hidden words" in page.notes[0]
    kept = Svg().open(data, ParseOptions(hidden="keep")).page(0)
    assert kept.text == "seen\n[hidden: two words]"


def test_a_drawing_with_entities_is_no_bomb() -> None:
    bomb = b'<!DOCTYPE svg [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + svg("<text>&b;ok</text>")
    assert len(pages_of(Svg().open(bomb, OPTIONS))[0]) < 100
    assert pages_of(Svg().open(b"not xml", OPTIONS)) == ["not xml\n"]
