"""Styles: what a paragraph, a text or a slide inherits (ISO/IEC 26300-1, 16)."""

from functools import lru_cache
from typing import TYPE_CHECKING

from .names import attribute, child, children, name, prefixed

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_PROPERTIES = (
    "style:text-properties",
    "style:paragraph-properties",
    "style:graphic-properties",
    "style:drawing-page-properties",
    "style:section-properties",
    "style:table-cell-properties",
    "style:table-properties",
)
_MAX_PARENTS = 50
NUMBER_FORMATS = {"1": "decimal", "a": "lowerLetter", "A": "upperLetter", "i": "lowerRoman", "I": "upperRoman"}
"""Values of style:num-format to names in `word.number_formats`."""


class Styles:
    """The styles that the content of one part can name: its automatic ones, and the common ones."""

    def __init__(self, part: "_Element", common: "_Element | None"):
        self._styles: dict[tuple[str, str], _Element] = {}
        self._defaults: dict[str, _Element] = {}
        self._lists: dict[str, _Element] = {}
        self.outline: _Element | None = None
        self._layouts: dict[str, _Element] = {}
        self._masters: dict[str, _Element] = {}
        holders = [
            (root, kind)
            for root in (common, part)
            if root is not None
            for kind in ("office:styles", "office:automatic-styles")
        ]
        for root, kind in holders:
            # Automatic styles of the other part have the same names and are others.
            if kind == "office:automatic-styles" and root is not part:
                for layout in (children(found, "style:page-layout") for found in children(root, kind)):
                    self._layouts.update({attribute(one, "style:name"): one for one in layout})
                continue
            for found in children(root, kind):
                self._add(found)
        for root in (common, part):
            masters = child(root, "office:master-styles") if root is not None else None
            for master in children(masters, "style:master-page") if masters is not None else ():
                self._masters[attribute(master, "style:name")] = master
        self.of = lru_cache(8192)(self._of)

    def _add(self, holder: "_Element") -> None:
        for element in holder:
            key = attribute(element, "style:name")
            match name(element):
                case "style:style":
                    self._styles[attribute(element, "style:family"), key] = element
                case "style:default-style":
                    self._defaults[attribute(element, "style:family")] = element
                case "text:list-style":
                    self._lists[key] = element
                case "text:outline-style":
                    self.outline = element
                case "style:page-layout":
                    self._layouts[key] = element
                case _:
                    pass

    def _of(self, family: str, style: str) -> dict[str, str]:
        """All properties of a style by the names of their attributes, with those that it inherits.

        Beside formatting these are "style:list-style-name", "style:master-page-name" and the like.
        """
        chain: list[_Element] = []
        current = style
        while len(chain) < _MAX_PARENTS and (element := self._styles.get((family, current))) is not None:
            chain.append(element)
            current = attribute(element, "style:parent-style-name")
        if family in self._defaults:
            chain.append(self._defaults[family])
        found: dict[str, str] = {}
        for element in reversed(chain):
            found.update({prefixed(key): value for key, value in element.items()})
            for properties in children(element, *_PROPERTIES):
                kind = name(properties).partition(":")[2].removesuffix("-properties")
                for key, value in properties.items():
                    short = prefixed(key)
                    # A background of the text is another than that of the paragraph.
                    found[
                        f"{kind} {short}" if short.startswith(("fo:background", "draw:fill", "draw:opacity")) else short
                    ] = value
        return found

    def list_style(self, style: str) -> "_Element | None":
        return self._lists.get(style)

    def master(self, style: str) -> "_Element | None":
        return self._masters.get(style)

    def masters(self) -> "list[_Element]":
        return list(self._masters.values())

    def page_number_format(self, master: str) -> str:
        """How the numbers of a master page's pages are written, as `word.number_formats` names it."""
        layout = (
            self._layouts.get(attribute(found, "style:page-layout-name"))
            if (found := self.master(master)) is not None
            else None
        )
        properties = child(layout, "style:page-layout-properties") if layout is not None else None
        return NUMBER_FORMATS.get(
            attribute(properties, "style:num-format") if properties is not None else "1", "decimal"
        )

    def page_colours(self) -> set[str]:
        """The colours of the pages of all masters; "" for pictures and gradients."""
        found: set[str] = set()
        for layout in self._layouts.values():
            properties = child(layout, "style:page-layout-properties")
            colour = attribute(properties, "fo:background-color") if properties is not None else ""
            fill = attribute(properties, "draw:fill", "none") if properties is not None else "none"
            plain = colour if colour.startswith("#") else "#ffffff"
            found.add(plain if fill in ("none", "solid") else "")
        return found or {"#ffffff"}

    def page_size(self, master: "_Element | None") -> tuple[float, float] | None:
        """Width and height of a master page in points."""
        layout = self._layouts.get(attribute(master, "style:page-layout-name")) if master is not None else None
        properties = child(layout, "style:page-layout-properties") if layout is not None else None
        if properties is None:
            return None
        width, height = (length(attribute(properties, f"fo:page-{side}")) for side in ("width", "height"))
        return (width, height) if width and height else None


_UNITS = {"cm": 72 / 2.54, "mm": 72 / 25.4, "in": 72.0, "inch": 72.0, "pt": 1.0, "pc": 12.0, "px": 0.75}


def length(text: str) -> float:
    """A length in points; 0 of what is none."""
    text = text.strip()
    unit = text.lstrip("+-0123456789.eE")
    try:
        return float(text[: len(text) - len(unit)]) * _UNITS.get(unit.strip(), 0.0)
    except ValueError:
        return 0.0
