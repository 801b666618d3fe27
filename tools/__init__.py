"""Tools that a model may call, on documents and beyond. They know documents, not models.

from longread.tools import document_tools

tools = document_tools(corpus)
tools[0].call('{"query": "net profit"}')
"""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from longread.documents import HasDocuments

    from .base import Arguments, DocumentTool, Tool, ToolError, ToolLimits
    from .compare import Compare
    from .mcp.client import McpServers, McpTool
    from .mcp.config import load_mcp_servers
    from .python.tool import PythonLimits, PythonTool
    from .read_pages import Outline, ReadPages
    from .search import Search
    from .tables import Tables
    from .text.bm25 import PageRanking
    from .web.fetch import WebFetch, WebLimits

__all__ = [
    "NAMES",
    "Arguments",
    "Compare",
    "DocumentTool",
    "McpServers",
    "McpTool",
    "Outline",
    "PageRanking",
    "PythonLimits",
    "PythonTool",
    "ReadPages",
    "Search",
    "Tables",
    "Tool",
    "ToolError",
    "ToolLimits",
    "WebFetch",
    "WebLimits",
    "document_tools",
    "load_mcp_servers",
]

NAMES = {
    "search": "Search",
    "read_pages": "ReadPages",
    "outline": "Outline",
    "tables": "Tables",
    "compare": "Compare",
}
"""The document tools: the name that a model and `--tool` use, and the class in this package."""

# Imported on first use: `agent --help` must not import Qwen-Agent.
_HOME = {
    "Arguments": "base",
    "Compare": "compare",
    "DocumentTool": "base",
    "McpServers": "mcp.client",
    "McpTool": "mcp.client",
    "Outline": "read_pages",
    "PageRanking": "text.bm25",
    "PythonLimits": "python.tool",
    "PythonTool": "python.tool",
    "ReadPages": "read_pages",
    "Search": "search",
    "Tables": "tables",
    "Tool": "base",
    "ToolError": "base",
    "ToolLimits": "base",
    "WebFetch": "web.fetch",
    "WebLimits": "web.fetch",
    "load_mcp_servers": "mcp.config",
}


def document_tools(
    corpus: "HasDocuments",
    *,
    limits: "ToolLimits | None" = None,
    names: Iterable[str] | None = None,
    ranking: "PageRanking | None" = None,
) -> "list[DocumentTool[Any]]":
    """Create the tools that a model may call on a corpus.

    Args:
        corpus: the documents.
        limits: limits of one call; None: the defaults.
        names: keys of `NAMES`. None: all of them; `compare` only if the corpus has at least two documents.
        ranking: a ranking of the pages of `corpus`; None: `search` makes one when it needs it.

    Raises:
        ValueError: a name that no tool has.
    """
    if names is None:
        names = [name for name in NAMES if name != "compare" or len(corpus.documents) > 1]
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in NAMES:
            raise ValueError(f"no tool is named {name!r}; there are {', '.join(NAMES)}")
    options = {"search": {"ranking": ranking}}
    return [__getattr__(NAMES[name])(corpus, limits=limits, **options.get(name, {})) for name in wanted]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
