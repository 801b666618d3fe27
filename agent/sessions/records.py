"""What is read from the database: conversations, their turns, and the documents these were about."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict

from ..control import encodable
from ..corpus.text import ranges

if TYPE_CHECKING:
    from ..corpus import Document

TurnState = Literal["open", "finished", "interrupted", "failed"]
"""open: its process is at it. interrupted: stopped by the user, or its process ended. failed: an error ended it."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class DocumentRef(_Record):
    """A document as it was when a question was asked about it. Its text is not kept."""

    id: str
    """SHA-256 of the file's bytes, in hex."""
    name: str
    title: str
    source: str
    """As the user wrote it."""
    path: str | None
    """Absolute; None for what was no file then, such as standard input."""
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
            pages=ranges([page.number for page in document.pages]),
            page_count=len(document.pages),
        )


class CorpusRef(_Record):
    """What was read for a question."""

    documents: tuple[DocumentRef, ...]
    selections: tuple[str, ...] = ()
    """The choice of pages as the user wrote it, as 'book:1-20'; none: all pages."""

    @classmethod
    def of(cls, documents: "Iterable[Document | DocumentRef]", selections: Sequence[str] = ()) -> "CorpusRef":
        """Args: documents: a `Corpus`, or some of its documents; selections: what `pages.select` was given."""
        found = (one if isinstance(one, DocumentRef) else DocumentRef.of(one) for one in documents)
        return cls(documents=tuple(found), selections=tuple(selections))


class TurnRecord(_Record):
    """A question and what came of it."""

    position: int
    """In its conversation, from 1."""
    state: TurnState
    question: str
    answer: str
    """What was written of it, if it was cut off."""
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
    """When its last turn began or ended."""
    turns: int
    documents: tuple[DocumentRef, ...]
    """Of its last turn."""
    writer: int | None
    """The id of the process that is writing it."""


class Hit(_Record):
    """A turn that has what was searched for."""

    session: str
    title: str
    position: int
    began: datetime
    question: str
    snippet: str
    """The text around the first word that was found, on one line."""


def now() -> str:
    """UTC, as the database has it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def to_json(value: Any) -> str:
    """JSON that SQLite can store: readable, but for halves of characters, which only an escape can hold."""
    text = json.dumps(plain(value), ensure_ascii=False)
    return text if encodable(text) == text else json.dumps(plain(value))


def plain(value: Any) -> Any:
    """Models of pydantic as what JSON has."""
    if isinstance(value, BaseModel):
        return plain(value.model_dump())  # mode="json" refuses halves of characters
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
