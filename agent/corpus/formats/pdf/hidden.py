"""Text of a PDF page that a reader does not see: what is in its text layer but not in its picture.

Most pages are cleared by a look at the operators in their content, which takes a fraction of the time of extracting
their text. The others are drawn with their text and without it (`ink.py`).
"""

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from .content import may_hide

if TYPE_CHECKING:
    import pymupdf

    from .ink import Box

_TINY = 2.0
"""Size in points as drawn below which nobody reads a text."""
_RUN = 3
"""Letters without ink in a row that are hidden; one or two are a glyph whose box is not where its ink is."""
_ALIKE = 40
"""Sum of the differences of colour components below which a text is said to have the colour of what is behind it."""
_AROUND = 60.0
"""Points around text that are drawn with it."""
_FAINT = 8
"""Opacity, of 255, below which text is called transparent."""
_SOLID = 64
"""Opacity from which on text on white is certain to be seen."""
_SCAN = 0.5
"""Fraction of a page that pictures cover in a scan."""
_BESIDE = 4
"""Distance in lines' heights at which the text layer of a scan may be beside the text."""
_HARMLESS = (1, 16, 19)
"""MuPDF's numbers for links, popups and fields of forms, which cover no text."""
_PAINTED = 16 | 32
_CLIPS = 64
"""A character's flag in MuPDF: its shape clips what is drawn after it."""

COLOR = "in the colour of what is behind it"
TINY = "smaller than 2 points"
INVISIBLE = "drawn as invisible"
TRANSPARENT = "transparent"
COVERED = "covered or cut off"
OUTSIDE = "outside of the page"
LAYER = "in a layer that is switched off"

Place = tuple[str, int, int]


def place(char: str, origin: tuple[float, float]) -> Place:
    """The identity of a character on a page, whose origin is as `Page.get_text("rawdict")` gives it."""
    return char, round(origin[0] * 2), round(origin[1] * 2)


class Hidden(NamedTuple):
    """The hidden text of a page."""

    places: frozenset[Place]
    """The characters that must be left out of the page's text. They may be there, but need not."""
    texts: tuple[tuple[str, str], ...]
    """Why and what, in the order in which it is drawn."""

    def words(self) -> Counter[str]:
        """The number of words by the reason why they are hidden."""
        counts: Counter[str] = Counter()
        for why, text in self.texts:
            counts[why] += len(text.split()) or 1
        return counts


def hidden_text(page: "pymupdf.Page", content: bytes, *, suspect: bool = False) -> Hidden | None:
    """The hidden text of a page, None if there is none.

    Args:
        content: the page's content stream.
        suspect: look closely, even if the content of the page gives no cause.
    """
    if not suspect and not _is_suspect(page, content):
        return None
    return _Search(page).run()


def _is_suspect(page: "pymupdf.Page", content: bytes) -> bool:
    """Whether something in the content of a page could hide text."""
    from pymupdf import mupdf

    if page.first_annot and any(kind not in _HARMLESS for _, kind, _ in page.annot_xrefs()):
        return True
    sheet = mupdf.fz_bound_page_box(page.this, mupdf.FZ_MEDIA_BOX)
    cropped = mupdf.fz_bound_page_box(page.this, mupdf.FZ_CROP_BOX)
    width, height = sheet.x1 - sheet.x0, sheet.y1 - sheet.y0
    if cropped.x1 - cropped.x0 < width or cropped.y1 - cropped.y0 < height:
        return True
    if page.rotation % 180:
        width, height = height, width
    return may_hide(content, lambda x, y: 0 <= x <= width and 0 <= y <= height)


class _Letter(NamedTuple):
    char: str
    origin: tuple[float, float]
    box: "Box"
    span: dict[str, Any]


class _Search:
    """Coordinates are those of the page as it is shown."""

    def __init__(self, page: "pymupdf.Page"):
        from .shapes import Shapes

        self.page = page
        self._turn = page.rotation_matrix if page.rotation else None
        self.bounds = page.rect * page.derotation_matrix
        self.shapes = Shapes(page)
        self.places: set[Place] = set()
        self.texts: list[tuple[str, str]] = []

    def run(self) -> Hidden | None:
        import pymupdf

        everywhere = pymupdf.INFINITE_RECT()
        sheet = self.page.get_textpage(clip=everywhere, flags=0)
        spans = _spans(sheet.extractDICT())
        unclear = {
            span["bbox"]: span for span in spans if any(map(str.isalnum, span["text"])) and self._is_unclear(span)
        }
        clipped = self.page.get_textpage(clip=everywhere, flags=pymupdf.TEXT_CLIP)
        if clipped.extractText() != sheet.extractText():
            whole = {(span["bbox"], span["text"]) for span in _spans(clipped.extractDICT())}
            unclear |= {span["bbox"]: span for span in spans if (span["bbox"], span["text"]) not in whole}
        if not unclear:
            return None
        x0, y0, x1, y1 = zip(*map(self._shown, unclear), strict=True)
        from .ink import Ink, drawn_page

        self.ink = Ink(
            drawn_page(self.page), (min(x0) - _AROUND, min(y0) - _AROUND, max(x1) + _AROUND, max(y1) + _AROUND)
        )
        # The text layer of a scan is over the picture of its text.
        self.odd = {
            box
            for box, span in unclear.items()
            if self._is_odd(span) and not (self._is_scan and _is_unpainted(span) and self._is_drawn(box))
        }
        if not self.odd:
            return None
        raw: Any = sheet.extractRAWDICT()
        for block in raw["blocks"]:
            for line in block.get("lines", ()):
                if any(span["bbox"] in self.odd for span in line["spans"]):
                    self._line(line)
        return Hidden(frozenset(self.places), tuple(self.texts)) if self.texts else None

    def _is_unclear(self, span: dict[str, Any]) -> bool:
        """Whether boxes and colours leave open that the span may be hidden."""
        x0, y0, x1, y1 = span["bbox"]
        return (
            span["size"] < _TINY
            or span["alpha"] < _SOLID
            or bool(span["char_flags"] & _CLIPS)
            or not self._is_inside((x0 + x1) / 2, (y0 + y1) / 2)
            or not self.shapes.leave_visible((x0, y0, x1, y1), span["color"])
        )

    def _is_odd(self, span: dict[str, Any]) -> bool:
        """Whether a part of the span may be hidden, by the pixels that it changes."""
        if span["size"] < _TINY or not span["alpha"] or span["char_flags"] & _CLIPS:
            return True
        extent = self.ink.extent(self._shown(span["bbox"]))
        if not extent.any():
            return True
        gap = longest = 0
        for seen in extent.tolist():
            gap = 0 if seen else gap + 1
            longest = max(longest, gap)
        return longest > span["size"] * self.ink.zoom

    def _line(self, line: dict[str, Any]) -> None:
        letters = [
            _Letter(char["c"], char["origin"], char["bbox"], span) for span in line["spans"] for char in span["chars"]
        ]
        upright = abs(line["dir"][0]) > 0.99
        reasons = [
            self._reason(letter, upright) if letter.char.isalnum() and letter.span["bbox"] in self.odd else None
            for letter in letters
        ]
        # Runs of hidden letters, with the spaces and signs between them.
        run: list[int] = []
        for i in range(len(letters) + 1):
            if i < len(letters) and (not letters[i].char.isalnum() or reasons[i]):
                run.append(i)
                continue
            self._run(letters, reasons, run, whole=len(run) == len(letters))
            run = []

    def _run(self, letters: list[_Letter], reasons: list[str | None], run: list[int], *, whole: bool) -> None:
        found = [reason for i in run if (reason := reasons[i])]
        certain = [reason for reason in found if reason in (TINY, OUTSIDE)]
        if not found or (len(found) < _RUN and not whole and not certain):
            return
        words = "".join(letters[i].char for i in run).split()
        if len(words) < _RUN and set(found) <= {INVISIBLE, TRANSPARENT} and self._is_scan:
            return  # a word that OCR put in the wrong place
        first = next(i for i in run if reasons[i])
        last = next(i for i in reversed(run) if reasons[i])
        if run[-1] == len(letters) - 1:
            last = run[-1]
        text = ""
        for i in range(first, last + 1):
            text += letters[i].char
            self.places.add(place(letters[i].char, letters[i].origin))
        self.texts.append((Counter(found).most_common(1)[0][0], text.strip()))

    def _reason(self, letter: _Letter, upright: bool) -> str | None:
        """Why a letter is not seen; None if it is."""
        span = letter.span
        x0, y0, x1, y1 = letter.box
        if not self._is_inside((x0 + x1) / 2, (y0 + y1) / 2):
            return OUTSIDE
        if span["size"] < _TINY:
            return TINY
        box = self._shown(letter.box)
        if span["char_flags"] & _CLIPS:
            return None if self._has_content(box) else INVISIBLE
        painted = not _is_unpainted(span)
        if upright:  # the ascenders and descenders of other lines may be in the box
            edge, bottom = 0.1 * (x1 - x0), letter.origin[1]
            inner = self._shown((x0 + edge, bottom - 0.5 * span["size"], x1 - edge, bottom))
        else:
            inner = box
        if painted and self.ink.is_seen(inner):
            return None
        if self._is_scan and self._is_drawn(letter.span["bbox"]):
            return None
        if not painted:
            return INVISIBLE
        if span["alpha"] < _FAINT:
            return TRANSPARENT
        color = span["color"]
        own = (color >> 16 & 255, color >> 8 & 255, color & 255)
        difference = sum(abs(a - b) for a, b in zip(own, self.ink.behind(box), strict=True))
        return COLOR if difference < _ALIKE else COVERED

    def _is_drawn(self, box: "Box") -> bool:
        """Whether there is a picture of text in a box, or next to it: the text layer of a scan is not exact."""
        x0, y0, x1, y1 = box
        size = min(x1 - x0, y1 - y0)
        beside = (_BESIDE * size, size / 3) if x1 - x0 >= y1 - y0 else (size / 3, _BESIDE * size)
        return self.ink.is_drawn(self._shown((x0 - beside[0], y0 - beside[1], x1 + beside[0], y1 + beside[1])))

    def _has_content(self, box: "Box") -> bool:
        """Whether something other than white is drawn through text that clips."""
        return self.ink.is_drawn(box) or sum(self.ink.behind(box)) < 3 * 255 - _ALIKE

    @cached_property
    def _is_scan(self) -> bool:
        area = sum(abs(self.bounds & box) for box in self.shapes.pictures)
        return area > _SCAN * abs(self.bounds)

    def _is_inside(self, x: float, y: float) -> bool:
        x0, y0, x1, y1 = self.bounds
        return x0 <= x <= x1 and y0 <= y <= y1

    def _shown(self, box: "Box") -> "Box":
        """A box of the text, whose coordinates ignore the rotation of the page, as it is shown."""
        import pymupdf

        if self._turn is None:
            return box
        x0, y0, x1, y1 = pymupdf.Rect(box) * self._turn
        return x0, y0, x1, y1


def _is_unpainted(span: dict[str, Any]) -> bool:
    return not span["alpha"] and not span["char_flags"] & _PAINTED


def _spans(raw: Any) -> list[dict[str, Any]]:
    return [span for block in raw["blocks"] for line in block.get("lines", ()) for span in line["spans"]]
