"""Select the pages that contain the question's words, whole, until the window is full.

The documents come first in a prompt, and a server's prefix cache is hit only while they stay the same bytes. So a
conversation keeps its pages. They are selected for the first question, and again only if the best pages of a question
are not among them, or if the conversation has outgrown the tokens reserved for it. The selection depends only on the
corpus, the window, and the messages so far: the same conversation, continued in another process, has the same pages.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from longread.errors import NothingMatches, PromptTooLong

from ..prompt.build import ChatMessage, DocumentBlock, overhead
from ..prompt.instructions import RETRIEVE_SYSTEM
from ..prompt.tokenizer import Tokenizer
from .page_subset import PageSizes, PageSubset, conversation_share, documents_budget

if TYPE_CHECKING:
    from longread.documents import Document, Page

    from ..corpus import Corpus

_BEST = 3  # best pages of a question that must be in the selection, else pages are selected again
_REMEMBERED = 64  # selections that are cached


class Ranking(Protocol):
    """Ranks the pages of one corpus. `longread.tools.PageRanking` is one."""

    def rank(self, query: str, limit: int | None = None) -> Sequence[tuple[float, "Document", "Page"]]:
        """The pages that match, best first, as (score, document, page)."""
        ...


@dataclass(frozen=True)
class Selection:
    """The pages that the model receives of a corpus that exceeds the window."""

    subset: PageSubset
    too_long: tuple[tuple[str, int, int], ...] = ()
    """Pages that match and exceed the budget even alone, as (document, page, tokens)."""
    again: str = ""
    """Why these are not the pages of the previous question; empty if they are, or if there was none."""

    @property
    def corpus(self) -> "Corpus":
        """The selected pages, with their own names and numbers, in order."""
        return self.subset.corpus

    def documents(self) -> DocumentBlock:
        """The selected pages as they appear in the prompt."""
        return self.subset.documents()

    @property
    def seen(self) -> dict[str, list[int]]:
        """Document name to the numbers of the selected pages."""
        return self.subset.numbers

    @property
    def tokens(self) -> int:
        """Tokens of the documents in the prompt."""
        return self.subset.tokens

    @property
    def pages_left_out(self) -> int:
        return len(self.subset.whole.pages) - len(self.subset.positions)

    @property
    def tokens_left_out(self) -> int:
        return self.subset.whole.tokens - self.tokens

    def describe(self) -> str:
        """What was selected and left out, in a few sentences for the user."""
        chosen, total = len(self.subset.positions), len(self.subset.whole.pages)
        left_out = f"({self.tokens_left_out:,} tokens were left out)"
        text = f"The model saw {chosen:,} of {total:,} pages {left_out}: {self.subset}."
        if self.too_long:
            pages = ", ".join(f"[{name}:{page}] with {tokens:,} tokens" for name, page, tokens in self.too_long[:3])
            more = f" and {len(self.too_long) - 3:,} more" if len(self.too_long) > 3 else ""
            text += f" Left out because they do not fit even alone: {pages}{more}."
        return f"{text} These are other pages than before: {self.again}." if self.again else text


def retrieve(
    corpus: "Corpus", question: str, *, tokenizer: Tokenizer, budget_tokens: int, ranking: Ranking | None = None
) -> Selection:
    """Select pages for one question.

    Args:
        budget_tokens: for the documents in the prompt, including page marks and headers.
        ranking: ranks the pages of `corpus`; None: BM25.

    Raises:
        NothingMatches: no page contains a word of the question.
        PromptTooLong: no page that matches fits.
    """
    return Retriever(corpus, tokenizer=tokenizer, ranking=ranking).select([question], budget_tokens)


class Retriever:
    """Selects pages of one corpus, for any number of conversations."""

    def __init__(self, corpus: "Corpus", *, tokenizer: Tokenizer, ranking: Ranking | None = None):
        if ranking is None:
            from longread.tools.text.bm25 import PageRanking

            ranking = PageRanking(corpus)
        self.ranking = ranking
        self.sizes = PageSizes(corpus, tokenizer)
        self._known: dict[tuple[object, ...], tuple[Selection, int]] = {}
        self._lock = Lock()

    def matches(self, question: str) -> bool:
        """Whether any page contains a word of the question."""
        return bool(self.ranking.rank(question, 1))

    def choose(
        self, conversation: Sequence[ChatMessage], *, window: int, reserve: int, system: str = RETRIEVE_SYSTEM
    ) -> Selection:
        """Select pages for the next answer in `conversation`, whose last message is the question.

        Args:
            window: the context window in tokens, including the answer.
            reserve: tokens reserved for the answer.
            system: the system prompt.

        Raises:
            NothingMatches: no page contains a word of the first question.
            PromptTooLong: no page that matches fits, or the conversation leaves no room.
            ConfigError: the window has no room for documents.
        """
        most = documents_budget(self.sizes.tokenizer, window=window, reserve=reserve, system=system)
        state: tuple[Selection, int] | None = None
        for end, turn in enumerate(conversation, 1):
            if turn["role"] != "user":
                continue
            key = (window, reserve, system, *((t["role"], t["content"]) for t in conversation[:end]))
            with self._lock:
                known = self._known.get(key)
            if known is None:
                try:
                    known = self._next(state, conversation[:end], most, window=window, reserve=reserve, system=system)
                except NothingMatches:
                    if end == len(conversation):
                        raise
                    continue  # for example a greeting
                with self._lock:
                    self._known[key] = known
                    while len(self._known) > _REMEMBERED:
                        self._known.pop(next(iter(self._known)))
            state = known
        if state is None:
            raise ValueError("a conversation ends with a message of the user")
        return state[0]

    def _next(
        self,
        state: tuple[Selection, int] | None,
        conversation: Sequence[ChatMessage],
        most: int,
        *,
        window: int,
        reserve: int,
        system: str,
    ) -> tuple[Selection, int]:
        """The selection after one more question, and the budget it was made for."""
        spoken = overhead(self.sizes.tokenizer, conversation, system=system)
        room = window - reserve - spoken
        questions = [turn["content"] for turn in reversed(conversation) if turn["role"] == "user"]
        if state is None:
            return self.select(questions, self._room(min(most, room), spoken)), most
        selection, budget = state
        if selection.tokens > room:
            share = conversation_share(window)
            budget = self._room(room - share if room > share else room, spoken)
            again = "the conversation has outgrown the room that was reserved for it"
            return replace(self.select(questions, budget), again=again), budget
        there = set(selection.subset.positions)
        best = self._ranked(questions[0], _BEST)
        if missing := [at for at in best if at not in there and self.sizes.alone(at) <= budget]:
            try:
                chosen = self.select(questions, min(budget, room))
            except PromptTooLong:  # the best pages do not fit, and the present ones do
                return replace(selection, again=""), budget
            if chosen.subset.positions != selection.subset.positions:
                document, page, _ = self.sizes.pages[missing[0]]
                again = f"[{document.name}:{page.number}], which has the question's words, was not among those"
                return replace(chosen, again=again), budget
        return replace(selection, again=""), budget

    def _room(self, room: int, spoken: int) -> int:
        if room > 0:
            return room
        raise PromptTooLong(
            f"The conversation has {spoken:,} tokens, which leaves no room for documents in the window: "
            "start a new conversation.",
            tokens=spoken,
            budget=spoken + room,
        )

    def select(self, questions: Sequence[str], budget_tokens: int) -> Selection:
        """Select pages for questions, newest first: its pages alternate with those of all others together.

        Pages that match are taken first, best first, then their neighbours, where a sentence or table may continue. A
        page that exceeds the rest of the budget is skipped in favour of smaller ones. Other pages are never taken, even
        if there is room.

        Raises:
            NothingMatches: no page contains a word of the questions.
            PromptTooLong: no page that matches fits.
        """
        rankings = [self._ranked(questions[0]), self._ranked("\n".join(questions[1:])) if questions[1:] else []]
        order = _interleave(rankings)
        if not order:
            raise NothingMatches(
                "No page has a word of the question, so none can be chosen by its words: ask in the language of the "
                "documents, choose pages (--pages), or read everything in parts (--overflow map)."
            )
        taken = self._fill(order, (), budget_tokens)
        matches = [at for at in order if at in taken]
        neighbours = [at for match in matches for at in (match + 1, match - 1) if self._same_document(match, at)]
        taken = self._fill(neighbours, taken, budget_tokens)
        too_long = [at for at in sorted(set(order)) if self.sizes.alone(at) > budget_tokens]
        if not taken:
            smallest = min(self.sizes.alone(at) for at in order)
            raise PromptTooLong(
                f"Not one of the {len(order):,} pages that have the question's words fits: the smallest takes "
                f"{smallest:,} tokens, and there is room for {budget_tokens:,}. Use a model with a larger window.",
                tokens=smallest,
                budget=budget_tokens,
            )
        named = [(self.sizes.pages[at].document.name, self.sizes.pages[at].page.number) for at in too_long]
        sizes = [self.sizes.alone(at) for at in too_long]
        return Selection(
            subset=self.sizes.subset(taken),
            too_long=tuple((name, page, size) for (name, page), size in zip(named, sizes, strict=True)),
        )

    def _fill(self, order: Sequence[int], taken: Collection[int], budget: int) -> set[int]:
        """`taken`, and the pages of `order` that fit in addition."""
        filled = set(taken)
        subset = self.sizes.subset(filled)
        framed, left = set(subset.numbers), budget - subset.tokens
        for at in order:
            document, _, tokens = self.sizes.pages[at]
            cost = tokens + (0 if document.name in framed else self.sizes.frames[document.name])
            if at not in filled and cost <= left:
                filled.add(at)
                framed.add(document.name)
                left -= cost
        return filled

    def _ranked(self, question: str, limit: int | None = None) -> list[int]:
        ranked = self.ranking.rank(question, limit)
        return [self.sizes.position[document.name, page.number] for _, document, page in ranked]

    def _same_document(self, one: int, other: int) -> bool:
        pages = self.sizes.pages
        return 0 <= other < len(pages) and pages[one].document.name == pages[other].document.name


def _interleave(rankings: Sequence[Sequence[int]]) -> list[int]:
    """[1, 2, 3] and [7, 1] -> [1, 7, 2, 3]."""
    longest = max(map(len, rankings))
    return list(dict.fromkeys(ranking[at] for at in range(longest) for ranking in rankings if at < len(ranking)))
