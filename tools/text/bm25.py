"""BM25 ranking of whole pages, for the tool `search` and for retrieval of the pages that fit into a context window."""

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from longread.documents import Document, HasDocuments, Page

from .words import words

if TYPE_CHECKING:
    from bm25s import BM25


class RankedPage(NamedTuple):
    score: float
    """Above 0. Scores of different rankings are not comparable."""
    document: Document
    page: Page


class PageRanking:
    """A BM25 index of the pages of a corpus, built on first use: about a second for 3,000 pages."""

    def __init__(self, corpus: HasDocuments):
        self._pages = [(document, page) for document in corpus.documents for page in document.pages]

    def rank(self, query: str, limit: int | None = None) -> list[RankedPage]:
        """Rank the pages that contain a word of the query, best first; ties keep the order of the corpus.

        Args:
            query: words in any script, see `words`.
            limit: maximum number of pages; None: no limit.
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
