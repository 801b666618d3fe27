"""Some pages of a corpus, with exactly what they take of a prompt.

A page takes what its mark and its text take, and each document that has a page there takes its header and its end.
These counts add up (see `longread.agent.tokens`), so every page is counted once and any choice of pages is a sum.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from ..corpus.text import ranges
from ..errors import ConfigError
from ..pages import only
from ..prompt import ChatMessage, DocumentPart, DocumentShare, frame_tokens, overhead, page_tokens, pieces
from ..tokens import Tokenizer

if TYPE_CHECKING:
    from ..corpus import Corpus, Document, Page

_RUNS = 12  # stretches of pages that are spelled out for a document
_DOCUMENTS = 8  # documents whose pages are spelled out

_SHARE = 8  # the part of the window that is kept for the conversation: an eighth
_LEAST, _MOST = 128, 8192  # tokens of it


class MeasuredPage(NamedTuple):
    document: "Document"
    page: "Page"
    tokens: int
    """Of its mark and its text."""


class Measured:
    """The pages of a corpus in order, each counted once.

    Documents without pages are not in it: they have nothing that could be left out.
    """

    def __init__(self, corpus: "Corpus", tokenizer: Tokenizer):
        self.corpus = corpus
        self.tokenizer = tokenizer
        self.pages = tuple(
            MeasuredPage(document, page, tokens)
            for document in corpus.documents
            for page, tokens in zip(document.pages, page_tokens(document, tokenizer), strict=True)
        )
        self.frames = {d.name: frame_tokens(d, tokenizer) for d in corpus.documents if d.pages}
        self.position = {(document.name, page.number): at for at, (document, page, _) in enumerate(self.pages)}

    @property
    def tokens(self) -> int:
        """Of the whole corpus in a prompt."""
        return sum(self.frames.values()) + sum(page.tokens for page in self.pages)

    def alone(self, at: int) -> int:
        """What a prompt with no other page would have for it: the page and its document's frame."""
        document, _, tokens = self.pages[at]
        return self.frames[document.name] + tokens

    def part(self, positions: Iterable[int]) -> "Part":
        """The pages at these positions, in the order of the corpus."""
        return Part(self, tuple(sorted(positions)))


@dataclass(frozen=True)
class Part:
    """Some pages of a corpus, under their own names and numbers."""

    whole: Measured
    positions: tuple[int, ...]

    @property
    def pages(self) -> Sequence[MeasuredPage]:
        return [self.whole.pages[at] for at in self.positions]

    @cached_property
    def numbers(self) -> dict[str, list[int]]:
        """Document name to the numbers of its pages here."""
        numbers: dict[str, list[int]] = {}
        for document, page, _ in self.pages:
            numbers.setdefault(document.name, []).append(page.number)
        return numbers

    @cached_property
    def tokens(self) -> int:
        """Of its pages, their marks and their documents' frames in a prompt."""
        return sum(self.whole.frames[name] for name in self.numbers) + sum(page.tokens for page in self.pages)

    @cached_property
    def corpus(self) -> "Corpus":
        """These pages as a corpus; documents that have none of them are not in it."""
        whole = self.whole.corpus
        documents = tuple(
            only(document, set(self.numbers[document.name]))
            for document in whole.documents
            if document.name in self.numbers
        )
        return type(whole)(documents=documents, failures=whole.failures, warnings=whole.warnings)

    def documents(self) -> DocumentPart:
        """These pages as they stand in a prompt, which is not counted again. Made anew each time: it is large."""
        sums = dict.fromkeys(self.numbers, 0)
        for document, _, tokens in self.pages:
            sums[document.name] += tokens
        shares = tuple(
            DocumentShare(name=name, pages=len(numbers), tokens=self.whole.frames[name] + sums[name])
            for name, numbers in self.numbers.items()
        )
        text = "".join(piece for document in self.corpus.documents for piece in pieces(document))
        return DocumentPart(text=text, shares=shares, tokenizer=self.whole.tokenizer)

    def __str__(self) -> str:
        """'book 1-20, 45; notes 3', shortened where that would be long."""
        names = list(self.numbers)
        spelled = "; ".join(f"{name} {_runs(self.numbers[name])}" for name in names[:_DOCUMENTS])
        rest = names[_DOCUMENTS:]
        if not rest:
            return spelled
        return f"{spelled}; and {sum(len(self.numbers[name]) for name in rest):,} pages of {len(rest):,} more documents"


def conversation_share(window: int) -> int:
    """Tokens of a window that are kept for the question and the conversation before it.

    It depends on nothing but the window, so that the documents beside them are the same for every question.
    """
    return min(_MOST, max(_LEAST, window // _SHARE))


def documents_budget(tokenizer: Tokenizer, *, window: int, reserve: int, system: str) -> int:
    """Tokens of documents that a window has room for, beside its answer, the instructions and the conversation's share.

    Raises:
        ConfigError: there is no room.
    """
    room = window - reserve - bare(tokenizer, system) - conversation_share(window)
    if room <= 0:
        raise ConfigError(
            f"A window of {window:,} tokens has no room for documents: {reserve:,} are kept for the answer and "
            f"{conversation_share(window):,} for the conversation. Set a lower --max-tokens."
        )
    return room


def bare(tokenizer: Tokenizer, system: str) -> int:
    """Tokens of a prompt without documents and question."""
    return overhead(tokenizer, [ChatMessage(role="user", content="")], system=system)


def _runs(numbers: list[int]) -> str:
    runs = ranges(numbers).split(", ")
    if len(runs) <= _RUNS:
        return ", ".join(runs)
    shown = ", ".join(runs[:_RUNS])
    last = int(runs[_RUNS - 1].rpartition("-")[2])
    return f"{shown} and {sum(number > last for number in numbers):,} more"
