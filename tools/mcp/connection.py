"""A connection to one MCP server, in the thread of an event loop, and its results as text."""

import asyncio
import concurrent.futures
import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from longread.control_tokens import sanitize

from ..base import ToolError, ToolLimits
from .config import HttpServer, Server, StdioServer

if TYPE_CHECKING:
    import mcp
    from mcp import types

_PAGES = 100
"""Maximum number of pages of a list of tools: a server with more would never finish."""
_STDERR = 8_192
"""Bytes kept of the end of a server's standard error."""


class Connection:
    """One server. All methods except `submit` run in the thread of the loop."""

    def __init__(
        self,
        name: str,
        server: Server,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        limits: ToolLimits,
    ):
        self.name = name
        self.limits = limits
        self.tools: list[types.Tool] = []
        self._server = server
        self._loop = loop
        self._seconds = seconds
        self._stderr = b""
        self._client: mcp.Client | None = None
        self._ready: asyncio.Future[None] = loop.create_future()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._calls: set[asyncio.Task[str]] = set()

    async def start(self) -> None:
        # The same task must open and close the connection: the library's cancel scopes require it.
        self._task = asyncio.create_task(self._run())
        await self._ready

    async def stop(self) -> None:
        """End all calls and the server."""
        self._client = None
        for call in list(self._calls):
            call.cancel()
        self._stopping.set()
        if self._task is None:
            return
        if not (self._ready.done() and not self._ready.cancelled()):
            self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # reported by `start`, or caused by a server that has ended

    def submit(self, tool: str, arguments: dict[str, Any]) -> concurrent.futures.Future[str]:
        """Call a tool. Safe from any thread.

        Raises:
            ToolError: the connection is closed.
        """
        if self._client is None:
            raise ToolError(f"the MCP server {self.name} was closed.")
        return asyncio.run_coroutine_threadsafe(self._call(tool, arguments), self._loop)

    def sentence(self, what: str) -> str:
        """A sentence about the server, with the end of its standard error."""
        wrote = " ".join(self._stderr.decode(errors="replace").split())[-600:]
        return f"The MCP server {self.name} {what.rstrip('.')}." + (f" It wrote: {wrote}" if wrote else "")

    async def _run(self) -> None:
        error: Exception | None = None
        for transport in self._transports():
            try:
                await self._session(transport)
                return
            except Exception as fault:
                if self._ready.done():
                    raise
                error = error or fault
        assert error
        self._ready.set_exception(error)

    async def _session(self, transport: "AbstractAsyncContextManager[Any]") -> None:
        import mcp

        async with mcp.Client(transport) as client:
            cursor = None
            for _ in range(_PAGES):
                page = await client.list_tools(cursor=cursor)
                self.tools += page.tools
                cursor = page.next_cursor
                if cursor is None:
                    break
            else:
                raise ToolError(f"its list of tools has more than {_PAGES} pages")
            self._client = client
            self._ready.set_result(None)
            await self._stopping.wait()

    def _transports(self) -> "Iterable[AbstractAsyncContextManager[Any]]":
        """Transports to try, in order."""
        server = self._server
        if isinstance(server, StdioServer):
            yield self._program(server)
            return
        if server.type != "sse":
            yield _streamable(server)
        if server.type in (None, "sse"):
            from mcp.client.sse import sse_client

            yield sse_client(server.url, dict(server.headers), sse_read_timeout=server.sse_read_timeout)

    @asynccontextmanager
    async def _program(self, server: StdioServer) -> AsyncIterator[Any]:
        from mcp import StdioServerParameters, stdio_client

        parameters = StdioServerParameters(
            command=server.command, args=server.args, env=dict(server.env), cwd=server.cwd or None
        )
        out, into = os.pipe()
        os.set_blocking(out, False)

        def read() -> None:
            with suppress(BlockingIOError):
                self._stderr = (self._stderr + os.read(out, 65_536))[-_STDERR:]  # all that fits into a pipe

        self._loop.add_reader(out, read)
        try:
            with os.fdopen(into, "w") as errors:
                async with stdio_client(parameters, errlog=errors) as streams:
                    yield streams
        finally:
            read()
            self._loop.remove_reader(out)
            os.close(out)

    async def _call(self, tool: str, arguments: dict[str, Any]) -> str:
        import mcp
        from mcp.types import CONNECTION_CLOSED

        task = asyncio.current_task()
        assert task
        self._calls.add(task)
        try:
            if self._client is None:
                raise ToolError(f"the MCP server {self.name} was closed.")
            async with asyncio.timeout(self._seconds):
                result = await self._client.call_tool(tool, arguments)
        except TimeoutError:
            raise ToolError(f"the MCP server has not answered within {self._seconds:g} seconds.") from None
        except mcp.MCPError as error:
            if error.code == CONNECTION_CLOSED:
                await asyncio.sleep(0.05)  # until the end of its standard error has arrived
                raise ToolError(self.sentence("has ended, and its tools cannot be called any more")) from error
            raise ToolError(f"the MCP server refused: {error.message}") from error
        except ToolError:
            raise
        except Exception as error:  # raised by the library for replies that violate the protocol
            raise ToolError(f"the MCP server's answer cannot be used: {reason(error)}") from error
        finally:
            self._calls.discard(task)
        text = sanitize(_text(result))
        return f"The tool failed: {text}" if result.is_error else text


@asynccontextmanager
async def _streamable(server: HttpServer) -> AsyncIterator[Any]:
    import httpx2  # which mcp is built on
    from mcp.client.streamable_http import streamable_http_client

    waits = httpx2.Timeout(30.0, read=server.sse_read_timeout)
    async with (
        httpx2.AsyncClient(headers=server.headers, timeout=waits) as http,
        streamable_http_client(server.url, http_client=http) as streams,
    ):
        yield streams


def _text(result: "types.CallToolResult") -> str:
    """A result as text. Content that is not text is described."""
    parts = [_part(content) for content in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False)]
    return "\n\n".join(parts) or "(The server answered with nothing.)"


def _part(content: Any) -> str:
    match content.type:
        case "text":
            return content.text
        case "image" | "audio":
            return f"({content.type}, {content.mime_type}, {_size(content.data)}: cannot be shown)"
        case "resource_link":
            about = f": {content.description}" if content.description else ""
            return f"(resource {content.name}, {content.uri}{about}: not read)"
        case "resource" if hasattr(content.resource, "text"):
            return f"(resource {content.resource.uri})\n{content.resource.text}"
        case "resource":
            kind = content.resource.mime_type or "of no stated type"
            return f"(resource {content.resource.uri}, {kind}, {_size(content.resource.blob)}: cannot be shown)"
        case other:
            return f"({other}: cannot be shown)"


def _size(base64: str) -> str:
    return f"{len(base64) * 3 // 4 - base64[-2:].count('='):,} bytes"


def reason(error: BaseException) -> str:
    """The message of an error, also from inside exception groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error).rstrip(".") or type(error).__name__
