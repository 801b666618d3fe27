"""Find a wording verbatim in a normalized text, or across the end of a page."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from .normalize import CJK, QUOTATION_MARKS, NormalText

MOST_BETWEEN = 1500
"""Maximum number of characters that an ellipsis may stand for."""
_MARGIN = 700
"""Characters at the end of a page and the start of the next one in which a quote across both may skip lines."""
_IS_CJK = re.compile(f"[{CJK}]")
_FOOTNOTE = re.compile(r"\s*(?:\d{1,3}(?![\d.):,])|[*†‡§⁰¹²³⁴⁵⁶⁷⁸⁹])\s?\S")
_PAGE_NUMBER = re.compile(r"[^\w]{0,3}(?:\d{0,5}|[ivxlc]{1,7})[^\w]{0,3}\Z")

Spans = list[tuple[int, int]]


def in_order(parts: Sequence[str], normal: NormalText) -> Spans:
    """Where a text contains the parts one after another; [] if it does not."""
    for start in _occurrences(parts[0], normal.text, 0, len(normal.text)):
        spans = [(start, start + len(parts[0]))]
        for part in parts[1:]:
            end = spans[-1][1]
            at = next(_occurrences(part, normal.text, end, end + MOST_BETWEEN + len(part)), None)
            if at is None:
                break
            spans.append((at, at + len(part)))
        else:
            return spans
    return []


def divided(
    parts: Sequence[str], this: NormalText, following: NormalText, edges: Collection[str]
) -> tuple[Spans, Spans] | None:
    """Where a page ends with the start of a wording, and the next page starts with the rest.

    Between the two there may be page numbers, running titles and footnotes, but no other text.

    Args:
        edges: lines that other pages start or end with: see `unnumbered`.
    """
    for index, part in enumerate(parts):
        before = in_order(parts[:index], this) if index else []
        after = in_order(parts[index + 1 :], following) if index + 1 < len(parts) else []
        if bool(before) != (index > 0) or bool(after) != (index + 1 < len(parts)):
            continue
        for variant in _variants(part):
            if spans := _divided(variant, this, following, edges):
                return [*before, spans[0]], [spans[1], *after]
    return None


def unnumbered(line: str) -> str:
    """A line without digits and blanks, for comparing running titles."""
    return "".join(char for char in line if not char.isdigit() and not char.isspace())


def _divided(
    part: str, this: NormalText, following: NormalText, edges: Collection[str]
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    words = part.split(" ")
    if len(words) > 1 and (
        (words[0][1:] not in this.text[-_MARGIN - len(part) :] and this.text[-1:] != "-")
        or words[-1] not in following.text[: _MARGIN + len(part)]
    ):
        return None
    for at in range(len(part) - 1, 0, -1):
        head, rest = part[:at].rstrip(), part[at:].lstrip()
        if _joins(part[at - 1], part[at]):  # within a word, which only a hyphen can divide
            tail = this.text.removesuffix("-")
            if tail == this.text or not tail.endswith(head) or not following.text.startswith(rest):
                continue
            start, begin = len(tail) - len(head), 0
        else:
            start = _at_end(head, this, edges)
            begin = _at_beginning(rest, following, edges) if start is not None else None
        if start is None or begin is None:
            continue
        if _bounded(this.text, start, start + len(head)) and _bounded(following.text, begin, begin + len(rest)):
            return (start, start + len(head)), (begin, begin + len(rest))
    return None


def _at_end(text: str, normal: NormalText, edges: Collection[str]) -> int | None:
    start = normal.text.rfind(text)
    if start < 0 or len(normal.text) - start - len(text) > _MARGIN:
        return None
    behind = normal.original[normal.span(start, start + len(text))[1] :].lstrip(f" \t-{QUOTATION_MARKS}")
    if behind and behind[0] != "\n":
        return None
    lines = behind.split("\n")
    notes = next((number for number, line in enumerate(lines) if _FOOTNOTE.match(line)), len(lines))
    return start if all(_is_furniture(line, edges) for line in lines[:notes]) else None


def _at_beginning(text: str, normal: NormalText, edges: Collection[str]) -> int | None:
    start = normal.text.find(text, 0, _MARGIN + len(text))
    if start < 0:
        return None
    ahead = normal.original[: normal.span(start, start + 1)[0]].rstrip(f" \t{QUOTATION_MARKS}")
    if ahead and ahead[-1] != "\n":
        return None
    return start if all(_is_furniture(line, edges) for line in ahead.split("\n")) else None


def _is_furniture(line: str, edges: Collection[str]) -> bool:
    """Whether a line at the edge of a page is a page number or a running title."""
    text = line.strip()
    return bool(_PAGE_NUMBER.match(text)) or unnumbered(text) in edges


def _variants(part: str) -> Iterable[str]:
    """The text as written, and with its first letter in the other case."""
    return dict.fromkeys([part, part[0].swapcase() + part[1:]])


def _occurrences(part: str, text: str, start: int, end: int) -> Iterator[int]:
    for variant in _variants(part):
        at = text.find(variant, start, end)
        while at >= 0:
            if _bounded(text, at, at + len(variant)):
                yield at
            at = text.find(variant, at + 1, end)


def _bounded(text: str, start: int, end: int) -> bool:
    """Whether no word and no number is cut at either end."""
    first, last = text[start], text[end - 1]
    before, after, next_after = text[start - 1 : start], text[end : end + 1], text[end + 1 : end + 2]
    if _joins(before, first) or _joins(last, after):
        return False
    if first.isdigit() and before and before in ".,+-":
        return False
    return not (last.isdigit() and after and (after in "%‰°" or (after in ".,:/-" and next_after.isdigit())))


def _joins(left: str, right: str) -> bool:
    return left.isalnum() and right.isalnum() and not _IS_CJK.match(left) and not _IS_CJK.match(right)
