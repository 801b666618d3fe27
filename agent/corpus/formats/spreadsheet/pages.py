"""The pages of a sheet: its rows as CSV, about a printed page each, and a page for what lies beside the cells.

A page that begins within a table starts with the row that has its heads, marked "[row 1]" in its first cell: a reader
of that page alone would not know what the columns are. The first cell of a hidden row is marked "[hidden row]", and on
each page the first cell of a hidden column "[hidden column]". All of it stays CSV.
"""

import csv
import re
from bisect import bisect_left
from collections.abc import Sequence

from longread.agent.corpus.text import SECTION, Line, split_lines, split_sections

from .. import markup
from ..base import RawPage
from .placing import place_merged, place_remarks, used_columns
from .sheet import MAX_ROW, Row, Sheet, column_name

_GAP = 20
"""Columns side by side that are empty in the whole sheet, above which they are left out."""
_MAX_BLANK = 20_000_000
"""Empty cells of a sheet that are written."""
_SEARCHED = 10
"""Rows at the top among which heads are looked for."""
_MAX_FROZEN = 3
_MAX_HEAD = 2000
"""Characters of a row that is repeated on each page."""
_NUMBER = re.compile(r"[-+(]*[$€£¥]?\s?[-+(]?\d[\d.,:/%\s-]*\S{0,3}")
_YEAR = re.compile(r"(?:19|20)\d\d")


class _Echo:
    """A file for `csv.writer`, whose `writerow` returns what this returns."""

    def write(self, text: str) -> str:
        return text


class _Writer:
    """Writes the rows of a sheet as CSV."""

    def __init__(self, sheet: Sheet):
        self._write = csv.writer(_Echo(), lineterminator="\n").writerow
        used = used_columns(sheet)
        self._place: dict[int, int] = {}
        left_out: list[str] = []
        place, before = 0, 0
        for column in used:
            gap = column - before - 1
            if gap > _GAP:
                left_out.append(f"{column_name(before + 1)}-{column_name(column - 1)}")
                gap = 1 if before else 0
            place += gap
            self._place[column] = place
            place, before = place + 1, column
        if left_out:
            listed = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
            sheet.notes.append(f"empty columns of the sheet are left out ({listed})")
        blank = sum(self._place[row.columns[-1]] + 1 - len(row.columns) for row in sheet.rows if row.columns)
        self._named = blank > _MAX_BLANK
        if self._named:
            sheet.notes.append("cells are written with the names of their columns, since most cells are empty")

    def line(self, row: Row) -> str:
        if self._named:
            cells = [f"{column_name(column)}: {text}" for column, text in zip(row.columns, row.texts, strict=True)]
            return str(self._write(cells))
        if not row.columns:
            return ""
        last = self._place[row.columns[-1]] + 1
        if last == len(row.columns):
            return str(self._write(row.texts))
        cells = [""] * last
        for column, text in zip(row.columns, row.texts, strict=True):
            cells[self._place[column]] = text
        return str(self._write(cells))


def sheet_pages(sheet: Sheet, *, keep_hidden: bool) -> list[RawPage]:
    """The pages of a sheet; none if there is nothing on it."""
    if any(a.number > b.number for a, b in zip(sheet.rows, sheet.rows[1:], strict=False)):
        sheet.rows.sort(key=lambda row: row.number)
    place_merged(sheet, keep_hidden=keep_hidden)
    heads = _Heads(sheet)
    place_remarks(sheet)
    sheet.rows = [row for row in sheet.rows if row.columns]
    writer = _Writer(sheet)
    lines = [Line(index, writer.line(row)) for index, row in enumerate(sheet.rows)]
    parts = split_sections(lines)
    pages: list[RawPage] = []
    notes = _Notes(sheet, keep_hidden=keep_hidden)
    hidden = sheet.all_hidden_columns()
    for number, part in enumerate(parts, start=1):
        rows = [sheet.rows[line.number] for line in part]
        last = rows[-1].number if number < len(parts) else MAX_ROW
        label = sheet.label if len(parts) == 1 else f"{sheet.label}, {_span(rows)}"
        repeated = [_marked(head, f"row {head.number}") for head in heads.above(rows[0].number)]
        if sum(len(writer.line(head)) for head in repeated) > _MAX_HEAD:
            repeated = []
        if hidden or any(row.hidden for row in rows):
            text = "".join(writer.line(row) for row in _hidden_marked(hidden, [*repeated, *rows]))
        else:
            text = "".join([*(writer.line(head) for head in repeated), *(line.text for line in part)])
        pages.append(RawPage(label, text, notes.up_to(last)))
    if not pages and (found := notes.up_to(MAX_ROW)):
        pages.append(RawPage(sheet.label, "", found))
    pages += _beside(sheet, has_rows=bool(pages))
    if pages and sheet.notes:
        pages[0] = pages[0]._replace(notes=(*pages[0].notes, *sheet.notes))
    return pages


class _Heads:
    """The rows that have the heads of the columns.

    Within a table these are its first row; else the head of a filter; else rows that stay on the screen; else, on a
    sheet without tables, the first of the rows at the top that has several texts and no numbers but years.
    """

    def __init__(self, sheet: Sheet):
        self._tables = sorted(sheet.tables)
        self._of_tables = {table.top: self._rows(sheet, table.top, table.top) for table in self._tables}
        self._default = (
            (sheet.head and self._rows(sheet, sheet.head, sheet.head))
            or (sheet.frozen and self._rows(sheet, 1, sheet.frozen)[-_MAX_FROZEN:])
            or ([] if self._tables else self._searched(sheet))
        )

    @staticmethod
    def _rows(sheet: Sheet, first: int, last: int) -> list[Row]:
        return [sheet.rows[at] for at in sheet.rows_within(first, last)]

    @staticmethod
    def _searched(sheet: Sheet) -> list[Row]:
        for row in sheet.rows[:_SEARCHED]:
            if len(row.texts) > 1 and all(not _NUMBER.fullmatch(text) or _YEAR.fullmatch(text) for text in row.texts):
                return [row]
        return []

    def above(self, number: int) -> list[Row]:
        """The heads of a page that begins with the row of this number."""
        at = bisect_left(self._tables, (number,)) - 1
        if at >= 0 and self._tables[at].bottom >= number:
            return self._of_tables[self._tables[at].top]
        return [row for row in self._default if row.number < number]


def _marked(row: Row, mark: str) -> Row:
    return row._replace(texts=[f"{markup.named(mark)} {row.texts[0]}", *row.texts[1:]])


def _hidden_marked(hidden: set[int], rows: Sequence[Row]) -> list[Row]:
    """The rows of a page with marks on hidden rows, and on the first cells of hidden columns."""
    seen: set[int] = set()
    marked: list[Row] = []
    for row in rows:
        texts = list(row.texts)
        for at, column in enumerate(row.columns):
            if column in hidden and column not in seen:
                seen.add(column)
                texts[at] = f"{markup.named('hidden column')} {texts[at]}"
        row = row._replace(texts=texts)
        marked.append(_marked(row, "hidden row") if row.hidden else row)
    return marked


def _span(rows: Sequence[Row]) -> str:
    first, last = rows[0].number, rows[-1].number
    return f"row {first}" if first == last else f"rows {first}-{last}"


class _Notes:
    """Notes on the rows of a sheet, page by page."""

    def __init__(self, sheet: Sheet, *, keep_hidden: bool):
        words = [(row, why, count) for (row, why), count in sheet.words.items()]
        formulas = [(row, "", count) for row, count in sheet.uncalculated.items()]
        self._left = sorted([*words, *formulas], reverse=True)
        self._keep_hidden = keep_hidden

    def up_to(self, last: int) -> tuple[str, ...]:
        """The notes on the rows up to `last` that no page had yet."""
        counts: dict[str, int] = {}
        while self._left and self._left[-1][0] <= last:
            _, why, count = self._left.pop()
            counts[why] = counts.get(why, 0) + count
        formulas = counts.pop("", 0)
        notes = [markup.hidden_note(count, why, kept=self._keep_hidden) for why, count in counts.items()]
        if formulas:
            counted = "1 formula" if formulas == 1 else f"{formulas:,} formulas"
            notes.append(f"{counted} without a stored result, shown as written")
        return tuple(notes)


def _beside(sheet: Sheet, *, has_rows: bool) -> list[RawPage]:
    if not sheet.beside and not sheet.beside_notes:
        return []
    label = f"{sheet.label}, beside the cells" if has_rows else sheet.label
    text = "\n\n".join(sheet.beside)
    notes = tuple(dict.fromkeys(sheet.beside_notes))
    if len(text) <= SECTION:
        return [RawPage(label, text, notes)]
    parts = ["".join(line.text for line in part) for part in split_sections(split_lines(text))]
    return [RawPage(label, part, notes if at == 0 else ()) for at, part in enumerate(parts)]
