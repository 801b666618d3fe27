"""The command line, as a user or a script meets it: what is on which stream, exit codes, each error by its message."""

import errno
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from tests.support.messages import says
from tests.support.scripted_server import Reply, Request, ScriptedServer, chunk

HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook.pdf"


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "book.txt"
    path.write_text("One token of the 7B model takes 57,344 bytes of K/V cache.\n")
    return str(path)


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.default = Reply.text("It takes 57,344 bytes [book:1].")
    return scripted_server


def test_ask_prints_the_answer_and_under_it_where_it_stands(book: str, server: ScriptedServer) -> None:
    result = run("ask", "How many bytes?", "-f", book, "--server", server.url, "--no-tools")
    assert result.exit_code == 0, result.output
    assert result.stdout == "It takes 57,344 bytes [book:1].\n"
    assert "Pages with these words (found by lookup): [book:1]" in result.stderr
    assert re.search(r"prompt 186 tokens, answer \d+ tokens, first token [\d,]+\.\d\d s", result.stderr)
    assert "book.txt: 1 page, " in result.stderr


def test_ask_json_has_the_answer_its_citations_and_its_cost(book: str, server: ScriptedServer) -> None:
    result = run("ask", "How many bytes?", "-f", book, "--server", server.url, "--json", "--no-tools")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["text"] == "It takes 57,344 bytes [book:1]."
    assert [(c["document"], c["page"], c["found_by"]) for c in found["citations"]] == [
        ("book", 1, "model"),
        ("book", 1, "lookup"),
    ]
    assert found["usage"]["prompt_tokens"] == 186
    assert found["model"] == "scripted"
    assert found["documents"][0]["pages"] == 1
    assert len(found["documents"][0]["id"]) == 64


def test_question_and_document_can_come_from_a_pipe(book: str, server: ScriptedServer) -> None:
    assert run("ask", "-", "-f", book, "--server", server.url, stdin="How many bytes?\n").exit_code == 0
    assert server.chats[-1].json["messages"][-1]["content"].endswith("</document>\nQuestion: How many bytes?")
    assert run("ask", "What?", "-f", "-", "--server", server.url, stdin="piped text, 42 words\n").exit_code == 0
    assert "piped text, 42 words" in server.chats[-1].json["messages"][-1]["content"]
    both = run("ask", "-", "-f", "-", "--server", server.url, stdin="x")
    assert both.exit_code == 1
    assert says(both.stderr, "Standard", "question", "document")


def test_a_dry_run_asks_nothing_and_says_what_fits(server: ScriptedServer) -> None:
    server.models = [{"id": "scripted", "object": "model", "max_model_len": 100_000}]
    result = run("ask", "?", "-f", str(HANDBOOK), "--server", server.url, "--dry-run", "--max-tokens", "1000")
    assert result.exit_code == 0, result.output
    assert re.search(r"handbook +all \d+ +\d,\d{3}\n", result.stdout)
    assert re.search(r"budget \(window 100,000, less 1,000 .*\) +99,000\n", result.stdout)
    assert not server.chats
    small = run("ask", "?", "-f", str(HANDBOOK), "--server", server.url, "--dry-run", "--window", "1024")
    assert small.exit_code == 1
    assert re.search(r"over budget +\d,\d{3}\n", small.stdout)
    numbers = json.loads(run("ask", "?", "-f", str(HANDBOOK), "--server", server.url, "--dry-run", "--json").stdout)
    assert numbers["tokens"] <= numbers["budget"]


def test_pages_are_chosen(server: ScriptedServer) -> None:
    result = run("ask", "?", "-f", str(HANDBOOK), "--pages", "2-3", "--server", server.url)
    assert result.exit_code == 0, result.output
    sent = server.chats[-1].json["messages"][1]["content"]
    assert re.findall(r"\[handbook:\d+\]", sent)[:2] == ["[handbook:2]", "[handbook:3]"]
    assert "[handbook:1]\n" not in sent


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ask", "?", "-f", "missing.pdf"], 1, "missing.pdf: no such file or folder"),
        (["ask", "?", "-f", "BOOK", "--pages", "9"], 1, "book has pages 1-1, not 9"),
        (["ask", "?", "-f", "BOOK", "--window", "600"], 1, "Nothing was cut"),
        (["ask", "?", "-f", "BOOK", "--window", "2"], 2, "flag --window: window = 2 cannot be used"),
        (["ask", "?", "-f", "BOOK", "--server", "localhost"], 2, "is not an address that can be used"),
        (["ask", "?", "-f", "BOOK", "--server", "http://REFUSING"], 1, "REFUSING"),
        (["ask", "?"], 2, "--file"),
    ],
)
def test_an_error_is_a_line_and_an_exit_code(
    book: str, server: ScriptedServer, refusing: str, arguments: list[str], code: int, message: str
) -> None:
    arguments = [argument.replace("BOOK", book).replace("REFUSING", refusing) for argument in arguments]
    if "--server" not in arguments:
        arguments += ["--server", server.url]
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message.replace("REFUSING", refusing) in result.stderr
    assert "Traceback" not in result.stderr


def test_unreadable_files_can_be_skipped_but_not_silently(book: str, tmp_path: Path, server: ScriptedServer) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 broken")
    files = ["-f", book, "-f", str(broken), "--server", server.url]
    assert run("ask", "?", *files).exit_code == 1
    result = run("ask", "?", *files, "--skip-unreadable")
    assert result.exit_code == 0
    assert re.search(r"left out: .*broken\.pdf", result.stderr)
    nothing = run("ask", "?", "-f", str(broken), "--server", server.url, "--skip-unreadable")
    assert nothing.exit_code == 1
    assert "broken.pdf: not a PDF" in nothing.stderr


def test_a_conversation_from_a_pipe(book: str, tmp_path: Path, server: ScriptedServer) -> None:
    saved = tmp_path / "saved.md"
    lines = f"And now?\n\n/files\n/tokens\n/help\n/nonsense\n/save {saved}\n/save {saved}\n/quit\nnever asked\n"
    result = run("chat", "How many bytes?", "-f", book, "--server", server.url, stdin=lines)
    assert result.exit_code == 0, result.output
    assert len(server.chats) == 2
    first, second = (chat.json["messages"] for chat in server.chats)
    assert second[:2] == first
    assert [m["content"] for m in second[2:]] == ["It takes 57,344 bytes [book:1].", "And now?"]
    assert "Pages with these words (found by lookup): [book:1]" in result.stdout
    assert "budget" in result.stdout
    assert "/save [FILE]" in result.stdout
    assert "there is no command /nonsense" in result.stderr
    assert "exists; /save needs a new name" in result.stderr
    text = saved.read_text()
    assert says(text, "bytes", "takes", "57,344", "[book:1]")
    assert "## And now?" in text


def test_an_error_does_not_end_the_conversation(book: str, server: ScriptedServer) -> None:
    server.script(
        Reply.error(500, "out of memory"), Reply.error(500, "out of memory"), Reply.error(500, "out of memory")
    )
    result = run("chat", "One?", "-f", book, "--server", server.url, stdin="Two?\n")
    assert result.exit_code == 1, result.output  # nobody reads along
    assert "out of memory" in result.stderr
    assert "It takes 57,344 bytes" in result.stdout
    assert [m["content"] for m in server.chats[-1].json["messages"][2:]] == []
    server.default = Reply.error(400, "no")
    assert run("chat", "One?", "-f", book, "--server", server.url, stdin="").exit_code == 1


def test_text_is_neither_markup_nor_an_order_to_the_terminal(tmp_path: Path, server: ScriptedServer) -> None:
    page = tmp_path / "book.html"
    page.write_text("<title>A [/b] :key: title</title><p>Some words about bytes.")
    server.default = Reply.text("Use :warning: and [b]not[/b] \x1b[31mred\x07.")
    server.models = [{"id": "odd[/x]:key:", "object": "model"}]
    asked = run("ask", "What?", "-f", str(page), "--server", server.url)
    assert asked.stdout == "Use :warning: and [b]not[/b] [31mred.\n"
    talked = run("chat", "What?", "-f", str(page), "--server", server.url, stdin="/files\n")
    assert talked.exit_code == 0, talked.output
    assert "A [/b] :key: title" in talked.stdout
    assert "\x1b" not in talked.stdout
    assert "odd[/x]:key:" in run("models", "--server", server.url).stdout
    assert "odd[/x]:key:" in run("doctor", "--server", server.url).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["", "-f", "BOOK"], "The question is empty"),
        (["What?", "BOOK", "-f", "BOOK"], "There is more than one question: 'BOOK' is left over"),
        (["BOOK", "-f", "BOOK"], "The question is 'BOOK', which is a file or folder"),
    ],
)
def test_what_is_no_question_is_refused(book: str, arguments: list[str], message: str) -> None:
    for command in ("ask", "chat"):
        result = run(command, *(argument.replace("BOOK", book) for argument in arguments))
        assert result.exit_code == 2
        assert message.replace("BOOK", book) in result.stderr


def test_what_is_wrong_at_a_glance_costs_no_model(book: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("longread.agent.llm.factory.chat_model", lambda _: pytest.fail("the model was loaded"))
    for arguments, message in (
        (["-f", "nope.pdf"], "nope.pdf: no such file or folder"),
        (["-f", "*.nope"], "*.nope: no file matches this pattern"),
        (["-f", book, "--pages", "a-b"], "'a-b' is not a page or a range"),
    ):
        result = run("ask", "What?", *arguments)
        assert result.exit_code == 1
        assert message in result.stderr


def test_a_document_from_a_pipe_leaves_one_question(server: ScriptedServer) -> None:
    result = run("chat", "How many?", "-f", "-", "--server", server.url, stdin="piped text, 42 words\n")
    assert result.exit_code == 0
    assert "no more questions can be typed" in result.stderr
    assert run("chat", "-f", "-", "--server", server.url, stdin="text\n").exit_code == 2


def test_a_server_that_nobody_named_just_now_is_named(
    book: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGREAD_SERVER", server.url)
    result = run("ask", "How many bytes?", "-f", book)
    assert f"the model is at {server.url} (environment LONGREAD_SERVER)" in result.stderr


def test_a_full_disk_behind_standard_output(book: str, server: ScriptedServer) -> None:
    command = [Path(sys.executable).with_name("agent"), "ask", "?", "-f", book, "--server", server.url]
    with open("/dev/full", "w") as full:
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert os.strerror(errno.ENOSPC) in result.stderr
    assert "Traceback" not in result.stderr


SAID = "It takes 57,344 bytes [book:1].\n"


@pytest.mark.parametrize(("closed", "shown"), [("<&-", SAID), (">&-", ""), ("2>&-", SAID), ("<&- >&- 2>&-", "")])
def test_what_is_closed_is_no_fault(book: str, server: ScriptedServer, closed: str, shown: str) -> None:
    agent = Path(sys.executable).with_name("agent")
    command = f"{shlex.join([str(agent), 'ask', '?', '-f', book, '--server', server.url])} {closed}"
    result = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert result.returncode == 0
    assert "Traceback" not in result.stderr
    assert result.stdout == shown


def test_an_encoding_without_the_answers_letters(book: str, server: ScriptedServer) -> None:
    server.default = Reply.text("Größe: 57,344.")
    command = [Path(sys.executable).with_name("agent"), "ask", "?", "-f", book, "--server", server.url]
    ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
    result = subprocess.run(command, capture_output=True, text=True, env=ascii_only)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "Gr??e: 57,344.\n"


def test_a_reader_that_stops_reading_ends_the_answer(book: str, server: ScriptedServer) -> None:
    closed = threading.Event()

    def more(request: Request) -> dict[str, object]:
        closed.wait()
        return chunk({"content": "word " * 1000})

    server.default = Reply([chunk({"content": "word " * 1000}), *[more] * 50])
    command = [Path(sys.executable).with_name("agent"), "ask", "?", "-f", book, "--server", server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        try:
            process.stdout.read(10)
            process.stdout.close()
        finally:
            closed.set()
        assert b"Traceback" not in process.stderr.read()
    assert process.returncode == 141


def test_models_lists_the_catalogue_and_the_server(server: ScriptedServer) -> None:
    server.models = [{"id": "big", "object": "model", "max_model_len": 1_010_000}]
    result = run("models", "--server", server.url)
    assert result.exit_code == 0
    assert re.search(r"big +1,010,000", result.stdout)
    assert "smollm2-135m" in result.stdout
    assert "qwen2.5-7b-1m" in result.stdout


def test_doctor_says_what_works_and_fails_when_something_asked_for_does_not(
    server: ScriptedServer, refusing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 40))
    result = run("doctor", "--server", server.url)
    assert result.exit_code == 0, result.output
    assert "serves scripted" in result.stdout
    assert "qwen-agent" in result.stdout
    wrong = run("doctor", "--server", server.url, "--model", "other")
    assert wrong.exit_code == 1
    assert "It has no other" in " ".join(wrong.stdout.split())
    assert run("doctor", "--server", f"http://{refusing}").exit_code == 1


def test_config_says_where_each_setting_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LONGREAD_MODEL", "mine")
    (tmp_path / "longread.toml").write_text("max_tokens = 99\n")
    result = run("config")
    assert result.exit_code == 0
    assert re.search(r"model +mine +environment", result.stdout)
    assert re.search(r"max_tokens +99 +", result.stdout)


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ([Path(sys.executable).with_name("agent")], "agent"),
        ([Path(sys.executable).with_name("longread")], "longread"),
        ([sys.executable, "-m", "longread"], "python -m longread"),
    ],
)
def test_each_entry_point_shows_the_name_it_was_called_by(command: list[str | Path], name: str) -> None:
    result = subprocess.run([*command, "sessions", "--help"], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"Usage: {name} sessions [OPTIONS] COMMAND")


def test_the_version() -> None:
    assert re.fullmatch(r"longread \d+\.\d+\.\d+\n", run("--version").stdout)
