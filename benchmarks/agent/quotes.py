"""Quote checking on true, altered, moved and invented quotes, the committed set of `quotes_set.py`.

    python -m benchmarks.agent.quotes    # prints tables, writes benchmarks/results/quotes.json

The thresholds of `agent/citations/quote_checker.py` were chosen on half A, which `--thresholds` shows; half B has other
documents.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import report
from benchmarks.agent.quotes_set import SET, Quote, Sheet, letters
from longread.agent.citations.passages import Passages
from longread.agent.citations.quote_checker import CheckedQuote, check_quotes
from longread.agent.corpus import Corpus
from longread.documents import Document, Page

MEANT = {"true": "verified", "altered": "corrected", "moved": "moved", "invented": "unverified"}
"""The expected status of each kind of quote."""
STATUSES = (*MEANT.values(), "none")


@dataclass(frozen=True)
class Checked:
    sheet: Sheet
    quote: Quote
    found: CheckedQuote | None
    """None if no quote was found in the answer, or several."""

    @property
    def status(self) -> str:
        return self.found.status if self.found else "none"

    @property
    def located(self) -> bool:
        """Whether the text that was found is the original of the quote, verbatim, on its page."""
        if not self.found or not self.found.actual:
            return self.quote.kind == "invented"
        actual, words = letters(self.found.actual), letters(self.quote.words)
        if self.quote.how == "ellipsis":
            return words.startswith(actual[:10]) and words.endswith(actual[-10:])
        return actual == words and self.found.page_found == self.sheet.number


@dataclass(frozen=True)
class Measure:
    confusion: dict[str, Counter[str]]
    """Expected status -> actual status -> count."""

    @classmethod
    def of(cls, checked: Iterable[Checked]) -> "Measure":
        confusion = {status: Counter[str]() for status in MEANT.values()}
        for one in checked:
            confusion[MEANT[one.quote.kind]][one.status] += 1
        return cls(confusion)

    def precision(self, status: str) -> float:
        given = sum(row[status] for row in self.confusion.values())
        return self.confusion[status][status] / given if given else 1.0

    def recall(self, status: str) -> float:
        row = self.confusion[status]
        return row[status] / row.total() if row else 1.0

    def table(self) -> str:
        rows = []
        for kind, status in MEANT.items():
            counts = (self.confusion[status][given] for given in STATUSES)
            measures = f"{self.precision(status):.3f}", f"{self.recall(status):.3f}"
            rows.append([f"{kind} → {status}", *counts, *measures])
        return report.table(["meant", *STATUSES, "precision", "recall"], rows)


def load() -> tuple[list[Sheet], Corpus]:
    """The committed pages with their quotes, and the same pages as a corpus."""
    sheets = []
    for line in SET.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        sheets.append(Sheet(**{**fields, "quotes": [Quote(**quote) for quote in fields["quotes"]]}))
    documents = tuple(
        Document(
            id=f"{name:0>64}",
            name=name,
            title=name,
            source=f"{name}.pdf",
            media_type="application/pdf",
            pages=tuple(
                Page(number=sheet.number, label=str(sheet.number), text=sheet.text, tokens=0)
                for sheet in sheets
                if sheet.document == name
            ),
            tokenizer="none",
        )
        for name in dict.fromkeys(sheet.document for sheet in sheets)
    )
    return sheets, Corpus(documents=documents)


def run(sheets: Sequence[Sheet], corpus: Corpus) -> list[Checked]:
    """Check each quote's answer."""
    passages = Passages(corpus)
    checked: list[Checked] = []
    for sheet in sheets:
        for quote in sheet.quotes:
            found = check_quotes(quote.answer, corpus, passages)
            checked.append(Checked(sheet, quote, found[0] if len(found) == 1 else None))
    return checked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wrong", action="store_true", help="show the wrong results")
    parser.add_argument("--thresholds", action="store_true", help="show the similarities in half A")
    arguments = parser.parse_args()
    sheets, corpus = load()
    begun = time.perf_counter()
    checked = run(sheets, corpus)
    seconds = time.perf_counter() - begun
    results: dict[str, Any] = {"machine": report.machine("rapidfuzz"), "pages": len(sheets), "quotes": len(checked)}
    for half in ("A", "B"):
        part = [one for one in checked if one.sheet.half == half]
        measure = Measure.of(part)
        found = [one for one in part if one.quote.kind != "invented" and one.status == MEANT[one.quote.kind]]
        located = sum(one.located for one in found)
        print(f"\nHalf {half}: {len({(one.sheet.document, one.sheet.number) for one in part})} pages\n")
        print(measure.table())
        print(f"\nOf {len(found)} that were found, the page's own words are located exactly for {located}.")
        results[half] = {"confusion": measure.confusion, "found": len(found), "located": located}
    print(f"\n{len(checked)} answers: {seconds:.1f} s")
    print("\naltered:", dict(Counter(one.quote.how for one in checked if one.quote.kind == "altered")))
    if arguments.thresholds:
        _thresholds([one for one in checked if one.sheet.half == "A"])
    if arguments.wrong:
        for one in checked:
            if one.status != MEANT[one.quote.kind] or not one.located:
                print(f"\n{one.quote.kind} ({one.quote.how}) -> {one.status} {one.sheet.document}:{one.sheet.number}")
                print(f"{one.quote.answer!r}\n{one.quote.words!r}\n{one.found!r}")
    report.keep("quotes", results)


def _thresholds(checked: Sequence[Checked]) -> None:
    from longread.agent.citations import quote_checker

    quote_checker.ALIKE = quote_checker.ALIKE_ELSEWHERE = 0.0
    sheets, corpus = load()
    for one in run([sheet for sheet in sheets if sheet.half == "A"], corpus):
        if one.found and one.quote.kind in ("altered", "invented"):
            size = "short" if len(one.found.text.split()) < 8 else "long"
            print(f"{one.quote.kind} {size} {one.found.similarity:.3f} {one.quote.how}")


if __name__ == "__main__":
    main()
