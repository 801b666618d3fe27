"""What a file becomes: pages of text, with what the parser saw and could not see."""

from functools import cached_property

from pydantic import BaseModel, ConfigDict


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class Page(_Frozen):
    """One page, or what stands for one: a slide, a sheet, a section of a file that has no pages."""

    number: int
    """From 1, in the file's order. This is what citations name."""
    label: str
    """As printed, when the file says so ("iv", "A-3"); else the number."""
    text: str
    """Whole, as the parser read it, without leading and trailing white space."""
    tokens: int
    """Of `neutralise(text) + "\n"` (see `longread.agent.control`), by the tokenizer that the document names."""


class OutlineEntry(_Frozen):
    """A line of the table of contents."""

    level: int
    title: str
    page: int


class Document(_Frozen):
    """A file, whole. Equal bytes, parser and options give an equal document, wherever the file lies."""

    id: str
    """SHA-256 of the file's bytes, in hex."""
    name: str
    """Short, unique in its corpus; what citations name: `[name:page]`."""
    title: str
    source: str
    """Where it was read from, as the user wrote it; '-' for standard input."""
    media_type: str
    pages: tuple[Page, ...]
    outline: tuple[OutlineEntry, ...] = ()
    metadata: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    """What was not read, or read otherwise than as it stands. One sentence each."""
    tokenizer: str
    """The name of the tokenizer that counted the pages' tokens."""

    @cached_property
    def tokens(self) -> int:
        """Tokens of all pages. The page marks of a prompt come on top; `Prompt.tokens` has those too."""
        return sum(page.tokens for page in self.pages)
