"""The rows of a worksheet's XML as plain tuples, fast, in bounded memory.

Programs write cells in very few forms. Regular expressions take these apart in an eighth of the time that elements of
lxml need; a row with anything else in it is parsed as XML. Both give the same cells.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

from .rich_text import has_colours, rich_text, unescaped
from .sheet import MAX_ROW
from .streaming import DAMAGE, elements

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_CHUNK = 1 << 20
_START = re.compile(rb"<((?:[A-Za-z_][\w.-]*:)?sheetData)(?:\s[^<>]*?)?(/?)>")
_MAX_HEAD = 1 << 22
"""Bytes before the rows of a sheet that are searched for their start."""
_ROW = re.compile(r"<row([^>]*?)(?:/>|>(.*?)</row>)", re.DOTALL)
_CELL = re.compile(
    r'<c r="([A-Z]{1,3})\d+"(?: s="(\d+)")?(?: t="(\w+)")?(?:/>|>'
    r"(?:<f([^>]*?)(?:/>|>([^<]*)</f>))?"
    r"(?:<v>([^<]*)</v>|<v ?/>)?"
    r'(?:<is><t(?: xml:space="preserve")?>([^<]*)</t></is>)?</c>)'
)
_NUMBER = re.compile(r'\br="(\d{1,7})"')
_HIDDEN = re.compile(r'\bhidden="(?:1|true)"|\bht="0(?:\.0+)?"')
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_DIGITS = "0123456789"
_WRAPPER = b'<sheetData xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">%s</sheetData>'

Cell = tuple[str, str, str, str, str, str, str]
"""Letters of the column, or ""; style; type; attributes and text of the formula; value; text of an inline string.

What a cell does not have is "". A formula with neither attributes nor text is none.
"""
NO_VALUE = "\0"
"""The value of a cell of the type "str" with a formula that has no value; with an empty text, the value is ""."""
COLOURED = "coloured"
"""The type of a cell with an inline string whose runs have colours of their own."""


class SourceRow(NamedTuple):
    number: int
    hidden: bool
    cells: Sequence[Cell]


def source_rows(archive: zipfile.ZipFile, part: str, damaged: Callable[[str], None]) -> Iterator[SourceRow]:
    """The rows of a worksheet that have values, formulas or texts.

    Args:
        damaged: called with what is wrong if the part is damaged; what can be read is returned all the same.
    """
    with archive.open(part) as stream:
        try:
            head, rest = _up_to_rows(stream)
        except DAMAGE as error:
            damaged(str(error))
            return
        start = _START.match(rest)
        if start is None or b":" in start[1] or start[2] or not head.isascii() or _other_encoding(head):
            yield from _parsed_rows(elements(archive, part, ("{*}row",), damaged), 0)
            return
        number, buffer = 0, rest[start.end() :]
        while True:
            try:
                chunk = stream.read(_CHUNK)
            except DAMAGE as error:
                damaged(str(error))
                chunk = b""
            buffer += chunk
            cut = buffer.rfind(b"</row>") + 6
            end = buffer.find(b"</sheetData") if not chunk or b"</sheetData" in buffer else -1
            if cut < 6 and chunk and end < 0:
                continue
            block = buffer[:cut] if end < 0 and chunk else buffer[: end if end >= 0 else len(buffer)]
            for row in _rows_of(block, number, damaged):
                number = row.number
                yield row
            if end >= 0:
                return
            if not chunk:
                damaged("it ends within the rows")
                return
            buffer = buffer[cut:]


def without_rows(archive: zipfile.ZipFile, part: str) -> bytes:
    """A worksheet's XML with an empty sheetData: what surrounds the rows, of which some is stored behind them.

    The whole part if it has no such element. Raises what `zipfile` raises.
    """
    with archive.open(part) as stream:
        head, rest = _up_to_rows(stream)
        start = _START.match(rest)
        if start is None:
            return head + rest + stream.read()
        element = start[1]
        if start[2]:
            return head + rest + stream.read()
        closing = re.compile(rb"</" + re.escape(element) + rb"\s*>")
        while (end := closing.search(rest)) is None:
            chunk = stream.read(_CHUNK)
            if not chunk:
                return head + b"<" + element + b"/>"
            rest = rest[-64:] + chunk
        return head + b"<" + element + b"/>" + rest[end.end() :] + stream.read()


def _up_to_rows(stream: IO[bytes]) -> tuple[bytes, bytes]:
    """What is before the element of the rows, and the part of the rest that was read with it."""
    head = b""
    while chunk := stream.read(_CHUNK):
        searched = max(0, len(head) - 4096)
        head += chunk
        if start := _START.search(head, searched):
            return head[: start.start()], head[start.start() :]
        if len(head) > _MAX_HEAD:
            break
    return head, b""


def _other_encoding(head: bytes) -> bool:
    declared = re.search(rb"""encoding=["']([^"']*)""", head[:200])
    return declared is not None and declared[1].lower() not in (b"utf-8", b"utf8", b"us-ascii")


def _rows_of(block: bytes, last: int, damaged: Callable[[str], None]) -> Iterator[SourceRow]:
    """The rows in a part of the XML that begins and ends between rows."""
    text = block.decode("utf-8", "replace")
    if (
        "<!" in text
        or "<?" in text
        or text.count("<row") != text.count("</row>") + len(re.findall(r"<row[^>]*/>", text))
    ):
        yield from _as_xml(block, last, damaged)
        return
    for attributes, body in _ROW.findall(text):
        number = _NUMBER.search(attributes)
        last = int(number[1]) if number and int(number[1]) <= MAX_ROW else last + 1
        if "<v" not in body and "<f" not in body and "<is" not in body:
            continue
        cells: Sequence[Cell] = _CELL.findall(body)
        if len(cells) != body.count("<c") or "&" in body or "'" in attributes or "_x" in body or '"str"><f' in body:
            for row in _as_xml(f"<row{attributes}>{body}</row>".encode(), last - 1, damaged):
                yield row._replace(number=last)
            continue
        yield SourceRow(last, _HIDDEN.search(attributes) is not None, cells)


def _as_xml(block: bytes, last: int, damaged: Callable[[str], None]) -> Iterator[SourceRow]:
    import lxml.etree as etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, recover=True, huge_tree=True, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(_WRAPPER % block, parser)
    except etree.XMLSyntaxError as error:
        damaged(str(error))
        return
    # Prefixes are declared at the root of the sheet, not here.
    if fault := next((e.message for e in parser.error_log if "amespace prefix" not in e.message), ""):
        damaged(fault)
    yield from _parsed_rows(root.iterchildren("{*}row") if root is not None else iter(()), last)


def _parsed_rows(rows: "Iterator[_Element]", last: int) -> Iterator[SourceRow]:
    """The same from elements of lxml."""
    for row in rows:
        written = row.get("r") or ""
        last = int(written) if written.isdigit() and 0 < len(written) <= 7 and int(written) <= MAX_ROW else last + 1
        hidden = row.get("hidden") in ("1", "true") or (row.get("ht") or "1").strip("0.") == ""
        cells: list[Cell] = []
        for cell in row:
            if str(cell.tag).rpartition("}")[2] == "c" and (found := _parsed_cell(cell)):
                cells.append(found)
        if cells:
            yield SourceRow(last, hidden, cells)


def _parsed_cell(cell: "_Element") -> Cell | None:
    value: str | None = None
    attributes = formula = inline = ""
    coloured = False
    for child in cell:
        match str(child.tag).rpartition("}")[2]:
            case "v":
                value = child.text or ""
            case "f":
                formula = unescaped(child.text or "")
                attributes = "".join(f' {name}="{text}"' for name, text in child.attrib.items())
            case "is":
                inline = rich_text(child)
                coloured = has_colours(child)
            case _:
                pass
    letters = (cell.get("r") or "").rstrip(_DIGITS)
    kind = cell.get("t") or ""
    rich = cell.get("vm") or ""
    if value is None and kind == "str" and (formula or attributes):
        value = NO_VALUE
    if letters and not (value or formula or attributes or inline):
        return None  # one without a reference counts: the next is in the column after it
    if kind in ("str", "inlineStr"):
        value = unescaped(value or "")
    if coloured:
        kind = COLOURED
    elif rich:
        kind = f"{kind} {rich}"
    return letters, cell.get("s", ""), kind, attributes, formula, value or "", inline


def attributes_of(text: str) -> dict[str, str]:
    """The attributes in a start tag."""
    return dict(_ATTRIBUTE.findall(text))
