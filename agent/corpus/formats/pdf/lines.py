"""The lines of a PDF page, with their boxes turned so that the text runs from left to right."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .bidi import Glyph, has_right_to_left, logical
from .scripts import Span, with_scripts

_QUARTERS = {(1, 0): 0, (0, -1): 1, (-1, 0): 2, (0, 1): 3}

Drops = Callable[[dict[str, Any]], bool]
"""Says of a character of MuPDF's "rawdict" whether it is left out of the page's text."""


@dataclass(eq=False, slots=True)
class Line:
    """A line, or the part of it up to a wide gap. Units are points; y grows downwards."""

    x0: float
    y0: float
    x1: float
    y1: float
    text: str
    size: float
    baseline: float
    block: int
    """The number of MuPDF's block: lines that it takes for a paragraph."""
    main: bool
    """It runs in the direction of most of the page's text."""
    raws: list[dict[str, Any]]
    """The lines of MuPDF's "dict" or "rawdict" that it is made of."""


def turned(box: tuple[float, float, float, float], quarters: int) -> tuple[float, float, float, float]:
    """A box after a number of clockwise quarter turns."""
    x0, y0, x1, y1 = box
    for _ in range(quarters % 4):
        x0, y0, x1, y1 = -y1, x0, -y0, x1
    return x0, y0, x1, y1


def lines_of(raw: dict[str, Any]) -> tuple[list[Line], int]:
    """The lines of MuPDF's "dict" or "rawdict" in drawing order, and the quarter turns that their boxes have made.

    Lines without text are left out.
    """
    found: list[tuple[int, dict[str, Any], int | None, list[str]]] = []
    directions: Counter[int | None] = Counter()
    for number, block in enumerate(raw["blocks"]):
        for line in block.get("lines", ()):
            if "chars" in line["spans"][0]:
                texts = ["".join([char["c"] for char in span["chars"]]) for span in line["spans"]]
            else:
                texts = [span["text"] for span in line["spans"]]
            length = sum(map(len, texts))
            if not length or all(map(str.isspace, filter(None, texts))):
                continue
            x, y = line["dir"]
            quarter = 0 if x == 1 else _QUARTERS.get((round(x), round(y))) if abs(abs(x) - abs(y)) > 0.9 else None
            directions[quarter] += length
            found.append((number, line, quarter, texts))
    turn = max((quarter for quarter in directions if quarter is not None), key=lambda q: directions[q], default=0)
    lines: list[Line] = []
    for number, line, quarter, texts in found:
        spans, own = line["spans"], quarter or 0
        longest = spans[0]
        if len(spans) == 1:
            text = texts[0]
        else:
            longest = spans[max(range(len(spans)), key=lambda at: len(texts[at].strip()))]
            level, place = longest["size"], longest["origin"][1 - own % 2]
            if all(span["size"] == level and span["origin"][1 - own % 2] == place for span in spans):
                text = "".join(texts)
            else:
                text = with_scripts([_span(span, part, own) for span, part in zip(spans, texts, strict=True)])
        (x0, y0, x1, y1), (x, y) = line["bbox"], longest["origin"]
        if turn:
            x0, y0, x1, y1 = turned((x0, y0, x1, y1), turn)
            _, y, _, _ = turned((x, y, x, y), turn)
        lines.append(Line(x0, y0, x1, y1, text, longest["size"], y, number, quarter == turn, [line]))
    return lines, turn


def _span(span: dict[str, Any], text: str, quarters: int) -> Span:
    """The span in the direction of its line."""
    if not quarters:
        return Span(text, span["bbox"][0], span["bbox"][2], span["origin"][1], span["size"])
    x0, _, x1, _ = turned(span["bbox"], quarters)
    x, y = span["origin"]
    _, baseline, _, _ = turned((x, y, x, y), quarters)
    return Span(text, x0, x1, baseline, span["size"])


def kept(raw: dict[str, Any], drops: Drops) -> dict[str, Any]:
    """A "rawdict" without the characters that are left out, and without what is empty then."""
    blocks: list[dict[str, Any]] = []
    for block in raw["blocks"]:
        lines: list[dict[str, Any]] = []
        for line in block.get("lines", ()):
            spans: list[dict[str, Any]] = []
            for span in line["spans"]:
                chars = [char for char in span["chars"] if not drops(char)]
                if len(chars) == len(span["chars"]):
                    spans.append(span)
                elif chars:
                    spans.append(
                        {
                            **span,
                            "chars": chars,
                            "bbox": _around([c["bbox"] for c in chars]),
                            "origin": chars[0]["origin"],
                        }
                    )
            if spans:
                same = len(spans) == len(line["spans"]) and all(
                    a is b for a, b in zip(spans, line["spans"], strict=True)
                )
                lines.append(line if same else {**line, "spans": spans, "bbox": _around([s["bbox"] for s in spans])})
        if lines:
            blocks.append({**block, "lines": lines, "bbox": _around([line["bbox"] for line in lines])})
    return {**raw, "blocks": blocks}


def _around(boxes: Sequence[tuple[float, float, float, float]]) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def from_the_right(lines: Sequence[Line], *, page: bool) -> list[Line]:
    """Lines of a "rawdict", those with right-to-left text in logical order, with the parts of a row together.

    `page` says whether most of the page is from the right. Then boxes are mirrored: reading begins at x0.
    """
    rows: list[list[Line]] = []
    for line in lines:
        if rows and line.main and _beside(rows[-1], line):
            rows[-1].append(line)
        else:
            rows.append([line])
    found = [part for row in rows for part in _logical(row, page)]
    if page:
        for line in found:
            line.x0, line.x1 = -line.x1, -line.x0
    return found


def _beside(row: Sequence[Line], line: Line) -> bool:
    last = row[-1]
    if not last.main or abs(line.baseline - last.baseline) > 0.3 * last.size:
        return False
    return max(line.x0 - max(a.x1 for a in row), min(a.x0 for a in row) - line.x1) < 1.2 * last.size


def _logical(row: list[Line], page: bool) -> list[Line]:
    text = "".join(line.text for line in row)
    if not row[0].main or not (has_right_to_left(text) or (page and not any(map(str.isalpha, text)))):
        return row
    whole = row[0]
    whole.raws = [raw for line in row for raw in line.raws]
    glyphs = glyphs_of(whole.raws)
    whole.text = logical(glyphs, page=page)
    whole.x0, whole.x1 = min(line.x0 for line in row), max(line.x1 for line in row)
    return [whole]


def glyphs_of(lines: Sequence[dict[str, Any]]) -> list[Glyph]:
    """The characters of lines of a "rawdict" with their places in the direction of the lines."""
    glyphs: list[Glyph] = []
    for line in lines:
        x, y = line["dir"]
        quarter = _QUARTERS.get((round(x), round(y)), 0)
        for span in line["spans"]:
            for char in span["chars"]:
                if not char.get("synthetic"):
                    x0, _, x1, _ = turned(char["bbox"], quarter)
                    glyphs.append(Glyph(char["c"], x0, x1, span["size"]))
    return glyphs
