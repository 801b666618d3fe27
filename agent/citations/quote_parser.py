"""Find the quotes in an answer, and the citation markers that belong to them.

A quote is a text between quotation marks, or a block quote: the answer presents it as the verbatim text of a page.
Texts of less than a few words, and those in code, do not count.

An answer is divided into blocks: paragraphs, list items, table rows, block quotes, code. A block is parsed when it is
complete, so that the result does not depend on how the answer is streamed. A quote is returned earlier if nothing that
follows can change it: its marker has arrived, and no earlier quotation mark is without its partner.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .markers import MARK, MOST_PAGES, ranges_of
from .normalize import CJK

MIN_WORDS = 4
"""Minimum number of words of a quote; `MIN_MARKED` if a citation marker follows at once. A CJK character is half a
word."""
MIN_MARKED = 2
_EARLY = 4000
"""Characters of a block above which its quotes are returned only when it is complete: each marker costs another pass
over it."""

_CLOSERS = {"“": "”“", "„": "“”", "«": "»", "»": "«", "「": "」", "『": "』", "〝": "〞〟", '"': '"'}
_QUOTATION_MARK = re.compile('[“”„«»「」『』〝〞〟"]')
_CODE = re.compile(r"(?<!`)(`+)(?!`)(?:.+?)(?<!`)\1(?!`)", re.DOTALL)
_FENCE = re.compile(r"\s{0,3}(`{3,}|~{3,})")
_BLOCK_QUOTE = re.compile(r" {0,3}>")
_QUOTED_LINE = re.compile(r"^[ >]+(?:[-*+•]\s)?", re.MULTILINE)
_ITEM = re.compile(r"\s*(?:[-*+•]\s|\d{1,3}[.)]\s|\||#{1,6}\s)")
_SENTENCE_END = re.compile(r"[.!?…]+[\"'”’)\]»]*(?=\s|$)|[。！？]+[\"'”’)\]」』»]*")
_ATTRIBUTION = re.compile(r"\n\s*(?:[—–]|--)[^\n]*\Z")
_BEFORE_MARK = " \t\n.,;:!?()*_。，"
_BEFORE_SOURCE = " \t\n*_()—–-"
_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+(?:[.,'’-][^\W_{CJK}]+)*")
_CJK = re.compile(f"[{CJK}]")
_WORD_CHARACTER = re.compile(rf"[^\W{CJK}]")


@dataclass(frozen=True)
class PageRef:
    """A page that a marker names. It need not exist."""

    document: str
    page: int


@dataclass(frozen=True)
class QuotedSpan:
    """A quote in an answer."""

    start: int
    end: int
    """Offsets in the answer: the quote without its quotation marks, and without a marker at its end."""
    wording: str
    """The quote without markers and without the signs of a block quote."""
    places: tuple[PageRef, ...] = ()
    """The pages that the answer cites for it, nearest marker first."""


@dataclass
class _Block:
    kind: Literal["text", "quote", "code"]
    start: int
    end: int


class _Marks(NamedTuple):
    """Adjacent markers: "[a:1][a:2]"."""

    start: int
    end: int
    places: tuple[PageRef, ...]


@dataclass
class _Signs:
    """The relevant signs of a block: quotation marks, and markers."""

    text: str
    """The text of the block, with "x" for the characters in code, in markers and between quotation marks."""
    marks: list[_Marks]
    quotes: list[tuple[int, int]]
    """Offsets of the texts between quotation marks, outermost only, in order."""
    open: int
    """Offset of the first quotation mark or backtick without a partner; the length of the block if there is none."""


class QuoteParser:
    """Finds quotes while an answer streams.

    `feed` returns the quotes that are certain, `finish` the rest. Together they are those of the whole answer, in
    order, however the answer was split.
    """

    def __init__(self) -> None:
        self._text = ""
        self._from = 0
        """Start of the first block whose quotes were not all returned."""
        self._returned = 0
        """Number of its quotes that were returned."""
        self._before: tuple[PageRef, ...] = ()
        """The markers of the line that introduces it."""
        self._awaited = False

    def feed(self, text: str) -> list[QuotedSpan]:
        self._text += text
        self._awaited = self._awaited or "]" in text
        if "\n" not in text and not (self._awaited and text.strip()):
            return []
        self._awaited = text.rstrip().endswith("]")  # the next text shows whether the marker continues
        return self._quotes(final=False)

    def finish(self) -> list[QuotedSpan]:
        return self._quotes(final=True)

    def _quotes(self, *, final: bool) -> list[QuotedSpan]:
        found: list[QuotedSpan] = []
        blocks = _blocks(self._text, self._from)
        for index, block in enumerate(blocks):
            self._from = block.start
            signs = _signs(self._text, block)
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            # The markers of a block quote may be in the next block.
            awaits = block.kind == "quote" and not signs.marks and index + 2 >= len(blocks)
            if not final and (following is None or awaits):
                if block.kind == "text":
                    settled = _settled(self._text, block, signs)
                    found += settled[self._returned :]
                    self._returned = max(self._returned, len(settled))
                return found
            found += _spans_of_block(self._text, block, signs, self._before, following)[self._returned :]
            self._before = _introduces(self._text, block, signs, self._before)
            self._returned, self._from = 0, block.end
        return found


def find_quotes(answer: str) -> list[QuotedSpan]:
    """All quotes of a whole answer, in order."""
    parser = QuoteParser()
    return parser.feed(answer) + parser.finish()


def _blocks(text: str, start: int) -> list[_Block]:
    """The blocks from `start` on, which must be the start of one. All but the last are complete."""
    blocks: list[_Block] = []
    continues, fence, at = False, "", start
    while at < len(text):
        newline = text.find("\n", at)
        end = len(text) if newline < 0 else newline + 1
        line = text[at:end]
        opens = _FENCE.match(line)
        if fence:
            blocks[-1].end = end
            if opens and opens[1].startswith(fence) and not line[opens.end() :].strip():
                continues, fence = False, ""
        elif opens:
            blocks.append(_Block("code", at, end))
            fence = opens[1]
        else:
            quoted = _BLOCK_QUOTE.match(line)
            kind = "quote" if quoted else "text"
            blank = not line.lstrip("> \t").strip() if quoted else not line.strip()
            if blank:
                continues = False
            elif continues and blocks[-1].kind == kind and not (kind == "text" and _ITEM.match(line)):
                blocks[-1].end = end
            else:
                blocks.append(_Block(kind, at, end))
                continues = True
        at = end
    return blocks


def _signs(text: str, block: _Block) -> _Signs:
    part = text[block.start : block.end]
    if block.kind == "code":
        return _Signs("", [], [], open=0)
    if block.kind == "quote":
        part = _QUOTED_LINE.sub(lambda match: " " * len(match.group()), part)
    part = _CODE.sub(lambda match: "x" * len(match.group()), part)
    backtick = part.find("`")
    marks: list[_Marks] = []
    for mark in MARK.finditer(part):
        if not (places := _places(mark[1])):
            continue
        if marks and not part[marks[-1].end : mark.start()].strip(" \t,;"):
            marks[-1] = _Marks(marks[-1].start, mark.end(), marks[-1].places + places)
        else:
            marks.append(_Marks(mark.start(), mark.end(), places))
    for mark in marks:
        part = _masked(part, mark.start + 1, mark.end - 1)
    quotes, unclosed = _pairs(part)
    for start, end in quotes:
        part = _masked(part, start, end - 1)  # its last character may end a sentence
    return _Signs(part, marks, quotes, open=unclosed if backtick < 0 else min(unclosed, backtick))


def _masked(text: str, start: int, end: int) -> str:
    return text[:start] + "x" * (end - start) + text[end:]


def _places(mark: str) -> tuple[PageRef, ...]:
    return tuple(
        PageRef(name, page)
        for name, first, last in ranges_of(mark)
        if not name.isdecimal() and 0 <= last - first < MOST_PAGES  # "[12:30]" is a time
        for page in range(first, last + 1)
    )


def _pairs(text: str) -> tuple[list[tuple[int, int]], int]:
    """The outermost pairs of quotation marks, as offsets of the text between them, and the first mark without a
    partner."""
    stack: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for match in _QUOTATION_MARK.finditer(text):
        sign, at = match.group(), match.start()
        partner = next((n for n in reversed(range(len(stack))) if sign in _CLOSERS[stack[n][0]]), None)
        before, after = text[at - 1 : at], text[at + 1 : at + 2]
        if sign == '"':
            if not before.strip() or _WORD_CHARACTER.match(after):
                partner = None
            if partner is None and (not after.strip() or _WORD_CHARACTER.match(before)):
                continue
        if partner is not None:
            opener = stack[partner][1]
            del stack[partner:]
            while pairs and pairs[-1][0] > opener:
                pairs.pop()
            pairs.append((opener + 1, at))
        elif sign in _CLOSERS:
            stack.append((sign, at))
    return pairs, stack[0][1] if stack else len(text)


def _spans_of_block(
    text: str, block: _Block, signs: _Signs, before: tuple[PageRef, ...], following: _Block | None
) -> list[QuotedSpan]:
    """The quotes of a complete block."""
    if block.kind == "code":
        return []
    if not signs.marks and (block.kind == "quote" or _ITEM.match(signs.text)):
        if block.kind == "quote" and following:
            next_signs = _signs(text, following)
            if following.kind == "quote":
                before = before or _all_places(next_signs.marks)
            elif next_signs.marks and not next_signs.text[: next_signs.marks[0].start].strip(_BEFORE_SOURCE):
                before = next_signs.marks[0].places
    else:
        before = ()
    whole = block.kind == "quote" and 2 * sum(end - start for start, end in signs.quotes) < len(signs.text.strip())
    if whole:
        end = len(_ATTRIBUTION.sub("", signs.text.rstrip()))
        signs.quotes = [(0, end)]
        marked = bool(signs.marks or before)
        spans = [_span(text, block, signs, (0, end), _all_places(signs.marks) or before, marked=marked)]
    else:
        spans = [
            _span(text, block, signs, quote, places or before, marked=marked)
            for quote, places, marked, _ in _with_pages(signs)
        ]
    return [span for span in spans if span]


def _settled(text: str, block: _Block, signs: _Signs) -> list[QuotedSpan]:
    """The first quotes of an incomplete block, as far as nothing that follows can change them."""
    settled: list[QuotedSpan] = []
    if block.end - block.start > _EARLY:
        return settled
    for quote, places, marked, certain in _with_pages(signs):
        span = _span(text, block, signs, quote, places, marked=marked)
        if quote[1] > signs.open or (span and not certain):
            break
        settled += [span] if span else []
    return settled


def _with_pages(signs: _Signs) -> Iterator[tuple[tuple[int, int], tuple[PageRef, ...], bool, bool]]:
    """Yield for each quote: its offsets, its pages, whether a marker follows at once, and whether more text cannot
    change it.

    Its markers are those inside it, else after it in the same sentence, else before it in the same sentence, else
    anywhere in the block, later ones first.
    """
    ends = _sentence_ends(signs)
    for start, end in signs.quotes:
        inside = [mark for mark in signs.marks if start <= mark.start and mark.end <= end]
        after = [mark for mark in signs.marks if mark.start >= end]
        before = [mark for mark in reversed(signs.marks) if mark.end <= start]
        stop = next((at for at in ends if at > end), len(signs.text))
        begin = next((at for at in reversed(ends) if at <= start), 0)
        following = bool(after) and after[0].start < stop
        if inside:
            chosen, certain = inside, end + 1 < min(signs.open, len(signs.text))
        elif following:
            chosen = after[:1]
            rest = signs.text[after[0].end :].lstrip(" \t,;")
            certain = after[0].end <= signs.open and rest != "" and rest[0] != "["
        else:
            chosen = [mark for mark in before if mark.start >= begin][:1] or after + before
            certain = False
        at_once = following and not signs.text[end + 1 : after[0].start].strip(_BEFORE_MARK)
        yield (start, end), _all_places(chosen), bool(inside) or at_once, certain


def _sentence_ends(signs: _Signs) -> list[int]:
    """Offsets at which sentences end, including a marker behind the full stop."""
    ends: list[int] = []
    for match in _SENTENCE_END.finditer(signs.text):
        end = match.end()
        for mark in signs.marks:
            if mark.start >= end and not signs.text[end : mark.start].strip(_BEFORE_MARK):
                end = mark.end
        ends.append(end)
    return ends


def _all_places(marks: Iterable[_Marks]) -> tuple[PageRef, ...]:
    return tuple(dict.fromkeys(place for mark in marks for place in mark.places))


def _introduces(text: str, block: _Block, signs: _Signs, before: tuple[PageRef, ...]) -> tuple[PageRef, ...]:
    """The markers for quotes in the next block: those of a line that ends in a colon, which introduces a list."""
    if block.kind == "text" and text[block.start : block.end].rstrip(" \t\n*_").endswith((":", "：")):
        return signs.marks[-1].places if signs.marks else ()
    return before if block.kind == "text" and _ITEM.match(signs.text) else ()


def _span(
    text: str, block: _Block, signs: _Signs, quote: tuple[int, int], places: tuple[PageRef, ...], *, marked: bool
) -> QuotedSpan | None:
    """The quote at some offsets; None if it is too short."""
    start, end = quote
    part = text[block.start : block.end]
    for mark in signs.marks:
        part = part[: mark.start] + " " * (mark.end - mark.start) + part[mark.end :]
    if block.kind == "quote":
        part = _QUOTED_LINE.sub(lambda match: " " * len(match.group()), part)
    wording = part[start:end]
    words = sum(0.5 if _CJK.match(word) else 1 for word in _WORD.findall(wording))
    if words < (MIN_MARKED if marked else MIN_WORDS):
        return None
    start, end = start + len(wording) - len(wording.lstrip()), start + len(wording.rstrip())
    return QuotedSpan(block.start + start, block.start + end, wording.strip(), places)
