"""The text of a paragraph in pieces of one formatting, and these as Markdown."""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from .. import markup
from .pages import EXPLICIT, RENDERED, SOFT, cleaned

BREAKS = re.compile(f"[{EXPLICIT}{RENDERED}{SOFT}]")


class Span(NamedTuple):
    """Text with what is to be marked about it, from the outside to the inside."""

    text: str
    change: str = ""
    """ "inserted" or "deleted"."""
    hidden: bool = False
    link: str = ""
    strike: bool = False
    bold: bool = False
    italic: bool = False
    script: str = ""
    raw: bool = False
    """A mark such as that of a footnote: no formatting applies to it, and none ends at it."""


def markdown(spans: Sequence[Span], *, emphasis: bool = True) -> str:
    """The text of a paragraph.

    Args:
        emphasis: bold and italic text is marked. Not in headings, which are told from other text already.
    """
    if len(spans) == 1 and not any(spans[0][1:8]):
        return spans[0].text
    if not emphasis:
        spans = [span._replace(bold=False, italic=False) for span in spans]
    kinds = [kind for kind in _MARKS if any(map(itemgetter(kind), spans))]
    if not kinds:
        return _marked(spans, ())
    # Marks do not go over the end of a page.
    parts: list[str] = []
    for ends, group in groupby(spans, key=lambda span: span.raw and bool(BREAKS.match(span.text))):
        found = list(group)
        parts.append(_marked(found if ends else _levelled(found), () if ends else kinds))
    return "".join(parts)


def trimmed(text: str) -> tuple[str, str, str]:
    """The page breaks before a text, the text without white space at its ends, and the page breaks after it."""
    inner = text.strip()  # page breaks are white space
    if len(inner) == len(text):
        return "", text, ""
    start = text.index(inner)
    before, after = BREAKS.findall(text[:start]), BREAKS.findall(text[start + len(inner) :])
    return "".join(before), inner, "".join(after)


def plain(spans: Sequence[Span]) -> str:
    """The text without marks, and without what is deleted."""
    return BREAKS.sub(" ", "".join(cleaned(s.text) for s in spans if s.change != "deleted" and not s.raw))


_MARKS: dict[int, Callable[[str, object], str]] = {
    1: lambda text, change: markup.inserted(text) if change == "inserted" else markup.deleted(text),
    2: lambda text, _: markup.hidden(text),
    3: lambda text, address: _linked(text, str(address)),
    4: lambda text, _: _around("~~", text),
    5: lambda text, _: _around("**", text),
    6: lambda text, _: _around("*", text),
    7: lambda text, script: markup.superscript(text) if script == "superscript" else markup.subscript(text),
}
"""How each field of a span but the text is marked, by its index."""


def _marked(spans: Sequence[Span], kinds: Sequence[int]) -> str:
    """The spans with the marks of these kinds, as indices of a span's fields, from the outside to the inside."""
    if not kinds:
        return "".join([span.text for span in spans])
    kind, mark = kinds[0], _MARKS[kinds[0]]
    parts: list[str] = []
    for found, group in groupby(spans, key=itemgetter(kind)):
        text = _marked(list(group), kinds[1:])
        parts.append(mark(text, found) if found and text.strip() else text)
    return "".join(parts)


def _levelled(spans: Sequence[Span]) -> list[Span]:
    """The spans, so that formatting neither begins nor ends within a word or at white space between equal spans.

    "S**m**ith" would not be found by its words, and a space has no weight.
    """
    result: list[Span] = []
    for at, span in enumerate(spans):
        if span.raw or not span.text.strip():
            # It goes with its neighbours, if these agree.
            before = result[-1] if result else None
            after = next((later for later in spans[at + 1 : at + 9] if later.text.strip() and not later.raw), None)
            if before is not None and after is not None:
                span = span._replace(
                    strike=before.strike and after.strike,
                    bold=before.bold and after.bold,
                    italic=before.italic and after.italic,
                    script=before.script if before.script == after.script and not span.raw else "",
                )
        result.append(span)
    for at in range(1, len(result)):
        before, span = result[at - 1], result[at]
        if (before.bold, before.italic) == (span.bold, span.italic) or not _joined(before, span):
            continue
        weak = at if (span.bold, span.italic) > (before.bold, before.italic) else at - 1
        # A whole word in bold before an ending is worth its mark less than being found.
        result[weak] = result[weak]._replace(bold=False, italic=False)
    return result


def _joined(before: Span, after: Span) -> bool:
    """Whether a word goes on from one span to the next."""
    return before.text[-1:].isalnum() and after.text[:1].isalnum() and not before.script and not after.script


def _around(sign: str, text: str) -> str:
    inner = text.strip()
    start = text.index(inner)
    if "\n" in inner:  # emphasis does not go over line ends
        lines = (_around(sign, line) if line.strip() else line for line in inner.split("\n"))
        return text[:start] + "\n".join(lines) + text[start + len(inner) :]
    return f"{text[:start]}{sign}{inner}{sign}{text[start + len(inner) :]}"


def _linked(text: str, address: str) -> str:
    inner = text.strip()
    if inner in (address, address.removeprefix("mailto:"), address.rstrip("/")):
        return text
    start = text.index(inner)
    return f"{text[:start]}[{inner}]({address}){text[start + len(inner) :]}"
