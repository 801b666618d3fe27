"""Find the part of a page that is most similar to a quote, word by word."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import Indel

_ALIKE = 0.7
"""Words with a lower similarity count as different."""
_GAP = 3.0, 0.1
"""Cost of words on the page that the quote omits, in letters of the quote: once, and for each letter."""
_ELLIPSIS = 0.0, 0.002
"""The same where the quote has an ellipsis."""


@dataclass(frozen=True)
class Alignment:
    start: int
    end: int
    """Positions among the page's words."""
    similarity: float
    """The fraction of the quote's letters with an equal on the page, less the cost of omitted words; from 0 to 1."""


def align(
    quote: Sequence[str], page: Sequence[str], *, ellipses: Collection[int] = (), enough: float = 0.0
) -> Alignment | None:
    """Align all words of a quote with consecutive words of a page, in order, at the least cost.

    Dynamic programming, with a row for each word of the quote. The position on the page costs nothing. A word of the
    quote that the page lacks costs its letters, one with another spelling the fraction of them that differs, and a gap
    in the page's words a little, and a little more for each of their letters (Gotoh, An improved algorithm for matching
    biological sequences, 1982).

    Args:
        ellipses: numbers of the quote's words that precede an ellipsis: there a gap costs almost nothing.
        enough: the minimum similarity.
    """
    if not quote or not page:
        return None
    words = {word: index for index, word in enumerate(dict.fromkeys(page))}
    at = np.array([words[word] for word in page])  # [n]
    alike = process.cdist(quote, list(words), scorer=Indel.normalized_similarity, score_cutoff=_ALIKE)  # [m, words]
    quote_letters = np.array([len(word) + 1.0 for word in quote])
    if alike.max(axis=1) @ quote_letters < enough * quote_letters.sum():
        return None
    page_letters = np.array([len(word) + 1.0 for word in page])
    run = np.concatenate([[0.0], np.cumsum(page_letters)])  # [n + 1]
    places = np.arange(len(page) + 1)
    cost, begin = np.zeros(len(page) + 1), places
    for number, (letters, row) in enumerate(zip(quote_letters, alike, strict=True), start=1):
        other = cost + letters  # the page lacks this word
        start = begin
        same = cost[:-1] + (1.0 - row[at]) * np.maximum(letters, np.where(row[at] > 0, page_letters, letters))
        better = same <= other[1:]
        other[1:] = np.where(better, same, other[1:])
        start = np.concatenate([start[:1], np.where(better, begin[:-1], start[1:])])
        # The cheapest path to each position over a gap, for all positions at once.
        once, each = _ELLIPSIS if number in ellipses else _GAP
        level = other - each * run
        before = np.minimum.accumulate(level)
        source = np.maximum.accumulate(np.where(level <= before, places, 0))
        over = np.full_like(other, np.inf)
        over[1:] = before[:-1] + each * run[1:] + once
        came = np.concatenate([[0], source[:-1]])
        better = over < other
        cost, begin = np.where(better, over, other), np.where(better, start[came], start)
    end = len(page) - int(np.argmin(cost[::-1]))  # the last of equals, which includes a replaced word at the end
    if begin[end] >= end:
        return None
    similarity = max(0.0, 1.0 - float(cost[end] / quote_letters.sum()))
    return Alignment(int(begin[end]), end, similarity) if similarity >= enough else None
