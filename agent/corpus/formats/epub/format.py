"""The format EPUB.

PyMuPDF is not used, because it lays out a book on pages of its own: their numbers and line ends mean nothing, list
numbers are separated from their items, and headings lose their level.
"""

import posixpath
from collections.abc import Callable, Sequence

from longread.agent.corpus.choices import HiddenText

from ..base import Format, OpenFile, ParseOptions, RawPage, Sections
from ..html.page import Converted, to_markdown, with_notes
from ..markdown import Outline, sections
from ..zip_archive import open_archive
from .book import Book, Item, open_book
from .navigation import Navigation, navigation

_MAX_PAGE = 6000
"""Characters of a page of the printed book above which it is divided."""


class Epub(Format):
    name = "EPUB"
    extensions = (".epub",)
    media_type = "application/epub+zip"
    library = "selectolax"
    revision = 2
    options = ("hidden",)
    zip_member = "META-INF/container.xml"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        book = open_book(open_archive(data, self.name))
        reading = _Reading(book, navigation(book), options)
        for item, _ in book.spine:
            reading.add(item)
        fields = dict(book.metadata)
        return Sections(
            len(reading.pages),
            sections=reading.pages,
            outline=reading.outline,
            title=fields.pop("title", ""),
            metadata={name: text for name, text in fields.items() if text and name != "identifier"},
            warnings=list(dict.fromkeys(book.warnings)),
        )


class _Reading:
    """The pages of a book, as far as they are read."""

    def __init__(self, book: Book, contents: Navigation, options: ParseOptions):
        self.pages: list[RawPage] = []
        self.outline: Outline = []
        self._book = book
        self._contents = contents
        self._hidden: HiddenText = options.hidden
        self._printed = ""
        """The label of the page of the printed book that goes on."""
        self._styles: dict[str, str | None] = {}

    def add(self, item: Item) -> None:
        """Read a file of the book."""
        book = self._book
        if not book.find(item.name, ""):
            book.warnings.append(f"Not read: {item.name}, which the book names and does not contain.")
            return
        if not item.is_text:
            what = (
                "1 picture was not read" if item.media_type.startswith("image/") else f"{item.media_type} is not read"
            )
            if item.media_type != "image/svg+xml":
                name = posixpath.basename(item.name)
                self.pages.append(RawPage(name, f"[picture: {name}]" if "picture" in what else f"[{name}]", (what,)))
                return
        data = book.read(item.name)
        if data is None:
            return
        page = to_markdown(
            data,
            hidden=self._hidden,
            xml=True,
            anchors=self._contents.anchors(item.name),
            linked=self._linked(posixpath.dirname(item.name)),
        )
        book.warnings += [f"{item.name}: {warning[:1].lower()}{warning[1:]}" for warning in page.warnings]
        self._cut(item, page)

    def _linked(self, folder: str) -> Callable[[str], str | None]:
        def css(href: str) -> str | None:
            name = self._book.find(href, folder)
            if name not in self._styles:
                data = self._book.read(name) if name else None
                self._styles[name] = None if data is None else data.decode(errors="replace")
            return self._styles[name]

        return css

    def _cut(self, item: Item, page: Converted) -> None:
        """Divide a file into pages: those of the printed book, or sections."""
        kept = self._hidden == "keep"
        before = len(self.pages)
        printed = self._page_marks(item, page)
        headings: Outline = []
        starts: list[tuple[int, int]] = []  # (characters before it, page)
        cuts = [(0, "", False), *((at, label, True) for at, label in printed)]
        for number, (start, label, begins) in enumerate(cuts):
            end = cuts[number + 1][0] if number + 1 < len(cuts) else len(page.text)
            text = page.text[start:end]
            self._printed = label if begins else self._printed
            last = number + 1 == len(cuts)
            marks = [(at - start, m) for at, m in page.marks if start <= at and (at < end or last)]
            if not text.strip():
                continue
            parts, found = sections(text)
            if self._printed and sum(len(part.text) for part in parts) <= _MAX_PAGE:
                parts = [RawPage(self._printed, "".join(part.text for part in parts))]
                found = [(level, title, 1) for level, title, _ in found]
            at = 0
            for part in parts:
                place = text.find(part.text.rstrip("\n"), at)
                at = (place if place >= 0 else at) + len(part.text.rstrip("\n"))
                starts.append((start + max(place, 0), len(self.pages) + 1))
                self.pages.append(part)
            first = len(self.pages) - len(parts)
            self.pages[first:] = with_notes(text, parts, marks, kept=kept)
            headings += [(level, title, number + first) for level, title, number in found]
            if self._printed:
                for at in range(first, len(self.pages)):
                    continued = at > first or not begins
                    label = f"{self._printed} (continued)" if continued else self._printed
                    self.pages[at] = self.pages[at]._replace(label=label)
        self.outline += headings or self._from_contents(item, page, starts)
        if not self._printed and not headings:
            self._label(item, before)

    def _page_marks(self, item: Item, page: Converted) -> list[tuple[int, str]]:
        """The places where pages of the printed book begin, with their labels."""
        found = [(at, mark.name) for at, mark in page.marks if mark.kind == "page"]
        if not found:
            places = _places(page)
            for target in self._contents.pages:
                if target.name == item.name and (not target.fragment or target.fragment in places):
                    found.append((places.get(target.fragment, 0), target.title))
        return sorted(found, key=lambda pair: pair[0])

    def _from_contents(self, item: Item, page: Converted, starts: Sequence[tuple[int, int]]) -> Outline:
        """The entries of the table of contents for a file without headings."""
        places = _places(page)
        outline: Outline = []
        for target in self._contents.contents:
            if target.name == item.name and starts:
                at = places.get(target.fragment, 0)
                number = max((number for start, number in starts if start <= at), default=starts[0][1])
                outline.append((target.level, target.title, number))
        return outline

    def _label(self, item: Item, before: int) -> None:
        """Name the pages of a file without headings as the table of contents does, or by the file."""
        title = next((t.title for t in self._contents.contents if t.name == item.name), "")
        name = title or posixpath.splitext(posixpath.basename(item.name))[0]
        for at in range(before, len(self.pages)):
            label = name if at == before else f"{name} (continued)"
            self.pages[at] = self.pages[at]._replace(label=label)


def _places(page: Converted) -> dict[str, int]:
    """The identifiers that lead into a file, with their places."""
    return {mark.name: at for at, mark in page.marks if mark.kind == "anchor"}
