"""Bullets and numbers of paragraphs (ECMA-376 part 1, 21.1.2.4)."""

from typing import TYPE_CHECKING

from .. import markup
from ..office.package import integer

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_KINDS = ("buNone", "buAutoNum", "buChar", "buBlip")
_SYMBOLS = ("wingdings", "zapf dingbats", "monotype sorts")
_EMPTY_BOXES = frozenset("☐□❏❑❒◻◽" + "\uf06f\uf071\uf072\uf0a8")
_TICKED_BOXES = frozenset("☑☒✅" + "\uf0fe\uf0fd\uf078")
_ROMAN = ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl"))
_SMALL_ROMAN = ((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i"))


class Numbering:
    """The list numbers in one text body."""

    def __init__(self) -> None:
        self._counts: dict[int, tuple[tuple[str, str], int]] = {}

    def mark(self, level: int, styles: "list[_Element]") -> str:
        """The bullet or number of the next paragraph, "" for none. `styles` are its properties, the nearest first."""
        bullet = next(
            (found for style in styles for kind in _KINDS if (found := style.find(f"{{*}}{kind}")) is not None), None
        )
        kind = str(bullet.tag).rpartition("}")[2] if bullet is not None else "buNone"
        self._counts = {
            at: count for at, count in self._counts.items() if at < level or (at == level and kind == "buAutoNum")
        }
        if bullet is None or kind == "buNone":
            return ""
        if kind == "buBlip":
            return "-"
        if kind == "buChar":
            font = next((found for style in styles if (found := style.find("{*}buFont")) is not None), None)
            return _bullet(bullet.get("char", ""), font.get("typeface", "") if font is not None else "")
        scheme, start = bullet.get("type", ""), bullet.get("startAt", "1")
        before = self._counts.get(level)
        first = integer(start, 1)
        number = before[1] + 1 if before is not None and before[0] == (scheme, start) else first
        self._counts[level] = (scheme, start), number
        return numbered(number, scheme)


def numbered(number: int, scheme: str) -> str:
    """A number in one of the schemes of ST_TextAutonumberScheme: "alphaLcParenR" gives "a)"."""
    if scheme.startswith("alpha"):
        text = _letters(number)
    elif scheme.startswith("roman"):
        text = _roman(number)
    else:
        text = str(number)
    if scheme.startswith(("alphaUc", "romanUc")):
        text = text.upper()
    if scheme.endswith("ParenBoth"):
        return f"({text})"
    if scheme.endswith("ParenR"):
        return f"{text})"
    return text if scheme.endswith(("Plain", "Minus")) else f"{text}."


def _bullet(char: str, font: str) -> str:
    if font.lower().startswith(_SYMBOLS) and len(char) == 1 and ord(char) < 256:
        char = chr(0xF000 + ord(char))  # where fonts of symbols have their characters
    if char in _EMPTY_BOXES or char in _TICKED_BOXES:
        return f"- {markup.check_box(char in _TICKED_BOXES)}"
    return "-"


def _letters(number: int) -> str:
    """a … z, aa, bb …, as PowerPoint counts."""
    if number < 1:
        return str(number)
    times, letter = divmod(number - 1, 26)
    return chr(ord("a") + letter) * min(times + 1, 40)


def _roman(number: int) -> str:
    if not 0 < number < 4000:
        return str(number)
    text = ""
    for value, letters in _ROMAN + _SMALL_ROMAN:
        times, number = divmod(number, value)
        text += letters * times
    return text
