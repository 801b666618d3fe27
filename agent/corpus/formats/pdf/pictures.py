"""Pictures and drawings on a PDF page whose content is not in the page's text: scans, photographs, charts."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import pymupdf

    from .ink import Box

_NOTABLE = 0.05
"""Fraction of a page from which on a picture is notable."""
_SIDE = 100.0
"""Width and height in points from which on it is notable."""
_WHOLE = 0.5
"""Fraction of a page from which on an unread picture is a scan of the page."""
_DENSITY = 4.0
"""Characters per 100×100 points of a picture from which on text accounts for it; printed pages have about 50."""
_PATHS = 40
"""Lines and curves on a page from which on they may be a chart or drawing."""
_LABELLED = 8
"""Characters in a drawing from which on its labels are taken for what it says."""
_MOST = 400
"""Pieces of pictures that are put together; a page of more is taken as a whole."""
_REPEATED = 3
_SAMPLE = 40

_PLACED = re.compile(rb"[\s\])>](?:Do|BI|sh)[\s/\[(<]")
_PATH = re.compile(rb"[\d.]\s+[lcvy]\s")


class Picture(NamedTuple):
    """Something on a page that is not accounted for by its text."""

    box: "Box"
    """Where it is, on the page as it is shown. Units are points."""
    whole: bool
    """It is the page, or most of it: a scan."""
    legible: bool
    """It looks like lines of writing."""

    @property
    def width(self) -> float:
        return self.box[2] - self.box[0]

    @property
    def height(self) -> float:
        return self.box[3] - self.box[1]


def may_have_pictures(content: bytes) -> bool:
    """Whether a content stream places pictures or forms, or draws much."""
    if any(mark in content for mark in (b" Do", b" sh", b"BI")) and _PLACED.search(content):
        return True
    return content.count(b" l") + content.count(b" c") > _PATHS and len(_PATH.findall(content)) > _PATHS


def unread_pictures(page: "pymupdf.Page", repeated: frozenset[int]) -> list[Picture]:
    """The notable pictures and drawings of a page that its text does not account for, from top to bottom.

    Args:
        repeated: the numbers of pictures that are on many pages: logos, backgrounds.
    """
    sheet = page.rect
    turn = page.rotation_matrix if page.rotation else None
    pieces: list[Box] = []
    paths: list[Box] = []
    layers: list[Box] = []
    log = page.get_bboxlog()
    for kind, box in log:
        shown = _shown(turn, box)
        if kind in ("fill-image", "fill-imgmask", "fill-shade"):
            pieces.append(shown)
        elif kind == "ignore-text":
            layers.append(shown)
        elif "path" in kind:
            paths.append(shown)
    images = {image[0] for image in page.get_images()} if pieces else set()
    if images and images <= repeated:
        pieces = []
    candidates = [(box, False) for box in _regions(pieces, sheet) if _is_notable(box, sheet)]
    if len(paths) > _PATHS:
        taken = [box for box, _ in candidates]
        candidates += [
            (box, True)
            for box in _regions(paths, sheet, gap=6.0)
            if _is_notable(box, sheet) and not any(_overlap(box, other) > 0.5 * _area(box) for other in taken)
        ]
    if not candidates:
        return []
    from .ink import Ink, appearance, drawn_page

    words: list[Any] = page.get_text("words")  # pyright: ignore[reportAssignmentType]
    letters = [(*_centre(_shown(turn, word[:4])), len(word[4])) for word in words]
    found: list[Picture] = []
    drawn_once: pymupdf.DisplayList | None = None
    for box, drawn in candidates:
        inside = sum(size for x, y, size in letters if box[0] <= x <= box[2] and box[1] <= y <= box[3])
        if drawn and inside >= _LABELLED:
            continue
        if not drawn and inside >= _DENSITY * _area(box) / 1e4:
            continue
        if any(_overlap(box, layer) for layer in layers):
            continue  # the text layer of a scan, however short
        whole = not drawn and _area(box) > _WHOLE * abs(sheet)
        drawn_once = drawn_once or drawn_page(page)
        look = appearance(Ink(drawn_once, box, zoom=1.0).background)
        if look is None:
            continue
        found.append(Picture(box, whole, look))
    return sorted(found, key=lambda picture: (picture.box[1], picture.box[0]))


def repeated_pictures(document: "pymupdf.Document") -> frozenset[int]:
    """The numbers of the pictures that are on most pages of a document, or on several of a sample of them."""
    count = document.page_count
    numbers = range(0, count, max(1, count // _SAMPLE))
    seen = Counter(number for at in numbers for number in {image[0] for image in document.get_page_images(at)})
    return frozenset(number for number, times in seen.items() if times >= max(_REPEATED, len(numbers) // 2))


def _is_notable(box: "Box", sheet: "pymupdf.Rect") -> bool:
    width, height = box[2] - box[0], box[3] - box[1]
    return min(width, height) > 18 and (width * height > _NOTABLE * abs(sheet) or (width >= _SIDE and height >= _SIDE))


def _regions(pieces: "list[Box]", sheet: "pymupdf.Rect", gap: float = 2.0) -> "list[Box]":
    """The areas that pieces cover together: scans and charts are often made of many."""
    visible = [
        box
        for x0, y0, x1, y1 in pieces
        if (box := (max(x0, sheet.x0), max(y0, sheet.y0), min(x1, sheet.x1), min(y1, sheet.y1)))[0] <= box[2]
        and box[1] <= box[3]
    ]
    if len(visible) > _MOST:
        x0, y0, x1, y1 = zip(*visible, strict=True)
        return [(min(x0), min(y0), max(x1), max(y1))]
    regions: list[Box] = []
    for box in visible:
        grown = box
        merged = True
        while merged:
            merged = False
            for other in regions:
                if (
                    other[0] - gap <= grown[2]
                    and grown[0] <= other[2] + gap
                    and other[1] - gap <= grown[3]
                    and grown[1] <= other[3] + gap
                ):
                    regions.remove(other)
                    grown = (
                        min(grown[0], other[0]),
                        min(grown[1], other[1]),
                        max(grown[2], other[2]),
                        max(grown[3], other[3]),
                    )
                    merged = True
                    break
        regions.append(grown)
    return regions


def _shown(turn: "pymupdf.Matrix | None", box: Any) -> "Box":
    """A box whose coordinates ignore the rotation of the page, as it is shown."""
    import pymupdf

    if turn is None:
        return tuple(box)
    x0, y0, x1, y1 = pymupdf.Rect(box) * turn
    return x0, y0, x1, y1


def _centre(box: "Box") -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _area(box: "Box") -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _overlap(a: "Box", b: "Box") -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0
