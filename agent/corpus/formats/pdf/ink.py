"""What the text of a page changes in its picture: the page is drawn with its text and without it, and compared.

A character that changes no pixel is not seen, whatever the reason: it has the colour of what is behind it, something
is drawn over it, it is clipped, transparent, or never painted.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pymupdf

_ZOOM = 1.5
"""Pixels per point. Strokes of small print become too pale to compare at less."""
_PIXELS = 3_000_000
"""Pixels of a picture, at most. A larger page is drawn smaller."""
_SEEN = 16
"""Difference of a colour component, of 255, from which on it is seen. The lightest grey of watermarks is 25."""
_CONTRAST = 60

_MARKS = frozenset(("Highlight", "Underline", "Squiggly", "StrikeOut", "Redact", "Caret", "Text"))
"""Annotations on text. Those to redact hide nothing before they are applied."""

Box = tuple[float, float, float, float]


class Ink:
    """Pictures of a page with text and without. Coordinates are those of the page as it is shown, in points."""

    def __init__(self, drawn: "pymupdf.DisplayList", area: Box | None = None, zoom: float = _ZOOM):
        """Args:
        area: the part of the page to look at; None: all of it.
        """
        self._drawn = drawn
        sheet = drawn.rect
        x0, y0, x1, y1 = area or (sheet.x0, sheet.y0, sheet.x1, sheet.y1)
        self._area = max(x0, sheet.x0), max(y0, sheet.y0), min(x1, sheet.x1), min(y1, sheet.y1)
        x0, y0, x1, y1 = self._area
        self.zoom = min(zoom, (_PIXELS / max((x1 - x0) * (y1 - y0), 1.0)) ** 0.5)
        self._left = self._top = 0

    @cached_property
    def complete(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        return self._draw(text=True)

    @cached_property
    def background(self) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        """Everything but the text."""
        return self._draw(text=False)

    @cached_property
    def _changed(self) -> "np.ndarray[Any, Any]":
        difference = self.complete - self.background  # modulo 256
        seen = (difference + np.uint8(_SEEN - 1)) > 2 * (_SEEN - 1)
        return np.asarray(seen[:, :, 0] | seen[:, :, 1] | seen[:, :, 2])

    def extent(self, box: Box) -> "np.ndarray[Any, Any]":
        """For each column of pixels of the box whether text changes a pixel of it; for each row if it is upright."""
        part = self._cut(self._changed, box)
        return np.asarray(part.any(axis=0 if part.shape[1] >= part.shape[0] else 1))

    def is_seen(self, box: Box) -> bool:
        """Whether text changes a pixel of the box."""
        return bool(self._cut(self._changed, box).any())

    def behind(self, box: Box) -> tuple[int, int, int]:
        """The median colour behind the text of the box."""
        part = self._cut(self.background, box).reshape(-1, 3)
        red, green, blue = np.median(part, axis=0) if len(part) else (255, 255, 255)
        return int(red), int(green), int(blue)

    def is_drawn(self, box: Box) -> bool:
        """Whether there is something like writing in the box that is not text: dark and light, as in a scan."""
        part = self._cut(self.background, box)
        if not part.size:
            return False
        grey = part.mean(axis=2)
        low, high = float(grey.min()), float(grey.max())
        if high - low < _CONTRAST:
            return False
        dark = float((grey < (low + high) / 2).mean())
        return 0.01 < dark < 0.99

    def part(self, box: Box) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        """The pixels of a box, without the text."""
        return self._cut(self.background, box)

    def _cut(self, picture: "np.ndarray[Any, Any]", box: Box) -> "np.ndarray[Any, Any]":
        x0, y0, x1, y1 = (edge * self.zoom for edge in box)
        left, top = max(int(x0) - self._left, 0), max(int(y0) - self._top, 0)
        right, bottom = int(np.ceil(x1)) - self._left, int(np.ceil(y1)) - self._top
        return picture[top : max(bottom, 0), left : max(right, 0)]

    def _draw(self, *, text: bool) -> "np.ndarray[Any, np.dtype[np.uint8]]":
        from pymupdf import mupdf

        pixmap = picture_of(self._drawn, self._area, self.zoom, text=text)
        self._left, self._top = mupdf.fz_pixmap_x(pixmap), mupdf.fz_pixmap_y(pixmap)
        samples = np.frombuffer(bytes(mupdf.fz_pixmap_samples_memoryview(pixmap)), np.uint8)
        return samples.reshape(pixmap.h(), pixmap.w(), 3)


def appearance(part: "np.ndarray[Any, np.dtype[np.uint8]]") -> bool | None:
    """Whether a picture looks like lines of writing; None if there is nothing in it, such as an even colour."""
    if part.shape[0] < 4 or part.shape[1] < 4:
        return None
    grey = part.mean(axis=2)
    common = float(np.bincount(grey.astype(np.uint8).ravel(), minlength=256).argmax())
    ink = np.abs(grey - common) > 60
    share = float(ink.mean())
    if share < 0.0005:
        return None
    even = float((np.abs(grey - common) < 24).mean())
    if even < 0.5 or share > 0.4:
        return False
    # Lines of writing: rows of pixels with many changes between ink and paper, apart from each other.
    changes = (ink[:, 1:] != ink[:, :-1]).sum(axis=1)
    written = changes >= max(8, 0.04 * min(part.shape[1], 400))
    lines = int((written[1:] & ~written[:-1]).sum())
    return lines >= 2 and float(written.mean()) > 0.02


def drawn_page(page: "pymupdf.Page") -> "pymupdf.DisplayList":
    """What is drawn on a page, without the highlights and other marks of readers, which hide nothing.

    MuPDF makes up an appearance for those that have none, which may be opaque.
    """
    import pymupdf
    from pymupdf import mupdf

    annotations: list[Any] = list(page.annots()) if page.first_annot else []
    if not any(annotation.type[1] in _MARKS for annotation in annotations):
        return page.get_displaylist()
    drawn = mupdf.FzDisplayList(mupdf.fz_bound_page(page.this))
    device = mupdf.fz_new_list_device(drawn)
    upright, cookie = mupdf.FzMatrix(), mupdf.FzCookie()
    mupdf.fz_run_page_contents(page.this, device, upright, cookie)
    mupdf.fz_run_page_widgets(page.this, device, upright, cookie)
    for annotation in annotations:
        if annotation.type[1] not in _MARKS:
            mupdf.pdf_run_annot(annotation.this, device, upright, cookie)
    mupdf.fz_close_device(device)
    return pymupdf.DisplayList(drawn)


def picture_of(drawn: "pymupdf.DisplayList", area: Box, zoom: float, *, text: bool) -> Any:
    """A part of a page as MuPDF's pixmap, on white, with text or without."""
    from pymupdf import mupdf

    matrix = mupdf.FzMatrix(zoom, 0, 0, zoom, 0, 0)
    x0, y0, x1, y1 = area
    scissor = mupdf.FzRect(x0, y0, max(x1, x0 + 1 / zoom), max(y1, y0 + 1 / zoom))
    pixels = mupdf.fz_round_rect(mupdf.fz_transform_rect(scissor, matrix))
    pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_rgb(), pixels, mupdf.FzSeparations(), 0)
    mupdf.fz_clear_pixmap_with_value(pixmap, 255)
    device = mupdf.fz_new_draw_device(matrix, pixmap)
    if not text:
        # MuPDF skips what a device has no function for. Text that clips is left in: it shows what is behind it.
        device.m_internal.fill_text = None
        device.m_internal.stroke_text = None
    mupdf.fz_run_display_list(drawn.this, device, mupdf.FzMatrix(), scissor, mupdf.FzCookie())
    mupdf.fz_close_device(device)
    return pixmap
