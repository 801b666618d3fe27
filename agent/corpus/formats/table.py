"""Tables as Markdown, with every cell under its heads."""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_CELLS = 1 << 20
"""Cells that spans may fill in a table: a few bytes of HTML can claim 65,534 rows of 1,000 columns."""


@dataclass(frozen=True)
class Cell:
    """A cell as files store it: once, at its first row and column."""

    text: str
    rows: int = 1
    """Rows that it covers; 0 means all that follow, as in HTML."""
    columns: int = 1
    head: bool = False


def spread(rows: Sequence[Sequence[Cell]]) -> list[list[str]]:
    """The texts of a table as a rectangle: a cell that covers several rows or columns is repeated in each.

    A cell over the whole width of a wider table is a title or a dividing line, and is not repeated in its row.

    Args:
        rows: the cells that begin in each row, from left to right. Their columns follow from the cells before them and
            the spans from above, as in HTML.
    """
    placed: list[dict[int, tuple[str, bool]]] = [{} for _ in rows]
    """Column to text, for each row; and whether it is the cell's first column."""
    filled = 0
    for at, row in enumerate(rows):
        column = 0
        for cell in row:
            while column in placed[at]:
                column += 1
            down = min(cell.rows or len(rows), len(rows) - at)
            across = max(cell.columns, 1)
            if filled + down * across > MAX_CELLS:
                down = across = 1
            filled += down * across
            for below in range(at, at + down):
                for right in range(column, column + across):
                    placed[below].setdefault(right, (cell.text, right == column))
            column += across
    # What a span claims beyond the last cell of any row is no column.
    width = 1 + max((c for row in placed for c, (_, first) in row.items() if first), default=-1)
    table: list[list[str]] = []
    for row in placed:
        texts = [row.get(column, ("", True)) for column in range(width)]
        whole = width > 1 and all(not first for _, first in texts[1:])
        table.append([text if first or not whole else "" for text, first in texts])
    return table


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is the header. Rows may differ in length; cells become one line each."""
    width = max(map(len, rows), default=0)
    if not width:
        return ""
    lines = [_line([*row, *[""] * (width - len(row))]) for row in rows]
    return "\n".join([lines[0], _line(["---"] * width), *lines[1:]])


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
