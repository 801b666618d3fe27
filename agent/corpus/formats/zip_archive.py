"""Shared code for formats that are ZIP archives of XML: Word, Excel, PowerPoint and EPUB."""

import zipfile
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

from .base import ParseError, WrongFormat

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

MAX_UNPACKED = 1 << 30
"""Maximum size in bytes of an unpacked archive: a small file can expand to a thousand gigabytes."""

MAX_RATIO = 200
"""Maximum ratio of unpacked to packed size, applied above a sixteenth of that limit. XML packs about 10:1, repetitive
spreadsheets 50:1."""

_HEAD = 1 << 20
"""Bytes of a part that are read to detect a format."""

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
"""What reading a damaged part of an archive raises."""

_PROPERTIES = ("title", "creator", "subject", "keywords", "description", "created", "modified")


class Contents(NamedTuple):
    """What an archive contains, for the detection of its format."""

    names: frozenset[str]
    """In lower case: Office finds its parts whatever the case."""
    content_types: str
    """The text of `[Content_Types].xml`, with double quotes around attributes; empty without such a part."""
    media_type: str
    """The text of the file `mimetype`, which OpenDocument and EPUB have."""

    def has(self, name: str | None) -> bool:
        return name is not None and name.lower() in self.names


def contents(archive: zipfile.ZipFile) -> Contents:
    """A summary of the archive. Parts that cannot be unpacked count as empty."""
    names = {name.replace("\\", "/").lstrip("/").lower(): name for name in archive.namelist()}
    types = _head(archive, names.get("[content_types].xml")).replace("'", '"')
    return Contents(frozenset(names), types, _head(archive, names.get("mimetype")).strip())


def _head(archive: zipfile.ZipFile, name: str | None) -> str:
    if name is None:
        return ""
    try:
        with archive.open(name) as part:
            data = part.read(_HEAD)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return ""  # damaged, packed in an unknown way, or encrypted
    return data.replace(b"\0", b"").decode("utf-8", "replace")  # the NULs of ASCII characters in UTF-16


def open_archive(data: bytes, kind: str) -> zipfile.ZipFile:
    """Open an archive, if the total size of its parts is within the limits."""
    try:
        archive = zipfile.ZipFile(BytesIO(data))
    except zipfile.BadZipFile as error:
        raise WrongFormat(f"not a {kind} file, or a damaged one ({error})") from None
    unpacked = sum(part.file_size for part in archive.infolist())
    limit = MAX_UNPACKED if unpacked < MAX_RATIO * len(data) else MAX_UNPACKED // 16
    if unpacked > limit:
        raise ParseError(
            f"{len(data) / 2**20:,.1f} MiB unpack to {unpacked / 2**20:,.0f} MiB, and the limit is "
            f"{limit / 2**20:,.0f}: a decompression bomb?"
        )
    return archive


def xml(archive: zipfile.ZipFile, name: str) -> "_Element | None":
    """A part of the archive, parsed; None if it does not exist."""
    import lxml.etree as etree

    try:
        part = archive.read(name)
    except KeyError:
        return None
    try:
        return etree.fromstring(part, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        raise ParseError(f"damaged: {name} in it is not well-formed XML ({error})") from None


def local(element: "_Element") -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def properties(archive: zipfile.ZipFile) -> dict[str, str]:
    """The core properties of an Office file."""
    root = xml(archive, "docProps/core.xml")
    found = {local(element): (element.text or "").strip() for element in root} if root is not None else {}
    return {name: found[name] for name in _PROPERTIES if found.get(name)}
