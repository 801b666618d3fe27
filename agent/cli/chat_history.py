"""The conversation of `agent chat` on disk: the one that is resumed, and what records the new questions."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from longread.errors import ConfigError, SessionError

from ..prompt.messages import ChatMessage
from ..sessions import Recorder, Session, Sessions
from . import console

if TYPE_CHECKING:
    from ..reader import LongReader


class ChatHistory:
    """Records a conversation until the block ends.

    Args:
        save: whether to record it at all.
        resume: whether to continue the most recent conversation; if files are named, the most recent one about these.
        id: the conversation to continue.

    Raises:
        SessionError: a conversation should be resumed, and conversations cannot be read. A new conversation starts all
            the same, with a note that it is not recorded.
        ConfigError: a conversation should be resumed and not be recorded.
    """

    def __init__(self, *, save: bool = True, resume: bool = False, id: str | None = None):
        self._resume = resume or id is not None
        if self._resume and not save:
            raise ConfigError("--no-save records nothing, so it cannot be used with --continue or --session.")
        self._id = id
        self._sessions: Sessions | None = None
        self._session: Session | None = None
        self._recorder: Recorder | None = None
        if save:
            try:
                self._sessions = Sessions()
            except SessionError as error:
                if self._resume:
                    raise
                console.note(f"This conversation is not recorded: {error}")

    def choose_sources(self, files: Sequence[str], pages: Sequence[str]) -> tuple[list[str], list[str]]:
        """The files and the page selection: as given, or those of the resumed conversation.

        Raises:
            ConfigError: there are no files.
            SessionError: there is no such conversation.
        """
        if self._id is not None:
            assert self._sessions is not None
            self._session = self._sessions.get(self._id)
        if files:
            return list(files), list(pages)
        if not self._resume:
            raise ConfigError("Give --file PATH, or --continue to resume the most recent conversation.")
        session = self._session or self._latest(None)
        self._session = session
        paths = [document.path for document in session.corpus.documents]
        if None in paths:
            raise ConfigError(
                "That conversation was about standard input, which is not available any more: give its text as --file."
            )
        return [_relative_to_here(path) for path in paths if path], list(pages) or list(session.corpus.selections)

    def open(self, reader: "LongReader", selections: Sequence[str]) -> tuple[Recorder | None, list[ChatMessage]]:
        """What records the conversation, and the messages of the resumed one.

        Raises:
            SessionBusy: another process has the conversation open.
            SessionError: there is no conversation about these files.
        """
        if self._sessions is None:
            return None, []
        sessions = self._sessions
        history: list[ChatMessage] = []
        if self._resume:
            session = self._session or self._latest(reader)
            session.claim()
            for sentence in session.changed(reader.corpus):
                console.note(sentence)
            questions = len(session.turns())
            console.note(f"resuming {session.id}: {session.title} ({questions} question{'s' * (questions != 1)})")
            history = session.history()
            self._recorder = Recorder(session, console.note)
        else:
            self._recorder = Recorder(
                lambda: sessions.create(reader.corpus, reader.model_name, selections=selections), console.note
            )
        return self._recorder, history

    def _latest(self, reader: "LongReader | None") -> Session:
        assert self._sessions is not None
        found = self._sessions.latest(reader.corpus if reader else None)
        if found is None:
            about = " about these files" if reader else ""
            raise SessionError(f"There is no conversation{about} to resume: agent sessions list shows all.")
        return found

    def __enter__(self) -> "ChatHistory":
        return self

    def __exit__(self, *_: object) -> None:
        if self._recorder:
            self._recorder.close()
            if self._recorder.session and console.interactive():
                console.note(f"agent chat --continue resumes this conversation, {self._recorder.session.id}")
        if self._sessions:
            self._sessions.close()


def _relative_to_here(path: str) -> str:
    """The path as it would be typed in the current folder."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path
