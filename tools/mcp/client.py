"""Tools of MCP servers as Qwen-Agent tools. The protocol is implemented by the official library (`longread[mcp]`)."""

import asyncio
import concurrent.futures
import hashlib
import logging
import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qwen_agent.tools.base import BaseTool

from longread.control_tokens import sanitize
from longread.errors import ToolUnavailable

from ..base import ToolError, ToolLimits, as_object, truncate
from .config import Server
from .connection import Connection, reason

if TYPE_CHECKING:
    from mcp import types

_LONGEST_NAME = 64


class McpTool(BaseTool):
    """A tool of an MCP server, named `server-tool`. Its result, or the reason why there is none, is text."""

    effects = True
    """Even if the server says that a tool only reads: that is a hint from the server itself."""

    def __init__(self, name: str, tool: "types.Tool", connection: Connection):
        self.name = name
        self.description = sanitize(tool.description or tool.title or tool.name)
        super().__init__()  # before `parameters`: it rejects schemas with any other keys than properties
        self.parameters = _schema(tool.input_schema)
        self.read_only_hint = bool(tool.annotations and tool.annotations.read_only_hint)
        """Whether the server says that the tool changes nothing."""
        self._remote = tool.name
        self._connection = connection
        self._running: set[concurrent.futures.Future[str]] = set()

    def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
        """Call the tool; returns the reply of the server, or one line that says what was wrong."""
        try:
            future = self._connection.submit(self._remote, as_object(params))
        except ToolError as error:
            return self._refusal(error)
        self._running.add(future)
        try:
            return truncate(future.result(), self._connection.limits.characters)
        except ToolError as error:
            return self._refusal(error)
        except concurrent.futures.CancelledError:
            return f"{self.name}: it was cancelled."
        except KeyboardInterrupt:
            future.cancel()
            raise
        finally:
            self._running.discard(future)

    def cancel(self) -> None:
        """Cancel the running calls. The server is notified."""
        for future in list(self._running):
            future.cancel()

    def _refusal(self, error: ToolError) -> str:
        return sanitize(f"{self.name}: {' '.join(str(error).split())}")


class McpServers:
    """MCP servers that run, or stay connected, until the context is left.

        with McpServers(load_mcp_servers("mcp.json")) as servers:
            reader = LongReader(corpus, llm, function_list=servers.tools)

    Tools are listed once, at the start. If a server ends early, calls of its tools return a line that says so; the
    other servers continue. At the end, the input of a started server is closed; if the server does not exit within
    seconds, it is killed with all its child processes. Results and descriptions of tools are sanitized.

    Args:
        servers: by name, as returned by `load_mcp_servers`.
        start_seconds: time for each server to start and to list its tools. They start concurrently.
        call_seconds: time for one call of a tool.
        limits: limits of one call; only `characters` is used. None: the defaults.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        *,
        start_seconds: float = 30.0,
        call_seconds: float = 60.0,
        limits: ToolLimits | None = None,
    ):
        self._servers = servers
        self._start_seconds = start_seconds
        self._settings = (call_seconds, limits or ToolLimits())
        self._connections: list[Connection] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.tools: tuple[McpTool, ...] = ()
        """The tools of all servers, in the order of the servers."""

    def __enter__(self) -> "McpServers":
        """Start the servers, and connect to them.

        Raises:
            ToolUnavailable: the library is not installed, or a server does not start. The message has the end of its
                standard error.
        """
        try:
            import mcp  # noqa: F401
        except ModuleNotFoundError as error:
            raise ToolUnavailable("MCP servers need the library mcp: pip install 'longread[mcp]'.") from error
        # It logs every line that is not a message, with a traceback, to standard error unless logging is configured.
        logging.getLogger("mcp").addHandler(logging.NullHandler())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="longread-mcp", daemon=True)
        self._thread.start()
        try:
            self._connections = [Connection(n, s, self._loop, *self._settings) for n, s in self._servers.items()]
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the servers and all running calls. Further calls of `close` have no effect."""
        if self._loop is None:
            return
        loop, self._loop = self._loop, None
        asyncio.run_coroutine_threadsafe(self._stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join()
        loop.close()

    async def _start(self) -> None:
        async def start(connection: Connection) -> Exception | None:
            try:
                await asyncio.wait_for(connection.start(), self._start_seconds)
            except TimeoutError:
                await connection.stop()
                why = f"it has not answered within {self._start_seconds:g} seconds"
                return ToolUnavailable(connection.sentence(f"did not start: {why}"))
            except Exception as error:
                await connection.stop()
                return ToolUnavailable(connection.sentence(f"did not start: {reason(error)}"))
            return None

        faults = [fault for fault in await asyncio.gather(*map(start, self._connections)) if fault]
        if faults:
            raise ToolUnavailable(" ".join(str(fault) for fault in faults))
        names = _Names()
        self.tools = tuple(
            McpTool(names.take(f"{connection.name}-{tool.name}"), tool, connection)
            for connection in self._connections
            for tool in connection.tools
        )

    async def _stop(self) -> None:
        await asyncio.gather(*(connection.stop() for connection in self._connections))
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)


class _Names:
    """Unique function names in the alphabet that OpenAI's API allows."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, wanted: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_-]", "_", wanted)
        number = 0
        while name in self._taken or len(name) > _LONGEST_NAME:
            mark = hashlib.sha256(f"{wanted} {number}".encode()).hexdigest()[:6]
            name = f"{re.sub(r'[^A-Za-z0-9_-]', '_', wanted)[: _LONGEST_NAME - 7]}_{mark}"
            number += 1
        self._taken.add(name)
        return name


def _schema(given: Mapping[str, Any]) -> dict[str, Any]:
    """The server's schema, with sanitized descriptions and the keys that Qwen-Agent requires."""
    schema = _sanitized(given)
    schema.pop("$schema", None)
    return {
        "type": "object",
        **schema,
        "properties": schema.get("properties", {}),
        "required": schema.get("required", []),
    }


def _sanitized(part: Any) -> Any:
    if isinstance(part, Mapping):
        prose = ("description", "title")
        return {k: sanitize(v) if k in prose and isinstance(v, str) else _sanitized(v) for k, v in part.items()}
    return [_sanitized(item) for item in part] if isinstance(part, list) else part
