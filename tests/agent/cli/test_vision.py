"""`--vision`: pages as pictures, from the command line."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from tests.support.scripted_server import Reply, ScriptedServer

HANDBOOK = str(Path(__file__).parents[3] / "examples" / "handbook.pdf")


def ask(server: ScriptedServer, *options: str) -> Result:
    arguments = ["ask", "What is it?", "-f", HANDBOOK, "--pages", "2-3", "--server", server.url, "--no-tools", *options]
    return CliRunner().invoke(app, arguments)


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.default = Reply.text("A handbook [handbook:2].")
    return scripted_server


def pictures(server: ScriptedServer) -> int:
    (_, user) = server.chats[-1].json["messages"]
    return 0 if isinstance(user["content"], str) else sum(part["type"] == "image_url" for part in user["content"])


def test_pages_are_sent_and_named(server: ScriptedServer) -> None:
    result = ask(server, "--model", "gpt-4o", "--vision", "always")
    assert result.exit_code == 0, result.stderr
    assert pictures(server) == 2
    assert "handbook: pages 2-3 sent as pictures" in result.stderr
    assert result.stdout == "A handbook [handbook:2].\n"


@pytest.mark.parametrize("options", [(), ("--model", "gpt-4o"), ("--model", "gpt-4o", "--vision", "never")])
def test_pages_that_are_all_text_are_not_sent(server: ScriptedServer, options: tuple[str, ...]) -> None:
    result = ask(server, *options)
    assert result.exit_code == 0, result.stderr
    assert pictures(server) == 0
    assert "as pictures" not in result.stderr


def test_a_model_without_eyes_is_refused(server: ScriptedServer) -> None:
    result = ask(server, "--vision", "always")
    assert result.exit_code == 2
    assert "--vision" in result.stderr
    assert server.chats == []


def test_a_dry_run_counts_them(server: ScriptedServer) -> None:
    without, with_pictures = (
        json.loads(ask(server, "--model", "gpt-4o", "--dry-run", "--json", "--vision", vision).stdout)["tokens"]
        for vision in ("never", "always")
    )
    assert with_pictures - without >= 2 * 765
