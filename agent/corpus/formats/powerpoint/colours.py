"""Colours of a slide: those of the theme by name, and whether two can be told apart."""

import colorsys
from typing import TYPE_CHECKING

from ..office.package import local

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

Colour = tuple[float, float, float]
"""Red, green and blue from 0 to 1."""

_SAME = 0.04
"""Maximum difference in a channel of colours that nobody can tell apart."""
_CLEAR = 0.05
"""Opacity below which text is invisible."""
_PRESET = {"black": "000000", "white": "FFFFFF", "red": "FF0000", "blue": "0000FF", "yellow": "FFFF00"}


class Palette:
    """The theme's colours, as a master or a slide maps their names."""

    def __init__(self, theme: "_Element | None", mapping: dict[str, str]):
        self._mapping: dict[str, str] = mapping
        self._colours: dict[str, str] = {}
        scheme = theme.find(".//{*}clrScheme") if theme is not None else None
        for element in scheme if scheme is not None else ():
            for value in element:
                self._colours[local(element)] = value.get("lastClr") or value.get("val", "")

    def mapped(self, mapping: dict[str, str]) -> "Palette":
        changed = Palette(None, {**self._mapping, **mapping})
        changed._colours = self._colours
        return changed

    def of(self, element: "_Element | None") -> tuple[Colour | None, float]:
        """The colour in an a:solidFill or the like, None if it is not known, and its opacity."""
        value = next((child for child in element), None) if element is not None else None
        if value is None:
            return None, 1.0
        name, given = local(value), str(value.get("val", ""))
        match name:
            case "srgbClr":
                colour = _rgb(given)
            case "sysClr":
                colour = _rgb(value.get("lastClr", ""))
            case "prstClr":
                colour = _rgb(_PRESET.get(given, ""))
            case "schemeClr":
                colour = _rgb(self._colours.get(self._mapping.get(given, given), ""))
            case _:
                colour = None
        opacity = 1.0
        for modifier in value:
            kind, amount = local(modifier), _fraction(modifier.get("val", ""))
            if kind == "alpha":
                opacity = amount
            elif colour is not None:
                colour = _modified(colour, kind, amount)
        return colour, opacity


def alike(a: Colour, b: Colour) -> bool:
    """Whether text in one colour cannot be seen on the other."""
    return all(abs(x - y) <= _SAME for x, y in zip(a, b, strict=True))


def clear(opacity: float) -> bool:
    return opacity < _CLEAR


def _rgb(text: str) -> Colour | None:
    try:
        value = int(text, 16) if len(text) == 6 else -1
    except ValueError:
        return None
    return ((value >> 16) / 255, (value >> 8 & 255) / 255, (value & 255) / 255) if value >= 0 else None


def _fraction(text: str) -> float:
    try:
        return float(text.rstrip("%")) / (100 if text.endswith("%") else 100_000)
    except ValueError:
        return 1.0


def _modified(colour: Colour, kind: str, amount: float) -> Colour | None:
    if kind not in ("lumMod", "lumOff"):
        return None  # tints and shades: what they give depends on the program
    hue, light, saturation = colorsys.rgb_to_hls(*colour)
    light = light * amount if kind == "lumMod" else light + amount
    return colorsys.hls_to_rgb(hue, min(max(light, 0.0), 1.0), saturation)
