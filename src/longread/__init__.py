"""Ask questions of whole documents in one prompt, and get answers with the pages they come from.

from longread import Corpus, LongReader

corpus = Corpus.load(["book.pdf"])
print(LongReader(corpus).ask("Who wrote it?").text)

Importing this package also registers the model types "longread-endpoint" and "longread-embedded" with Qwen-Agent, so
that they can be used wherever Qwen-Agent takes the configuration of a model.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .agent.llm.registration import register

if TYPE_CHECKING:
    from .agent.answer import Answer
    from .agent.citations.highlight import highlight
    from .agent.citations.markers import Citation
    from .agent.citations.quote_checker import CheckedQuote, check_quotes
    from .agent.corpus.corpus import Corpus
    from .agent.corpus.events import FileFailed, FileLoaded, FileStarted, PagesRead
    from .agent.corpus.options import LoadOptions
    from .agent.corpus.page_selection import select_pages
    from .agent.corpus.report import CorpusReport
    from .agent.events import CitationChecked, Note, ToolEnd, ToolStart
    from .agent.llm.factory import chat_model
    from .agent.overflow.events import MapPlanned, WindowDone
    from .agent.reader import LongReader
    from .agent.sessions.sessions import Sessions
    from .agent.tool_calls import LoopLimits
    from .documents import Document, Page
    from .events import Delta, Prefill, Usage, Waiting
    from .tools import document_tools

__version__: str

# Imported when first used: `agent --help`, a parser process and a script that only loads documents must not wait for
# Qwen-Agent.
_MODULES = {
    "Answer": "agent.answer",
    "CheckedQuote": "agent.citations.quote_checker",
    "Citation": "agent.citations.markers",
    "CitationChecked": "agent.events",
    "Corpus": "agent.corpus.corpus",
    "CorpusReport": "agent.corpus.report",
    "Delta": "events",
    "Document": "documents",
    "FileFailed": "agent.corpus.events",
    "FileLoaded": "agent.corpus.events",
    "FileStarted": "agent.corpus.events",
    "LoadOptions": "agent.corpus.options",
    "LongReader": "agent.reader",
    "LoopLimits": "agent.tool_calls",
    "MapPlanned": "agent.overflow.events",
    "Note": "agent.events",
    "Page": "documents",
    "PagesRead": "agent.corpus.events",
    "Prefill": "events",
    "Sessions": "agent.sessions.sessions",
    "ToolEnd": "agent.events",
    "ToolStart": "agent.events",
    "Usage": "events",
    "Waiting": "events",
    "WindowDone": "agent.overflow.events",
    "chat_model": "agent.llm.factory",
    "check_quotes": "agent.citations.quote_checker",
    "document_tools": "tools",
    "highlight": "agent.citations.highlight",
    "select_pages": "agent.corpus.page_selection",
}

__all__ = [
    "Answer",
    "CheckedQuote",
    "Citation",
    "CitationChecked",
    "Corpus",
    "CorpusReport",
    "Delta",
    "Document",
    "FileFailed",
    "FileLoaded",
    "FileStarted",
    "LoadOptions",
    "LongReader",
    "LoopLimits",
    "MapPlanned",
    "Note",
    "Page",
    "PagesRead",
    "Prefill",
    "Sessions",
    "ToolEnd",
    "ToolStart",
    "Usage",
    "Waiting",
    "WindowDone",
    "__version__",
    "chat_model",
    "check_quotes",
    "document_tools",
    "highlight",
    "select_pages",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("longread")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)


register()
