"""The table of contents and the page list of an EPUB: its navigation document, its NCX, or its guide."""

import posixpath
from dataclasses import dataclass, field

from ..html.decoding import decoded
from ..html.tree import events
from ..zip_archive import local
from .book import Book, parsed

_MAX_LEVEL = 6


@dataclass(frozen=True)
class Target:
    """A place that a table of contents names."""

    title: str
    name: str
    """Of the file in the archive."""
    fragment: str = ""
    level: int = 1


@dataclass
class Navigation:
    """What a book says about its own contents."""

    contents: list[Target] = field(default_factory=list)
    pages: list[Target] = field(default_factory=list)
    """The pages of the printed book."""

    def anchors(self, name: str) -> frozenset[str]:
        """The identifiers in a file to which these lead."""
        return frozenset(t.fragment for t in (*self.contents, *self.pages) if t.name == name and t.fragment)


def navigation(book: Book) -> Navigation:
    """Read the navigation of a book; the newer kind first."""
    found = Navigation()
    for item in book.items.values():
        if "nav" in item.properties and (data := book.read(item.name)):
            _read_nav(book, item.name, data, found)
    if not found.contents or not found.pages:
        ncx = [book.items.get(book.ncx), *book.items.values()]
        names = [
            item.name for item in ncx if item and (item.media_type.endswith("ncx+xml") or item.name.endswith(".ncx"))
        ]
        for name in dict.fromkeys(names):
            if data := book.read(name):
                _read_ncx(book, name, data, found)
                break
    if not found.contents:
        for title, href in book.guide:
            if title and (target := _target(book, title, href, book.folder, 1)):
                found.contents.append(target)
    return found


def _read_nav(book: Book, name: str, data: bytes, found: Navigation) -> None:
    folder = posixpath.dirname(name)
    kind = href = ""
    level = 0
    title: list[str] = []
    for event, tag, attributes in events(decoded(data)[0], xml=True)[0]:
        if event == "text":
            if href:
                title.append(tag)
        elif tag == "nav":
            kind = attributes.get("epub:type", "") if event == "start" else ""
        elif tag == "ol" and kind:
            level += 1 if event == "start" else -1
        elif tag == "a" and kind:
            if event == "start":
                href, title = attributes.get("href", ""), []
                continue
            target = _target(book, "".join(title), href, folder, level) if href else None
            if target and "toc" in kind.split():
                found.contents.append(target)
            elif target and "page-list" in kind.split():
                found.pages.append(target)
            href = ""


def _read_ncx(book: Book, name: str, data: bytes, found: Navigation) -> None:
    import lxml.etree as etree

    root = parsed(data)
    if root is None:
        return
    folder = posixpath.dirname(name)
    contents: list[Target] = []
    pages: list[Target] = []
    open_: list[tuple[str, list[str]]] = []  # (kind, [title, address])
    level = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        kind = local(element)
        if kind in ("navPoint", "pageTarget"):
            if event == "start":
                level += kind == "navPoint"
                open_.append((kind, ["", ""]))
                # A point comes before those in it, though its element ends after them.
                label = next((e for e in element if local(e) == "navLabel"), None)
                source = next((e.get("src", "") for e in element if local(e) == "content"), "")
                title = "".join(label.itertext()) if label is not None else str(element.get("value", ""))
                if target := _target(book, title, source, folder, level):
                    (contents if kind == "navPoint" else pages).append(target)
            else:
                level -= kind == "navPoint"
                open_.pop()
    found.contents = found.contents or contents
    found.pages = found.pages or pages


def _target(book: Book, title: str, href: str, folder: str, level: int) -> Target | None:
    text = " ".join(title.split())
    name = book.find(href, folder)
    if not text or not name:
        return None
    return Target(text, name, href.partition("#")[2], min(max(level, 1), _MAX_LEVEL))
