"""Decode text files: UTF-8, what the file or the user names, or the most plausible encoding, with a warning."""

import codecs
import re
from typing import NamedTuple

from longread.page_ranges import format_ranges

from .base import WrongFormat
from .charset_guess import guess, shown

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16's mark, which is a prefix of it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_RUN = re.compile(rb"[\x80-\xff]+")
_ASCII = bytes(range(128))
_AROUND = 2 << 20
"""Bytes before and after the first that is not UTF-8, by which it is decided whether that is a fault."""
_PROBE = 1 << 16
"""Bytes by which UTF-16 and UTF-32 without a mark are recognized."""
_FAULTS = 0.01
"""Fraction of characters that may be wrong in text whose encoding is declared."""
_LISTED = 10
"""Lines that a warning names."""
_ISO_2022 = re.compile(rb"\x1b\$[@B]|\x1b\([JB]")

# As browsers understand these names (WHATWG Encoding Standard, 4.2): the names of standards whose supersets are in use.
_MEANT = {
    **dict.fromkeys(("ascii", "iso8859-1", "latin-1"), "cp1252"),
    "iso8859-9": "cp1254",
    "iso8859-11": "cp874",
    "tis-620": "cp874",
    "shift_jis": "cp932",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "euc_kr": "cp949",
    "koi8-r": "koi8-u",
}
_STATEFUL = ("utf-7", "hz", "iso2022_kr", "iso2022_jp", "iso2022_jp_2")
"""Encodings whose texts are ASCII to those who don't know."""
_LOCATED = "byte {:,}, line {:,}"


class _Fault(NamedTuple):
    """Bytes that are not in the encoding."""

    start: int
    """The place of the first one."""
    text: str
    """What stands for them."""


def decode(data: bytes, encoding: str = "", declared: str = "") -> tuple[str, list[str]]:
    """Decode a text; returns it with warnings if bytes do not fit, or the encoding was guessed.

    A byte order mark decides, then `encoding`, then UTF-8 if the bytes are that, then `declared`, then a guess. A text
    in UTF-8 with a few other bytes is UTF-8: these bytes read as windows-1252 where that gives a letter or a quotation
    mark, and as U+FFFD elsewhere.

    Args:
        encoding: what the user says that it is.
        declared: what the file or a server says that it is. Unknown names count as none.

    Raises:
        WrongFormat: the bytes do not at all fit what a byte order mark or the user says, or are not text.
    """
    text, warnings = _decode(data, encoding, declared)
    if nuls := text.count("\0"):
        text = text.replace("\0", "")
        warnings.append(f"{nuls:,} NUL character{'s were' if nuls > 1 else ' was'} left out.")
    return text, warnings


def _decode(data: bytes, encoding: str, declared: str) -> tuple[str, list[str]]:
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), "")
    if marked == "utf-8-sig":
        return _decode(data[len(codecs.BOM_UTF8) :], "utf-8", "")
    if marked:
        return _strict(data, marked, f"the byte order mark says {marked}")
    if encoding:
        name = known(encoding)
        if not name:
            raise WrongFormat(f"{encoding!r} is not the name of an encoding; examples are utf-8, cp1252, shift_jis")
        return _utf_8(data) if name == "utf-8" else _strict(data, name, f"--encoding says {encoding}")
    if _ISO_2022.search(data[:_PROBE]) and not data[:_PROBE].translate(None, _ASCII):
        return _strict(data, "iso2022_jp", "its escape sequences are those of ISO-2022-JP")
    if known(declared) in _STATEFUL and data.isascii():
        return _strict(data, known(declared), f"the file says {declared}")
    if wide := without_mark(data[:_PROBE]):
        text, _ = _faulty(data, wide)
        return text, [f"Read as {wide.upper()}, for the place of its NUL bytes: there is no byte order mark."]
    try:
        return data.decode("utf-8"), []
    except UnicodeDecodeError as error:
        first = error.start
    if _is_mostly_utf_8(data[max(0, first - _AROUND) : first + _AROUND]):
        return _utf_8(data)
    where = _LOCATED.format(first, data.count(b"\n", 0, first) + 1)
    if (name := known(declared)) and name != "utf-8":
        text, faults = _faulty(data, name)
        if len(faults) <= _FAULTS * len(text):
            return text, _report(data, faults, f"in {shown(name)}, which the file declares,")
    name = guess(data)
    text, faults = _faulty(data, name)
    said = f"Read as {shown(name)}, which is a guess: it is not UTF-8 ({where}); --encoding chooses another one."
    return text, [said, *_report(data, faults, f"in {shown(name)}")]


def known(name: str) -> str:
    """Python's name of the encoding that is meant by a name; empty if there is none, or it is not one of text."""
    try:
        found = codecs.lookup(name.strip())
    except (LookupError, ValueError):
        return ""
    # base64, zlib and the like are codecs too
    return _MEANT.get(found.name, found.name) if getattr(found, "_is_text_encoding", True) else ""


def without_mark(head: bytes) -> str:
    """ "utf-16-le" and the like if the first bytes of a text without a mark are that by their NUL bytes; else empty."""
    head = head[: len(head) // 4 * 4]
    if b"\0" not in head or len(head) < 4:
        return ""
    nuls = [head[at::4].count(0) / (len(head) / 4) for at in range(4)]
    if min(nuls[2:]) > 0.95 and nuls[0] < 0.5:
        wide = "utf-32-le"
    elif min(nuls[:2]) > 0.95 and nuls[3] < 0.5:
        wide = "utf-32-be"
    else:
        even, odd = head[0::2].count(0) / (len(head) / 2), head[1::2].count(0) / (len(head) / 2)
        # Spaces and line ends have a NUL byte in every script.
        if max(even, odd) < 0.03 or min(even, odd) > 0.01:
            return ""
        wide = "utf-16-le" if odd > even else "utf-16-be"
    text = head.decode(wide, "replace")
    odd_ones = sum(not (char.isprintable() or char in "\t\n\r\x0c\ufeff\u3000\xa0\u2028") for char in text)
    return wide if odd_ones <= 0.02 * len(text) + text.endswith("\ufffd") else ""


def _is_mostly_utf_8(data: bytes) -> bool:
    """Whether most bytes above 127 are UTF-8, or a third of them whole words in it: in another encoding, few are."""
    high = fitting = whole = 0
    for run in _RUN.finditer(data):
        size = sum(len(part) for part in _MULTIBYTE.findall(run[0]))
        high, fitting = high + len(run[0]), fitting + size
        whole += size * (size == len(run[0]))
    return fitting * 4 >= high * 3 or whole * 3 >= high


def _utf_8(data: bytes) -> tuple[str, list[str]]:
    text, faults = _faulty(data, "utf-8")
    return text, _report(data, faults, "not UTF-8:")


def _strict(data: bytes, encoding: str, why: str) -> tuple[str, list[str]]:
    text, faults = _faulty(data, encoding)
    if len(faults) > max(1, _FAULTS * len(text)) or (faults and len(text) < 4):
        raise WrongFormat(f"{why}, but byte {faults[0].start:,} cannot be that")
    return text.removeprefix("\ufeff"), _report(data, faults, f"not {shown(encoding)}:")


def _faulty(data: bytes, encoding: str) -> tuple[str, list[_Fault]]:
    """Decode, with something else in place of bytes that do not fit."""
    faults: list[_Fault] = []

    def handle(error: UnicodeError) -> tuple[str, int]:
        if not isinstance(error, UnicodeDecodeError):
            raise error
        text = "\ufffd"
        if error.encoding == "utf-8" and error.end == error.start + 1 and error.end < len(error.object):
            read = error.object[error.start : error.end].decode("cp1252", "replace")
            text = read if read.isalpha() or read in "’‘“”–—…€" else text
        faults.append(_Fault(error.start, text))
        return text, error.end

    codecs.register_error("longread-fault", handle)
    return data.decode(encoding, "longread-fault"), faults


def _report(data: bytes, faults: list[_Fault], what: str) -> list[str]:
    if not faults:
        return []
    lines: list[int] = []
    line, at = 1, 0
    for fault in faults:
        line += data.count(b"\n", at, fault.start)
        at = fault.start
        if line not in lines[-1:]:
            lines.append(line)
        if len(lines) > _LISTED:
            break
    replaced = sum(fault.text == "\ufffd" for fault in faults)
    readings = [f"{replaced:,} as U+FFFD"] if replaced else []
    readings += [f"{len(faults) - replaced:,} as windows-1252"] if replaced < len(faults) else []
    more = " and more" if len(lines) > _LISTED else ""
    count = "1 byte is" if len(faults) == 1 else f"{len(faults):,} bytes are"
    where = f"{'line' if len(lines) == 1 else 'lines'} {format_ranges(lines[:_LISTED])}{more}"
    verb = what if what.startswith("not") else f"not {what}"
    return [f"{count} {verb.rstrip(':,')} ({where}): read {', '.join(readings)}."]
