"""Conversations and the processes that write them: killed in mid-answer, several at once, after one another."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longread.agent.sessions import CUT_OFF, Recorder, SessionError, Sessions
from longread.errors import SessionBusy
from tests.support.corpora import corpus, document

BOOK = corpus(document("book", "One token takes 57,344 bytes."))
BEGIN = "import sys; from longread.agent.sessions import Sessions, SessionError, DocumentRef, database; " + (
    "database._BUSY_SECONDS = 300.0; "  # a slow machine is not what these tests are about
    "BOOK = [DocumentRef(id='0', name='b', title='b', source='b', path=None, media_type='', pages='1', page_count=1)]\n"
)
# Says on standard output what is kept, after it is; stands still in the turn that is given, at the piece that is given.
STREAM = """
still = tuple(map(int, sys.argv[1:]))
session = Sessions().create(BOOK, "scripted")
print(session.id, flush=True)
for number in range(10**6):
    turn = session.begin(f"Question {number}?")
    print(f"question {number}", flush=True)
    for i in range(200):
        if i % 50 == 20:
            turn.add_call("search", {"query": i}, id=str(i))
            print(f"{number} call {i}", flush=True)
            turn.add_result("search", f"found {i}", id=str(i))
            print(f"{number} result {i}", flush=True)
        turn.add(f"<{i}>", reasoning=i < 10)
        print(f"{number} piece {i}", flush=True)
        if (number, i) == still:
            input()
    turn.finish(finish_reason="stop")
    print(f"finished {number}", flush=True)
"""
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Runs Python with `Sessions` and `BOOK` at hand, in a process that ends with the test."""
    running: list[subprocess.Popen[str]] = []

    def begin(script: str, *arguments: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", BEGIN + script, *arguments]
        running.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def done(process: subprocess.Popen[str]) -> str:
    """What a process printed that was let go on and ended well."""
    printed, errors = process.communicate("go\n")
    assert process.returncode == 0, errors
    return printed


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline().strip()


# Killed


def test_a_kill_at_any_moment_leaves_all_that_was_kept(start: Start) -> None:
    cut_off = 0
    for seed in range(6):
        chance = random.Random(seed)
        still = (chance.randrange(5), chance.randrange(200)) if seed % 2 else ()
        process = start(STREAM, *map(str, still))
        id = line(process)
        assert process.stdout
        # Half of them in the middle of an answer for certain, the others wherever they are by then.
        last, most = ("{} piece {}\n".format(*still), 0) if still else ("", chance.randrange(6, 2000))
        heard: list[str] = []
        for entry in process.stdout:
            heard.append(entry)
            if entry == last or len(heard) == most:
                break
        process.send_signal(signal.SIGKILL)
        said = [entry.split() for entry in (*heard, *process.stdout) if entry.endswith("\n")]
        assert process.wait() == -signal.SIGKILL
        assert len(said) > 5 or still

        with Sessions() as sessions:
            turns = sessions.get(id).turns()
            assert sessions._database.read("SELECT * FROM pieces") == []  # what was left was made into messages
        assert [turn.question for turn in turns] == [f"Question {number}?" for number in range(len(turns))]
        assert len(turns) >= sum(words[0] == "question" for words in said)
        assert all(turn.state == "finished" for turn in turns[:-1])
        assert sum(turn.state == "finished" for turn in turns) >= sum(words[0] == "finished" for words in said)
        cut_off += turns[-1].state == "interrupted"
        for number, turn in enumerate(turns):
            told = [(kind, i) for its, kind, i in (words for words in said if len(words) == 3) if its == str(number)]
            thought = "".join(message.get("reasoning_content", "") for message in turn.messages)
            text = "".join(message["content"] for message in turn.messages if message["role"] == "assistant")
            calls = [message["extra"]["function_id"] for message in turn.messages if "function_call" in message]
            results = [message["content"] for message in turn.messages if message["role"] == "function"]
            assert (thought + text).startswith("".join(f"<{i}>" for kind, i in told if kind == "piece"))
            for kept, wanted in (
                (calls, [i for kind, i in told if kind == "call"]),
                (results, [f"found {i}" for kind, i in told if kind == "result"]),
            ):
                assert kept[: len(wanted)] == wanted
    assert cut_off >= 3


def test_a_killed_turn_is_found_and_can_be_gone_on_from(start: Start) -> None:
    process = start(
        "turn = Sessions().create(BOOK, 'm').begin('Who?'); turn.add('Jane D'); print(1, flush=True); input()"
    )
    assert line(process) == "1"
    with Sessions() as sessions:
        assert sessions.latest().turns()[0].state == "open"  # pyright: ignore[reportOptionalMemberAccess]
        process.kill()
        process.wait()
        assert [hit.snippet for hit in sessions.search("jane")] == ["Jane D"]
        session = sessions.latest()
        assert session
        (turn,) = session.turns()
        assert (turn.state, turn.answer, turn.ended) == ("interrupted", "Jane D", None)
        assert session.history()[-1]["content"] == f"Jane D\n\n{CUT_OFF}"
        session.begin("Doe?").finish("Yes.")
        assert [t.position for t in session.turns()] == [1, 2]
        assert "Cut off: the program was ended." in sessions.export(session.id)


# Several at once


def test_two_processes_lose_no_turn_of_their_conversations(start: Start) -> None:
    script = """
with Sessions() as sessions:
    session = sessions.create(BOOK, "scripted", sys.argv[1])
    print("ready", flush=True)
    input()
    for number in range(30):
        turn = session.begin(f"{sys.argv[1]} {number}")
        for i in range(40):
            turn.add(f"<{i}>")
        turn.finish()
        sessions.list()
        sessions.search(sys.argv[1])
"""
    writers = [start(script, name) for name in ("left", "right")]
    assert [line(writer) for writer in writers] == ["ready"] * 2
    for writer in writers:
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        done(writer)
    with Sessions() as sessions:
        for summary in sessions.list():
            turns = sessions.get(summary.id).turns()
            assert [turn.question for turn in turns] == [f"{summary.title} {number}" for number in range(30)]
            assert {turn.answer for turn in turns} == {"".join(f"<{i}>" for i in range(40))}
            assert [turn.position for turn in turns] == list(range(1, 31))
        assert {summary.title for summary in sessions.list()} == {"left", "right"}


def test_a_conversation_that_another_process_writes_is_refused_until_that_ends(start: Start) -> None:
    with Sessions() as sessions:
        session = sessions.create(BOOK, "scripted", "ours")
        session.begin("Mine.").finish("Yes.")
        session.close()
        process = start(
            "session = Sessions().get(sys.argv[1]); turn = session.begin('Theirs?'); turn.add('Ha');"
            "print('begun', flush=True); input(); turn.finish('Half.'); session.close(); print('closed', flush=True);"
            "input()",
            session.id,
        )
        assert line(process) == "begun"
        busy = rf"Conversation {session.id} is being written by process {process.pid}\."
        for refused in (session.claim, lambda: session.begin("Mine?"), lambda: sessions.delete(session.id)):
            with pytest.raises(SessionBusy, match=busy):
                refused()
        assert sessions.list()[0].writer == process.pid
        assert [turn.answer for turn in session.turns()] == ["Yes.", "Ha"]  # reading is for all
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
        assert line(process) == "closed"
        assert sessions.list()[0].writer is None
        session.claim()  # though that process lives still
        assert [turn.state for turn in session.turns()] == ["finished"] * 2
        assert session.history()[-1]["content"] == "Half."


def test_a_conversation_is_free_after_a_kill(start: Start) -> None:
    process = start("session = Sessions().create(BOOK, 'm'); session.claim(); print(session.id, flush=True); input()")
    id = line(process)
    with Sessions() as sessions:
        with pytest.raises(SessionBusy):
            sessions.get(id).claim()
        process.kill()
        process.wait()
        sessions.get(id).begin("Mine?").finish("Yes.")


def test_an_id_that_has_become_another_process_s_is_no_writer(start: Start) -> None:
    process = start("session = Sessions().create(BOOK, 'm'); session.claim(); print(session.id, flush=True); input()")
    id = line(process)
    with Sessions() as sessions:
        sessions._database.append("UPDATE sessions SET writer_began = writer_began - 60", ())
        sessions.get(id).claim()
        assert sessions.list()[0].writer == os.getpid()


def test_a_turn_that_was_given_up_too_early_is_whole_when_it_ends(start: Start) -> None:
    with Sessions() as sessions:
        session = sessions.create(BOOK, "scripted")
        turn = session.begin("Well?")
        turn.add("One, ")
        session.close()  # its writer is nobody now
        assert done(start("print(Sessions().list()[0].turns)")) == "1\n"
        assert session.turns()[0].state == "interrupted"
        turn.add("two.")
        turn.finish()
        (kept,) = session.turns()
        assert (kept.state, kept.answer) == ("finished", "One, two.")
        assert len(kept.messages) == 1


@pytest.mark.parametrize("version", [0, 1])
def test_many_that_open_a_new_or_old_database_at_once(start: Start, version: int) -> None:
    path = Path(os.environ["LONGREAD_DATA_DIR"]) / "sessions.db"
    if version:
        with sqlite3.connect(path) as connection:
            connection.executescript((Path(__file__).parent / "databases" / f"{version}.sql").read_text())
        connection.close()
    script = (
        "print('ready', flush=True); input()\n"
        "sessions = Sessions(); sessions.create(BOOK, 'm').begin('Q?').finish('A.')\n"
        "print(len(sessions.search('how many')))"
    )
    processes = [start(script) for _ in range(5)]
    assert [line(process) for process in processes] == ["ready"] * 5
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    assert [done(process) for process in processes] == [f"{version}\n"] * 5
    with Sessions() as sessions:
        assert len(sessions.list()) == 5 + 2 * version


# A disk that is full


FULL = """
import json, os, resource
from longread.agent.sessions import Recorder
sessions = Sessions()
session = sessions.create(BOOK, "scripted")
said = []
recorder = Recorder(session, said.append)
recorder.begin("Well?")
recorder.add("kept ")
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(f"{sessions.path}-wal"), hard))  # no file grows any more
for i in range(300):
    recorder.add(f"<{i}>")
if sys.argv[1] == "for good":
    recorder.finish()
    recorder.begin("And?")
    recorder.finish("Yes.")
else:
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    recorder.finish()
    recorder.begin("And?")
    recorder.finish("Yes.")
print(json.dumps(said))
"""


def test_on_a_full_disk_the_conversation_goes_on(start: Start) -> None:
    (warning, *more) = json.loads(done(start(FULL, "for good")))
    assert warning.startswith("This conversation is not being stored: ")
    assert f"{os.environ['LONGREAD_DATA_DIR']}/sessions.db could not be read or written (" in warning
    assert "df -h" in warning
    assert more == []
    with Sessions() as sessions:
        (turn,) = sessions.latest().turns()  # pyright: ignore[reportOptionalMemberAccess]
        assert turn.answer.startswith("kept ")
        assert turn.state == "interrupted"


def test_after_a_full_disk_nothing_of_the_turn_is_missing(start: Start) -> None:
    (warning, again) = json.loads(done(start(FULL, "for a while")))
    assert "could not be read or written" in warning
    assert again == "The conversation is stored again."
    with Sessions() as sessions:
        first, second = sessions.latest().turns()  # pyright: ignore[reportOptionalMemberAccess]
        assert (first.state, first.answer) == ("finished", "kept " + "".join(f"<{i}>" for i in range(300)))
        assert second.answer == "Yes."


def test_pieces_that_could_not_be_written_are_written_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from longread.agent.sessions import turn_writer as module

    monkeypatch.setattr(module, "_RETRY_SECONDS", 0.0)
    with Sessions() as sessions, sqlite3.connect(sessions.path, isolation_level=None) as other:
        session = sessions.create(BOOK, "scripted")
        turn = session.begin("Well?")
        sessions._database._connection.execute("PRAGMA busy_timeout = 1")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionError, match="locked by another process"):
            turn.add("one ")
        turn.add("two ")  # said once a turn
        other.execute("ROLLBACK")
        turn.add("three")
        assert session.turns()[0].answer == "one two three"
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(SessionError, match="locked by another process"):
            turn.finish()
        other.execute("ROLLBACK")
        turn.finish()
        assert session.turns()[0].state == "finished"
    other.close()


def test_a_recorder_that_is_refused_says_who_writes(start: Start) -> None:
    process = start("session = Sessions().create(BOOK, 'm'); session.claim(); print(session.id, flush=True); input()")
    id = line(process)
    said: list[str] = []
    with Sessions() as sessions:
        recorder = Recorder(sessions.get(id), said.append)
        for _ in range(2):
            recorder.begin("Well?")
            recorder.finish("Yes.")
    assert len(said) == 1
    assert f"is being written by process {process.pid}" in said[0]
