"""A conversation, and the process that may write it."""

import contextlib
import functools
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

import psutil

from longread.control_tokens import encodable
from longread.errors import SessionBusy, SessionError
from longread.serving.vllm_server.registry import live_process

from ..prompt.messages import ChatMessage
from .database import Database
from .document_changes import changes
from .records import CorpusRef, DocumentRef, TurnRecord, now, to_json
from .transcript import fold, remembered, written
from .turn_writer import PIECES, TurnWriter, close_turn, pieces_of

if TYPE_CHECKING:
    from longread.documents import Document

_TITLE = 80  # characters of the first question


class Session:
    """A conversation. `Sessions` creates and finds them.

    One process writes a conversation at a time. A second one gets `SessionBusy`, which names the first, until that
    closes the session or ends, even by a kill. Threads and objects of one process may write at the same time; each turn
    stays intact.
    """

    def __init__(self, database: Database, number: int):
        row = _one(database, number)
        self.number = number
        self.id: str = row["id"]
        self._database = database

    @property
    def title(self) -> str:
        """The given title, else the first question, shortened."""
        return _one(self._database, self.number)["title"]

    @property
    def model(self) -> str:
        """The model at the start of the conversation; each turn has its own."""
        return _one(self._database, self.number)["model"]

    @property
    def created(self) -> datetime:
        return datetime.fromisoformat(_one(self._database, self.number)["created"])

    @property
    def corpus(self) -> CorpusRef:
        """The documents of the last turn; before the first turn, those that the conversation was created with."""
        rows = self._database.read(
            "SELECT content FROM corpora JOIN turns ON turns.corpus = corpora.number WHERE session = ? "
            "ORDER BY position DESC LIMIT 1",
            self.number,
        ) or self._database.read(
            "SELECT content FROM corpora JOIN sessions ON corpus = corpora.number WHERE sessions.number = ?",
            self.number,
        )
        if not rows:
            raise _gone()
        return CorpusRef.model_validate(json.loads(rows[0]["content"]))

    def claim(self) -> None:
        """Become the writer, as the first `begin` does. To resume a conversation, claim it before reading its history.

        Raises:
            SessionBusy: another running process is the writer.
        """
        with self._database.write() as connection:
            _claim(connection, self.number)

    def begin(
        self,
        question: str,
        documents: "Iterable[Document | DocumentRef] | CorpusRef | None" = None,
        *,
        model: str | None = None,
        selections: Sequence[str] = (),
    ) -> "TurnWriter":
        """Record a question, and become the writer.

        Args:
            documents: the documents it is about, for instance a `Corpus`. None: those of the previous turn.
            model: the model that answers. None: that of the session.
            selections: the selections of pages as the user wrote them.

        Raises:
            SessionBusy: another running process is the writer.
            SessionError: the database cannot be written.
        """
        question, began = encodable(question), now()
        if documents is None:
            documents = self.corpus
        asked_of = documents if isinstance(documents, CorpusRef) else CorpusRef.of(documents, selections)
        with self._database.write() as connection:
            session = _claim(connection, self.number)
            (last,) = connection.execute(
                "SELECT coalesce(max(position), 0) FROM turns WHERE session = ?", (self.number,)
            ).fetchone()
            number = connection.execute(
                "INSERT INTO turns (session, position, state, question, model, corpus, began) "
                "VALUES (?, ?, 'open', ?, ?, ?, ?)",
                (self.number, last + 1, question, model or session["model"], keep_corpus(connection, asked_of), began),
            ).lastrowid
            connection.execute(
                "UPDATE sessions SET touched = ?, title = ? WHERE number = ?",
                (began, session["title"] or title_of(question), self.number),
            )
        assert number is not None
        return TurnWriter(self._database, number, last + 1)

    def turns(self) -> list[TurnRecord]:
        """All turns, oldest first; an open one as far as it has been written."""
        with self._database.snapshot():  # between two queries an open turn could end
            rows = self._database.read(
                "SELECT turns.*, corpora.content AS documents FROM turns JOIN corpora ON corpora.number = turns.corpus "
                "WHERE session = ? ORDER BY position",
                self.number,
            )
            return [self._record(row) for row in rows]

    def history(self) -> list[ChatMessage]:
        """The conversation as Qwen-Agent's messages, for the next question.

        Tool calls and their results are included, reasoning is not. An answer that was cut off ends with `CUT_OFF`. A
        question whose answer had not started is left out.
        """
        return [
            message
            for turn in self.turns()
            for message in remembered(turn.question, turn.messages, whole=turn.state == "finished")
        ]

    def changed(self, documents: "Iterable[Document | DocumentRef]") -> list[str]:
        """Changes since the last question, one sentence each: documents changed, gone, new, or with other pages."""
        return changes(self.corpus.documents, CorpusRef.of(documents).documents)

    def close(self) -> None:
        """Let other processes write it. Best effort: the end of this process has the same effect."""
        pid, began = _this_process(os.getpid())
        with contextlib.suppress(SessionError):
            self._database.append(
                "UPDATE sessions SET writer = NULL, writer_began = NULL "
                "WHERE number = ? AND writer = ? AND writer_began = ?",
                (self.number, pid, began),
            )

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _record(self, row: sqlite3.Row) -> TurnRecord:
        rows = self._database.read("SELECT content FROM messages WHERE turn = ? ORDER BY position", row["number"])
        messages = [json.loads(message["content"]) for message in rows]
        if row["state"] == "open":
            messages = fold(pieces_of(self._database.read(PIECES, row["number"])))
        read = CorpusRef.model_validate(json.loads(row["documents"]))
        return TurnRecord(
            position=row["position"],
            state=row["state"],
            question=row["question"],
            answer=row["answer"] or written(messages),
            messages=tuple(messages),
            citations=tuple(json.loads(row["citations"])),
            usage=json.loads(row["usage"]) if row["usage"] else None,
            model=row["model"],
            finish_reason=row["finish_reason"],
            error=row["error"],
            extra=json.loads(row["extra"]),
            began=datetime.fromisoformat(row["began"]),
            ended=datetime.fromisoformat(row["ended"]) if row["ended"] else None,
            documents=read.documents,
            selections=read.selections,
        )


_OPEN = (
    "SELECT turns.number, writer, writer_began FROM turns JOIN sessions ON sessions.number = session "
    "WHERE state = 'open'"
)


def give_up(database: Database) -> None:
    """Turns whose process has ended without ending them become interrupted, with all that was written of them."""
    if all(writer_of(row) for row in database.read(_OPEN)):
        return
    with database.write() as connection:
        for row in connection.execute(_OPEN).fetchall():
            if writer_of(row) is None:
                messages = fold(pieces_of(connection.execute(PIECES, (row["number"],)).fetchall()))
                answer = written(messages)
                close_turn(connection, row["number"], "interrupted", messages, answer=answer, ended=None)


def keep_corpus(connection: sqlite3.Connection, corpus: CorpusRef) -> int:
    """The number of the session's row, inside a transaction."""
    content = to_json(corpus)
    digest = blake2b(content.encode(), digest_size=16).hexdigest()
    connection.execute("INSERT OR IGNORE INTO corpora (digest, content) VALUES (?, ?)", (digest, content))
    return connection.execute("SELECT number FROM corpora WHERE digest = ?", (digest,)).fetchone()[0]


def title_of(text: str) -> str:
    """A title of one line."""
    line = " ".join(encodable(text).split())
    return line if len(line) <= _TITLE else line[: _TITLE - 1].rstrip() + "…"


def writer_of(row: sqlite3.Row) -> int | None:
    """The id of the process that writes a session, if it is running."""
    alive = row["writer"] is not None and live_process(row["writer"], row["writer_began"]) is not None
    return row["writer"] if alive else None


def refuse_others(row: sqlite3.Row) -> None:
    """Raise SessionBusy if another running process is the writer of a row of `sessions`."""
    pid = writer_of(row)
    if pid is not None and pid != os.getpid():
        raise SessionBusy(
            f"Conversation {row['id']} is being written by process {pid}. Leave it there, or start a new one here."
        )


def _claim(connection: sqlite3.Connection, number: int) -> sqlite3.Row:
    row = connection.execute("SELECT * FROM sessions WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise _gone()
    refuse_others(row)
    connection.execute(
        "UPDATE sessions SET writer = ?, writer_began = ? WHERE number = ?", (*_this_process(os.getpid()), number)
    )
    return row


@functools.cache
def _this_process(pid: int) -> tuple[int, float]:
    return pid, psutil.Process(pid).create_time()


def _one(database: Database, number: int) -> sqlite3.Row:
    rows = database.read("SELECT * FROM sessions WHERE number = ?", number)
    if not rows:
        raise _gone()
    return rows[0]


def _gone() -> SessionError:
    return SessionError("This conversation has been deleted.")
