"""EPUB: the XHTML of a book in reading order, converted to Markdown.

PyMuPDF is not used, because it lays out a book on pages of its own: their numbers and line ends mean nothing, list
numbers are separated from their items, and headings lose their level.
"""

import posixpath
from urllib.parse import unquote

from .base import Format, OpenFile, ParseError, ParseOptions, RawPage, Sections
from .html import to_markdown
from .markdown import sections
from .zip_archive import local, open_archive, xml

_FONT_OBFUSCATION = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


class Epub(Format):
    name = "EPUB"
    extensions = (".epub",)
    media_type = "application/epub+zip"
    library = "markdownify"
    zip_member = "META-INF/container.xml"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        archive = open_archive(data, self.name)
        locked = xml(archive, "META-INF/encryption.xml")
        for element in locked.iter() if locked is not None else ():
            if local(element) == "EncryptionMethod" and element.get("Algorithm") not in _FONT_OBFUSCATION:
                raise ParseError("protected by its seller (DRM); only a copy without protection can be read")
        container = xml(archive, "META-INF/container.xml")
        assert container is not None  # the format was detected by it
        root = next((e.get("full-path", "") for e in container.iter() if local(e) == "rootfile"), "")
        package = xml(archive, root)
        if package is None:
            raise ParseError("damaged: its package document is missing")
        folder = posixpath.dirname(root)
        items = {e.get("id"): e for e in package.iter() if local(e) == "item"}
        spine = [items.get(e.get("idref")) for e in package.iter() if local(e) == "itemref"]
        names = [posixpath.normpath(posixpath.join(folder, unquote(e.get("href", "")))) for e in spine if e is not None]

        pages: list[RawPage] = []
        outline: list[tuple[int, str, int]] = []
        warnings: list[str] = []
        present = set(archive.namelist())
        for name in names:
            if name not in present:
                warnings.append(f"Not read: {name}, which the book names and does not contain.")
                continue
            text, _, _, said = to_markdown(archive.read(name))
            part, headings = sections(text) if text else ([], [])
            outline += [(level, title, page + len(pages)) for level, title, page in headings]
            pages += part
            warnings += said
        described = [e for e in package.iter() if "purl.org/dc/" in str(e.tag)]
        fields = {local(e): (e.text or "").strip() for e in reversed(described)}  # the first of several wins
        return Sections(
            len(pages),
            sections=pages,
            outline=outline,
            title=fields.pop("title", ""),
            metadata={name: text for name, text in fields.items() if text and name != "identifier"},
            warnings=warnings,
        )
