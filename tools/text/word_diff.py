"""The difference between two long sequences of words, in about linear time if they are similar.

Runs of words that occur exactly once in both are anchors (patience diff). The short segments between anchors are
compared exactly, by rapidfuzz; longer ones are divided by anchors of shorter runs.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rapidfuzz.distance import Indel

_RUNS = (16, 4, 2, 1)
"""Lengths of the runs, in words, in the order in which they are tried."""
_EXACT = 4_000_000
"""Maximum number of word pairs of two segments that are compared exactly: some milliseconds."""


class Change(NamedTuple):
    """`first[start:end]` became `second[second_start:second_end]`; one of the two may be empty."""

    start: int
    end: int
    second_start: int
    second_end: int


def changes(first: Sequence[str], second: Sequence[str]) -> list[Change]:
    """Find the changes that turn `first` into `second`, in order. The words between changes are equal.

    A deletion and an insertion in the same place are one change, and so are two changes with fewer words between them
    than either of them changes.
    """
    numbers: dict[str, int] = {}
    a = [numbers.setdefault(word, len(numbers)) for word in first]
    b = [numbers.setdefault(word, len(numbers)) for word in second]
    merged: list[Change] = []
    for change in _between(a, b, 0, len(a), 0, len(b), 0):
        merged.append(change)
        while len(merged) > 1 and _belong(merged[-2], merged[-1]):
            last, before = merged.pop(), merged.pop()
            merged.append(Change(before.start, last.end, before.second_start, last.second_end))
    return merged


def _belong(before: Change, after: Change) -> bool:
    equal = after.start - before.end
    return equal < min(_size(before), _size(after)) or equal == 0


def _size(change: Change) -> int:
    return max(change.end - change.start, change.second_end - change.second_start)


def _between(
    a: list[int], b: list[int], start: int, end: int, second_start: int, second_end: int, level: int
) -> Iterator[Change]:
    """The changes between a[start:end] and b[second_start:second_end]."""
    while start < end and second_start < second_end and a[start] == b[second_start]:
        start, second_start = start + 1, second_start + 1
    while start < end and second_start < second_end and a[end - 1] == b[second_end - 1]:
        end, second_end = end - 1, second_end - 1
    if start == end or second_start == second_end:
        if start < end or second_start < second_end:
            yield Change(start, end, second_start, second_end)
        return
    if (end - start) * (second_end - second_start) <= _EXACT:
        for op in Indel.opcodes(a[start:end], b[second_start:second_end]):
            if op.tag != "equal":
                yield Change(
                    start + op.src_start, start + op.src_end, second_start + op.dest_start, second_start + op.dest_end
                )
        return
    if level == len(_RUNS):  # long, and no word occurs once in both: no anchors
        yield Change(start, end, second_start, second_end)
        return
    run = _RUNS[level]
    at, second_at = start, second_start
    for anchor, second_anchor in _anchors(a, b, start, end, second_start, second_end, run):
        if anchor < at or second_anchor < second_at:
            continue  # overlaps the one before
        yield from _between(a, b, at, anchor, second_at, second_anchor, level + 1)
        at, second_at = anchor + run, second_anchor + run
    yield from _between(a, b, at, end, second_at, second_end, level + 1)


def _anchors(
    a: list[int], b: list[int], start: int, end: int, second_start: int, second_end: int, run: int
) -> list[tuple[int, int]]:
    """Positions of runs that occur once on each side: the longest selection in the same order on both."""
    there = _once(b, second_start, second_end, run)
    pairs = [(i, there[key]) for key, i in _once(a, start, end, run).items() if key in there]
    # The longest increasing subsequence of the positions in b, by patience sorting.
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = [-1] * len(pairs)
    for index, (_, j) in enumerate(pairs):
        pile = bisect_left(tops, j)
        if pile == len(tops):
            tops.append(j)
            piles.append(index)
        else:
            tops[pile], piles[pile] = j, index
        before[index] = piles[pile - 1] if pile else -1
    chain: list[tuple[int, int]] = []
    index = piles[-1] if piles else -1
    while index >= 0:
        chain.append(pairs[index])
        index = before[index]
    return chain[::-1]


def _once(words: list[int], start: int, end: int, run: int) -> dict[tuple[int, ...], int]:
    """The runs of words that occur exactly once, in order, with their positions."""
    places: dict[tuple[int, ...], int] = {}
    for at, key in enumerate(zip(*(words[start + shift : end] for shift in range(run)), strict=False), start):
        places[key] = -1 if key in places else at
    return {key: at for key, at in places.items() if at >= 0}
