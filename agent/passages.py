"""Passages of a corpus: where a wording stands, word for word or nearly.

Word for word means: in the normal form of `normal_text.py`, with nothing but its first letter's case and the
punctuation at its ends open; at the ends of words, so that "possible" is not found in "impossible", nor "5" in "1.5".
Nearly is measured on words, see `Passages.near`.
"""

import math
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from .exact_match import divided, in_order, unnumbered
from .normal_text import CJK, MAY_HAVE_FOOTNOTES, NormalText

if TYPE_CHECKING:
    from .alignment import Alignment
    from .corpus import Corpus

_ELLIPSIS = re.compile(r"[\[(]\s*(?:…|\.\s?\.\s?\.)\s*[\])]|…+|\.{3,}|\. \. \.")
_CHANGED_LETTER = re.compile(r"\s*\[(\w)\](?=\w)")  # "[T]he" for "the"
_LEADING = re.compile(r"(?:[\s,;:!?'。，、]|[.+-](?!\d))+")
_TRAILING = re.compile(r"[\s.,;:!?'。，、-]+\Z")
_TOKEN = re.compile(rf"[{CJK}]|[+-]?\d+(?:[.,:/]\d+)*[%‰°]?|[^\W\d_{CJK}][^\W_{CJK}]*(?:'[^\W_{CJK}]+)*|[^\W_{CJK}]")
_IS_CJK = re.compile(f"[{CJK}]")

_TELLING = 6
"""Characters of a part that is a single word."""
_KEPT = 512
"""Pages whose words are kept for the next comparison."""
_CANDIDATES = 10
"""Pages with most of a quote's rare words that are compared with it."""


@dataclass(frozen=True)
class Stretch:
    """A stretch of a page's text. `document` and `page` are indices, `start` and `end` offsets into `Page.text`."""

    document: int
    page: int
    start: int
    end: int


@dataclass(frozen=True)
class Found:
    stretches: tuple[Stretch, ...]
    """Several where the wording has an ellipsis or goes over the end of a page."""
    similarity: float
    """1.0 for word for word; see `Passages.near`."""
    exact: bool
    gaps: bool = False
    """Whether the stretches are parts with an ellipsis between them."""


class Wording:
    """What is looked for: a wording in its normal form, in parts where an ellipsis divides it."""

    def __init__(self, text: str):
        text = _CHANGED_LETTER.sub(r"\1", text, count=1) if _CHANGED_LETTER.match(text) else text
        self.whole = _trimmed(NormalText(text).text)
        self.parts = [part for piece in _ELLIPSIS.split(text) if (part := _trimmed(NormalText(piece).text))]
        words = [_TOKEN.findall(part) for part in self.parts]
        self.telling = all(
            len(tokens) > 1 or len(part) >= _TELLING for tokens, part in zip(words, self.parts, strict=True)
        )
        """Whether each part says something: "the … of" is found everywhere."""
        self.tokens = [word for part in words for word in part]
        self.ellipses = frozenset(accumulate(len(part) for part in words[:-1]))
        """Counts of tokens after which an ellipsis stands."""


class Passages:
    """A corpus to look wordings up in. Pages are brought into their normal form, and indexed, when first needed."""

    def __init__(self, corpus: "Corpus"):
        self.corpus = corpus
        self._texts = [[page.text for page in document.pages] for document in corpus.documents]
        self._forms: dict[tuple[int, int], tuple[NormalText, ...]] = {}
        self._compared: dict[tuple[int, int], tuple[list[str], list[tuple[int, int]]]] = {}
        self._postings: dict[str, list[tuple[int, int]]] | None = None
        self._indexing = threading.Lock()

    @cached_property
    def numbers(self) -> dict[tuple[str, int], tuple[int, int]]:
        """(name, page number) -> (index of the document, index of the page)"""
        return {
            (document.name, page.number): (d, p)
            for d, document in enumerate(self.corpus.documents)
            for p, page in enumerate(document.pages)
        }

    def normal(self, document: int, page: int) -> NormalText:
        return self.forms(document, page)[0]

    def forms(self, document: int, page: int) -> tuple[NormalText, ...]:
        """The normal form of a page, and where it seems to have footnote marks the same without."""
        key = document, page
        if (forms := self._forms.get(key)) is None:
            text = self._texts[document][page]
            forms = (NormalText(text),)
            if MAY_HAVE_FOOTNOTES.search(text):
                forms = (*forms, NormalText(text, footnote_marks=False))
            self._forms[key] = forms
        return forms

    def exact(self, wording: Wording, document: int, page: int, *, over_the_end: bool = True) -> Found | None:
        """Where a page has it, or that page's end and the beginning of the next one together."""
        if not wording.whole or not wording.parts:
            return None
        variants = [[wording.whole], *([wording.parts] if wording.telling else [])]
        for normal in self.forms(document, page):
            for parts in variants:
                if spans := in_order(parts, normal):
                    stretches = tuple(Stretch(document, page, *normal.span(*span)) for span in spans)
                    return Found(stretches, 1.0, exact=True, gaps=len(spans) > 1)
        if over_the_end and wording.telling and self._has_next(document, page):
            return self._over_the_end(wording.parts, document, page)
        return None

    def exact_elsewhere(self, wording: Wording, document: int, near: int) -> Found | None:
        """Where a document has it, on the page that is nearest to page `near`; over page ends where its words point."""
        longest = max(wording.parts, key=len, default="")[1:]
        if not longest:
            return None
        for page in sorted(range(len(self._texts[document])), key=lambda page: abs(page - near)):
            texts = [normal.text for normal in self.forms(document, page)]
            if any(longest in text or wording.whole[1:] in text for text in texts) and (
                found := self.exact(wording, document, page, over_the_end=False)
            ):
                return found
        return None

    def near(self, wording: Wording, document: int, page: int, enough: float) -> Found | None:
        """The stretch of a page, and of the beginning of the next, that is most like it; None below `enough`.

        Its similarity is the part of the wording's letters that stand there in the same order. Words that are spelled
        alike count in part; words of the page that the wording leaves out cost a little, many in a row hardly more.
        """
        from .alignment import align

        words, spans = self._tokens(document, page)
        count = len(words)
        if self._has_next(document, page):
            more, more_spans = self._tokens(document, page + 1)
            some = slice(2 * len(wording.tokens))
            words, spans = [*words, *more[some]], [*spans, *more_spans[some]]
        found: Alignment | None = align(wording.tokens, words, ellipses=wording.ellipses, enough=enough)
        if found is None:
            return None
        stretches = [
            Stretch(document, number, *self.normal(document, number).span(spans[start][0], spans[end - 1][1]))
            for number, start, end in (
                (page, found.start, min(found.end, count)),
                (page + 1, max(found.start, count), found.end),
            )
            if start < end
        ]
        return Found(tuple(stretches), found.similarity, exact=False)

    def candidates(self, wording: Wording) -> list[tuple[int, int]]:
        """The (document, page) with most of its rare words, and the pages before them: it may begin there."""
        postings = self.prepare()
        count = sum(len(pages) for pages in self._texts)
        scores: Counter[tuple[int, int]] = Counter()
        for term in set(_terms(wording.tokens)):
            pages = postings.get(term, [])
            weight = math.log((count + 1) / (len(pages) or 1))
            for page in pages:
                scores[page] += weight  # pyright: ignore[reportArgumentType]
        best = [page for page, _ in scores.most_common(_CANDIDATES)]
        return list(dict.fromkeys(best + [(document, page - 1) for document, page in best[:3] if page]))

    def _has_next(self, document: int, page: int) -> bool:
        pages = self.corpus.documents[document].pages  # not all of a document, where pages were chosen
        return page + 1 < len(pages) and pages[page + 1].number == pages[page].number + 1

    def prepare(self) -> dict[str, list[tuple[int, int]]]:
        """The pages of each word. Made when first needed, or while a model reads: seconds for a million tokens."""
        with self._indexing:
            if self._postings is None:
                self._postings = self._index()
            return self._postings

    def _index(self) -> dict[str, list[tuple[int, int]]]:
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for document, pages in enumerate(self._texts):
            for page in range(len(pages)):
                key = document, page
                for term in set(_terms(_TOKEN.findall(self.normal(document, page).text))):
                    postings[term].append(key)
        return dict(postings)

    def _tokens(self, document: int, page: int) -> tuple[list[str], list[tuple[int, int]]]:
        """The words of a page's normal form, and where they stand in it."""
        tokens = self._compared.get((document, page))
        if tokens is None:
            if len(self._compared) >= _KEPT:
                self._compared.clear()
            matches = list(_TOKEN.finditer(self.normal(document, page).text))
            tokens = [match.group() for match in matches], [match.span() for match in matches]
            self._compared[document, page] = tokens
        return tokens

    def _over_the_end(self, parts: Sequence[str], document: int, page: int) -> Found | None:
        for this, following in (
            (self.normal(document, page), self.normal(document, page + 1)),
            (self.forms(document, page)[-1], self.forms(document, page + 1)[-1]),
        ):
            if spans := divided(parts, this, following, self._edges(document, page)):
                before, after = spans
                stretches = [Stretch(document, page, *this.span(*span)) for span in before]
                stretches += [Stretch(document, page + 1, *following.span(*span)) for span in after]
                return Found(tuple(stretches), 1.0, exact=True, gaps=len(parts) > 1)
        return None

    def _edges(self, document: int, page: int) -> frozenset[str]:
        """The lines that the pages around it begin and end with, without their numbers: those of running titles."""
        texts = self._texts[document]
        around = [*texts[max(0, page - 2) : page], *texts[page + 2 : page + 4]]
        lines = [line for text in around for line in (*text.split("\n")[:3], *text.split("\n")[-3:])]
        return frozenset(filter(None, map(unnumbered, lines)))


def _trimmed(normal: str) -> str:
    """Without the punctuation at its ends, which belongs to the sentence that quotes as often as to the quote."""
    leading = _LEADING.match(normal)
    return _TRAILING.sub("", normal[leading.end() if leading else 0 :])


def _terms(tokens: Sequence[str]) -> Iterator[str]:
    """What pages are indexed by: words, and pairs of characters of scripts without spaces."""
    for index, token in enumerate(tokens):
        if not _IS_CJK.match(token):
            yield token.casefold()
        elif index + 1 < len(tokens):
            yield token + tokens[index + 1]
