"""The supported formats, and format detection."""

import importlib
import zipfile
from pathlib import Path, PurePath

from . import compound_file
from .archives import Bzip2, Gzip, Tar, Xz, Zip
from .base import Format, ParseError, WrongFormat
from .epub import Epub
from .html import Html
from .latex import Latex
from .libreoffice import OldExcel, OldPowerPoint, OldWord
from .mail import Mail, Mailbox, Outlook
from .markdown import Markdown
from .notebook import Notebook
from .opendocument import Odp, Odt
from .pdf import Pdf
from .picture_file import Picture
from .plain import Csv, Json, JsonLines, Text
from .powerpoint import Pptx
from .rtf import Rtf
from .spreadsheet import Ods, Xlsb, Xlsx
from .subtitles import Subtitles
from .svg import Svg
from .text_encoding import without_mark
from .word import Word
from .zip_archive import contents

_formats: list[Format] = [
    Pdf(),
    Word(),
    Pptx(),
    Xlsx(),
    Xlsb(),
    Ods(),
    Odt(),
    Odp(),
    Epub(),
    Html(),
    Markdown(),
    Csv(),
    Json(),
    JsonLines(),
    Notebook(),
    Text(),
    Latex(),
    Subtitles(),
    Svg(),
    Rtf(),
    Mail(),
    Mailbox(),
    Outlook(),
    OldWord(),
    OldExcel(),
    OldPowerPoint(),
    Picture(),
    Zip(),
    Tar(),
    Gzip(),
    Bzip2(),
    Xz(),
]

_HEAD = 8192
_LEAST_TEXT = 32
"""Bytes that text with NUL bytes in it must have besides them."""
_UNREAD = {
    b"%!PS": "a PostScript file; convert it to .pdf",
    b"7z\xbc\xaf'\x1c": "a 7-Zip archive; unpack it",
    b"Rar!": "a RAR archive; unpack it",
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


def detect(name: str, path: Path, media_type: str = "") -> Format:
    """Detect the format of the file at `path`: by its content first, by the extension of `name` second.

    Args:
        media_type: what a server or a mail says that it is; it counts if neither of the two decides.

    Raises:
        WrongFormat: no format matches.
        ParseError: it is a damaged archive, so that its format cannot be told.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PK\x03\x04"):
        return _in_archive(path)
    if head.startswith(compound_file.MAGIC):
        return _in_compound_file(name, path)
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
    for known in _formats:
        if known.media_type == media_type and known.textual:
            return known
    return Html() if start[:15].lower().startswith((b"<!doctype html", b"<html")) else Text()


def _in_archive(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            found = contents(archive)
    except zipfile.BadZipFile:
        raise ParseError("a damaged ZIP archive (Word, Excel, PowerPoint and EPUB files are ZIP archives)") from None
    for known in _formats:
        if known.matches(found):
            return known
    raise WrongFormat(f"a ZIP archive, but not a document; supported are {supported()}")


def _in_compound_file(name: str, path: Path) -> Format:
    try:
        streams = compound_file.streams(path)
    except ParseError as error:
        raise WrongFormat(f"an Office file of the old kind, {error}") from None
    if "encryptedpackage" in streams:
        raise WrongFormat("an Office file with a password; save it without one")
    for known in _formats:
        if any(stream in streams for stream in known.streams):
            return known
    raise WrongFormat("a compound file of a program whose documents are not read")


def looks_like_text(head: bytes) -> bool:
    """Whether the first bytes of a file may be text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    if without_mark(head):
        return True
    rest = head.replace(b"\0", b"")
    controls = sum(byte < 32 and byte not in b"\t\n\x0b\x0c\r\x08\x1b" for byte in rest)
    if len(rest) == len(head):
        return controls * 50 <= len(head)
    # A crash leaves blocks of NUL bytes in a log; what a program writes for itself has other such bytes too.
    return len(rest) >= _LEAST_TEXT and not controls and rest.isascii()
