"""Ask questions of whole documents in one prompt, and get answers with the pages they come from.

from longread.agent import Corpus, LongReader

corpus = Corpus.load(["book.pdf"])
print(LongReader(corpus).ask("Who wrote it?").text)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .answer import Answer
    from .citations import Citation
    from .corpus import Corpus, Document, LoadOptions, Page
    from .prompt import Prompt
    from .quotes import CheckedQuote
    from .reader import LongReader
    from .sessions import Sessions
    from .toolbox import Limits

__all__ = [
    "Answer",
    "CheckedQuote",
    "Citation",
    "Corpus",
    "Document",
    "Limits",
    "LoadOptions",
    "LongReader",
    "Page",
    "Prompt",
    "Sessions",
]

# Imported when first used: `agent --help` and a script that only loads documents should not wait for Qwen-Agent.
_HOME = {
    "Answer": "answer",
    "CheckedQuote": "quotes",
    "Citation": "citations",
    "Corpus": "corpus",
    "Document": "corpus",
    "Limits": "toolbox",
    "LoadOptions": "corpus",
    "LongReader": "reader",
    "Page": "corpus",
    "Prompt": "prompt",
    "Sessions": "sessions",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
