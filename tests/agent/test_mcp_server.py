"""A corpus as an MCP server, asked by the official client: over standard input and output, and over HTTP."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from errno import EADDRINUSE
from pathlib import Path
from typing import Any

import httpx
import mcp
import pytest
from mcp import types

from longread.agent.corpus import Corpus
from longread.agent.mcp_server import instructions, make_server, resource_text, serve, serve_http
from longread.documents import OutlineEntry
from longread.errors import ConfigError
from tests.support.corpora import corpus, document
from tests.support.waiting import PATIENCE

SCRIPT = """
import os, sys, threading
from tests.support.corpora import corpus, document
from longread.agent.mcp_server import serve, serve_http
from longread.tools import document_tools
from qwen_agent.tools import BaseTool

class Careless(BaseTool):
    name = "careless"
    description = "Prints, and fails."
    parameters = [{"name": "text", "type": "string", "description": "What to say.", "required": True}]

    def call(self, params, **kwargs):
        print("this is no message")
        raise ZeroDivisionError("by nothing")

class Slow(BaseTool):
    name = "slow"
    description = "Waits for three more calls."
    parameters = []
    meeting = threading.Barrier(4)

    def call(self, params, **kwargs):
        self.meeting.wait(300)
        return "waited"

book = document("book", "The first page.", "A profit of 57,344 euros. <|im_end|>", title="A book")
buecher = document("bücher", "Seite eins.")
everything = corpus(book, buecher)
tools = [*document_tools(everything), Careless(), Slow()]

def end_with_the_test():
    sys.stdin.read()
    os._exit(1)
"""
BOOK = document("book", "The first page.", "A profit of 57,344 euros. <|im_end|>", title="A book")


def environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PATH": os.environ["PATH"]}


def asked(question: Callable[[mcp.Client], Awaitable[Any]], log: Path, tail: str = "serve(everything, tools)") -> Any:
    """What `question` gets of a server that is started for it."""
    program = mcp.StdioServerParameters(command=sys.executable, args=["-c", SCRIPT + tail], env=environment())

    async def ask() -> Any:
        with log.open("w") as errors:
            async with mcp.Client(mcp.stdio_client(program, errlog=errors)) as client:
                return await question(client)

    return asyncio.run(asyncio.wait_for(ask(), 500))


def test_a_corpus_over_standard_input_and_output(tmp_path: Path) -> None:
    async def question(client: mcp.Client) -> None:
        assert client.server_info
        assert client.server_info.name == "longread"
        assert client.instructions
        assert "- book: A book, 2 pages" in client.instructions
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search", "read_pages", "outline", "tables", "compare", "careless", "slow"}
        search = tools["search"]
        assert search.annotations
        assert search.annotations.read_only_hint
        assert "query" in search.input_schema["properties"]

        found = await client.call_tool("search", {"query": "profit"})
        assert not found.is_error
        assert "[book:2]" in text_of(found)
        wrong = await client.call_tool("search", {"qery": "profit"})
        assert text_of(wrong).startswith("search: ")

        careless = tools["careless"]
        assert careless.annotations
        assert careless.annotations.read_only_hint is False
        assert careless.input_schema == {
            "type": "object",
            "properties": {"text": {"type": "string", "description": "What to say."}},
            "required": ["text"],
        }
        failed = await client.call_tool("careless", {"text": "x"})
        assert failed.is_error
        assert text_of(failed) == "careless failed: ZeroDivisionError: by nothing"
        with pytest.raises(mcp.MCPError, match="There is no tool 'none'"):
            await client.call_tool("none", {})

        resources = (await client.list_resources()).resources
        assert [resource.uri for resource in resources] == [
            *("longread://book/outline", "longread://book/1", "longread://book/2"),
            *("longread://b%C3%BCcher/outline", "longread://b%C3%BCcher/1"),
        ]
        for resource in resources:
            assert (await client.read_resource(resource.uri)).contents
        (page,) = (await client.read_resource("longread://book/2")).contents
        assert isinstance(page, types.TextResourceContents)
        assert page.text == "[book:2]\nA profit of 57,344 euros. ‹|im_end|>"
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "longread://{document}/{page}"
        with pytest.raises(mcp.MCPError, match=r"book has no page '3'; it has 1-2\."):
            await client.read_resource("longread://book/3")

        answers = await asyncio.gather(*(client.call_tool("slow", {}) for _ in range(4)))
        assert [text_of(answer) for answer in answers] == ["waited"] * 4, "they were called at once"

    asked(question, tmp_path / "log")
    assert "this is no message" in (tmp_path / "log").read_text()


def text_of(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


HELLO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}


@pytest.fixture
def begun() -> Iterator[subprocess.Popen[str]]:
    """A server that has answered, and waits for more of its input."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT + "serve(everything, [])"],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(HELLO) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["id"] == 1
        yield process
    finally:
        process.kill()
        process.communicate()


def test_it_ends_when_its_input_does(begun: subprocess.Popen[str]) -> None:
    assert begun.communicate(timeout=PATIENCE)[0] == ""
    assert begun.returncode == 0


def test_it_ends_at_ctrl_c(begun: subprocess.Popen[str]) -> None:
    begun.send_signal(signal.SIGINT)
    assert begun.wait(PATIENCE) == -signal.SIGINT
    assert begun.stdout
    assert begun.stdout.read() == ""


# In this process


def called(made: Any, question: Callable[[mcp.Client], Awaitable[Any]]) -> Any:
    async def ask() -> Any:
        async with mcp.Client(made) as client:
            return await question(client)

    return asyncio.run(ask())


def test_a_long_list_of_resources_comes_in_pages() -> None:
    many = corpus(document("long", *["x"] * 1200))

    async def question(client: mcp.Client) -> list[str]:
        found, cursor = [], None
        while True:
            page = await client.list_resources(cursor=cursor)
            assert len(page.resources) <= 500
            found += [resource.uri for resource in page.resources]
            if (cursor := page.next_cursor) is None:
                return found

    assert called(make_server(many, []), question) == ["longread://long/outline"] + [
        f"longread://long/{n}" for n in range(1, 1201)
    ]

    async def wrong(client: mcp.Client) -> None:
        with pytest.raises(mcp.MCPError, match="'x' is not a cursor"):
            await client.list_resources(cursor="x")

    called(make_server(many, []), wrong)


def test_a_cancelled_call_cancels_the_tool() -> None:
    from qwen_agent.tools import BaseTool

    class Waiting(BaseTool):
        name = "waiting"
        description = ""
        parameters = []  # noqa: RUF012
        begun, cancelled = threading.Event(), threading.Event()

        def call(self, params: Any, **kwargs: Any) -> str:
            self.begun.set()
            assert self.cancelled.wait(PATIENCE)
            return ""

        def cancel(self) -> None:
            self.cancelled.set()

    tool = Waiting()

    async def question(client: mcp.Client) -> None:
        calling = asyncio.create_task(client.call_tool("waiting", {}))
        assert await asyncio.to_thread(tool.begun.wait, PATIENCE)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling
        assert await asyncio.to_thread(tool.cancelled.wait, PATIENCE)

    called(make_server(corpus(BOOK), [tool]), question)


def test_resources_by_address() -> None:
    outlined = BOOK.model_copy(
        update={"outline": (OutlineEntry(level=1, title="One", page=1), OutlineEntry(level=2, title="Two", page=2))}
    )
    both = Corpus(documents=(outlined, document("другой", "y", title="<|im_start|>")))
    assert resource_text(both, "longread://book/outline") == "book: A book, 2 pages\nOne [book:1]\n  Two [book:2]"
    assert resource_text(both, "LONGREAD://BOOK/1") == "[book:1]\nThe first page."
    assert resource_text(both, "longread://%D0%94ругой/1") == "[другой:1]\ny"
    assert resource_text(both, "longread://другой/outline") == "другой: ‹|im_start|>, 1 page\nIt has no outline."
    for uri in ("file:///etc/passwd", "longread://", "longread://other/1", "longread://book", "longread://book/01", ""):
        with pytest.raises(KeyError):
            resource_text(both, uri)


def test_the_instructions_name_fifty_documents_and_count_the_rest() -> None:
    text = instructions(corpus(*(document(f"d{number}", "x", title="<|im_end|>\nT") for number in range(60))))
    assert "- d0: ‹|im_end|> T, 1 page\n" in text
    assert "- d49:" in text
    assert text.endswith("- and 10 more, among the resources")


def test_without_the_library_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigError, match=r"pip install 'longread\[mcp\]'"):
        serve(corpus(BOOK), [])


# Over HTTP


@contextmanager
def over_http() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-c"),
            SCRIPT + "threading.Thread(target=end_with_the_test, daemon=True).start(); serve_http(everything, tools)",
        ],
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        found = re.fullmatch(r"MCP at (http://127\.0\.0\.1:\d+/mcp)\n", process.stderr.readline())
        assert found
        yield found[1], process
    finally:
        process.kill()
        process.communicate()


def test_a_corpus_over_http() -> None:
    async def ask(url: str) -> str:
        async with mcp.Client(url) as client:
            return text_of(await client.call_tool("search", {"query": "profit"}))

    with over_http() as (url, process):
        assert "[book:2]" in asyncio.run(ask(url))
        # As a page whose host's name has come to stand for this machine would have it.
        for headers in ({"Host": "evil.example"}, {"Origin": "http://evil.example"}):
            response = httpx.post(url, json={}, headers=headers, trust_env=False, timeout=PATIENCE)
            assert response.status_code in (403, 421)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) in (0, -signal.SIGINT)
        assert process.stdout
        assert process.stdout.read() == ""


def test_http_is_for_this_machine_only_and_for_a_free_port() -> None:
    import socket

    with pytest.raises(ConfigError, match=r"0\.0\.0\.0 is none of 127\.0\.0\.1, localhost, ::1"):
        serve_http(corpus(BOOK), [], host="0.0.0.0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{port} cannot be used: {os.strerror(EADDRINUSE)}"):
            serve_http(corpus(BOOK), [], port=port)
