"""Ctrl-C and SIGTERM, whenever they come: one line, an exit code, and nothing left behind."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from longread.agent.sessions import Sessions
from tests.support.scripted_server import Reply, ScriptedServer
from tests.support.waiting import PATIENCE, wait_until

AGENT = str(Path(sys.executable).with_name("agent"))
AT_IMPORTS = Path(__file__).parents[2] / "support" / "signals_at_imports.py"
ENDS = {signal.SIGINT: (130, "interrupted\n"), signal.SIGTERM: (143, "terminated\n")}
"""Exit code and the line on standard error."""
SIGNALS = pytest.mark.parametrize("number", ENDS, ids=lambda number: number.name)


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "book.txt"
    path.write_text("One token of the 7B model takes 57,344 bytes of K/V cache.\n")
    return str(path)


@pytest.fixture
def held(scripted_server: ScriptedServer) -> Iterator[ScriptedServer]:
    """A server whose answers begin and do not end."""
    release = threading.Event()
    scripted_server.default = Reply.text("Many words of an answer.", hold=release)
    yield scripted_server
    release.set()


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [AGENT, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@SIGNALS
@pytest.mark.parametrize("command", ["ask", "chat"])
def test_at_any_import(
    scripted_server: ScriptedServer, book: str, tmp_path: Path, command: str, number: signal.Signals
) -> None:
    report = tmp_path / "report.json"
    arguments = [command, "How many bytes?", "-f", book, "--server", scripted_server.url]
    every = {"ask": 50, "chat": 200}[command]
    done = subprocess.run(
        [sys.executable, AT_IMPORTS, str(int(number)), str(every), report, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "The scripted answer" in done.stdout
    outcomes = [(module, (code, errors)) for module, code, errors in json.loads(report.read_text())]
    assert [outcome for outcome in outcomes if outcome[1] != ENDS[number]] == []
    assert len(outcomes) > 1000 // every
    assert len({module.partition(".")[0] for module, _ in outcomes}) > 3, "imports of several packages"


@SIGNALS
def test_in_a_callback_that_cannot_raise(tmp_path: Path, number: signal.Signals) -> None:
    """Python ignores exceptions there, and prints them."""
    script = f"""
import signal, sys, weakref
class Import:
    pass
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "longread.agent.cli.app":
            module = Import()
            self.reference = weakref.ref(module, lambda _: signal.raise_signal({int(number)}))
            del module
            while True:
                pass
from longread.__main__ import main
sys.meta_path.insert(0, Finder())
main()
"""
    done = subprocess.run([sys.executable, "-c", script, "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == ENDS[number]
    assert done.stdout == ""


@SIGNALS
def test_while_the_model_answers(held: ScriptedServer, book: str, number: signal.Signals) -> None:
    with start("ask", "How many bytes?", "-f", book, "--server", held.url) as process:
        wait_until(lambda: held.chats and held.chats[0].held.is_set())
        process.send_signal(number)
        _, errors = process.communicate()
    code, line = ENDS[number]
    assert process.returncode == code
    assert errors.endswith(f"\n{line}")
    assert "Traceback" not in errors
    assert held.chats[0].gone.wait(PATIENCE)


def test_sigterm_ends_a_conversation_that_is_recorded(held: ScriptedServer, book: str) -> None:
    with start("chat", "How many bytes?", "-f", book, "--server", held.url) as process:
        wait_until(lambda: held.chats and held.chats[0].held.is_set())
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate()
    assert process.returncode == 143
    assert errors.endswith("\nterminated\n")
    assert "Traceback" not in errors
    with Sessions() as sessions:
        [summary] = sessions.list()
        _, [turn] = sessions.read(summary.id)
    assert (turn.question, turn.state) == ("How many bytes?", "interrupted")
    assert turn.ended is not None, "the turn was ended by the process itself"
    assert summary.writer is None


def test_sigterm_ends_an_mcp_server_that_waits_for_input(book: str) -> None:
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    }
    with start("mcp", "-f", book) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == -signal.SIGTERM


@SIGNALS
def test_a_signal_that_is_ignored_stays_ignored(held: ScriptedServer, book: str, number: signal.Signals) -> None:
    """Shells start programs in the background like that."""
    other = next(signal for signal in ENDS if signal != number)
    ignoring = (
        f"import os, signal, sys; signal.signal({int(number)}, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = [sys.executable, "-c", ignoring, AGENT, "ask", "How many bytes?", "-f", book, "--server", held.url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        wait_until(lambda: held.chats and held.chats[0].held.is_set())
        process.send_signal(number)
        process.send_signal(other)
        _, errors = process.communicate()
    code, line = ENDS[other]
    assert process.returncode == code, errors
    assert errors.endswith(f"\n{line}")
