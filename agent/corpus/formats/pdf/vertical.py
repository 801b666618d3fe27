"""Vertical text that is drawn glyph by glyph, each of which MuPDF takes for a line."""

from collections.abc import Sequence

from .lines import Line

_LEAST = 3
"""Glyphs of a line."""


def put_together(lines: Sequence[Line]) -> list[Line]:
    """The lines, with the glyphs of a vertical one as one line, in drawing order."""
    found: list[Line] = []
    run: list[Line] = []
    for line in lines:
        if run and not _goes_on(run[-1], line):
            found += _together(run)
            run = []
        run.append(line)
    return found + _together(run)


def _goes_on(a: Line, b: Line) -> bool:
    step = b.baseline - a.baseline
    return _is_glyph(a) and _is_glyph(b) and abs((a.x0 + a.x1) - (b.x0 + b.x1)) < a.size and 0.5 < step / a.size < 1.7


def _is_glyph(line: Line) -> bool:
    return line.main and len(line.text.strip()) == 1 and line.text.strip() > "\u2e80"


def _together(run: list[Line]) -> list[Line]:
    if len(run) < _LEAST:
        return run
    whole = run[0]
    whole.text = "".join(line.text.strip() for line in run)
    whole.x0, whole.x1 = min(line.x0 for line in run), max(line.x1 for line in run)
    whole.y1 = run[-1].y1
    whole.raws = [raw for line in run for raw in line.raws]
    return [whole]
