"""Checked quotes: each quote in an answer, and what its page says.

- verified: the page that the answer names says it word for word; or, where the answer names none, some page does.
- corrected: a page says something very like it. `actual` is what it says. The quote may have a number, a name or a
  "not" that the page does not have, so it is never called verified.
- moved: it stands word for word, but on another page than the answer says.
- unverified: no page says anything like it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, computed_field

from .claims import Claim, ClaimFinder
from .passages import Found, Passages, Wording

if TYPE_CHECKING:
    from .corpus import Corpus

Status = Literal["verified", "corrected", "moved", "unverified"]

ALIKE = 0.6
"""The similarity from which on a passage on the page that was said is taken for what was quoted, chosen on half of the
set of `benchmarks/quotes.py`."""
ALIKE_ELSEWHERE = 0.75
"""The same for all other pages: among many, one is more like a short quote by chance."""


class Span(BaseModel):
    """A stretch of a page."""

    model_config = ConfigDict(frozen=True)

    page: int
    start: int
    end: int
    """Offsets into `Page.text`."""


class CheckedQuote(BaseModel):
    """A quote in an answer, and what became of looking it up."""

    model_config = ConfigDict(frozen=True)

    text: str
    """As the answer has it, without quotation marks: `answer[start:end]`."""
    start: int
    end: int
    status: Status
    said_document: str | None
    """The document that the answer names; None when it names none."""
    page_said: int | None
    document: str | None
    """Where it was found; None when it was not."""
    page_found: int | None
    label: str | None
    """Of the page where it was found."""
    actual: str | None
    """The page's own words, with its line breaks; " … " stands for what an ellipsis in the quote leaves out."""
    similarity: float
    """1.0 for word for word, else how much of the quote stands in `actual`."""
    spans: tuple[Span, ...] = ()
    """Where `actual` stands in `document`: several where the quote has an ellipsis or goes over the end of a page."""

    @computed_field
    @property
    def page_start(self) -> int | None:
        """Offset into the text of `page_found` where it begins."""
        return self.spans[0].start if self.spans else None

    @computed_field
    @property
    def page_end(self) -> int | None:
        """Offset into the text of `page_found` where it ends."""
        return max((span.end for span in self.spans if span.page == self.page_found), default=None)

    def __str__(self) -> str:
        said = f"[{self.said_document}:{self.page_said}]"
        found = f"[{self.document}:{self.page_found}]"
        match self.status:
            case "verified":
                return f"verified on {found}"
            case "corrected":
                return f"not the words of {found}, which says: {' '.join((self.actual or '').split())}"
            case "moved":
                return f"said {said}, found on {found}"
            case _:
                return f"unverified: not on {said}, nor on any other page" if self.said_document else "on no page"


class QuoteChecker:
    """Checks the quotes of an answer while it streams.

    `feed` returns those that were checked by then, `finish` the rest; together they are what `check` returns for the
    whole answer, in order, however it was cut into pieces.

    Args:
        corpus: what the answer is about.
        passages: of the same corpus, from an earlier answer: it keeps what it has prepared for comparing.
    """

    def __init__(self, corpus: "Corpus", passages: Passages | None = None):
        self._finder = ClaimFinder()
        self._lookup = _Lookup(passages or Passages(corpus))
        self._answer = ""

    def feed(self, text: str) -> list[CheckedQuote]:
        """The next piece of the answer."""
        self._answer += text
        return [self._check(claim) for claim in self._finder.feed(text)]

    def finish(self) -> list[CheckedQuote]:
        """The answer is whole."""
        return [self._check(claim) for claim in self._finder.finish()]

    def _check(self, claim: Claim) -> CheckedQuote:
        return self._lookup.check(claim, self._answer[claim.start : claim.end])


def tally(statuses: Iterable[str]) -> str:
    """How many quotes are of each status, as "2 verified, 1 moved"; empty without any."""
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {status}" for status in get_args(Status) if counts[status])


def check(answer: str, corpus: "Corpus", passages: Passages | None = None) -> tuple[CheckedQuote, ...]:
    """The quotes of a whole answer, in order. Arguments as for `QuoteChecker`."""
    checker = QuoteChecker(corpus, passages)
    return (*checker.feed(answer), *checker.finish())


class _Lookup:
    def __init__(self, passages: Passages):
        self._passages = passages
        self._documents = passages.corpus.documents

    def check(self, claim: Claim, text: str) -> CheckedQuote:
        known = {
            key: place for place in claim.places if (key := self._passages.numbers.get((place.document, place.page)))
        }
        found = self._find(Wording(claim.wording), list(known))
        where = [(stretch.document, stretch.page) for stretch in found.stretches] if found else []
        here = next((key for key in known if key in where), None)
        if not found:
            status: Status = "unverified"
        elif not found.exact:
            status = "corrected"
        else:
            status = "verified" if here or not claim.places else "moved"
        said = known[here] if here else claim.places[0] if claim.places else None
        document = self._documents[where[0][0]] if where else None
        page = document.pages[(here or where[0])[1]] if document else None
        return CheckedQuote(
            text=text,
            start=claim.start,
            end=claim.end,
            status=status,
            said_document=said.document if said else None,
            page_said=said.page if said else None,
            document=document.name if document else None,
            page_found=page.number if page else None,
            label=page.label if page else None,
            actual=self._actual(found) if found else None,
            similarity=found.similarity if found else 0.0,
            spans=self._spans(found) if found else (),
        )

    def _spans(self, found: Found) -> tuple[Span, ...]:
        return tuple(
            Span(
                page=self._documents[stretch.document].pages[stretch.page].number,
                start=stretch.start,
                end=stretch.end,
            )
            for stretch in found.stretches
        )

    def _actual(self, found: Found) -> str:
        texts = [
            self._documents[stretch.document].pages[stretch.page].text[stretch.start : stretch.end]
            for stretch in found.stretches
        ]
        return (" … " if found.gaps else "\n").join(texts)

    def _find(self, wording: Wording, said: Sequence[tuple[int, int]]) -> Found | None:
        """The best that the corpus has for it: word for word, else nearly so; on the pages that were said, else
        elsewhere."""
        if not wording.tokens:
            return None
        for document, page in said:
            for first in (page, page - 1) if page else (page,):
                found = self._passages.exact(wording, document, first)
                if found and any(stretch.page == page for stretch in found.stretches):
                    return found
        near = dict(reversed(said))  # the first page that is said of each document
        documents = sorted(range(len(self._documents)), key=lambda document: document not in near)
        for document in documents:
            if found := self._passages.exact_elsewhere(wording, document, near.get(document, 0)):
                return found
        return self._most_alike(wording, said, ALIKE) or self._candidate(wording, near)

    def _most_alike(self, wording: Wording, pages: Sequence[tuple[int, int]], enough: float) -> Found | None:
        """The most similar passage of some pages, if it is similar enough."""
        best: Found | None = None
        for key in pages:
            found = self._passages.near(wording, *key, enough=best.similarity if best else enough)
            if found and (best is None or found.similarity > best.similarity):
                best = found
        return best

    def _candidate(self, wording: Wording, said: dict[int, int]) -> Found | None:
        """The same of all pages: those first that have it over their end, then those of documents that were said."""
        candidates = self._passages.candidates(wording)
        for key in candidates:
            if found := self._passages.exact(wording, *key):
                return found
        of_said = [key for key in candidates if key[0] in said]
        return self._most_alike(wording, of_said, ALIKE_ELSEWHERE) or self._most_alike(
            wording, [key for key in candidates if key[0] not in said], ALIKE_ELSEWHERE
        )
