"""The records of Excel's binary workbooks ([MS-XLSB] 2.1.4, 2.5), and the structures in them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .rich_text import unescaped
from .sheet import Area

ROW, BLANK, RK, ERROR, BOOL, REAL, STRING, SHARED_STRING = range(8)
FORMULA_STRING, FORMULA_NUMBER, FORMULA_BOOL, FORMULA_ERROR = range(8, 12)
SHARED_ITEM = 19
FONT, FORMAT, FILL, XF = 43, 44, 45, 47
COLUMN = 60
RICH_STRING = 62
PANE = 151
WORKBOOK_PROPERTIES = 153
SHEET = 156
MERGED = 176
LINK = 494
BEGIN_CELL_XFS, END_CELL_XFS = 617, 618
COMMENT_AUTHOR, BEGIN_COMMENT, COMMENT_TEXT = 632, 635, 637
BEGIN_TABLE = 343
BEGIN_CONDITIONAL_FORMAT = 461

ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}


class Record(NamedTuple):
    kind: int
    data: bytes


def records(data: bytes) -> Iterator[Record]:
    """The records of a part. They end where the part is cut off."""
    at, size = 0, len(data)
    while at < size:
        kind, shift = 0, 0
        while at < size and shift < 14:
            byte = data[at]
            at += 1
            kind |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        length, shift = 0, 0
        while at < size and shift < 28:
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        if at + length > size:
            return
        yield Record(kind, data[at : at + length])
        at += length


def integer(data: bytes, at: int, size: int = 4) -> int:
    return int.from_bytes(data[at : at + size], "little")


def string(data: bytes, at: int) -> tuple[str, int]:
    """A text with its length before it, and where it ends. The length -1 is for no text."""
    length = integer(data, at)
    at += 4
    if length == 0xFFFFFFFF or at + 2 * length > len(data):
        return "", at
    return unescaped(data[at : at + 2 * length].decode("utf-16-le", "replace")), at + 2 * length


def rich_string(data: bytes, at: int) -> str:
    """A text with runs of formats, without these."""
    return string(data, at + 1)[0]


def rk_number(data: bytes, at: int) -> float:
    """A number in 30 bits: a whole one, or the first bits of a double; divided by 100 if its lowest bit says so."""
    raw = integer(data, at)
    if raw & 2:
        value = float((raw >> 2) - (1 << 30 if raw & 0x80000000 else 0))
    else:
        (value,) = struct.unpack("<d", bytes(4) + (raw & 0xFFFFFFFC).to_bytes(4, "little"))
    return value / 100 if raw & 1 else value


def real(data: bytes, at: int) -> float:
    return struct.unpack_from("<d", data, at)[0] if len(data) >= at + 8 else 0.0


def area(data: bytes, at: int = 0) -> Area:
    """A rectangle, whose rows and columns the file counts from 0."""
    top, bottom, left, right = (integer(data, at + 4 * part) + 1 for part in range(4))
    return Area(top, left, bottom, right)


def colour(data: bytes, at: int) -> str | None:
    """A colour as "RRGGBB"; None if it is automatic or not given as such."""
    kind = data[at] >> 1 if len(data) >= at + 8 else 0
    if not kind:
        return None
    red, green, blue = data[at + 4 : at + 7]
    if not data[at] & 1:
        return "FFFFFF" if kind == 3 and data[at + 1] == 0 else None
    return "FFFFFF" if min(red, green, blue) >= 0xFA else f"{red:02X}{green:02X}{blue:02X}"
