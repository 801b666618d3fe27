"""`search`: counts against naive counts, text as typesetting left it, and expressions that do not end."""

import re
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread import Corpus
from longread.tools.search import _any_space
from longread.tools.text.phrases import UnwrappedText, fold_case, unwrap
from tests.support.corpora import corpus, document
from tests.support.messages import says

Calls = Callable[..., Callable[..., str]]


def counted(answer: str) -> tuple[int, int]:
    """(matches, pages) as the first line says."""
    match = re.match(r"([\d,]+) match(?:es)? of .* on ([\d,]+) of [\d,]+ pages?", answer)
    assert match, answer
    return int(match[1].replace(",", "")), int(match[2].replace(",", ""))


def quoted(answer: str) -> list[str]:
    return [line for line in answer.split("\n") if line.startswith("[")]


def test_matches_are_counted_by_page_and_document(calls: Calls):
    call = calls(corpus(document("a", "cat cat", "dog", "The Cat sat."), document("b", "no"), document("c", "a cat")))
    assert call("search", query="cat").split("\n") == [
        "4 matches of the phrase 'cat' on 3 of 5 pages, in 2 of 3 documents.",
        "a: 3 on 2 pages: 1, 3",
        "c: 1 on 1 page: 1",
        "Matches 1-4 of 4, quoted from the documents:",
        "[a:1] cat cat (2 matches)",
        "[a:3] The Cat sat.",
        "[c:1] a cat",
    ]
    assert counted(call("search", query="Cat", case_sensitive=True)) == (1, 1)
    assert counted(call("search", query="cat", document="a")) == (3, 2)
    assert counted(call("search", query="cat", document="a", pages="2-3")) == (1, 1)
    assert says(call("search", query="cow"), "0", "matches", "phrase", "'cow'", "0", "5", "bm25")
    assert call("search", query="cat", pages="1").startswith("search: document is missing")
    assert says(call("search", query="cat", document="a", pages="2-7"), "search", "pages", "2-7", "1-3")
    assert call("search", query="  ") == "search: query is empty."


def test_whole_words(calls: Calls):
    call = calls(corpus(document("a", "art part art. start ART's art", "中文中 文art艺术")))
    assert counted(call("search", query="art")) == (7, 2)
    assert counted(call("search", query="art", whole_words=True)) == (5, 2)
    assert counted(call("search", query="中文", whole_words=True)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("net\n  profit", "net profit"),
        ("the hyphen-\nated word", "hyphenated word"),
        ("a well-\nknown case", "well-known"),
        ("a well-\nknown case", "wellknown"),
        ("Jean-\nPierre came", "jean-pierre"),
        ("in 1990-\n1995", "1990-1995"),
        ("soft\u00adware soft\u00ad\nware", "software software"),
        ("a zero\u200bwidth", "zerowidth"),
        ("it’s “here” – now", 'it\'s "here" - now'),
        ("the ﬁrst oﬃce", "first office"),
        ("STRASSE İstanbul end", "end"),
        ("ΟΔΟΣ", "οδος"),
        ("中华人民\n共和国", "人民共和国"),
        ("これは\n本です", "これは本"),
        ("ภาษา\nไทย", "ภาษาไทย"),
        ("한국어 문장", "한국어\n문장"),
        ("cafe\u0301", "cafe\u0301"),
    ],
)
def test_what_typesetting_does_to_a_phrase(calls: Calls, text: str, phrase: str):
    assert counted(calls(corpus(document("a", text)))("search", query=phrase)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("rec-\nord", "re-cord"), ("wellknown", "well-known"), ("a\n\n- b", "a- b"), ("end-\n\nStart", "endstart")],
)
def test_what_is_another_phrase(calls: Calls, text: str, phrase: str):
    assert counted(calls(corpus(document("a", text)))("search", query=phrase)) == (0, 0)


@pytest.mark.parametrize(
    ("pages", "phrase", "first", "last"),
    [
        (("x the long", "phrase y"), "long phrase", 1, 2),
        (("an exam-", "ple of it"), "example", 1, 2),
        (("a well-", "known one"), "well-known", 1, 2),
        (("第一", "章"), "第一章", 1, 2),
        (("a long", "", "phrase"), "long phrase", 1, 3),
    ],
)
def test_a_phrase_over_a_page_end_belongs_to_the_first(calls: Calls, pages, phrase: str, first: int, last: int):
    call = calls(corpus(document("a", *pages)))
    answer = call("search", query=phrase)
    assert counted(answer) == (1, 1)
    assert quoted(answer)[0].startswith(f"[a:{first}]")
    assert quoted(answer)[0].endswith(f"(runs on to page {last})")
    assert counted(call("search", query=phrase, document="a", pages=str(last))) == (0, 0)


TEXTS = st.text(alphabet="aab -\n", max_size=40)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.text(alphabet="aab -", min_size=1, max_size=4))
def test_counts_are_those_of_a_naive_count(pages: list[str], phrase: str):
    # Without divided words, the unwrapped text is the words of all pages, a space apart.
    pages = [re.sub(r"[-\s]*\n", "\n", page).rstrip("- \n") for page in pages]
    text = UnwrappedText(enumerate(pages, 1))
    words = " ".join(" ".join(pages).split())
    assert text.text.split() == words.split()
    wanted = " ".join(phrase.split())
    assert len(text.find(phrase)) == (words.count(wanted) if wanted else 0)
    assert sum(end - start for _, start, end in text.parts()) == len(text.text)


@given(st.lists(st.text(alphabet="ab-\n 中文\u00ad", max_size=12), min_size=1, max_size=5))
def test_every_page_of_an_even_text_is_where_it_says(pages: list[str]):
    text = UnwrappedText(enumerate(pages, 1))
    assert "  " not in text.text
    for number, start, end in text.parts():
        alone = unwrap(pages[number - 1])[0]
        assert text.text[start:end].strip() in (alone, alone.removesuffix("-"))
        if start < end:
            assert text.page(start) == text.page(end - 1) == number


@given(st.text())
def test_folding_keeps_the_length(text: str):
    assert len(fold_case(text)) == len(text)


def test_more_than_is_shown_is_counted_and_can_be_asked_for(calls: Calls):
    pages = [f"page {n} has a needle{'. ' * 300} and a needle" for n in range(40)]
    call = calls(corpus(document("a", *pages)), snippets=30)
    answer = call("search", query="needle")
    assert counted(answer) == (80, 40)
    assert "Matches 1-30 of 80, quoted from the documents:" in answer
    assert answer.endswith("50 more not shown: call again with offset=30, or narrow the search.")
    seen = quoted(answer) + quoted(call("search", query="needle", offset=30))
    seen += quoted(call("search", query="needle", offset=60))
    assert len(seen) == 80
    assert [int(re.match(r"\[a:(\d+)\]", line)[1]) for line in seen] == [n // 2 + 1 for n in range(80)]  # pyright: ignore
    assert says(call("search", query="needle", offset=80), "80", "80", "matches", "numbered", "0")


@pytest.mark.parametrize("mode", ["exact", "regex", "bm25"])
def test_the_answer_keeps_to_its_characters(calls: Calls, mode: str):
    many = corpus(*(document(f"d{n}", *["needle " * 200] * 3) for n in range(60)))
    answer = calls(many, characters=3000)("search", query="needle", mode=mode)
    assert len(answer) <= 3000
    assert "more not shown: call again with offset=" in answer
    if mode != "bm25":
        assert counted(answer) == (36_000, 180)
        assert "and 24,000 in 40 more documents" in answer


def test_regular_expressions(calls: Calls):
    call = calls(corpus(document("a", "Profit 12\nProfit 345", "profit\n6 loss"), document("b", "Profit x")))
    assert counted(call("search", mode="regex", query=r"profit \d+")) == (3, 2)
    assert counted(call("search", mode="regex", query=r"^Profit", case_sensitive=True)) == (3, 2)
    assert counted(call("search", mode="regex", query="z*")) == (0, 0)
    assert counted(call("search", mode="regex", query=".", document="a", pages="2")) == (12, 1)
    answer = call("search", mode="regex", query=r"profit \d+", document="a", pages="2")
    assert quoted(answer) == ["[a:2] profit 6 loss"]
    assert call("search", mode="regex", query="(x").startswith(
        "search: the regular expression cannot be read: missing )"
    )
    assert says(call("search", mode="regex", query="(?R)"), "search: ", "may not call itself")


@pytest.mark.parametrize(
    ("pattern", "expression"),
    [("a b", r"a\s+b"), ("a *b", r"a\s*b"), (r"a\ b", r"a\ b"), ("[a b] c", r"[a b]\s+c"), (r"\[a b\]", r"\[a\s+b\]")],
)
def test_a_space_is_any_white_space(pattern: str, expression: str):
    assert _any_space(pattern) == expression


def test_an_expression_that_does_not_end_is_stopped(calls: Calls, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("longread.tools.search.monotonic", lambda: 0.0)  # the first page takes no time
    call = calls(corpus(document("a", "short", "a" * 60 + "b")), regex_seconds=0.3)
    answer = call("search", mode="regex", query="(?:a|a)+(?:a|a)+$c")
    assert answer.startswith(
        "search: the regular expression took more than 0.3 s and was stopped at [a:2]; nothing was"
    )


def test_the_time_of_an_expression_is_for_all_pages(calls: Calls, monkeypatch: pytest.MonkeyPatch):
    moments = iter([0.0, 0.2, 0.4])  # at the beginning, and before each page
    monkeypatch.setattr("longread.tools.search.monotonic", lambda: next(moments))
    call = calls(corpus(document("a", "one", "two")), regex_seconds=0.3)
    assert says(call("search", mode="regex", query="o"), "0.3", "stopped", "[a:2]")


def test_pages_by_words(calls: Calls):
    call = calls(
        corpus(document("a", "the whale and the sea", "a whale whale whale", "ships"), document("b", "鲸鱼在海里"))
    )
    answer = call("search", mode="bm25", query="whale")
    assert says(answer.split("\n")[0], "2", "4", "pages", "word", "'whale'")
    assert quoted(answer) == ["[a:2] a whale whale whale", "[a:1] the whale and the sea"]
    assert quoted(call("search", mode="bm25", query="鲸鱼")) == ["[b:1] 鲸鱼在海里"]
    assert quoted(call("search", mode="bm25", query="鱼")) == ["[b:1] 鲸鱼在海里"]
    assert quoted(call("search", mode="bm25", query="whale", document="a", pages="1")) == [
        "[a:1] the whale and the sea"
    ]
    assert says(call("search", mode="bm25", query="xyzzy"), "0", "4", "pages", "word", "'xyzzy'")
    far = "nothing here. " * 100
    snippet = quoted(
        calls(corpus(document("a", far + "the white whale swam" + far)))("search", mode="bm25", query="white whale")
    )
    assert "the white whale swam" in snippet[0]
    assert len(snippet[0]) < 600


@pytest.fixture(scope="module")
def handbook() -> Corpus:
    return Corpus.load(["examples/handbook.pdf"])


def test_a_real_book(calls: Calls, handbook: Corpus):
    whole = " ".join(" ".join(page.text for page in handbook.documents[0].pages).split()).lower()
    call = calls(handbook)
    for phrase in ("the", "window", "retrieval is cheap", "1,048,576"):
        assert counted(call("search", query=phrase))[0] == whole.count(phrase), phrase
    assert quoted(call("search", mode="bm25", query="verticals and slashes of sparse prefill"))[0].startswith(
        "[handbook:4]"
    )


def test_a_million_tokens_are_searched_at_once(calls: Calls, handbook: Corpus, calls_in: Callable[..., int]):
    texts = [page.text for page in handbook.documents[0].pages]
    size = sum(map(len, texts))
    pages = (texts * (4_000_000 // size + 1))[: 4_000_000 * len(texts) // size]
    big = corpus(document("big", "x")).documents[0]
    page = big.pages[0]
    big = big.model_copy(
        update={"pages": tuple(page.model_copy(update={"number": n, "text": text}) for n, text in enumerate(pages, 1))}
    )
    call = calls(Corpus(documents=(big,)))
    call("search", query="first")
    for query in ("retrieval is cheap", "the", "nowhere at all"):
        matches, _ = counted(call("search", query=query))
        # For each page and each match: four million characters are looked at in C.
        assert calls_in(partial(call, "search", query=query)) < 3 * (len(pages) + matches) + 2_000
