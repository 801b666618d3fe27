"""The styles of an Excel workbook, as far as they change what is read: number formats and text that nobody sees."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .number_format import BUILT_IN, NumberFormat, number_format

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

WHITE = "FFFFFF"
_THEME = ("lt1", "dk1", "lt2", "dk2", "accent1", "accent2", "accent3", "accent4", "accent5", "accent6")
_INDEXED = ("000000", "FFFFFF", "FF0000", "00FF00", "0000FF", "FFFF00", "FF00FF", "00FFFF")
_BACKGROUND = 65
"""The index of the system's colour behind text."""


@dataclass(frozen=True)
class Style:
    """What a cell's style says."""

    format: NumberFormat
    invisible: bool = False
    """The text has the colour of what is behind it."""


class Styles:
    """The styles of cells by index. An index that the file does not define has the default style."""

    def __init__(self, found: list[Style], *, from_1904: bool = False, filling: Collection[int] = ()):
        """Args:
        filling: the formats of conditions, by index, that colour what is behind the text.
        """
        self.filling = filling
        self.default = found[0] if found else Style(number_format("General", from_1904))
        self._found = found

    def __getitem__(self, index: int) -> Style:
        return self._found[index] if 0 <= index < len(self._found) else self.default


def read_styles(root: "_Element | None", theme: "_Element | None", *, from_1904: bool) -> Styles:
    """The styles in a styles part. What is damaged or missing in it counts as not set."""
    if root is None:
        return Styles([], from_1904=from_1904)
    codes = dict(BUILT_IN)
    for element in root.iterfind("{*}numFmts/{*}numFmt"):
        if (number := _number(element.get("numFmtId"))) >= 0 and (code := element.get("formatCode")) is not None:
            codes[number] = code
    colours = _Colours(root, theme)
    fonts = [colours.of(font.find("{*}color")) for font in root.iterfind("{*}fonts/{*}font")]
    fills = with_reserved_fills([colours.behind(fill) for fill in root.iterfind("{*}fills/{*}fill")])
    styles: list[Style] = []
    for xf in root.iterfind("{*}cellXfs/{*}xf"):
        code = codes.get(_number(xf.get("numFmtId")), "General")
        font, fill = _number(xf.get("fontId")), _number(xf.get("fillId"))
        text = fonts[font] if 0 <= font < len(fonts) else None
        behind = fills[fill] if 0 <= fill < len(fills) else WHITE
        styles.append(Style(number_format(code, from_1904), text is not None and text == behind))
    conditions = root.findall("{*}dxfs/{*}dxf")
    filling = {at for at, condition in enumerate(conditions) if condition.find("{*}fill") is not None}
    return Styles(styles, from_1904=from_1904, filling=filling)


def with_reserved_fills(fills: list[str | None]) -> list[str | None]:
    """The colours behind cells by index. Excel has no fill and a pattern as the first two, whatever a file says."""
    return [WHITE, None, *fills[2:]]


class _Colours:
    """The colours of a workbook as "RRGGBB", with the tint behind it if there is one."""

    def __init__(self, styles: "_Element", theme: "_Element | None"):
        self._theme: list[str] = []
        scheme = theme.find(".//{*}clrScheme") if theme is not None else None
        for name in _THEME:
            found = scheme.find(f"{{*}}{name}") if scheme is not None else None
            colour = found[0] if found is not None and len(found) else None
            value = (colour.get("lastClr") or colour.get("val") or "") if colour is not None else ""
            self._theme.append(value.upper() if len(value) == 6 else WHITE if name == "lt1" else "")
        listed = [c.get("rgb", "")[-6:].upper() for c in styles.iterfind("{*}colors/{*}indexedColors/{*}rgbColor")]
        self._indexed = listed or [*_INDEXED, *_INDEXED]

    def of(self, element: "_Element | None") -> str | None:
        """The colour of an element; None if it is automatic or cannot be read."""
        if element is None or element.get("auto") in ("1", "true"):
            return None
        rgb, theme, indexed = element.get("rgb"), _number(element.get("theme")), _number(element.get("indexed"))
        if rgb is not None:
            colour = rgb[-6:].upper() if len(rgb) in (6, 8) else ""
        elif 0 <= theme < len(self._theme):
            colour = self._theme[theme]
        else:
            colour = (
                WHITE if indexed == _BACKGROUND else self._indexed[indexed] if 0 <= indexed < len(self._indexed) else ""
            )
        try:
            light = len(colour) == 6 and all(part >= 0xFA for part in bytes.fromhex(colour))
        except ValueError:
            return None
        if not colour:
            return None
        tint = element.get("tint", "0")
        return (WHITE if light else colour) + ("" if tint.strip("0.") == "" else f" {tint}")

    def behind(self, fill: "_Element") -> str | None:
        """The colour behind the text of a cell; None if it is a pattern or cannot be read."""
        pattern = fill.find("{*}patternFill")
        if pattern is None:
            return WHITE if not len(fill) else None
        kind = pattern.get("patternType", "none")
        if kind == "none":
            return WHITE
        return self.of(pattern.find("{*}fgColor")) if kind == "solid" else None


def _number(text: str | None) -> int:
    """An attribute as a number, -1 if it is missing or none."""
    try:
        return int(text or "-1")
    except ValueError:
        return -1
