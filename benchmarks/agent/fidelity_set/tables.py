"""Tables in what a reader gave: Markdown, HTML (with spans), or comma-separated values."""

import csv
import io
import itertools
import re
from html.parser import HTMLParser

from .normal import normal

Table = list[list[str]]

_RULE = re.compile(r"[\s|:+=-]+\Z")
_BAR = re.compile(r"(?<!\\)\|")
_MOST_SPANNED = 200


def tables(text: str) -> list[Table]:
    """All tables in a text; cells are normalised. Of merged HTML cells each one has the value."""
    return [*_html(text), *_markdown(text), *_separated(text)]


def _markdown(text: str) -> list[Table]:
    found: list[Table] = []
    current: Table = []
    for line in [*text.splitlines(), ""]:
        if len(_BAR.findall(line)) >= 1:
            if not _RULE.match(line):
                inner = line.strip()
                inner = inner[1:] if inner.startswith("|") else inner
                inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
                current.append([normal(cell) for cell in _BAR.split(inner)])
        elif current:
            found.append(current)
            current = []
    return found


def _separated(text: str) -> list[Table]:
    found: list[Table] = []
    for delimiter in ",;\t":
        try:
            rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
        except csv.Error:
            continue
        for width, block in itertools.groupby(rows, key=len):  # a page may have other text before and after
            lines = [[normal(cell) for cell in row] for row in block]
            if width > 1 and len(lines) > 1:
                found.append(lines)
    return found


def _html(text: str) -> list[Table]:
    if "<table" not in text.lower():
        return []
    parser = _Tables()
    parser.feed(text)
    parser.close()
    return [_laid_out(table) for table in parser.found]


class _Cell:
    def __init__(self, attributes: list[tuple[str, str | None]]):
        self.text = ""
        self.across = _span(attributes, "colspan")
        self.down = _span(attributes, "rowspan")


def _span(attributes: list[tuple[str, str | None]], name: str) -> int:
    value = dict(attributes).get(name) or "1"
    return min(max(int(value), 1), _MOST_SPANNED) if value.isdigit() else 1


class _Tables(HTMLParser):
    """Collects rows of cells; the text of a nested table belongs to the cells around it too."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[list[list[_Cell]]] = []
        self._open: list[list[list[_Cell]]] = []
        self._cells: list[_Cell | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._open.append([])
            self._cells.append(None)
        elif tag == "tr" and self._open:
            self._open[-1].append([])
        elif tag in ("td", "th") and self._open:
            if not self._open[-1]:
                self._open[-1].append([])
            cell = _Cell(attrs)
            self._open[-1][-1].append(cell)
            self._cells[-1] = cell
        elif tag in ("sup", "sub", "br", "p"):
            self.handle_data({"sup": "<sup>", "sub": "<sub>"}.get(tag, " "))

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._open:
            self.found.append(self._open.pop())
            self._cells.pop()
        elif tag in ("td", "th") and self._cells:
            self._cells[-1] = None
        elif tag in ("sup", "sub"):
            self.handle_data(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        for cell in self._cells:
            if cell is not None:
                cell.text += data


def _laid_out(rows: list[list[_Cell]]) -> Table:
    grid: dict[tuple[int, int], str] = {}
    for row, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while (row, column) in grid:
                column += 1
            for down in range(cell.down):
                for across in range(cell.across):
                    grid[row + down, column + across] = normal(cell.text)
            column += cell.across
    width = 1 + max((column for _, column in grid), default=-1)
    return [[grid.get((row, column), "") for column in range(width)] for row in range(len(rows))]
