"""Whole pages ranked by BM25: for the `search` tool, and for choosing the pages that a window has room for."""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from .documents import Corpus, Document, Page
from .words import words

if TYPE_CHECKING:
    from bm25s import BM25


class RankedPage(NamedTuple):
    score: float
    """Above 0; comparable within one ranking only."""
    document: Document
    page: Page


class PageRanking:
    """An index over the pages of a corpus, built when it is first asked: about a second for 3,000 pages."""

    def __init__(self, corpus: Corpus):
        self._pages = [(document, page) for document in corpus.documents for page in document.pages]

    def rank(self, query: str, limit: int | None = None) -> list[RankedPage]:
        """The pages that have a word of the query, best first; equal ones in the order of the corpus.

        Args:
            query: words in any script, see `words`.
            limit: pages to return; None: all.
        """
        index, vocabulary = self._index
        wanted = [vocabulary[word] for word in words(query) if word in vocabulary]
        if index is None or not wanted:
            return []
        scores = index.get_scores_from_ids(wanted)
        order = (-scores).argsort(kind="stable")[:limit]
        return [RankedPage(float(scores[at]), *self._pages[at]) for at in order.tolist() if scores[at] > 0]

    @cached_property
    def _index(self) -> tuple["BM25 | None", dict[str, int]]:
        vocabulary: dict[str, int] = {}
        pages = [[vocabulary.setdefault(word, len(vocabulary)) for word in words(page.text)] for _, page in self._pages]
        if not vocabulary:
            return None, vocabulary
        from bm25s import BM25

        index = BM25()
        index.index((pages, dict(vocabulary)), create_empty_token=False, show_progress=False)
        return index, vocabulary
