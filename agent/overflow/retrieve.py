"""Too much for the window: choose the pages that have the question's words, whole, until the window is full.

The documents stand first in a prompt, and a server's prefix cache is hit only while they stay the same bytes. So a
conversation keeps its pages: they are chosen for the first question, and chosen again only when a question's best pages
are not among them, or when the conversation has outgrown the room that was kept for it. The choice depends on nothing
but the corpus, the window and the user's and the model's words so far: the same conversation, continued in another
process, has the same pages.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from ...serving.errors import PromptTooLong
from ..prompt import CITING, ChatMessage, DocumentPart, overhead
from ..tokens import Tokenizer
from .errors import NothingMatches
from .parts import Measured, Part, conversation_share, documents_budget

if TYPE_CHECKING:
    from ...tools.documents import Document, Page
    from ..corpus import Corpus

RETRIEVE_SYSTEM = (
    "You answer questions about documents that are longer than you can read at once. The user gives you the pages that "
    "have the question's words; the other pages are left out. Use only what these pages say. "
    f"{CITING}"
    "If these pages do not have the answer, say that the pages you were given do not have it."
)

_BEST = 3  # pages of a question that a conversation's pages must have, or they are chosen again
_REMEMBERED = 64  # conversations whose pages are not worked out again


class Ranking(Protocol):
    """Ranks the pages of one corpus. `longread.tools.PageRanking` is one."""

    def rank(self, query: str, limit: int | None = None) -> Sequence[tuple[float, "Document", "Page"]]:
        """(score, document, page) of the pages that match, best first."""
        ...


@dataclass(frozen=True)
class Selection:
    """The pages that the model sees of a corpus that is larger than the window."""

    part: Part
    too_long: tuple[tuple[str, int, int], ...] = ()
    """(document, page, tokens) of pages that match, and that the budget does not hold even alone."""
    again: str = ""
    """Why these are other pages than those of the question before; empty where they are the same, or the first."""

    @property
    def corpus(self) -> "Corpus":
        """The chosen pages under their own names and numbers, in order. Citations of other pages are not in it."""
        return self.part.corpus

    def documents(self) -> DocumentPart:
        """The chosen pages as they stand in the prompt."""
        return self.part.documents()

    @property
    def seen(self) -> dict[str, list[int]]:
        """Document name to the numbers of the pages that the model sees."""
        return self.part.numbers

    @property
    def tokens(self) -> int:
        """Of the documents in the prompt."""
        return self.part.tokens

    @property
    def pages_left_out(self) -> int:
        return len(self.part.whole.pages) - len(self.part.positions)

    @property
    def tokens_left_out(self) -> int:
        return self.part.whole.tokens - self.tokens

    def describe(self) -> str:
        """What the user is to be told, in one sentence; in another one, what else there is to know."""
        chosen, total = len(self.part.positions), len(self.part.whole.pages)
        text = (
            f"The model saw {chosen:,} of {total:,} pages ({self.tokens_left_out:,} tokens were left out): {self.part}."
        )
        if self.too_long:
            pages = ", ".join(f"[{name}:{page}] with {tokens:,} tokens" for name, page, tokens in self.too_long[:3])
            more = f" and {len(self.too_long) - 3:,} more" if len(self.too_long) > 3 else ""
            text += f" Left out because they do not fit even alone: {pages}{more}."
        return f"{text} These are other pages than before: {self.again}." if self.again else text


def retrieve(
    corpus: "Corpus", question: str, *, tokenizer: Tokenizer, budget_tokens: int, ranking: Ranking | None = None
) -> Selection:
    """Choose pages for one question.

    Args:
        budget_tokens: of the documents in the prompt, their page marks and headers included.
        ranking: of the pages of `corpus`; None: BM25.

    Raises:
        NothingMatches: no page has a word of the question.
        PromptTooLong: no page that matches fits.
    """
    return Retriever(corpus, tokenizer=tokenizer, ranking=ranking).select([question], budget_tokens)


class Retriever:
    """Chooses pages of one corpus, for any number of conversations."""

    def __init__(self, corpus: "Corpus", *, tokenizer: Tokenizer, ranking: Ranking | None = None):
        if ranking is None:
            from ...tools.ranking import PageRanking

            ranking = PageRanking(corpus)
        self.ranking = ranking
        self.measured = Measured(corpus, tokenizer)
        self._known: dict[tuple[object, ...], tuple[Selection, int]] = {}
        self._lock = Lock()

    def matches(self, question: str) -> bool:
        """Whether any page has a word of the question."""
        return bool(self.ranking.rank(question, 1))

    def choose(
        self, conversation: Sequence[ChatMessage], *, window: int, reserve: int, system: str = RETRIEVE_SYSTEM
    ) -> Selection:
        """The pages for the next answer in `conversation`, whose last message is the question.

        Args:
            window: what the model can hold, in tokens, its answer included.
            reserve: tokens kept free for the answer.
            system: the instructions that the prompt will have.

        Raises:
            NothingMatches: no page has a word of the first question.
            PromptTooLong: no page that matches fits, or the conversation leaves no room.
            ConfigError: the window has no room for documents.
        """
        most = documents_budget(self.measured.tokenizer, window=window, reserve=reserve, system=system)
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
                    continue  # a greeting, say
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
        """The pages after one more question, and the budget that they were chosen for."""
        spoken = overhead(self.measured.tokenizer, conversation, system=system)
        room = window - reserve - spoken
        questions = [turn["content"] for turn in reversed(conversation) if turn["role"] == "user"]
        if state is None:
            return self.select(questions, self._room(min(most, room), spoken)), most
        selection, budget = state
        if selection.tokens > room:
            share = conversation_share(window)
            budget = self._room(room - share if room > share else room, spoken)
            again = "the conversation has outgrown the room that was kept for it"
            return replace(self.select(questions, budget), again=again), budget
        there = set(selection.part.positions)
        best = self._ranked(questions[0], _BEST)
        if missing := [at for at in best if at not in there and self.measured.alone(at) <= budget]:
            try:
                chosen = self.select(questions, min(budget, room))
            except PromptTooLong:  # its best pages do not fit, and these do
                return replace(selection, again=""), budget
            if chosen.part.positions != selection.part.positions:
                document, page, _ = self.measured.pages[missing[0]]
                again = f"[{document.name}:{page.number}], which has the question's words, was not among those"
                return replace(chosen, again=again), budget
        return replace(selection, again=""), budget

    def _room(self, room: int, spoken: int) -> int:
        if room > 0:
            return room
        raise PromptTooLong(
            f"The conversation has {spoken:,} tokens, which leaves no room for documents in the window: "
            "begin a new conversation.",
            tokens=spoken,
            budget=spoken + room,
        )

    def select(self, questions: Sequence[str], budget_tokens: int) -> Selection:
        """Choose pages for questions, the newest first: its pages take turns with those of all others together.

        What matches is taken first, best first, then the pages beside it, where a sentence or table may go on. A page
        that the rest of the budget does not hold is passed over for smaller ones. Pages that neither match nor stand
        beside one that does are not taken, even where there is room.

        Raises:
            NothingMatches: no page has a word of the questions.
            PromptTooLong: no page that matches fits.
        """
        rankings = [self._ranked(questions[0]), self._ranked("\n".join(questions[1:])) if questions[1:] else []]
        order = _in_turn(rankings)
        if not order:
            raise NothingMatches(
                "No page has a word of the question, so none can be chosen by its words: ask in the language of the "
                "documents, choose pages (--pages), or read everything in parts (--overflow map)."
            )
        taken = self._fill(order, (), budget_tokens)
        matches = [at for at in order if at in taken]
        beside = [at for match in matches for at in (match + 1, match - 1) if self._same_document(match, at)]
        taken = self._fill(beside, taken, budget_tokens)
        too_long = [at for at in sorted(set(order)) if self.measured.alone(at) > budget_tokens]
        if not taken:
            smallest = min(self.measured.alone(at) for at in order)
            raise PromptTooLong(
                f"Not one of the {len(order):,} pages that have the question's words fits: the smallest takes "
                f"{smallest:,} tokens, and there is room for {budget_tokens:,}. Use a model with a larger window.",
                tokens=smallest,
                budget=budget_tokens,
            )
        named = [(self.measured.pages[at].document.name, self.measured.pages[at].page.number) for at in too_long]
        sizes = [self.measured.alone(at) for at in too_long]
        return Selection(
            part=self.measured.part(taken),
            too_long=tuple((name, page, size) for (name, page), size in zip(named, sizes, strict=True)),
        )

    def _fill(self, order: Sequence[int], taken: Collection[int], budget: int) -> set[int]:
        """`taken`, and of `order` what fits beside it."""
        filled = set(taken)
        part = self.measured.part(filled)
        framed, left = set(part.numbers), budget - part.tokens
        for at in order:
            document, _, tokens = self.measured.pages[at]
            cost = tokens + (0 if document.name in framed else self.measured.frames[document.name])
            if at not in filled and cost <= left:
                filled.add(at)
                framed.add(document.name)
                left -= cost
        return filled

    def _ranked(self, question: str, limit: int | None = None) -> list[int]:
        ranked = self.ranking.rank(question, limit)
        return [self.measured.position[document.name, page.number] for _, document, page in ranked]

    def _same_document(self, one: int, other: int) -> bool:
        pages = self.measured.pages
        return 0 <= other < len(pages) and pages[one].document.name == pages[other].document.name


def _in_turn(rankings: Sequence[Sequence[int]]) -> list[int]:
    """[1, 2, 3] and [7, 1] -> [1, 7, 2, 3]."""
    longest = max(map(len, rankings))
    return list(dict.fromkeys(ranking[at] for at in range(longest) for ranking in rankings if at < len(ranking)))
