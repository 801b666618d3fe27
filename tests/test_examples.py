"""Every example runs as its first lines say: on the embedded model, or on a server where a model has to obey."""

import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pymupdf
import pytest

from tests.support.scripted_server import Reply, Request, ScriptedServer

EXAMPLES = Path(__file__).parents[1] / "examples"
TEXT = """\
One token of the 7B model takes 57,344 bytes of K/V cache in bfloat16.
Prefill is reading the prompt. Decoding is writing the answer.
The source code of longread is published under the Apache-2.0 licence.
"""
QUESTION = "Under which licence is the source code of longread published?"  # which the small model answers shortly


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.md"
    path.write_text(TEXT)
    return path


Here = Callable[..., str]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Runs an example in this process, which has what it imports."""

    def run_here(name: str, *arguments: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    return run_here


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedServer]:
    """What LONGREAD_SERVER names."""
    with ScriptedServer() as scripted:
        monkeypatch.setenv("LONGREAD_SERVER", scripted.url)
        yield scripted


def run(name: str, *arguments: str | Path) -> str:
    result = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *map(str, arguments)], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.mark.usefixtures("default_model")
def test_ask_a_book(book: Path) -> None:
    output = run("ask_a_book.py", book, QUESTION)
    assert "Apache-2.0" in output
    assert "[book:1]" in output


@pytest.mark.usefixtures("default_model")
def test_stream(book: Path) -> None:
    output = run("stream.py", book, QUESTION, "What is reading the prompt called?")
    assert output.count("first token after") == 2
    assert f"> {QUESTION}" in output


@pytest.mark.usefixtures("default_model")
def test_custom_agent(book: Path) -> None:
    output = run("custom_agent.py", book, QUESTION)
    assert "longread: " in output
    assert "[book:1]" in output


@pytest.mark.usefixtures("default_model")
def test_embed_in_fastapi(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # httpx's test client would warn about itself; a real server on loopback is the real thing anyway.
    import httpx

    monkeypatch.setenv("BOOK", str(book))
    with socket.create_server(("127.0.0.1", 0)) as listening:  # and not a port that others may take meanwhile
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        handle = str(listening.fileno())
        command = [sys.executable, "-m", "uvicorn", "embed_in_fastapi:app", "--app-dir", str(EXAMPLES), "--fd", handle]
        server = subprocess.Popen(command, env=dict(os.environ), pass_fds=[listening.fileno()])
    try:
        with httpx.Client(timeout=None) as client:
            question = {"question": QUESTION}
            answer = client.get(f"{address}/ask", params=question).json()
            streamed = client.get(f"{address}/stream", params=question).text
    finally:
        server.terminate()
        server.wait()
    assert answer["text"] == streamed
    assert answer["citations"][0]["document"] == "book"
    assert answer["usage"]["prompt_tokens"] > 50


def test_tools(book: Path, server: ScriptedServer, here: Here) -> None:
    server.script(Reply.calls(("search", {"query": "prompt"}), ("today", {})), Reply.text("Once."))
    output = here("tools.py", book, "How often is the word prompt in it?").splitlines()
    assert output[:2] == ['-> search {"query": "prompt"}', "-> today {}"]
    assert any(line.startswith("<- search, ") and "1 match" in line for line in output)
    assert output[-1] == "Once."
    assert "python" not in [tool["function"]["name"] for tool in server.chats[0].json["tools"]]


def test_check_quotes(server: ScriptedServer, here: Here, tmp_path: Path) -> None:
    server.script(
        Reply.text(
            'It is "published under the Apache-2.0 licence" [handbook:1]. "The moon is made of cheese" [handbook:2].'
        )
    )
    handbook = EXAMPLES / "handbook.pdf"
    output = here("check_quotes.py", handbook, QUESTION, tmp_path / "marked.pdf")
    assert "unverified: “The moon is made of cheese”" in output
    assert "not all verified" in output
    [found] = [line for line in output.splitlines() if line.startswith(("verified", "corrected", "moved"))]
    assert "Apache-2.0" in found
    assert "marked.pdf: 1 highlighted" in output
    with pymupdf.open(tmp_path / "marked.pdf") as copy:
        assert sum(len(list(page.annots())) for page in copy) == 1


def test_objects(book: Path, server: ScriptedServer, here: Here) -> None:
    server.script(Reply.text('{"parties": ["A"]}'), Reply.text('{"parties": ["A", "B"], "notice_days": 30, "page": 1}'))
    assert json.loads(here("objects.py", book)) == {"parties": ["A", "B"], "notice_days": 30, "page": 1}
    assert server.chats[0].json["response_format"]["type"] == "json_schema"


def test_many_questions(book: Path, server: ScriptedServer, here: Here, tmp_path: Path) -> None:
    (tmp_path / "questions.txt").write_text("One?\n\nTwo?\nThree?\n")
    replies = {"One?": Reply.text("Prefill is reading the prompt."), "Two?": Reply.error(400, "no such thing")}

    def answer(request: Request) -> Reply:  # two of them come in any order
        asked = request.json["messages"][-1]["content"]
        return next((reply for question, reply in replies.items() if question in asked), Reply.text("Yes."))

    server.default = answer
    output = here("many_questions.py", book, tmp_path / "questions.txt")
    assert output.startswith("One?\n  Prefill is reading the prompt. [book:1]")
    assert sorted(line for line in output.splitlines() if not line.startswith(" ")) == ["One?", "Three?", "Two?"]
    assert "Two?\n  error: " in output
    assert "Three?\n  Yes." in output


def test_resume(book: Path, server: ScriptedServer, here: Here, tmp_path: Path) -> None:
    server.script(Reply.text("Apache-2.0."), Reply.text("As I said."))
    assert "Apache-2.0." in here("resume.py", tmp_path / "talk.db", book, QUESTION)
    book.write_text(f"{TEXT}And more.\n")
    output = here("resume.py", tmp_path / "talk.db", book, "Sure?")
    assert output.startswith("note: book.md has changed")
    assert f"resuming: {QUESTION}" in output
    turns = server.chats[-1].json["messages"][1:]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert turns[1]["content"] == "Apache-2.0."


@pytest.mark.parametrize("strategy", ["retrieve", "map"])
def test_larger_than_the_window(server: ScriptedServer, here: Here, strategy: str) -> None:
    server.default = Reply.text("Apache-2.0 [handbook:1]")
    output = here("larger_than_the_window.py", strategy, EXAMPLES / "handbook.pdf", "Which licences are named?")
    assert "Apache-2.0 [handbook:1]" in output
    if strategy == "retrieve":
        assert output.startswith("The model saw ")
    else:
        assert "windows to read: " in output
        assert "part 2 of " in output
    assert len(server.chats) > 2 if strategy == "map" else len(server.chats) == 1


def test_mcp_tools(book: Path, server: ScriptedServer, here: Here, tmp_path: Path) -> None:
    ours = {"command": sys.executable, "args": [str(EXAMPLES.parent / "tests" / "support" / "mcp_everything.py")]}
    (tmp_path / "mcp.json").write_text(json.dumps({"mcpServers": {"all": ours}}))
    server.script(Reply.calls(("all-echo", {"text": "noon"})), Reply.text("Noon."))
    output = here("mcp_tools.py", tmp_path / "mcp.json", "What time is it?", book)
    assert output.splitlines() == ['all-echo {"text": "noon"}', "Noon."]
    assert "noon" in server.chats[1].json["messages"][-1]["content"]


def test_mcp_server(book: Path) -> None:
    output = run("mcp_server.py", book, "prefill")
    assert output.startswith("tools: ")
    assert "1 match" in output
    assert "longread://book/1 has " in output
