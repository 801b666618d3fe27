"""Conversations in SQLite: stored while they stream, to resume, list, search, export and delete.

from longread import Sessions

with Sessions() as sessions, sessions.create(corpus, "a-model") as session, session.begin("Who wrote it?") as turn:
    turn.add("Jane ")
    turn.add("Doe.")
    turn.finish()
"""

from longread.errors import SessionBusy, SessionError

from .database import data_dir
from .recorder import Recorder
from .records import CorpusRef, DocumentRef, Hit, Summary, TurnRecord
from .session import Session
from .sessions import Sessions
from .transcript import CUT_OFF
from .turn_writer import TurnWriter

__all__ = [
    "CUT_OFF",
    "CorpusRef",
    "DocumentRef",
    "Hit",
    "Recorder",
    "Session",
    "SessionBusy",
    "SessionError",
    "Sessions",
    "Summary",
    "TurnRecord",
    "TurnWriter",
    "data_dir",
]
