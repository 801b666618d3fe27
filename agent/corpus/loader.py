"""Load documents: hash each file, look it up in the cache, parse it if necessary, cache it and name it."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path, PurePath
from typing import NamedTuple

from longread.documents import Document
from longread.errors import ConfigError, DocumentError, UnsupportedFormat

from ..prompt.tokenizer import QwenTokenizer, Tokenizer, qwen
from .cache import DocumentCache, Parsed, key_of
from .events import FileFailed, FileLoaded, FileStarted, LoadEvent
from .formats import Format, ParseOptions, WrongFormat, detect
from .names import names
from .options import LoadOptions
from .parsing.parser import File, Parser
from .sources import STDIN, Source, Sources, expand, unreadable
from .text import normalize

_MOST_A_CORE = 4
"""Parser processes per core: more would only alternate, and each needs file handles and memory."""


class Loaded(NamedTuple):
    documents: tuple[Document, ...]
    failures: tuple[DocumentError, ...]
    warnings: tuple[str, ...]


def load(
    given: Sequence[str | Path],
    options: LoadOptions,
    tokenizer: Tokenizer | None,
    emit: Callable[[LoadEvent], None],
) -> Loaded:
    """Implements `Corpus.load`."""
    with ExitStack() as stack:
        # Created only when needed: most loads need none, and a killed process leaves it behind.
        scratch = cache(lambda: Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="longread-"))))
        return _Load(options, tokenizer, emit).run(given, scratch)


class _Load:
    def __init__(self, options: LoadOptions, tokenizer: Tokenizer | None, emit: Callable[[LoadEvent], None]):
        self._options = options
        self._tokenizer = tokenizer
        # The name is enough to query the cache, and loading Qwen's vocabulary takes half a second.
        self._tokenizer_name = tokenizer.name if tokenizer else QwenTokenizer.name
        self._emit = emit
        self._cache = DocumentCache() if options.cache else None
        self._tessdata = cache(self._find_tessdata)
        self._files: dict[str, File] = {}
        self._twins: dict[str, list[str]] = {}
        self._parsed: dict[str, Parsed] = {}
        self._failures: list[DocumentError] = []
        self._warnings: list[str] = []

    def run(self, given: Sequence[str | Path], scratch: Callable[[], Path]) -> Loaded:
        sources = expand(given, scratch)
        for error in sources.errors:
            self._fail(error)
        for source in sources.files:
            self._identify(source, sources)
        self._warnings += sources.warnings()
        pending = [file for file in self._files.values() if not self._cached(file)]
        if pending:
            self._parse(pending)
        read = [file for file in self._files.values() if file.sha256 in self._parsed]
        if not read and not self._failures:
            what = " ".join(self._warnings) or "no files were given"
            self._failures.append(DocumentError(f"There is nothing to read: {what}", source=""))
        short = names(file.name for file in read)
        documents = tuple(self._document(file, name) for file, name in zip(read, short, strict=True))
        return Loaded(documents, tuple(self._failures), tuple(dict.fromkeys(self._warnings)))

    def _identify(self, source: Source, sources: Sources) -> None:
        """Add a source to the files to read, to the skipped ones, or to the failures."""
        try:
            with source.path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                empty = not file.tell()
            found = None if empty else detect(source.name, source.path)
        except WrongFormat as error:
            if source.root is None:
                self._fail(UnsupportedFormat(f"{source.name}: {error}", source=source.name))
            else:
                sources.skip(source.root, "of no supported format", source.name)
        except OSError as error:
            self._fail(unreadable(source.name, error))
        else:
            if found is None and source.root is None:
                self._fail(DocumentError(f"{source.name}: the file is empty", source=source.name))
            elif found is None and source.root is not None:
                sources.skip(source.root, "empty", source.name)
            elif found is not None and sha256 in self._files:
                if not source.path.samefile(self._files[sha256].path):
                    self._twins.setdefault(sha256, []).append(source.name)
            elif found is not None:
                options = self._parse_options(found)
                self._files[sha256] = File(source.name, source.path, sha256, found, options)

    def _parse_options(self, found: Format) -> ParseOptions:
        tessdata = self._tessdata() if "ocr" in found.options else None
        return ParseOptions(
            layout=self._options.layout,
            ocr=tessdata is not None,
            ocr_language=self._options.ocr_language if tessdata else "",
            tessdata=str(tessdata or ""),
            password=self._options.password or "",
            changes=self._options.changes,
            hidden=self._options.hidden,
            encoding=self._options.encoding or "",
        )

    def _find_tessdata(self) -> Path | None:
        """The folder of Tesseract's data; None if OCR is not to be used.

        Raises:
            ConfigError: OCR was requested, and there is none.
        """
        if self._options.ocr in ("never", False):
            return None
        from .formats.pdf.ocr import tessdata

        try:
            return tessdata(self._options.ocr_language)
        except ConfigError:
            if self._options.ocr == "auto":
                return None
            raise

    def _key(self, file: File) -> str:
        return key_of(file.sha256, file.format, file.options, self._tokenizer_name)

    def _cached(self, file: File) -> bool:
        started = time.monotonic()
        parsed = self._cache.get(self._key(file)) if self._cache else None
        if parsed:
            self._emit(FileStarted(source=file.name, pages=len(parsed.pages)))
            self._keep(file, parsed, time.monotonic() - started, cached=True)
        return parsed is not None

    def _parse(self, files: Sequence[File]) -> None:
        tokenizer = self._tokenizer
        Parser(self._options, (lambda: tokenizer) if tokenizer else qwen, self._emit, self._finished).run(
            files, min(self._options.jobs or _cores(), _MOST_A_CORE * _cores())
        )

    def _finished(self, file: File, parsed: Parsed | None) -> None:
        for failure in file.failures():
            self._fail(failure)
        if parsed is None:
            return
        # The text of a file with a password is not stored on disk.
        if self._cache and not file.lost and not file.about["secret"]:
            try:
                self._cache.put(self._key(file), parsed)
            except OSError as error:
                self._warnings.append(f"The cache could not be written: {error}.")
        self._keep(file, parsed, time.monotonic() - (file.started or 0.0), cached=False)

    def _keep(self, file: File, parsed: Parsed, seconds: float, *, cached: bool) -> None:
        self._parsed[file.sha256] = parsed
        tokens = sum(page.tokens for page in parsed.pages)
        pages = len(parsed.pages)
        self._emit(FileLoaded(source=file.name, pages=pages, tokens=tokens, seconds=seconds, cached=cached))

    def _fail(self, error: DocumentError) -> None:
        self._failures.append(error)
        self._emit(FileFailed(source=error.source, error=str(error)))

    def _document(self, file: File, name: str) -> Document:
        parsed = self._parsed[file.sha256]
        twins = self._twins.get(file.sha256, ())
        return Document(
            id=file.sha256,
            name=name,
            title=parsed.title or ("standard input" if file.name == STDIN else normalize(PurePath(file.name).stem)[0]),
            source=file.name,
            media_type=file.format.media_type,
            pages=parsed.pages,
            outline=parsed.outline,
            metadata=parsed.metadata,
            warnings=(
                *parsed.warnings,
                *(f"The same bytes were given as {twin}, too; they are kept once." for twin in twins),
            ),
            tokenizer=self._tokenizer_name,
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
