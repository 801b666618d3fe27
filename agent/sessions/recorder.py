"""Records a conversation without interrupting it when recording fails."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from longread.errors import SessionError

from .records import CorpusRef, DocumentRef
from .session import Session
from .turn_writer import TurnWriter

if TYPE_CHECKING:
    from longread.documents import Document


class Recorder:
    """Records a conversation. If that fails, it reports the error, and the conversation continues.

    Its methods are those of `Session.begin` and of `TurnWriter`, and do not raise SessionError. Each error is reported
    once, and so is the recovery.

    Args:
        session: the conversation, or a function that makes it; called at the first question, and again while it fails.
        warn: called with a sentence.
    """

    def __init__(self, session: Session | Callable[[], Session], warn: Callable[[str], None]):
        self.session = session if isinstance(session, Session) else None
        self._make = session if not isinstance(session, Session) else None
        self._warn = warn
        self._reported: set[str] = set()
        self._turn: TurnWriter | None = None

    def begin(
        self,
        question: str,
        documents: "Iterable[Document | DocumentRef] | CorpusRef | None" = None,
        *,
        model: str | None = None,
        selections: Sequence[str] = (),
    ) -> None:
        """Start a turn. A previous turn that has not ended is stopped."""
        if self._turn:
            self.stop()
        self._try(lambda: self._begin(question, documents, model, selections))

    def add(self, text: str, *, reasoning: bool = False) -> None:
        if turn := self._turn:
            self._try(lambda: turn.add(text, reasoning=reasoning))

    def add_call(self, name: str, arguments: str | Mapping[str, Any], *, id: str = "") -> None:
        if turn := self._turn:
            self._try(lambda: turn.add_call(name, arguments, id=id))

    def add_result(self, name: str, content: str, *, id: str = "") -> None:
        if turn := self._turn:
            self._try(lambda: turn.add_result(name, content, id=id))

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
        if turn := self._turn:
            self._turn = None
            self._try(
                lambda: turn.finish(
                    text, messages=messages, citations=citations, usage=usage, finish_reason=finish_reason, extra=extra
                )
            )

    def stop(self, state: Literal["interrupted", "failed"] = "interrupted", *, error: str | None = None) -> None:
        if turn := self._turn:
            self._turn = None
            self._try(lambda: turn.stop(state, error=error))

    def close(self) -> None:
        """Stop an open turn, and let other processes write the conversation."""
        self.stop()
        if self.session:
            self.session.close()

    def _begin(self, question: str, documents: Any, model: str | None, selections: Sequence[str]) -> None:
        if self.session is None:
            assert self._make is not None
            self.session = self._make()
        self._turn = self.session.begin(question, documents, model=model, selections=selections)
        if self._reported:
            self._reported.clear()
            self._warn("The conversation is stored again.")

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except SessionError as error:
            if str(error) not in self._reported:
                self._reported.add(str(error))
                self._warn(f"This conversation is not being stored: {error}")
