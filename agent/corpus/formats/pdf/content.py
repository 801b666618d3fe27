"""A quick look at the operators of a page's content: whether any of them could hide text.

It takes a fraction of the time of extracting the text, and clears the pages of most manuals and papers, which draw
nothing but dark text on white, and rules. It may suspect a page in error, which costs time.
"""

import re
from collections.abc import Callable, Iterator

_RULE = 4.0
"""Height or width of a filled rectangle in points up to which it is a rule: it hides nothing."""
_LIGHT = 0.55
"""Brightness of a colour from which on text in it may be hard to see on white."""
_SMALL = 2.0
"""Size of text from which on it is read."""
_LARGER = 1.5
"""Enlargement by a matrix from which on the size of a rectangle in the content says nothing."""

_BLANKS = bytes.maketrans(b"\n\r\t\f\0", b"     ")
_SUSPECT = re.compile(rb" (?:Do|sh|gs|scn?|W\*?|BI|Tz)[ /]|/OC ")
"""Pictures and forms, shadings, transparency, colours that only the resources define, clipping, letters of no width."""
_FILLS = re.compile(rb" (?:[fBb]\*?|F)[ /]")
_CURVES = re.compile(rb"[\d.] [lcvy] ")


def may_hide(content: bytes, inside: Callable[[float, float], bool]) -> bool:
    """Whether an operator of a content stream could hide text.

    Args:
        inside: whether a point in the units of the content is on the page.
    """
    content = b" " + content.translate(_BLANKS) + b" "
    if _SUSPECT.search(content):
        return True
    large = moved = False
    for matrix in _operands(content, b"cm", 6):
        sizes = max(abs(matrix[0]), abs(matrix[1])), max(abs(matrix[2]), abs(matrix[3]))
        if min(sizes) < 0.5:
            return True
        moved = moved or matrix != [1, 0, 0, 1, 0, 0]
        large = large or max(sizes) > _LARGER
    if _FILLS.search(content) and (
        large
        or any(min(abs(width), abs(height)) > _RULE for _, _, width, height in _operands(content, b"re", 4))
        or _CURVES.search(content)
    ):
        return True
    for a, b, c, d, x, y in _operands(content, b"Tm", 6):
        if min(max(abs(a), abs(b)), max(abs(c), abs(d))) < 0.5 or not (moved or inside(x, y)):
            return True
    if not moved and any(not inside(x, y) for x, y in _starts(content)):
        return True
    return (
        any(size < _SMALL for (size,) in _operands(content, b"Tf", 1))
        or any(mode >= 3 for (mode,) in _operands(content, b"Tr", 1))
        or any(grey > _LIGHT for (grey,) in _operands(content, b"g", 1))
        or any(min(color) > _LIGHT for color in _operands(content, b"rg", 3))
        or any(sum(inks) < 1 - _LIGHT for inks in _operands(content, b"k", 4))
    )


def _operands(content: bytes, operator: bytes, count: int) -> Iterator[list[float]]:
    """The different operands with which an operator occurs. Words of the text that look like it have none."""
    parts = content.split(b" " + operator)
    del parts[-1]
    for tokens in {tuple(part[-24 * count :].split()[-count:]) for part in parts}:
        try:
            values = [float(token) for token in tokens]
        except ValueError:
            continue
        if len(values) == count:
            yield values


def _starts(content: bytes) -> Iterator[tuple[float, float]]:
    """The positions at which text objects begin."""
    for part in content.split(b" BT ")[1:]:
        at = part.find(b" Td")
        if 0 <= at < _NEAR and len(tokens := part[:at].split()[-2:]) == 2:
            try:
                yield float(tokens[0]), float(tokens[1])
            except ValueError:
                continue


_NEAR = 80
"""Bytes from the beginning of a text object within which its position is."""
