"""Where an answer comes from: the page marks that the model wrote, and the pages that have the answer's words.

Small models cite badly, so every answer is also looked up, whatever it cites: its words are searched for in the pages,
longest verbatim runs first. What is found that way is marked as found by lookup, never as the model's own citation.
"""

import math
import re
import threading
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from .control import restore

if TYPE_CHECKING:
    from .corpus import Corpus

MARK = re.compile(r"\[([^\[\]\n]+:\d[^\[\]\n]*)\]")
_ONE = re.compile(r"\s*(?:([^\s:,;\[\]]+):)?(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?\s*$")
# A run of letters and digits is a word; where words are not spaced apart, each character is.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)

MOST_PAGES = 100  # in one mark; more are no citation
_MIN_RUN = 3  # words; shorter runs are found everywhere
_LONG_WORD = 4  # letters; a shorter run is evidence if it has a number or such a word, and hardly any page has that
_SHARE = 0.4  # of the best page's score, for another page to be worth showing
_SOURCES = "Pages with these words (found by lookup): "
_NO_SOURCES = "No page has these words (looked up)."


class Citation(BaseModel):
    """A page that stands behind an answer."""

    model_config = ConfigDict(frozen=True)

    document: str
    page: int
    label: str
    found_by: Literal["model", "lookup"]
    """Whether the model wrote `[document:page]`, or the answer's words were found on that page."""
    words: str | None = None
    """The longest run of the answer's words that the page has, for citations found by lookup."""

    def __str__(self) -> str:
        return f"[{self.document}:{self.page}]"


class Marks(NamedTuple):
    citations: tuple[Citation, ...]
    unknown: tuple[str, ...]
    """Marks that name a document or a page which the corpus does not have, or more pages than a citation can mean."""


def marks(answer: str, corpus: "Corpus") -> Marks:
    """The `[document:page]` marks in an answer, each page once. `[a:1, a:3-4]` and `[a:1, 3]` are read too."""
    labels = {(document.name, page.number): page.label for document in corpus.documents for page in document.pages}
    found: dict[tuple[str, int], Citation] = {}
    unknown: dict[str, None] = {}
    for mark in MARK.finditer(answer):
        for name, first, last in ranges_of(mark[1]):
            written = f"[{name}:{first}]" if first == last else f"[{name}:{first}-{last}]"
            if not 0 <= last - first < MOST_PAGES:
                unknown[written] = None
                continue
            for number in range(first, last + 1):
                if (label := labels.get((name, number))) is None:
                    unknown[written] = None
                else:
                    found[name, number] = Citation(document=name, page=number, label=label, found_by="model")
    return Marks(tuple(found.values()), tuple(unknown))


def ranges_of(mark: str) -> list[tuple[str, int, int]]:
    """What stands between the brackets of a mark, "a:1, b:3-4" -> [("a", 1, 1), ("b", 3, 4)]; [] for other text."""
    found: list[tuple[str, int, int]] = []
    name = ""
    for part in re.split("[,;]", mark):
        one = _ONE.match(part)
        if not one:
            break  # some other bracketed text, "[RFC 2119: 3.1]"
        name = one[1] or name
        found.append((name, int(one[2]), int(one[3] or one[2])))
    return found


class PageIndex:
    """The words of a corpus, to look answers up in. For a million tokens: about a second, and the size of the text."""

    def __init__(self, corpus: "Corpus"):
        self._corpus = corpus
        self._made: list[tuple[str, int, str, str]] | None = None
        self._making = threading.Lock()

    def prepare(self) -> None:
        """Read the pages now. Otherwise the first answer's lookup does."""
        with self._making:
            if self._made is None:
                self._made = [
                    (document.name, page.number, page.label, f" {' '.join(_words(page.text))} ")
                    for document in self._corpus.documents
                    for page in document.pages
                ]

    @property
    def _pages(self) -> list[tuple[str, int, str, str]]:
        self.prepare()
        assert self._made is not None
        return self._made

    def lookup(self, answer: str, question: str = "", *, limit: int = 3) -> tuple[Citation, ...]:
        """The pages that have the answer's words, best first; none when no page has a run of them worth showing.

        A page scores, for each maximal run of consecutive answer words that it has verbatim, the run's inverse page
        frequency times its length. The best page is taken, its words are set aside, and the rest is scored again. The
        question's own words only break ties: an answer repeats them, and so does every page on the subject.
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
    """Maximal runs [start, end) of consecutive words that stand in the page in that order."""
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
    """The line under an answer that says which pages have its words."""
    found = [str(citation) for citation in citations if citation.found_by == "lookup"]
    return _SOURCES + " ".join(found) if found else _NO_SOURCES


def without_sources(answer: str) -> str:
    """An answer as the model wrote it: undoes the appending of `sources`, so that history never quotes our own line."""
    head, _, tail = answer.rpartition("\n\n")
    return head if tail.startswith(_SOURCES) or tail == _NO_SOURCES else answer
