"""Running headers and footers of PDFs, which interrupt text that continues on the next page."""

import re
from collections import Counter
from collections.abc import Iterator

from longread.documents import Document, Page

_NUMBER = re.compile(r"\d{1,6}")
_FEWEST = 3
"""Minimum number of pages that a running line is on."""
_SHARE = 0.2
"""Minimum fraction of the pages: left and right pages, and chapters, have different headers."""
_EDGE = 2
"""Lines at the top and at the bottom of a page that may be running lines."""
_LONGEST = 200
"""Maximum number of characters of a running line; a longer one is text."""

_Form = tuple[str, int | None]
"""A line with None; or a line without one of its numbers, with the difference of that number to the page number."""


class RunningLines:
    """The running lines of a document: the same line, apart from the page number, at the edge of many pages.

    Only PDFs have any. Pages of other formats are sections made by the parser, and start with text.
    """

    def __init__(self, document: Document):
        self._forms: set[_Form] = set()
        self.count = 0
        """Number of lines that `body` has left out so far."""
        if document.media_type != "application/pdf":
            return
        counts: Counter[_Form] = Counter()
        for page in document.pages:
            lines = _lines(page)
            edge = lines if len(lines) <= 2 * _EDGE else lines[:_EDGE] + lines[-_EDGE:]
            counts.update({form for line in edge for form in _forms(line, page.number)})
        least = max(_FEWEST, _SHARE * len(document.pages))
        self._forms = {form for form, count in counts.items() if count >= least}

    def body(self, page: Page) -> str:
        """The text of the page without its running lines."""
        if not self._forms:
            return page.text
        lines = _lines(page)
        first, last = 0, len(lines)
        while first < min(_EDGE, last) and self._is_running(lines[first], page):
            first += 1
        while last > max(first, len(lines) - _EDGE) and self._is_running(lines[last - 1], page):
            last -= 1
        self.count += len(lines) - (last - first)
        return "\n".join(lines[first:last])

    def first_lines(self, document: Document) -> Iterator[tuple[int, str]]:
        """(page number, first line of the body) of each page whose body is not empty."""
        for page in document.pages:
            if body := self.body(page).strip():
                yield page.number, body.partition("\n")[0].strip()

    def _is_running(self, line: str, page: Page) -> bool:
        return not self._forms.isdisjoint(_forms(line, page.number))


def _lines(page: Page) -> list[str]:
    return [line for line in page.text.split("\n") if line.strip()]


def _forms(line: str, page: int) -> list[_Form]:
    line = " ".join(line.split())
    if len(line) > _LONGEST:
        return []
    numbers = _NUMBER.finditer(line)
    return [(line, None), *((f"{line[: m.start()]}#{line[m.end() :]}", int(m[0]) - page) for m in numbers)]
