"""Conversations in SQLite: kept as they stream, to go on with, list, search, export and delete.

from longread.agent.sessions import Sessions

with Sessions() as sessions, sessions.create(corpus, "a-model") as session, session.begin("Who wrote it?") as turn:
    turn.add("Jane ")
    turn.add("Doe.")
    turn.finish()
"""

from ..errors import SessionBusy, SessionError
from .database import data_dir
from .messages import CUT_OFF
from .recorder import Recorder
from .records import CorpusRef, DocumentRef, Hit, Summary, TurnRecord
from .session import Session
from .store import Sessions
from .turn import Turn

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
    "Turn",
    "TurnRecord",
    "data_dir",
]
