"""OpenDocument spreadsheets (ISO/IEC 26300): archives, and single XML files."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO, TYPE_CHECKING

from ..base import ParseError, ParseOptions, SecretNeeded, WrongFormat
from ..office.package import Package
from ..opendocument.blocks import BlockReader
from ..opendocument.changes import Changes
from ..opendocument.context import Context
from ..opendocument.lists import ListNumbers
from ..opendocument.names import attribute, child, children, name, text_in
from ..opendocument.parts import Parts
from ..opendocument.styles import Styles
from ..word.pages import Attachments
from ..zip_archive import open_archive
from .opendocument_rows import RowReader
from .sheet import Sheet
from .streaming import DAMAGE, Tolerant

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_HOLDERS = ("style:header", "style:footer", "style:header-left", "style:footer-left")
_FIELDS = (
    "text:page-number",
    "text:page-count",
    "text:sheet-name",
    "text:date",
    "text:time",
    "text:title",
    "text:file-name",
)


class _SheetParts(Parts):
    """The parts of a spreadsheet besides its content, which is read row by row."""

    def __init__(
        self, package: Package | None, content: "_Element", styles: "_Element | None", meta: "_Element | None"
    ):
        self._package = package
        self.warnings = []
        self.content, self.styles, self.meta = content, styles, meta


class Spreadsheet:
    """An OpenDocument spreadsheet."""

    def __init__(self, data: bytes, options: ParseOptions):
        import lxml.etree as etree

        self._damaged: list[str] = []
        self._options = options
        self._package: Package | None = None
        self._archive: zipfile.ZipFile | None = None
        self._data = data
        # What is needed of the content apart from its tables.
        content = etree.Element("{urn:oasis:names:tc:opendocument:xmlns:office:1.0}document-content")
        styles = meta = None
        if data.startswith(b"PK"):
            self._archive = open_archive(data, "OpenDocument spreadsheet")
            self._package = Package(self._archive)
            _check_encryption(self._package)
            if "content.xml" not in self._package:
                raise ParseError("damaged: there is no content.xml in it")
            styles, meta = self._package.xml("styles.xml"), self._package.xml("meta.xml")
        elif b"office:document" not in data[:4096]:
            raise WrongFormat("not an OpenDocument spreadsheet, or a damaged one")
        self._parts = _SheetParts(self._package, content, styles, meta)
        self._frozen = self._frozen_rows()

    def metadata(self) -> dict[str, str]:
        return self._parts.metadata() if self._parts.meta is not None else {}

    def warnings(self) -> list[str]:
        """Sentences on what could not be read, complete when all sheets are read."""
        damaged = [
            f"content.xml in it is damaged ({why}): what can be read of it is shown." for why in self._damaged[:1]
        ]
        return damaged + self._parts.damage()

    def sheets(self) -> Iterator[Sheet]:
        """The sheets in their order, each complete."""
        import lxml.etree as etree

        table = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
        office = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
        with self._open() as stream:
            events = etree.iterparse(
                Tolerant(stream, self._damaged.append),
                events=("start", "end"),
                tag=[
                    *(f"{table}{local}" for local in ("table", "table-column", "table-row", "shapes")),
                    *(f"{office}{local}" for local in ("automatic-styles", "styles", "master-styles", "forms", "meta")),
                ],
                resolve_entities=False,
                no_network=True,
                remove_comments=True,
                remove_pis=True,
                recover=True,
                huge_tree=True,
            )
            try:
                yield from self._read(events)
            except etree.XMLSyntaxError as error:
                self._damaged.append(str(error))
            if len(events.error_log):
                self._damaged.append(events.error_log[0].message)

    def _read(self, events: "Iterator[tuple[str, _Element]]") -> Iterator[Sheet]:
        current: _SheetReader | None = None
        level = 0
        for event, element in events:
            kind = name(element)
            if event == "start":
                if kind == "table:table":
                    parent = element.getparent()
                    level += 1
                    if level == 1 and parent is not None and name(parent) == "office:spreadsheet":
                        current = _SheetReader(element, self._context(), self._frozen)
                continue
            match kind:
                case "table:table":
                    level -= 1
                    if level == 0 and current is not None:
                        yield current.finished()
                        current = None
                        element.clear()
                case "table:table-row" if level == 1 and current is not None:
                    current.add_row(element)
                    _empty(element)
                case "table:table-column" if level == 1 and current is not None:
                    current.rows.add_column(element)
                case "table:shapes" if level == 1 and current is not None:
                    for shape in element:
                        current.add_shape(shape)
                case "office:forms" if current is not None:
                    current.context.find_controls(element)
                case "office:automatic-styles" | "office:styles" | "office:master-styles":
                    self._parts.content.append(element)
                case "office:meta" if self._package is None and self._parts.meta is None:
                    self._parts.meta = element.getparent()
                case _:
                    pass

    def _context(self) -> Context:
        styles = Styles(
            self._parts.content, self._parts.styles if self._parts.styles is not None else self._parts.content
        )
        keep_hidden = self._options.hidden == "keep"
        return Context(
            parts=self._parts,
            styles=styles,
            numbers=ListNumbers(styles),
            attachments=Attachments(keep_hidden=keep_hidden),
            changes=Changes(self._parts.content, self._options.changes),
            keep_hidden=keep_hidden,
        )

    def _open(self) -> IO[bytes]:
        if self._archive is None or self._package is None:
            return BytesIO(self._data)
        part = next(name for name in self._package if name.lower() == "content.xml")
        try:
            return self._archive.open(part)
        except DAMAGE as error:
            raise ParseError(f"damaged: content.xml in it cannot be read ({error})") from None

    def _frozen_rows(self) -> dict[str, int]:
        """The rows that stay on the screen by sheet."""
        settings = self._package.xml("settings.xml") if self._package is not None else None
        found: dict[str, int] = {}
        for entry in settings.iter("{*}config-item-map-entry") if settings is not None else ():
            items = {attribute(item, "config:name"): item.text or "" for item in children(entry, "config:config-item")}
            if items.get("VerticalSplitMode") == "2" and items.get("VerticalSplitPosition", "").isdigit():
                found[attribute(entry, "config:name")] = int(items["VerticalSplitPosition"])
        return found


class _SheetReader:
    """Reads one sheet."""

    def __init__(self, table: "_Element", context: Context, frozen: dict[str, int]):
        self.context = context
        self._blocks = BlockReader(context)
        self._shapes: list[str] = []
        key = attribute(table, "table:name")
        properties = context.styles.of("table", attribute(table, "table:style-name"))
        state = "hidden" if properties.get("table:display") == "false" else ""
        self._sheet = Sheet(key or "Sheet", state, frozen=frozen.get(key, 0))
        self._sheet.beside += _headers(context, properties.get("style:master-page-name", "Default"))
        self.rows = RowReader(
            self._sheet,
            lambda style: context.styles.of("table-cell", style),
            self._paragraph,
            self.add_shape,
            keep_hidden=context.keep_hidden,
        )

    def add_row(self, element: "_Element") -> None:
        found = list(self.rows.rows(element))
        parent = element.getparent()
        if found and not self._sheet.head and parent is not None and name(parent) == "table:table-header-rows":
            self._sheet.head = found[0].number
        self._sheet.rows += found

    def add_shape(self, element: "_Element") -> None:
        found = self._blocks.frames.read(element)
        self._shapes += [text for text in (found.inline, *(block.text for block in found.blocks)) if text]

    def finished(self) -> Sheet:
        page = self.context.attachments.page("", "\n\n".join(self._shapes))
        self._sheet.beside += [page.text] if page.text else []
        self._sheet.beside_notes += page.notes
        return self._sheet

    def _paragraph(self, element: "_Element", background: str) -> str:
        if name(element) == "text:p":
            text, after = self._blocks.inline.read(element, background)
            self._shapes += [block.text for block in after if block.text]
        else:
            text = "\n".join(block.text for block in self._blocks.read([element], None, background))  # pyright: ignore
        page = self.context.attachments.page("", text)
        self._sheet.notes += [note for note in page.notes if note not in self._sheet.notes]
        return page.text


def _headers(context: Context, master_name: str) -> list[str]:
    """Headers and footers of the print, each different text once; not those with page numbers or names only."""
    master = context.styles.master(master_name)
    lines: dict[str, None] = {}
    for holder in children(master, *_HOLDERS) if master is not None else ():
        if attribute(holder, "style:display", "true") == "false":
            continue
        text = text_in(holder)
        fields = [text_in(found) for found in holder.iter() if name(found) in _FIELDS]
        plain = text
        for field in fields:
            plain = plain.replace(field, "", 1) if field else plain
        words = [word for word in plain.split() if any(letter.isalpha() for letter in word)]
        if words and not (fields and len(words) <= 2):
            lines[f"{'Header' if 'header' in name(holder) else 'Footer'}: {text}"] = None
    return list(lines)


def _empty(element: "_Element") -> None:
    """Free an element that was read, and what is before it."""
    element.clear()
    parent = element.getparent()
    while parent is not None and element.getprevious() is not None:
        del parent[0]


def _check_encryption(package: Package) -> None:
    manifest = package.xml("META-INF/manifest.xml")
    entries = manifest if manifest is not None else ()
    encrypted = any(child(entry, "manifest:encryption-data") is not None for entry in entries)
    if encrypted or "encrypted-package" in package:
        raise SecretNeeded("encrypted, which is not supported for OpenDocument; save it without a password")
