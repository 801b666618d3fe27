"""The English words that RULER draws from: those of the package wonderwords."""

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from itertools import accumulate

from longread.errors import QualityError

Kind = str
"""noun, adjective or verb."""


@cache
def words(kind: Kind) -> tuple[str, ...]:
    """All words of a kind, in the order of the package.

    Raises:
        QualityError: the package is not installed.
    """
    try:
        text = (files("wonderwords.assets") / f"{kind}list.txt").read_text(encoding="utf-8")
    except ModuleNotFoundError:
        raise QualityError(
            "RULER's keys are words of wonderwords, which is not installed: pip install 'longread[quality]'."
        ) from None
    return tuple(line.rstrip() for line in text.splitlines())


@cache
def adjective_nouns() -> "Pairs":
    """`adjective-noun` for all adjectives and nouns, sorted and unique."""
    return Pairs(words("adjective"), words("noun"))


class Pairs(Sequence[str]):
    """The sorted set of `first-second`. Of its millions of elements only the requested ones are made.

    Pairs with the same first word are adjacent, except where one first word continues another after a hyphen: such
    words form a group, whose pairs are sorted as a whole.
    """

    def __init__(self, first: Sequence[str], second: Sequence[str]):
        self._second = sorted(set(second))
        self._groups: list[list[str]] = []
        for start in sorted({f"{word}-" for word in first}):
            if self._groups and start.startswith(self._groups[-1][0]):
                self._groups[-1].append(start)
            else:
                self._groups.append([start])
        self._ends = list(accumulate(len(self._pairs(group)) for group in self._groups))

    def _pairs(self, group: list[str]) -> Sequence[str]:
        if len(group) == 1:
            return range(len(self._second))  # type: ignore[return-value]  # of which the length is enough
        return sorted({start + word for start in group for word in self._second})

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> str:  # type: ignore[override]
        place = bisect_right(self._ends, index)
        group = self._groups[place]
        within = index - (self._ends[place - 1] if place else 0)
        return group[0] + self._second[within] if len(group) == 1 else self._pairs(group)[within]
