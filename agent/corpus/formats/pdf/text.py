"""The text of a PDF page: extracted, put into reading order, and with divided words joined.

MuPDF writes a page as HTML several times as fast as it hands its lines to Python. Most pages need no more: the HTML
says where each line begins, and whether anything on the page has to be looked at in detail.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from ..markup import finished, superscript
from .bidi import has_right_to_left, is_right_to_left
from .columns import Rules, apart
from .hyphens import DIVISION, joined
from .leaders import collapsed
from .lines import Drops, Line, from_the_right, kept, lines_of
from .reading_order import Block, is_ordered, ordered
from .rows import Piece, rows
from .spacing import closed, is_spaced, without_gaps
from .vertical import put_together
from .words import spellings

if TYPE_CHECKING:
    import pymupdf

    from .hidden import Place

_SMALL_DOCUMENT = 64
"""Pages of a document at most whose words are evidence for each other's: reading them takes 0.1 s."""

_SPELLINGS = "longread_spellings"

_LINE = re.compile(r'<p style="top:([-\d.]+)pt;left:([-\d.]+)pt;line-height:([-\d.]+)pt">(.*)</p>')
_TAG = re.compile("<[^>]+>")
_ENTITY = re.compile("&(?:#x([0-9a-fA-F]+)|(lt|gt|amp|quot|apos|nbsp));")
_NAMED = {"lt": "<", "gt": ">", "amp": "&", "quot": '"', "apos": "'", "nbsp": "\u00a0"}
_SIZE = re.compile(r"font-size:([\d.]+)pt")
_SCRIPT = re.compile(
    r'font-size:([\d.]+)pt[^>]*>[^<]*[^<\s](?:<(?!span|p )[^>]*>)+<span style="[^"]*font-size:([\d.]+)pt[^>]*>[\w+\-&]'
)
"""A change of the font's size within a word."""
_RAISED = re.compile(
    r"(font-size:([\d.]+)pt[^>]*>[^<]*[^<\s])((?:</\w+>)+)<sup>(?:<(?!span)[^>]*>)*"
    r'<span style="[^"]*font-size:([\d.]+)pt[^>]*>((?:[\w+\-,.*()]|&#x2212;|&#x2013;){1,16})</span>'
    r"(?:</(?!sup)\w+>)*</sup>"
)
_BLANK = re.compile(r"\A((?:<[^>]*>)*)\s+")
_HIGH_DIGIT = re.compile(
    r'font-size:([\d.]+)pt[^>]*>[^<]*\w(?:</\w+>)+<sup>(?:<(?!span)[^>]*>)*<span style="[^"]*font-size:\1pt[^>]*>\d'
)
"""Digits that are raised, but not smaller."""
_SMALL = 0.87
"""Size of a script at most, as a fraction of the size of the text around it."""
_RUNS = 8
"""Spans of a superscript."""
_JUMPS = 0.05
"""Fraction of the rows of a page that may begin above the one before, as the second column does."""
_LEFT, _RIGHT = 12, 15
"""Characters of parts of a row that may be lines of two columns."""


def page_text(page: "pymupdf.Page", hidden: "frozenset[Place] | None" = None) -> tuple[str, float]:
    """The text of the page, and the fraction of it that was guessed from the internal numbering of fonts.

    Args:
        hidden: the characters that are left out (`hidden.Hidden.places`); None where nothing is.
    """
    import pymupdf

    flags = pymupdf.TEXT_MEDIABOX_CLIP  # without the flag that keeps ligatures, so that they are expanded
    drops = _drops(hidden) if hidden else None
    text = _text(page, flags, drops)
    unmapped = text.count("\ufffd")
    if not unmapped:
        return text, 0.0
    return _text(page, flags | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE, drops), unmapped / len(text)


def _drops(hidden: "frozenset[Place]") -> Drops:
    from .hidden import place

    return lambda char: place(char["c"], char["origin"]) in hidden


def _text(page: "pymupdf.Page", flags: int, drops: Drops | None) -> str:
    textpage = page.get_textpage(flags=flags)
    pieces = None if drops else _plain_pieces(_html(textpage))
    if pieces is None:
        pieces = [
            Piece(line.text, line.x0, line.baseline, line.size, line.x1, line.main)
            for line in _detailed_lines(page, textpage, drops)
        ]
    text = "\n".join([row.rstrip() for row in rows(pieces)])
    text = finished(collapsed(closed(text)))
    document: Any = page.parent
    return joined(text, lambda: _words(document)).strip()


def _html(textpage: "pymupdf.TextPage") -> str:
    """MuPDF's HTML. PyMuPDF's `extractHTML` would take "\\u20ac" in the text of a page for an escape."""
    from pymupdf import mupdf

    buffer: Any = mupdf.fz_new_buffer(16_384)
    output: Any = mupdf.FzOutput(buffer)
    page: Any = textpage.this
    mupdf.fz_print_stext_page_as_html(output, page, 0)
    output.fz_close_output()
    html: Any = mupdf.fz_buffer_extract_copy(buffer)
    return html.decode("utf-8", "replace")


def _plain_pieces(html: str) -> list[Piece] | None:
    """The text of a page in drawing order; None if the page has to be looked at in detail."""
    sizes = Counter(_SIZE.findall(html))
    usual = float(max(sizes, key=lambda size: (sizes[size], float(size)), default=0))
    small = any(float(size) < _SMALL * usual for size in sizes)
    pieces: list[Piece] = []
    last_base, last_x, last_size = -1e9, 0.0, 0.0
    row_left, row_length = "0", 0
    jumps = returns = glyphs = 0
    beside: defaultdict[str, int] = defaultdict(int)
    lefts: defaultdict[str, int] = defaultdict(int)
    for top, left, height, marked in _LINE.findall(html):
        x, size = float(left), float(height)
        if marked.count("font-size") > 1:
            if "<sup>" in marked and _HIGH_DIGIT.search(marked):
                return None
            if small or size > usual:
                marked = _with_scripts(marked)
                if marked is None:
                    return None
        text = _TAG.sub("", marked)
        if "&" in text:
            text = _ENTITY.sub(_character, text)
        if text.isspace() or not text:
            continue
        base = float(top) + 0.8 * size
        if -0.35 * size < base - last_base < 0.35 * size and x > last_x:
            if len(text) > _RIGHT and row_length > _LEFT and text.count(".") < 5:
                beside[left] += 1
            row_length += len(text)
        else:
            lefts[left] += 1
            if base < last_base - 0.5 * last_size:
                jumps += 1
            elif lefts[left] > 2 and lefts[row_left] > 2 and x < float(row_left) - 100:
                returns += 1
            glyphs += len(text) == 1 and text > "\u2e80"
            row_left, row_length = left, len(text)
        pieces.append(Piece(text, x, base, size))
        last_base, last_x, last_size = base, x, size
    if (
        jumps > max(1, _JUMPS * len(pieces))
        or returns > (1 if jumps else 2)
        or glyphs > 4
        or max(beside.values(), default=0) > 2
    ):
        return None
    text = "\n".join([piece.text for piece in pieces])
    return None if has_right_to_left(text) or is_spaced(text) else pieces


def _with_scripts(marked: str) -> str | None:
    """A line of HTML with its superscripts marked; None if there is something else that may be a script.

    MuPDF says what is raised, not what is lowered.
    """
    sizes = _SIZE.findall(marked)
    if len(set(sizes)) == 1:
        return marked
    if float(sizes[0]) < _SMALL * float(sizes[1]):
        number, _, rest = marked.partition("</span>")
        number = _TAG.sub("", number)
        if not (number.isdigit() and len(number) < 4):
            return None
        marked = superscript(number) + " " + _BLANK.sub(r"\1", rest)  # of a note
    for _ in range(_RUNS):
        marked, done = _RAISED.subn(_superscript, marked)
        if not done:
            break
    return None if any(float(b) < _SMALL * float(a) for a, b in _SCRIPT.findall(marked)) else marked


def _superscript(found: re.Match[str]) -> str:
    before, size, tags, own_size, text = found.groups()
    return f"{before}{tags}{superscript(text)}" if float(own_size) < _SMALL * float(size) else found[0]


def _character(entity: re.Match[str]) -> str:
    return _NAMED[entity[2]] if entity[2] else chr(int(entity[1], 16))


def lines_in_order(page: "pymupdf.Page") -> list[Line]:
    """The lines of a page as `page_text` orders them, with MuPDF's "rawdict" of their characters."""
    import pymupdf

    return _detailed_lines(page, page.get_textpage(flags=pymupdf.TEXT_MEDIABOX_CLIP), lambda _: False)


def _detailed_lines(page: "pymupdf.Page", textpage: "pymupdf.TextPage", drops: Drops | None = None) -> list[Line]:
    lines, turn = lines_of(kept(_raw(textpage), drops) if drops else textpage.extractDICT())
    letters = "\n".join(line.text for line in lines)
    mirrored = False
    if has_right_to_left(letters):
        mirrored = is_right_to_left(letters)
        lines = from_the_right(lines if drops else lines_of(_raw(textpage))[0], page=mirrored)
    elif is_spaced(letters):
        lines = without_gaps(lines if drops else lines_of(_raw(textpage))[0])
    lines = put_together(lines)
    return in_reading_order(lines, cache(lambda: [] if turn else _rules(page, mirrored=mirrored)))


def _raw(textpage: "pymupdf.TextPage") -> dict[str, Any]:
    return textpage.extractRAWDICT()


def in_reading_order(lines: list[Line], rules: Rules = list) -> list[Line]:
    """Lines that are listed as drawn, in the order in which they are read.

    The drawing order is kept where it does not jump; columns that are drawn across are taken apart before.
    """
    # What runs in another direction, such as the label of an axis, stays after what it was drawn after.
    aside: dict[int, list[Line]] = {}
    previous = 0
    for line in lines:
        if line.main:
            previous = id(line)
        else:
            aside.setdefault(previous, []).append(line)
    groups = apart([line for line in lines if line.main], rules)
    blocks: dict[Block, list[list[Line]]] = {}
    boxes: list[Block] = []
    for part in (part for group in groups for part in _by_block(group)):
        x0, x1 = min(line.x0 for line in part), max(line.x1 for line in part)
        box = Block(x0, min(line.y0 for line in part), x1, max(line.y1 for line in part), part[0].text)
        blocks.setdefault(box, []).append(part)
        boxes.append(box)
    if len(groups) == 1 and not is_ordered(boxes):
        boxes = ordered(boxes)
    read = [line for box in boxes for line in blocks[box].pop(0)]
    return [*aside.get(0, ()), *(each for line in read for each in (line, *aside.get(id(line), ())))]


def _by_block(lines: Sequence[Line]) -> list[list[Line]]:
    parts: list[list[Line]] = []
    for line in lines:
        if parts and parts[-1][-1].block == line.block:
            parts[-1].append(line)
        else:
            parts.append([line])
    return parts


def _rules(page: "pymupdf.Page", *, mirrored: bool) -> list[tuple[float, float, float]]:
    """The horizontal rules of a page, thin rectangles among them."""
    found: list[tuple[float, float, float]] = []
    drawings: Any = page.get_cdrawings()
    for drawing in drawings:
        for item in drawing["items"]:
            if item[0] == "l" and abs(item[1][1] - item[2][1]) < 1:
                found.append((item[1][1], min(item[1][0], item[2][0]), max(item[1][0], item[2][0])))
            elif item[0] == "re":
                x0, y0, x1, y1 = item[1][:4]
                found += [(y0, x0, x1), (y1, x0, x1)] if y1 - y0 > 3 else [(y0, x0, x1)]
    return [(y, -x1, -x0) for y, x0, x1 in found] if mirrored else found


def _words(document: "pymupdf.Document") -> Counter[str]:
    """The words of a small document; of a large one none: each parser process would have to read all of it."""
    known: dict[str, Any] = vars(document)  # kept with the document, which cannot be referred to weakly
    if _SPELLINGS not in known:
        few = document.page_count <= _SMALL_DOCUMENT
        texts = (str(document[number].get_text("text", flags=0)) for number in range(document.page_count if few else 0))
        known[_SPELLINGS] = spellings(DIVISION.sub("- ", text) for text in texts)
    return known[_SPELLINGS]
