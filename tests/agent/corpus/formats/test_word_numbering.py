"""The numbers of paragraphs, as Word shows them."""

import pytest

from longread.agent.corpus.formats.word.number_formats import written
from tests.agent.corpus.formats.word_files import docx, level, listed, lists, p, read, table, text, tr

LEGAL = lists(
    level(0, "%1.", "upperRoman"),
    level(1, "%1.%2", more="<w:isLgl/>"),
    level(2, "%1.%2(%3)", "lowerLetter", more="<w:isLgl/>"),
    level(3, "(%4)", "lowerRoman", more='<w:lvlRestart w:val="0"/>'),
)


def lines(body: str, numbering: str, styles: str = "", **options: str) -> list[str]:
    shown = text(body, options, numbering=numbering, styles=styles)
    return [line for line in shown.split("\n") if line.strip()]


def start(number: int, at: int = 0) -> str:
    return f'<w:lvlOverride w:ilvl="{at}"><w:startOverride w:val="{number}"/></w:lvlOverride>'


def style(identity: str, name: str = "", *, based: str = "", number: str = "", at: int | None = None) -> str:
    listed_at = f'<w:ilvl w:val="{at}"/>' if at is not None else ""
    numbered = f'<w:pPr><w:numPr>{listed_at}<w:numId w:val="{number}"/></w:numPr></w:pPr>' if number else ""
    base = f'<w:basedOn w:val="{based}"/>' if based else ""
    content = f'<w:name w:val="{name or identity}"/>{base}{numbered}'
    return f'<w:style w:type="paragraph" w:styleId="{identity}">{content}</w:style>'


def test_levels_restart_and_legal_levels_show_the_ones_above_in_decimal() -> None:
    body = "".join(
        listed(word, at)
        for word, at in (
            ("A", 0),
            ("B", 1),
            ("C", 2),
            ("D", 3),
            ("E", 2),
            ("F", 3),
            ("G", 1),
            ("H", 2),
            ("I", 0),
            ("J", 1),
        )
    )
    assert lines(body, LEGAL) == [
        "I. A",
        "  1.1 B",
        "    1.1(1) C",
        "      (i) D",
        "    1.1(2) E",
        "      (ii) F",  # lvlRestart 0: it never starts again
        "  1.2 G",
        "    1.2(1) H",
        "II. I",
        "  2.1 J",
    ]


def test_a_level_that_restarts_only_after_the_first() -> None:
    numbering = lists(level(0, "%1"), level(1, "%1.%2"), level(2, "%3)", more='<w:lvlRestart w:val="1"/>'))
    body = "".join(listed("x", at) for at in (0, 1, 2, 1, 2, 0, 1, 2))
    assert [line.split()[0] for line in lines(body, numbering)] == ["1", "1.1", "1)", "1.2", "2)", "2", "2.1", "1)"]


def test_a_list_goes_on_after_other_text_and_in_tables() -> None:
    body = listed("one") + p("Between.") + listed("two") + table(tr("cell", "x")) + listed("three")
    assert [line for line in lines(body, LEGAL) if "I" in line] == ["I. one", "II. two", "III. three"]


def test_skipped_levels_count_as_used_once() -> None:
    assert lines(listed("a", 1) + listed("b") + listed("c", 2), LEGAL) == ["1.1 a", "II. b", "    2.1(1) c"]


@pytest.mark.parametrize("at", [1, 7])
def test_instances_start_where_they_say_and_share_their_count_else(at: int) -> None:
    numbering = lists(level(0, "%1."), overrides={2: start(at), 3: ""})
    body = listed("a") + listed("b") + listed("c", 0, 2) + listed("d", 0, 2) + listed("e", 0, 3)
    assert lines(body, numbering) == ["1. a", "2. b", f"{at}. c", f"{at + 1}. d", f"{at + 2}. e"]


def test_an_instance_with_a_level_of_its_own() -> None:
    own = (
        '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="4"/>' + level(0, "[%1]", "upperLetter") + "</w:lvlOverride>"
    )
    assert lines(listed("a") + listed("b", 0, 2), lists(level(0, "%1."), overrides={2: own})) == ["1. a", "[D] b"]


def test_numbers_of_headings_come_from_their_styles_and_the_ones_they_are_based_on() -> None:
    numbering = lists(level(0, "%1", more='<w:pStyle w:val="H1"/>'), level(1, "%1.%2", more='<w:pStyle w:val="H2"/>'))
    styles = (
        style("H1", "heading 1", number="1")
        + style("H2", "heading 2", based="H1", at=1, number="1")
        + style("Mine", based="H2")
        + style("Plain", based="H1", number="0")
    )
    body = p("One", style="H1") + p("Sub", style="H2") + p("Own", style="Mine") + p("None", style="Plain")
    body += p("Off", style="H1", properties='<w:numPr><w:numId w:val="0"/></w:numPr>') + p("Two", style="H1")
    opened = read(docx(body, numbering=numbering, styles=styles))
    assert [(at, title) for at, title, _ in opened.outline] == [
        (1, "1 One"),
        (2, "1.1 Sub"),
        (2, "1.2 Own"),
        (1, "None"),
        (1, "Off"),
        (1, "2 Two"),
    ]
    assert "## 1.2 Own" in opened.page(0).text


def test_a_style_without_a_linked_level_names_its_own() -> None:
    numbering = lists(level(0, "%1"), level(1, "%1.%2"))
    body = p("a", style="A") + p("b", style="B") + p("c", style="B")
    styles = style("A", number="1") + style("B", number="1", at=1)
    assert lines(body, numbering, styles) == ["1 a", "  1.1 b", "  1.2 c"]


def test_numbering_by_a_list_style() -> None:
    numbering = (
        '<w:abstractNum w:abstractNumId="5"><w:styleLink w:val="L"/>' + level(0, "§ %1") + "</w:abstractNum>"
        '<w:abstractNum w:abstractNumId="6"><w:numStyleLink w:val="L"/></w:abstractNum>'
        '<w:num w:numId="1"><w:abstractNumId w:val="6"/></w:num><w:num w:numId="9"><w:abstractNumId w:val="5"/></w:num>'
    )
    styles = (
        '<w:style w:type="numbering" w:styleId="L"><w:pPr><w:numPr><w:numId w:val="9"/></w:numPr></w:pPr></w:style>'
    )
    assert lines(listed("a") + listed("b", 0, 9), numbering, styles) == ["§ 1 a", "§ 2 b"]
    circle = numbering.replace('<w:styleLink w:val="L"/>' + level(0, "§ %1"), '<w:numStyleLink w:val="L"/>')
    assert lines(listed("a"), circle, styles) == ["a"]


@pytest.mark.parametrize(
    ("kind", "template", "expected"),
    [
        ("decimalZero", "%1", ["01", "02", "03"]),
        ("lowerRoman", "(%1)", ["(i)", "(ii)", "(iii)"]),
        ("upperLetter", "%1)", ["A)", "B)", "C)"]),
        ("ordinal", "%1", ["1st", "2nd", "3rd"]),
        ("cardinalText", "Part %1", ["Part One", "Part Two", "Part Three"]),
        ("ordinalText", "%1", ["First", "Second", "Third"]),
        ("none", "Note:", ["Note:", "Note:", "Note:"]),
        ("decimal", "", ["", "", ""]),
        ("decimal", "%1.%2", ["", "", ""]),  # a level below: Word shows nothing
        ("bullet", "\uf0b7", ["*", "*", "*"]),
        ("bullet", "☐", ["[ ]", "[ ]", "[ ]"]),
    ],
)
def test_formats(kind: str, template: str, expected: list[str]) -> None:
    body = "".join(listed(word) for word in ("xx", "yy", "zz"))
    shown = lines(body, lists(level(0, template, kind)))
    assert [line.rpartition(" ")[0] for line in shown] == expected


def test_a_format_of_ones_own_is_in_the_alternative_content() -> None:
    own = (
        '<mc:AlternateContent><mc:Choice Requires="w14">'
        '<w:numFmt w:val="custom" w:format="001, 002, 003, ..."/></mc:Choice>'
        '<mc:Fallback><w:numFmt w:val="decimal"/></mc:Fallback></mc:AlternateContent>'
    )
    numbering = lists(f'<w:lvl w:ilvl="0"><w:start w:val="9"/>{own}<w:lvlText w:val="%1"/></w:lvl>')
    assert lines(listed("a") + listed("b"), numbering) == ["009 a", "010 b"]


@pytest.mark.parametrize(
    ("number", "kind", "expected"),
    [
        (1994, "upperRoman", "MCMXCIV"),
        (27, "lowerLetter", "aa"),
        (54, "upperLetter", "BBB"),
        (12, "ordinal", "12th"),
        (112, "ordinal", "112th"),
        (42, "cardinalText", "Forty-two"),
        (120, "ordinalText", "One hundred twentieth"),
        (5, "chicago", "**"),
        (20, "decimalEnclosedCircle", "⑳"),
        (21, "decimalEnclosedCircle", "21"),
        (105, "chineseCounting", "一百零五"),
        (15, "hebrew1", "טו"),
        (0, "lowerRoman", "0"),
        (-3, "upperLetter", "-3"),
        (10**9, "upperLetter", str(10**9)),
        (7, "a format of the future", "7"),
    ],
)
def test_numbers(number: int, kind: str, expected: str) -> None:
    assert written(number, kind) == expected


def test_suffixes_and_hidden_numbers() -> None:
    numbering = lists(
        level(0, "%1-", more='<w:suff w:val="nothing"/>'),
        '<w:lvl w:ilvl="1"><w:start w:val="1"/><w:lvlText w:val="%2"/><w:rPr><w:vanish/></w:rPr></w:lvl>',
    )
    assert lines(listed("a") + listed("b", 1), numbering) == ["1-a", "b"]


def test_text_boxes_and_headers_count_for_themselves() -> None:
    box = f"<w:r><w:pict><v:textbox><w:txbxContent>{listed('box')}</w:txbxContent></v:textbox></w:pict></w:r>"
    body = listed("a") + p(box) + listed("b") + p(box)
    assert lines(body, lists(level(0, "%1."))) == ["1. a", "1. box", "2. b", "2. box"]


def test_missing_and_damaged_lists() -> None:
    assert text(listed("a") + listed("b", 5)) == "a\n\nb"
    numbering = lists(
        level(0, "%1."), overrides={4: '<w:lvlOverride w:ilvl="x"><w:startOverride w:val="9"/></w:lvlOverride>'}
    )
    body = listed("a", 12) + listed("b", 0, 99) + listed("c", 0, 4) + p("d", properties="<w:numPr/>")
    assert lines(body, numbering) == ["a", "b", "1. c", "d"]


def test_deleted_paragraphs_have_no_number_and_hidden_ones_are_not_counted() -> None:
    gone = (
        '<w:p><w:pPr><w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr><w:rPr><w:del w:id="1"/></w:rPr></w:pPr>'
        '<w:del w:id="2"><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>'
    )
    hidden = gone.replace('<w:del w:id="1"/>', "<w:vanish/>").replace(
        '<w:del w:id="2"><w:r><w:delText>gone</w:delText></w:r></w:del>',
        "<w:r><w:rPr><w:vanish/></w:rPr><w:t>gone</w:t></w:r>",
    )
    numbering = lists(level(0, "%1."))
    assert lines(listed("a") + gone + listed("b"), numbering) == ["1. a", "[deleted: gone]", "2. b"]
    assert lines(listed("a") + gone + listed("b"), numbering, changes="original") == ["1. a", "2. gone", "3. b"]
    assert lines(listed("a") + hidden + listed("b"), numbering) == ["1. a", "2. b"]
