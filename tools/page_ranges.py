"""Pages as a model writes them, `3-5,9`, and as it is told of them."""

import re
from collections.abc import Iterable

from .base import ToolError
from .documents import Document, Page

_RANGE = re.compile(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?$")


def chosen(document: Document, pages: str | None) -> list[Page]:
    """The pages of the document that `3-5,9` names, in the document's order; all of them for None.

    Raises:
        ToolError: it cannot be read, or names a page that the document does not have.
    """
    if pages is None:
        return list(document.pages)
    numbers: set[int] = set()
    there = {page.number for page in document.pages}
    last = max(there, default=0)
    for part in pages.split(","):
        match = _RANGE.match(part.strip())
        if not match:
            raise ToolError(f"pages: {part.strip()!r} is not a page or a range of pages; write for instance 3-5,9.")
        first, final = int(match[1]), int(match[2] or match[1])
        if not 1 <= first <= final <= last or not there.issuperset(range(first, final + 1)):
            has = written(there) or "none"
            raise ToolError(f"pages: {document.name} has not all of {part.strip()}. Its pages are {has}.")
        numbers.update(range(first, final + 1))
    return [page for page in document.pages if page.number in numbers]


def written(numbers: Iterable[int], *, most: int = 40) -> str:
    """[1, 2, 3, 7] -> '1-3, 7'; of more than `most` runs the rest is counted."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    shown = ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs[:most])
    rest = sum(last - first + 1 for first, last in runs[most:])
    return f"{shown} and {rest} more" if rest else shown
