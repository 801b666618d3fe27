"""What tools need to know of documents. `longread.agent.corpus` has them; anything of the same shape will do."""

from collections.abc import Sequence
from typing import Protocol


class Page(Protocol):
    """One page, or what stands for one."""

    @property
    def number(self) -> int:
        """From 1, in the file's order; what a mark names."""
        ...

    @property
    def label(self) -> str:
        """As printed, or what the page is called; else the number."""
        ...

    @property
    def text(self) -> str: ...


class OutlineEntry(Protocol):
    """A line of a table of contents."""

    @property
    def level(self) -> int:
        """From 1."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def page(self) -> int: ...


class Document(Protocol):
    """A file that has been read."""

    @property
    def id(self) -> str:
        """SHA-256 of the file's bytes, in hex."""
        ...

    @property
    def name(self) -> str:
        """Unique in its corpus; what a mark names: `[name:page]`."""
        ...

    @property
    def title(self) -> str: ...

    @property
    def source(self) -> str:
        """The path that it was read from; '-' for standard input."""
        ...

    @property
    def media_type(self) -> str: ...

    @property
    def pages(self) -> Sequence[Page]: ...

    @property
    def outline(self) -> Sequence[OutlineEntry]: ...


class Corpus(Protocol):
    """The documents that a question is asked of."""

    @property
    def documents(self) -> Sequence[Document]: ...


def mark(document: Document, page: int) -> str:
    """`[name:page]`: how a page is cited."""
    return f"[{document.name}:{page}]"
