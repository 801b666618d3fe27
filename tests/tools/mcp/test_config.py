"""The `mcpServers` JSON: what is understood, and what is said of what is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from longread.errors import ToolUnavailable
from longread.tools.mcp.config import HttpServer, StdioServer, load_mcp_servers, parse_config


def one(entry: Any, **environment: str) -> Any:
    return parse_config({"mcpServers": {"a": entry}}, environment)["a"]


def test_programs_and_addresses() -> None:
    entry = {"command": "npx", "args": ["-y", "x"], "env": {"A": "b"}, "cwd": "/tmp"}
    program = one(entry)
    assert isinstance(program, StdioServer)
    assert (program.command, program.args, program.env, program.cwd) == ("npx", ["-y", "x"], {"A": "b"}, "/tmp")
    there = one({"url": "https://example.org/mcp", "headers": {"Authorization": "Bearer x"}, "type": "http"})
    assert isinstance(there, HttpServer)
    assert there.headers == {"Authorization": "Bearer x"}


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "x"},
        {"command": "x", "type": "stdio", "autoApprove": ["a"], "alwaysAllow": [], "description": "d"},
        {"url": "http://127.0.0.1:8000/sse", "sse_read_timeout": 9000},  # as Qwen-Agent has it
        {"url": "http://127.0.0.1:8000/mcp", "type": "streamable-http"},
    ],
)
def test_what_other_assistants_write_is_understood(entry: dict[str, Any]) -> None:
    assert one(entry)


def test_a_disabled_server_is_left_out() -> None:
    config = {"mcpServers": {"a": {"command": "x", "disabled": True}, "b": {"command": "y"}}, "other": 1}
    assert list(parse_config(config, {})) == ["b"]


def test_variables_of_the_environment() -> None:
    entry = {"command": "${HOME}/bin", "args": ["${A:-b}c"], "env": {"KEY": "${env:KEY}", "PLAIN": "$KEY"}}
    server = one(entry, HOME="/h", KEY="k")
    assert (server.command, server.args, server.env) == ("/h/bin", ["bc"], {"KEY": "k", "PLAIN": "$KEY"})
    with pytest.raises(ToolUnavailable, match=r"'a': headers.*environment"):
        one({"url": "http://a/", "headers": {"X": "${TOKEN}"}})


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"command": "x", "arg": []}, "server 'a': there is no key arg; there are disabled, description,"),
        ({"command": "x", "args": "-y"}, "server 'a': args: "),
        ({"command": "x", "env": {"PORT": 80}}, "server 'a': env.PORT: "),
        ({"command": ""}, "server 'a': command: "),
        ({"command": "x", "url": "http://a/"}, "must be an object with either a command or a url"),
        ({}, "must be an object with either a command or a url"),
        ("npx", "must be an object with either a command or a url"),
        ({"url": "example.org"}, "server 'a': url must begin with http:// or https:// and a host."),
        ({"url": "http://a/", "type": "websocket"}, "server 'a': type: "),
    ],
)
def test_what_has_no_meaning_is_said(entry: Any, expected: str) -> None:
    with pytest.raises(ToolUnavailable) as error:
        one(entry)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("data", [[], {}, {"mcpServers": []}, {"servers": {}}, None])
def test_another_form_altogether(data: Any) -> None:
    with pytest.raises(ToolUnavailable, match="must have the form"):
        parse_config(data)


def test_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text("\ufeff" + json.dumps({"mcpServers": {"a": {"command": "x"}}}), encoding="utf-8")
    assert list(load_mcp_servers(path)) == ["a"]
    path.write_text("{")
    with pytest.raises(ToolUnavailable, match=r"mcp\.json is not valid JSON: "):
        load_mcp_servers(path)
    with pytest.raises(ToolUnavailable, match=r"none\.json cannot be read: "):
        load_mcp_servers(tmp_path / "none.json")
    path.write_text('{"mcpServers": {"a": {"command": 1}}}')
    with pytest.raises(ToolUnavailable, match=r"mcp\.json: server 'a': command: "):
        load_mcp_servers(path)
