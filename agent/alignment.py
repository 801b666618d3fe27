"""The stretch of a page that is most like a quote, word by word."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel

_ALIKE = 0.7
"""Words less alike than this count as different."""
_GAP = 3.0
_GAP_LETTER = 0.04
"""What words of the page that the quote leaves out cost, in letters of the quote: once, and for each letter."""


@dataclass(frozen=True)
class Alignment:
    start: int
    end: int
    """Of the page's words."""
    similarity: float
    """The part of the quote's letters that has its equal on the page, less what is left out between; 0 to 1."""


def align(quote: Sequence[str], page: Sequence[str]) -> Alignment | None:
    """Align all words of a quote with a stretch of a page's words, in order, at the least cost.

    Dynamic programming, a row for each word of the quote. Where the stretch begins and ends costs nothing; a word of
    the quote that the page lacks costs its letters, one that is spelled otherwise the part of them that differs, and
    a gap in the page's words `_GAP` and a little for each letter (Gotoh, An improved algorithm for matching biological
    sequences, 1982).
    """
    if not quote or not page:
        return None
    words = {word: index for index, word in enumerate(dict.fromkeys(page))}
    at = np.array([words[word] for word in page])  # [n]
    alike = process.cdist(quote, list(words), scorer=Indel.normalized_similarity, score_cutoff=_ALIKE)  # [m, words]
    quote_letters = np.array([len(word) + 1.0 for word in quote])
    page_letters = np.array([len(word) + 1.0 for word in page])
    run = np.concatenate([[0.0], np.cumsum(page_letters)]) * _GAP_LETTER  # [n + 1]
    places = np.arange(len(page) + 1)
    cost, begin = np.zeros(len(page) + 1), places
    for letters, row in zip(quote_letters, alike, strict=True):
        other = cost + letters  # the page lacks this word
        start = begin
        same = cost[:-1] + (1.0 - row[at]) * np.maximum(letters, np.where(row[at] > 0, page_letters, letters))
        better = same <= other[1:]
        other[1:] = np.where(better, same, other[1:])
        start = np.concatenate([start[:1], np.where(better, begin[:-1], start[1:])])
        # The cheapest way to have come here over a gap, for all places at once.
        before = np.minimum.accumulate(other - run)
        source = np.maximum.accumulate(np.where(other - run <= before, places, 0))
        over = np.full_like(other, np.inf)
        over[1:] = before[:-1] + run[1:] + _GAP
        came = np.concatenate([[0], source[:-1]])
        better = over < other
        cost, begin = np.where(better, over, other), np.where(better, start[came], start)
    end = len(page) - int(np.argmin(cost[::-1]))  # the last of equals: a replaced word at the end belongs to it
    if begin[end] >= end:
        return None
    return Alignment(int(begin[end]), end, max(0.0, 1.0 - float(cost[end] / quote_letters.sum())))
