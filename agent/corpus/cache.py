"""The cache of parsed documents on disk, by the hash of the file and of everything else that determines its pages."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from pydantic import BaseModel, ConfigDict

from longread.cache import PydanticCache
from longread.documents import OutlineEntry, Page

from .formats import Format, ParseOptions

_REVISION = 4
"""Increased when the meaning of `Parsed`, `text.normalize` or `control_tokens.neutralise` changes."""
_MAX_BYTES = 2 << 30


class Attached(BaseModel):
    """A file inside of a document, by which its own document is found in the cache."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Its path in that document."""
    sha256: str = ""
    format: str = ""
    """The name by which `formats.path_of` calls its format."""
    skipped: str = ""
    """Why there is no document of it."""


class Parsed(BaseModel):
    """A document without what depends on where its file is stored: the part that is cached."""

    model_config = ConfigDict(frozen=True)

    title: str
    pages: tuple[Page, ...]
    outline: tuple[OutlineEntry, ...]
    metadata: dict[str, str]
    warnings: tuple[str, ...]
    attached: tuple[Attached, ...] = ()


class DocumentCache(PydanticCache[Parsed]):
    """Contains only complete documents. One with unreadable pages is parsed again next time."""

    def __init__(self) -> None:
        super().__init__(Parsed, "documents", max_bytes=_MAX_BYTES)


def key_of(sha256: str, found: Format, options: ParseOptions, tokenizer: str) -> str:
    """The cache key for the bytes of a file, these options and this tokenizer."""
    chosen = {name: value for name, value in asdict(options).items() if name in found.options}
    libraries = [found.library, *(("pymupdf4llm",) if chosen.get("layout") else ())]
    parts = [_REVISION, found.name, found.revision, [_version(name) for name in libraries], chosen, tokenizer]
    return f"{sha256}-{hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).hexdigest()}"


def _version(distribution: str | None) -> str:
    try:
        return version(distribution) if distribution else ""
    except PackageNotFoundError:
        return ""
