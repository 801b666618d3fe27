"""Find a wording in a corpus, verbatim or approximately.

Verbatim means equal in the normal form of `normalize.py`, except for the case of the first letter and the punctuation
at the ends; and whole words, so that "possible" is not found in "impossible", nor "5" in "1.5". Approximately is
measured on words: see `Passages.near`.
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
from .normalize import CJK, MAY_HAVE_FOOTNOTES, NormalText

if TYPE_CHECKING:
    from ..corpus import Corpus
    from .fuzzy_match import Alignment

_ELLIPSIS = re.compile(r"[\[(]\s*(?:…|\.\s?\.\s?\.)\s*[\])]|…+|\.{3,}|\. \. \.")
_CHANGED_LETTER = re.compile(r"\s*\[(\w)\](?=\w)")  # "[T]he" for "the"
_LEADING = re.compile(r"(?:[\s,;:!?'。，、]|[.+-](?!\d))+")
_TRAILING = re.compile(r"[\s.,;:!?'。，、-]+\Z")
_TOKEN = re.compile(rf"[{CJK}]|[+-]?\d+(?:[.,:/]\d+)*[%‰°]?|[^\W\d_{CJK}][^\W_{CJK}]*(?:'[^\W_{CJK}]+)*|[^\W_{CJK}]")
_IS_CJK = re.compile(f"[{CJK}]")

_TELLING = 6
"""Minimum length of a part that is a single word."""
_KEPT = 512
"""Pages whose words are cached for the next comparison."""
_CANDIDATES = 10
"""Pages with most of a quote's rare words that are compared with it."""


@dataclass(frozen=True)
class PageSpan:
    """A span of a page's text. `document` and `page` are indices, `start` and `end` offsets into `Page.text`."""

    document: int
    page: int
    start: int
    end: int


@dataclass(frozen=True)
class Found:
    spans: tuple[PageSpan, ...]
    """Several if the wording has an ellipsis, or continues on the next page."""
    similarity: float
    """1.0 if verbatim; see `Passages.near`."""
    exact: bool
    gaps: bool = False
    """Whether the spans are parts with an ellipsis between them."""


class Wording:
    """A wording in its normal form, split into parts at ellipses."""

    def __init__(self, text: str):
        text = _CHANGED_LETTER.sub(r"\1", text, count=1) if _CHANGED_LETTER.match(text) else text
        self.whole = _trimmed(NormalText(text).text)
        self.parts = [part for piece in _ELLIPSIS.split(text) if (part := _trimmed(NormalText(piece).text))]
        words = [_TOKEN.findall(part) for part in self.parts]
        self.specific = all(
            len(tokens) > 1 or len(part) >= _TELLING for tokens, part in zip(words, self.parts, strict=True)
        )
        """Whether each part is specific: "the … of" is found everywhere."""
        self.tokens = [word for part in words for word in part]
        self.ellipses = frozenset(accumulate(len(part) for part in words[:-1]))
        """Numbers of tokens that precede an ellipsis."""


class Passages:
    """A corpus to search for wordings. Pages are normalized and indexed when first needed."""

    def __init__(self, corpus: "Corpus"):
        self.corpus = corpus
        self._texts = [[page.text for page in document.pages] for document in corpus.documents]
        self._forms: dict[tuple[int, int], tuple[NormalText, ...]] = {}
        self._compared: dict[tuple[int, int], tuple[list[str], list[tuple[int, int]]]] = {}
        self._postings: dict[str, list[tuple[int, int]]] | None = None
        self._indexing = threading.Lock()

    @cached_property
    def numbers(self) -> dict[tuple[str, int], tuple[int, int]]:
        """(name, page number) to (index of the document, index of the page)."""
        return {
            (document.name, page.number): (d, p)
            for d, document in enumerate(self.corpus.documents)
            for p, page in enumerate(document.pages)
        }

    def normal(self, document: int, page: int) -> NormalText:
        return self.forms(document, page)[0]

    def forms(self, document: int, page: int) -> tuple[NormalText, ...]:
        """The normal form of a page; and, if it seems to have footnote marks, the same without them."""
        key = document, page
        if (forms := self._forms.get(key)) is None:
            text = self._texts[document][page]
            forms = (NormalText(text),)
            if MAY_HAVE_FOOTNOTES.search(text):
                forms = (*forms, NormalText(text, footnote_marks=False))
            self._forms[key] = forms
        return forms

    def exact(self, wording: Wording, document: int, page: int, *, over_the_end: bool = True) -> Found | None:
        """The occurrence on a page, or across its end."""
        if not wording.whole or not wording.parts:
            return None
        variants = [[wording.whole], *([wording.parts] if wording.specific else [])]
        for normal in self.forms(document, page):
            for parts in variants:
                if offsets := in_order(parts, normal):
                    spans = tuple(PageSpan(document, page, *normal.span(*span)) for span in offsets)
                    return Found(spans, 1.0, exact=True, gaps=len(spans) > 1)
        if over_the_end and wording.specific and self._has_next(document, page):
            return self._over_the_end(wording.parts, document, page)
        return None

    def exact_elsewhere(self, wording: Wording, document: int, near: int) -> Found | None:
        """The occurrence on a single page of a document that is nearest to page `near`."""
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
        """The part of a page, and of the start of the next one, that is most similar to a wording; None below `enough`.

        The similarity is the fraction of the wording's letters that appear there in the same order. Words with a
        similar spelling count in part. Words of the page that the wording omits cost a little, and many in a row hardly
        more.
        """
        from .fuzzy_match import align

        words, spans = self._tokens(document, page)
        count = len(words)
        if self._has_next(document, page):
            more, more_spans = self._tokens(document, page + 1)
            some = slice(2 * len(wording.tokens))
            words, spans = [*words, *more[some]], [*spans, *more_spans[some]]
        found: Alignment | None = align(wording.tokens, words, ellipses=wording.ellipses, enough=enough)
        if found is None:
            return None
        found_spans = [
            PageSpan(document, number, *self.normal(document, number).span(spans[start][0], spans[end - 1][1]))
            for number, start, end in (
                (page, found.start, min(found.end, count)),
                (page + 1, max(found.start, count), found.end),
            )
            if start < end
        ]
        return Found(tuple(found_spans), found.similarity, exact=False)

    def candidates(self, wording: Wording) -> list[tuple[int, int]]:
        """The pages with most of its rare words, as (document, page), and the pages before them, where it may start."""
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
        pages = self.corpus.documents[document].pages  # not the whole document, if pages were selected
        return page + 1 < len(pages) and pages[page + 1].number == pages[page].number + 1

    def prepare(self) -> dict[str, list[tuple[int, int]]]:
        """The pages of each word. Computed when first needed, or while a model reads: it takes seconds for a million
        tokens."""
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
        """The words of a page's normal form, and their positions in it."""
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
            if offsets := divided(parts, this, following, self._edges(document, page)):
                before, after = offsets
                spans = [PageSpan(document, page, *this.span(*span)) for span in before]
                spans += [PageSpan(document, page + 1, *following.span(*span)) for span in after]
                return Found(tuple(spans), 1.0, exact=True, gaps=len(parts) > 1)
        return None

    def _edges(self, document: int, page: int) -> frozenset[str]:
        """The first and last lines of the pages around a page, without numbers: they may be running titles."""
        texts = self._texts[document]
        around = [*texts[max(0, page - 2) : page], *texts[page + 2 : page + 4]]
        lines = [line for text in around for line in (*text.split("\n")[:3], *text.split("\n")[-3:])]
        return frozenset(filter(None, map(unnumbered, lines)))


def _trimmed(normal: str) -> str:
    """The wording without the punctuation at its ends, which may belong to the quoting sentence."""
    leading = _LEADING.match(normal)
    return _TRAILING.sub("", normal[leading.end() if leading else 0 :])


def _terms(tokens: Sequence[str]) -> Iterator[str]:
    """The terms of the index: words, and pairs of characters of scripts without spaces."""
    for index, token in enumerate(tokens):
        if not _IS_CJK.match(token):
            yield token.casefold()
        elif index + 1 < len(tokens):
            yield token + tokens[index + 1]
