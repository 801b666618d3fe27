"""Put into the rows of a sheet what its file stores apart from them: links, merged cells, comments."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

from .. import markup
from ..table import MAX_CELLS
from .rich_text import linked
from .sheet import Area, Row, Sheet

_WIDE = 64
UNDER_MERGED = "cells under a merged cell"

Changes = dict[int, dict[int, str]]
"""Index of a row to column to text."""


def place_links(sheet: Sheet, links: Iterable[tuple[Area, str]]) -> None:
    """Put the addresses that cells lead to behind their texts."""
    changes: Changes = {}
    room = MAX_CELLS
    for area, target in links:
        for index in sheet.rows_within(area.top, area.bottom):
            row = sheet.rows[index]
            first, last = bisect_left(row.columns, area.left), bisect_right(row.columns, area.right)
            room -= 1 + last - first
            if room < 0:
                break
            for at in range(first, last):
                changes.setdefault(index, {})[row.columns[at]] = linked(row.texts[at], target)
    _apply(sheet, changes)
    if room < 0:
        sheet.notes.append("addresses behind some of the cells are left out")


def place_merged(sheet: Sheet, *, keep_hidden: bool) -> None:
    """Repeat the text of merged cells in every cell that they cover, in the rows that have other texts.

    One over all columns of the sheet is a title, and is not repeated in its row (as in `table.spread`). Texts that a
    merged cell covers are hidden.
    """
    used = used_columns(sheet)
    if not used:
        return
    changes: Changes = {}
    room = MAX_CELLS
    for area in sheet.merged:
        anchor = next(sheet.rows_within(area.top, area.top), -1)
        text = _text_at(sheet.rows[anchor], area.left) if anchor >= 0 else ""
        title = area.left <= used[0] and area.right >= used[-1]
        last = min(area.right, used[-1])
        if last - area.left < _WIDE:
            columns = list(range(area.left, last + 1))
        else:  # columns without texts are not worth it
            columns = used[bisect_left(used, area.left) : bisect_right(used, area.right)]
        for index in sheet.rows_within(area.top, area.bottom):
            row = sheet.rows[index]
            room -= 1 + len(columns)
            if room < 0:
                break
            first, last = bisect_left(row.columns, area.left), bisect_right(row.columns, area.right)
            for at in range(first, last):
                covered = row.texts[at]
                if (index, row.columns[at]) == (anchor, area.left) or row.columns[at] in changes.get(index, ()):
                    continue
                if covered != text:
                    sheet.words[row.number, UNDER_MERGED] += len(covered.split())
                    changes.setdefault(index, {})[row.columns[at]] = markup.hidden(covered) if keep_hidden else ""
            alone = last - first == len(row.columns)
            if not text or (alone and index != anchor) or (title and len(used) > 1):
                continue
            for column in columns:
                if not keep_hidden or not changes.get(index, {}).get(column):
                    changes.setdefault(index, {})[column] = text
    _apply(sheet, changes)
    if room < 0:
        sheet.notes.append("the texts of some merged cells are not repeated")


def place_remarks(sheet: Sheet) -> None:
    """Put comments behind the texts of their cells, which may be empty."""
    if not sheet.remarks:
        return
    numbers = sheet.row_numbers
    known = dict(zip(numbers, range(len(numbers)), strict=True))
    missing = sorted({row for row, _ in sheet.remarks} - known.keys())
    if missing:
        sheet.rows += [Row(number, [], []) for number in missing]
        sheet.rows.sort(key=lambda row: row.number)
        known = {row.number: index for index, row in enumerate(sheet.rows)}
    changes: Changes = {}
    for (number, column), texts in sheet.remarks.items():
        index = known[number]
        own = _text_at(sheet.rows[index], column)
        changes.setdefault(index, {})[column] = " ".join([own, *texts] if own else texts)
    _apply(sheet, changes)


def used_columns(sheet: Sheet) -> list[int]:
    """The columns that have text in some row."""
    used: set[int] = set()
    for row in sheet.rows:
        used.update(row.columns)
    return sorted(used)


def _text_at(row: Row, column: int) -> str:
    at = bisect_left(row.columns, column)
    return row.texts[at] if at < len(row.columns) and row.columns[at] == column else ""


def _apply(sheet: Sheet, changes: Changes) -> None:
    for index, changed in changes.items():
        row = sheet.rows[index]
        cells = {**dict(zip(row.columns, row.texts, strict=True)), **changed}
        columns = [column for column in sorted(cells) if cells[column]]
        sheet.rows[index] = row._replace(columns=columns, texts=[cells[column] for column in columns])
