"""Tools and schemas at the command line: what the model is offered, what the user sees and is asked."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from longread.tools import PythonLimits
from tests.support.messages import says
from tests.support.scripted_server import Reply, ScriptedServer

CALL = Reply.calls(("search", {"query": "bytes"}), text="Let me look.")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def ask(scripted_server: ScriptedServer, tmp_path: Path) -> Callable[..., Result]:
    path = tmp_path / "book.txt"
    path.write_text("One token takes 57,344 bytes of K/V cache. Other bytes stand here.\n")
    return lambda *arguments: run(
        "ask", "How many bytes?", "-f", str(path), "--server", scripted_server.url, *arguments
    )


def offered(server: ScriptedServer) -> list[str]:
    return [tool["function"]["name"] for tool in server.chats[-1].json.get("tools", [])]


def test_the_model_searches_and_the_user_sees_it(scripted_server: ScriptedServer, ask: Callable[..., Result]):
    scripted_server.script(CALL, Reply.text("Twice [book:1]."))
    result = ask()
    assert result.exit_code == 0, result.output
    assert result.stdout == "Let me look.\nTwice [book:1].\n"
    assert '→ search {"query": "bytes"}' in result.stderr
    assert "← search: 2 matches" in result.stderr
    told = scripted_server.chats[1].json["messages"][-1]
    assert told["role"] == "tool"
    assert "[book:1] One token takes 57,344 bytes" in told["content"]


def test_json_has_the_calls(scripted_server: ScriptedServer, ask: Callable[..., Result]):
    scripted_server.script(CALL, Reply.text("Twice [book:1]."))
    found = json.loads(ask("--json").stdout)
    assert found["text"] == "Twice [book:1]."
    [call] = found["tool_calls"]
    assert (call["name"], json.loads(call["arguments"]), call["failed"]) == ("search", {"query": "bytes"}, False)


@pytest.mark.parametrize(
    ("model", "options", "names"),
    [
        ("scripted", [], ["search", "read_pages", "outline", "tables"]),
        ("scripted", ["--tool", "search", "--tool", "outline"], ["search", "outline"]),
        ("scripted", ["--tool", "python"], ["search", "read_pages", "outline", "tables", "python"]),
        ("scripted", ["--tool", "search", "--tool", "web_fetch"], ["search", "web_fetch"]),
        ("scripted", ["--no-tools"], []),
        ("smollm2-135m", [], []),  # was not trained to call any
        ("smollm2-135m", ["--tool", "search"], ["search"]),
    ],
)
def test_what_is_offered(
    scripted_server: ScriptedServer, ask: Callable[..., Result], model: str, options: list[str], names: list[str]
):
    scripted_server.models = [{"id": model, "object": "model"}]
    assert ask(*options).exit_code == 0
    assert offered(scripted_server) == names


def test_python_has_the_sheets_as_files(
    scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    # To import pandas for the first time takes longer, where it was installed without being compiled.
    monkeypatch.setattr(
        "longread.tools.python.tool.PythonLimits", partial(PythonLimits, seconds=500.0, cpu_seconds=500)
    )
    (tmp_path / "sales.csv").write_text("year,sold\n2024,30\n2025,12\n")
    code = "import pandas\nint(pandas.read_csv('sales-p1.csv')['sold'].sum())"
    scripted_server.script(Reply.calls(("python", {"code": code})), Reply.text("42."))
    command = ["ask", "How many in all?", "-f", str(tmp_path / "sales.csv"), "--server", scripted_server.url]
    result = run(*command, "--tool", "python")
    assert result.exit_code == 0, result.output
    assert "← python: 42" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tool", "sing"], "--tool sing: there is no such tool. There are search, read_pages, outline, tables, comp"),
        (["--no-tools", "--tool", "search"], "--no-tools and --tool search exclude each other."),
        (["--approve"], "--approve asks before each call, and nobody is at the terminal to be asked."),
        (["--schema", "nowhere.json"], "--schema nowhere.json cannot be read as JSON"),
        (["--schema", "WRONG"], "The schema is not a JSON schema: 'objekt' "),
        (["--schema", "LIST"], "is not a JSON schema: it is not an object."),
    ],
)
def test_what_is_wrong_at_a_glance(
    scripted_server: ScriptedServer, ask: Callable[..., Result], tmp_path: Path, options: list[str], message: str
):
    (tmp_path / "wrong.json").write_text('{"type": "objekt"}')
    (tmp_path / "list.json").write_text("[]")
    files = {"WRONG": str(tmp_path / "wrong.json"), "LIST": str(tmp_path / "list.json")}
    result = ask(*(files.get(option, option) for option in options))
    assert result.exit_code == 2
    assert message in result.stderr
    assert not scripted_server.chats


def test_an_answer_that_fits_a_schema(scripted_server: ScriptedServer, ask: Callable[..., Result], tmp_path: Path):
    schema = tmp_path / "schema.json"
    schema.write_text('{"type": "object", "properties": {"bytes": {"type": "integer"}}, "required": ["bytes"]}')
    scripted_server.script(Reply.text("Many."), Reply.text('{"bytes": 57344}'))
    result = ask("--schema", str(schema), "--json", "--no-tools")
    assert json.loads(result.stdout)["parsed"] == {"bytes": 57344}
    scripted_server.script(Reply.text("Many."), Reply.text("So many."))
    result = ask("--schema", str(schema))
    assert result.exit_code == 1
    assert says(result.stderr, "schema", "not JSON")
