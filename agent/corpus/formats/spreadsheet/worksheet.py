"""The rows of an Excel worksheet (ECMA-376 part 1, 18.3)."""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from .. import markup
from .rich_text import linked
from .row_source import COLOURED, NO_VALUE, attributes_of, source_rows
from .serial_date import serial_of
from .sheet import Area, Row, Sheet, cell_of, column_number
from .styles import Styles

_TRUE = ("1", "true")
_LINK = re.compile(r'\bHYPERLINK\(\s*"((?:[^"]|"")+)"', re.IGNORECASE)
_MAX_CACHED = 8
"""Characters of numbers whose display is kept: longer ones rarely occur twice."""
_MAX_AREAS = 100
_MAX_ENTRIES = 1 << 17
HIDDEN = "\0"
"""In place of a text that the number format does not show."""
WHITE_ON_WHITE = "text in the colour of its background"
EMPTY_FORMAT = "a number format that shows nothing"


@dataclass
class Context:
    """What the cells of all sheets of a workbook refer to."""

    styles: Styles
    strings: Sequence[str]
    """The shared strings."""
    coloured: frozenset[int] = frozenset()
    """Those whose runs have colours of their own."""
    from_1904: bool = False
    recalculated: bool = False
    """Formulas are calculated when the file is opened: the program that wrote it may not have done so."""
    keep_hidden: bool = False
    value_names: dict[int, str] = field(default_factory=dict)
    """What the cells with a rich value show, by its index: "[picture: …]", "#SPILL!"."""


class CellReader:
    """Displays the cells of one sheet, and counts in it what cannot be seen or was not calculated."""

    def __init__(self, context: Context, sheet: Sheet, coloured: Sequence[Area]):
        """Args:
        coloured: areas whose background is not that of the cells' styles: heads of tables, conditional formats.
        """
        self._context = context
        self._sheet = sheet
        self._coloured = coloured[:_MAX_AREAS]
        self._cache: dict[tuple[int, str], str] = {}

    def number(self, text: str, style: int) -> str:
        """A number, written as in XML, as the style displays it. What is no number is shown as it is."""
        found = self._context.styles[style].format
        short = len(text) <= _MAX_CACHED
        if short and found.is_general and text.isdigit() and text[0] != "0":
            return text
        if short and (cached := self._cache.get((style, text))) is not None:
            return cached
        try:
            value = float(text)
        except ValueError:
            return text
        shown = found.show(value) or ("" if value == 0 else HIDDEN)
        if short:
            if len(self._cache) > _MAX_ENTRIES:
                self._cache.clear()
            self._cache[style, text] = shown
        return shown

    def date(self, text: str, style: int) -> str:
        """An ISO 8601 date as the style displays it."""
        serial = serial_of(text, from_1904=self._context.from_1904)
        found = self._context.styles[style].format
        return found.show(serial) if serial is not None and found.is_date() else text

    def text(self, text: str, style: int) -> str:
        found = self._context.styles[style].format
        return (found.show_text(text) or HIDDEN) if found.changes_text and text else text

    def visible(self, shown: str, raw: str, style: int, row: int, column: int) -> str:
        """The text of a cell as it goes into the page: hidden text is left out, or marked."""
        why = ""
        if shown == HIDDEN:
            why, shown = EMPTY_FORMAT, raw
        elif self._context.styles[style].invisible and not any((row, column) in area for area in self._coloured):
            why = WHITE_ON_WHITE
        if not why or not shown.strip():
            return shown
        self._sheet.words[row, why] += len(shown.split())
        return markup.hidden(shown) if self._context.keep_hidden else ""

    def is_special(self, style: int) -> bool:
        """Whether `text` or `visible` can change a text of this style."""
        found = self._context.styles[style]
        return found.invisible or found.format.changes_text


def read_rows(
    archive: zipfile.ZipFile,
    part: str,
    sheet: Sheet,
    context: Context,
    cells: CellReader,
    damaged: Callable[[str], None],
) -> Iterator[Row]:
    """The rows with something in them. Empty ones, however many the file declares, cost their parsing only."""
    strings, letters = context.strings, {"": 0}
    shared: dict[str, str] = {}
    before: list[int] = []
    styles: dict[str, tuple[int, bool]] = {}
    for row in source_rows(archive, part, damaged):
        number = row.number
        columns: list[int] = []
        texts: list[str] = []
        column, ordered = 0, True
        for name, style_name, kind, attributes, formula, value, inline in row.cells:
            found = letters.get(name)
            if found is None:
                found = letters[name] = column_number(name) if cell_of(name) else 0
            if found and found <= column:
                ordered = False
            column = found or column + 1
            if not value and not formula and not inline and not attributes:
                continue
            known = styles.get(style_name)
            if known is None:
                index = int(style_name) if style_name.isdigit() else 0
                known = styles[style_name] = index, cells.is_special(index)
            style, special = known
            is_text = False
            if (formula or attributes) and (
                value == NO_VALUE
                or (not value and kind != "str")
                or (value == "0" and context.recalculated and kind in ("", "n"))
            ):
                text = _formula(formula, attributes, shared)
                sheet.uncalculated[number] += 1
            elif kind == "s":
                is_text = True
                text = _shared_string(strings, value)
                if special and value.isdigit() and int(value) in context.coloured:
                    kind = COLOURED
            elif (not kind or kind == "n") and not inline:
                text = cells.number(value, style)
            elif kind in ("str", "inlineStr", COLOURED):
                is_text = True
                text = inline or value
            elif kind == "b":
                text = "TRUE" if value in _TRUE else "FALSE" if value else ""
            elif kind.startswith("e"):
                text = _error(kind, value, context)
            elif kind == "d":
                text = cells.date(value, style)
            else:  # a number with the index of a rich value
                text = inline or cells.number(value, style)
            raw = text
            if is_text and special:
                text = cells.text(text, style)
            if (special and kind != COLOURED) or text == HIDDEN:
                text = cells.visible(text, value if raw == HIDDEN else raw, style, number, column)
            if formula or attributes:
                if formula and "shared" in attributes:
                    shared[attributes_of(attributes).get("si", "")] = f"{name}{number}"
                if "HYPERLINK" in formula and (link := _LINK.search(formula)):
                    text = linked(text, link[1].replace('""', '"'))
            if text:
                columns.append(column)
                texts.append(text)
        if texts:
            if columns == before:
                columns = before  # one list for all rows with the same columns
            before = columns
            line = Row(number, columns, texts, row.hidden)
            yield line if ordered else line.ordered()


def _formula(formula: str, attributes: str, shared: dict[str, str]) -> str:
    """A formula as it is written; for one that others share, only the first of them has its text."""
    if formula:
        return f"={formula}"
    return markup.named("formula", f"as in {shared.get(attributes_of(attributes).get('si', ''), 'another cell')}")


def _shared_string(strings: Sequence[str], index: str) -> str:
    try:
        at = int(index)
    except ValueError:
        return index
    return strings[at] if 0 <= at < len(strings) else markup.named("missing text", index)


def _error(kind: str, value: str, context: Context) -> str:
    """An error such as #N/A. What older programs cannot show is stored as #VALUE!, with the index of a rich value."""
    rich = kind.partition(" ")[2]
    return context.value_names.get(int(rich), value) if rich.isdigit() and value == "#VALUE!" else value
