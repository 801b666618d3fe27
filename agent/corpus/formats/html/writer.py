"""Markdown, written block by block and in one pass: no text is copied more than a few times, however deep it stands."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from .. import markup

_BLANK = re.compile(r"[ \t\n\r\f]+")
_LINE_END = re.compile(r" +\n")
_MAX_PREFIXES = 12
"""Lists and quotations within each other that are indented; the ones inside these are not."""
_MAX_SPANS = 12
"""Formats of one text within each other that are written."""


@dataclass(frozen=True)
class Mark:
    """Something at a place of the text that is not part of it."""

    kind: str
    """"hidden", "picture", "page" or "anchor"."""
    name: str = ""
    """How it is hidden, the label of the page that begins, or the identifier."""
    count: int = 1
    """Words."""


@dataclass(frozen=True)
class Grid:
    """A table in a block of text."""

    rows: list[list[str]]
    prefix: str = ""
    first: str = ""


Item = str | Mark | Grid


@dataclass
class Span:
    """A part of a text with a format."""

    kind: str
    write: Callable[[str], str]
    """The text with its format."""
    start: int = 0
    """The first of its pieces."""
    once: bool = False
    """Only its first block has the format, as the address of a link."""
    active: bool = True


@dataclass
class _Prefix:
    first: str
    rest: str
    used: bool = False


class Frame:
    """A text of its own: the page, or the cell of a table."""

    __slots__ = ("blocks", "gap", "heading", "items", "joint", "last", "pieces", "prefixes", "preformatted")

    def __init__(self) -> None:
        self.items: list[Item] = []
        self.pieces: list[str] = []
        self.last = ""
        """The last character of the pieces."""
        self.gap = 0
        """Blank lines that must be before the next block: 0 or 1."""
        self.prefixes: list[_Prefix] = []
        self.blocks = 0
        self.heading = 0
        """The level of the heading that the next block is; 0 outside of one, -1 after the first block of one."""
        self.preformatted = False
        self.joint = -1
        """The piece after which a format ended in the middle of what may be a word; -1 for none."""


class Writer:
    """Writes blocks of text, and the spans of text in them."""

    def __init__(self) -> None:
        self.frame = Frame()
        self.spans: list[Span] = []

    # Text

    def text(self, text: str) -> None:
        """Add text; white space counts as one space, except where it is preformatted."""
        frame = self.frame
        if frame.preformatted:
            frame.pieces.append(text)
            frame.last = text[-1:] or frame.last
            return
        text = _BLANK.sub(" ", text)
        if text[:1] == " " and frame.last in ("", " ", "\n"):
            text = text[1:]
        if not text:
            return
        if frame.joint >= 0:
            if text[0].isalnum():  # the marks would divide a word
                frame.pieces[frame.joint] = frame.pieces[frame.joint - 2] = ""
            frame.joint = -1
        frame.pieces.append(text)
        frame.last = text[-1]

    def verbatim(self, text: str) -> None:
        """Add text whose white space is kept."""
        if text:
            self.frame.joint = -1
            self.frame.pieces.append(text)
            self.frame.last = text[-1]

    def line_break(self) -> None:
        frame = self.frame
        if frame.heading > 0:
            self.text(" ")
        elif frame.pieces or frame.preformatted:
            frame.pieces.append("\n")
            frame.last = "\n"

    # Spans

    def open(self, kind: str, write: Callable[[str], str], *, once: bool = False) -> Span:
        """Begin a span. Formats of the same kind within each other count once, except scripts."""
        scripts = kind in ("superscript", "subscript")
        same = sum(span.kind == kind for span in self.spans)
        active = same < (3 if scripts else 1) and (len(self.spans) < _MAX_SPANS or kind == "hidden")
        span = Span(kind, write, len(self.frame.pieces), once, active)
        self.spans.append(span)
        return span

    def close(self, span: Span) -> None:
        """End the span, and those in it that are still open."""
        while self.spans:
            last = self.spans.pop()
            self.apply(last)
            if last is span:
                break

    def apply(self, span: Span) -> None:
        """Give what the span holds so far its format."""
        frame = self.frame
        if not span.active or span.start >= len(frame.pieces):
            return
        inner = "".join(frame.pieces[span.start :])
        before = frame.pieces[span.start - 1][-1:] if span.start else ""
        del frame.pieces[span.start :]
        frame.joint = -1
        if span.once and inner.strip():
            span.active = False
        if span.kind in ("strong", "em") and inner.strip():
            sign = "**" if span.kind == "strong" else "*"
            core = inner.strip()
            lead, trail = inner[: inner.index(core[0])], inner[len(inner.rstrip()) :]
            if frame.heading > 0 or (before.isalnum() and core[0].isalnum() and not lead):
                frame.pieces.append(inner)
            else:
                frame.pieces += [lead + sign, core, sign + trail]
                if core[-1].isalnum() and not trail and not lead:
                    frame.joint = len(frame.pieces) - 1
        elif written := span.write(inner):
            frame.pieces.append(written)
        frame.last = next((piece[-1] for piece in reversed(frame.pieces) if piece), "")

    # Blocks

    def flush(self, gap: int = 0) -> None:
        """End the block of text. `gap` blank lines are between it and what follows."""
        frame = self.frame
        if frame.pieces:
            for span in reversed(self.spans):
                self.apply(span)
            text = "".join(frame.pieces)
            frame.pieces = []
            frame.last, frame.joint = "", -1
            for span in self.spans:
                span.start = 0
            text = _LINE_END.sub("\n", text).strip(" \t\n")
            if text:
                self.block(markup.finished(text))
        if gap and frame.items and (not frame.prefixes or frame.prefixes[-1].used):
            frame.gap = 1

    def block(self, text: str) -> None:
        """Write lines as they are, after the prefixes of lists and quotations."""
        frame = self.frame
        if frame.heading:
            if frame.heading > 0:
                text = f"{'#' * frame.heading} {' '.join(text.split())}"
            frame.heading = -1  # what else is in the element is no heading
        first, rest = self._begin()
        head, *others = text.split("\n")
        frame.items.append(f"{first}{head.rstrip()}")
        frame.items += [f"{rest}{line.rstrip()}" if line.strip() else rest.rstrip() for line in others]
        frame.blocks += 1

    def grid(self, rows: list[list[str]]) -> None:
        """Write a table."""
        self.flush(1)
        first, rest = self._begin()
        self.frame.items.append(Grid(rows, rest, first))
        self.frame.blocks += 1
        self.frame.gap = 1

    def splice(self, items: list[Item]) -> None:
        """Write the text of a frame as blocks of this one."""
        self.flush()
        frame = self.frame
        if any(not isinstance(item, Mark) for item in items):
            frame.blocks += 1
        started = False
        first = rest = ""
        for item in items:
            if isinstance(item, Mark):
                frame.items.append(item)
                continue
            if not started:
                first, rest = self._begin()
                started = True
            else:
                first = rest
            if isinstance(item, Grid):
                frame.items.append(Grid(item.rows, rest + item.prefix, first + item.first))
            else:
                frame.items.append((first + item) if item else rest.rstrip())

    def mark(self, mark: Mark) -> None:
        """Note something at this place."""
        self.frame.items.append(mark)

    def push_prefix(self, first: str, rest: str) -> bool:
        """Begin lines with something; returns whether that is done, so that it must be ended."""
        self.flush()
        if len(self.frame.prefixes) >= _MAX_PREFIXES:
            return False
        self.frame.prefixes.append(_Prefix(first, rest))
        return True

    def pop_prefix(self) -> None:
        self.flush()
        if self.frame.prefixes:
            self.frame.prefixes.pop()

    def _begin(self) -> tuple[str, str]:
        """Write the blank line before a block; returns the prefixes of its first line and of the others."""
        frame = self.frame
        if not frame.prefixes:
            if frame.gap:
                frame.items.append("")
                frame.gap = 0
            return "", ""
        if frame.gap:
            frame.items.append("".join(p.rest for p in frame.prefixes if p.used).rstrip())
            frame.gap = 0
        first = "".join(p.rest if p.used else p.first for p in frame.prefixes)
        for prefix in frame.prefixes:
            prefix.used = True
        return first, "".join(p.rest for p in frame.prefixes)

    # Frames

    def enter(self) -> Frame:
        """Begin a text of its own; returns the one around it, for `leave`."""
        outer = self.frame
        self.frame = Frame()
        for span in self.spans:
            span.start = 0
        return outer

    def leave(self, outer: Frame) -> Frame:
        """End it; returns it."""
        inner = self.frame
        if len(inner.pieces) == 1 and not inner.items and not self.spans and "\n" not in inner.pieces[0]:
            # Most cells of tables; a page may have a million.
            if text := inner.pieces[0].strip():
                inner.items.append(markup.finished(text))
                inner.blocks = 1
        else:
            self.flush()
        self.frame = outer
        for span in self.spans:
            span.start = len(outer.pieces)
        return inner
