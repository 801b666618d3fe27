"""Tracked changes of Word: each version, the marks, and the count."""

import pytest

from tests.agent.corpus.formats.word_files import docx, field, p, r, read, table, tc, text, tr

VERSIONS = ("marked", "final", "original")


def ins(*content: str) -> str:
    runs = "".join(one if one.startswith("<") else r(one) for one in content)
    return f'<w:ins w:id="1" w:author="A" w:date="2024-01-01T00:00:00Z">{runs}</w:ins>'


def gone(*content: str) -> str:
    return ins(*content).replace("w:ins", "w:del").replace("w:t>", "w:delText>").replace("<w:t ", "<w:delText ")


def moved(kind: str, content: str) -> str:
    return f'<w:{kind} w:id="3" w:author="A">{r(content)}</w:{kind}>'


MARK_INSERTED = '<w:rPr><w:ins w:id="7" w:author="A"/></w:rPr>'
MARK_DELETED = '<w:rPr><w:del w:id="8" w:author="A"/></w:rPr>'


@pytest.mark.parametrize(
    ("body", "marked", "final", "original"),
    [
        (
            p("Pay ", gone("1,000"), ins("250"), " euros."),
            "Pay [deleted: 1,000][inserted: 250] euros.",
            "Pay 250 euros.",
            "Pay 1,000 euros.",
        ),
        (
            p(moved("moveFrom", "Clause A."), "B.") + p(moved("moveTo", "Clause A.")),
            "[deleted: Clause A.]B.\n\n[inserted: Clause A.]",
            "B.\n\nClause A.",
            "Clause A.B.",
        ),
        (
            p(ins("new ", gone("and gone "), "text"), " stays"),
            "[inserted: new] [deleted: and gone] [inserted: text] stays",
            "new text stays",
            "stays",
        ),
        (
            p("First ", properties=MARK_DELETED) + p("second"),
            "First\n\nsecond",
            "First second",
            "First\n\nsecond",
        ),
        (
            p(gone("all of it"), properties=MARK_DELETED) + p("rest"),
            "[deleted: all of it]\n\nrest",
            "rest",
            "all of it\n\nrest",
        ),
        (
            p("before") + p(ins("a paragraph"), properties=MARK_INSERTED) + p("after"),
            "before\n\n[inserted: a paragraph]\n\nafter",
            "before\n\na paragraph\n\nafter",
            "before\n\nafter",
        ),
        (
            p("see ", field("REF x", gone("4.1"), ins("4.2"))),
            "see [deleted: 4.1][inserted: 4.2]",
            "see 4.2",
            "see 4.1",
        ),
        (
            p(
                "bold ",
                gone(r("b", "<w:b/>")),
                r("c", '<w:b/><w:rPrChange w:id="9"><w:rPr><w:vanish/></w:rPr></w:rPrChange>'),
            ),
            "bold [deleted: **b**]**c**",
            "bold **c**",
            "bold **bc**",
        ),
        (
            p(
                "x ",
                "<m:oMath><m:r><m:t>a=</m:t></m:r>",
                gone("<m:r><m:t>1</m:t></m:r>"),
                ins("<m:r><m:t>2</m:t></m:r>"),
                "</m:oMath>",
            ),
            "x [deleted: $a=1$][inserted: $a=2$]",
            "x $a=2$",
            "x $a=1$",
        ),
    ],
)
def test_versions(body: str, marked: str, final: str, original: str) -> None:
    assert [text(body, {"changes": version}) for version in VERSIONS] == [marked, final, original]


def test_rows_and_cells() -> None:
    body = table(
        tr("head", "value"),
        tr("added", tc(p(ins("5"))), properties='<w:ins w:id="1" w:author="A"/>'),
        tr("removed", "6", properties='<w:del w:id="2" w:author="A"/>'),
        tr("row", tc("7", '<w:cellIns w:id="3" w:author="A"/>')),
    )
    head = "| head | value |\n| --- | --- |\n"
    assert text(body) == head + (
        "| [inserted: added] | [inserted: 5] |\n| [deleted: removed] | [deleted: 6] |\n| row | [inserted: 7] |"
    )
    assert text(body, {"changes": "final"}) == head + "| added | 5 |\n| row | 7 |"
    assert text(body, {"changes": "original"}) == head + "| removed | 6 |\n| row |  |"


def test_a_deleted_row_does_not_lengthen_what_spans_it() -> None:
    start, more = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    body = table(
        tr("plant", "tonnes"),
        tr(tc("A", start), "1"),
        tr(tc("", more), "2", properties='<w:del w:id="2" w:author="A"/>'),
        tr("B", "3"),
    )
    assert text(body, {"changes": "final"}).endswith("| A | 1 |\n| B | 3 |")


def test_notes_and_headings() -> None:
    body = p("text", '<w:r><w:footnoteReference w:id="2"/></w:r>', style="Heading1")
    footnotes = f'<w:footnote w:id="2">{p("see ", gone("page 3"), ins("page 4"))}</w:footnote>'
    opened = read(docx(body, footnotes=footnotes))
    assert opened.page(0).text == "# text[^1]\n\n[^1]: see [deleted: page 3][inserted: page 4]"
    assert opened.outline == [(1, "text", 1)]
    opened = read(docx(p("Old ", gone("and gone "), ins("new"), style="Heading2")))
    assert opened.outline == [(2, "Old new", 1)]


@pytest.mark.parametrize(
    ("body", "counted"),
    [
        (p(ins("a"), ins("b"), " x ", ins("c")), "2 insertions"),
        (p(gone("a")) + p(gone("b")) + p(ins("c")), "1 insertion and 2 deletions"),
        (p(moved("moveFrom", "a")) + p(moved("moveTo", "a")), "1 move"),
        (
            p(gone("a"), ins("b"), moved("moveFrom", "c"), " ", moved("moveTo", "c")),
            "1 insertion, 1 deletion and 1 move",
        ),
        (p("x", properties=MARK_DELETED) + p("y"), "1 deletion"),
        # A paragraph that is inserted with its mark goes on in the next one.
        (p(ins("a"), properties=MARK_INSERTED) + p(ins("b")), "1 insertion"),
    ],
)
def test_they_are_counted_in_every_version(body: str, counted: str) -> None:
    for version, treated in (("marked", "both"), ("final", "accepting"), ("", "both"), ("original", "before")):
        warnings = read(docx(body), **({"changes": version} if version else {})).warnings
        assert len(warnings) == 1
        assert f"Tracked changes: {counted};" in warnings[0]
        assert treated in warnings[0]
    assert read(docx(p("no change"))).warnings == []
