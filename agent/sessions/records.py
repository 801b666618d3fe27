"""Records read from the database: conversations, their turns, and their documents."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from longread.control_tokens import encodable
from longread.page_ranges import format_ranges

if TYPE_CHECKING:
    from longread.documents import Document

TurnState = Literal["open", "finished", "interrupted", "failed"]
"""open: its process is writing it. interrupted: stopped by the user, or its process ended. failed: ended by an
error."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class DocumentRef(_Record):
    """A document at the time of a question about it. Its text is not stored."""

    id: str
    """SHA-256 of the file's bytes, in hex."""
    name: str
    title: str
    source: str
    """The path as the user wrote it."""
    path: str | None
    """Absolute; None if it was not a file, such as standard input."""
    media_type: str
    pages: str
    """The pages that were read, as '1-20, 45'."""
    page_count: int

    @classmethod
    def of(cls, document: "Document") -> "DocumentRef":
        return cls(
            id=document.id,
            name=document.name,
            title=document.title,
            source=document.source,
            path=_path(document.source),
            media_type=document.media_type,
            pages=format_ranges([page.number for page in document.pages]),
            page_count=len(document.pages),
        )


class CorpusRef(_Record):
    """The documents of a question."""

    documents: tuple[DocumentRef, ...]
    selections: tuple[str, ...] = ()
    """The selections of pages as the user wrote them, as 'book:1-20'; empty: all pages."""

    @classmethod
    def of(cls, documents: "Iterable[Document | DocumentRef]", selections: Sequence[str] = ()) -> "CorpusRef":
        """Describe documents.

        Args:
            documents: a `Corpus`, or some of its documents.
            selections: the arguments of `select_pages`.
        """
        found = (one if isinstance(one, DocumentRef) else DocumentRef.of(one) for one in documents)
        return cls(documents=tuple(found), selections=tuple(selections))


class TurnRecord(_Record):
    """A question and its answer."""

    position: int
    """Its number in the conversation, from 1."""
    state: TurnState
    question: str
    answer: str
    """The text of the answer, or the part that was written before it was cut off."""
    messages: tuple[dict[str, Any], ...]
    """Qwen-Agent's messages after the question, with reasoning, tool calls and their results."""
    citations: tuple[dict[str, Any], ...]
    usage: dict[str, Any] | None
    model: str
    finish_reason: str | None
    error: str | None
    extra: dict[str, Any]
    began: datetime
    ended: datetime | None
    """None for an open turn, and for one whose process was killed."""
    documents: tuple[DocumentRef, ...]
    selections: tuple[str, ...]


class Summary(_Record):
    """A conversation in a list."""

    id: str
    title: str
    model: str
    created: datetime
    touched: datetime
    """Start or end of its last turn."""
    turns: int
    documents: tuple[DocumentRef, ...]
    """The status of its last turn."""
    writer: int | None
    """The id of the process that is writing it."""


class Hit(_Record):
    """A turn that matches a search."""

    session: str
    title: str
    position: int
    began: datetime
    question: str
    snippet: str
    """The text around the first match, on one line."""


def now() -> str:
    """UTC, in the format of the database."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def to_json(value: Any) -> str:
    """JSON for SQLite: unescaped, except for unpaired surrogates."""
    text = json.dumps(plain(value), ensure_ascii=False)
    return text if encodable(text) == text else json.dumps(plain(value))


def plain(value: Any) -> Any:
    """Convert pydantic models to JSON data."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())  # mode="json" rejects unpaired surrogates
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, datetime | Path):
        return str(value)
    return value


def _path(source: str) -> str | None:
    path = os.path.abspath(os.path.expanduser(source))
    return path if source != "-" and os.path.isfile(path) else None
