"""`agent api`: `LongReader` behind the API of OpenAI's chat completions and files.

`create_app` makes the application, `FileStore` keeps the files, `Options` and `Limits` say how. What clients may send
and what they get back is in docs/api.md.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .files import FileStore
    from .options import Limits, Options

__all__ = ["FileStore", "Limits", "Options", "create_app"]

# Imported when first used: FastAPI comes with an extra.
_HOME = {"FileStore": "files", "Limits": "options", "Options": "options", "create_app": "app"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
