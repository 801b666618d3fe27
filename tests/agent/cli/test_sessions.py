"""`agent sessions`: what is on which stream, exit codes, each error by its message."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from longread.agent.cli.sessions import app
from longread.agent.sessions import Sessions
from tests.support.corpora import corpus, document
from tests.support.messages import says

BOOK = corpus(document("book", "One token takes 57,344 bytes."), *(document(f"note-{i}", "x") for i in range(4)))


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


@pytest.fixture
def id() -> str:
    """Of a conversation with an answer that calls a tool, and one that was cut off."""
    with Sessions() as sessions:
        session = sessions.create(BOOK, "scripted")
        turn = session.begin("How many \x1b[31mbytes?")
        turn.add_call("search", {"query": "bytes"})
        turn.add_result("search", "57,344")
        turn.add("It takes **57,344** bytes [book:1].")
        usage = {"prompt_tokens": 1100, "output_tokens": 3}
        quotes = [{"status": status} for status in ("unverified", "verified", "verified")]
        citations = [{"document": "book", "page": 1}]
        turn.finish(citations=citations, usage=usage, finish_reason="length", extra={"quotes": quotes})
        turn = session.begin("合同?")
        turn.add("Hal\x9b31m")
        turn.stop()
        return session.id


def test_nothing_yet() -> None:
    result = run("list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no conversations yet: agent chat starts one" in result.stderr
    assert run("list", "--json").stdout == "[]\n"


def test_the_list(id: str) -> None:
    result = run("list")
    assert result.exit_code == 0, result.output
    heading, row = result.stdout.splitlines()
    assert heading.split() == ["id", "last", "turns", "title", "documents", "model"]
    assert row.startswith(id)
    assert "(open)" in row  # this process lives
    assert "How many [31mbytes?" in row
    assert "book, note-0, note-1 and 2 more" in row
    assert "\x1b" not in result.stdout
    found = json.loads(run("list", "--json", "--limit", "1").stdout)
    assert [(one["id"], one["turns"], one["documents"][0]["id"]) for one in found] == [(id, 2, BOOK.documents[0].id)]
    assert found[0]["touched"].endswith("Z")


def test_one_shown(id: str) -> None:
    result = run("show", id[:4])
    assert result.exit_code == 0, result.output
    for part in (
        "book.pdf", "› How many [31mbytes?", 'search {"query": "bytes"}', "It takes **57,344** bytes [book:1].",
        "Cut off at its token limit.", "prompt 1,100 tokens, answer 3 tokens", "pages [book:1]",
        "quotes: 2 verified, 1 unverified", "› 合同?", "Hal31m",
        "Cut off: interrupted.",
    ):  # fmt: skip
        assert part in result.stdout
    assert "\x1b" not in result.stdout
    found = json.loads(run("show", id, "--json").stdout)
    assert found["id"] == id
    assert [turn["question"] for turn in found["turns"]] == ["How many \x1b[31mbytes?", "合同?"]
    assert found["turns"][0]["messages"][0]["function_call"]["name"] == "search"
    unknown = run("show", "nothing")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert says(unknown.stderr, "error: ", "no conversation 'nothing'", "agent sessions list")


def test_what_is_found(id: str) -> None:
    result = run("search", "57,344")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[1].startswith(id)
    assert "It takes **57,344** bytes" in result.stdout
    (hit,) = json.loads(run("search", "合同", "--json").stdout)
    assert (hit["session"], hit["position"]) == (id, 2)
    nothing = run("search", "nowhere")
    assert (nothing.exit_code, nothing.stdout) == (1, "")
    assert "no question or answer contains nowhere" in nothing.stderr
    assert (run("search", "nowhere", "--json").exit_code, run("search", "nowhere", "--json").stdout) == (1, "[]\n")


def test_exported(id: str, tmp_path: Path) -> None:
    assert "It takes **57,344** bytes" in run("export", id).stdout
    assert "\x1b" not in run("export", id).stdout
    assert json.loads(run("export", id, "--format", "json").stdout)["turns"][1]["answer"] == "Hal\x9b31m"
    path = tmp_path / "out.jsonl"
    result = run("export", id, "--format", "jsonl", "-o", str(path))
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"written to {path}\n")
    assert len(path.read_text().splitlines()) == 2
    again = run("export", id, "-o", str(path))
    assert again.exit_code == 1
    assert again.stderr == f"error: {path} exists; --output needs a new name.\n"
    assert run("export", id, "--format", "pdf").exit_code == 2


def test_deleted_after_asking(id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = run("delete", id)
    assert nobody.exit_code == 2
    assert "--yes" in nobody.stderr
    monkeypatch.setattr("longread.agent.cli.console.interactive", lambda: True)
    assert run("delete", id, stdin="n\n").exit_code == 0
    assert json.loads(run("list", "--json").stdout)
    assert run("delete", id, "nothing", "--yes").exit_code == 1  # one is not there: none is deleted
    assert json.loads(run("list", "--json").stdout)
    result = run("delete", id[:5], stdin="y\n")
    assert (result.exit_code, result.stderr) == (0, f"deleted {id}\n")
    assert "\x1b" not in result.output
    assert run("list", "--json").stdout == "[]\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; before = set(sys.modules)\n"  # coverage, when it measures, has sqlite3 there already
        "from longread.agent.cli.sessions import app\n"
        "heavy = {'pydantic', 'psutil', 'rich.markdown', 'qwen_agent', 'sqlite3'}\n"
        "try: app(['--help'])\n"
        "finally: print(sorted(heavy & (sys.modules.keys() - before)))"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "search" in result.stdout
    assert result.stdout.splitlines()[-1] == "[]"
