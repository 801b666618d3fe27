"""A sheet as its format stores it: rows of displayed cells, and what belongs to it besides."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

MAX_ROW, MAX_COLUMN = 1 << 20, 1 << 14
"""The size of a sheet of Excel and LibreOffice; files can name cells beyond."""


class Row(NamedTuple):
    """A row with something in it. Rows and columns are counted from 1."""

    number: int
    columns: Sequence[int]
    """The columns that have text, from left to right."""
    texts: list[str]
    hidden: bool = False

    def ordered(self) -> "Row":
        """The row with its cells from left to right; of two in one place, the last."""
        placed = dict(zip(self.columns, self.texts, strict=True))
        columns = sorted(placed)
        return self._replace(columns=columns, texts=[placed[column] for column in columns])


class Area(NamedTuple):
    """A rectangle of cells, corners included."""

    top: int
    left: int
    bottom: int
    right: int

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, tuple) and self.top <= cell[0] <= self.bottom and self.left <= cell[1] <= self.right


@dataclass
class Sheet:
    """A sheet of a workbook."""

    name: str
    state: str = ""
    """ "hidden", "very hidden" (only a program can show it), or empty."""
    rows: list[Row] = field(default_factory=list)
    merged: list[Area] = field(default_factory=list)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    filtered: bool = False
    """A filter hides rows."""
    frozen: int = 0
    """Rows at the top that stay on the screen."""
    head: int = 0
    """The row with the heads, as a filter or the rows to repeat in print say; 0 if the file says nothing."""
    tables: list[Area] = field(default_factory=list)
    """Areas that the file calls tables, with their heads in the first row."""
    remarks: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    """Comments by cell, as they are written behind its text."""
    beside: list[str] = field(default_factory=list)
    """What lies over or around the cells: text boxes, charts, headers, in paragraphs of Markdown."""
    beside_notes: list[str] = field(default_factory=list)
    """Notes on these."""
    words: Counter[tuple[int, str]] = field(default_factory=Counter)
    """Hidden words by row and how they are hidden."""
    uncalculated: Counter[int] = field(default_factory=Counter)
    """Formulas without a value by row."""
    notes: list[str] = field(default_factory=list)
    """Notes on the sheet as a whole."""

    @property
    def label(self) -> str:
        return f"{self.name} ({self.state})" if self.state else self.name

    def rows_within(self, top: int, bottom: int) -> Iterator[int]:
        """The indices of the rows from `top` to `bottom`."""
        numbers = self.row_numbers
        return iter(range(bisect_left(numbers, top), bisect_right(numbers, bottom)))

    @property
    def row_numbers(self) -> list[int]:
        if len(self._numbers) != len(self.rows):
            self._numbers = [row.number for row in self.rows]
        return self._numbers

    def __post_init__(self) -> None:
        self._numbers: list[int] = []

    def all_hidden_columns(self) -> set[int]:
        found: set[int] = set()
        done = 0
        for first, last in sorted(self.hidden_columns):  # they may overlap
            found.update(range(max(first, done + 1), min(last, MAX_COLUMN) + 1))
            done = max(done, last)
        return found


def column_number(letters: str) -> int:
    """The number of a column by its letters: 1 for "A", 28 for "AB"."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - 64
    return number


def column_name(number: int) -> str:
    """The letters of a column: "AB" for 28."""
    letters = ""
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def cell_of(reference: str) -> tuple[int, int] | None:
    """Row and column of "$B$12"; None if it names no cell. Of a whole row or column, the missing one is 0."""
    plain = reference.replace("$", "").strip()
    letters = plain.rstrip("0123456789")
    digits = plain[len(letters) :]
    if not plain or (letters and not (letters.isascii() and letters.isalpha())) or len(letters) > 3 or len(digits) > 7:
        return None
    return int(digits or "0"), column_number(letters)


def area_of(reference: str) -> Area | None:
    """The area of "A1:B3", "A1", "2:3" (whole rows) or "A:B"; None if it names none."""
    first, _, last = reference.rpartition("!")[2].partition(":")
    start = cell_of(first)
    end = cell_of(last) if last else start
    if start is None or end is None:
        return None
    (top, left), (bottom, right) = start, end
    return Area(
        min(top or 1, bottom or MAX_ROW),
        min(left or 1, right or MAX_COLUMN),
        max(top or 1, bottom or MAX_ROW),
        max(left or 1, right or MAX_COLUMN),
    )
