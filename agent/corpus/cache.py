"""Parsed documents on disk: under the hash of the file's bytes and of everything else that the pages depend on."""

import hashlib
import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from pydantic import BaseModel, ConfigDict

from ..kept_models import KeptModels
from .document import OutlineEntry, Page
from .formats import Format, ParseOptions

_REVISION = 2
"""Of `Parsed`, of `text.clean` and of what `control.neutralise` looks for."""
_MAX_BYTES = 2 << 30


class Parsed(BaseModel):
    """A document without what depends on where the file lies: the part that is worth keeping."""

    model_config = ConfigDict(frozen=True)

    title: str
    pages: tuple[Page, ...]
    outline: tuple[OutlineEntry, ...]
    metadata: dict[str, str]
    warnings: tuple[str, ...]


class DocumentCache(KeptModels[Parsed]):
    """Of whole documents only: one with pages that could not be read is parsed again the next time."""

    def __init__(self) -> None:
        super().__init__(Parsed, "documents", max_bytes=_MAX_BYTES)


def key_of(sha256: str, found: Format, options: ParseOptions, tokenizer: str) -> str:
    """The cache key of a file's bytes, parsed in this way, with tokens counted by this tokenizer."""
    chosen = {name: value for name, value in asdict(options).items() if name in found.options}
    libraries = [found.library, *(("pymupdf4llm",) if chosen.get("layout") else ())]
    way = [_REVISION, found.name, found.revision, [_version(name) for name in libraries], chosen, tokenizer]
    return f"{sha256}-{hashlib.blake2b(json.dumps(way).encode(), digest_size=8).hexdigest()}"


def _version(distribution: str | None) -> str:
    try:
        return version(distribution) if distribution else ""
    except PackageNotFoundError:
        return ""
