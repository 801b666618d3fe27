"""Look up an answer's words in the pages: sources for answers that cite nothing."""

import math
import re
import threading
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from longread.control_tokens import restore

from .markers import MARK, Citation

if TYPE_CHECKING:
    from ..corpus.corpus import Corpus

# A word is a run of letters and digits; in scripts without spaces, a single character.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)

_MIN_RUN = 3  # words; shorter runs occur everywhere
_LONG_WORD = 4  # letters; a shorter run is evidence if it contains a number or such a word that is rare
_SHARE = 0.4  # of the best page's score: the minimum for another page to be shown
_SOURCES = "Pages with these words (found by lookup): "
_NO_SOURCES = "No page has these words (looked up)."


class PageIndex:
    """An index of the words of a corpus. A million tokens take about a second, and as much memory as the text."""

    def __init__(self, corpus: "Corpus"):
        self._corpus = corpus
        self._entries: list[tuple[str, int, str, str]] | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Build the index now. Otherwise the first lookup does."""
        with self._lock:
            if self._entries is None:
                self._entries = [
                    (document.name, page.number, page.label, f" {' '.join(_words(page.text))} ")
                    for document in self._corpus.documents
                    for page in document.pages
                ]

    @property
    def _pages(self) -> list[tuple[str, int, str, str]]:
        self.prepare()
        assert self._entries is not None
        return self._entries

    def lookup(self, answer: str, question: str = "", *, limit: int = 3) -> tuple[Citation, ...]:
        """The pages that contain the answer's words, best first; none if no page contains a significant run of them.

        For each maximal run of consecutive answer words that a page contains verbatim, it scores the inverse page
        frequency of the run times its length. The best page is taken, its words are set aside, and the rest is scored
        again. The words of the question only break ties: an answer repeats them, and so does every page on the subject.
        """
        words = _words(MARK.sub(" ", answer))
        frequency = self._page_frequency(words + _words(question))
        weight = {word: math.log((len(self._pages) + 1) / n) + 0.1 for word, n in frequency.items() if n}
        candidates = [
            (page, runs)
            for page in self._pages
            if (runs := [run for run in _runs(words, page[3]) if self._is_evidence(words, run, frequency)])
        ]
        asked = {word for word in _words(question) if word in weight}
        taken: set[int] = set()
        chosen: list[Citation] = []
        best_score = 0.0
        while candidates and len(chosen) < limit:
            scored = [
                (_score(words, runs, weight, taken, page[3], asked), index)
                for index, (page, runs) in enumerate(candidates)
            ]
            score, index = max(scored, key=lambda entry: (entry[0], -entry[1]))
            if score <= 0 or score < _SHARE * best_score:
                break
            best_score = best_score or score
            (name, number, label, _), runs = candidates.pop(index)
            start, end = max(runs, key=lambda run: run[1] - run[0])
            chosen.append(
                Citation(document=name, page=number, label=label, found_by="lookup", words=" ".join(words[start:end]))
            )
            taken.update(position for run in runs for position in range(*run))
        return tuple(chosen)

    def _page_frequency(self, words: Iterable[str]) -> Counter[str]:
        return Counter({word: sum(f" {word} " in page[3] for page in self._pages) for word in set(words)})

    def _is_evidence(self, words: list[str], run: tuple[int, int], frequency: Counter[str]) -> bool:
        start, end = run
        rare = max(1, min(3, len(self._pages) // 100))
        return end - start >= _MIN_RUN or any(
            0 < frequency[word] <= rare and (len(word) >= _LONG_WORD or word.isdecimal()) for word in words[start:end]
        )


def _score(
    words: list[str],
    runs: list[tuple[int, int]],
    weight: dict[str, float],
    taken: set[int],
    page: str,
    asked: set[str],
) -> float:
    total = 0.0
    for start, end in runs:
        fresh = [words[i] for i in range(start, end) if i not in taken]
        total += len(fresh) * sum(weight[word] for word in fresh)
    if not total:
        return 0.0
    return total + 0.5 * sum(weight[word] for word in asked if f" {word} " in page)


def _runs(words: list[str], page: str) -> Iterable[tuple[int, int]]:
    """Maximal runs [start, end) of consecutive words that the page contains in that order."""
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and f" {' '.join(words[start : end + 1])} " in page:
            end += 1
        if end > start:
            yield start, end
        start = max(end, start + 1)


def _words(text: str) -> list[str]:
    return _WORD.findall(restore(text).casefold())


def sources(citations: Iterable[Citation]) -> str:
    """The line under an answer that lists the pages with its words."""
    found = [str(citation) for citation in citations if citation.found_by == "lookup"]
    return _SOURCES + " ".join(found) if found else _NO_SOURCES


def without_sources(answer: str) -> str:
    """An answer without the line that `sources` appends, so that a history never contains it."""
    head, _, tail = answer.rpartition("\n\n")
    return head if tail.startswith(_SOURCES) or tail == _NO_SOURCES else answer
