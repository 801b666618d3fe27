"""The HTTP server of `agent api`: `LongReader` behind OpenAI's API for chat completions and files.

`create_app` makes the application, `FileStore` stores the uploaded files, `ApiOptions` and `ApiLimits` configure it.
docs/api.md documents requests and responses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app
    from .file_store import FileStore
    from .options import ApiLimits, ApiOptions

__all__ = ["ApiLimits", "ApiOptions", "FileStore", "create_app"]

# Imported when first used: FastAPI comes with an extra.
_MODULES = {"ApiLimits": ".options", "ApiOptions": ".options", "FileStore": ".file_store", "create_app": ".app"}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name], __name__), name)
