"""`compare`: differences that can be replayed, counted, placed, and had with little work for whole books."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread import Corpus
from longread.documents import Document
from longread.tools.text import word_diff
from longread.tools.text.word_diff import Change, changes
from tests.support.corpora import corpus, document
from tests.support.messages import says

Calls = Callable[..., Callable[..., str]]
WORDS = st.lists(st.sampled_from("abcde"), max_size=30)


def replayed(first: Sequence[str], second: Sequence[str], found: list[Change]) -> list[str]:
    result: list[str] = []
    at = 0
    for change in found:
        result += [*first[at : change.start], *second[change.second_start : change.second_end]]
        at = change.end
    return [*result, *first[at:]]


def check(first: Sequence[str], second: Sequence[str]) -> list[Change]:
    found = changes(first, second)
    assert replayed(first, second, found) == list(second)
    assert all(a.end < b.start for a, b in pairwise(found)), "adjacent changes are one"
    assert all(c.start < c.end or c.second_start < c.second_end for c in found)
    return found


@given(WORDS, WORDS)
def test_changes_turn_the_first_into_the_second(first: list[str], second: list[str]):
    check(first, second)
    assert changes(first, first) == []


@given(st.integers(0, 2**32), WORDS, st.integers(0, 5999))
def test_one_change_in_a_long_text_is_one_change(seed: int, inserted: list[str], at: int):
    rng = random.Random(seed)
    first = [f"w{rng.randrange(800)}" for _ in range(6000)]
    found = check(first, [*first[:at], *inserted, *first[at:]])
    assert found == ([Change(at, at, at, at + len(inserted))] if inserted else [])


class Work:
    """What a comparison does, counted where its time goes."""

    def __init__(self, patch: pytest.MonkeyPatch):
        self.pairs = 0
        """Of words that are compared exactly: that takes as long as there are pairs."""
        self.words = 0
        """That are looked at for runs that occur once."""
        opcodes, once = word_diff.Indel.opcodes, word_diff._once

        class Counted:
            @staticmethod
            def opcodes(first: list[int], second: list[int]):
                self.pairs += len(first) * len(second)
                return opcodes(first, second)

        def counted(words: list[int], start: int, end: int, run: int):
            self.words += end - start
            return once(words, start, end, run)

        patch.setattr(word_diff, "Indel", Counted)
        patch.setattr(word_diff, "_once", counted)

    def of(self, first: Sequence[str], second: Sequence[str]) -> tuple[int, int]:
        """(pairs, words) of this comparison, a word of both texts."""
        self.pairs = self.words = 0
        check(first, second)
        size = len(first) + len(second)
        return self.pairs // size, self.words // size


def test_books(calls: Calls, calls_in: Callable[..., int], monkeypatch: pytest.MonkeyPatch):
    rng = random.Random(5)
    words = [f"w{int(8000 * rng.random() ** 3)}" for _ in range(120_000)]
    edited = list(words)
    for at in range(119_000, 0, -1000):
        edited[at : at + 2] = [f"new{at}"]
    work = Work(monkeypatch)
    assert len(check(words, edited)) == 119
    pairs, seen = work.of(words, edited)
    assert pairs < 10
    assert seen <= 4
    shuffled = [words[n : n + 400] for n in range(0, 120_000, 400)]
    rng.shuffle(shuffled)
    pairs, seen = work.of(words, [word for part in shuffled for word in part])
    assert pairs < 1_000
    assert seen <= 4
    pairs, seen = work.of(["a"] * 50_000, ["a", "b"] * 25_000)
    assert pairs < 10
    assert seen <= 4
    books = (paged("first", words, 400), paged("second", edited, 370))
    call = calls(corpus(*books))
    answer = call("compare", first="first", second="second")
    half = calls(corpus(paged("first", words[:60_000], 400), paged("second", edited[:59_941], 370)))
    of_half, of_all = (calls_in(partial(one, "compare", first="first", second="second")) for one in (half, call))
    assert of_all < 2.2 * of_half
    assert says(answer, "119", "0", "insertions", "0", "0", "0", "119", "replacements", "238", "119")
    assert says(answer, "119,762", "running", "headers", "600", "650")
    assert answer.endswith("99 more not shown: call again with offset=20, or give pages or a phrase.")


def paged(name: str, words: list[str], size: int) -> Document:
    """Pages with a running head and a page number."""
    starts = range(0, len(words), size)
    pages = [f"A running head\n{' '.join(words[at : at + size])}\n{n}" for n, at in enumerate(starts, 1)]
    return fast(name, pages)


def fast(name: str, texts: list[str]) -> Document:
    """A document without counting its tokens."""
    one = document(name, "x")
    pages = tuple(one.pages[0].model_copy(update={"number": n, "text": text}) for n, text in enumerate(texts, 1))
    return one.model_copy(update={"pages": pages})


V1 = document("v1", "The rate is 5 per cent. It is paid yearly.", "The term is\nten years. No fee is due.")
V2 = document("v2", "The rate is 6 per\ncent. It is paid\n", "yearly. The term is ten full years. Nothing else.")


def test_each_kind_of_change_with_its_pages(calls: Calls):
    assert calls(corpus(V1, V2))("compare", first="v1", second="v2").split("\n") == [
        "v1 (19 words) against v2 (18 words): 3 changes: 1 insertion (1 word), 0 deletions (0 words), 2 replacements "
        "(5 words by 3). 14 words are the same.",
        "Changes 1-3 of 3, quoted from the documents:",
        "[v1:1] [v2:1] The rate is [-5-]{+6+} per cent. It is paid yearly.",
        "[v1:2] [v2:2] is paid yearly. The term is ten {+full+} years.",
        "[v1:2] [v2:2] years. [-No fee is due-]{+Nothing else+}.",
    ]
    back = calls(corpus(V1, V2))("compare", first="v2", second="v1")
    assert says(back, "0", "insertions", "0", "1", "1", "2", "replacements", "3", "5")
    assert "ten [-full-] years" in back


def test_a_passage_by_pages_or_phrase(calls: Calls):
    call = calls(corpus(V1, V2))
    answer = call("compare", first="v1", second="v2", first_pages="1")
    assert "1 of these changes is where you asked." in answer
    assert "[-5-]{+6+}" in answer
    assert "full" not in answer
    answer = call("compare", first="v1", second="v2", second_pages="2")
    assert "2 of these changes are where you asked." in answer
    assert "{+full+}" in answer
    both = call("compare", first="v1", second="v2", first_pages="1", second_pages="1")
    assert "1 deletion (1 word)" in both  # "yearly" is on the next page of the second
    assert call("compare", first="v1", second="v1").startswith("compare: first and second are both v1; give")
    assert "against v1" in call("compare", first="v1", second="v1", first_pages="1", second_pages="2")
    assert says(
        call("compare", first="v1", second="v2", phrase="no such"), "compare", "neither", "v1", "v2", "'no such'"
    )
    far = " ".join(f"word{n}" for n in range(1000))
    long = corpus(document("a", f"alpha one. {far} omega one."), document("b", f"alpha two. {far} omega two."))
    answer = calls(long)("compare", first="a", second="b", phrase="alpha two")
    assert "2 changes" in answer
    assert "1 of these changes is where you asked." in answer
    assert "alpha [-one-]{+two+}." in answer
    assert "omega" not in answer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a well-\nknown “case” of\n\nit", 'a well-known "case" of it'),
        ("soft\u00adware", "software"),
        ("人民\n共和国", "人民共和国"),
        ("the ﬁrst – one", "the first - one"),
    ],
)
def test_typesetting_is_no_change(calls: Calls, before: str, after: str):
    answer = calls(corpus(document("a", before), document("b", after)))("compare", first="a", second="b")
    assert "no change." in answer


def test_chinese_is_compared_by_character(calls: Calls):
    call = calls(corpus(document("a", "第一条 本法自二〇二〇年施行。"), document("b", "第一条 本法自二〇二一年施行。")))
    answer = call("compare", first="a", second="b")
    assert "1 replacement (1 word by 1)" in answer
    assert "[-〇-]{+一+}年施行。" in answer


def test_a_large_change_is_shortened_and_counted(calls: Calls):
    new = [f"n{n}" for n in range(3000)]
    call = calls(corpus(fast("a", ["start end"]), fast("b", ["start " + " ".join(new) + " end"])))
    answer = call("compare", first="a", second="b")
    assert "1 insertion (3,000 words)" in answer
    assert "{+n0 n1" in answer
    assert "(2,920 more words; pages 1)" in answer
    assert "n2999+} end" in answer


def test_numbers_at_a_page_edge_are_compared(calls: Calls):
    # Rows of a table begin and end pages, and are no page numbers.
    pages = [f"{n * 37 % 101} {n * 11 % 97}\ntext of page {n}\n{n * n % 89}" for n in range(1, 9)]
    changed = [page.replace("37 11", "38 11") for page in pages]
    answer = calls(corpus(document("a", *pages), document("b", *changed)))("compare", first="a", second="b")
    assert "[-37-]{+38+}" in answer
    assert "Left out" not in answer


def test_a_document_with_nothing_in_it(calls: Calls):
    answer = calls(corpus(document("a", ""), document("b", "a word")))("compare", first="a", second="b")
    assert "1 insertion (2 words)" in answer
    assert "{+a word+}" in answer
    assert "no change" in calls(corpus(document("a", ""), document("b", "")))("compare", first="a", second="b")


def test_a_real_book_against_itself_with_one_word_changed(calls: Calls):
    loaded = Corpus.load(["examples/handbook.pdf"]).documents[0]
    pages = [page.text for page in loaded.pages]
    second = fast("new", [text.replace("Retrieval is cheap", "Retrieval is not cheap") for text in pages])
    answer = calls(corpus(loaded, second))("compare", first="handbook", second="new")
    assert "1 change: 1 insertion (1 word)" in answer
    assert "[handbook:2] [new:2]" in answer
    assert "Retrieval is {+not+} cheap, and" in answer
