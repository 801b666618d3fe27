"""The styles of a page that decide whether its text is seen, and how: inline ones, and rules with simple selectors.

A rule is used if its selector is one compound of a tag, classes and an identifier (`p.note`, `.x`, `#y`); rules that
depend on where an element stands are not, and neither are those for print or for small screens.
"""

import functools
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

Declarations = Mapping[str, str]

_USED = frozenset(
    (
        *("display", "visibility", "opacity", "font-size", "color", "background", "background-color"),
        *("background-image", "position", "left", "top", "right", "bottom", "text-indent", "clip", "clip-path"),
        *("overflow", "overflow-x", "overflow-y", "width", "height", "max-height", "max-width", "transform"),
        *("vertical-align", "text-decoration", "text-decoration-line", "list-style", "list-style-type"),
        *("white-space", "animation", "transition", "background-clip", "-webkit-background-clip"),
        *("-webkit-text-fill-color",),
    )
)
_TOKEN = re.compile(r"([^{};]*)([{};])")
_SIMPLE = re.compile(r"\s*([A-Za-z][\w-]*|\*)?((?:[.#][\w-]+)*)\s*\Z")
_PART = re.compile(r"([.#])([\w-]+)")
_SCREEN = re.compile(r"@(?:media\s+(?:only\s+)?(?:all|screen)\s*\Z|layer\b|supports\b)", re.IGNORECASE)
_LENGTH = re.compile(r"\s*(-?\d*\.?\d+)\s*(px|pt|em|rem|%|pc|in|cm|mm|ex|vw|vh)?\s*\Z", re.IGNORECASE)
_PIXELS = {"px": 1.0, "": 1.0, "pt": 4 / 3, "pc": 16.0, "in": 96.0, "cm": 37.8, "mm": 3.78, "rem": 16.0, "em": 16.0}
_HEX = re.compile(r"#([0-9a-f]{3,8})\Z")
_FUNCTION = re.compile(r"rgba?\(\s*([^)]*)\)\Z")
_NAMED = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "red": (255, 0, 0),
    "lime": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "aqua": (0, 255, 255),
    "cyan": (0, 255, 255),
    "magenta": (255, 0, 255),
    "fuchsia": (255, 0, 255),
    "gray": (128, 128, 128),
    "grey": (128, 128, 128),
    "silver": (192, 192, 192),
    "maroon": (128, 0, 0),
    "green": (0, 128, 0),
    "navy": (0, 0, 128),
    "olive": (128, 128, 0),
    "teal": (0, 128, 128),
    "purple": (128, 0, 128),
    "orange": (255, 165, 0),
    "snow": (255, 250, 250),
    "ivory": (255, 255, 240),
    "ghostwhite": (248, 248, 255),
    "whitesmoke": (245, 245, 245),
    "floralwhite": (255, 250, 240),
    "mintcream": (245, 255, 250),
    "azure": (240, 255, 255),
    "seashell": (255, 245, 238),
    "beige": (245, 245, 220),
    "lightgray": (211, 211, 211),
    "lightgrey": (211, 211, 211),
    "darkgray": (169, 169, 169),
    "pink": (255, 192, 203),
}
_SMALLEST = 2.67
"""Pixels of the smallest letters that can be seen: 2 points."""
_ALIKE = 16
"""Difference of colours, of 255, that nobody sees."""
_AWAY = -900.0
"""Pixels left of or above the page that put text out of it."""

Colour = tuple[int, int, int]


class Look(NamedTuple):
    """What an element inherits, as far as it decides whether text is seen."""

    size: float = 16.0
    """Of letters, in pixels."""
    invisible: bool = False
    colour: Colour | None = (0, 0, 0)
    """None: not known. Transparent text is hidden at once."""
    background: Colour | None = (255, 255, 255)
    transparent: bool = False

    @property
    def why(self) -> str:
        """How text with this look is hidden; empty if it is seen."""
        if self.invisible:
            return "visibility: hidden"
        if self.size < _SMALLEST:
            return "letters of no size"
        if self.transparent:
            return "transparent"
        if self.colour and self.background and _alike(self.colour, self.background):
            return "the colour of its background"
        return ""


class Styles:
    """The rules of a page."""

    def __init__(self) -> None:
        self._rules: dict[str, list[tuple[int, int, str, frozenset[str], Declarations]]] = {}
        """By the class (".x"), identifier ("#y") or tag that an element must have: (specificity, order, tag, all names
        that it must have, declarations)."""
        self._order = 0
        self.unknown_backgrounds = False
        """Something that is not evaluated sets a background, so that white text may be seen."""

    @property
    def any(self) -> bool:
        return bool(self._rules)

    def add(self, css: str) -> None:
        """Add the rules of a style sheet."""
        for selectors, declarations in _rules(css):
            if not declarations:
                continue
            for selector in selectors.split(","):
                match = _SIMPLE.match(selector)
                if match is None or not selector.strip():
                    self.unknown_backgrounds |= any(name.startswith("background") for name in declarations)
                    continue
                tag = (match[1] or "").lower().strip("*")
                parts = _PART.findall(match[2])
                names = frozenset(sign + name for sign, name in parts)
                key = min(names, default=tag or "*")  # "#" comes before "."
                weight = sum(100 if sign == "#" else 10 for sign, _ in parts) + bool(tag)
                self._order += 1
                self._rules.setdefault(key, []).append((weight, self._order, tag, names, declarations))

    def of(self, tag: str, attributes: Mapping[str, str]) -> Declarations:
        """The declarations that apply to an element."""
        found: list[tuple[int, int, str, frozenset[str], Declarations]] = []
        if self._rules:
            names = {f".{name}" for name in attributes.get("class", "").split()}
            if name := attributes.get("id"):
                names.add(f"#{name}")
            for key in (*names, tag, "*"):
                for rule in self._rules.get(key, ()):
                    if (not rule[2] or rule[2] == tag) and rule[3] <= names:
                        found.append(rule)
        inline = attributes.get("style")
        if not found and not inline:
            return {}
        result: dict[str, str] = {}
        for *_, declarations in sorted(found, key=lambda rule: rule[:2]):
            result.update(declarations)
        result.update(parsed(inline or ""))
        return result


def parsed(style: str) -> dict[str, str]:
    """The declarations of a style that are used here, in lower case."""
    found: dict[str, str] = {}
    for declaration in style.split(";"):
        name, colon, value = declaration.partition(":")
        name = name.strip().lower()
        if colon and name in _USED:
            found[name] = value.lower().replace("!important", "").strip()
    return found


def removed(tag: str, attributes: Mapping[str, str], style: Declarations) -> str:
    """How an element is hidden with all that is in it; empty if it is not."""
    if "hidden" in attributes and style.get("display", "none") == "none":
        return "the attribute hidden"
    if (tag == "dialog" and "open" not in attributes) or "popover" in attributes:
        return "" if style.get("display", "none") != "none" else "a closed dialog"
    if not style:
        return ""
    if style.get("display") == "none":
        return "display: none"
    opacity = _pixels(style.get("opacity", ""))
    if opacity is not None and opacity < 0.05 and not ("animation" in style or "transition" in style):
        return "transparent"
    return "off the page" if _is_away(style) else ""


def looks(inherited: Look, attributes: Mapping[str, str], style: Declarations) -> Look:
    """The look of an element."""
    size, invisible, colour, background, transparent = inherited
    if value := style.get("font-size"):
        size = _size(value, size)
    if value := style.get("visibility"):
        invisible = value in ("hidden", "collapse")
    if value := style.get("color") or attributes.get("color"):
        transparent = _alpha(value) < 0.05 and "text" not in (
            style.get("background-clip"),
            style.get("-webkit-background-clip"),
        )
        if value not in ("inherit", "currentcolor", "unset"):
            colour = _colour(value)
    if fill := style.get("-webkit-text-fill-color"):
        transparent = False
        colour = _colour(fill)
    value = style.get("background-color") or style.get("background") or attributes.get("bgcolor")
    if "background-image" in style or "url(" in (value or "") or "gradient(" in (value or ""):
        background = None
    elif value and value not in ("none", "transparent", "inherit", "initial"):
        background = None if _alpha(value) < 0.95 else _colour(value)
    return Look(size, invisible, colour, background, transparent)


@functools.lru_cache(maxsize=8)  # the chapters of a book have one style sheet
def _rules(css: str) -> list[tuple[str, dict[str, str]]]:
    """(selectors, declarations) of the rules for screens."""
    return list(_parsed_rules(css))


def _parsed_rules(css: str) -> Iterator[tuple[str, dict[str, str]]]:
    opened: list[str] = []  # "skip", "group" or "rule"
    selectors, declarations = "", list[str]()
    for before, sign in _TOKEN.findall(_uncommented(css)):
        inside = opened[-1] if opened else ""
        if sign == "{":
            before = before.strip()
            if inside in ("skip", "rule") or (before.startswith("@") and not _SCREEN.match(before)):
                opened.append("skip")
            elif before.startswith("@"):
                opened.append("group")
            else:
                opened.append("rule")
                selectors, declarations = before, []
        elif sign == ";" and inside == "rule":
            declarations.append(before)
        elif sign == "}" and opened and opened.pop() == "rule":
            yield selectors, parsed(";".join([*declarations, before]))


def _uncommented(css: str) -> str:
    first, *rest = css.replace("<!--", "").replace("-->", "").split("/*")
    return first + "".join(part.partition("*/")[2] for part in rest)


def _is_away(style: Declarations) -> bool:
    placed = style.get("position") in ("absolute", "fixed", "relative")
    if placed and any((_pixels(style.get(side, "")) or 0.0) < _AWAY for side in ("left", "top", "right", "bottom")):
        return True
    if (_pixels(style.get("text-indent", "")) or 0.0) < _AWAY:
        return True
    clip, path, moved = (style.get(name, "").replace(" ", "") for name in ("clip", "clip-path", "transform"))
    if style.get("position") in ("absolute", "fixed") and re.match(r"rect\(([01](px)?,?){4}\)", clip):
        return True
    if re.match(r"inset\((50|100)%", path) or path.startswith("circle(0") or moved.startswith("scale(0)"):
        return True
    if re.match(r"translate[xy3d]*\(-\d{4,}", moved):
        return True
    clipped = any(style.get(name) in ("hidden", "clip") for name in ("overflow", "overflow-x", "overflow-y"))
    sides = [_pixels(style.get(name, "")) for name in ("width", "height", "max-height", "max-width")]
    return clipped and any(side is not None and side <= 1 for side in sides)


def _size(value: str, inherited: float) -> float:
    match = _LENGTH.match(value)
    if match is None:
        return {"inherit": inherited, "smaller": inherited, "larger": inherited}.get(value, 16.0)
    number, unit = float(match[1]), (match[2] or "px").lower()
    if unit in ("em", "%", "ex"):
        return inherited * number / (100 if unit == "%" else 1)
    return number * _PIXELS.get(unit, 16.0)


def _pixels(value: str) -> float | None:
    match = _LENGTH.match(value)
    if match is None:
        return None
    unit = (match[2] or "").lower()
    if unit == "%":
        return float(match[1]) / 100 if float(match[1]) >= 0 else float(match[1]) * 10
    return float(match[1]) * _PIXELS.get(unit, 16.0)


def _colour(value: str) -> Colour | None:
    value = value.strip().lower()
    if value in _NAMED:
        return _NAMED[value]
    if match := _HEX.match(value if value.startswith("#") else f"#{value}"):
        digits = match[1]
        if len(digits) in (3, 4):
            red, green, blue = (int(digit * 2, 16) for digit in digits[:3])
            return red, green, blue
        if len(digits) in (6, 8):
            return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)
        return None
    if match := _FUNCTION.match(value):
        parts = [part for part in re.split(r"[\s,/]+", match[1]) if part]
        try:
            numbers = [float(p[:-1]) * 2.55 if p.endswith("%") else float(p) for p in parts[:3]]
        except ValueError:
            return None
        return (int(numbers[0]), int(numbers[1]), int(numbers[2])) if len(numbers) == 3 else None
    return None


def _alpha(value: str) -> float:
    value = value.strip().lower()
    if value == "transparent":
        return 0.0
    if (match := _HEX.match(value)) and len(match[1]) in (4, 8):
        digits = match[1][3:] if len(match[1]) == 4 else match[1][6:]
        return int(digits, 16) / (15 if len(digits) == 1 else 255)
    if match := _FUNCTION.match(value):
        parts = [part for part in re.split(r"[\s,/]+", match[1]) if part]
        if len(parts) == 4:
            try:
                return float(parts[3].rstrip("%")) / (100 if parts[3].endswith("%") else 1)
            except ValueError:
                return 1.0
    return 1.0


def _alike(one: Colour, other: Colour) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= _ALIKE
