"""The file formats that longread reads.

To add one, write a `Format` in a file of this folder and list it in `registry.py`; or `register` it from outside. Its
class must be importable by name, because it runs in another process.
"""

from .base import (
    AttachedFile,
    Format,
    OpenFile,
    ParseError,
    ParseOptions,
    RawPage,
    SecretNeeded,
    Sections,
    WrongFormat,
)
from .registry import by_path, detect, formats, path_of, register, supported

__all__ = [
    "AttachedFile",
    "Format",
    "OpenFile",
    "ParseError",
    "ParseOptions",
    "RawPage",
    "SecretNeeded",
    "Sections",
    "WrongFormat",
    "by_path",
    "detect",
    "formats",
    "path_of",
    "register",
    "supported",
]
