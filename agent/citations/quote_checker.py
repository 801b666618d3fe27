"""Check quotes: look up each quote of an answer on the cited page.

- verified: the cited page contains it verbatim; or, if no page is cited, some page does.
- corrected: a page contains something very similar: `actual`. The quote may have a number, a name or a "not" that the
  page does not have, so it is never called verified.
- moved: it appears verbatim on another page than the cited one.
- unverified: no page contains anything similar.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal, get_args

from pydantic import BaseModel, ConfigDict, computed_field

from .passages import Found, Passages, Wording
from .quote_parser import QuotedSpan, QuoteParser

if TYPE_CHECKING:
    from ..corpus import Corpus

Status = Literal["verified", "corrected", "moved", "unverified"]
SIGNS: dict[Status, str] = {"verified": "✓", "corrected": "≠", "moved": "→", "unverified": "✗"}
"""One character for each status, for display."""

ALIKE = 0.6
"""The similarity from which on a passage on the cited page counts as the quoted one, tuned on half of the set of
`benchmarks/agent/quotes.py`."""
ALIKE_ELSEWHERE = 0.75
"""The same for all other pages: among many pages, some are similar to a short quote by chance."""


class Span(BaseModel):
    """A span of a page."""

    model_config = ConfigDict(frozen=True)

    page: int
    start: int
    end: int
    """Offsets into `Page.text`."""


class CheckedQuote(BaseModel):
    """A quote in an answer, and the result of looking it up."""

    model_config = ConfigDict(frozen=True)

    text: str
    """The quote as written, without quotation marks: `answer[start:end]`."""
    start: int
    end: int
    status: Status
    cited_document: str | None
    """The document that the answer cites; None if it cites none."""
    cited_page: int | None
    document: str | None
    """The document that contains it; None if none does."""
    page_found: int | None
    label: str | None
    """The label of that page."""
    actual: str | None
    """The words of the page, with its line breaks; " … " stands for what an ellipsis in the quote omits."""
    similarity: float
    """1.0 if verbatim, else the fraction of the quote that is in `actual`."""
    spans: tuple[Span, ...] = ()
    """The positions of `actual` in `document`: several if the quote has an ellipsis, or continues on the next page."""

    @computed_field
    @property
    def page_start(self) -> int | None:
        """Offset of its start in the text of `page_found`."""
        return self.spans[0].start if self.spans else None

    @computed_field
    @property
    def page_end(self) -> int | None:
        """Offset of its end in the text of `page_found`."""
        return max((span.end for span in self.spans if span.page == self.page_found), default=None)

    def __str__(self) -> str:
        cited = f"[{self.cited_document}:{self.cited_page}]"
        found = f"[{self.document}:{self.page_found}]"
        match self.status:
            case "verified":
                return f"verified on {found}"
            case "corrected":
                return f"not the words of {found}, which says: {' '.join((self.actual or '').split())}"
            case "moved":
                return f"cited {cited}, found on {found}"
            case _:
                return f"unverified: not on {cited}, nor on any other page" if self.cited_document else "on no page"


class QuoteChecker:
    """Checks the quotes of an answer while it streams.

    `feed` returns the quotes that can be checked already, `finish` the rest. Together they are what `check_quotes`
    returns for the whole answer, in order, however the answer was split.

    Args:
        corpus: the documents that the answer is about.
        passages: those of an earlier answer about the same corpus, to reuse its index.
    """

    def __init__(self, corpus: "Corpus", passages: Passages | None = None):
        self._parser = QuoteParser()
        self._lookup = _Lookup(passages or Passages(corpus))
        self._answer = ""

    def feed(self, text: str) -> list[CheckedQuote]:
        """Add the next text of the answer."""
        self._answer += text
        return [self._check(quote) for quote in self._parser.feed(text)]

    def finish(self) -> list[CheckedQuote]:
        """End the answer."""
        return [self._check(quote) for quote in self._parser.finish()]

    def _check(self, quote: QuotedSpan) -> CheckedQuote:
        return self._lookup.check(quote, self._answer[quote.start : quote.end])


def tally(statuses: Iterable[str]) -> str:
    """The number of quotes with each status, as "2 verified, 1 moved"; empty without quotes."""
    counts = Counter(statuses)
    return ", ".join(f"{counts[status]} {status}" for status in get_args(Status) if counts[status])


def check_quotes(answer: str, corpus: "Corpus", passages: Passages | None = None) -> tuple[CheckedQuote, ...]:
    """Check the quotes of a text, in order. The arguments are those of `QuoteChecker`."""
    checker = QuoteChecker(corpus, passages)
    return (*checker.feed(answer), *checker.finish())


class _Lookup:
    def __init__(self, passages: Passages):
        self._passages = passages
        self._documents = passages.corpus.documents

    def check(self, quote: QuotedSpan, text: str) -> CheckedQuote:
        known = {
            key: place for place in quote.places if (key := self._passages.numbers.get((place.document, place.page)))
        }
        found = self._find(Wording(quote.wording), list(known))
        where = [(span.document, span.page) for span in found.spans] if found else []
        here = next((key for key in known if key in where), None)
        if not found:
            status: Status = "unverified"
        elif not found.exact:
            status = "corrected"
        else:
            status = "verified" if here or not quote.places else "moved"
        cited = known[here] if here else quote.places[0] if quote.places else None
        document = self._documents[where[0][0]] if where else None
        page = document.pages[(here or where[0])[1]] if document else None
        return CheckedQuote(
            text=text,
            start=quote.start,
            end=quote.end,
            status=status,
            cited_document=cited.document if cited else None,
            cited_page=cited.page if cited else None,
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
                page=self._documents[span.document].pages[span.page].number,
                start=span.start,
                end=span.end,
            )
            for span in found.spans
        )

    def _actual(self, found: Found) -> str:
        texts = [self._documents[span.document].pages[span.page].text[span.start : span.end] for span in found.spans]
        return (" … " if found.gaps else "\n").join(texts)

    def _find(self, wording: Wording, cited: Sequence[tuple[int, int]]) -> Found | None:
        """The best occurrence: verbatim, else approximate; on the cited pages, else elsewhere."""
        if not wording.tokens:
            return None
        for document, page in cited:
            for first in (page, page - 1) if page else (page,):
                found = self._passages.exact(wording, document, first)
                if found and any(span.page == page for span in found.spans):
                    return found
        near = dict(reversed(cited))  # the first cited page of each document
        documents = sorted(range(len(self._documents)), key=lambda document: document not in near)
        for document in documents:
            if found := self._passages.exact_elsewhere(wording, document, near.get(document, 0)):
                return found
        return self._most_alike(wording, cited, ALIKE) or self._candidate(wording, near)

    def _most_alike(self, wording: Wording, pages: Sequence[tuple[int, int]], enough: float) -> Found | None:
        """The most similar passage of some pages, if it is similar enough."""
        best: Found | None = None
        for key in pages:
            found = self._passages.near(wording, *key, enough=best.similarity if best else enough)
            if found and (best is None or found.similarity > best.similarity):
                best = found
        return best

    def _candidate(self, wording: Wording, cited: dict[int, int]) -> Found | None:
        """The same for all pages: first across page ends, then in the cited documents."""
        candidates = self._passages.candidates(wording)
        for key in candidates:
            if found := self._passages.exact(wording, *key):
                return found
        in_cited = [key for key in candidates if key[0] in cited]
        return self._most_alike(wording, in_cited, ALIKE_ELSEWHERE) or self._most_alike(
            wording, [key for key in candidates if key[0] not in cited], ALIKE_ELSEWHERE
        )
