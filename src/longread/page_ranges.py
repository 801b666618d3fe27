"""Page ranges as people and models write them: "1-20, 45"."""

import re
from collections.abc import Iterable

_RANGE = re.compile(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9}))?")


class PageRangeError(ValueError):
    """A part of the text is not a page or a range of pages. `part` is that part."""

    def __init__(self, part: str):
        super().__init__(f"{part!r} is not a page or a range like 3-20")
        self.part = part


def parse_ranges(text: str) -> list[tuple[int, int]]:
    """Parse "1-20, 45" into its ranges, in the order given: [(1, 20), (45, 45)].

    Ranges may overlap, run backwards, or name pages that no document has: the caller knows the document.

    Raises:
        PageRangeError: a part is neither a number nor two numbers with a dash between them.
    """
    found: list[tuple[int, int]] = []
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if not match:
            raise PageRangeError(part.strip())
        found.append((int(match[1]), int(match[2] or match[1])))
    return found


def format_range(first: int, last: int) -> str:
    """Write one range: "3", or "3-20"."""
    return str(first) if first == last else f"{first}-{last}"


def format_ranges(numbers: Iterable[int], *, most: int | None = None) -> str:
    """Write page numbers, in any order, as ranges: [7, 1, 2, 3] -> "1-3, 7".

    Args:
        most: ranges to write. The pages of the remaining ones are counted: "1-3 and 1 more". None: all.
    """
    runs: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    most = len(runs) if most is None else most
    shown = ", ".join(format_range(first, last) for first, last in runs[:most])
    rest = sum(last - first + 1 for first, last in runs[most:])
    return f"{shown} and {rest:,} more" if rest else shown
