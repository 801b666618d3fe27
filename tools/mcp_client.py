"""Tools of MCP servers as tools of Qwen-Agent. The protocol is the official library's (`longread[mcp]`)."""

import asyncio
import concurrent.futures
import hashlib
import logging
import re
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from qwen_agent.tools.base import BaseTool

from .base import Limits, ToolError, as_object, cut
from .errors import ToolUnavailable
from .mcp_config import Server
from .mcp_connection import Connection, reason

if TYPE_CHECKING:
    from mcp import types

_LONGEST_NAME = 64


class McpTool(BaseTool):
    """A tool of an MCP server, called `server-tool`. What it answers, or why it did not, comes back as text."""

    effects = True
    """Also where the server says that a tool only reads: that is a hint, and the server's word for it."""

    def __init__(self, name: str, tool: "types.Tool", connection: "Connection"):
        self.name = name
        self.description = connection.clean(tool.description or tool.title or tool.name)
        super().__init__()  # which would refuse a schema with anything beside properties
        self.parameters = _schema(tool.input_schema, connection.clean)
        self.read_only_hint = bool(tool.annotations and tool.annotations.read_only_hint)
        """The server says that the tool changes nothing."""
        self._remote = tool.name
        self._connection = connection
        self._running: set[concurrent.futures.Future[str]] = set()

    def call(self, params: str | dict[str, Any], **kwargs: Any) -> str:
        """What the server answers."""
        try:
            arguments = as_object(params)
            future = self._connection.submit(self._remote, arguments)
        except ToolError as error:
            return f"{self.name}: {error}"
        self._running.add(future)
        try:
            return cut(future.result(), self._connection.limits.characters)
        except ToolError as error:
            return self._connection.clean(f"{self.name}: {' '.join(str(error).split())}")
        except concurrent.futures.CancelledError:
            return f"{self.name}: it was cancelled."
        except KeyboardInterrupt:
            future.cancel()
            raise
        finally:
            self._running.discard(future)

    def cancel(self) -> None:
        """Give up the calls that run now; the server is told."""
        for future in list(self._running):
            future.cancel()


class McpServers:
    """MCP servers, started or connected to for as long as the context lasts.

        with McpServers(load_mcp_servers("mcp.json"), clean=clean) as servers:
            reader = LongReader(corpus, llm, function_list=servers.tools)

    A server that ends in between ends nothing else: its tools say so when they are called. What a server offers is
    asked once, at the start. At the end the input of a started server is closed; if that does not end it in seconds,
    it is killed with everything it has started.

    Args:
        servers: by name, as `load_mcp_servers` gives them.
        clean: makes what servers say harmless for the model's chat template.
        start_seconds: for each server to answer and to list its tools. They start at the same time.
        call_seconds: for one call of a tool.
        limits: of one call; its characters are what comes back.
    """

    def __init__(
        self,
        servers: Mapping[str, Server],
        *,
        clean: Callable[[str], str],
        start_seconds: float = 30.0,
        call_seconds: float = 60.0,
        limits: Limits | None = None,
    ):
        self._servers = servers
        self._start_seconds = start_seconds
        self._settings = (clean, call_seconds, limits or Limits())
        self._connections: list[Connection] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self.tools: tuple[McpTool, ...] = ()
        """Of all servers, in their order."""

    def __enter__(self) -> "McpServers":
        """Start them.

        Raises:
            ToolUnavailable: the library is not installed, or a server does not start; with what it wrote to its
                standard error.
        """
        try:
            import mcp  # noqa: F401
        except ModuleNotFoundError as error:
            raise ToolUnavailable("MCP servers need the library mcp: pip install 'longread[mcp]'.") from error
        # It logs every line that is no message, with a traceback, to whoever did not set up logging.
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
        """End the servers and every call that still runs. Once is enough."""
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
    """Names that a model can call a function by (OpenAI's rule), each given once."""

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


def _schema(given: Mapping[str, Any], clean: Callable[[str], str]) -> dict[str, Any]:
    """The server's schema as it is, but for what it says to the model, and with the keys that Qwen-Agent looks for."""
    schema = _cleaned(given, clean)
    schema.pop("$schema", None)
    return {
        "type": "object",
        **schema,
        "properties": schema.get("properties", {}),
        "required": schema.get("required", []),
    }


def _cleaned(part: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(part, Mapping):
        said = ("description", "title")
        return {k: clean(v) if k in said and isinstance(v, str) else _cleaned(v, clean) for k, v in part.items()}
    return [_cleaned(item, clean) for item in part] if isinstance(part, list) else part
