"""A conversation at a real terminal: a pseudo-terminal, typed at, and a screen that is looked at."""

import os
import re
import signal
import sys
import termios
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

from longread.agent.sessions import Sessions
from tests.support.scripted_server import Reply, ScriptedServer, chunk
from tests.support.waiting import wait_until

AGENT = str(Path(sys.executable).with_name("agent"))
HELD = 3600.0
"""Seconds: longer than any test. The server waits no longer than its client is there."""


class Terminal:
    """`agent chat` on a terminal of 100 by 40."""

    def __init__(self, arguments: list[str], home: Path):
        self.screen = pyte.Screen(100, 40)
        self._stream = pyte.Stream(self.screen)
        env = {**os.environ, "TERM": "xterm-256color", "XDG_STATE_HOME": str(home), "PROMPT_TOOLKIT_NO_CPR": "1"}
        del env["COLUMNS"]  # the terminal itself says
        self.child = pexpect.spawn(
            AGENT, arguments, dimensions=(40, 100), env=env, timeout=300, encoding="utf-8", codec_errors="replace"
        )
        self.child.logfile_read = self

    def write(self, data: str) -> None:
        self._stream.feed(data)

    def flush(self) -> None:
        pass

    def ended(self) -> int | None:
        """The exit status, once it has ended by itself."""
        self.child.expect(pexpect.EOF)
        self.child.wait()
        self.child.close()
        return self.child.exitstatus

    def kill(self) -> None:
        """End it now. pexpect's own way waits a tenth of a second for that, and then fails."""
        if self.child.isalive():
            self.child.kill(signal.SIGKILL)
            self.child.wait()

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display)


@pytest.fixture
def chat(scripted_server: ScriptedServer, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    book = tmp_path / "book.txt"
    book.write_text("One token of the 7B model takes 57,344 bytes of K/V cache.\n")
    open_terminals: list[Terminal] = []

    def start(*arguments: str, file: bool = True) -> Terminal:
        files = ["-f", str(book)] if file else []
        command = ["chat", *arguments, *files, "--server", scripted_server.url]
        open_terminals.append(Terminal(command, tmp_path))
        return open_terminals[-1]

    yield start
    for terminal in open_terminals:
        terminal.kill()
        terminal.child.close()


def spoken(words: Iterable[str], pause: float) -> Reply:
    """An answer, a word every so many seconds, that comes to no end."""
    parts: Iterable[Any] = chain.from_iterable((pause, chunk({"content": word})) for word in words)
    return Reply(chain([chunk({"role": "assistant", "content": ""})], parts, [HELD]))


def test_a_conversation(scripted_server: ScriptedServer, chat: Callable[..., Terminal]) -> None:
    scripted_server.default = Reply.text("It takes **57,344 bytes**.\n\n- one\n- two\n", pieces=12, pause=0.02)
    terminal = chat()
    terminal.child.expect("›")
    terminal.child.sendline("How many bytes?")
    terminal.child.expect("first token")
    terminal.child.expect("›")
    terminal.child.sendline("/quit")
    terminal.child.expect(pexpect.EOF)
    assert "It takes 57,344 bytes." in terminal.text
    assert "**" not in terminal.text
    assert " • one\n • two" in terminal.text
    assert "Pages with these words (found by lookup): [book:1]" in terminal.text
    assert re.search(r"prompt \d+ tokens, answer \d+ tokens, first token", terminal.text)
    assert terminal.text.count("It takes") == 1  # what was streamed is not printed twice


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(
    scripted_server: ScriptedServer, chat: Callable[..., Terminal]
) -> None:
    scripted_server.script(spoken(cycle(["word "]), 0.05), Reply.text("Second."))
    terminal = chat("First?")
    terminal.child.expect("word word word")
    terminal.child.sendintr()
    terminal.child.expect("stopped")
    assert scripted_server.chats[0].gone.wait(300)
    terminal.child.expect("›")
    terminal.child.sendline("Second?")
    terminal.child.expect("first token")
    terminal.child.sendline("/quit")
    terminal.child.expect(pexpect.EOF)
    messages = scripted_server.chats[1].json["messages"]
    assert messages[1]["content"].endswith("First?")
    assert messages[2]["role"] == "assistant"
    assert messages[2]["content"].startswith("word word")
    assert messages[3]["content"] == "Second?"


def test_what_was_said_before_ctrl_c_stands_there_once(
    scripted_server: ScriptedServer, chat: Callable[..., Terminal]
) -> None:
    words = [f"w{number:03} " for number in range(150)]  # no more than the screen holds
    scripted_server.script(spoken(words, 0.03))
    terminal = chat("First?")
    terminal.child.expect("w030")
    terminal.child.sendintr()
    terminal.child.expect("stopped")
    terminal.child.expect("›")
    terminal.child.sendline("/quit")
    terminal.child.expect(pexpect.EOF)
    said = re.findall(r"w\d{3}", terminal.text)
    assert said == [f"w{number:03}" for number in range(len(said))]
    assert len(said) > 30
    assert "^C" not in terminal.text


def test_ctrl_c_while_the_server_reads_forgets_the_question(
    scripted_server: ScriptedServer, chat: Callable[..., Terminal]
) -> None:
    scripted_server.script(Reply.text("Too late.", pause=HELD), Reply.text("Second."))
    terminal = chat("First?")
    terminal.child.expect("the server is reading")
    wait_until(lambda: scripted_server.chats)
    terminal.child.sendintr()
    terminal.child.expect("the question is forgotten")
    terminal.child.expect("›")
    terminal.child.sendline("Second?")
    terminal.child.expect("first token")
    assert [m["content"] for m in scripted_server.chats[1].json["messages"]][-1].endswith("Second?")
    assert len(scripted_server.chats[1].json["messages"]) == 2


def test_ctrl_d_leaves(chat: Callable[..., Terminal]) -> None:
    terminal = chat()
    terminal.child.expect("›")
    terminal.child.sendeof()
    assert terminal.ended() == 0


def test_sigterm_at_the_prompt_leaves_the_terminal_as_it_was(chat: Callable[..., Terminal]) -> None:
    terminal = chat()
    before = termios.tcgetattr(terminal.child.fileno())
    terminal.child.expect("›")
    wait_until(lambda: termios.tcgetattr(terminal.child.fileno()) != before)  # each key is read by itself
    terminal.child.kill(signal.SIGTERM)
    terminal.child.expect("terminated")
    assert termios.tcgetattr(terminal.child.fileno()) == before
    assert terminal.ended() == 143
    assert "Traceback" not in terminal.text


def test_a_conversation_that_is_gone_on_with(scripted_server: ScriptedServer, chat: Callable[..., Terminal]) -> None:
    scripted_server.script(
        Reply.calls(("search", {"query": "bytes"})),
        Reply.text('It "takes 57,344 bytes" [book:1].'),
        spoken(cycle(["word "]), 0.05),
        Reply.text("As I said."),
    )
    first = chat("How many bytes?")
    first.child.expect("← search: 1 match")
    first.child.expect("first token")
    first.child.expect("›")
    first.child.sendline("Why?")
    first.child.expect("word word word word")  # what is seen is kept, but perhaps for the last word
    first.kill()  # nothing is said goodbye to
    second = chat("--continue", "Sure?")
    second.child.expect(r"resuming [0-9a-f]{10}: How many bytes\? \(2 questions\)")
    second.child.expect("As I said")
    second.child.expect("›")
    second.child.sendline("/quit")
    second.child.expect("agent chat --continue resumes this conversation")
    before, after = (scripted_server.chats[i].json["messages"] for i in (1, 3))
    assert after[: len(before)] == before, "what the server has read of the conversation is sent as it was"
    assert [turn["role"] for turn in after[len(before) :]] == ["assistant", "user", "assistant", "user"]
    cut = after[len(before) + 2]["content"]
    assert cut.startswith("word word word")
    assert cut.endswith("\n\n[cut off here]")
    with Sessions() as sessions:
        [kept] = sessions.list()
        _, turns = sessions.read(kept.id)
    assert [quote["status"] for quote in turns[0].extra["quotes"]] == ["verified"]


def test_a_file_that_has_changed_and_one_that_is_not_named(
    scripted_server: ScriptedServer, chat: Callable[..., Terminal], tmp_path: Path
) -> None:
    first = chat("How many bytes?")
    first.child.expect("first token")
    first.child.expect("›")
    first.child.sendline("/quit")
    first.child.expect(pexpect.EOF)
    (tmp_path / "book.txt").write_text("Two tokens take twice as much.\n")
    second = chat("--continue", file=False)
    second.child.expect("book.txt has changed")
    second.child.expect("resuming")
    second.child.expect("›")
    second.child.sendline("And now?")
    second.child.expect("first token")
    third = chat("--continue")
    third.child.expect("is being written by process")
    assert third.ended() == 1
    sent = scripted_server.chats[-1].json["messages"]
    assert "Two tokens take twice" in sent[1]["content"]
    assert [turn["role"] for turn in sent] == ["system", "user", "assistant", "user"]


def test_a_document_cannot_have_a_tool_with_effects_called(
    scripted_server: ScriptedServer, chat: Callable[..., Terminal]
) -> None:
    """Whatever made the model call it, the user is asked; and one that the user did not name is not there."""
    scripted_server.script(
        Reply.calls(("python", {"code": "print(6 * 7)"}), ("web_fetch", {"url": "http://127.0.0.1/"})),
        Reply.calls(("python", {"code": "print(6 * 7)"})),
        Reply.text("42."),
    )
    terminal = chat("What?", "--tool", "python")
    terminal.child.expect(r"Let the model do this\? \[y/N\]")
    terminal.child.sendline("no")
    terminal.child.expect("python: The user did not allow this call")
    terminal.child.expect("web_fetch: There is no tool")
    terminal.child.expect(r"\[y/N\] ")
    terminal.child.sendline("y")
    terminal.child.expect("python: 42")
    terminal.child.expect("first token")
    assert "Let the model do this? [y/N] no" in terminal.text, "what is answered is seen"
    results = [turn["content"] for turn in scripted_server.chats[2].json["messages"] if turn["role"] == "tool"]
    assert len(results) == 3
    assert results[2].startswith("42")
