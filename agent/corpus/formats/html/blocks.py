"""Elements that are blocks of text: headings, lists, quotations, code and tables."""

import re
from typing import TYPE_CHECKING

from .. import markup
from .element import Closer, Handler
from .inline import LANGUAGE
from .lists import ListState, list_state
from .styles import Declarations
from .tree import Attributes, Event

if TYPE_CHECKING:
    from .convert import Converter as Page

PREFORMATTED = ("pre", "xmp", "plaintext", "listing")
_LISTS = ("ul", "ol", "menu", "dir")
_FENCE = re.compile(r"`{3,}")
_MAX_REVERSED = 3
"""Lists within each other that count down, each of which is read twice."""
_NO_STYLE: Declarations = {}


def heading(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    writer = page.writer
    writer.flush(1)
    before = writer.frame.heading
    writer.frame.heading = int(tag[1])

    def end() -> None:
        writer.flush(1)
        writer.frame.heading = before
        writer.frame.gap = 1 if writer.frame.items else 0

    closers.append(end)


def rule(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.writer.flush(1)
    if not page.concealed:
        page.writer.block("---")
        page.writer.flush(1)


def quote(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.writer.flush(1)
    _prefix(page, "> ", "> ", 1, closers)


def _prefix(page: "Page", first: str, rest: str, gap: int, closers: list[Closer]) -> None:
    writer = page.writer
    pushed = writer.push_prefix(first, rest)

    def end() -> None:
        writer.flush()
        if pushed:
            writer.pop_prefix()
        writer.frame.gap = gap if writer.frame.items else 0

    closers.append(end)


def listing(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    if "reversed" in attributes and "start" not in attributes and page.reversed < _MAX_REVERSED:
        page.reversed += 1
        page.collect(tag, lambda found: _backwards(page, attributes, found), closers)
        return
    _begin_list(page, tag, attributes, style, closers)


def _begin_list(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    writer = page.writer
    gap = 0 if page.lists else 1
    writer.flush(gap)
    kind = style.get("list-style-type") or (style.get("list-style", "").split() or [""])[0]
    page.lists.append(list_state(tag, attributes, kind, None))

    def end() -> None:
        writer.flush(gap)
        page.lists.pop()
        writer.frame.gap = gap if writer.frame.items else 0

    closers.append(end)


def _backwards(page: "Page", attributes: Attributes, found: list[Event]) -> None:
    """A list that counts down to 1: the number of its items is its first number."""
    depth = items = 0
    for kind, name, _ in found:
        if kind == "start":
            items += name == "li" and depth == 0
            depth += 1
        elif kind == "end":
            depth -= 1
    closers: list[Closer] = []
    _begin_list(page, "ol", {**attributes, "start": str(items)}, _NO_STYLE, closers)
    page.feed(found)
    for close in reversed(closers):
        close()
    page.reversed -= 1


def item(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    state = page.lists[-1] if page.lists else ListState(ordered=False)
    label = state.label(attributes, style.get("list-style-type", ""))
    page.writer.flush()
    _prefix(page, label, " " * len(label), 0, closers)


def term(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.writer.flush()
    closers.append(page.writer.flush)


def definition(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.writer.flush()
    _prefix(page, ": ", "  ", 0, closers)


def preformatted(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    writer = page.writer
    if writer.frame.preformatted or writer.frame.heading > 0:
        return
    writer.flush(1)
    frame = writer.frame
    frame.preformatted = True
    named = LANGUAGE.search(attributes.get("class", ""))
    page.language = attributes.get("data-lang", "") or (named[1] if named else "")

    def end() -> None:
        frame.preformatted = False
        for span in reversed(writer.spans):
            writer.apply(span)
        text = "".join(frame.pieces)
        frame.pieces, frame.last = [], ""
        text = markup.finished(text.removeprefix("\n").rstrip())
        if text.strip():
            longest = max((len(run) for run in _FENCE.findall(text)), default=2)
            fence = "`" * max(3, longest + 1)
            writer.block(f"{fence}{page.language}\n{text}\n{fence}")
        for span in writer.spans:
            span.start = 0
        writer.flush(1)

    closers.append(end)


def table(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    if page.tables.full:
        page.break_block(1, closers)
        return
    lists, page.lists = page.lists, []
    page.tables.start(attributes)

    def end() -> None:
        page.tables.end()
        page.lists = lists

    closers.append(end)


def section(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.tables.section(tag)


def row(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    if page.tables.inside and not page.tables.full:
        page.tables.row()
    else:
        page.break_block(0, closers)


def cell(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    if not page.tables.inside or page.tables.full:
        page.break_block(0, closers)
        return
    outer = page.writer.enter()
    lists, page.lists = page.lists, []

    def end() -> None:
        page.lists = lists
        frame = page.writer.leave(outer)
        if tag == "caption":
            page.tables.caption(frame)
        else:
            page.tables.cell(frame, attributes, head=tag == "th")

    closers.append(end)


BLOCKS: dict[str, Handler] = {
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), heading),
    **dict.fromkeys(_LISTS, listing),
    **dict.fromkeys(PREFORMATTED, preformatted),
    **dict.fromkeys(("thead", "tbody", "tfoot"), section),
    **dict.fromkeys(("td", "th", "caption"), cell),
    "hr": rule,
    "blockquote": quote,
    "li": item,
    "dt": term,
    "dd": definition,
    "table": table,
    "tr": row,
}
