"""The shapes of a slide as text, in visual order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..office.alternatives import shown_children
from ..office.package import local
from ..visual_order import Box, ordered
from .findings import Findings
from .geometry import Transform, box_of, inside
from .inheritance import Sheet, placeholder
from .shapes import ShapeReader

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_TITLES = ("title", "ctrTitle")
_NESTING = 40
"""Levels of groups that are read in visual order; what is deeper is read in the order of the file."""


@dataclass
class Shape:
    """A shape or a group on a slide."""

    element: "_Element"
    box: Box | None
    why_hidden: str = ""
    members: "list[Shape]" = field(default_factory=list)
    text: str = ""

    @property
    def title(self) -> bool:
        found = placeholder(self.element)
        return found is not None and found.get("type") in _TITLES


def shapes_of(sheet: Sheet, size: tuple[float, float] | None) -> list[Shape]:
    """The shapes of a sheet in the order in which they are drawn. `size` is that of the slide in EMU."""
    return list(_shapes(sheet, sheet.tree, Transform(), "", size, 0)) if sheet.tree is not None else []


def _shapes(
    sheet: Sheet, tree: "_Element", outer: Transform, hidden: str, size: tuple[float, float] | None, depth: int
) -> Iterator[Shape]:
    for element in shown_children(tree):
        kind = local(element)
        if kind not in ("sp", "pic", "graphicFrame", "grpSp", "contentPart", "cxnSp"):
            continue
        why = hidden or ("in a hidden shape" if _is_hidden(element) else "")
        if kind != "grpSp":
            box = _box(sheet, element, outer)
            if not why and size and box is not None and not box.meets(Box(0, 0, *size)):
                why = "outside the slide"
            yield Shape(element, box, why)
            continue
        xfrm = element.find("{*}grpSpPr/{*}xfrm")
        if depth < _NESTING:
            members = list(_shapes(sheet, element, inside(xfrm, outer), why, size, depth + 1))
        else:
            leaves = element.iter("{*}sp", "{*}pic", "{*}graphicFrame")
            members = [Shape(leaf, box_of(xfrm, outer), why) for leaf in leaves]
        yield Shape(element, box_of(xfrm, outer) or _around(members), why, members)


def leaves(shapes: Sequence[Shape]) -> Iterator[Shape]:
    """The shapes that are no groups, in the order in which they are drawn."""
    for shape in shapes:
        if local(shape.element) == "grpSp":
            yield from leaves(shape.members)
        else:
            yield shape


def slide_text(
    sheet: Sheet, size: tuple[float, float] | None, defaults: "_Element | None", findings: Findings
) -> tuple[str, list[str]]:
    """The title of a slide and the texts of its other shapes, in visual order."""
    shapes = shapes_of(sheet, size)
    drawn = [(leaf.element, leaf.box) for leaf in leaves(shapes)]
    reader = ShapeReader(sheet, defaults, findings, drawn, scenery(sheet, size))
    title = ""
    for at, leaf in enumerate(leaves(shapes)):
        text = reader.text(leaf.element, at, leaf.why_hidden)
        if leaf.title and text and not title:
            title = " ".join(text.split())
        else:
            leaf.text = text
    return title, [*_in_order(shapes, reader), *reader.controls()]


def scenery(sheet: Sheet, size: tuple[float, float] | None) -> "list[tuple[Sheet, tuple[_Element, Box | None]]]":
    """The shapes of the layout and the master that are seen behind those of a slide, the lowest first."""
    base = sheet.base
    if base is None or not sheet.shows_base:
        return []
    if base.scenery is None:
        own = [(leaf.element, leaf.box) for leaf in leaves(shapes_of(base, size)) if placeholder(leaf.element) is None]
        base.scenery = [*scenery(base, size), *((base, shape) for shape in own)]
    return base.scenery


def _in_order(shapes: Sequence[Shape], reader: ShapeReader) -> list[str]:
    units: list[tuple[Box | None, list[str]]] = []
    for shape in shapes:
        texts = [shape.text] if shape.text else _in_order(shape.members, reader)
        if not texts and shape.members and not shape.why_hidden:
            texts = [text for text in (reader.description(shape.element),) if text]
        if texts:
            # A group counts with what of it has text: lines and frames around it say nothing about the order.
            box = shape.box if not shape.members else _around([m for m in leaves(shape.members) if m.text]) or shape.box
            units.append((box, texts))
    return [text for _, texts in ordered(units, lambda unit: unit[0]) for text in texts]


def _around(shapes: Sequence[Shape]) -> Box | None:
    boxes = [shape.box for shape in shapes if shape.box is not None]
    if not boxes:
        return None
    left, top, right, bottom = zip(*boxes, strict=True)
    return Box(min(left), min(top), max(right), max(bottom))


def _box(sheet: Sheet, element: "_Element", outer: Transform) -> Box | None:
    """Where a shape is; a placeholder without a place of its own is where the layout puts it."""
    own = box_of(_xfrm(element), outer)
    ph = placeholder(element)
    if own is not None or ph is None:
        return own
    inherited = (box_of(_xfrm(base), Transform()) for base in sheet.bases_of(ph))
    return next((box for box in inherited if box is not None), None)


def _xfrm(element: "_Element") -> "_Element | None":
    found = element.find("{*}xfrm")
    return found if found is not None else element.find("{*}spPr/{*}xfrm")


def _is_hidden(element: "_Element") -> bool:
    properties = next((child.find("{*}cNvPr") for child in element if local(child).startswith("nv")), None)
    return properties is not None and properties.get("hidden") in ("1", "true")
