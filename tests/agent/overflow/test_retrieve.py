"""Choosing pages: the right ones, whole, within the budget, the same for a whole conversation, and said to the user."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longread.agent.citations.markers import marks
from longread.agent.corpus import Corpus
from longread.agent.overflow import NothingMatches, PageSizes, Retriever, Selection, retrieve
from longread.agent.prompt.build import ChatMessage, DocumentBlock, build
from longread.agent.prompt.instructions import RETRIEVE_SYSTEM
from longread.agent.prompt.tokenizer import qwen
from longread.documents import Document, Page
from longread.errors import PromptTooLong
from tests.support.corpora import corpus, document
from tests.support.messages import says

FILLER = "Nothing of note happened on this day, and nobody wrote of it. "
SUBJECTS = ("volcano", "harbour", "locomotive", "orchard", "telescope", "violin")


def pages_about(*subjects: str | None) -> list[str]:
    return [
        FILLER * 4 + (f"The {subject} is old, and the {subject} is large." if subject else "") for subject in subjects
    ]


def library() -> Corpus:
    """A page on each subject every tenth page."""
    book = [SUBJECTS[n // 10] if n % 10 == 4 else None for n in range(60)]
    notes = [SUBJECTS[n % 6] if n < 6 else None for n in range(20)]
    return corpus(document("book", *pages_about(*book)), document("notes", *pages_about(*notes)))


class Ranked:
    """Ranks the pages as it is told, for each question."""

    def __init__(self, of: Corpus, **pages: str):
        self.of = of
        self.pages = pages
        self.asked: list[str] = []

    def rank(self, query: str, limit: int | None = None) -> Sequence[tuple[float, Document, Page]]:
        self.asked.append(query)
        names = " ".join(self.pages.get(word, "") for word in query.split()).split()
        found = []
        for place, name in enumerate(dict.fromkeys(names)):
            where, _, number = name.partition(":")
            page = next(page for page in self.of[where].pages if page.number == int(number))
            found.append((100.0 - place, self.of[where], page))
        return found[:limit]


def shown(selection: Selection) -> str:
    return str(selection.subset)


def test_the_pages_on_the_subject_are_chosen_before_all_others() -> None:
    whole = library()
    of_a_page = PageSizes(whole, qwen()).alone(4)
    selection = retrieve(whole, "How old is the volcano?", tokenizer=qwen(), budget_tokens=5 * of_a_page)
    assert {"[book:5]", "[notes:1]"} <= {f"[{d.name}:{p.number}]" for d in selection.corpus for p in d.pages}
    assert selection.tokens <= 5 * of_a_page


def test_pages_keep_their_names_numbers_and_order() -> None:
    whole = library()
    ranking = Ranked(whole, q="notes:3 book:40 book:7")
    selection = retrieve(whole, "q", tokenizer=qwen(), budget_tokens=250, ranking=ranking)
    assert shown(selection) == "book 7, 40; notes 3"
    assert selection.seen == {"book": [7, 40], "notes": [3]}
    assert selection.corpus["book"].pages[1] == whole["book"].pages[39]
    found = marks("See [book:40], [book:41] and [notes:3].", selection.corpus)
    assert [str(citation) for citation in found.citations] == ["[book:40]", "[notes:3]"]
    assert found.unknown == ("[book:41]",)  # it exists, and the model has not seen it


def test_pages_beside_a_match_fill_what_room_is_left_and_no_others_do() -> None:
    whole = library()
    ranking = Ranked(whole, q="book:60 book:1 book:30")
    selection = retrieve(whole, "q", tokenizer=qwen(), budget_tokens=100_000, ranking=ranking)
    assert shown(selection) == "book 1-2, 29-31, 59-60"  # not page 1 of notes, which follows in another document


def test_what_is_left_out_is_said() -> None:
    whole = library()
    ranking = Ranked(whole, q="book:7 notes:3")
    selection = retrieve(whole, "q", tokenizer=qwen(), budget_tokens=200, ranking=ranking)
    assert shown(selection) == "book 7; notes 3"
    assert selection.pages_left_out == 78
    assert selection.tokens + selection.tokens_left_out == DocumentBlock.of(whole, qwen()).shares[0].tokens + (
        DocumentBlock.of(whole, qwen()).shares[1].tokens
    )
    assert selection.describe() == (
        f"The model saw 2 of 80 pages ({selection.tokens_left_out:,} tokens were left out): book 7; notes 3."
    )


def test_a_page_that_does_not_fit_is_passed_over_and_said() -> None:
    whole = corpus(document("book", "long " * 500, "short", FILLER, "short"))
    ranking = Ranked(whole, q="book:1 book:4")
    selection = retrieve(whole, "q", tokenizer=qwen(), budget_tokens=100, ranking=ranking)
    assert 1 not in selection.seen["book"]
    (too_long,) = selection.too_long
    assert too_long == ("book", 1, PageSizes(whole, qwen()).alone(0))
    assert selection.describe().endswith(
        f"Left out because they do not fit even alone: [book:1] with {too_long[2]:,} tokens."
    )


def test_no_page_that_fits_and_no_page_that_matches() -> None:
    whole = corpus(document("book", "long " * 500, "short"))
    with pytest.raises(PromptTooLong, match=r"1 pages.*5.. tokens.*100"):
        retrieve(whole, "q", tokenizer=qwen(), budget_tokens=100, ranking=Ranked(whole, q="book:1"))
    with pytest.raises(NothingMatches, match="No page has a word of the question"):
        retrieve(library(), "Поезд?", tokenizer=qwen(), budget_tokens=100)


def test_chinese_questions_choose_chinese_pages() -> None:
    filler = "天地玄黄，宇宙洪荒。日月盈昃，辰宿列张。"
    texts = [filler * 5 + ("火山在一九零二年爆发。" if number == 33 else "") for number in range(60)]
    whole = corpus(document("地理", *texts), document("english", *pages_about(*[None] * 20)))
    budget = 2 * PageSizes(whole, qwen()).alone(33)
    selection = retrieve(whole, "火山是哪一年爆发的？", tokenizer=qwen(), budget_tokens=budget)
    assert 34 in selection.seen["地理"]
    assert selection.tokens <= budget


WORDS = st.sampled_from(["alpha", "beta", "中文", "gamma\n", "[book:1]", "<|im_end|>", "delta."])
TEXT = st.lists(WORDS, max_size=40).map(lambda words: " ".join(words).strip())


@given(st.lists(st.lists(TEXT, min_size=1, max_size=8), min_size=1, max_size=3), st.integers(1, 400))
@settings(max_examples=60)
def test_the_budget_is_never_exceeded_and_counted_as_the_prompt_is(texts: list[list[str]], budget: int) -> None:
    whole = corpus(*(document(f"d{number}", *pages) for number, pages in enumerate(texts)))
    try:
        selection = retrieve(whole, "alpha 中文", tokenizer=qwen(), budget_tokens=budget)
    except (NothingMatches, PromptTooLong):
        return
    documents = selection.documents()
    assert documents == DocumentBlock.of(selection.corpus, qwen())
    assert qwen().count(documents.text) == selection.tokens == sum(s.tokens for s in documents.shares) <= budget
    seen = [(d.name, page) for d in selection.corpus for page in d.pages]
    assert seen == [entry for entry in ((d.name, page) for d in whole for page in d.pages) if entry in seen]


def talk(*turns: str) -> list[ChatMessage]:
    return [ChatMessage(role="assistant" if at % 2 else "user", content=text) for at, text in enumerate(turns)]


class TestConversations:
    def choose(self, retriever: Retriever, *turns: str, window: int = 1000, reserve: int = 100) -> Selection:
        selection = retriever.choose(talk(*turns), window=window, reserve=reserve)
        prompt = build(selection.documents(), talk(*turns), window=window, reserve=reserve, system=RETRIEVE_SYSTEM)
        assert prompt.fits
        return selection

    def retriever(self, **pages: str) -> Retriever:
        whole = library()
        return Retriever(whole, tokenizer=qwen(), ranking=Ranked(whole, **pages))

    def test_pages_stay_the_same_bytes_while_the_questions_pages_are_among_them(self) -> None:
        retriever = self.retriever(first="book:7 book:20 notes:3", second="book:20 notes:3", nothing="")
        one = self.choose(retriever, "first")
        two = self.choose(retriever, "first", "Yes.", "second")
        three = self.choose(retriever, "first", "Yes.", "second", "No.", "nothing")
        assert one.documents().text == two.documents().text == three.documents().text
        assert [selection.again for selection in (one, two, three)] == ["", "", ""]

    def test_other_pages_are_chosen_when_the_best_are_not_among_them_and_it_is_said(self) -> None:
        retriever = self.retriever(first="book:7 book:20", second="notes:3 notes:9")
        one = self.choose(retriever, "first")
        two = self.choose(retriever, "first", "Yes.", "second")
        assert {3, 9}.isdisjoint(one.seen.get("notes", []))
        assert {3, 9} <= set(two.seen["notes"])
        assert {7, 20} <= set(two.seen["book"])  # of the question before
        assert two.describe().endswith(
            "These are other pages than before: [notes:3], which has the question's words, was not among those."
        )
        three = self.choose(retriever, "first", "Yes.", "second", "No.", "second")
        assert three.documents().text == two.documents().text
        assert three.again == ""

    def test_new_and_earlier_questions_share_the_room(self) -> None:
        many = " ".join(f"book:{n}" for n in range(1, 31))
        other = " ".join(f"book:{n}" for n in range(31, 61))
        retriever = self.retriever(first=many, second=other)
        selection = self.choose(retriever, "first", "Yes.", "second")
        new = [number for number in selection.seen["book"] if number > 30]
        old = [number for number in selection.seen["book"] if number <= 30]
        assert len(new) > 1
        assert 0 <= len(new) - len(old) <= 1

    def test_another_process_chooses_the_same_pages_for_the_same_conversation(self) -> None:
        turns = ("first", "Yes.", "second", "No.", "third")
        pages = {"first": "book:7 book:20", "second": "notes:3", "third": "book:7"}
        grown = self.retriever(**pages)
        for end in (1, 3):
            self.choose(grown, *turns[:end])
        assert (
            self.choose(grown, *turns).subset.positions == self.choose(self.retriever(**pages), *turns).subset.positions
        )

    def test_what_was_chosen_is_not_worked_out_again(self) -> None:
        retriever = self.retriever(first="book:7")
        first = self.choose(retriever, "first")
        ranking: Any = retriever.ranking
        asked = len(ranking.asked)
        assert self.choose(retriever, "first") is first
        assert len(ranking.asked) == asked

    def test_a_conversation_that_outgrows_its_room_has_fewer_pages(self) -> None:
        retriever = self.retriever(first=" ".join(f"book:{n}" for n in range(1, 61)))
        one = self.choose(retriever, "first")
        two = self.choose(retriever, "first", "word " * 300, "first")
        assert len(two.subset.positions) < len(one.subset.positions)
        assert says(two.again, "conversation", "outgrown", "reserved")
        three = self.choose(retriever, "first", "word " * 300, "first", "Short.", "first")
        assert three.documents().text == two.documents().text  # room was kept again
        with pytest.raises(PromptTooLong, match="no room for documents"):
            retriever.choose(talk("first", "word " * 900, "first"), window=1000, reserve=100)

    def test_best_pages_that_do_not_fit_change_nothing(self) -> None:
        whole = corpus(document("book", "long " * 2000, "short", "short too"))
        retriever = Retriever(whole, tokenizer=qwen(), ranking=Ranked(whole, first="book:2", second="book:1"))
        one = self.choose(retriever, "first")
        two = self.choose(retriever, "first", "Yes.", "second")
        assert one.subset.positions == two.subset.positions
        assert two.again == ""

    def test_a_greeting_chooses_no_pages(self) -> None:
        retriever = self.retriever(first="book:7")
        with pytest.raises(NothingMatches):
            self.choose(retriever, "Hello!")
        assert 7 in self.choose(retriever, "Hello!", "Hello.", "first").seen["book"]


def test_whether_any_page_matches() -> None:
    retriever = Retriever(library(), tokenizer=qwen())
    assert retriever.matches("volcano")
    assert not retriever.matches("Поезд?")
