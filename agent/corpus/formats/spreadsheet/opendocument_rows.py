"""The cells of OpenDocument spreadsheets, which store how they are displayed beside their values."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from .. import markup
from ..opendocument.names import attribute, child, children, name
from .number_digits import general
from .placing import UNDER_MERGED
from .sheet import MAX_COLUMN, Area, Row, Sheet
from .worksheet import EMPTY_FORMAT, WHITE_ON_WHITE

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_CELL = f"{_TABLE}table-cell"
_CELLS = (_CELL, f"{_TABLE}covered-table-cell")
_PARAGRAPH = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}p"
_REPEATED, _FORMULA = f"{_TABLE}number-columns-repeated", f"{_TABLE}formula"
_ROWS, _COLUMNS = f"{_TABLE}number-rows-spanned", f"{_TABLE}number-columns-spanned"
_TYPE, _VALUE, _DATE = f"{_OFFICE}value-type", f"{_OFFICE}value", f"{_OFFICE}date-value"
_STYLE = f"{_TABLE}style-name"
_NUMBERS = ("float", "percentage", "currency")
_HIDDEN = ("collapse", "filter")
_MAX_COPIES = 1 << 16
"""Cells and rows of a sheet that the file has once and counts several times."""
_SPACES = re.compile(r"[ \t\r\n]+")
_REFERENCE = re.compile(r"\[([^\]]*)\]")
_DURATION = re.compile(r"(-?)PT?(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:[.,]\d+)?S)?")
_DIGIT = re.compile(r"\d")

Reader = Callable[["_Element", str], str]
"""Reads a paragraph that has more in it than text; the other argument is the colour behind it."""


class RowReader:
    """Reads the rows of one sheet. Repeated ones that are empty cost nothing."""

    def __init__(
        self,
        sheet: Sheet,
        style: Callable[[str], dict[str, str]],
        read_paragraph: Reader,
        read_shape: "Callable[[_Element], None]",
        *,
        keep_hidden: bool,
    ):
        """Args:
        style: the properties of a style of cells by its name.
        read_shape: called with what lies over a cell.
        """
        self._sheet = sheet
        self._colours = lru_cache(4096)(lambda key: _colours(style(key)))
        self._read_paragraph = read_paragraph
        self._read_shape = read_shape
        self._keep_hidden = keep_hidden
        self._number = 0
        self._column = 0
        self._copies = _MAX_COPIES
        self._defaults: list[tuple[int, str]] = []
        """Last column and style of the cells in columns."""

    def add_column(self, element: "_Element") -> None:
        """A table:table-column, which may stand for many."""
        first = self._column + 1
        self._column += _count(element, "table:number-columns-repeated")
        if attribute(element, "table:visibility") in _HIDDEN:
            self._sheet.hidden_columns.append((first, min(self._column, MAX_COLUMN)))
        self._defaults.append((self._column, attribute(element, "table:default-cell-style-name")))

    def rows(self, element: "_Element") -> Iterator[Row]:
        """A table:table-row, which may stand for many."""
        times = _count(element, "table:number-rows-repeated")
        number = self._number + 1
        self._number += times
        columns: list[int] = []
        texts: list[str] = []
        column = 1
        hidden = attribute(element, "table:visibility") in _HIDDEN
        self._sheet.filtered |= attribute(element, "table:visibility") == "filter"
        for cell in element:
            if cell.tag not in _CELLS:
                continue
            copies = _count(cell, "table:number-columns-repeated") if cell.get(_REPEATED) else 1
            if len(cell) or cell.get(_TYPE) or cell.get(_FORMULA):
                text = self._plain(cell, column) or self._cell(cell, number, column)
                if text:
                    allowed = min(copies, max(self._copies, 1), MAX_COLUMN)
                    self._copies -= allowed - 1
                    columns += range(column, column + allowed)
                    texts += [text] * allowed
            column += copies
        if not texts:
            return
        allowed = min(times, max(self._copies // len(texts), 1))
        self._copies -= (allowed - 1) * len(texts)
        if allowed < times:
            self._sheet.notes.append(f"row {number} is shown {allowed:,} times of {times:,}")
        for at in range(number, number + allowed):
            yield Row(at, columns, texts, hidden)

    def _plain(self, cell: "_Element", column: int) -> str:
        """The text of a cell with a paragraph of text and nothing else, as most are; empty for others."""
        if len(cell) != 1 or cell.tag != _CELL or cell.get(_ROWS) or cell.get(_COLUMNS):
            return ""
        part = cell[0]
        if part.tag != _PARAGRAPH or len(part) or not part.text:
            return ""
        colour, background, _ = self._style(cell, column)
        if colour and colour == background:
            return ""
        text = _SPACES.sub(" ", part.text).strip()
        kind = cell.get(_TYPE)
        return text if not text or kind == "string" or cell.get(_VALUE) == text else f"{text}{_doubt(cell, text)}"

    def _cell(self, cell: "_Element", row: int, column: int) -> str:
        lines: list[str] = []
        colour, background, conditional = self._style(cell, column)
        for part in cell:
            match name(part):
                case "text:p":
                    if len(part):
                        lines.append(self._read_paragraph(part, background))
                    else:
                        lines.append(_SPACES.sub(" ", part.text or "").strip())
                case "office:annotation":
                    self._sheet.remarks.setdefault((row, column), []).append(_comment(part))
                case "text:list" | "text:h":
                    lines.append(self._read_paragraph(part, background))
                case kind if kind.startswith(("draw:", "dr3d:")):
                    self._read_shape(part)
                case _:
                    pass
        text = "\n".join(lines).strip()
        value = _value(cell)
        if name(cell) == "table:covered-table-cell":
            return self._conceal(text or value, UNDER_MERGED, row)
        down, across = (_count(cell, f"table:number-{what}-spanned") for what in ("rows", "columns"))
        if down > 1 or across > 1:
            self._sheet.merged.append(Area(row, column, row + down - 1, column + across - 1))
        if not text and lines and value not in ("", "0"):
            return self._conceal(value, EMPTY_FORMAT, row)
        formula = attribute(cell, "table:formula")
        if not text and not value and formula and not attribute(cell, "office:value-type"):
            self._sheet.uncalculated[row] += 1
            return _REFERENCE.sub(
                lambda match: match[1].replace(".", "", 1).replace(":.", ":"), "=" + formula.partition("=")[2]
            )
        if text and colour and colour == background and not conditional:
            return self._conceal(text, WHITE_ON_WHITE, row)
        return f"{text}{_doubt(cell, text)}" if text else value

    def _style(self, cell: "_Element", column: int) -> tuple[str, str, bool]:
        key = cell.get(_STYLE)
        if not key:
            at = bisect_left(self._defaults, (column, ""))
            key = self._defaults[at][1] if at < len(self._defaults) else ""
        return self._colours(key)

    def _conceal(self, text: str, why: str, row: int) -> str:
        if not text:
            return ""
        self._sheet.words[row, why] += len(text.split())
        return markup.hidden(text) if self._keep_hidden else ""


def _colours(properties: dict[str, str]) -> tuple[str, str, bool]:
    """Colour of the text, "" if automatic; colour behind it; whether conditions may change them."""
    colour = properties.get("fo:color", "").lower()
    if properties.get("style:use-window-font-color") == "true":
        colour = ""
    background = properties.get("table-cell fo:background-color", "transparent").lower()
    return colour, "#ffffff" if background == "transparent" else background, "style:condition" in properties


def _value(cell: "_Element") -> str:
    """The value of a cell whose display is not stored."""
    match attribute(cell, "office:value-type") or attribute(cell, "calcext:value-type"):
        case "float" | "currency":
            return _general(attribute(cell, "office:value"))
        case "percentage":
            try:
                return f"{general(float(attribute(cell, 'office:value')) * 100)}%"
            except ValueError:
                return attribute(cell, "office:value")
        case "date":
            return attribute(cell, "office:date-value").replace("T", " ").removesuffix(" 00:00:00")
        case "time":
            return _clock(attribute(cell, "office:time-value"))
        case "boolean":
            return attribute(cell, "office:boolean-value").upper()
        case _:
            return attribute(cell, "office:string-value")


def _doubt(cell: "_Element", text: str) -> str:
    """The value in brackets if the display does not mean the same, by the rule of `NumberFormat.show`."""
    kind = cell.get(_TYPE)
    if kind == "date":
        written = cell.get(_DATE, "")
        date, _, time = written.partition("T")
        clear = date[:4] in text and "/" not in text
        clock = f" {time[:5]}" if time and ":" in text else ""
        return "" if clear or not date or date in text else f" [{date}{clock}]"
    if kind not in _NUMBERS:
        return ""
    try:
        value = float(cell.get(_VALUE, ""))
    except ValueError:
        return ""
    if not _DIGIT.search(text):
        return "" if not value or text[:1] in "#E" else f" [{general(value)}]"
    shown = _numbers_in(text) if len(text) < 100 else ()
    if "%" in text:
        shown = [number / 100 for number in shown]
    size = abs(value)
    same = size < 1e-12 or any(abs(size - number) <= 0.0100001 * size for number in shown) or "/" in text
    minus = value < 0 and size > 1e-12 and not any(sign in text for sign in "-−(") and text.isascii()
    return "" if same and not minus else f" [{general(value)}]"


@lru_cache(4096)
def _numbers_in(text: str) -> Sequence[float]:
    """The numbers that a text may be, with a comma or a point between whole and decimals."""
    plain = re.sub(r"[^\d.,E+-]", "", text.upper().replace("−", "-")).strip(".,+-E")
    found: list[float] = []
    for decimal, group in (".,", ",."):
        try:
            found.append(abs(float(plain.replace(group, "").replace(decimal, ".").replace("-", "", 1) or "nan")))
        except ValueError:
            continue
        try:
            found.append(abs(float(plain.replace(group, "").replace(decimal, "."))))
        except ValueError:
            continue
    return found


def _general(text: str) -> str:
    try:
        return general(float(text))
    except ValueError:
        return text


def _clock(duration: str) -> str:
    """ "26:05:00" for PT26H5M."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        return duration
    sign, hours, minutes, seconds = match.groups()
    return f"{sign}{int(hours or 0):02}:{int(minutes or 0):02}:{int(seconds or 0):02}"


def _comment(element: "_Element") -> str:
    author = child(element, "dc:creator")
    paragraphs = ("".join(map(str, p.itertext())) for p in children(element, "text:p", "text:list"))
    return markup.comment("\n".join(paragraphs).strip(), (author.text or "").strip() if author is not None else "")


def _count(element: "_Element", key: str) -> int:
    text = attribute(element, key, "1")
    return max(int(text), 1) if text.isdigit() and len(text) < 10 else 1
