"""A story of a document (its body, a text box, a note): paragraphs and tables as blocks."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from ..office.package import R, Relationship
from . import alternative, fields, spans
from .context import CHANGES, Change, Context, Shared, chosen, within
from .inline import Inline
from .numbering import Number
from .pages import SOFT, Block, cleaned
from .spans import Span
from .styles import ParagraphStyle, mark_vanishes
from .tables import Table
from .xml import MC, VAL, M, W, integer, is_on

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MAX_DEPTH = 25
"""Tables in tables, and text boxes in text boxes; what is nested deeper is read as text without structure."""
_BARE = Context()
_LONG_HEADING = 400
"""Characters; a longer paragraph with an outline level is text that the table of contents shall show."""
_WRAPPERS: dict[str, Change] = {
    **dict.fromkeys((f"{W}customXml", f"{W}smartTag", f"{W}sdtContent"), ""),
    **{W + name: CHANGES[name] for name in ("ins", "del", "moveFrom", "moveTo")},
}
_P = f"{W}p"
_PPR, _PSTYLE, _RPR, _SECTION = f"{W}pPr", f"{W}pStyle", f"{W}rPr", f"{W}sectPr"
_FRAME = f"{W}framePr"
_OUTLINE, _BROKEN, _LISTED = f"{W}outlineLvl", f"{W}pageBreakBefore", f"{W}numPr"
_ANCHOR = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}anchor"


class SectionEnd:
    """Where a section of the body ends."""


class _Part:
    """What is found out about a part once, for all stories in it."""

    def __init__(self, root: "_Element"):
        self._root = root

    @cached_property
    def complete_fields(self) -> "set[_Element]":
        return fields.ends(self._root)

    @cached_property
    def has_backdrop(self) -> bool:
        return any(anchor.get("behindDoc") in ("1", "true") for anchor in self._root.iter(_ANCHOR))


class Story:
    """The reader of a story.

    Args:
        part: the name of the part that it is in.
        root: the element that contains all of it.
        name: which stories are numbered together.
    """

    def __init__(self, shared: Shared, part: str, root: "_Element", name: str = ""):
        self.shared = shared
        self.relationships: dict[str, Relationship] = shared.package.relationships(part)
        self.fields: list[fields.Field] = []
        self.last_change: Change = ""
        self.coloured = shared.coloured
        """White text stands out here."""
        self._part = _Part(root)
        self._name = name
        self._depth = 0
        self._flat = False
        """What is anchored in paragraphs is read with the paragraphs around them."""
        self._carried: list[Span] = []
        """The content of paragraphs that are one with the next: their mark is deleted, or they are a large initial."""

    @property
    def visible(self) -> bool:
        """Whether text here is in the result of every field that surrounds it."""
        return self.fields[-1].shows if self.fields else True

    @property
    def has_backdrop(self) -> bool:
        """Whether pictures or shapes of this part stand behind its text."""
        return self._part.has_backdrop

    def ends_here(self, beginning: "_Element") -> bool:
        """Whether the field that begins there also ends in this part."""
        return beginning in self._part.complete_fields

    def begin_field(self, begun: fields.Field) -> None:
        begun.within_result = self.visible
        begun.address = self.fields[-1].address if self.fields else ""
        self.fields.append(begun)

    def target(self, element: "_Element") -> str:
        """The part or address that r:id of the element leads to."""
        found = self.relationships.get(element.get(f"{R}id", ""))
        return found.target if found else ""

    def address(self, element: "_Element") -> str:
        """The absolute address that a hyperlink leads to; "" for a place in the document."""
        found = self.relationships.get(element.get(f"{R}id", ""))
        return fields.absolute(found.target) if found and found.external else ""

    def within(self, *, coloured: bool, name: str | None = None) -> "Story":
        """The reader of a cell or text box in this story."""
        inner = Story.__new__(Story)
        inner.__dict__.update(self.__dict__)
        inner._depth += 1
        inner.coloured = self.coloured or coloured
        inner._carried = []
        if name is not None:  # fields do not go on from a story to another; they do from cell to cell
            inner._name, inner.fields = name, []
        return inner

    def blocks(self, parent: "_Element", context: Context = _BARE) -> Iterator[Block]:
        """The paragraphs and tables within an element."""
        for found in self.parts(parent, context):
            if isinstance(found, Block):
                yield found

    def text(self, parent: "_Element", separator: str = "\n") -> str:
        """The paragraphs within an element as one text, without page breaks."""
        texts = (spans.BREAKS.sub(" ", block.title or block.text).strip() for block in self.blocks(parent))
        return separator.join(text for text in texts if text)

    def parts(self, parent: "_Element", context: Context = _BARE) -> "Iterator[Block | SectionEnd]":
        """The paragraphs and tables within an element, and where sections end."""
        # Not recursive: files nest such elements without a limit.
        stack = [(iter(parent), context)]
        while stack:
            children, context = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                continue
            tag = child.tag
            if tag == f"{W}p":
                yield from self._paragraph(child, context)
            elif tag == f"{W}tbl":
                yield from self._table(child, context)
            elif tag == f"{W}sdt":
                content = child.find(f"{W}sdtContent")
                if self.shared.controls.value(child) is not None:
                    yield from self._loose(child, context)
                elif content is not None:
                    stack.append((iter(content), context))
            elif tag == f"{W}altChunk":
                yield from alternative.blocks(child, self)
            elif tag in _WRAPPERS:
                stack.append((iter(child), context._replace(change=within(context.change, _WRAPPERS[tag]))))
            elif tag == f"{MC}AlternateContent":
                choice = chosen(child)
                stack.append((iter(choice if choice is not None else ()), context))
            elif tag in (f"{W}r", f"{M}oMath", f"{M}oMathPara", f"{W}hyperlink"):
                yield from self._loose(child, context)
        if self._carried:
            text, self._carried = spans.markdown(self._carried), []
            yield Block("".join(spans.trimmed(text)))

    def _loose(self, element: "_Element", context: Context) -> Iterator[Block]:
        """A run or the like without a paragraph."""
        content = Inline(self, self.shared.styles.paragraph(""), None)
        content.read((element,), context)
        content.finish()
        yield Block("".join(spans.trimmed(spans.markdown(content.spans))))
        yield from self._after(content)

    def _table(self, element: "_Element", context: Context) -> Iterator[Block]:
        if self._depth >= _MAX_DEPTH:
            yield from self._flattened(element, context)
        else:
            yield from Table(element, self, context).blocks()

    def _flattened(self, element: "_Element", context: Context) -> Iterator[Block]:
        """All paragraphs within an element, also those in tables and text boxes."""
        inner = self.within(coloured=False)
        inner._flat = True
        for paragraph in element.iter(_P):
            for found in inner._paragraph(paragraph, context):
                if isinstance(found, Block):
                    yield found

    def _paragraph(self, element: "_Element", context: Context) -> "Iterator[Block | SectionEnd]":
        properties = next(element.iterchildren(_PPR), None)  # much faster than find()
        own = {child.tag: child for child in properties} if properties is not None else {}
        named = own.get(_PSTYLE)
        style = self.shared.styles.paragraph(named.get(VAL, "") if named is not None else "")
        mark = own.get(_RPR)
        changed = _mark_change(mark)
        content = Inline(self, style, properties, spans=self._carried)
        self._carried = []
        content.read(element, context)
        content.finish()
        if changed and changed != self.last_change:
            self.last_change = changed
            self.shared.changes[changed] += 1
        frame = own.get(_FRAME)
        initial = frame is not None and frame.get(f"{W}dropCap", "none") != "none"
        if initial or (changed and not self.shared.shows(changed)):
            self._carried = content.spans
        else:
            yield from self._shown(content, own, style, changed, content.vanished and mark_vanishes(mark))
        yield from self._after(content)
        if not changed:
            self.last_change = ""
        if _SECTION in own:
            yield SectionEnd()

    def _shown(
        self, content: Inline, own: "dict[str, _Element]", style: ParagraphStyle, changed: Change, vanished: bool
    ) -> Iterator[Block]:
        """A paragraph with its number.

        Args:
            own: the paragraph's properties by tag.
        """
        level = _heading(own.get(_OUTLINE), style)
        breaks, text, ends = spans.trimmed(spans.markdown(content.spans, emphasis=not level))
        broken = own.get(_BROKEN)
        if is_on(broken) if broken is not None else style.page_break:
            breaks = SOFT + breaks
        gone = bool(changed in ("deleted", "moved away") and all(s.change == "deleted" or s.raw for s in content.spans))
        counted = None
        if not gone and not (vanished and not cleaned(spans.BREAKS.sub("", text)).strip()):
            place = self.shared.numbering.place(own.get(_LISTED), style)
            counted = self.shared.numbering.count(*place, self._name) if place else None
        if level and len(text) <= _LONG_HEADING and cleaned(text).strip():
            title = _joined(counted, " ".join(spans.plain(content.spans).split()))
            line = _joined(counted, " ".join(text.split("\n")))
            yield Block(f"{breaks}{'#' * min(level, 6)} {line}{ends}", heading=level, title=title)
        elif counted is not None and counted.text and (text or counted.text != "*"):
            yield Block(breaks + "  " * counted.level + _joined(counted, text) + ends, tight=True)
        else:
            yield Block(breaks + text + ends, tight=style.is_contents or (counted is not None and bool(text)))

    def _after(self, content: Inline) -> Iterator[Block]:
        for context, item in content.after:
            if isinstance(item, Block):
                yield item
            elif self._depth >= _MAX_DEPTH:
                if not self._flat:
                    yield from self._flattened(item, context)
            else:
                # A shape may have any colour.
                yield from self.within(coloured=True, name=f"{self._name} text boxes").blocks(item, context)


def _heading(own: "_Element | None", style: ParagraphStyle) -> int:
    """The level of a heading, from 1; 0 for other text.

    Args:
        own: the paragraph's w:outlineLvl.
    """
    if style.is_title:
        return 1
    level = integer(own.get(VAL)) if own is not None else None
    level = style.outline if level is None else level
    return level + 1 if 0 <= level < 9 else 0


def _mark_change(mark: "_Element | None") -> Change:
    """What happened to the mark at the end of a paragraph."""
    if mark is None:
        return ""
    found: Change = ""
    for name in ("ins", "moveTo", "del", "moveFrom"):
        if mark.find(W + name) is not None:
            found = CHANGES[name]
    return found


def _joined(counted: Number | None, text: str) -> str:
    if counted is None or not counted.text:
        return text
    return f"{counted.text}{counted.separator}{text}".rstrip()
