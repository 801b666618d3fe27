"""Select the tools that a model may call, by the options of the command line, and ask the user before calls."""

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longread.errors import ConfigError
from longread.tools import NAMES, document_tools

if TYPE_CHECKING:
    from qwen_agent.tools import BaseTool

    from longread.tools.mcp.client import McpServers
    from longread.tools.mcp.config import Server

    from .corpus import Corpus
    from .events import ToolStart

EFFECTS = ("python", "web_fetch")
"""Tools that reach beyond the documents. They are offered only if the user names them."""
_SHEETS = (
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.ms-excel.sheet.binary.macroEnabled.12",
    "application/vnd.ms-excel",
    "application/vnd.oasis.opendocument.spreadsheet",
)


@dataclass(frozen=True)
class ToolChoice:
    """The options of the command line about tools."""

    names: tuple[str, ...] = ()
    """`--tool`: names of tools, of `NAMES` and `EFFECTS`. Empty: the document tools."""
    none: bool = False
    """`--no-tools`."""
    approve: bool = False
    """`--approve`: ask before every call, not only before calls of tools with effects."""
    mcp: Path | None = None
    """`--mcp`: a file with MCP servers, whose tools are added."""

    def check(self) -> None:
        """Check the names, and that the options do not contradict each other.

        Raises:
            ConfigError: an unknown tool, or options that exclude each other.
        """
        for name in self.names:
            if name not in NAMES and name not in EFFECTS:
                known = ", ".join([*NAMES, *EFFECTS])
                raise ConfigError(f"--tool {name}: there is no such tool. There are {known}.")
        if self.none and self.names:
            raise ConfigError(f"--no-tools and --tool {self.names[0]} exclude each other.")
        if self.none and self.mcp:
            raise ConfigError("--no-tools and --mcp exclude each other.")


def select_tools(choice: ToolChoice, corpus: "Corpus", *, calls_tools: bool) -> "list[BaseTool]":
    """Create the tools for a corpus: the named document tools, or all of them, and the named tools with effects.

    Args:
        calls_tools: whether the model was trained to call tools. If not, it gets only the tools that are named.

    Raises:
        ToolUnavailable: a tool that cannot be used on this machine.
    """
    if choice.none or not (choice.names or calls_tools):
        return []
    on_documents = [name for name in choice.names if name in NAMES]
    tools: list[BaseTool] = []
    if on_documents or calls_tools:
        tools += document_tools(corpus, names=on_documents or None)
    return tools + [_tool_with_effects(name, corpus) for name in dict.fromkeys(choice.names) if name in EFFECTS]


@contextmanager
def mcp_tools(choice: ToolChoice) -> "Iterator[list[BaseTool]]":
    """The tools of the MCP servers in `choice.mcp`. The servers end when the context is left.

    Raises:
        ToolUnavailable: the file is not valid, or a server does not start.
    """
    if choice.mcp is None:
        yield []
        return
    from longread.tools.mcp.config import load_mcp_servers

    with closing(_start(load_mcp_servers(choice.mcp))) as servers:
        yield list(servers.tools)


def start_mcp_servers(owner: object, config: dict[str, Any]) -> "Sequence[BaseTool]":
    """Start the MCP servers of a configuration `{"mcpServers": …}`; returns their tools.

    Args:
        owner: the servers end when this object is garbage-collected.

    Raises:
        ToolUnavailable: the configuration is not valid, or a server does not start.
    """
    from longread.tools.mcp.config import parse_config

    servers = _start(parse_config(config))
    weakref.finalize(owner, _close, servers)
    return servers.tools


def _start(servers: "Mapping[str, Server]") -> "McpServers":
    from longread.tools.mcp.client import McpServers

    return McpServers(servers).__enter__()


def _close(servers: "McpServers") -> None:
    # Garbage may be collected in any thread, including the servers' own, which cannot wait for its own end.
    if threading.current_thread() is threading.main_thread():
        servers.close()
    else:
        threading.Thread(target=servers.close, name="longread-mcp-close").start()


def approval(
    tools: "Sequence[BaseTool]", *, always: bool, ask: "Callable[[ToolStart], bool]"
) -> "Callable[[ToolStart], bool]":
    """Make the function that decides whether a call is made.

    Args:
        always: call `ask` for every tool, not only for tools with effects.
        ask: whether the user allows the call.
    """
    without_effects = set() if always else {tool.name for tool in tools if not getattr(tool, "effects", True)}
    return lambda call: call.name in without_effects or ask(call)


def _tool_with_effects(name: str, corpus: "Corpus") -> "BaseTool":
    if name == "web_fetch":
        from longread.tools.web.fetch import WebFetch

        from .corpus.formats.html import web_page

        return WebFetch(html=web_page)
    from longread.tools.python.tool import PythonTool

    sheets = {
        f"{document.name}-p{page.number}.csv": page.text
        for document in corpus.documents
        if document.media_type in _SHEETS
        for page in document.pages
    }
    return PythonTool(files=sheets)
