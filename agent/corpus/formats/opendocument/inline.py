"""The text in a paragraph, with links, scripts, notes, comments, fields, changes and hidden words."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from .. import markup
from ..office.package import integer
from ..word.pages import RENDERED, Block, Footnote, without_noncharacters
from .context import MAX_DEPTH, Context
from .names import attribute, child, descendants, name, text_in
from .styles import length

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .blocks import BlockReader

_SPACES = re.compile(r"[ \t\r\n]+")
_SKIPPED = frozenset(
    ("office:annotation-end", "text:number", "text:script", "office:script", "svg:title", "svg:desc", "text:label",
     "text:tracked-changes", "office:event-listeners", "text:alphabetical-index-mark-start", "loext:item")
)  # fmt: skip
_SMALLEST = 2.0
"""Points below which nobody can read text."""
_BY_CONDITION = "hidden by a condition"
_TICKS = ("true", "checked")


class Piece(NamedTuple):
    text: str
    link: str = ""
    hidden: str = ""
    """Why nobody sees it, or ""."""
    change: str = ""
    """"inserted", "deleted" or ""."""


class InlineReader:
    """Reads paragraphs. Blocks that are anchored in them, such as text boxes, follow them."""

    def __init__(self, context: Context, blocks: "BlockReader"):
        self._context = context
        self._blocks = blocks
        self._after: list[Block] = []

    def read(self, paragraph: "_Element", background: str | None = None) -> tuple[str, list[Block]]:
        """The text of a paragraph, and the blocks that follow it.

        Args:
            background: the colour around the paragraph, "" if it is not known; None for that of the page.
        """
        outer, self._after = self._after, []
        properties = self._context.styles.of("paragraph", attribute(paragraph, "text:style-name"))
        behind = self._context.background if background is None else background
        pieces = list(self._pieces(paragraph, {**properties, "behind": behind}, ""))
        if any(
            attribute(field, "text:is-hidden") == "true" for field in descendants(paragraph, "text:hidden-paragraph")
        ):
            pieces = [piece._replace(hidden=piece.hidden or _BY_CONDITION) for piece in pieces]
        text = self._joined(pieces).strip(" \n")
        after, self._after = self._after, outer
        return text, after

    def _joined(self, pieces: list[Piece]) -> str:
        parts: list[str] = []
        for (link, hidden, change), group in groupby(pieces, key=lambda piece: piece[1:]):
            text = "".join(piece.text for piece in group)
            if not text:
                continue
            if hidden:
                text = self._context.conceal(text, hidden)
            text = markup.link(text, link)
            parts.append(getattr(markup, change)(text) if change else text)
        return "".join(parts)

    def _pieces(self, element: "_Element", properties: dict[str, str], link: str) -> Iterator[Piece]:
        hidden = _hidden(properties)
        self._context.depth += 1
        try:
            if element.text:
                yield from self._plain(element.text, properties, link, hidden)
            for inner in element:
                yield from self._element(inner, properties, link, hidden)
                if inner.tail:
                    yield from self._plain(inner.tail, properties, link, hidden)
        finally:
            self._context.depth -= 1

    def _plain(self, text: str, properties: dict[str, str], link: str, hidden: str) -> Iterator[Piece]:
        changes = self._context.changes
        if not changes.leaves_out:
            shown = _scripted(without_noncharacters(_SPACES.sub(" ", text)), properties)
            yield Piece(shown, link, hidden, "inserted" if changes.inserting and changes.mode == "marked" else "")

    def _element(self, element: "_Element", properties: dict[str, str], link: str, hidden: str) -> Iterator[Piece]:
        kind = name(element)
        if self._context.depth > MAX_DEPTH:
            yield Piece(text_in(element), link, hidden)
            return
        match kind:
            case "text:s":
                count = attribute(element, "text:c", "1")
                yield from self._spaced(" " * min(integer(count, 1), 200), link, hidden)
            case "text:tab":
                yield from self._spaced("\t", link, hidden)
            case "text:line-break":
                yield from self._spaced("\n", link, hidden)
            case "text:soft-page-break":
                yield Piece(RENDERED)
            case "text:span":
                style = self._context.styles.of("text", attribute(element, "text:style-name"))
                yield from self._pieces(element, {**properties, **style}, link)
            case "text:a":
                target = attribute(element, "xlink:href").strip()
                outside = target if target and not target.startswith(("#", "..")) else ""
                yield from self._pieces(element, properties, outside or link)
            case "text:note":
                yield Piece(self._note(element))
            case "office:annotation":
                yield Piece(comment(self._blocks, element))
            case "text:change-start" | "text:change-end" | "text:change":
                if deleted := self._context.changes.meet(element):
                    yield Piece(deleted, "", "", "deleted" if self._context.changes.mode == "marked" else "")
            case "text:ruby":
                reading = text_in(child(element, "text:ruby-text"))
                base = child(element, "text:ruby-base")
                if base is not None:
                    yield from self._pieces(base, properties, link)
                yield Piece(f"({reading})" if reading else "", link, hidden)
            case "text:hidden-text" if attribute(element, "text:is-hidden") == "true" or not text_in(element):
                yield Piece(attribute(element, "text:string-value") or text_in(element), "", _BY_CONDITION)
            case "text:variable-set" | "text:user-field-get" if attribute(element, "text:display") == "none":
                yield Piece("")
            case "loext:content-control" if attribute(element, "loext:checkbox") == "true":
                yield Piece(markup.check_box(attribute(element, "loext:checked") in _TICKS), link, hidden)
            case "presentation:footer" | "presentation:header" | "presentation:date-time":
                yield Piece(self._context.fields.get(kind, "") or text_in(element), link, hidden)
            case _ if kind.startswith(("draw:", "dr3d:")):
                found = self._blocks.frames.read(element)
                yield Piece(found.inline, link, hidden)
                self._after += found.blocks
            case _ if kind in _SKIPPED or not kind:
                yield Piece("")
            case _:
                yield from self._pieces(element, properties, link)

    def _spaced(self, space: str, link: str, hidden: str) -> Iterator[Piece]:
        changes = self._context.changes
        if not changes.leaves_out:
            yield Piece(space, link, hidden, "inserted" if changes.inserting and changes.mode == "marked" else "")

    def _note(self, element: "_Element") -> str:
        citation = child(element, "text:note-citation")
        mark = f"[^{text_in(citation) or '*'}]"
        body = child(element, "text:note-body")
        text = " ".join(self._blocks.texts(body)) if body is not None else ""
        return mark + self._context.attachments.add(Footnote(mark, text))


def comment(blocks: "BlockReader", element: "_Element") -> str:
    """An office:annotation."""
    author = text_in(child(element, "dc:creator")) or text_in(child(element, "meta:creator-initials"))
    text = " ".join(" ".join(blocks.texts(element)).split())
    return markup.comment(text, author)


def _scripted(text: str, properties: dict[str, str]) -> str:
    position = properties.get("style:text-position", "").split(" ")[0]
    if position == "super" or (position.endswith("%") and position[0] != "-" and position.strip("0.%+")):
        return markup.superscript(text)
    if position == "sub" or (position.startswith("-") and position.strip("-0.%")):
        return markup.subscript(text)
    return text


def _hidden(properties: dict[str, str]) -> str:
    """Why text with these properties cannot be seen, "" if it can."""
    if properties.get("text:display") == "none":
        return "formatted as hidden"
    size = properties.get("fo:font-size", "")
    if 0 < length(size) < _SMALLEST:
        return "below 2 points"
    if properties.get("loext:opacity", "").strip() in ("0%", "0"):
        return "transparent"
    if properties.get("style:use-window-font-color") == "true":
        return ""
    colour = properties.get("fo:color", "").lower()
    own = (properties.get(f"{kind} fo:background-color", "") for kind in ("text", "paragraph"))
    behind = next((found for found in own if found not in ("", "transparent")), properties.get("behind", ""))
    return "in the colour of its background" if _alike(colour, behind.lower()) else ""


def _alike(a: str, b: str) -> bool:
    if len(a) != 7 or len(b) != 7:
        return False
    try:
        channels = [(int(a[at : at + 2], 16), int(b[at : at + 2], 16)) for at in (1, 3, 5)]
    except ValueError:
        return False
    return all(abs(x - y) <= 10 for x, y in channels)
