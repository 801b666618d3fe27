"""Documents: files in, pages of text with exact token counts out.

The entry point is `Corpus.load`. Names are imported when they are used, because parser processes import this package
too, and must start in a fraction of the time that importing pydantic takes.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from longread.documents import Document, OutlineEntry, Page

    from .corpus import Corpus
    from .events import FileFailed, FileLoaded, FileStarted, LoadEvent, PagesRead
    from .options import LoadOptions
    from .report import CorpusReport

_MODULES = {
    "Corpus": ".corpus",
    "CorpusReport": ".report",
    "Document": "longread.documents",
    "FileFailed": ".events",
    "FileLoaded": ".events",
    "FileStarted": ".events",
    "LoadEvent": ".events",
    "LoadOptions": ".options",
    "OutlineEntry": "longread.documents",
    "Page": "longread.documents",
    "PagesRead": ".events",
}

__all__ = [
    "Corpus",
    "CorpusReport",
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
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
