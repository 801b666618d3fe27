"""Where shapes are on a slide, through groups, rotation and flips.

Lengths are in EMU (914,400 to the inch, 12,700 to the point), from the top left corner of the slide.
"""

import math
from typing import TYPE_CHECKING, NamedTuple

from ..visual_order import Box

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

POINT = 12_700
_UNITS = {"in": 914_400, "cm": 360_000, "mm": 36_000, "pt": POINT, "pc": 12 * POINT, "pi": 12 * POINT}


class Transform(NamedTuple):
    """x' = ax + cy + e; y' = bx + dy + f."""

    a: float = 1
    b: float = 0
    c: float = 0
    d: float = 1
    e: float = 0
    f: float = 0

    def after(self, first: "Transform") -> "Transform":
        a, b, c, d, e, f = first
        return Transform(
            self.a * a + self.c * b,
            self.b * a + self.d * b,
            self.a * c + self.c * d,
            self.b * c + self.d * d,
            self.a * e + self.c * f + self.e,
            self.b * e + self.d * f + self.f,
        )

    def box(self, x: float, y: float, width: float, height: float) -> Box:
        corners = [(x, y), (x + width, y), (x, y + height), (x + width, y + height)]
        across = [self.a * x + self.c * y + self.e for x, y in corners]
        down = [self.b * x + self.d * y + self.f for x, y in corners]
        return Box(min(across), min(down), max(across), max(down))


def box_of(xfrm: "_Element | None", outer: Transform) -> Box | None:
    """The box of a shape with this a:xfrm on the slide; None if it has no place of its own."""
    frame = _frame(xfrm)
    if frame is None or xfrm is None:
        return None
    return outer.after(_turn(xfrm, frame)).box(*frame)


def inside(xfrm: "_Element | None", outer: Transform) -> Transform:
    """The transform of the shapes in a group with this a:xfrm."""
    frame = _frame(xfrm)
    if frame is None or xfrm is None:
        return outer
    child = _frame(xfrm, "chOff", "chExt") or frame
    across = frame[2] / child[2] if child[2] else 1.0
    down = frame[3] / child[3] if child[3] else 1.0
    placed = Transform(across, 0, 0, down, frame[0] - child[0] * across, frame[1] - child[1] * down)
    return outer.after(_turn(xfrm, frame)).after(placed)


def _frame(xfrm: "_Element | None", off: str = "off", ext: str = "ext") -> tuple[float, float, float, float] | None:
    corner, size = (xfrm.find(f"{{*}}{off}"), xfrm.find(f"{{*}}{ext}")) if xfrm is not None else (None, None)
    if corner is None or size is None:
        return None
    try:
        left, top = (_emu(corner.get(name, "0")) for name in ("x", "y"))
        width, height = (_emu(size.get(name, "0")) for name in ("cx", "cy"))
    except ValueError:
        return None
    return left, top, width, height


def _emu(text: str) -> float:
    """A coordinate, which is a number of EMU, or has a unit in Strict Open XML."""
    unit = _UNITS.get(text[-2:])
    value = float(text[:-2]) * unit if unit else float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _turn(xfrm: "_Element", frame: tuple[float, float, float, float]) -> Transform:
    """The flips and the rotation of a shape around its centre."""
    try:
        angle = math.radians(float(xfrm.get("rot", "0")) / 60_000)
    except ValueError:
        angle = 0.0
    across = -1 if xfrm.get("flipH") in ("1", "true") else 1
    down = -1 if xfrm.get("flipV") in ("1", "true") else 1
    if not angle and across == down == 1:
        return Transform()
    x, y = frame[0] + frame[2] / 2, frame[1] + frame[3] / 2
    cos, sin = math.cos(angle), math.sin(angle)
    turned = Transform(cos * across, sin * across, -sin * down, cos * down)
    return Transform(1, 0, 0, 1, x, y).after(turned).after(Transform(1, 0, 0, 1, -x, -y))
