"""Pages: the blocks of a document in order, divided where the file says that its pages end."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from longread.agent.corpus.text import SECTION

from .. import markup
from ..base import RawPage
from ..markdown import Outline, sections
from .number_formats import written

# Control characters, which XML cannot contain, and noncharacters (Unicode 23.7), which are removed from texts.
EXPLICIT, RENDERED, SOFT = "\x0c", "\x1c", "\x1d"
"""In a text: a page break of the author; one that Word noted as it showed the document; one that only makes sure that a
page begins."""
_BREAK = re.compile(f"([{EXPLICIT}{RENDERED}{SOFT}])")
_OPEN, _CLOSE = "\ufdd8", "\ufdd9"
_TOKEN = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_NONCHARACTERS = re.compile("[\ufdd0-\ufdef]")
_BLANK_LINES = re.compile(r"[ \t]*\n(?:[ \t]*\n){2,}")
_LONG = 4 * SECTION
"""A page of more characters is divided: it is more than one page of paper."""


@dataclass(frozen=True)
class Footnote:
    """A note that stands at the foot of the page that it is referred to on."""

    mark: str
    text: str


@dataclass(frozen=True)
class HiddenWords:
    count: int
    why: str


Attachment = Footnote | HiddenWords | str
"""What belongs to a place in the text without being part of it. A string: a note on the page."""


class Block(NamedTuple):
    """A paragraph, heading or table."""

    text: str
    heading: int = 0
    """The level from 1; 0 for other text."""
    title: str = ""
    """A heading's text without marks."""
    tight: bool = False
    """No empty line separates it from others of the kind: an entry of a list."""
    table: tuple[tuple[str, ...], ...] = ()
    """The cells, of a table."""


@dataclass
class _Page:
    label: str
    blocks: list[Block] = field(default_factory=list)


class Attachments:
    """What is attached to places in the text of a document. A place is a short sequence of noncharacters."""

    def __init__(self, *, keep_hidden: bool):
        self._all: list[Attachment] = []
        self._keep_hidden = keep_hidden

    def add(self, attachment: Attachment) -> str:
        """The characters that stand for the attachment in a text."""
        self._all.append(attachment)
        return f"{_OPEN}{len(self._all) - 1}{_CLOSE}"

    def page(self, label: str, text: str) -> RawPage:
        """A page with the footnotes and the notes that belong to places on it."""
        seen: set[int] = set()
        parts, notes, hidden = [text], dict[str, int](), dict[str, int]()
        for part in parts:  # it grows
            for match in _TOKEN.finditer(part):
                index = int(match[1])
                if index in seen or index >= len(self._all):
                    continue  # a cell over several rows is repeated
                seen.add(index)
                found = self._all[index]
                if isinstance(found, Footnote):
                    parts.append(f"{found.mark}: {found.text}")
                elif isinstance(found, HiddenWords):
                    hidden[found.why] = hidden.get(found.why, 0) + found.count
                else:
                    notes[found] = notes.get(found, 0) + 1
        body, feet = parts[0].rstrip(), "\n".join(parts[1:])
        whole = f"{body}\n\n{feet}" if feet else body
        whole = _BLANK_LINES.sub("\n\n", cleaned(whole)).strip()
        counted = [markup.hidden_note(count, why, kept=self._keep_hidden) for why, count in hidden.items()]
        repeated = [note if count == 1 else f"{note} ({count} times)" for note, count in notes.items()]
        return RawPage(label, markup.finished(whole), (*repeated, *counted))


class Pages:
    """The pages of a document, as its blocks are added in order."""

    def __init__(self) -> None:
        self._number = 1
        self._format = "decimal"
        self._pages = [_Page("1")]
        self._rendered = False
        self._after = SOFT
        """The break that nothing followed yet."""

    def add(self, block: Block) -> None:
        """Add a block, whose text may contain page breaks."""
        if not _BREAK.search(block.text):
            self._put(block)
            return
        for at, part in enumerate(_BREAK.split(block.text)):
            if at % 2:
                self.end_page(part)
            elif part.strip():
                self._put(block._replace(text=part.strip("\n"), tight=block.tight and at == 0))

    def end_page(self, kind: str) -> None:
        """End the page, unless this break only repeats the one before it."""
        self._rendered = self._rendered or kind == RENDERED
        if self._after and kind == SOFT:
            return
        if self._after == EXPLICIT and kind == RENDERED:
            self._after = RENDERED  # Word notes it again where the next page begins
            return
        self._after = EXPLICIT if kind == SOFT else kind
        self._number += 1
        self._pages.append(_Page(self._label()))

    def start_section(self, kind: str, first: int | None, number_format: str) -> None:
        """Start a section of the document.

        Args:
            kind: how it starts: "nextPage", "evenPage", "oddPage"; others do not start a page.
            first: the number of its first page, if it does not go on with the numbers before.
            number_format: of its page numbers.
        """
        if kind in ("nextPage", "evenPage", "oddPage"):
            self.end_page(SOFT)
        self._format = number_format
        if first is not None and not self._pages[-1].blocks:
            self._number = first
        elif (kind == "evenPage" and self._number % 2) or (kind == "oddPage" and not self._number % 2):
            self._number += 1
        if not self._pages[-1].blocks:
            self._pages[-1].label = self._label()

    def finished(self, attachments: Attachments) -> tuple[Sequence[RawPage], Outline, list[str]]:
        """The pages, the headings as an outline, and warnings."""
        texts = [(page, _text(page.blocks)) for page in self._pages]
        filled = [(page, text) for page, text in texts if cleaned(text).strip() or _TOKEN.search(text)]
        numbered = len(self._pages) > 1 and (self._rendered or all(len(text) <= _LONG for _, text in filled))
        pages: list[RawPage] = []
        outline: Outline = []
        for page, text in filled:
            if numbered and len(text) <= _LONG:
                outline += [
                    (block.heading, title, len(pages) + 1)
                    for block in page.blocks
                    if block.heading and (title := cleaned(block.title).strip())
                ]
                pages.append(attachments.page(page.label, text))
                continue
            parts, inside = sections(text, headings=_headings(page.blocks))
            outline += [(level, cleaned(title).strip(), at + len(pages)) for level, title, at in inside]
            for at, part in enumerate(parts):
                label = f"{page.label}, part {at + 1}" if numbered else cleaned(part.label)
                pages.append(attachments.page(label, part.text))
        if not numbered:
            pages = _numbered_parts(pages)
        warnings = (
            ["Page numbers are not in the file: the text is divided at its page breaks and headings."]
            if len(self._pages) > 1 and not numbered
            else []
        )
        return pages, outline, warnings

    def _put(self, block: Block) -> None:
        if block.text.strip():
            self._after = ""
            self._pages[-1].blocks.append(block)

    def _label(self) -> str:
        return written(self._number, self._format) or str(self._number)


def cleaned(text: str) -> str:
    """A text without the characters that stand for attachments."""
    return _NONCHARACTERS_BUT_SCRIPTS.sub("", _TOKEN.sub("", text))


def without_noncharacters(text: str) -> str:
    """A text from the file, which must not contain what this program marks places with."""
    return _NONCHARACTERS.sub("", text)


_NONCHARACTERS_BUT_SCRIPTS = re.compile("[\ufdd3-\ufdef]")


def _text(blocks: Iterable[Block]) -> str:
    parts: list[str] = []
    before: Block | None = None
    for block in blocks:
        if before is not None:
            parts.append("\n" if before.tight and block.tight else "\n\n")
        parts.append(block.text)
        before = block
    return "".join(parts)


def _headings(blocks: Iterable[Block]) -> dict[int, tuple[int, str]]:
    """Line number, from 1, to level and title, in the text of these blocks."""
    found: dict[int, tuple[int, str]] = {}
    line = 1
    before: Block | None = None
    for block in blocks:
        if before is not None:
            line += 1 if before.tight and block.tight else 2
        if block.heading:
            found[line] = block.heading, block.title
        line += block.text.count("\n")
        before = block
    return found


def _numbered_parts(pages: Sequence[RawPage]) -> list[RawPage]:
    """The pages with those that have no heading numbered through."""
    return [
        page._replace(label=f"part {at}") if page.label.startswith("part ") and page.label[5:].isdigit() else page
        for at, page in enumerate(pages, start=1)
    ]
