"""Write a turn to the database while it streams."""

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Literal

from pydantic import BaseModel

from longread.control_tokens import encodable
from longread.errors import SessionError

from .database import Database
from .records import now, plain, to_json
from .transcript import Piece, PieceKind, fold, with_answer, written

_RETRY_SECONDS = 5.0  # after a failed write: a token must not wait for a lock each time


class TurnWriter:
    """A question whose answer is being written. Once `add` has returned, its text survives a kill of the process.

    If a piece cannot be written, that is an error once. The turn then keeps its pieces in memory, and writes them as
    soon as possible, at the latest when it ends. It is a context manager: a turn that has not ended is stopped at the
    end, as 'interrupted' after Ctrl-C or a closed generator, as 'failed' after any other exception.
    """

    def __init__(self, database: Database, number: int, position: int):
        self.number = number
        self.position = position
        """Its number in the session, from 1."""
        self.ended = False
        self._database = database
        self._pieces: list[Piece] = []
        self._written = 0
        self._failed_at: float | None = None

    def add(self, text: str, *, reasoning: bool = False) -> None:
        """Append text to the answer, or to the reasoning before it.

        Raises:
            SessionError: it, or an earlier piece, cannot be written. Raised once per turn, and by `finish` again.
        """
        if text:
            self._append("reasoning" if reasoning else "text", encodable(text))

    def add_call(self, name: str, arguments: str | Mapping[str, Any], *, id: str = "") -> None:
        """Append a tool call.

        Args:
            arguments: as the model wrote them.
            id: identifies the call, if there are several.
        """
        if not isinstance(arguments, str):
            arguments = to_json(arguments)
        self._append("call", to_json({"id": id, "name": name, "arguments": arguments}))

    def add_result(self, name: str, content: str, *, id: str = "") -> None:
        """Append the result of a tool, or its error: the text that the model receives."""
        self._append("result", to_json({"id": id, "name": name, "content": content}))

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
        """End the turn with a complete answer.

        Args:
            text: the answer. None: what was added.
            messages: Qwen-Agent's messages of the turn after the question. None: those that were added.
            extra: additional data, as JSON.

        Raises:
            SessionError: it cannot be written. What was added before remains; `finish` can be called again.
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
        """End the turn with an answer that was cut off. What was added remains.

        Raises:
            SessionError: it cannot be written.
        """
        messages = fold(self._pieces)
        self._end(state, messages, answer=written(messages), error=None if error is None else encodable(error))

    def __enter__(self) -> "TurnWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.ended:
            return
        if error is None:
            self.stop()
            return
        with contextlib.suppress(SessionError):  # the first error is the one to report
            if isinstance(error, KeyboardInterrupt | GeneratorExit):
                self.stop()
            else:
                self.stop("failed", error=str(error) or type(error).__name__)

    def _append(self, kind: PieceKind, content: str) -> None:
        if self.ended:
            raise ValueError("the turn has ended")
        self._pieces.append(Piece(kind, content))
        if self._failed_at is not None and time.monotonic() - self._failed_at < _RETRY_SECONDS:
            return
        reported = self._failed_at is not None
        try:
            self._write()
            self._failed_at = None
        except SessionError:
            self._failed_at = time.monotonic()
            if not reported:
                raise

    def _write(self) -> None:
        """Write the pieces that are not written yet. OR REPLACE: Ctrl-C may come between writing and counting them."""
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
"""Selects the pieces of an open turn."""


def close_turn(
    connection: sqlite3.Connection,
    number: int,
    state: str,
    messages: Sequence[dict[str, Any]],
    *,
    ended: str | None,
    **columns: str | None,
) -> None:
    """Replace the pieces of a turn by its messages, inside a transaction.

    Raises:
        SessionError: the turn was deleted.
    """
    values = {"state": state, "ended": ended, **columns, "answer": encodable(columns["answer"] or "")}
    changed = connection.execute(
        f"UPDATE turns SET {', '.join(f'{name} = :{name}' for name in values)} WHERE number = :number",
        {**values, "number": number},
    )
    if not changed.rowcount:
        raise SessionError("This conversation was deleted while it went on, so it is not stored any more.")
    connection.execute("DELETE FROM messages WHERE turn = ?", (number,))  # of a turn that was given up too early
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
