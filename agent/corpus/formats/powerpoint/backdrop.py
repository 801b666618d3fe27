"""What is behind the text of a shape, and what is before it."""

from bisect import bisect
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..office.package import local
from ..visual_order import Box
from .colours import Colour
from .inheritance import Sheet, placeholder

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_COMPARED = 2000
"""Maximum number of shapes on a slide that are compared to find what is behind a text."""
_TOUCHED = 0.1
"""Fraction of a text's box from which another shape may be behind some of the text."""

Drawn = tuple["_Element", Box | None]
"""A shape and its place."""


class Backdrop:
    """The shapes of a slide as far as they are behind or before one another.

    Args:
        drawn: the shapes in the order in which they are drawn.
        scenery: those of the layout and the master, which are drawn before, in this order.
    """

    def __init__(self, sheet: Sheet, drawn: Sequence[Drawn], scenery: Sequence[tuple[Sheet, Drawn]]):
        self._sheet = sheet
        self._drawn = drawn
        self._scenery = scenery
        self._comparable = len(drawn) + len(scenery) <= _COMPARED

    def behind(self, at: int) -> Colour | None:
        """The colour behind the text of the shape at this place: its own, or what is below it. None: not plain."""
        filled, colour = self._fillings[at]
        return colour if filled else self.under(at)

    def under(self, at: int) -> Colour | None:
        """The colour of what is below a shape; None if it is not plain, or not the same everywhere."""
        box = self._drawn[at][1]
        if box is None or not self._comparable:
            return None
        for below in range(len(self._scenery) + at - 1, -1, -1):
            place, filled, colour = self._stack[below]
            if filled and place is not None and (shared := _shared(place, box)) >= _TOUCHED:
                return colour if shared > 1 - _TOUCHED else None
        return self._sheet.background

    def is_covered(self, at: int) -> bool:
        """Whether an opaque rectangle that is drawn later hides all of a shape."""
        box = self._drawn[at][1]
        if box is None:
            return False
        later = self._covers[bisect(self._covers, at, key=lambda cover: cover[0]) :]
        return any(
            cover.left <= box.left and cover.top <= box.top and cover.right >= box.right and cover.bottom >= box.bottom
            for _, cover in later
        )

    @cached_property
    def _covers(self) -> list[tuple[int, Box]]:
        """The places and boxes of opaque rectangles. None where animations may take them away."""
        if self._sheet.root.find("{*}timing") is not None or not self._comparable:
            return []
        return [
            (at, box)
            for at, (element, box) in enumerate(self._drawn)
            if box is not None
            and local(element) == "sp"
            and (shape := element.find("{*}spPr/{*}prstGeom")) is not None
            and shape.get("prst") == "rect"
            and self._fillings[at][0]
            and self._fillings[at][1] is not None
        ]

    @cached_property
    def _fillings(self) -> list[tuple[bool, Colour | None]]:
        return [filling(self._sheet, element) for element, _ in self._drawn]

    @cached_property
    def _stack(self) -> list[tuple[Box | None, bool, Colour | None]]:
        """All shapes from the lowest to the highest, with their fillings."""
        scenery = [(box, *filling(sheet, element)) for sheet, (element, box) in self._scenery]
        return scenery + [(box, *fill) for (_, box), fill in zip(self._drawn, self._fillings, strict=True)]


def filling(sheet: Sheet, element: "_Element") -> tuple[bool, Colour | None]:
    """Whether a shape is opaque, and in which colour; None if it is not plain."""
    if local(element) in ("pic", "graphicFrame", "contentPart"):
        return True, None
    ph = placeholder(element)
    bases = [element, *(sheet.bases_of(ph) if ph is not None else ())]
    for properties in (found for base in bases if (found := base.find("{*}spPr")) is not None):
        for child in properties:
            match local(child):
                case "solidFill":
                    colour, opacity = sheet.palette.of(child)
                    return (opacity > 0.1, colour if opacity > 0.9 else None)
                case "noFill":
                    return False, None
                case "gradFill" | "blipFill" | "pattFill" | "grpFill":
                    return True, None
                case _:
                    pass
    style = element.find("{*}style/{*}fillRef")
    if style is None or style.get("idx", "0") == "0":
        return False, None
    return True, sheet.palette.of(style)[0] if style.get("idx") == "1" else None


def _shared(place: Box, box: Box) -> float:
    """The fraction of `box` that `place` has in common with it."""
    width = min(place.right, box.right) - max(place.left, box.left)
    height = min(place.bottom, box.bottom) - max(place.top, box.top)
    area = (box.right - box.left) * (box.bottom - box.top)
    if area <= 0:
        return float(place.covers(box))
    return max(width, 0) * max(height, 0) / area
