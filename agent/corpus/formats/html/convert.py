"""The events of a page of HTML, written as Markdown."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from urllib.parse import urljoin

from longread.agent.corpus.choices import HiddenText

from .. import markup
from .blocks import BLOCKS, PREFORMATTED
from .element import Closer, Handler
from .inline import INLINE, struck
from .lists import ListState
from .styles import Declarations, Look, Styles, looks, removed
from .tables import Tables
from .tree import Attributes, Event
from .wholes import EMBEDDED, WHOLES, is_rendered, reader, rendered
from .writer import Mark, Span, Writer

_SKIPPED = frozenset(
    (
        *("script", "style", "template", "noscript", "head", "datalist", "rp", "noframes", "noembed", "param"),
        *("track", "source", "area"),
    )
)
_PARAGRAPHS = frozenset(
    (
        *("p", "section", "article", "header", "footer", "nav", "main", "aside", "fieldset", "form", "figure"),
        *("details", "dialog", "hgroup", "dl", "search", "center"),
    )
)
_LINES = frozenset(
    ("div", "address", "legend", "figcaption", "summary", "body", "html", "optgroup", "option", "frameset")
)
_LANDMARKS = frozenset(("page-list", "landmarks"))
"""Lists in the navigation of a book that are for its reader program."""
_BLOCK_STYLES = frozenset(("block", "flex", "grid", "table", "table-row", "list-item"))
_WHOLE = frozenset(("html", "body", "main", "table", "tbody", "thead", "tfoot", "tr", *PREFORMATTED))
_TELLING = frozenset(("id", "name", "hidden", "popover", "role", "epub:type", "color", "bgcolor"))
"""Attributes that say more about any element than its style does."""
_NO_STYLE: Declarations = {}


class Converter:
    """Writes the events of one page."""

    def __init__(self, *, hidden: HiddenText, styles: Styles, look: Look, anchors: frozenset[str], frames: int = 0):
        self.writer = Writer()
        self.title = ""
        self.metadata: dict[str, str] = {}
        self.base = ""
        """The address to which those of links are relative."""
        self._based = False
        self._hidden = hidden
        self._styles = styles
        self._look = look
        self._anchors = anchors
        self.frames = frames
        self.tables = Tables(self.writer)
        self.lists: list[ListState] = []
        self._open: list[list[Closer]] = []
        self._skipped = 0
        """Levels of open elements in one that is not read."""
        self._head = False
        self._collected: list[Event] | None = None
        self._collecting = 0
        self._finish: Callable[[list[Event]], None] | None = None
        self.reversed = 0
        self.quotes = 0
        self.explained: set[str] = set()
        self.last_equation = ""
        self.shown = False
        self.language = ""
        """Of the code that is open."""

    def feed(self, page: Iterable[Event]) -> None:
        """Write the events."""
        text = self.writer.text
        for kind, name, attributes in page:
            if self._collected is not None:
                self._collect(kind, name, attributes)
            elif self._skipped:
                self._skipped += (kind == "start") - (kind == "end")
                if name == "meta" and kind == "start":
                    self.set_metadata(attributes)
                elif self._head and self._skipped == 2 and kind == "start":
                    self._in_head(name, attributes)
            elif kind == "text":
                if name == "\n" and not self.writer.frame.pieces:
                    continue
                text(name if "\xad" not in name else name.replace("\xad", ""))
            elif kind == "start":
                self._start(name, attributes)
            else:
                for close in reversed(self._open.pop()):
                    close()

    # Elements

    def _start(self, tag: str, attributes: Attributes) -> None:
        if tag in _SKIPPED and not (tag == "script" and "math/tex" in attributes.get("type", "")):
            self._skipped, self._head = 1, tag == "head"
            return
        if tag == "nav" and not _LANDMARKS.isdisjoint(attributes.get("epub:type", "").split()):
            self._skipped, self._head = 1, False
            return
        closers: list[Closer] = []
        style = _NO_STYLE
        if attributes or self._styles.any or tag == "dialog":
            style = self._styles.of(tag, attributes)
            if style or tag == "dialog" or not _TELLING.isdisjoint(attributes):
                self._appearance(tag, attributes, style, closers)
        if tag not in _HANDLERS and is_rendered(self, tag, attributes):
            shown = self.shown or attributes.get("display") == "true"
            self.collect(tag, lambda found: rendered(self, attributes, found, shown), closers)
            return
        if tag in WHOLES:
            self.collect(tag, reader(self, tag, attributes), closers)
            return
        element = _HANDLERS.get(tag)
        display = style.get("display", "") if style else ""
        if element is not None:
            element(self, tag, attributes, style, closers)
            if self._collected is not None:
                return
        elif tag in _PARAGRAPHS or tag in _LINES or display in _BLOCK_STYLES:
            if not display.startswith("inline"):
                self.break_block(int(tag in _PARAGRAPHS), closers)
            elif display != "inline":
                self.writer.text(" ")
        if style:
            self._formats(tag, style, closers)
        self._open.append(closers)

    def _appearance(self, tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
        """Notice what is hidden, and the places that others refer to."""
        name = attributes.get("id") or (attributes.get("name") if tag == "a" else None)
        if name and name in self._anchors:
            self.writer.flush()
            self.writer.mark(Mark("anchor", name))
        if attributes.get("epub:type") == "pagebreak" or attributes.get("role") == "doc-pagebreak":
            label = attributes.get("title") or attributes.get("aria-label") or ""
            if label.strip(" .:"):
                self.writer.flush()
                number = " ".join(label.split()).strip(".: ")
                self.writer.mark(Mark("page", number))
                self.span("page", lambda inner: "" if inner.strip(" .:[]") == number else inner, closers)
        if (why := removed(tag, attributes, style)) and not _holds_mathml(tag, attributes):
            self._conceal(why, closers)
        if style or "color" in attributes or "bgcolor" in attributes:
            before, self._look = self._look, looks(self._look, attributes, style)
            if self._look is not before and self._look != before:
                closers.append(lambda: self._restore(before))
                if self._look.why and not before.why:
                    self._conceal(self._look.why, closers)
                elif before.why and not self._look.why:
                    self._reveal(closers)

    def _restore(self, look: Look) -> None:
        self._look = look

    @property
    def concealed(self) -> bool:
        return any(span.kind == "hidden" and span.active for span in self.writer.spans)

    def _conceal(self, why: str, closers: list[Closer]) -> None:
        keep = self._hidden == "keep"

        def write(inner: str) -> str:
            words = len(inner.split())
            if words:
                self.writer.mark(Mark("hidden", why, words))
            return markup.hidden(inner) if keep else ""

        self.span("hidden", write, closers)

    def _reveal(self, closers: list[Closer]) -> None:
        """Text that is seen in an element that is not, as `visibility` and `font-size` can make it."""
        spans = [span for span in self.writer.spans if span.kind == "hidden" and span.active]
        self.writer.flush()
        for span in spans:
            span.active = False

        def end() -> None:
            self.writer.flush()
            for span in spans:
                span.active = True

        closers.append(end)

    def _formats(self, tag: str, style: Declarations, closers: list[Closer]) -> None:
        align = style.get("vertical-align")
        if align in ("super", "sub") and tag not in ("sup", "sub", "td", "th", "img"):
            self.script(align, closers)
        space = style.get("white-space", "")
        if space.startswith("pre") and tag not in _WHOLE and not self.writer.frame.preformatted:
            frame = self.writer.frame
            frame.preformatted = True
            closers.append(lambda: setattr(frame, "preformatted", False))
        if "line-through" in (style.get("text-decoration-line") or style.get("text-decoration") or ""):
            self.span("del", struck, closers)

    def span(self, kind: str, write: Callable[[str], str], closers: list[Closer], *, once: bool = False) -> Span:
        span = self.writer.open(kind, write, once=once)
        closers.append(lambda: self.writer.close(span))
        return span

    def script(self, kind: str, closers: list[Closer]) -> None:
        up = kind.startswith("sup")
        name = "superscript" if up else "subscript"
        self.span(name, markup.superscript if up else markup.subscript, closers)

    def break_block(self, gap: int, closers: list[Closer]) -> None:
        """Begin a block, and end it with the element."""
        writer = self.writer
        if writer.frame.heading > 0:
            writer.text(" ")
            closers.append(lambda: writer.text(" "))
        elif writer.frame.preformatted:
            self._new_line()
            closers.append(self._new_line)
        else:
            writer.flush(gap)
            closers.append(lambda: writer.flush(gap))

    def _new_line(self) -> None:
        if self.writer.frame.last not in ("", "\n"):
            self.writer.line_break()

    # Elements that are read as a whole

    def collect(self, tag: str, finish: Callable[[list[Event]], None], closers: list[Closer]) -> None:
        self._collected = []
        self._collecting = 1

        def finished(found: list[Event]) -> None:
            finish(found)
            for close in reversed(closers):
                close()

        self._finish = finished

    def _collect(self, kind: str, name: str, attributes: Attributes) -> None:
        assert self._collected is not None
        assert self._finish is not None
        if kind != "text":
            self._collecting += 1 if kind == "start" else -1
        if self._collecting:
            self._collected.append((kind, name, attributes))  # type: ignore[arg-type]
            return
        found, self._collected = self._collected, None
        finish, self._finish = self._finish, None
        finish(found)

    # The head

    def _in_head(self, tag: str, attributes: Attributes) -> None:
        if tag == "base":
            self.set_base(attributes)
        elif tag == "title":
            self._skipped -= 1
            depth, self._skipped = self._skipped, 0
            closers: list[Closer] = [lambda: setattr(self, "_skipped", depth)]
            self.collect(tag, reader(self, tag, attributes), closers)

    def set_base(self, attributes: Attributes) -> None:
        address = attributes.get("href", "").strip()
        if not self._based and address:
            self._based = True
            with suppress(ValueError):  # not an address
                self.base = urljoin(self.base, address)

    def set_metadata(self, attributes: Attributes) -> None:
        name, content = attributes.get("name", "").lower(), attributes.get("content", "")
        if name in ("author", "date", "description", "keywords") and content:
            self.metadata.setdefault(name, content)


def _base(page: Converter, tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.set_base(attributes)


def _metadata(page: Converter, tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.set_metadata(attributes)


_HANDLERS: dict[str, Handler] = {**INLINE, **BLOCKS, **EMBEDDED, "base": _base, "meta": _metadata}


def _holds_mathml(tag: str, attributes: Attributes) -> bool:
    """Whether an element is hidden because browsers draw its MathML otherwise."""
    names = attributes.get("class", "").lower()
    return tag == "math" or "mathml" in names or "mjx_assistive" in names or tag == "mjx-assistive-mml"
