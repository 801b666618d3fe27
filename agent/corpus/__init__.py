"""Files as documents: bytes in, pages of text with exact token counts out.

`Corpus.load` is the way in. Names are imported when they are used, because a parser process imports this package too
and must start in a fraction of what pydantic alone takes to import.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .corpus import Corpus
    from .document import Document, OutlineEntry, Page
    from .events import FileFailed, FileLoaded, FileStarted, LoadEvent, PagesRead
    from .options import LoadOptions

_HOMES = {
    "Corpus": "corpus",
    "Document": "document",
    "FileFailed": "events",
    "FileLoaded": "events",
    "FileStarted": "events",
    "LoadEvent": "events",
    "LoadOptions": "options",
    "OutlineEntry": "document",
    "Page": "document",
    "PagesRead": "events",
}

__all__ = [
    "Corpus",
    "Document",
    "FileFailed",
    "FileLoaded",
    "FileStarted",
    "LoadEvent",
    "LoadOptions",
    "OutlineEntry",
    "Page",
    "PagesRead",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
