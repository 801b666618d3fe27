"""MCP servers as a client: real processes and real connections, and what becomes of them."""

import asyncio
import re
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
from qwen_agent import Agent

from longread.errors import ToolUnavailable
from longread.tools import ToolLimits
from longread.tools.mcp.client import McpServers, McpTool
from longread.tools.mcp.config import parse_config
from tests.support import mcp_everything
from tests.support.messages import says
from tests.support.waiting import PATIENCE, wait_until

EVERYTHING = {"command": sys.executable, "args": [mcp_everything.__file__]}


def servers(*entries: dict[str, Any], **settings: Any) -> McpServers:
    names = [f"server{number}" for number in range(len(entries))] if len(entries) > 1 else ["every"]
    config = parse_config({"mcpServers": dict(zip(names, entries, strict=True))})
    patient = {"start_seconds": PATIENCE, "call_seconds": PATIENCE, **settings}
    return McpServers(config, **patient)


def program(code: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-c", code]}


@pytest.fixture(scope="module")
def tools() -> Iterator[dict[str, McpTool]]:
    with servers(EVERYTHING) as running:
        yield {tool.name: tool for tool in running.tools}


def children() -> set[psutil.Process]:
    """Of this process. Those that another test has left behind may end at any time."""
    return set(psutil.Process().children(recursive=True))


def lives(process: psutil.Process) -> bool:
    """A zombie does not: who should wait for it may be somebody else."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def begun(tool: McpTool) -> int:
    """How many calls of `slow` the server says to have begun."""
    return tool._connection._stderr.count(b"begun")


@contextmanager
def running_calls(slow: McpTool, count: int = 1) -> Iterator[list[str]]:
    """Calls of `slow`, which the server has begun; what they give is there when the context is left."""
    results: list[str] = []
    threads = [threading.Thread(target=lambda: results.append(slow.call({})), daemon=True) for _ in range(count)]
    before = begun(slow)
    for thread in threads:
        thread.start()
    wait_until(lambda: begun(slow) == before + count)
    yield results
    for thread in threads:
        thread.join(PATIENCE)


# What a server offers


def test_all_pages_of_tools_are_listed_under_names_a_model_can_call(tools: dict[str, McpTool]) -> None:
    assert len(tools) == sum(map(len, mcp_everything.PAGES))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in tools)
    assert {"every-echo", "every-long_name___of__nusual_letters", "every-a_b"} <= set(tools)
    (other,) = (name for name in tools if name.startswith("every-a_b_"))
    (long,) = (name for name in tools if name.startswith("every-xxx"))
    assert tools[other].call({}) == "this is a/b"
    assert tools["every-a_b"].call({}) == "this is a.b"
    assert tools[long].call({}) == "this is " + "x" * 100


def test_the_schema_is_passed_on_and_harmless(tools: dict[str, McpTool]) -> None:
    function = tools["every-echo"].function
    schema = {name: value for name, value in mcp_everything.SCHEMA.items() if name != "$schema"}
    schema["properties"] = {**schema["properties"], "text": {"type": "string", "description": "Say ‹|im_end|>"}}
    assert function["parameters"] == schema
    assert function["description"] == "Says ‹|im_start|> again"
    assert tools["every-all"].function["parameters"] == {"type": "object", "properties": {}, "required": []}
    assert tools["every-all"].description == "all"


def test_every_tool_has_effects_whatever_the_server_says(tools: dict[str, McpTool]) -> None:
    assert all(tool.effects for tool in tools.values())
    assert tools["every-echo"].read_only_hint
    assert not tools["every-all"].read_only_hint


# Calls


def test_arguments_go_out_and_text_comes_back(tools: dict[str, McpTool]) -> None:
    echo = tools["every-echo"]
    assert echo.call('{"text": "é", "point": {"x": 1}}') == "é {'x': 1}"
    assert echo.call({"text": "<|im_end|>"}) == "‹|im_end|> None"
    assert says(echo.call("[1]"), "every-echo", "arguments", "JSON", "[1]")
    assert says(echo.call('["<|im_end|>"]'), "every-echo", "arguments", "JSON", '["‹|im_end|>"]')
    assert echo.call("{").startswith("every-echo: the arguments are not valid JSON")


def test_what_is_not_text_is_named(tools: dict[str, McpTool]) -> None:
    assert tools["every-all"].call({}).split("\n\n") == [
        "words ‹|im_end|>",
        "(image, image/png, 1,000 bytes: cannot be shown)",
        "(audio, audio/wav, 1,000 bytes: cannot be shown)",
        "(resource link, file:///x: elsewhere: not read)",
        "(resource memo://1)\ninside",
        "(resource memo://2, a/b, 1,000 bytes: cannot be shown)",
    ]
    assert tools["every-structured"].call({}) == '{"n": 1, "é": [2]}'
    assert tools["every-nothing"].call({}) == "(The server answered with nothing.)"


def test_errors_are_text(tools: dict[str, McpTool]) -> None:
    assert tools["every-fails"].call({}) == "The tool failed: no such thing"
    assert says(tools["every-raises"].call({}), "every-raises", "MCP", "refused", "‹|im_end|")
    assert tools["every-wrong"].call({}).startswith("every-wrong: the MCP server's answer cannot be used: ")


def test_a_long_answer_is_cut_and_says_so() -> None:
    with servers(EVERYTHING, limits=ToolLimits(characters=100)) as running:
        (long,) = (tool for tool in running.tools if tool.name == "every-long")
        assert "… 100 of 50,000 characters shown" in long.call({})


def test_calls_run_at_once_and_one_that_takes_too_long_is_given_up() -> None:
    with servers(EVERYTHING) as running:
        tools = {tool.name: tool for tool in running.tools}
        with running_calls(tools["every-slow"], 3) as results:
            assert tools["every-echo"].call({"text": "a"}) == "a None"
            assert results == []
            tools["every-slow"].cancel()
        assert results == ["every-slow: it was cancelled."] * 3
        (connection,) = running._connections
        connection._seconds = 0.1
        late = "every-slow: the MCP server has not answered within 0.1 seconds."
        assert [tools["every-slow"].call({}) for _ in range(2)] == [late] * 2
        connection._seconds = PATIENCE
        assert tools["every-echo"].call({"text": "b"}) == "b None"


def test_a_call_can_be_cancelled(tools: dict[str, McpTool]) -> None:
    with running_calls(tools["every-slow"]) as results:
        tools["every-slow"].cancel()
    assert results == ["every-slow: it was cancelled."]
    assert tools["every-echo"].call({"text": "a"}) == "a None"


# Processes


def test_a_server_gets_its_environment_and_folder_and_none_of_our_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with servers({**EVERYTHING, "env": {"MINE": "1"}, "cwd": str(tmp_path)}) as running:
        (environment,) = (tool for tool in running.tools if tool.name == "every-environment")
        result = environment.call({})
    assert "'MINE'" in result
    assert "'PATH'" in result
    assert "OPENAI_API_KEY" not in result
    assert result.endswith(str(tmp_path))


def test_servers_end_with_the_context() -> None:
    before = children()
    with servers(EVERYTHING) as running:
        (server,) = children() - before
        assert lives(server)
    wait_until(lambda: not lives(server))
    assert not children() - before
    (echo,) = (tool for tool in running.tools if tool.name == "every-echo")
    assert echo.call({"text": "a"}) == "every-echo: the MCP server every was closed."
    running.close()


def test_a_server_that_does_not_want_to_end_is_killed_with_what_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcp.client.stdio.PROCESS_TERMINATION_TIMEOUT", 0.3)
    monkeypatch.setattr("mcp.client.stdio.FORCE_KILL_TIMEOUT", 0.3)
    code = (
        "import runpy, signal, threading, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "threading.Thread(target=time.sleep, args=[600]).start()\n"
        f"runpy.run_path({mcp_everything.__file__!r}, run_name='__main__')"
    )
    before = children()
    with servers(program(code)) as running:
        (child,) = (tool for tool in running.tools if tool.name == "every-child")
        started = psutil.Process(int(child.call({})))
        found = children() - before
        assert started in found
        assert len(found) == 2
        assert all(map(lives, found))
    wait_until(lambda: not any(map(lives, found)))


def test_a_server_that_dies_ends_nothing_else() -> None:
    with servers(EVERYTHING, EVERYTHING) as running:
        tools = {tool.name: tool for tool in running.tools}
        dead = "The MCP server server0 has ended, and its tools cannot be called any more. "
        dead += "It wrote: started last ‹|im_end|> words"
        assert tools["server0-dies"].call({}) == f"server0-dies: {dead}"
        assert tools["server0-echo"].call({"text": "a"}) == f"server0-echo: {dead}"
        assert tools["server1-echo"].call({"text": "a"}) == "a None"


def test_calls_that_run_when_the_servers_are_closed_return() -> None:
    with servers(EVERYTHING) as running:
        (slow,) = (tool for tool in running.tools if tool.name == "every-slow")
        with running_calls(slow) as results:
            running.close()
    assert results == ["every-slow: it was cancelled."]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (program("import sys; sys.exit('no key: set KEY')"), r"start: [^.]+\. It wrote: no key: set KEY$"),
        ({"command": "no-such-program"}, r"start: .*no-such-program"),
        ({"command": sys.executable, "cwd": "/no/such/folder"}, r"start: .*/no/such/folder"),
        ({"url": "http://127.0.0.1:{port}/mcp"}, r"start: \w"),
        ({"url": "http://127.0.0.1:{port}/mcp", "type": "sse"}, r"start: \w"),
    ],
)
def test_a_server_that_does_not_start_is_an_error_with_its_words(entry: dict[str, Any], expected: str) -> None:
    with socket.socket() as taken:  # by somebody who does not listen, so nobody answers there
        taken.bind(("127.0.0.1", 0))
        if "url" in entry:
            entry = {**entry, "url": entry["url"].format(port=taken.getsockname()[1])}
        message = why_not(entry)
    assert re.search(expected, message), message


def test_a_server_that_does_not_answer_is_an_error_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    async def until_it_has_spoken(start: Awaitable[None], seconds: float) -> None:
        """Its time begins when it has."""
        assert seconds == 0.5
        task = asyncio.ensure_future(start)
        (connection,) = waiting
        while b"loading" not in connection._stderr:
            await asyncio.sleep(0.01)
        await waits_for(task, seconds)

    waiting: list[Any] = []
    waits_for = asyncio.wait_for
    connect = McpServers._start

    async def start(running: McpServers) -> None:
        waiting.extend(running._connections)
        await connect(running)

    monkeypatch.setattr(McpServers, "_start", start)
    monkeypatch.setattr(asyncio, "wait_for", until_it_has_spoken)
    code = "import sys, time; print('loading', file=sys.stderr, flush=True); time.sleep(600)"
    message = why_not(program(code), start_seconds=0.5)
    assert message.endswith("start: it has not answered within 0.5 seconds. It wrote: loading"), message


def why_not(entry: dict[str, Any], **settings: Any) -> str:
    """What is said of a server that does not start, of which nothing may be left."""
    before, threads = children(), set(threading.enumerate())
    with pytest.raises(ToolUnavailable) as error, servers(entry, **settings):
        pass
    message = str(error.value)
    assert message.startswith("The MCP server every did not start")
    assert "\n" not in message
    wait_until(lambda: not any(map(lives, children() - before)))
    wait_until(lambda: not set(threading.enumerate()) - threads)
    return message


def test_one_that_does_not_start_ends_the_others() -> None:
    before = children()
    with pytest.raises(ToolUnavailable, match="server1 did not start"), servers(EVERYTHING, {"command": "none-such"}):
        pass
    wait_until(lambda: not any(map(lives, children() - before)))


def test_a_flood_on_standard_error_stops_nothing() -> None:
    code = (
        "import sys, threading, runpy\n"
        "def flood():\n    while True: sys.stderr.write('x' * 100_000)\n"
        "threading.Thread(target=flood, daemon=True).start()\n"
        f"runpy.run_path({mcp_everything.__file__!r}, run_name='__main__')"
    )
    with servers(program(code)) as running:
        tools = {tool.name: tool for tool in running.tools}
        assert tools["every-echo"].call({"text": "a"}) == "a None"
        assert len(running._connections[0]._stderr) <= 8_192


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ToolUnavailable, match=r"pip install 'longread\[mcp\]'"), servers(EVERYTHING):
        pass


# HTTP


@contextmanager
def served(app: Any) -> Iterator[tuple[str, Callable[[], None]]]:
    """(address, a way to end it) of a server of this app on loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()

        def end() -> None:
            server.should_exit = True
            thread.join()

        try:
            wait_until(lambda: server.started or not thread.is_alive())
            assert server.started
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", end
        finally:
            end()


class Headers:
    """Remembers the headers of requests."""

    def __init__(self, app: Any):
        self.app = app
        self.seen: list[dict[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            self.seen.append(dict(scope["headers"]))
        await self.app(scope, receive, send)


@pytest.mark.parametrize("kind", [None, "http", "streamable-http"])
def test_streamable_http(kind: str | None) -> None:
    app = Headers(mcp_everything.server().streamable_http_app())
    entry = {"headers": {"Authorization": "Bearer x"}, **({"type": kind} if kind else {})}
    with served(app) as (url, _), servers({"url": f"{url}/mcp", **entry}) as running:
        tools = {tool.name: tool for tool in running.tools}
        assert len(tools) == sum(map(len, mcp_everything.PAGES))
        assert tools["every-echo"].call({"text": "a"}) == "a None"
        assert all(headers[b"authorization"] == b"Bearer x" for headers in app.seen)


@pytest.mark.parametrize("kind", [None, "sse"])
def test_sse_asked_for_or_found(kind: str | None) -> None:
    app = mcp_everything.sse_app()
    with served(app) as (url, _), servers({"url": f"{url}/sse", **({"type": kind} if kind else {})}) as running:
        tools = {tool.name: tool for tool in running.tools}
        assert tools["every-echo"].call({"text": "a"}) == "a None"


def test_an_http_server_that_goes_away_is_said() -> None:
    with (
        served(mcp_everything.server().streamable_http_app()) as (url, end),
        servers({"url": f"{url}/mcp"}) as running,
    ):
        (echo,) = (tool for tool in running.tools if tool.name == "every-echo")
        assert echo.call({"text": "a"}) == "a None"
        end()
        result = echo.call({"text": "a"})
        assert result.startswith("every-echo: "), result


def test_it_works_as_a_tool_of_qwen_agent(tools: dict[str, McpTool]) -> None:
    class Calling(Agent):
        def _run(self, *_: Any, **__: Any) -> Any:
            raise NotImplementedError

    agent = Calling(function_list=[tools["every-echo"]])
    assert agent._call_tool("every-echo", '{"text": "a"}') == "a None"
