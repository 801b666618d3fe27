"""What a format is: a class that turns bytes into pages, inside a parser process."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from ..text import Line


class ParseError(Exception):
    """A file, or a page, that cannot be read. The message completes "FILE: …" and says what to do."""


class WrongFormat(ParseError):
    """The bytes are not of this format, or of any."""


class SecretNeeded(ParseError):
    """The file is encrypted, and there was no password or a wrong one."""


class RawPage(NamedTuple):
    """A page as parsed. `notes` complete "Page 3: …"; equal ones of several pages are reported together."""

    label: str
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ParseOptions:
    """What of `LoadOptions` a parser is told."""

    layout: bool = False
    ocr: bool = False
    ocr_language: str = "eng"
    tessdata: str = ""
    password: str = field(default="", repr=False)


@dataclass
class OpenFile(ABC):
    """A file that a parser has open."""

    pages: int
    title: str = ""
    metadata: dict[str, str] = field(default_factory=dict)
    outline: list[tuple[int, str, int]] = field(default_factory=list)
    """(level from 1, title, page from 1)"""
    warnings: list[str] = field(default_factory=list)
    secret: bool = False
    """It took a password to open: the text is not to be left on disk."""

    @abstractmethod
    def page(self, index: int) -> RawPage:
        """The page at `index`, from 0."""


@dataclass
class Sections(OpenFile):
    """A file that had to be parsed whole to know its pages."""

    sections: Sequence[RawPage] = ()

    def page(self, index: int) -> RawPage:
        return self.sections[index]


class Format(ABC):
    """One kind of file. Instances hold nothing: a parser process makes its own."""

    name: ClassVar[str]
    """As error messages call it: "PDF", "Word"."""
    extensions: ClassVar[tuple[str, ...]]
    media_type: ClassVar[str]
    library: ClassVar[str | None]
    """The distribution that does the parsing: its version is part of the cache key. None: the standard library."""
    revision: ClassVar[int] = 1
    """Counted up when the same bytes come to give other pages, so that cached ones are not used any more."""
    magic: ClassVar[bytes | None] = None
    """What the file begins with."""
    textual: ClassVar[bool] = False
    """A text in some encoding, so that bytes that cannot be text are not of this format whatever the extension."""
    zip_member: ClassVar[str | None] = None
    """A name in the archive, for formats that are ZIP archives."""
    options: ClassVar[tuple[str, ...]] = ()
    """The fields of `ParseOptions` that change what comes out."""
    random_access: ClassVar[bool] = False
    """Pages can be had one by one, so several processes may share a file."""

    @abstractmethod
    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        """Raises `ParseError`; anything else that it raises counts as a fault of the parser."""


def line_label(lines: Sequence[Line]) -> str:
    """What a stretch of lines is called where it has no name of its own."""
    first, last = lines[0].number, lines[-1].number
    return f"line {first}" if first == last else f"lines {first}-{last}"
