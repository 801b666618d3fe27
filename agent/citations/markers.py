"""Citation markers: `[document:page]` in an answer.

Small models cite badly, so `longread.agent.citations.lookup` searches the pages for the words of every answer as well.
Pages found that way are marked as found by lookup, never as citations of the model.
"""

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from ..corpus import Corpus


MARK = re.compile(r"\[([^\[\]\n]+:\d[^\[\]\n]*)\]")
_ONE = re.compile(r"\s*(?:([^\s:,;\[\]]+):)?(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?\s*$")
MOST_PAGES = 100  # in one marker; more are not a citation


class Citation(BaseModel):
    """A page that supports an answer."""

    model_config = ConfigDict(frozen=True)

    document: str
    page: int
    label: str
    found_by: Literal["model", "lookup"]
    """"model": the model wrote `[document:page]`. "lookup": the page contains words of the answer."""
    words: str | None = None
    """For citations found by lookup: the longest run of the answer's words that the page contains."""

    def __str__(self) -> str:
        return f"[{self.document}:{self.page}]"


class Marks(NamedTuple):
    citations: tuple[Citation, ...]
    unknown: tuple[str, ...]
    """Markers that match no page of the corpus, or name more pages than a citation may."""


def marks(answer: str, corpus: "Corpus") -> Marks:
    """The citation markers of an answer, each page once. `[a:1, a:3-4]` and `[a:1, 3]` are recognised too."""
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
    """The content of a marker, "a:1, b:3-4", as [("a", 1, 1), ("b", 3, 4)]; [] for other text."""
    found: list[tuple[str, int, int]] = []
    name = ""
    for part in re.split("[,;]", mark):
        one = _ONE.match(part)
        if not one:
            break  # some other bracketed text, "[RFC 2119: 3.1]"
        name = one[1] or name
        found.append((name, int(one[2]), int(one[3] or one[2])))
    return found
