"""Passages of a corpus: where a wording stands, word for word or nearly.

Word for word means: in the normal form of `normal_text.py`, with nothing but its first letter's case and the
punctuation at its ends open; at the ends of words, so that "possible" is not found in "impossible", nor "5" in "1.5".
Nearly is measured on words, see `Passages.near`.
"""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from .normal_text import CJK, QUOTATION_MARKS, NormalText

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
_MOST_BETWEEN = 1500
"""Characters that an ellipsis may stand for."""
_MARGIN = 700
"""Characters at a page's end and at the next one's beginning that a quote over both may skip, in whole lines:
footnotes, page numbers, running titles."""
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
        self._normal: dict[tuple[int, int], NormalText] = {}
        self._compared: dict[tuple[int, int], tuple[list[str], list[tuple[int, int]]]] = {}
        self._postings: dict[str, list[tuple[int, int]]] | None = None

    @cached_property
    def numbers(self) -> dict[tuple[str, int], tuple[int, int]]:
        """(name, page number) -> (index of the document, index of the page)"""
        return {
            (document.name, page.number): (d, p)
            for d, document in enumerate(self.corpus.documents)
            for p, page in enumerate(document.pages)
        }

    def normal(self, document: int, page: int) -> NormalText:
        key = document, page
        if key not in self._normal:
            self._normal[key] = NormalText(self._texts[document][page])
        return self._normal[key]

    def exact(self, wording: Wording, document: int, page: int, *, over_the_end: bool = True) -> Found | None:
        """Where a page has it, or that page's end and the beginning of the next one together."""
        for parts in ([wording.whole], wording.parts):
            if not parts or not parts[0] or (len(parts) > 1 and not wording.telling):
                return None
            if places := self._in_order(parts, document, page):
                return Found(tuple(places), 1.0, exact=True, gaps=len(places) > 1)
        if over_the_end and self._has_next(document, page):
            return self._over_the_end(wording.parts, document, page)
        return None

    def exact_elsewhere(self, wording: Wording, document: int, near: int) -> Found | None:
        """Where a document has it, on the page that is nearest to page `near`; over page ends where its words point."""
        longest = max(wording.parts, key=len, default="")[1:]
        if not longest:
            return None
        for page in sorted(range(len(self._texts[document])), key=lambda page: abs(page - near)):
            text = self.normal(document, page).text
            if (longest in text or wording.whole[1:] in text) and (
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
        if self._postings is None:
            self._postings = self._index()
        count = sum(len(pages) for pages in self._texts)
        scores: Counter[tuple[int, int]] = Counter()
        for term in set(_terms(wording.tokens)):
            pages = self._postings.get(term, [])
            weight = math.log((count + 1) / (len(pages) or 1))
            for page in pages:
                scores[page] += weight  # pyright: ignore[reportArgumentType]
        best = [page for page, _ in scores.most_common(_CANDIDATES)]
        return list(dict.fromkeys(best + [(document, page - 1) for document, page in best[:3] if page]))

    def _has_next(self, document: int, page: int) -> bool:
        pages = self.corpus.documents[document].pages  # not all of a document, where pages were chosen
        return page + 1 < len(pages) and pages[page + 1].number == pages[page].number + 1

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

    def _in_order(self, parts: Sequence[str], document: int, page: int) -> list[Stretch]:
        """Where a page has the parts one after another; [] when it does not."""
        normal = self.normal(document, page)
        for start in _occurrences(parts[0], normal.text, 0, len(normal.text)):
            spans = [(start, start + len(parts[0]))]
            for part in parts[1:]:
                end = spans[-1][1]
                at = next(_occurrences(part, normal.text, end, end + _MOST_BETWEEN + len(part)), None)
                if at is None:
                    break
                spans.append((at, at + len(part)))
            else:
                return [Stretch(document, page, *normal.span(*span)) for span in spans]
        return []

    def _over_the_end(self, parts: Sequence[str], document: int, page: int) -> Found | None:
        for index, part in enumerate(parts):
            before = self._in_order(parts[:index], document, page) if index else []
            after = self._in_order(parts[index + 1 :], document, page + 1) if index + 1 < len(parts) else []
            if bool(before) != (index > 0) or bool(after) != (index + 1 < len(parts)):
                continue
            for variant in _variants(part):
                if divided := self._divided(variant, document, page):
                    return Found((*before, *divided, *after), 1.0, exact=True, gaps=len(parts) > 1)
        return None

    def _divided(self, part: str, document: int, page: int) -> tuple[Stretch, Stretch] | None:
        """Where the page has the beginning of a part at its end, and the next page the rest at its beginning."""
        this, following = self.normal(document, page), self.normal(document, page + 1)
        first_word, last_word = part.split(" ", 1)[0], part.rsplit(" ", 1)[-1]
        if " " in part and (
            (first_word[1:] not in this.text[-_MARGIN - len(part) :] and this.text[-1:] != "-")
            or (last_word not in following.text[: _MARGIN + len(part)])
        ):
            return None
        for at in range(len(part) - 1, 0, -1):
            head, rest = part[:at].rstrip(), part[at:].lstrip()
            inside_a_word = part[at - 1].isalnum() and part[at].isalnum() and not _IS_CJK.match(part[at])
            tail = this.text.removesuffix("-") if inside_a_word else this.text
            if inside_a_word and tail is this.text:
                continue
            start, end = len(tail) - len(head), len(tail)
            ends = tail.endswith(head) and _bounded(this.text, start, len(this.text))
            begins = following.text.startswith(rest) and _bounded(following.text, 0, len(rest))
            if not ends and not inside_a_word and _has_words(head) and _has_words(rest):
                start = self._at_line_end(head, this)
                ends, end = start >= 0, start + len(head)
            first = 0
            if not begins and ends and not inside_a_word and _has_words(head) and _has_words(rest):
                first = self._at_line_start(rest, following)
                begins = first >= 0
            if ends and begins:
                return (
                    Stretch(document, page, *this.span(start, end)),
                    Stretch(document, page + 1, *following.span(first, first + len(rest))),
                )
        return None

    def _at_line_end(self, text: str, normal: NormalText) -> int:
        for start in _occurrences(text, normal.text, max(0, len(normal.text) - _MARGIN), len(normal.text)):
            behind = normal.original[normal.span(start, start + len(text))[1] :].lstrip(f" \t{QUOTATION_MARKS}")
            if not behind or behind[0] == "\n":
                return start
        return -1

    def _at_line_start(self, text: str, normal: NormalText) -> int:
        for start in _occurrences(text, normal.text, 0, _MARGIN + len(text)):
            ahead = normal.original[: normal.span(start, start + 1)[0]].rstrip(f" \t{QUOTATION_MARKS}")
            if not ahead or ahead[-1] == "\n":
                return start
        return -1


def _trimmed(normal: str) -> str:
    """Without the punctuation at its ends, which belongs to the sentence that quotes as often as to the quote."""
    leading = _LEADING.match(normal)
    return _TRAILING.sub("", normal[leading.end() if leading else 0 :])


def _has_words(text: str) -> bool:
    return len(_TOKEN.findall(text)) > 1


def _terms(tokens: Sequence[str]) -> Iterator[str]:
    """What pages are indexed by: words, and pairs of characters of scripts without spaces."""
    for index, token in enumerate(tokens):
        if not _IS_CJK.match(token):
            yield token.casefold()
        elif index + 1 < len(tokens):
            yield token + tokens[index + 1]


def _variants(part: str) -> Iterable[str]:
    """As written, and with its first letter in the other case."""
    return dict.fromkeys([part, part[0].swapcase() + part[1:]])


def _occurrences(part: str, text: str, start: int, end: int) -> Iterator[int]:
    for variant in _variants(part):
        at = text.find(variant, start, end)
        while at >= 0:
            if _bounded(text, at, at + len(variant)):
                yield at
            at = text.find(variant, at + 1, end)


def _bounded(text: str, start: int, end: int) -> bool:
    """Whether no word and no number is cut at either end."""
    first, last = text[start], text[end - 1]
    before, after, next_after = text[start - 1 : start], text[end : end + 1], text[end + 1 : end + 2]
    if _joins(before, first) or _joins(last, after):
        return False
    if first.isdigit() and before and before in ".,+-":
        return False
    return not (last.isdigit() and after and (after in "%‰°" or (after in ".,:/-" and next_after.isdigit())))


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not _IS_CJK.match(left) and not _IS_CJK.match(right)
