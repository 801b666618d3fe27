"""OCR of pages and parts of pages, by the Tesseract that PyMuPDF contains."""

import re
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pymupdf

    from .ink import Box

DPI = 300
"""Resolution at which scans are read."""
FIGURE_DPI = 200
"""Resolution at which other pictures are read, in half the time: their writing is seldom small."""
LOW_DPI = 150
"""Resolution below which small print may be lost: larger pages are read in bands, up to a number."""
_MOST_BANDS = 8
_OVERLAP = 24.0
"""Points by which bands overlap, so that no line is cut in both."""
_REPEATED = 2
"""Lines at the beginning of a band that may be in the one before, too."""
_PIXELS = 12_000_000
"""Pixels that are read at once: an A4 page at 300 dpi has 8.7 million. Tesseract takes some 30 bytes for each."""
_WORD = re.compile(r"[^\W\d_]{3,}|\d{2,}|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_SENSIBLE = 0.35
"""Fraction of what OCR separates by blanks that must be words or numbers; in drawings it reads lines as letters."""


class Reading(NamedTuple):
    text: str
    dpi: int
    """The resolution at which it was read."""

    @property
    def lowered(self) -> bool:
        return self.dpi < LOW_DPI


def recognize(
    page: "pymupdf.Page", box: "Box", *, dpi: int, language: str, tessdata: str, with_text: bool = False
) -> Reading:
    """Read what is drawn in a part of a page, apart from its text unless `with_text`.

    Raises:
        RuntimeError: Tesseract failed.
    """
    from .ink import drawn_page

    drawn = drawn_page(page)
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    bands = min(max(1, ceil(width * height * (LOW_DPI / 72) ** 2 / _PIXELS)), _MOST_BANDS)
    step = max(width, height) / bands
    overlap = _OVERLAP if bands > 1 else 0.0
    zoom = min(dpi / 72, (_PIXELS / max(min(width, height) * (step + overlap), 1.0)) ** 0.5)
    lines: list[str] = []
    for number in range(bands):
        start, end = number * step, (number + 1) * step + overlap
        upright = height >= width
        band = (x0, y0 + start, x1, min(y0 + end, y1)) if upright else (x0 + start, y0, min(x0 + end, x1), y1)
        before = lines[-_REPEATED:]
        found = _lines(drawn, band, zoom, language, tessdata, with_text=with_text)
        lines += [line for at, line in enumerate(found) if at >= _REPEATED or line not in before]
    return Reading("\n".join(lines), round(72 * zoom))


def _lines(
    drawn: "pymupdf.DisplayList", box: "Box", zoom: float, language: str, tessdata: str, *, with_text: bool
) -> list[str]:
    import pymupdf
    from pymupdf import mupdf

    from .ink import picture_of

    try:
        pixmap = pymupdf.Pixmap("raw", picture_of(drawn, box, zoom, text=with_text))
        pixmap.set_dpi(round(72 * zoom), round(72 * zoom))
        found = pixmap.pdfocr_tobytes(compress=False, language=language, tessdata=tessdata)
    except mupdf.FzErrorBase as error:
        raise RuntimeError(str(error)) from error
    with pymupdf.open(stream=found, filetype="pdf") as document:
        raw: list[Any] = document[0].get_text("blocks")  # pyright: ignore[reportAssignmentType]
    lines = (" ".join(line.split()) for block in raw for line in block[4].splitlines())
    return [line for line in lines if line]


def is_sensible(text: str) -> bool:
    """Whether what OCR read is text, and not lines of a drawing taken for letters."""
    parts = text.split()
    words = sum(_WORD.search(part) is not None for part in parts)
    return words > 0 and words >= _SENSIBLE * len(parts)
