"""The normal form of text, and the sections that replace pages."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread.agent.corpus.names import LONGEST, names
from longread.agent.corpus.text import MAX_BLANK, SECTION, normalize, split_lines, split_sections
from longread.agent.prompt.tokenizer import qwen
from longread.page_ranges import format_ranges


@pytest.mark.parametrize(
    ("dirty", "expected"),
    [
        ("a\r\nb\rc\x0bd\x0ce\x85f\u2028g\u2029h", "a\nb\nc\nd\ne\nf\ng\nh"),
        ("nul\0 bell\x07 escape\x1b[31m del\x7f c1\x9b", "nul bell escape[31m del c1"),
        ("tab\tstays", "tab\tstays"),
        ("  \n stripped \n\u00a0", "stripped"),
        ("e\u0301", "é"),
        ("half \ud83d of a pair", "half \ufffd of a pair"),
        ("", ""),
    ],
)
def test_clean(dirty: str, expected: str) -> None:
    assert normalize(dirty) == (expected, [])


def test_clean_shortens_only_endless_white_space() -> None:
    text, notes = normalize("a" + " " * 1_000_000 + "b" + "\n" * MAX_BLANK + "c")
    assert text == "a" + " " * MAX_BLANK + "b" + "\n" * MAX_BLANK + "c"
    assert notes == [f"runs of more than {MAX_BLANK} white space characters were shortened to that"]
    assert qwen().count(text) < 200  # and the tokenizer survives it


@given(st.text(st.characters(), max_size=200))
def test_clean_text_is_clean(text: str) -> None:
    once, _ = normalize(text)
    assert normalize(once) == (once, [])
    assert unicodedata.is_normalized("NFC", once)
    once.encode()
    assert not any(unicodedata.category(char) == "Cc" for char in once if char not in "\t\n")


def squeezed(text: str) -> str:
    return "".join(text.split())


@given(st.lists(st.text(st.sampled_from("ab, \t#"), max_size=6000), max_size=12), st.integers(0, 3))
def test_sections_keep_every_character(lines: list[str], step: int) -> None:
    text = "\n".join(lines)
    parts = split_sections(split_lines(text), range(1, len(lines) + 1, step) if step else ())
    assert squeezed("".join(line.text for part in parts for line in part)) == squeezed(text)
    for part in parts:
        assert sum(len(line.text) for line in part) <= 2 * SECTION
        assert part[0].number <= part[-1].number


def test_sections_begin_at_the_best_line() -> None:
    body = "x" * 99
    lines = [body] * 15 + ["    indented"] * 5 + ["", "paragraph"] + [body] * 4 + ["# Heading"] + [body] * 30
    numbered = split_lines("\n".join(lines))
    assert split_sections(numbered, [27])[1][0].text == "# Heading\n"
    assert split_sections(numbered)[1][0].text in ("paragraph\n", body + "\n")
    code = ["def f():"] + ["    " + body] * 26 + ["def g():"] + ["    " + body] * 20
    assert split_sections(split_lines("\n".join(code)))[1][0].text == "def g():\n"


def test_a_line_without_end_is_cut_between_words() -> None:
    lines = split_lines("word, " * 2000)
    assert {line.number for line in lines} == {1}
    assert all(line.text.startswith("word") for line in lines if line.text.strip())


def test_ranges() -> None:
    assert format_ranges([3, 4, 5, 9]) == "3-5, 9"
    assert format_ranges([2, 1, 2]) == "1-2"
    assert format_ranges([]) == ""


def test_names_are_short_and_different() -> None:
    sources = ["a/Report (Final).PDF", "b/report-final.txt", "x/Отчёт: 2024].md", "-", "...", "报告.docx", "हिन्दी.txt"]
    assert names(sources) == [
        *("report-final", "report-final-2", "отчёт-2024", "stdin", "document", "报告", "हिन्दी"),
    ]
    long = names([f"{'very-long-name-' * 4}{i}.txt" for i in range(12)])
    assert long[0] == "very-long-name-very-long"
    assert long[11] == "very-long-name-very-l-12"
    assert names(["a.txt", "a-2.txt", "b/a.txt"]) == ["a", "a-2", "a-3"]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60), max_size=20))
def test_any_name_can_be_cited(stems: list[str]) -> None:
    found = names(f"folder/{stem}.txt" for stem in stems)
    assert len(set(found)) == len(stems)
    for name in found:
        assert 1 <= len(name) <= LONGEST
        assert not set(name) & set(":[], \n/")
