"""Paragraphs, headings, lists, sections and tables as blocks, in the order of the document."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import markup
from ..office.package import integer
from ..word.pages import EXPLICIT, RENDERED, SOFT, Block, cleaned
from .context import MAX_DEPTH, Context
from .frames import FrameReader
from .inline import InlineReader, comment
from .lists import MAX_LEVEL, Counters
from .names import attribute, child, name, text_in
from .tables import table_blocks

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_SKIPPED = frozenset(
    ("office:forms", "text:tracked-changes", "text:variable-decls", "text:sequence-decls", "text:user-field-decls",
     "text:dde-connection-decls", "text:alphabetical-index-auto-mark-file", "table:calculation-settings",
     "text:table-of-content-source", "text:illustration-index-source", "text:table-index-source",
     "text:object-index-source", "text:user-index-source", "text:alphabetical-index-source",
     "text:bibliography-source", "text:section-source", "office:dde-source", "table:table-source",
     "text:note-citation", "office:change-info", "dc:creator", "dc:date", "meta:date-string", "text:number")
)  # fmt: skip
_NOTE_MARK = re.compile(r"\[\^[^\[\]]*\]")
_LEADING = re.compile(f"(?:[^\\S{RENDERED}]*{RENDERED})*")
_BREAKS = str.maketrans(dict.fromkeys((EXPLICIT, RENDERED, SOFT), "\n"))


@dataclass
class _Item:
    """The list item that blocks are in."""

    style: str
    level: int
    counters: Counters
    start: str = ""
    mark: bool = True
    """The next paragraph gets the item's number or bullet."""
    header: bool = False
    """Its paragraphs have no number."""
    written: str = ""
    """The number as the file says it."""


class BlockReader:
    """Reads the blocks of a text. Its position in tracked changes and lists goes on from call to call."""

    def __init__(self, context: Context):
        self.context = context
        self.inline = InlineReader(context, self)
        self.frames = FrameReader(context, self)

    def read(self, holder: "_Element", item: _Item | None = None, background: str | None = None) -> Iterator[Block]:
        """The blocks in an element, in order. Page breaks are characters of `word.pages` in their texts.

        Args:
            background: the colour around them, "" if it is not known; None for that of the page.
        """
        if self.context.depth > MAX_DEPTH:
            yield Block(text_in(holder))
            return
        self.context.depth += 1
        try:
            for element in holder:
                yield from self._element(element, item, background)
        finally:
            self.context.depth -= 1

    def texts(self, holder: "_Element", background: str | None = None) -> list[str]:
        """The texts of the blocks in an element, where pages cannot end."""
        found = (block.text.translate(_BREAKS).strip("\n") for block in self.read(holder, None, background))
        return [text for text in found if text.strip()]

    def read_table(self, element: "_Element", background: str | None = None) -> Iterator[Block]:
        """A table that is no element of a text, such as that of a slide."""
        return self._table(element, background)

    def _element(self, element: "_Element", item: _Item | None, background: str | None) -> Iterator[Block]:
        kind = name(element)
        match kind:
            case "text:p" | "text:h":
                yield from self._paragraph(element, item, background)
            case "text:list":
                yield from self._list(element, item, background)
            case "text:numbered-paragraph":
                yield from self._numbered(element, background)
            case "text:section":
                yield from self._section(element, item, background)
            case "table:table":
                yield from self._table(element, background)
            case "text:soft-page-break":
                yield Block(RENDERED)
            case "office:annotation":
                yield Block(comment(self, element))
            case "text:change-start" | "text:change-end" | "text:change":
                if deleted := self.context.changes.meet(element):
                    yield Block(markup.deleted(deleted) if self.context.changes.mode == "marked" else deleted)
            case _ if kind.startswith(("draw:", "dr3d:")):
                found = self.frames.read(element)
                if found.inline:
                    yield Block(found.inline)
                yield from found.blocks
            case _ if kind in _SKIPPED or not kind:
                pass
            case _:  # indexes, and what later versions add
                yield from self.read(element, item, background)

    def _paragraph(self, element: "_Element", item: _Item | None, background: str | None) -> Iterator[Block]:
        styles = self.context.styles.of("paragraph", attribute(element, "text:style-name"))
        yield from self._page_starts(styles)
        text, after = self.inline.read(element, background)
        before = _LEADING.match(text)
        if before is not None and before.group():
            # A page that begins with the paragraph begins before its number.
            yield from (Block(RENDERED) for _ in range(before.group().count(RENDERED)))
            text = text[before.end() :]
        level = attribute(element, "text:outline-level", "1")
        heading = min(max(integer(level, 1), 1), 99) if name(element) == "text:h" else 0
        number = self._number(element, item, heading, styles) if cleaned(text).strip() else ""
        if heading and cleaned(text).strip():
            yield from (Block(RENDERED) for _ in range(text.count(RENDERED)))  # as good as within it
            title = " ".join(f"{number} {text}".split()) if number not in ("", "-") else " ".join(text.split())
            plain = markup.finished(_NOTE_MARK.sub("", title))
            yield Block(f"{'#' * min(heading, 6)} {title}", heading, " ".join(plain.split()))
        elif text:
            if item is not None:
                indent = "  " * (item.level - 1)
                first = f"{indent}{number} " if number else f"{indent}  " if not item.header else indent
                text = first + text.replace("\n", f"\n{indent}  ")
            yield Block(text, tight=item is not None)
        yield from after
        if styles.get("fo:break-after") == "page":
            yield Block(SOFT)

    def _page_starts(self, properties: dict[str, str]) -> Iterator[Block]:
        """A page break, if a paragraph or table with these properties begins a page."""
        master = properties.get("style:master-page-name")
        if properties.get("fo:break-before") != "page" and not master:
            return
        if master and (first := integer(properties.get("style:page-number", ""))):
            self.context.page_start = first, self.context.styles.page_number_format(master)
        yield Block(SOFT)

    def _number(self, element: "_Element", item: _Item | None, heading: int, styles: dict[str, str]) -> str:
        """The number or bullet of a paragraph with text."""
        if item is not None:
            if not item.mark or item.header or attribute(element, "text:is-list-header") == "true":
                return ""
            item.mark = False
            counted = self.context.numbers.mark(item.counters, item.style, item.level, item.start)
            return item.written or counted
        if not heading or attribute(element, "text:is-list-header") == "true":
            return ""
        if styles.get("style:list-style-name") == "":
            return ""  # the style says that it has none
        counted = self.context.numbers.heading(
            heading,
            restart=attribute(element, "text:restart-numbering") == "true",
            start=attribute(element, "text:start-value"),
        )
        return text_in(child(element, "text:number")) or counted

    def _list(self, element: "_Element", outer: _Item | None, background: str | None) -> Iterator[Block]:
        given = attribute(element, "text:style-name")
        style = given or (outer.style if outer is not None else self._style_of_paragraph(element))
        level = outer.level + 1 if outer is not None else 1
        if outer is None:
            counters = self.context.numbers.counters(element, style)
        else:
            counters = outer.counters
            if not outer.mark and attribute(element, "text:continue-numbering") != "true":
                counters.below(outer.level)
        for part in element:
            kind = name(part)
            if kind not in ("text:list-item", "text:list-header"):
                yield from self._element(part, None, background)
                continue
            item = _Item(
                attribute(part, "text:style-override") or style,
                level,
                counters,
                start=attribute(part, "text:start-value"),
                header=kind == "text:list-header",
                written=text_in(child(part, "text:number")),
            )
            yield from self.read(part, item, background)

    def _style_of_paragraph(self, element: "_Element") -> str:
        """The list style that the first paragraph of a list has by its own style."""
        first = next(
            (found for key in ("text:p", "text:h") if (found := child(element, "text:list-item", key)) is not None),
            None,
        )
        if first is None:
            return ""
        return self.context.styles.of("paragraph", attribute(first, "text:style-name")).get("style:list-style-name", "")

    def _numbered(self, element: "_Element", background: str | None) -> Iterator[Block]:
        """A paragraph that is in a list without an element for the list."""
        given = attribute(element, "text:level", "1")
        level = min(max(integer(given, 1), 1), MAX_LEVEL)
        counters = self.context.numbers.of_id(attribute(element, "text:list-id"))
        item = _Item(
            attribute(element, "text:style-name"),
            level,
            counters,
            start=attribute(element, "text:start-value"),
            written=text_in(child(element, "text:number")),
        )
        yield from self.read(element, item, background)

    def _section(self, element: "_Element", item: _Item | None, background: str | None) -> Iterator[Block]:
        display = attribute(element, "text:display")
        if display == "none" or (display == "condition" and attribute(element, "text:is-hidden", "true") == "true"):
            text = "\n".join(cleaned(text) for text in self.texts(element, background))
            if concealed := self.context.conceal(text, "in a hidden section"):
                yield Block(concealed)
            return
        yield from self.read(element, item, background)

    def _table(self, element: "_Element", background: str | None) -> Iterator[Block]:
        properties = self.context.styles.of("table", attribute(element, "table:style-name"))
        yield from self._page_starts(properties)
        if not self.context.changes.leaves_out:
            yield from table_blocks(element, self, background)
        if properties.get("fo:break-after") == "page":
            yield Block(SOFT)


def joined(blocks: Iterable[Block]) -> str:
    """Blocks as one text, where pages cannot end."""
    parts: list[str] = []
    before: Block | None = None
    for block in blocks:
        text = block.text.translate(_BREAKS).strip("\n")
        if text.strip():
            parts += [] if before is None else ["\n" if before.tight and block.tight else "\n\n"]
            parts.append(text)
            before = block
    return "".join(parts)
