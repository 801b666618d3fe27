"""The quotes in an answer, and the page marks that belong to them.

A quote stands between quotation marks or in a block quote. It is what an answer claims that a page says, word for word.
What is shorter than a few words, and what stands in code, is no claim.

An answer is cut into blocks: paragraphs, items of lists, rows of tables, block quotes, code. A block is looked at once
it is whole, so that the result does not depend on the pieces in which an answer arrives. A quote is told before that
when nothing that follows can change it: its mark has come, and no other quotation mark before it waits for its partner.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .citations import MARK, MOST_PAGES, ranges_of
from .normal_text import CJK

MIN_WORDS = 4
"""Words of a quote that is a claim; `MIN_MARKED` where a page mark follows at once. A CJK character is half a word."""
MIN_MARKED = 2
_EARLY = 4000
"""Characters of a block above which its quotes are told when it is whole: each mark has all of it looked at again."""

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
class Place:
    """A page that a mark names; whether there is such a page is another matter."""

    document: str
    page: int


@dataclass(frozen=True)
class Claim:
    """A quote as it stands in an answer."""

    start: int
    end: int
    """Offsets in the answer: the quote without its quotation marks, and without a page mark at its end."""
    wording: str
    """The quote without page marks and without the signs of a block quote."""
    places: tuple[Place, ...] = ()
    """The pages that it is said to stand on, nearest mark first."""


@dataclass
class _Block:
    kind: Literal["text", "quote", "code"]
    start: int
    end: int


class _Marks(NamedTuple):
    """Page marks that stand together, "[a:1][a:2]"."""

    start: int
    end: int
    places: tuple[Place, ...]


@dataclass
class _Signs:
    """What matters in a block: which text stands between quotation marks, and which marks name pages."""

    text: str
    """Of the length of the block, with "x" for what stands in code, in marks and between quotation marks."""
    marks: list[_Marks]
    quotes: list[tuple[int, int]]
    """Offsets of the text between quotation marks, outermost only, in order."""
    open: int
    """Offset of the first quotation mark or backtick that has no partner; the block's length when each has."""


class ClaimFinder:
    """Finds claims while an answer streams.

    `feed` returns the claims that have become certain, `finish` the rest; together they are those of the whole answer,
    in order, however it was cut into pieces.
    """

    def __init__(self) -> None:
        self._text = ""
        self._from = 0
        """Where the first block begins whose claims were not all told."""
        self._told = 0
        """How many of its claims were."""
        self._before: tuple[Place, ...] = ()
        """The marks of the line that introduces it."""
        self._awaited = False

    def feed(self, text: str) -> list[Claim]:
        self._text += text
        self._awaited = self._awaited or "]" in text
        if "\n" not in text and not (self._awaited and text.strip()):
            return []
        self._awaited = text.rstrip().endswith("]")  # what follows says whether the mark goes on
        return self._claims(final=False)

    def finish(self) -> list[Claim]:
        return self._claims(final=True)

    def _claims(self, *, final: bool) -> list[Claim]:
        found: list[Claim] = []
        blocks = _blocks(self._text, self._from)
        for index, block in enumerate(blocks):
            self._from = block.start
            signs = _signs(self._text, block)
            following = blocks[index + 1] if index + 1 < len(blocks) else None
            # The marks of a block quote may stand in the next block.
            awaits = block.kind == "quote" and not signs.marks and index + 2 >= len(blocks)
            if not final and (following is None or awaits):
                if block.kind == "text":
                    settled = _settled(self._text, block, signs)
                    found += settled[self._told :]
                    self._told = max(self._told, len(settled))
                return found
            found += _of_block(self._text, block, signs, self._before, following)[self._told :]
            self._before = _introduces(self._text, block, signs, self._before)
            self._told, self._from = 0, block.end
        return found


def find_claims(answer: str) -> list[Claim]:
    """All claims of a whole answer, in order."""
    finder = ClaimFinder()
    return finder.feed(answer) + finder.finish()


def _blocks(text: str, start: int) -> list[_Block]:
    """The blocks from `start` on, where one begins. All but the last are whole."""
    blocks: list[_Block] = []
    goes_on, fence, at = False, "", start
    while at < len(text):
        newline = text.find("\n", at)
        end = len(text) if newline < 0 else newline + 1
        line = text[at:end]
        opens = _FENCE.match(line)
        if fence:
            blocks[-1].end = end
            if opens and opens[1].startswith(fence) and not line[opens.end() :].strip():
                goes_on, fence = False, ""
        elif opens:
            blocks.append(_Block("code", at, end))
            fence = opens[1]
        else:
            quoted = _BLOCK_QUOTE.match(line)
            kind = "quote" if quoted else "text"
            blank = not line.lstrip("> \t").strip() if quoted else not line.strip()
            if blank:
                goes_on = False
            elif goes_on and blocks[-1].kind == kind and not (kind == "text" and _ITEM.match(line)):
                blocks[-1].end = end
            else:
                blocks.append(_Block(kind, at, end))
                goes_on = True
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


def _places(mark: str) -> tuple[Place, ...]:
    return tuple(
        Place(name, page)
        for name, first, last in ranges_of(mark)
        if not name.isdecimal() and 0 <= last - first < MOST_PAGES  # "[12:30]" is a time
        for page in range(first, last + 1)
    )


def _pairs(text: str) -> tuple[list[tuple[int, int]], int]:
    """The outermost pairs of quotation marks, as offsets of what stands between, and the first that has no partner."""
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


def _of_block(
    text: str, block: _Block, signs: _Signs, before: tuple[Place, ...], following: _Block | None
) -> list[Claim]:
    """The claims of a whole block."""
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
        claims = [_claim(text, block, signs, (0, end), _all_places(signs.marks) or before, marked=marked)]
    else:
        claims = [
            _claim(text, block, signs, quote, places or before, marked=marked)
            for quote, places, marked, _ in _with_places(signs)
        ]
    return [claim for claim in claims if claim]


def _settled(text: str, block: _Block, signs: _Signs) -> list[Claim]:
    """The claims at the beginning of a block that is not whole which nothing that follows can change."""
    settled: list[Claim] = []
    if block.end - block.start > _EARLY:
        return settled
    for quote, places, marked, certain in _with_places(signs):
        claim = _claim(text, block, signs, quote, places, marked=marked)
        if quote[1] > signs.open or (claim and not certain):
            break
        settled += [claim] if claim else []
    return settled


def _with_places(signs: _Signs) -> Iterator[tuple[tuple[int, int], tuple[Place, ...], bool, bool]]:
    """(quote, the places of its marks, whether one follows at once, whether more text cannot change that)

    Its marks stand within it, else after it in the same sentence, else before it in the same sentence, else anywhere
    in the block, those after it first.
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
    """Offsets at which sentences end, a mark behind the full stop included."""
    ends: list[int] = []
    for match in _SENTENCE_END.finditer(signs.text):
        end = match.end()
        for mark in signs.marks:
            if mark.start >= end and not signs.text[end : mark.start].strip(_BEFORE_MARK):
                end = mark.end
        ends.append(end)
    return ends


def _all_places(marks: Iterable[_Marks]) -> tuple[Place, ...]:
    return tuple(dict.fromkeys(place for mark in marks for place in mark.places))


def _introduces(text: str, block: _Block, signs: _Signs, before: tuple[Place, ...]) -> tuple[Place, ...]:
    """The marks that stand for quotes in the next block: those of a line that ends in a colon, for a whole list."""
    if block.kind == "text" and text[block.start : block.end].rstrip(" \t\n*_").endswith((":", "：")):
        return signs.marks[-1].places if signs.marks else ()
    return before if block.kind == "text" and _ITEM.match(signs.text) else ()


def _claim(
    text: str, block: _Block, signs: _Signs, quote: tuple[int, int], places: tuple[Place, ...], *, marked: bool
) -> Claim | None:
    """The claim that a quote makes; None when it is too short for one."""
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
    return Claim(block.start + start, block.start + end, wording.strip(), places)
