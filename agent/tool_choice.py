"""Which tools a model may call, as the command line says it; and what the user is asked before a call."""

import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tools import NAMES, document_tools
from .control import encodable, neutralise
from .errors import ConfigError

if TYPE_CHECKING:
    from qwen_agent.tools import BaseTool

    from ..tools.mcp_client import McpServers
    from ..tools.mcp_config import Server
    from .corpus import Corpus
    from .events import ToolStart

EFFECTS = ("python", "web_fetch")
"""Tools that reach beyond the documents: only for those who name them."""
_SHEETS = ("text/csv", "text/tab-separated-values", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")


@dataclass(frozen=True)
class ToolChoice:
    """What the command line says of tools."""

    names: tuple[str, ...] = ()
    none: bool = False
    approve: bool = False
    """Ask before each call, and not only before one with effects."""
    mcp: Path | None = None
    """A file that names MCP servers, whose tools are offered too."""

    def check(self) -> None:
        """Find what is wrong at a glance.

        Raises:
            ConfigError: a tool that there is not, or one asked for together with none.
        """
        for name in self.names:
            if name not in NAMES and name not in EFFECTS:
                known = ", ".join([*NAMES, *EFFECTS])
                raise ConfigError(f"--tool {name}: there is no such tool. There are {known}.")
        if self.none and self.names:
            raise ConfigError(f"--no-tools and --tool {self.names[0]} exclude each other.")
        if self.none and self.mcp:
            raise ConfigError("--no-tools and --mcp exclude each other.")


def chosen(choice: ToolChoice, corpus: "Corpus", *, calls_tools: bool) -> "list[BaseTool]":
    """The tools for this corpus: those on documents that are named, or all of them, and those with effects that are.

    Args:
        calls_tools: whether the model was trained to call any; one that was not gets those that are named.

    Raises:
        ConfigError: a tool that cannot be had on this machine.
    """
    if choice.none or not (choice.names or calls_tools):
        return []
    on_documents = [name for name in choice.names if name in NAMES]
    tools: list[BaseTool] = []
    if on_documents or calls_tools:
        tools += document_tools(corpus, clean=clean, names=on_documents or None)
    return tools + [_with_effects(name, corpus) for name in dict.fromkeys(choice.names) if name in EFFECTS]


@contextmanager
def servers(choice: ToolChoice) -> "Iterator[list[BaseTool]]":
    """The tools of the MCP servers that are named, which run as long as the block does.

    Raises:
        ConfigError: the file cannot be used, or a server does not start.
    """
    if choice.mcp is None:
        yield []
        return
    from ..tools.mcp_config import load_mcp_servers

    path = choice.mcp
    with closing(_started(lambda: load_mcp_servers(path))) as found:
        yield list(found.tools)


def served_with(owner: object, config: dict[str, Any]) -> "Sequence[BaseTool]":
    """The tools of the MCP servers in a configuration, which run as long as their owner lives.

    Raises:
        ConfigError: the configuration cannot be used, or a server does not start.
    """
    from ..tools.mcp_config import parse_config

    found = _started(lambda: parse_config(config))
    weakref.finalize(owner, _close, found)
    return found.tools


def _started(load: "Callable[[], dict[str, Server]]") -> "McpServers":
    from ..tools.errors import ToolUnavailable
    from ..tools.mcp_client import McpServers

    try:
        return McpServers(load(), clean=clean).__enter__()
    except ToolUnavailable as error:
        raise ConfigError(str(error)) from error


def _close(found: "McpServers") -> None:
    # Garbage may be collected in any thread, also in that of the servers, which cannot wait for its own end.
    if threading.current_thread() is threading.main_thread():
        found.close()
    else:
        threading.Thread(target=found.close, name="longread-mcp-close").start()


def clean(text: str) -> str:
    """Text of a document on its way to a model: without control tokens, and without what nothing can encode."""
    return encodable(neutralise(text)[0])


def approval(
    tools: "Sequence[BaseTool]", *, always: bool, ask: "Callable[[ToolStart], bool]"
) -> "Callable[[ToolStart], bool]":
    """What decides over a call: `ask`, for tools with effects or, `always`, for all."""
    harmless = set() if always else {tool.name for tool in tools if not getattr(tool, "effects", True)}
    return lambda call: call.name in harmless or ask(call)


def _with_effects(name: str, corpus: "Corpus") -> "BaseTool":
    if name == "web_fetch":
        from ..tools.web_fetch import WebFetch

        return WebFetch(clean=clean)
    from ..tools.errors import ToolUnavailable
    from ..tools.python import PythonTool

    sheets = {
        f"{document.name}-p{page.number}.csv": page.text
        for document in corpus.documents
        if document.media_type in _SHEETS
        for page in document.pages
    }
    try:
        return PythonTool(clean=clean, files=sheets)
    except ToolUnavailable as error:
        raise ConfigError(str(error)) from error
