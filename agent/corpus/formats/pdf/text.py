"""The text of a PDF page: extracted, put into reading order, and with divided words joined."""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from .reading_order import Block, is_ordered, ordered

if TYPE_CHECKING:
    import pymupdf

_DIVISION = re.compile("[-\u2010]\n(?=.)")
_WORD_END = re.compile(r"[^\W\d_]+\Z")
_WORD_START = re.compile(r"[^\W\d_]+")


def page_text(page: "pymupdf.Page") -> tuple[str, float]:
    """The text of the page, and the fraction of it that was guessed from the internal numbering of fonts."""
    import pymupdf

    flags = pymupdf.TEXT_MEDIABOX_CLIP  # without the flag that keeps ligatures, so that they are expanded
    text = _ordered_text(page, flags)
    unmapped = text.count("\ufffd")
    if not unmapped:
        return text, 0.0
    return _ordered_text(page, flags | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE), unmapped / len(text)


def _ordered_text(page: "pymupdf.Page", flags: int) -> str:
    raw: list[Any] = page.get_text("blocks", flags=flags)  # pyright: ignore[reportAssignmentType]
    blocks = [Block(x0, y0, x1, y1, text.strip("\n")) for x0, y0, x1, y1, text, *_ in raw if text.strip()]
    return _joined("\n".join(block.text for block in reading_order(page, blocks, flags)).strip())


def reading_order(page: "pymupdf.Page", blocks: list[Block], flags: int) -> list[Block]:
    """The text blocks that `flags` gives for a page, in reading order."""
    if is_ordered(blocks):
        return blocks
    turn = _turn(page, flags)
    return blocks if turn and is_ordered(blocks, turn) else ordered(blocks, turn)


def _turn(page: "pymupdf.Page", flags: int) -> int:
    """Clockwise quarter turns that make most of the text run from left to right."""
    directions: Counter[int] = Counter()
    raw: Any = page.get_text("dict", flags=flags)
    for line in (line for block in raw["blocks"] for line in block.get("lines", ())):
        x, y = (round(part) for part in line["dir"])
        directions[{(1, 0): 0, (0, -1): 1, (-1, 0): 2, (0, 1): 3}.get((x, y), 0)] += len(line["spans"])
    return directions.most_common(1)[0][0] if directions else 0


def _joined(text: str) -> str:
    """Join words that are divided at line ends. MuPDF's own option has no effect on its blocks.

    The hyphen is removed, unless the page contains the word with it elsewhere and not without it. A soft hyphen always
    is.
    """
    text = text.replace("\u00ad\n", "")
    parts: list[str] = []
    done = 0
    for division in _DIVISION.finditer(text):
        before = _WORD_END.search(text, max(0, division.start() - 64), division.start())
        after = _WORD_START.match(text, division.end())
        if before is None or after is None or not after[0][0].islower():
            continue
        with_hyphen = f"{before[0]}-{after[0]}"
        keep = with_hyphen in text and before[0] + after[0] not in text
        parts += [text[done : division.start()], "-" if keep else ""]
        done = division.end()
    return "".join([*parts, text[done:]])
