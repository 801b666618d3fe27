"""RTF: characters of every kind, tables, notes, hidden text, tracked changes."""

import pytest

from longread.agent.corpus.formats import OpenFile, ParseOptions, WrongFormat
from longread.agent.corpus.formats.rtf import Rtf

HEAD = (
    r"{\rtf1\ansi\ansicpg1252\uc1\deff0{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}"
    r"{\f2\fcharset2 Symbol;}{\f3\fcharset128 MS Mincho;}{\f4\fcharset238 Arial CE;}}{\colortbl;\red0\green0\blue0;}"
    r"{\stylesheet{\s0 Normal;}{\s1\b heading 1;}{\s2 heading 2;}}"
)


def opened(body: str, **options: str) -> OpenFile:
    return Rtf().open((HEAD + body + "}").encode("cp1252"), ParseOptions(**options))  # pyright: ignore[reportArgumentType]


def text_of(body: str, **options: str) -> str:
    file = opened(body, **options)
    return "\n".join(file.page(index).text for index in range(file.pages)).strip()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"caf\'e9 na\u239?ve \u8364?5", "café naïve €5"),
        (r"{\f1\'cf\'f0\'e8\'e2\'e5\'f2} {\f4\'bb\'f3d\'9f}".replace(r"\'bb", r"\'a3"), "Привет Łódź"),
        (r"{\f3\'93\'8c\'8b\'9e}\f0  x", "東京 x"),
        (r"\u-10179?\u-8704?", "😀"),
        (r"{\uc0\u233}t\u233 \'e9", "étéé".replace("éé", "é")),
        (r"{\f2\'b7}\tab item", "•\titem"),
        (r"a\emdash b \ldblquote c\rdblquote  d\~e\_f\-g", "a—b “c” d\u00a0e\u2011fg"),
        (r"\{braces\} \\ backslash", r"{braces} \ backslash"),
        (r"10{\super 6} km, H{\sub 2}O, 1{\super st}", "10^6 km, H_2O, 1st"),
        (r"one\par two\line three", "one\ntwo\nthree"),
        (r"{\*\unknown {nested} junk}kept{\*\generator x;}", "kept"),
        (r"{\field{\*\fldinst HYPERLINK \"https://e.org/x\"}{\fldrslt the link}}".replace(r"\"", '"'), "[the link](https://e.org/x)"),
        (r"text{\footnote\chftn  A note.} more", "text[footnote: A note.] more"),
        (r"text{\*\atnauthor Ada}{\*\annotation Why?}", "text[comment by Ada: Why?]"),
        (r"{\shp{\*\shpinst{\sp{\sn name}{\sv value}}{\shptxt in a box}}}", "in a box"),
        (r"{\listtext\tab 7.1\tab}clause", "7.1\tclause"),
        (r"before\bin5 }}}}}after", "beforeafter"),
        (r"a{ \fonttbl {\f9 Tahoma;}}b", "a b"),
    ],
)  # fmt: skip
def test_text(body: str, expected: str) -> None:
    assert text_of(body) == expected


def test_headings_title_and_margins() -> None:
    file = opened(
        r"{\info{\title The \'fc title}{\author Ada}{\company no}}{\header top}{\footer bottom}"
        r"\pard\s1 One\par\pard\plain words\par\pard\s2 Two\par\pard\plain more\par"
    )
    assert (file.title, file.metadata) == ("The ü title", {"author": "Ada"})
    assert [(level, title) for level, title, _ in file.outline] == [(1, "One"), (2, "Two")]
    assert "# One\n" in file.page(0).text
    last = file.page(file.pages - 1)
    assert (last.label, last.text) == ("headers and footers", "top\nbottom")


def row(*cells: str, define: str) -> str:
    return rf"\trowd{define}\pard\intbl " + "".join(rf"{cell}\cell " for cell in cells) + r"\row"


def test_cells_stay_under_their_heads() -> None:
    two = r"\cellx1000\cellx2000"
    body = (
        "before\\par "
        + row("A", "B", define=two)
        + row("x", "1", define=r"\clvmgf" + two)
        + row("", r"2\par lines", define=r"\clvmrg" + two)
        + row("total", define=r"\cellx2000")
        + r"\pard after\par"
    )
    lines = text_of(body).split("\n")
    assert [line for line in lines if line.startswith("|")] == [
        *("| A | B |", "| --- | --- |", "| x | 1 |", "| x | 2 lines |", "| total |  |"),
    ]
    assert lines[0] == "before"
    assert lines[-1] == "after"


def test_a_wide_cell_is_repeated_over_its_columns() -> None:
    body = row("2022", "2023", define=r"\cellx2000\cellx3000") + row(
        "a", "b", "c", define=r"\cellx1000\cellx2000\cellx3000"
    )
    assert "| 2022 | 2022 | 2023 |\n| --- | --- | --- |\n| a | b | c |" in text_of(body)


def test_hidden_text() -> None:
    file = opened(r"seen {\v two words} and{\v  more}")
    assert file.page(0).text.strip() == "seen  and"
    assert "3 hidden words" in file.page(0).notes[0]
    assert text_of(r"seen {\v two \u1087?ords}", hidden="keep") == "seen [hidden: two пords]"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ("marked", "costs [deleted: 250] [inserted: 300 €] now"),
        ("final", "costs  300 € now"),
        ("original", "costs 250  now"),
    ],
)
def test_tracked_changes(changes: str, expected: str) -> None:
    body = r"costs {\deleted 2\'35\u48?} {\revised 300 \'80} now"
    assert text_of(body, changes=changes) == expected
    (warning,) = opened(body, changes=changes).warnings
    assert "1 inserted" in warning
    assert "1 deleted" in warning


def test_pictures_are_counted() -> None:
    file = opened(r"a {\pict\pngblip 89504e470d0a} b {\*\shppict{\pict ff}}{\nonshppict{\pict ff}}")
    assert file.page(0).text.split() == ["a", "b"]
    assert "2 pictures" in file.page(0).notes[0]


def test_damaged_and_hostile_files() -> None:
    with pytest.raises(WrongFormat):
        Rtf().open(b"plain", ParseOptions())
    assert text_of("{" * 50_000 + "deep" + "}" * 50_000) == "deep"
    assert text_of(r"}}}after the end") == "after the end"
    assert text_of(r"\u99999999?x\u?y\'zz") != ""
    whole = HEAD + r"caf\'e9 {\footnote note} {\v x} \trowd\cellx1\intbl a\cell\row}"
    for size in range(10, len(whole)):
        Rtf().open(whole[:size].encode(), ParseOptions())
