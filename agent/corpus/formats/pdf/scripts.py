"""Superscripts and subscripts of a line, by the size and the baseline of its spans."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from ..markup import subscript, superscript

_SMALL = 0.86
"""Size of a script at most, as a fraction of the size of the text around it."""
_RAISED, _LOWERED = 0.12, 0.06
"""Shift of the baseline of a script at least, in sizes of the text around it."""
_HIGH = 0.25
"""Shift that tells even for digits of full size."""
_CONTENT = re.compile(r"(?=.*[^\W_])[\w+\-−–—,.()*†‡§∗′/=]{1,16}\Z|[+\-−–]\Z")
_ATTACHED = re.compile(r"[\w)\]}’'”\"%.,;:!?|*†‡§¶∗]\Z")


class Span(NamedTuple):
    """Characters of a line in one font. `x0`, `x1` and `baseline` are points in the direction of the line."""

    text: str
    x0: float
    x1: float
    baseline: float
    size: float


def with_scripts(spans: Sequence[Span]) -> str:
    """The text of the spans, with scripts marked (`markup.finished` writes the marks out)."""
    if len(spans) == 1 or len({(round(span.size), round(span.baseline)) for span in spans}) == 1:
        return "".join(span.text for span in spans)
    letters: dict[float, int] = {}
    for span in spans:
        letters[round(span.size, 1)] = letters.get(round(span.size, 1), 0) + len(span.text.strip())
    size = max(letters, key=lambda each: (letters[each], each))
    # A line of one large and one small part, as "m" and "2": the large one is the text.
    if (largest := max(letters)) > size and letters[largest] * 4 >= letters[size] and letters[size] <= 4:
        size = largest
    ground = next((span for span in spans if round(span.size, 1) == size and span.text.strip()), spans[0])
    text = ""
    before: Span | None = None
    kind = 0
    for span in spans:
        kind = _kind(span, ground, text, before, after_script=bool(kind))
        stripped = span.text.strip()
        if kind:
            mark = superscript if kind > 0 else subscript
            at_start = not text.strip()
            text += mark(span.text) + (" " if at_start and not span.text[-1:].isspace() else "")
        else:
            text += span.text
            if stripped and round(span.size, 1) == size:
                ground = span
        before = span
    return text


def _kind(span: Span, ground: Span, text: str, before: Span | None, *, after_script: bool) -> int:
    """1 for a superscript, -1 for a subscript, 0 for neither."""
    stripped = span.text.strip()
    if not stripped or not _CONTENT.match(stripped):
        return 0
    shift = (ground.baseline - span.baseline) / ground.size
    small = span.size <= _SMALL * ground.size
    if small and shift > _RAISED:
        kind = 1
    elif small and shift < -_LOWERED:
        kind = -1
    elif stripped.isdigit() and shift > _HIGH and span.size <= ground.size:
        kind = 1
    else:
        return 0
    if abs(shift) > 1.0:
        return 0  # of another line
    if before is None or not text.strip():  # the mark of a note, before it
        return kind if kind > 0 and stripped.isdigit() else 0
    if kind > 0 and small and stripped.isdigit():
        return kind  # the mark of a note, which may be set apart
    near = span.x0 - before.x1 < 0.3 * ground.size
    return kind if near and (after_script or _ATTACHED.search(text)) and not span.text[:1].isspace() else 0
