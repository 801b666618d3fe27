"""MCP both ways at the command line: other people's tools for our model, and our documents for their assistants."""

import asyncio
import json
import os
import sys
from pathlib import Path

import mcp
import pytest
from mcp import types
from mcp.client.stdio import StdioServerParameters, stdio_client
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from tests.support.scripted_server import Reply, ScriptedServer

AGENT = str(Path(sys.executable).with_name("agent"))
EVERYTHING = Path(__file__).parents[2] / "support" / "mcp_everything.py"


@pytest.fixture
def book(tmp_path: Path) -> str:
    path = tmp_path / "book.txt"
    path.write_text("One token takes 57,344 bytes of K/V cache.\n")
    return str(path)


def config(folder: Path, **server: object) -> str:
    path = folder / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"every": server}}))
    return str(path)


def ask(server: ScriptedServer, book: str, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["ask", "What?", "-f", book, "--server", server.url, *arguments])


def test_the_tools_of_a_server_are_offered_and_called(scripted_server: ScriptedServer, book: str, tmp_path: Path):
    scripted_server.script(
        lambda request: Reply.calls((request.json["tools"][0]["function"]["name"], {})), Reply.text("I see.")
    )
    path = config(tmp_path, command=sys.executable, args=[str(EVERYTHING)])
    result = ask(scripted_server, book, "--mcp", path)
    assert result.exit_code == 0, result.output
    names = [tool["function"]["name"] for tool in scripted_server.chats[0].json["tools"]]
    assert names[0].startswith("every-")
    assert names[-4:] == ["search", "read_pages", "outline", "tables"]
    assert f"→ {names[0]}" in result.stderr
    assert f"← {names[0]}" in result.stderr


def test_a_server_is_started_once(scripted_server: ScriptedServer, book: str, tmp_path: Path):
    starts = tmp_path / "starts"
    script = f"echo started >> {starts}; exec {sys.executable} {EVERYTHING}"
    result = ask(scripted_server, book, "--mcp", config(tmp_path, command="sh", args=["-c", script]))
    assert result.exit_code == 0, result.output
    assert starts.read_text() == "started\n"


@pytest.mark.parametrize(
    ("server", "message"),
    [
        ({"command": "no-such-program"}, "no-such-program"),
        ({"command": sys.executable, "args": ["-c", "import sys; sys.exit('out of luck')"]}, "out of luck"),
        ({}, "every"),
    ],
)
def test_a_server_that_does_not_start(
    scripted_server: ScriptedServer, book: str, tmp_path: Path, server: dict[str, object], message: str
):
    result = ask(scripted_server, book, "--mcp", config(tmp_path, **server))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not scripted_server.chats


def test_our_documents_for_other_assistants(book: str):
    async def search() -> str:
        command = StdioServerParameters(command=AGENT, args=["mcp", "--file", book], env=dict(os.environ))
        with open(os.devnull, "w") as nowhere:
            async with stdio_client(command, errlog=nowhere) as streams, mcp.ClientSession(*streams) as session:
                await session.initialize()
                tools = await session.list_tools()
                assert [tool.name for tool in tools.tools] == ["search", "read_pages", "outline", "tables"]
                result = await session.call_tool("search", {"query": "57,344 bytes"})
                [content] = result.content
                assert isinstance(content, types.TextContent)
                return content.text

    assert "[book:1] One token takes 57,344 bytes" in asyncio.run(search())
