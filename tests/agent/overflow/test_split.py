"""Pages -> windows: every page once, never over the budget, counted as the prompt is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longread.agent.corpus import Corpus
from longread.agent.overflow import PageSizes, plan_map
from longread.agent.overflow.map_plan import MapPlan
from longread.agent.overflow.page_subset import conversation_share
from longread.agent.overflow.split import Item, split
from longread.agent.prompt.build import ChatMessage, DocumentBlock, measure
from longread.agent.prompt.tokenizer import qwen
from longread.errors import ConfigError, DocumentError, PromptTooLong
from tests.support.corpora import corpus, document
from tests.support.messages import says
from tests.support.planted import QUESTION, planted, rendered_tokens


def items(rows: list[tuple[int, int]], frames: list[int]) -> list[Item]:
    """Rows of (tokens, step): a step of 1 begins a new group."""
    group = 0
    made = []
    for tokens, step in rows:
        group += step
        made.append(Item(tokens, group, frames[group % len(frames)]))
    return made


def cost(stretch: list[Item]) -> int:
    return sum(item.tokens for item in stretch) + sum({item.group: item.frame for item in stretch}.values())


def fewest_and_smallest(row: list[Item], budget: int) -> tuple[int, int]:
    """(stretches, tokens of the largest) of the best of all ways to cut, by trying them all."""
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(row) + 1):
        ways = [
            (best[start][0] + 1, max(best[start][1], cost(row[start:end])))
            for start in range(end)
            if cost(row[start:end]) <= budget
        ]
        best.append(min(ways))
    return best[-1]


ROWS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 1)), min_size=1, max_size=14)


@given(ROWS, st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(49, 150))
def test_every_thing_is_in_one_stretch_and_no_way_to_cut_is_better(rows, frames, budget) -> None:
    row = items(rows, frames)
    stretches = split(row, budget)
    assert [at for stretch in stretches for at in stretch] == list(range(len(row)))
    assert all(len(stretch) for stretch in stretches)
    costs = [cost(row[stretch.start : stretch.stop]) for stretch in stretches]
    assert max(costs) <= budget
    # Fewest first, and then the smallest largest one.
    assert (len(costs), max(costs)) == fewest_and_smallest(row, budget)


def test_nothing_to_split() -> None:
    assert split([], 10) == []


def test_a_thing_larger_than_the_budget() -> None:
    with pytest.raises(ValueError, match="12 tokens and the budget is 11"):
        split([Item(1), Item(9, "a", 3)], 11)


def plan(of: Corpus, *, window: int = 700, reserve: int = 100, question: str = "What?") -> MapPlan:
    return plan_map(
        of,
        [ChatMessage(role="user", content=question)],
        tokenizer=qwen(),
        window=window,
        reserve=reserve,
        model="scripted",
    )


TEXTS = st.lists(
    st.text(st.sampled_from("ab .\n\t-中文é[]<|>1’"), max_size=150).map(str.strip), min_size=1, max_size=12
)


@given(st.lists(TEXTS, min_size=1, max_size=3), st.integers(600, 900))
@settings(max_examples=50)
def test_windows_have_every_page_once_in_order_and_are_counted_exactly(texts: list[list[str]], window: int) -> None:
    whole = corpus(*(document(f"d{number}", *pages, title="«标题»") for number, pages in enumerate(texts)))
    made = plan(whole, window=window)
    pages = [(d.name, page) for part in made.windows for d in part.corpus.documents for page in d.pages]
    assert pages == [(d.name, page) for d in whole.documents for page in d.pages]
    for index, part in enumerate(made.windows):
        prompt = made.prompt(index)
        assert made.tokens(index) == prompt.tokens == rendered_tokens(prompt) <= window - 100
        counted = DocumentBlock.of(part.corpus, qwen())
        assert part.documents() == counted
        assert measure(counted, made.conversation, system=made.system).tokens == prompt.tokens


def test_pages_that_another_tokenizer_counted() -> None:
    class Characters:
        name = "characters"

        def counts(self, texts: list[str]) -> list[int]:
            return [len(text) for text in texts]

    whole = corpus(document("a", "one", "", "three"), document("b", "四"))
    characters = Characters()
    sizes = PageSizes(whole, characters)
    part = sizes.subset([0, 2, 3])
    assert part.documents() == DocumentBlock.of(part.corpus, characters)
    assert part.tokens == len(part.documents().text)
    assert sizes.tokens == len(DocumentBlock.of(whole, characters).text)


def test_the_windows_depend_on_no_question() -> None:
    whole, _ = planted(3, pages=60)
    first, second = plan(whole), plan(whole, question="Something " * 30)
    assert [part.numbers for part in first.windows] == [part.numbers for part in second.windows]
    for one, other in zip(range(len(first.windows)), range(len(second.windows)), strict=True):
        documents = first.windows[one].documents().text
        for prompt in (first.prompt(one), second.prompt(other)):
            assert prompt.messages[1]["content"].startswith(documents + "Question: ")
        assert first.prompt(one).messages[0] == second.prompt(other).messages[0]


def test_documents_without_pages_are_no_windows() -> None:
    made = plan(corpus(document("empty"), document("book", "One page.")))
    assert [str(part) for part in made.windows] == ["book 1"]
    with pytest.raises(DocumentError, match="no pages"):
        plan(corpus(document("empty")))


def test_pages_that_fit_no_window_are_named_with_both_numbers() -> None:
    whole = corpus(document("book", "short", "long " * 600, "longer " * 700))
    with pytest.raises(PromptTooLong) as caught:
        plan(whole)
    room = caught.value.budget
    assert f"2 pages do not fit a window even alone: [book:3] takes {caught.value.tokens:,} tokens" in str(caught.value)
    assert f"room for {room:,}. Nothing was cut" in str(caught.value)
    assert caught.value.tokens == PageSizes(whole, qwen()).alone(2)


def test_a_conversation_longer_than_its_share() -> None:
    with pytest.raises(PromptTooLong, match="have 299 tokens, and 128 of each window") as caught:
        plan(corpus(document("book", "One page.")), window=900, question="word " * 299 + "word")
    assert caught.value.budget == conversation_share(900) == 128


def test_a_window_with_no_room() -> None:
    with pytest.raises(ConfigError, match=r"window.*400.*documents: 300"):
        plan(corpus(document("book", "One page.")), window=400, reserve=300)


def test_answers_too_long_to_be_merged_are_found_before_anything_is_sent() -> None:
    whole, _ = planted(3, pages=60)
    with pytest.raises(PromptTooLong, match=r"cannot.*merged.*--max-tokens"):
        plan(whole, window=1000, reserve=400)


def test_pages_are_spelled_out_and_long_lists_counted() -> None:
    book = document("book", *["text"] * 60)
    sizes = PageSizes(corpus(book, *(document(f"d{n}", "a", "b") for n in range(10))), qwen())
    assert str(sizes.subset([0, 1, 2, 44, 60])) == "book 1-3, 45; d0 1"
    shown = str(sizes.subset(range(0, 60, 2)))
    assert says(shown, "book", "1", "3", "5", "7", "9", "11", "13", "15")
    everything = str(sizes.subset(range(len(sizes.pages))))
    assert everything.startswith("book 1-60; d0 1-2; ")
    assert everything.endswith("d6 1-2; and 6 pages of 3 more documents")


def test_a_question_is_asked_of_every_window() -> None:
    whole, _ = planted(3, pages=60)
    made = plan_map(whole, QUESTION, tokenizer=qwen(), window=700, reserve=100, model="scripted")
    assert len(made.windows) > 1
    for index in range(len(made.windows)):
        assert made.prompt(index).messages[-1]["content"].endswith("Question: What are the code words?")
