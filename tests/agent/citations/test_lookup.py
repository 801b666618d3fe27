"""What supports an answer: the marks the model wrote, and the pages that have its words."""

import pytest

from longread.agent.citations.lookup import PageIndex, sources, without_sources
from longread.agent.citations.markers import Citation, marks
from tests.support.corpora import corpus, document

CACHE = (
    "One token of the 7B model takes 57,344 bytes of K/V cache in bfloat16. A million tokens take 57.3 GB.",
    "One token of the 14B model takes 196,608 bytes of K/V cache in bfloat16. A million tokens take 196.6 GB.",
    "Chunked prefill reads the prompt in chunks of 32,768 tokens, which saves 96.7 percent of the memory.",
    "The largest tensor-parallel size of the 7B model is 4, because the model has 4 key-value heads.",
)
BOOK = corpus(document("book", *CACHE), document("中文手册", "北京是中华人民共和国的首都。", "上海是一座大城市。"))


def pages(found: tuple[Citation, ...]) -> list[str]:
    return [str(citation) for citation in found]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("It takes 57,344 bytes [book:1].", ["[book:1]"]),
        ("Twice [book:1], again [book:1].", ["[book:1]"]),
        ("A list [book:1, book:3].", ["[book:1]", "[book:3]"]),
        ("A short list [book:1, 3].", ["[book:1]", "[book:3]"]),
        ("A range [book:2-4].", ["[book:2]", "[book:3]", "[book:4]"]),
        ("Two documents [book:2; 中文手册:1].", ["[book:2]", "[中文手册:1]"]),
        ("Not a mark: [1], [RFC 2119: 3.1], [book], book:1.", []),
    ],
)
def test_marks_are_read(answer: str, expected: list[str]) -> None:
    found, unknown = marks(answer, BOOK)
    assert pages(found) == expected
    assert unknown == ()
    assert all(citation.found_by == "model" for citation in found)


def test_marks_of_pages_that_do_not_exist_are_reported() -> None:
    found, unknown = marks("See [book:9], [other:1] and [book:4].", BOOK)
    assert pages(found) == ["[book:4]"]
    assert unknown == ("[book:9]", "[other:1]")
    found, unknown = marks(f"See [book:3-9], [book:5-2], [book:1-50000000] and [book:{'1' * 5000}].", BOOK)
    assert pages(found) == ["[book:3]", "[book:4]"]
    assert unknown == ("[book:3-9]", "[book:5-2]", "[book:1-50000000]")


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        ("How many bytes does one token of the 7B model take?", "57,344 bytes.", "[book:1]"),
        ("How many bytes does one token of the 14B model take?", "One token takes 196,608 bytes of cache.", "[book:2]"),
        ("How much does chunked prefill save?", "It saves 96.7 percent of the memory.", "[book:3]"),
        ("How far can the 7B model be split?", "The largest tensor-parallel size is 4.", "[book:4]"),
        ("中国的首都是哪里？", "中国的首都是北京。", "[中文手册:1]"),
        # the model's own mark is wrong: lookup does not follow it
        ("How many bytes?", "57,344 bytes of K/V cache [book:3].", "[book:1]"),
        # case, punctuation and neutralised control tokens do not matter
        ("Memory?", "SAVES 96.7 PERCENT, of the memory", "[book:3]"),
    ],
)
def test_the_answers_words_lead_to_the_page(question: str, answer: str, expected: str) -> None:
    found = PageIndex(BOOK).lookup(answer, question)
    assert pages(found)[0] == expected
    assert all(citation.found_by == "lookup" for citation in found)


def test_an_answer_from_two_pages_names_both() -> None:
    answer = "The 7B takes 57,344 bytes of K/V cache; chunked prefill reads the prompt in chunks of 32,768 tokens."
    assert set(pages(PageIndex(BOOK).lookup(answer))) == {"[book:1]", "[book:3]"}


def test_the_longest_run_is_told() -> None:
    found = PageIndex(BOOK).lookup("I believe it saves 96.7 percent of the memory, roughly.")
    assert found[0].words == "saves 96 7 percent of the memory"


@pytest.mark.parametrize("answer", ["", "I do not know.", "Bananas grow in Ecuador.", "[book:1]"])
def test_words_that_no_page_has_lead_nowhere(answer: str) -> None:
    assert PageIndex(BOOK).lookup(answer) == ()


def test_the_line_under_an_answer_can_be_taken_off_again() -> None:
    found = PageIndex(BOOK).lookup("57,344 bytes")
    assert sources(found) == "Pages with these words (found by lookup): [book:1]"
    assert sources(()) == "No page has these words (looked up)."
    for line in (sources(found), sources(())):
        assert without_sources(f"First.\n\nSecond.\n\n{line}") == "First.\n\nSecond."
    assert without_sources("First.\n\nSecond.") == "First.\n\nSecond."
    assert without_sources("") == ""
