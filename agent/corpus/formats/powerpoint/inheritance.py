"""What a slide inherits from its layout, its master and the presentation: places, lists and colours."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ..office.package import Package, local
from ..visual_order import Box
from .colours import Colour, Palette

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_TITLES = ("title", "ctrTitle")
_PLAIN = ("dt", "ftr", "sldNum", "hdr")
_MAX_LEVEL = 8


class Sheet:
    """A slide, layout or master: its part and the sheet that it inherits from."""

    def __init__(self, package: Package, part: str, root: "_Element", base: "Sheet | None"):
        self.package = package
        self.part = part
        self.root = root
        self.base = base
        self.scenery: list[tuple[Sheet, tuple[_Element, Box | None]]] | None = None
        """What of it and of its base is seen behind the shapes of slides, once that is known."""

    @property
    def tree(self) -> "_Element | None":
        return self.root.find("{*}cSld/{*}spTree")

    @cached_property
    def name(self) -> str:
        sheet = self.root.find("{*}cSld")
        return sheet.get("name", "") if sheet is not None else ""

    @property
    def shows_base(self) -> bool:
        """Whether shapes of the layout and the master are visible on it."""
        return self.root.get("showMasterSp", "1") not in ("0", "false")

    @cached_property
    def palette(self) -> Palette:
        if self.base is None:
            theme = next(iter(self.package.related(self.part, "theme")), None)
            mapping = self.root.find("{*}clrMap")
            return Palette(
                self.package.xml(theme.target) if theme else None, dict(mapping.items()) if mapping is not None else {}
            )
        override = self.root.find("{*}clrMapOvr/{*}overrideClrMapping")
        return self.base.palette.mapped(dict(override.items())) if override is not None else self.base.palette

    @cached_property
    def background(self) -> Colour | None:
        """The colour behind the shapes; None for pictures, gradients and what is not known."""
        found = self.root.find("{*}cSld/{*}bg")
        if found is None:
            return self.base.background if self.base is not None else (1.0, 1.0, 1.0)
        reference = found.find("{*}bgRef")
        if reference is not None:
            # 1001 is the first fill of the theme's background list, which is plain in nearly every theme.
            return self.palette.of(reference)[0] if reference.get("idx") in ("1001", "0") else None
        return self.palette.of(found.find("{*}bgPr/{*}solidFill"))[0]

    @cached_property
    def _placeholders(self) -> "list[tuple[str, str, _Element]]":
        """(type, idx, shape) of the placeholders."""
        found = self.root.iterfind(".//{*}nvPr/{*}ph")
        return [(*_names(ph), shape) for ph in found if (shape := _shape_of(ph)) is not None]

    def bases_of(self, ph: "_Element") -> "Iterator[_Element]":
        """The placeholders that a placeholder inherits from, the nearest first."""
        kind, index = _names(ph)
        sheet = self.base
        while sheet is not None:
            alike = [p for p in sheet._placeholders if _role(p[0]) == _role(kind)]
            by_index = sheet._placeholders if index != "0" else alike
            same = [p for p in by_index if p[1] == index] if sheet.base is not None else []
            same = same or alike
            if same:
                kind = same[0][0]
                yield same[0][2]
            sheet = sheet.base

    def list_styles(self, ph: "_Element | None") -> "list[_Element]":
        """The list styles of a shape's paragraphs that it inherits, the nearest first."""
        styles = (
            [found for base in self.bases_of(ph) for found in base.iterfind("{*}txBody/{*}lstStyle")]
            if ph is not None
            else []
        )
        master = self
        while master.base is not None:
            master = master.base
        role = _role(_names(ph)[0]) if ph is not None else ""
        name = {"title": "titleStyle", "body": "bodyStyle"}.get(role, "otherStyle")
        styles += master.root.iterfind(f"{{*}}txStyles/{{*}}{name}")
        return styles


def level_style(style: "_Element", level: int) -> "_Element | None":
    """The paragraph properties of a list style for a level, from 0."""
    return style.find(f"{{*}}lvl{min(max(level, 0), _MAX_LEVEL) + 1}pPr")


def placeholder(shape: "_Element") -> "_Element | None":
    """The p:ph of a shape that is a placeholder."""
    for child in shape:
        if local(child).startswith("nv"):
            return child.find("{*}nvPr/{*}ph")
    return None


def _names(ph: "_Element") -> tuple[str, str]:
    return ph.get("type", "obj"), ph.get("idx", "0")


def _role(kind: str) -> str:
    """What kinds of placeholders have in common: a title, a line at the slide's edge, or a body."""
    return "title" if kind in _TITLES else kind if kind in _PLAIN else "body"


def _shape_of(ph: "_Element") -> "_Element | None":
    properties = ph.getparent()
    names = properties.getparent() if properties is not None else None
    return names.getparent() if names is not None else None
