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
    from .reader import LongReader

__all__ = ["Answer", "Citation", "Corpus", "Document", "LoadOptions", "LongReader", "Page", "Prompt"]

# Imported when first used: `agent --help` and a script that only loads documents should not wait for Qwen-Agent.
_HOME = {
    "Answer": "answer",
    "Citation": "citations",
    "Corpus": "corpus",
    "Document": "corpus",
    "LoadOptions": "corpus",
    "LongReader": "reader",
    "Page": "corpus",
    "Prompt": "prompt",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
