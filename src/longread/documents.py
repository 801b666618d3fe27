"""Documents as the parsers produce them: pages of text, the outline, and warnings about what could not be read."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, Field

_REPR_CHARACTERS = 60
"""Of a page's text in its `repr`."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class PagePicture(_Frozen):
    """A page as a person sees it, for models that read pictures."""

    jpeg: bytes
    width: int
    """In pixels, like the height."""
    height: int
    tokens: int
    """Tokens that the model counts for it: an upper estimate, since each provider has a rule of its own."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from {"width": self.width, "height": self.height, "tokens": self.tokens}.items()


class Page(_Frozen):
    """One page, or the closest thing in a file without pages: a slide, a sheet, a section."""

    number: int
    """Position in the file, from 1. Citations use this number."""
    label: str
    """The page number as printed, where the file has one ("iv", "A-3"); else `number`."""
    text: str
    """The full text as the parser read it, without leading and trailing white space."""
    tokens: int
    """Tokens of `neutralise(text) + "\n"` (see `longread.control_tokens`), counted by `Document.tokenizer`."""
    notes: tuple[str, ...] = ()
    """What was skipped or altered on this page. `Document.warnings` says it once for all pages that it concerns."""

    needs_picture: bool = False
    """What the page shows is more than its text: it is a scan, or has a picture that was not read."""
    picture: PagePicture | None = Field(default=None, exclude=True)
    """Sent with the text, to a model that reads pictures. See `longread.agent.corpus.picture_selection`."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        short = self.text if len(self.text) <= _REPR_CHARACTERS else self.text[: _REPR_CHARACTERS - 1] + "…"
        yield from {"number": self.number, "label": self.label, "text": short, "tokens": self.tokens}.items()


class OutlineEntry(_Frozen):
    """One line of the table of contents."""

    level: int
    """Depth, from 1."""
    title: str
    page: int


class Document(_Frozen):
    """One file. The same bytes, parser and options always give an equal document, wherever the file is stored."""

    id: str
    """SHA-256 of the file's bytes, in hex."""
    name: str
    """Short and unique in its corpus. Citations use this name: `[name:page]`."""
    title: str
    source: str
    """The path as the user wrote it; '-' for standard input."""
    media_type: str
    pages: tuple[Page, ...]
    outline: tuple[OutlineEntry, ...] = ()
    metadata: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    """One sentence for each thing that was skipped or altered."""
    tokenizer: str
    """The name of the tokenizer that counted `Page.tokens`."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        yield from {"name": self.name, "title": self.title, "source": self.source}.items()
        yield from {"pages": len(self.pages), "tokens": self.tokens}.items()

    @cached_property
    def tokens(self) -> int:
        """Tokens of all pages, without the page marks of a prompt: `Prompt.tokens` includes those."""
        return sum(page.tokens for page in self.pages)


class HasDocuments(Protocol):
    """A corpus, for code that only needs its documents."""

    @property
    def documents(self) -> Sequence[Document]: ...


def citation_mark(document: Document, page: int) -> str:
    """The marker that cites a page: `[name:page]`."""
    return f"[{document.name}:{page}]"
