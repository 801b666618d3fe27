"""A page of HTML or XHTML, converted to Markdown."""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from longread.agent.corpus.choices import HiddenText

from .. import markup, table
from ..base import RawPage
from .convert import Converter
from .decoding import decoded
from .styles import Look, Styles
from .tree import events
from .writer import Grid, Item, Mark

_STYLE = re.compile(r"<style\b[^>]*>", re.IGNORECASE)
_STYLE_END = re.compile(r"</style", re.IGNORECASE)
_LINK = re.compile(r"<link\b[^>]*>", re.IGNORECASE)
_HREF = re.compile(r"""href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""", re.IGNORECASE)
_MAX_STYLE = 1 << 22
"""Characters of styles that are read."""


@dataclass(frozen=True)
class Converted:
    """A page of HTML as Markdown."""

    text: str
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    """Whole sentences about the page as a whole."""
    notes: tuple[str, ...] = ()
    """Notes on parts of it, as in `RawPage.notes`: what is hidden, and pictures that were not read."""
    marks: tuple[tuple[int, Mark], ...] = ()
    """What is noted at places of the text: (characters before it, mark)."""


def to_markdown(
    data: bytes,
    *,
    encoding: str | None = None,
    served_as: str | None = None,
    hidden: HiddenText = "drop",
    xml: bool = False,
    address: str = "",
    anchors: Collection[str] = (),
    linked: Callable[[str], str | None] | None = None,
) -> Converted:
    """Convert a page of HTML or XHTML to Markdown without escaping: a quote of the text must be found in it.

    Args:
        encoding: its encoding, if the user names it.
        served_as: its encoding as a server or a mail names it, which takes precedence over what the page declares.
        hidden: what to do with text that a browser does not show.
        xml: it is meant to be XHTML, whatever it looks like.
        address: of the page, so that the links in it can be written as absolute ones.
        anchors: identifiers of elements whose places are wanted, as marks.
        linked: returns the style sheet at an address that the page names; None: these are not read.
    """
    text, warnings = decoded(data, encoding or "", served_as or "")
    page = convert(text, hidden=hidden, xml=xml, address=address, anchors=anchors, linked=linked)
    return Converted(page.text, page.title, page.metadata, (*warnings, *page.warnings), page.notes, page.marks)


def convert(
    html: str,
    *,
    hidden: HiddenText = "drop",
    xml: bool = False,
    address: str = "",
    anchors: Collection[str] = (),
    linked: Callable[[str], str | None] | None = None,
) -> Converted:
    """Convert a page that is decoded. See `to_markdown`."""
    styles, unknown = _styles(html, linked)
    stream, warnings = events(html, xml=xml)
    look = Look(background=None if unknown or styles.unknown_backgrounds else (255, 255, 255))
    converter = Converter(hidden=hidden, styles=styles, look=look, anchors=frozenset(anchors))
    converter.base = address
    converter.feed(stream)
    converter.writer.flush()
    text, marks = _assembled(converter.writer.frame.items)
    return Converted(
        text,
        converter.title,
        converter.metadata,
        tuple(warnings),
        notes([mark for _, mark in marks], kept=hidden == "keep"),
        tuple(marks),
    )


def notes(marks: Sequence[Mark], *, kept: bool) -> tuple[str, ...]:
    """The notes of a page with these marks."""
    words: dict[str, int] = {}
    for mark in marks:
        if mark.kind == "hidden":
            words[mark.name] = words.get(mark.name, 0) + mark.count
    found = [markup.hidden_note(count, why, kept=kept) for why, count in words.items()]
    pictures = sum(mark.kind == "picture" for mark in marks)
    if pictures == 1:
        found.append("1 picture was not read: it has no alternative text")
    elif pictures:
        found.append(f"{pictures:,} pictures were not read: they have no alternative text")
    return tuple(found)


def with_notes(text: str, pages: Sequence[RawPage], marks: Sequence[tuple[int, Mark]], *, kept: bool) -> list[RawPage]:
    """The pages that the text was split into, with the notes of what is in each."""
    result: list[RawPage] = []
    at = taken = 0
    for number, page in enumerate(pages):
        body = page.text.rstrip("\n")
        start = text.find(body, at)
        at = (start if start >= 0 else at) + len(body)
        inside: list[Mark] = []
        while taken < len(marks) and (marks[taken][0] <= at or number == len(pages) - 1):
            inside.append(marks[taken][1])
            taken += 1
        result.append(page._replace(notes=(*page.notes, *notes(inside, kept=kept))))
    return result


def _styles(html: str, linked: Callable[[str], str | None] | None) -> tuple[Styles, bool]:
    """The styles of a page; and whether it names style sheets that are not there."""
    styles = Styles()
    unknown = False
    left = _MAX_STYLE
    for link in _LINK.findall(html):
        if "stylesheet" not in link.lower():
            continue
        match = _HREF.search(link)
        address = next((part for part in match.groups() if part), "") if match else ""
        css = linked(address) if linked else None
        unknown |= css is None
        if css and (left := left - len(css)) > 0:
            styles.add(css)
    at = 0
    while match := _STYLE.search(html, at):
        end = _STYLE_END.search(html, match.end())
        if end is None:
            break
        at = end.end()
        if (left := left - (end.start() - match.end())) > 0:
            styles.add(html[match.end() : end.start()])
    return styles, unknown


def _assembled(items: Sequence[Item]) -> tuple[str, list[tuple[int, Mark]]]:
    """The text, and the marks with their places in it."""
    lines: list[str] = []
    marks: list[tuple[int, Mark]] = []
    size = 0
    for item in items:
        if isinstance(item, Mark):
            marks.append((size, item))
        elif isinstance(item, Grid):
            text = table.markdown(item.rows)
            if item.prefix or item.first:
                first, *rest = text.split("\n")
                text = "\n".join([item.first + first, *(item.prefix + line for line in rest)])
            lines.append(text)
            size += len(text) + 1
        else:
            lines.append(item)
            size += len(item) + 1
    return "\n".join(lines), marks
