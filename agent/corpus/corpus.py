"""Several documents as one: what a question is asked of."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ..errors import DocumentError
from ..tokens import Tokenizer
from .document import Document
from .events import LoadEvent
from .options import LoadOptions

_DEFAULTS = LoadOptions()


class Corpus(BaseModel):
    """Documents in the order in which they were given. `corpus["name"]` is one of them."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    documents: tuple[Document, ...]
    failures: tuple[DocumentError, ...] = Field(default=(), exclude=True)
    """Files, and pages of documents, that could not be read; only with `on_error="collect"`."""
    warnings: tuple[str, ...] = ()
    """What concerns no single document: files of a folder that were skipped, a cache that could not be written."""

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
        """Read files, folders, patterns (`docs/**/*.md`) and "-" (standard input).

        Args:
            sources: what to read. Folders and patterns leave out hidden files and what .gitignore leaves out.
            options: how to read it.
            tokenizer: counts the pages' tokens. None: `longread.agent.tokens.qwen()`.
            on_event: called, in this thread, with what is being done.
            on_error: "raise": read and cache everything that can be read, then raise an error that names every file
                and page that could not be. "collect": put these errors into `failures`, and leave the pages that could
                not be read empty, with a warning in their document.

        Raises:
            PasswordRequired: a file is encrypted.
            UnsupportedFormat: a file is of no kind that can be read.
            DocumentError: a file or page could not be read, or there was nothing to read. The first two are of this
                class; several errors are raised as one of it.
            ConfigError: OCR was asked for, and tesseract's language data is not there.
        """
        from .loader import load

        if isinstance(sources, str | Path):
            sources = [sources]
        documents, failures, warnings = load(sources, options, tokenizer, on_event or (lambda _: None))
        if failures and (on_error == "raise" or not documents):
            raise failures[0] if len(failures) == 1 else _together(failures)
        return cls(documents=documents, failures=failures, warnings=warnings)

    def joined(self, other: "Corpus") -> "Corpus":
        """These documents and then the other's, which get new names where theirs are taken."""
        from .names import names

        taken = [document.name for document in self.documents]
        fresh = names([*taken, *(document.name for document in other.documents)])[len(taken) :]
        # New objects, not copies: a copy of a pydantic model would keep what the original has cached.
        more = (
            document if name == document.name else Document(**{**dict(document), "name": name})
            for name, document in zip(fresh, other.documents, strict=True)
        )
        return Corpus(
            documents=(*self.documents, *more),
            failures=(*self.failures, *other.failures),
            warnings=(*self.warnings, *other.warnings),
        )

    @cached_property
    def tokens(self) -> int:
        """Tokens of all pages of all documents, without the marks that a prompt puts between them."""
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


def _together(failures: Sequence[DocumentError]) -> DocumentError:
    lines = "".join(f"\n  {failure}" for failure in failures)
    return DocumentError(f"{len(failures)} errors while reading:{lines}", source=failures[0].source)
