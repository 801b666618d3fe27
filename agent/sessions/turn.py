"""The turn that is being written."""

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

from pydantic import BaseModel

from ..control import encodable
from ..errors import SessionError
from .database import Database
from .messages import Piece, PieceKind, fold, with_answer, written
from .records import now, plain, to_json

_PATIENCE = 5.0  # seconds after a failed write until the next try: a token must not wait for a lock each time


class Turn:
    """A question whose answer is being written down. What `add` has returned from survives a kill of the process.

    A piece that cannot be written is an error once; the turn then keeps the pieces in memory, and writes them as soon
    as that works again, at the latest when it ends. As a context manager: what leaves it unended is stopped, as
    'interrupted' by Ctrl-C or a closed generator, as 'failed' by any other exception.
    """

    def __init__(self, database: Database, number: int, position: int):
        self.number = number
        self.position = position
        """In its session, from 1."""
        self.ended = False
        self._database = database
        self._pieces: list[Piece] = []
        self._written = 0
        self._failed_at: float | None = None

    def add(self, text: str, *, reasoning: bool = False) -> None:
        """A piece of the answer, or of the reasoning before it.

        Raises:
            SessionError: it, or a piece before it, cannot be written. Said once a turn, and by `finish` again.
        """
        if text:
            self._keep("reasoning" if reasoning else "text", encodable(text))

    def called(self, name: str, arguments: str | Mapping[str, Any], *, id: str = "") -> None:
        """The model calls a tool. Args: arguments: as the model wrote them; id: which call, where there are several."""
        if not isinstance(arguments, str):
            arguments = to_json(arguments)
        self._keep("call", to_json({"id": id, "name": name, "arguments": arguments}))

    def returned(self, name: str, content: str, *, id: str = "") -> None:
        """A tool has answered, or failed: whatever text the model gets."""
        self._keep("result", to_json({"id": id, "name": name, "content": content}))

    def finish(
        self,
        text: str | None = None,
        *,
        messages: Sequence[Mapping[str, Any] | BaseModel] | None = None,
        citations: Sequence[Mapping[str, Any] | BaseModel] = (),
        usage: Mapping[str, Any] | BaseModel | None = None,
        finish_reason: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """The answer is whole.

        Args:
            text: the answer; what was added if None.
            messages: Qwen-Agent's messages of the turn after the question; those that were added make up if None.
            extra: what else is worth keeping, as JSON.

        Raises:
            SessionError: it cannot be written. What was added before stays; `finish` can be called again.
        """
        found = fold(self._pieces) if messages is None else [plain(message) for message in messages]
        answer = written(found) if text is None else text
        self._end(
            "finished",
            with_answer(found, answer) if messages is None else found,
            answer=answer,
            citations=to_json(citations),
            usage=None if usage is None else to_json(usage),
            finish_reason=finish_reason,
            extra=to_json(extra or {}),
        )

    def stop(self, state: Literal["interrupted", "failed"] = "interrupted", *, error: str | None = None) -> None:
        """The answer was cut off. What was added stays.

        Raises:
            SessionError: it cannot be written.
        """
        messages = fold(self._pieces)
        self._end(state, messages, answer=written(messages), error=None if error is None else encodable(error))

    def __enter__(self) -> "Turn":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.ended:
            return
        if error is None:
            self.stop()
            return
        with contextlib.suppress(SessionError):  # the first error is the one to tell
            if isinstance(error, KeyboardInterrupt | GeneratorExit):
                self.stop()
            else:
                self.stop("failed", error=str(error) or type(error).__name__)

    def _keep(self, kind: PieceKind, content: str) -> None:
        if self.ended:
            raise ValueError("the turn has ended")
        self._pieces.append(Piece(kind, content))
        if self._failed_at is not None and time.monotonic() - self._failed_at < _PATIENCE:
            return
        told = self._failed_at is not None
        try:
            self._write()
            self._failed_at = None
        except SessionError:
            self._failed_at = time.monotonic()
            if not told:
                raise

    def _write(self) -> None:
        """Append what is not written yet. OR REPLACE: Ctrl-C may come between the writing and the counting of it."""
        sql = "INSERT OR REPLACE INTO pieces VALUES (?, ?, ?, ?)"
        values = [(self.number, i, *self._pieces[i]) for i in range(self._written, len(self._pieces))]
        if len(values) == 1:
            self._database.append(sql, values[0])
        else:
            with self._database.write() as connection:
                connection.executemany(sql, values)
        self._written += len(values)

    def _end(self, state: str, messages: Sequence[dict[str, Any]], *, answer: str, **columns: str | None) -> None:
        if self.ended:
            raise ValueError("the turn has ended")
        with self._database.write() as connection:
            close_turn(connection, self.number, state, messages, answer=answer, ended=now(), **columns)
        self.ended = True


PIECES = "SELECT kind, content FROM pieces WHERE turn = ? ORDER BY position"
"""The pieces of an open turn."""


def close_turn(
    connection: sqlite3.Connection,
    number: int,
    state: str,
    messages: Sequence[dict[str, Any]],
    *,
    ended: str | None,
    **columns: str | None,
) -> None:
    """In a transaction: a turn's pieces become its messages.

    Raises:
        SessionError: the turn is there no more.
    """
    values = {"state": state, "ended": ended, **columns, "answer": encodable(columns["answer"] or "")}
    changed = connection.execute(
        f"UPDATE turns SET {', '.join(f'{name} = :{name}' for name in values)} WHERE number = :number",
        {**values, "number": number},
    )
    if not changed.rowcount:
        raise SessionError("This conversation was deleted while it went on, so it is not kept any more.")
    connection.execute("DELETE FROM messages WHERE turn = ?", (number,))  # of one that was given up too early
    connection.executemany(
        "INSERT INTO messages (turn, position, content) VALUES (?, ?, ?)",
        [(number, position, to_json(message)) for position, message in enumerate(messages)],
    )
    connection.execute("DELETE FROM pieces WHERE turn = ?", (number,))
    connection.execute(
        "UPDATE sessions SET touched = max(touched, ?) WHERE number = (SELECT session FROM turns WHERE number = ?)",
        (ended or "", number),
    )


def pieces_of(rows: Sequence[sqlite3.Row]) -> list[Piece]:
    return [Piece(row["kind"], row["content"]) for row in rows]
