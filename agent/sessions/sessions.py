"""All conversations: create, find, list, search, export and delete them."""

import json
import re
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from longread.errors import SessionError

from .database import Database, data_dir
from .document_changes import same
from .export import Format, exported
from .records import CorpusRef, DocumentRef, Hit, Summary, TurnRecord, now
from .session import Session, give_up, keep_corpus, refuse_others, title_of, writer_of

if TYPE_CHECKING:
    from longread.documents import Document

_GRAM = 3  # characters; the index has no shorter terms
_AROUND = 60  # characters shown before and after a match
_TERM = re.compile(r'"([^"]+)"|(\S+)')


class Sessions:
    """The conversations in one database.

    It contains no secrets such as API keys or passwords of files. It does contain questions, answers and the results of
    tools, so the file is readable only by its owner.

    Args:
        path: the database. None: `sessions.db` in `$LONGREAD_DATA_DIR` or the platform's user data folder.

    Raises:
        SessionError: it cannot be opened or created, is damaged, belongs to another program or to a newer longread.
    """

    def __init__(self, path: Path | None = None):
        self.path = path or data_dir() / "sessions.db"
        self._database = Database(self.path)
        try:
            give_up(self._database)
        except BaseException:
            self.close()
            raise

    def create(
        self,
        documents: "Iterable[Document | DocumentRef]",
        model: str,
        title: str | None = None,
        *,
        selections: Sequence[str] = (),
    ) -> Session:
        """Create a conversation.

        Args:
            documents: the documents it is about: a `Corpus`, or some of its documents.
            title: None: the first question.
            selections: the selections of pages as the user wrote them.
        """
        read, created = CorpusRef.of(documents, selections), now()
        with self._database.write() as connection:
            values = (title_of(title or ""), model, keep_corpus(connection, read), created, created)
            while True:
                with suppress(sqlite3.IntegrityError):  # the chance that an id is taken is 1 in 10¹²
                    inserted = connection.execute(
                        "INSERT INTO sessions (id, title, model, corpus, created, touched) VALUES (?, ?, ?, ?, ?, ?)",
                        (secrets.token_hex(5), *values),
                    )
                    break
        assert inserted.lastrowid is not None
        return Session(self._database, inserted.lastrowid)

    def latest(self, documents: "Iterable[Document | DocumentRef] | None" = None) -> Session | None:
        """The most recent conversation; None if there is none.

        Args:
            documents: only a conversation about these files: the same by content or path, so one of them may have
                changed. See `Session.changed`.
        """
        wanted = None if documents is None else CorpusRef.of(documents).documents
        for summary in self.list():
            if wanted is None or same(summary.documents, wanted):
                return self.get(summary.id)
        return None

    def get(self, id: str) -> Session:
        """The conversation with this id, or the only one whose id starts with it.

        Raises:
            SessionError: there is none, or there are several.
        """
        exactly = self._database.read("SELECT number, id, title FROM sessions WHERE id = ?", id)
        found = exactly or self._database.read(
            "SELECT number, id, title FROM sessions WHERE substr(id, 1, length(?1)) = ?1 AND ?1 <> '' "
            "ORDER BY touched DESC, number DESC",
            id.lower(),
        )
        if not found:
            raise SessionError(f"There is no conversation {id!r}: agent sessions list shows those that there are.")
        if len(found) > 1:
            named = ", ".join(f"{row['id']} ({row['title']})" for row in found[:5])
            more = f" and {len(found) - 5} more" if len(found) > 5 else ""
            raise SessionError(f"{id!r} could be {len(found)} conversations: {named}{more}. Give more of the id.")
        give_up(self._database)
        return Session(self._database, found[0]["number"])

    def read(self, id: str) -> "tuple[Summary, list[TurnRecord]]":
        """All stored data of a conversation.

        Raises:
            SessionError: there is none, or there are several.
        """
        session = self.get(id)
        with self._database.snapshot():
            return self._summaries("WHERE sessions.number = ?", session.number)[0], session.turns()

    def list(self, limit: int | None = None) -> "list[Summary]":
        """The conversations, most recent first."""
        give_up(self._database)
        return self._summaries("", limit=limit)

    def _summaries(self, where: str, *values: object, limit: int | None = None) -> "list[Summary]":
        rows = self._database.read(
            "SELECT sessions.*, count(turns.number) AS turns, (SELECT content FROM corpora WHERE number = coalesce("
            "(SELECT corpus FROM turns WHERE session = sessions.number ORDER BY position DESC LIMIT 1), "
            "sessions.corpus)) AS content "
            f"FROM sessions LEFT JOIN turns ON session = sessions.number {where} GROUP BY sessions.number "
            "ORDER BY touched DESC, sessions.number DESC LIMIT ?",
            *values,
            -1 if limit is None else limit,
        )
        return [
            Summary(
                id=row["id"],
                title=row["title"],
                model=row["model"],
                created=datetime.fromisoformat(row["created"]),
                touched=datetime.fromisoformat(row["touched"]),
                turns=row["turns"],
                documents=CorpusRef.model_validate(json.loads(row["content"])).documents,
                writer=writer_of(row),
            )
            for row in rows
        ]

    def search(self, text: str, limit: int | None = None) -> "list[Hit]":
        """The turns whose question and answer together contain every word of `text`, latest first.

        Parts of words match too, in any case and script; words in double quotes are one. Words of three or more
        characters are looked up in an index; for shorter ones alone, every turn is read.

        Raises:
            SessionError: `text` contains no word.
        """
        terms = [term for quoted, word in _TERM.findall(text) if (term := (quoted or word.strip('"')).strip())]
        if not terms:
            raise SessionError("There is nothing to search for: give a word that the question or the answer has.")
        give_up(self._database)
        long = [term for term in terms if len(term) >= _GRAM]
        short = [term for term in terms if len(term) < _GRAM]
        conditions, values = ["TRUE"], []
        if long:
            conditions.append("turns.number IN (SELECT rowid FROM search WHERE search MATCH ?)")
            values.append(" AND ".join('"' + term.replace('"', '""') + '"' for term in long))
        for term in short:
            conditions.append("has(question || char(10) || answer, ?)")
            values.append(term)
        rows = self._database.read(
            "SELECT id, title, position, began, question, answer FROM turns "
            f"JOIN sessions ON sessions.number = session WHERE {' AND '.join(conditions)} "
            "ORDER BY turns.number DESC LIMIT ?",
            *values,
            -1 if limit is None else limit,
        )
        return [
            Hit(
                session=row["id"],
                title=row["title"],
                position=row["position"],
                began=datetime.fromisoformat(row["began"]),
                question=row["question"],
                snippet=_snippet((row["answer"], row["question"]), terms),
            )
            for row in rows
        ]

    def delete(self, id: str) -> None:
        """Delete a conversation permanently: its text is overwritten in the database, its index and its WAL.

        Copies that a file system or disk keeps of old blocks are not affected.

        Raises:
            SessionBusy: another process is writing it. Nothing is deleted.
            SessionError: there is none, or there are several; or it is deleted, but its text could not be overwritten
                yet.
        """
        session = self.get(id)
        with self._database.write() as connection:
            row = connection.execute("SELECT * FROM sessions WHERE number = ?", (session.number,)).fetchone()
            if row is not None:
                refuse_others(row)
                connection.execute("DELETE FROM sessions WHERE number = ?", (session.number,))
                connection.execute(
                    "DELETE FROM corpora WHERE number NOT IN (SELECT corpus FROM turns) "
                    "AND number NOT IN (SELECT corpus FROM sessions)"
                )
        self._database.wipe()

    def export(self, id: str, format: Format = "markdown") -> str:
        """Export a conversation as text.

        Args:
            format: "markdown", for reading; "json", all stored data; "jsonl", the same with one line per turn.

        Raises:
            SessionError: there is no such conversation, or format.
        """
        return exported(*self.read(id), format)

    def close(self) -> None:
        """Close the database. Sessions of it can no longer be used."""
        self._database.close()

    def __enter__(self) -> "Sessions":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _snippet(texts: Sequence[str], terms: Sequence[str]) -> str:
    """The surroundings of the first term that one of the texts contains; else the start of a text."""
    for text in texts:
        for term in terms:
            if found := re.search(re.escape(term), text, re.IGNORECASE):
                start, end = max(0, found.start() - _AROUND), found.end() + _AROUND
                inside = " ".join(text[start:end].split())
                return f"{'…' * (start > 0)}{inside}{'…' * (end < len(text))}"
    return title_of(next((text for text in texts if text), ""))
