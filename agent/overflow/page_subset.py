"""Subsets of the pages of a corpus, with exact token counts in a prompt.

A page costs its page mark and its text; each document with a page in the subset costs its header and footer. These
counts add up (see `longread.agent.prompt.tokenizer`), so every page is counted once and any selection is a sum.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from longread.errors import ConfigError
from longread.page_ranges import format_ranges

from ..corpus.page_selection import only
from ..prompt.build import ChatMessage, DocumentBlock, DocumentShare, frame_tokens, overhead, page_tokens
from ..prompt.tokenizer import Tokenizer

if TYPE_CHECKING:
    from longread.documents import Document, Page

    from ..corpus import Corpus

_RANGES = 12  # page ranges that are listed for a document
_DOCUMENTS = 8  # documents whose pages are listed

_SHARE = 8  # one eighth of the window is reserved for the conversation,
_LEAST, _MOST = 128, 8192  # within these limits in tokens


class MeasuredPage(NamedTuple):
    document: "Document"
    page: "Page"
    tokens: int
    """Tokens of its page mark and text."""


class PageSizes:
    """The token counts of all pages of a corpus, in order.

    Documents without pages are not included: they have nothing that could be left out.
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
        """Tokens of the whole corpus in a prompt."""
        return sum(self.frames.values()) + sum(page.tokens for page in self.pages)

    def alone(self, at: int) -> int:
        """Tokens of a prompt with no other page: the page, and the header and footer of its document."""
        document, _, tokens = self.pages[at]
        return self.frames[document.name] + tokens

    def subset(self, positions: Iterable[int]) -> "PageSubset":
        """The pages at these positions, in the order of the corpus."""
        return PageSubset(self, tuple(sorted(positions)))


@dataclass(frozen=True)
class PageSubset:
    """Some pages of a corpus, with their own names and numbers."""

    whole: PageSizes
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
        """Tokens in a prompt: pages, page marks, and the headers and footers of their documents."""
        return sum(self.whole.frames[name] for name in self.numbers) + sum(page.tokens for page in self.pages)

    @cached_property
    def corpus(self) -> "Corpus":
        """These pages as a corpus, without documents that have none of them."""
        whole = self.whole.corpus
        documents = tuple(
            only(document, set(self.numbers[document.name]))
            for document in whole.documents
            if document.name in self.numbers
        )
        return type(whole)(documents=documents, failures=whole.failures, warnings=whole.warnings)

    def documents(self) -> DocumentBlock:
        """These pages as they appear in a prompt, not counted again. Built at each call, because it is large."""
        sums = dict.fromkeys(self.numbers, 0)
        for document, _, tokens in self.pages:
            sums[document.name] += tokens
        shares = tuple(
            DocumentShare(name=name, pages=len(numbers), tokens=self.whole.frames[name] + sums[name])
            for name, numbers in self.numbers.items()
        )
        return DocumentBlock.measured(self.corpus.documents, shares, self.whole.tokenizer)

    def __str__(self) -> str:
        """The pages: 'book 1-20, 45; notes 3'. Long lists are shortened."""
        names = list(self.numbers)
        listed = "; ".join(f"{name} {_ranges(self.numbers[name])}" for name in names[:_DOCUMENTS])
        rest = names[_DOCUMENTS:]
        if not rest:
            return listed
        return f"{listed}; and {sum(len(self.numbers[name]) for name in rest):,} pages of {len(rest):,} more documents"


def conversation_share(window: int) -> int:
    """Tokens of a window that are reserved for the question and the conversation before it.

    They depend only on the window, so that the documents beside them are the same for every question.
    """
    return min(_MOST, max(_LEAST, window // _SHARE))


def documents_budget(tokenizer: Tokenizer, *, window: int, reserve: int, system: str) -> int:
    """Tokens available for documents in a window, beside the answer, the instructions and the conversation's share.

    Raises:
        ConfigError: there is no room.
    """
    room = window - reserve - base_tokens(tokenizer, system) - conversation_share(window)
    if room <= 0:
        raise ConfigError(
            f"A window of {window:,} tokens has no room for documents: {reserve:,} are kept for the answer and "
            f"{conversation_share(window):,} for the conversation. Set a lower --max-tokens."
        )
    return room


def base_tokens(tokenizer: Tokenizer, system: str) -> int:
    """Tokens of a prompt without documents and without a question."""
    return overhead(tokenizer, [ChatMessage(role="user", content="")], system=system)


def _ranges(numbers: list[int]) -> str:
    return format_ranges(numbers, most=_RANGES)
