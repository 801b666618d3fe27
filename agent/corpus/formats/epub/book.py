"""The package of an EPUB: which files it has, in which order they are read, and whether they can be."""

import posixpath
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote
from zipfile import ZipFile

from ..base import ParseError
from ..html.decoding import decoded
from ..html.doctype import expanded, without_doctype
from ..zip_archive import DAMAGE, local

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_TEXTS = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document", "image/svg+xml")
_EXTENSIONS = (".xhtml", ".html", ".htm", ".xht", ".svg")
_OUTLINES = ("application/x-dtbncx+xml",)
_PACKAGE = "application/oebps-package+xml"
_DIGITS = re.compile(r"(\d+)")
_SELLERS = (("META-INF/sinf.xml", "Apple FairPlay"), ("META-INF/license.lcpl", "Readium LCP"))
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True)
class Item:
    """A file of the book."""

    name: str
    """In the archive."""
    media_type: str = ""
    properties: frozenset[str] = frozenset()
    fallback: str = ""

    @property
    def is_text(self) -> bool:
        if self.media_type in _TEXTS:
            return not (self.media_type == "image/svg+xml" and "cover-image" in self.properties)
        return not self.media_type.startswith(("image/", "audio/", "video/", "font/")) and (
            self.name.lower().endswith(_EXTENSIONS) and self.media_type not in _OUTLINES
        )


@dataclass
class Book:
    """An EPUB whose package document is read."""

    archive: ZipFile
    warnings: list[str] = field(default_factory=list)
    items: dict[str, Item] = field(default_factory=dict)
    """By their identifiers, in the order of the manifest."""
    spine: list[tuple[Item, bool]] = field(default_factory=list)
    """(item, whether it is in the main line of reading), in the order of reading."""
    metadata: dict[str, str] = field(default_factory=dict)
    guide: list[tuple[str, str]] = field(default_factory=list)
    """(title, address)."""
    ncx: str = ""
    folder: str = ""
    _names: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> bytes | None:
        """A file of the archive; None, with a warning, if it is damaged."""
        try:
            return self.archive.read(name)
        except KeyError:
            return None
        except DAMAGE as error:
            self.warnings.append(f"Not read: {name}, which is damaged or encrypted ({error}).")
            return None

    def find(self, href: str, folder: str) -> str:
        """The name in the archive of the file at an address; empty if there is none."""
        path = href.partition("#")[0].partition("?")[0]
        for candidate in dict.fromkeys((unquote(path), path)):
            name = posixpath.normpath(posixpath.join(folder, candidate)).lstrip("/").removeprefix("../")
            if found := self._names.get(name) or self._names.get(_folded(name)):
                return found
        return ""

    def index(self) -> None:
        """Note the names of the archive, as they are and as a careless program may write them."""
        for name in self.archive.namelist():
            self._names.setdefault(_folded(name), name)
        for name in self.archive.namelist():
            self._names[name] = name

    def texts(self) -> list[str]:
        """All files of text in the archive, in the order of their names."""
        found = [name for name in self.archive.namelist() if name.lower().endswith(_EXTENSIONS[:-1])]
        return sorted(found, key=lambda name: [int(p) if p.isdigit() else p for p in _DIGITS.split(name.lower())])


def open_book(archive: ZipFile) -> Book:
    """Read the package document of a book. What it lacks is taken from the archive, with a warning.

    Raises:
        ParseError: the book is encrypted.
    """
    book = Book(archive)
    book.index()
    root, package = _package(book)
    locked = _encrypted(book)
    book.folder = posixpath.dirname(root)
    if package is not None:
        _read_package(book, package)
    if not book.items:
        book.warnings.append("The package document lists no files; they are read in the order of their names.")
        book.items = {name: Item(name) for name in book.texts()}
        book.spine = [(item, True) for item in book.items.values()]
    names = {item.name for item, _ in book.spine}
    if locked is not None and (not locked or locked & names):
        named = f": {seller}" if (seller := _seller(book)) else ""
        raise ParseError(f"protected by its seller (DRM){named}; only a copy without protection can be read")
    return book


def parsed(data: bytes) -> "_Element | None":
    """XML with named entities, read as far as it is well-formed; None if it is not XML at all."""
    import lxml.etree as etree

    text = _CONTROLS.sub("", expanded(without_doctype(decoded(data)[0]), xml=True)[0]).strip()
    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, recover=True, remove_comments=True
    )
    try:
        return etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError:
        return None


def _package(book: Book) -> tuple[str, "_Element | None"]:
    """The package document and its name."""
    container = parsed(book.read(book.find("META-INF/container.xml", "")) or b"")
    named: list[str] = []
    for element in container.iter() if container is not None else ():
        if local(element) == "rootfile" and element.get("media-type", _PACKAGE) == _PACKAGE:
            named.append(element.get("full-path", ""))
    present = [name for path in named if (name := book.find(path, ""))]
    if len(present) > 1:
        book.warnings.append(f"The book is in the file {len(present)} times, for different readers; read is the first.")
    if not present:
        present = [name for name in book.archive.namelist() if name.lower().endswith(".opf")]
        book.warnings.append("Damaged: its package document is missing, or not where the book says that it is.")
    for name in present:
        if (package := parsed(book.read(name) or b"")) is not None:
            return name, package
    return "", None


def _read_package(book: Book, package: "_Element") -> None:
    missing: list[str] = []
    references: list[tuple[str, bool]] = []
    described: dict[str, str] = {}
    for element in package.iter():
        kind = local(element)
        if kind == "item":
            href = element.get("href", "")
            name = book.find(href, book.folder)
            if not name:
                missing.append(href)
                name = posixpath.normpath(posixpath.join(book.folder, unquote(href)))
            book.items.setdefault(
                element.get("id") or href,
                Item(
                    name,
                    element.get("media-type", "").strip().lower(),
                    frozenset((element.get("properties") or "").split()),
                    element.get("fallback", ""),
                ),
            )
        elif kind == "itemref":
            references.append((element.get("idref", ""), element.get("linear", "yes") != "no"))
        elif kind == "spine":
            book.ncx = element.get("toc", "")
        elif kind == "reference" and element.get("href"):
            book.guide.append((element.get("title") or element.get("type") or "", element.get("href", "")))
        elif "purl.org/dc/" in str(element.tag) and (text := "".join(element.itertext()).strip()):
            described.setdefault(kind, " ".join(text.split()))  # the first of several
    book.metadata = described
    _read_spine(book, references)


def _read_spine(book: Book, references: list[tuple[str, bool]]) -> None:
    """The order of reading; what is not in it, as notes may be, comes at the end."""
    unknown = [name for name, _ in references if name not in book.items]
    if unknown:
        listed = ", ".join(unknown[:5])
        book.warnings.append(f"Its reading order names {len(unknown)} that the book does not list: {listed}.")
    seen: set[str] = set()
    aside: list[tuple[Item, bool]] = []
    for identifier, linear in references:
        item = book.items.get(identifier)
        for _ in range(8):  # to something that can be read
            if item is None or item.is_text or item.fallback not in book.items:
                break
            item = book.items[item.fallback]
        if item is not None and item.name not in seen:
            seen.add(item.name)
            (book.spine if linear else aside).append((item, linear))
    book.spine += aside
    left = [
        item
        for item in book.items.values()
        if item.is_text
        and item.name not in seen
        and "nav" not in item.properties
        and item.media_type != "image/svg+xml"
    ]
    if not left:
        return
    names = ", ".join(posixpath.basename(item.name) for item in left[:5]) + (", …" if len(left) > 5 else "")
    if book.spine:
        book.warnings.append(f"Read at the end, since its reading order does not list them: {names}.")
    else:
        book.warnings.append("It has no reading order (spine); read in the order of its list of files.")
    book.spine += [(item, not seen) for item in left]


def _encrypted(book: Book) -> set[str] | None:
    """The files that are encrypted; None if there are none, and empty if it is not known which."""
    name = book.find("META-INF/encryption.xml", "")
    root = parsed(book.read(name) or b"") if name else None
    if root is None:
        return None
    found: set[str] | None = None
    for data in root.iter():
        if local(data) != "EncryptedData":
            continue
        methods = [e.get("Algorithm") for e in data.iter() if local(e) == "EncryptionMethod"]
        if any(method not in _FONT_OBFUSCATION for method in methods):
            uris = [e.get("URI", "") for e in data.iter() if local(e) == "CipherReference"]
            if not uris:
                return set()
            found = (found or set()) | {book.find(uri, "") or uri for uri in uris}
    return found


def _seller(book: Book) -> str:
    """Who protects the book, as far as it can be seen."""
    if name := book.find("META-INF/rights.xml", ""):
        rights = (book.read(name) or b"").lower()
        if b"adobe.com/adept" in rights:
            return "Adobe ADEPT"
        if b"kobo" in rights:
            return "Kobo"
    return next((seller for name, seller in _SELLERS if book.find(name, "")), "")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
