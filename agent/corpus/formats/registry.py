"""The supported formats, and format detection."""

import importlib
import zipfile
from pathlib import Path, PurePath

from .base import Format, WrongFormat
from .docx import Docx
from .epub import Epub
from .html import Html
from .markdown import Markdown
from .pdf import Pdf
from .plain import Csv, Json, Text
from .pptx import Pptx
from .xlsx import Xlsx

_formats: list[Format] = [Pdf(), Docx(), Pptx(), Xlsx(), Epub(), Html(), Markdown(), Csv(), Json(), Text()]

_HEAD = 8192
_UNREAD = {
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": (
        "an Office file of the old kind (.doc, .xls, .ppt) or one with a password; save it as .docx, .xlsx or .pptx "
        "without a password"
    ),
    b"{\\rtf": "an RTF file; save it as .docx or .pdf",
    b"%!PS": "a PostScript file; convert it to .pdf",
}


def formats() -> tuple[Format, ...]:
    """All formats, the more specific ones first."""
    return tuple(_formats)


def register(added: Format) -> None:
    """Add a format. It takes precedence over others with the same extension."""
    path_of(added)
    _formats.insert(0, added)


def path_of(found: Format) -> str:
    """'module:class': the name by which a parser process imports the format."""
    path = f"{type(found).__module__}:{type(found).__qualname__}"
    if path.startswith("__main__:") or "<locals>" in path:
        raise ValueError(f"{path} cannot be imported by a parser process: define the format in a module")
    return path


def by_path(path: str) -> Format:
    """The format with the name that `path_of` returned."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)()


def supported() -> str:
    """The formats and their extensions, for an error message."""
    return "; ".join(f"{known.name} ({' '.join(known.extensions)})" for known in _formats if known.extensions)


def detect(name: str, path: Path) -> Format:
    """Detect the format of the file at `path`: by its content first, by the extension of `name` second.

    Raises:
        WrongFormat: no format matches.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _in_archive(path)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for known in _formats:
        if known.magic and start.startswith(known.magic):
            return known
    for signature, advice in _UNREAD.items():
        if head.startswith(signature):
            raise WrongFormat(advice)
    textual = looks_like_text(head)
    extension = PurePath(name).suffix.lower()
    for known in _formats:
        if extension in known.extensions and (textual or not known.textual):
            return known
    if not textual:
        raise WrongFormat(f"neither text nor a format that can be read; supported are {supported()}")
    return Html() if start[:15].lower().startswith((b"<!doctype html", b"<html")) else Text()


def _in_archive(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except zipfile.BadZipFile:
        raise WrongFormat("a damaged ZIP archive (Word, Excel, PowerPoint and EPUB files are ZIP archives)") from None
    for known in _formats:
        if known.zip_member in names:
            return known
    raise WrongFormat(f"a ZIP archive, but not a document; supported are {supported()}")


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file may be text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    controls = sum(byte < 32 and byte not in b"\t\n\x0b\x0c\r\x08\x1b" for byte in head)
    return b"\0" not in head and controls * 50 <= len(head)
