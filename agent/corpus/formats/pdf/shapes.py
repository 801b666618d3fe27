"""What is drawn before and after a piece of text, as far as boxes and plain colours tell.

It clears most of the text of pages with coloured tables, backgrounds and pictures, so that only what remains has to be
looked at pixel by pixel.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pymupdf

_RULE = 3.0
"""Height or width of a shape in points up to which it is a rule, which covers no text."""
_CONTRAST = 64
"""Difference of a colour component, of 255, from which on text is certain to be seen."""
_OPAQUE = 0.95

_FILLS = frozenset(("fill-path", "fill-image", "fill-imgmask", "fill-shade"))
_TEXTS = frozenset(("fill-text", "stroke-text", "ignore-text", "clip-text"))

Box = tuple[float, float, float, float]


class Shapes:
    """The filled shapes, pictures and texts of a page in drawing order. Coordinates ignore the page's rotation."""

    def __init__(self, page: "pymupdf.Page"):
        self._page = page
        fills: list[tuple[float, ...]] = []
        texts: list[tuple[float, ...]] = []
        self.pictures: list[Box] = []
        for number, (kind, box) in enumerate(page.get_bboxlog()):
            if kind in _TEXTS:
                texts.append((*box, number))
            elif kind in _FILLS and min(box[2] - box[0], box[3] - box[1]) > _RULE:
                fills.append((*box, number))
                if kind in ("fill-image", "fill-imgmask"):
                    self.pictures.append(box)
        self._fills = np.array(fills, float).reshape(-1, 5)
        self._texts = np.array(texts, float).reshape(-1, 5)

    def leave_visible(self, box: Box, color: int) -> bool:
        """Whether text of this colour in this box is certain to be seen, given that it is painted."""
        x0, y0, x1, y1 = box
        fills = self._fills
        over = fills[(fills[:, 0] < x1) & (fills[:, 2] > x0) & (fills[:, 1] < y1) & (fills[:, 3] > y0)]
        if not len(over):
            return _contrast(color, 0xFFFFFF) > _CONTRAST
        x, y = (x0 + x1) / 2, (y0 + y1) / 2
        texts = self._texts
        own = texts[(texts[:, 0] <= x) & (texts[:, 2] >= x) & (texts[:, 1] <= y) & (texts[:, 3] >= y), 4]
        if not len(own) or over[-1, 4] > own.min():
            return False
        fx0, fy0, fx1, fy1, number = over[-1]
        behind = self._plain.get(int(number))
        inside = fx0 <= x0 + 1 and fy0 <= y0 + 3 and fx1 >= x1 - 1 and fy1 >= y1 - 3
        return behind is not None and inside and _contrast(color, behind) > _CONTRAST

    @cached_property
    def _plain(self) -> dict[int, int]:
        """The colours of the rectangles that are filled with one and let nothing through."""
        colors: dict[int, int] = {}
        raw: Any = self._page.get_cdrawings()
        for drawing in raw:
            fill, items = drawing.get("fill"), drawing["items"]
            if fill and len(items) == 1 and items[0][0] == "re" and drawing.get("fill_opacity", 0) >= _OPAQUE:
                red, green, blue = (round(255 * part) for part in fill)
                colors[drawing["seqno"]] = red << 16 | green << 8 | blue
        return colors


def _contrast(a: int, b: int) -> int:
    return max(abs((a >> shift & 255) - (b >> shift & 255)) for shift in (0, 8, 16))
