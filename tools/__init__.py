"""What the model may call. Knows documents, not models.

from longread.tools import document_tools

tools = document_tools(corpus, clean=clean)
tools[0].call('{"query": "net profit"}')
"""

from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .base import Arguments, DocumentTool, Limits, Tool, ToolError
    from .compare import Compare
    from .documents import Corpus
    from .errors import ToolUnavailable
    from .mcp_client import McpServers, McpTool
    from .mcp_config import load_mcp_servers
    from .pages import Outline, ReadPages
    from .python import PythonLimits, PythonTool
    from .ranking import PageRanking
    from .search import Search
    from .tables import Tables
    from .web_fetch import WebFetch, WebLimits

__all__ = [
    "NAMES",
    "Arguments",
    "Compare",
    "DocumentTool",
    "Limits",
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
    "ToolUnavailable",
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
"""The tools on documents: as a model and `--tool` call them, and the class here."""

# Imported when first used: `agent --help` should not wait for Qwen-Agent.
_HOME = {
    "Arguments": "base",
    "Compare": "compare",
    "DocumentTool": "base",
    "Limits": "base",
    "McpServers": "mcp_client",
    "McpTool": "mcp_client",
    "Outline": "pages",
    "PageRanking": "ranking",
    "PythonLimits": "python",
    "PythonTool": "python",
    "ReadPages": "pages",
    "Search": "search",
    "Tables": "tables",
    "Tool": "base",
    "ToolError": "base",
    "ToolUnavailable": "errors",
    "WebFetch": "web_fetch",
    "WebLimits": "web_fetch",
    "load_mcp_servers": "mcp_config",
}


def document_tools(
    corpus: "Corpus",
    *,
    clean: Callable[[str], str],
    limits: "Limits | None" = None,
    names: Iterable[str] | None = None,
    ranking: "PageRanking | None" = None,
) -> "list[DocumentTool[Any]]":
    """The tools that a model may call on a corpus, ready to be called.

    Args:
        corpus: the documents.
        clean: makes text of documents harmless for the model's chat template.
        limits: of one call.
        names: keys of `NAMES`. None: all, but `compare` only where there are two documents to compare.
        ranking: of the corpus's pages, where there is one already; else `search` makes its own when it is needed.

    Raises:
        ValueError: a name that no tool has.
    """
    if names is None:
        names = [name for name in NAMES if name != "compare" or len(corpus.documents) > 1]
    wanted = list(dict.fromkeys(names))
    for name in wanted:
        if name not in NAMES:
            raise ValueError(f"no tool is named {name!r}; there are {', '.join(NAMES)}")
    shared = {"search": {"ranking": ranking}}
    return [__getattr__(NAMES[name])(corpus, clean=clean, limits=limits, **shared.get(name, {})) for name in wanted]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
