"""Headers and footers that run through a document: they say nothing of a page, and stand between its text and the next."""

import re
from collections import Counter
from collections.abc import Iterator

from .documents import Document, Page

_DIGITS = re.compile(r"\d+")
_FEWEST = 3
"""Pages that must have a line at their edge."""
_SHARE = 0.2
"""Of the pages, for a line to be running: left and right pages, and chapters, have headers of their own."""
_EDGE = 2
"""Lines at the top and at the bottom of a page that may be running ones."""


class RunningLines:
    """The running lines of a document: equal but for their numbers, at the edge of many pages."""

    def __init__(self, document: Document):
        counts: Counter[str] = Counter()
        for page in document.pages:
            lines = _lines(page)
            counts.update({_form(line) for line in lines[:_EDGE] + lines[-_EDGE:]})
        least = max(_FEWEST, _SHARE * len(document.pages))
        self._forms = {form for form, count in counts.items() if count >= least}
        self.count = 0
        """Lines that `body` has left out so far."""

    def body(self, page: Page) -> str:
        """The text of the page without its running lines."""
        lines = _lines(page)
        first, last = 0, len(lines)
        while first < min(_EDGE, last) and _form(lines[first]) in self._forms:
            first += 1
        while last > max(first, len(lines) - _EDGE) and _form(lines[last - 1]) in self._forms:
            last -= 1
        self.count += len(lines) - (last - first)
        return "\n".join(lines[first:last])

    def first_lines(self, document: Document) -> Iterator[tuple[int, str]]:
        """(page number, first line of its body) of the pages that have one."""
        for page in document.pages:
            if body := self.body(page):
                yield page.number, body.partition("\n")[0].strip()


def _lines(page: Page) -> list[str]:
    return [line for line in page.text.split("\n") if line.strip()]


def _form(line: str) -> str:
    return _DIGITS.sub("#", " ".join(line.split()).casefold())
