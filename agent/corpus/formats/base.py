"""The interface of a format: a class that turns bytes into pages, in a parser process."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from ..choices import Changes, HiddenText
from ..text import Line

if TYPE_CHECKING:
    from .zip_archive import Contents


class ParseError(Exception):
    """A file or page that cannot be read. The message completes "FILE: …" and says what to do."""


class WrongFormat(ParseError):
    """The bytes are not in this format, or in no known one."""


class SecretNeeded(ParseError):
    """The file is encrypted, and the password is missing or wrong."""


class RawPage(NamedTuple):
    """A page as parsed. `notes` complete "Page 3: …"; equal notes of several pages are reported together."""

    label: str
    text: str
    notes: tuple[str, ...] = ()
    needs_picture: bool = False
    """What the page shows is more than its text: see `Page.needs_picture`."""


class AttachedFile(NamedTuple):
    """A file inside of another one: an attachment of a mail or PDF, a member of an archive."""

    name: str
    """Its path in that file, as stored there: it may be anything, since no file is written by this name."""
    data: bytes = b""
    media_type: str = ""
    """What the file says that it is; it counts where neither content nor extension tells."""
    problem: str = ""
    """Why it cannot be read: "encrypted"."""


@dataclass(frozen=True)
class ParseOptions:
    """The part of `LoadOptions` that a parser receives."""

    layout: bool = False
    ocr: bool = False
    """Tesseract's data is there, and may be used."""
    ocr_all: bool = False
    """Pictures that do not look like writing are tried, too."""
    ocr_language: str = "eng"
    tessdata: str = ""
    changes: Changes = "marked"
    hidden: HiddenText = "drop"
    encoding: str = ""
    attachments: bool = False
    """Files attached to PDFs are read as documents of their own."""
    password: str = field(default="", repr=False)


@dataclass
class OpenFile(ABC):
    """A file that a parser has opened."""

    pages: int
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    outline: list[tuple[int, str, int]] = field(default_factory=list)
    """Entries as (level from 1, title, page from 1)."""
    warnings: list[str] = field(default_factory=list)
    secret: bool = False
    """The file was opened with a password: its text must not be stored on disk."""

    @abstractmethod
    def page(self, index: int) -> RawPage:
        """The page at `index`, from 0."""

    def attached_files(self) -> Iterator[AttachedFile]:
        """The files inside of this one, which become documents called `mail.eml/contract.pdf`.

        Called once, and only if `Format.holds_files` is true, possibly in another process than the one that parses the
        pages. A generator: each file is written to disk before the next one is taken, up to a limit of files and bytes.
        What the caller leaves out, it reports; what this does not yield, `warnings` must say.
        """
        return iter(())


@dataclass
class Sections(OpenFile):
    """A file whose pages are known only after parsing all of it."""

    sections: Sequence[RawPage] = ()

    def page(self, index: int) -> RawPage:
        return self.sections[index]


class Format(ABC):
    """A file format. Instances have no state: each parser process makes its own."""

    name: ClassVar[str]
    """The name in error messages: "PDF", "Word"."""
    extensions: ClassVar[tuple[str, ...]]
    media_type: ClassVar[str]
    library: ClassVar[str | None]
    """The distribution that does the parsing; its version is part of the cache key. None: the standard library."""
    revision: ClassVar[int] = 1
    """Increased when the same bytes give other pages, so that cached ones are not used any more."""
    magic: ClassVar[bytes | None] = None
    """The first bytes of such a file."""
    textual: ClassVar[bool] = False
    """The format is text in some encoding: bytes that cannot be text are not in this format, whatever the extension."""
    zip_member: ClassVar[str | None] = None
    """For formats that are ZIP archives: the name of a file that such an archive contains."""
    content_types: ClassVar[tuple[str, ...]] = ()
    """For Office Open XML: the content types of the main part, whose name may be any."""
    streams: ClassVar[tuple[str, ...]] = ()
    """For formats that are compound files (OLE 2): streams that only such a file contains, in lower case."""
    options: ClassVar[tuple[str, ...]] = ()
    """The fields of `ParseOptions` that affect the result: they are part of the cache key."""
    random_access: ClassVar[bool] = False
    """Whether pages can be parsed independently, so that several processes can share a file."""

    def matches(self, archive: "Contents") -> bool:
        """Whether a ZIP archive is a file of this format."""
        return archive.has(self.zip_member) or any(f'"{kind}"' in archive.content_types for kind in self.content_types)

    def holds_files(self, options: ParseOptions) -> bool:
        """Whether files of this format can contain others that are to be read (`OpenFile.attached_files`).

        Such a file may have no pages of its own, like a folder.
        """
        return False

    @abstractmethod
    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        """Open a file.

        Raises:
            ParseError: the file cannot be read. Any other exception is reported as a fault of the parser.
        """


def line_label(lines: Sequence[Line]) -> str:
    """The label of a group of lines without a name of its own."""
    first, last = lines[0].number, lines[-1].number
    return f"line {first}" if first == last else f"lines {first}-{last}"
