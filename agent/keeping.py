"""The conversation of `agent chat` on disk: which one is gone on with, and how each question gets there."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import terminal
from .conversation import ChatMessage
from .errors import ConfigError, SessionError
from .sessions import Recorder, Session, Sessions

if TYPE_CHECKING:
    from .reader import LongReader


class Keeper:
    """Keeps a conversation while the block lasts.

    Args:
        save: whether to keep it at all.
        goes_on: whether it goes on from the one that was last; the last one about the same files, if files are named.
        id: of the one that it goes on from.

    Raises:
        SessionError: an earlier one is wanted, and conversations cannot be read. A new one is begun all the same, and a
            line says that it is not kept.
        ConfigError: an earlier one is wanted, and it is not to be kept.
    """

    def __init__(self, *, save: bool = True, goes_on: bool = False, id: str | None = None):
        self._goes_on = goes_on or id is not None
        if self._goes_on and not save:
            raise ConfigError("--no-save keeps nothing, so it cannot go on with a conversation.")
        self._id = id
        self._sessions: Sessions | None = None
        self._session: Session | None = None
        self._recorder: Recorder | None = None
        if save:
            try:
                self._sessions = Sessions()
            except SessionError as error:
                if self._goes_on:
                    raise
                terminal.note(f"This conversation is not kept: {error}")

    def sources(self, files: Sequence[str], pages: Sequence[str]) -> tuple[list[str], list[str]]:
        """The files and the choice of pages: as given, else those of the conversation that is gone on with.

        Raises:
            ConfigError: no files.
            SessionError: there is no such conversation.
        """
        if self._id is not None:
            self._session = self._known().get(self._id)
        if files:
            return list(files), list(pages)
        if not self._goes_on:
            raise ConfigError("Give --file PATH, or --continue to go on with the last conversation.")
        session = self._session or self._latest(None)
        self._session = session
        sources = [document.path for document in session.corpus.documents]
        if None in sources:
            raise ConfigError("That conversation was about standard input, which is gone: give its text as --file.")
        return [_from_here(source) for source in sources if source], list(pages) or list(session.corpus.selections)

    def open(self, reader: "LongReader", selections: Sequence[str]) -> tuple[Recorder | None, list[ChatMessage]]:
        """What writes the conversation down, and what was said before.

        Raises:
            SessionBusy: another process goes on with it.
            SessionError: there is none about these files.
        """
        if self._sessions is None:
            return None, []
        sessions = self._sessions
        history: list[ChatMessage] = []
        if self._goes_on:
            session = self._session or self._latest(reader)
            session.claim()
            for sentence in session.changed(reader.corpus):
                terminal.note(sentence)
            asked = len(session.turns())
            terminal.note(f"going on with {session.id}: {session.title} ({asked} question{'s' * (asked != 1)})")
            history = session.history()
            self._recorder = Recorder(session, terminal.note)
        else:
            self._recorder = Recorder(
                lambda: sessions.create(reader.corpus, reader.model_name, selections=selections), terminal.note
            )
        return self._recorder, history

    def _known(self) -> Sessions:
        assert self._sessions is not None
        return self._sessions

    def _latest(self, reader: "LongReader | None") -> Session:
        found = self._known().latest(reader.corpus if reader else None)
        if found is None:
            about = " about these files" if reader else ""
            raise SessionError(f"There is no conversation{about} to go on with: agent sessions list shows all.")
        return found

    def __enter__(self) -> "Keeper":
        return self

    def __exit__(self, *_: object) -> None:
        if self._recorder:
            self._recorder.close()
            if self._recorder.session and terminal.interactive():
                terminal.note(f"agent chat --continue goes on with this conversation, {self._recorder.session.id}")
        if self._sessions:
            self._sessions.close()


def _from_here(path: str) -> str:
    """As it would be typed in this folder."""
    return str(Path(path).relative_to(Path.cwd())) if Path(path).is_relative_to(Path.cwd()) else path
