"""Where the shapes of a slide are. Lengths are in points."""

import math
import re
from typing import TYPE_CHECKING

from ..visual_order import Box
from .names import attribute, name
from .styles import length

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_STEP = re.compile(r"(rotate|translate)\s*\(([^)]*)\)")


def box_of(shape: "_Element") -> Box | None:
    """The box of a shape; None if it has no place."""
    if attribute(shape, "svg:x1"):  # a line
        xs = [length(attribute(shape, f"svg:x{end}")) for end in "12"]
        ys = [length(attribute(shape, f"svg:y{end}")) for end in "12"]
        return Box(min(xs), min(ys), max(xs), max(ys))
    width, height = length(attribute(shape, "svg:width")), length(attribute(shape, "svg:height"))
    left, top = length(attribute(shape, "svg:x")), length(attribute(shape, "svg:y"))
    steps = _STEP.findall(attribute(shape, "draw:transform"))
    if not steps:
        return Box(left, top, left + width, top + height) if attribute(shape, "svg:x") or width or height else None
    corners = [(left, top), (left + width, top), (left, top + height), (left + width, top + height)]
    for kind, given in steps:
        values = given.replace(",", " ").split()
        if kind == "translate":
            across, down = (length(value) for value in (*values, "0pt", "0pt")[:2])
            corners = [(x + across, y + down) for x, y in corners]
            continue
        try:
            angle = -float(values[0]) if values else 0.0  # counter-clockwise, while y grows downwards
        except ValueError:
            angle = 0.0
        cos, sin = math.cos(angle), math.sin(angle)
        corners = [(x * cos - y * sin, x * sin + y * cos) for x, y in corners]
    xs, ys = zip(*corners, strict=True)
    return Box(min(xs), min(ys), max(xs), max(ys))


def inner_box(group: "_Element") -> Box | None:
    """The box around the shapes of a group, which has none of its own."""
    boxes: list[Box] = []
    for shape in group.iter():
        if name(shape).startswith("draw:") and (box := box_of(shape)) is not None:
            boxes.append(box)
    if not boxes:
        return None
    left, top, right, bottom = zip(*boxes, strict=True)
    return Box(min(left), min(top), max(right), max(bottom))
