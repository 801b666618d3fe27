"""A corpus: the documents that questions are asked about."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from longread.documents import Document
from longread.errors import DocumentError

from ..prompt.tokenizer import Tokenizer
from .events import LoadEvent
from .options import LoadOptions

if TYPE_CHECKING:
    from .report import CorpusReport

_DEFAULTS = LoadOptions()


class Corpus(BaseModel):
    """Documents, in the order in which they were given. `corpus["name"]` is one of them."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    documents: tuple[Document, ...]
    failures: tuple[DocumentError, ...] = Field(default=(), exclude=True)
    """Files and pages that could not be read; only with `on_error="collect"`."""
    warnings: tuple[str, ...] = ()
    """Warnings that concern no single document: skipped files of a folder, or a cache that is not writable."""

    @classmethod
    def load(
        cls,
        sources: Sequence[str | Path],
        *,
        options: LoadOptions = _DEFAULTS,
        tokenizer: Tokenizer | None = None,
        on_event: Callable[[LoadEvent], None] | None = None,
        on_error: Literal["raise", "collect"] = "raise",
    ) -> "Corpus":
        """Load files, folders, glob patterns (`docs/**/*.md`) and "-" (standard input).

        Args:
            sources: what to load. Folders and patterns skip hidden files and those in .gitignore.
            options: how to parse.
            tokenizer: counts the tokens of the pages. None: Qwen's vocabulary.
            on_event: called with progress events, in this thread.
            on_error: "raise": parse and cache everything that can be read, then raise an error that names every file
                and page that could not be read. "collect": put these errors into `failures`, and leave unreadable pages
                empty, with a warning in their document.

        Raises:
            PasswordRequired: a file is encrypted.
            UnsupportedFormat: the format of a file is not supported.
            DocumentError: a file or page could not be read, or there is nothing to read. It is the base class of the
                first two, and several errors are raised as one.
            ConfigError: OCR was requested, and Tesseract's language data is missing.
        """
        from .loader import load

        if isinstance(sources, str | Path):
            sources = [sources]
        documents, failures, warnings = load(sources, options, tokenizer, on_event or (lambda _: None))
        if failures and (on_error == "raise" or not documents):
            raise together(failures)
        return cls(documents=documents, failures=failures, warnings=warnings)

    def joined(self, other: "Corpus") -> "Corpus":
        """Append the documents of another corpus, with new names where theirs are taken."""
        from .names import names

        taken = [document.name for document in self.documents]
        fresh = names([*taken, *(document.name for document in other.documents)])[len(taken) :]
        # New objects, not copies: a copy of a pydantic model keeps the cached properties of the original.
        more = (
            document if name == document.name else Document(**{**dict(document), "name": name})
            for name, document in zip(fresh, other.documents, strict=True)
        )
        return Corpus(
            documents=(*self.documents, *more),
            failures=(*self.failures, *other.failures),
            warnings=(*self.warnings, *other.warnings),
        )

    def report(self) -> "CorpusReport":
        """What was read of each document, and what was skipped or altered. `print(corpus.report())` shows it."""
        from .report import CorpusReport

        return CorpusReport.of(self)

    def __repr__(self) -> str:
        pages = sum(len(document.pages) for document in self.documents)
        counts = ((len(self.documents), "document"), (pages, "page"), (self.tokens, "token"))
        shown = (f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
        return f"Corpus({', '.join(shown)})"

    __str__ = __repr__

    @cached_property
    def tokens(self) -> int:
        """Tokens of all pages of all documents, without the page marks of a prompt."""
        return sum(document.tokens for document in self.documents)

    def __getitem__(self, name: str) -> Document:
        for document in self.documents:
            if document.name == name:
                return document
        raise KeyError(f"no document {name!r}; there are {', '.join(document.name for document in self.documents)}")

    def __contains__(self, name: object) -> bool:
        return any(document.name == name for document in self.documents)

    def __len__(self) -> int:
        return len(self.documents)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Document]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return iter(self.documents)


def together(failures: Sequence[DocumentError]) -> DocumentError:
    """One error for several; for one, itself."""
    if len(failures) == 1:
        return failures[0]
    lines = "".join(f"\n  {failure}" for failure in failures)
    return DocumentError(f"{len(failures)} errors while reading:{lines}", source=failures[0].source)
