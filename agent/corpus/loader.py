"""Load documents: hash each file, look it up in the cache, parse it if necessary, cache it and name it."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

from longread.documents import Document
from longread.errors import ConfigError, DocumentError, UnsupportedFormat

from ..prompt.tokenizer import QwenTokenizer, Tokenizer, qwen
from .attachments import MAX_DEPTH, Room, in_order, names_inside
from .cache import Attached, DocumentCache, Parsed, key_of
from .events import FileFailed, FileLoaded, FileStarted, LoadEvent
from .formats import Format, ParseError, ParseOptions, WrongFormat, detect, formats, path_of
from .names import names, stem
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
        return _Load(options, tokenizer, emit, scratch).run(given)


class _Load:
    def __init__(
        self,
        options: LoadOptions,
        tokenizer: Tokenizer | None,
        emit: Callable[[LoadEvent], None],
        scratch: Callable[[], Path],
    ):
        self._options = options
        self._scratch = scratch
        self._tokenizer = tokenizer
        # The name is enough to query the cache, and loading Qwen's vocabulary takes half a second.
        self._tokenizer_name = tokenizer.name if tokenizer else QwenTokenizer.name
        self._emit = emit
        self._cache = DocumentCache() if options.cache else None
        self._tessdata = cache(self._find_tessdata)
        self._sources = Sources()
        self._files: dict[str, File] = {}
        self._twins: dict[str, list[str]] = {}
        self._parsed: dict[str, Parsed] = {}
        self._failures: list[DocumentError] = []
        self._warnings: list[str] = []

    def run(self, given: Sequence[str | Path]) -> Loaded:
        self._sources = expand(given, self._scratch)
        for error in self._sources.errors:
            self._fail(error)
        for source in self._sources.files:
            self._accept(source)
        pending = [file for file in list(self._files.values()) if not self._cached(file)]
        if pending:
            self._parse(pending)
        read = [file for file in in_order(self._files) if file.sha256 in self._parsed]
        documents = [file for file in read if self._parsed[file.sha256].pages]
        attached = {file.sha256: self._sources.attached_warning(file.name) for file in documents}
        self._warnings += self._sources.warnings()
        self._warnings += [
            f"{file.name}: {warning}"
            for file in read
            if file not in documents
            for warning in self._parsed[file.sha256].warnings
        ]
        if not documents and not self._failures:
            what = " ".join(self._warnings) or "no files were given"
            self._failures.append(DocumentError(f"There is nothing to read: {what}", source=""))
        return Loaded(
            tuple(
                self._document(file, name, attached[file.sha256])
                for file, name in zip(documents, names(file.name for file in documents), strict=True)
            ),
            tuple(self._failures),
            tuple(dict.fromkeys(self._warnings)),
        )

    def _accept(self, source: Source, holder: File | None = None) -> Attached:
        """Add a source to the files to read, to the skipped ones, or to the failures; returns what became of it.

        Args:
            holder: the file that it is inside of.
        """
        found, problem, why = None, "", ""
        sha256 = ""
        try:
            with source.path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                empty = not file.tell()
            if empty:
                problem, why = "empty", "the file is empty"
            else:
                found = detect(source.file_name or source.name, source.path, source.media_type)
        except WrongFormat as error:
            problem, why = "of no supported format", str(error)
        except ParseError as error:  # damaged: in a folder, too, it is not a file that nobody meant
            self._fail(UnsupportedFormat(f"{source.name}: {error}", source=source.name))
            return Attached(name=source.name, skipped="damaged")
        except OSError as error:
            self._fail(unreadable(source.name, error))
            return Attached(name=source.name, skipped="unreadable")
        if found is not None:
            self._add(source, sha256, found, holder)
        elif source.root is None:
            kind = DocumentError if problem == "empty" else UnsupportedFormat
            self._fail(kind(f"{source.name}: {why}", source=source.name))
        else:
            self._sources.skip(source.root, problem, source.name)
        return Attached(name=source.name, sha256=sha256, format=path_of(found) if found else "", skipped=problem)

    def _add(self, source: Source, sha256: str, found: Format, holder: File | None) -> None:
        """Add a file to those to read, unless one with the same bytes is there already."""
        if known := self._files.get(sha256):
            if known.name != source.name and not _is_same(known.path, source.path):
                self._twins.setdefault(sha256, []).append(source.name)
            return
        file = self._files[sha256] = self._file(source, sha256, found, holder)
        if found.holds_files(file.options):
            file.folder = self._scratch() / sha256
            file.folder.mkdir()
            if holder is None:
                room = Room()
                file.most, file.room = room.files, room.size

    def _file(self, source: Source, sha256: str, found: Format, holder: File | None) -> File:
        file = File(source.name, source.path, sha256, found, self._parse_options(found), source.root)
        if holder is not None:
            file.holder, file.depth, file.private = holder.sha256, holder.depth + 1, holder.private
        return file

    def _parse_options(self, found: Format) -> ParseOptions:
        tessdata = self._tessdata() if "ocr" in found.options else None
        return ParseOptions(
            layout=self._options.layout,
            ocr=tessdata is not None,
            ocr_all=tessdata is not None and self._options.ocr in ("always", True),
            ocr_language=self._options.ocr_language if tessdata else "",
            tessdata=str(tessdata or ""),
            password=self._options.password or "",
            changes=self._options.changes,
            hidden=self._options.hidden,
            encoding=self._options.encoding or "",
            attachments=self._options.attachments,
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
        """Take a document and those of all files inside of it from the cache; false if one of them is not there."""
        if not self._cache:
            return False
        started = time.monotonic()
        found: dict[str, tuple[File, Parsed]] = {}
        pending = [file]
        while pending:
            one = pending.pop()
            parsed = self._cache.get(self._key(one))
            if parsed is None:
                return False
            found.setdefault(one.sha256, (one, parsed))
            for attached in reversed(parsed.attached):
                if attached.skipped or attached.sha256 in self._files or attached.sha256 in found:
                    continue
                known = next((known for known in formats() if path_of(known) == attached.format), None)
                if known is None:
                    return False
                source = Source(f"{one.name}/{attached.name}", Path(), one.name)
                pending.append(self._file(source, attached.sha256, known, one))
        self._files |= {sha256: one for sha256, (one, _) in found.items()}
        for one, parsed in found.values():
            for attached in parsed.attached:
                self._note_attached(one, attached)
            self._emit(FileStarted(source=one.name, pages=len(parsed.pages)))
            self._keep(one, parsed, time.monotonic() - started, cached=True)
        return True

    def _note_attached(self, file: File, attached: Attached) -> None:
        """Report a file inside of another one that has no document, or shares that of one with the same bytes."""
        name = f"{file.name}/{attached.name}"
        if attached.skipped:
            self._sources.skip(file.name, attached.skipped, name)
        elif (known := self._files.get(attached.sha256)) and known.name != name:
            self._twins.setdefault(attached.sha256, []).append(name)

    def _parse(self, files: Sequence[File]) -> None:
        tokenizer = self._tokenizer
        Parser(self._options, (lambda: tokenizer) if tokenizer else qwen, self._emit, self._finished).run(
            files, min(self._options.jobs or _cores(), _MOST_A_CORE * _cores())
        )

    def _finished(self, file: File, parsed: Parsed | None) -> Sequence[File]:
        if file.empty and file.root is not None:
            self._sources.skip(file.root, "without text", file.name)
            self._emit(FileFailed(source=file.name, error=str(file.error)))
            return ()
        for failure in file.failures():
            self._fail(failure)
        if parsed is None:
            return ()
        file.private = file.private or file.about["secret"]
        attached, new = self._taken_out(file)
        parsed = parsed.model_copy(update={"attached": attached})
        # The text of a file with a password is not stored on disk.
        if self._cache and not file.lost and not file.private:
            try:
                self._cache.put(self._key(file), parsed)
            except OSError as error:
                self._warnings.append(f"The cache could not be written: {error}.")
        self._keep(file, parsed, time.monotonic() - (file.started or 0.0), cached=False)
        return [one for one in new if not self._cached(one)]

    def _taken_out(self, file: File) -> tuple[tuple[Attached, ...], list[File]]:
        """The files that came out of this one, and which of them are to be read."""
        before = len(self._files)
        records: list[Attached] = []
        sizes: list[int] = []
        for index, name in enumerate(names_inside(message["name"] or stem(file.name) for message in file.attached)):
            message = file.attached[index]
            shown, problem = f"{file.name}/{name}", str(message["problem"])
            if problem:
                self._sources.skip(file.name, problem, shown)
                records.append(Attached(name=name, skipped=problem))
                continue
            path = self._scratch() / file.sha256 / str(index)
            sizes.append(path.stat().st_size)
            record = self._accept(Source(shown, path, file.name, message["media_type"]), file)
            records.append(record.model_copy(update={"name": name}))
        new = list(self._files.values())[before:]
        if file.depth + 1 < MAX_DEPTH:
            room = Room(file.most, file.room).shared(sizes, sum(one.folder is not None for one in new))
            for one in new:
                one.most, one.room = room.files, room.size
        return tuple(records), new

    def _keep(self, file: File, parsed: Parsed, seconds: float, *, cached: bool) -> None:
        self._parsed[file.sha256] = parsed
        tokens = sum(page.tokens for page in parsed.pages)
        pages = len(parsed.pages)
        self._emit(FileLoaded(source=file.name, pages=pages, tokens=tokens, seconds=seconds, cached=cached))

    def _fail(self, error: DocumentError) -> None:
        self._failures.append(error)
        self._emit(FileFailed(source=error.source, error=str(error)))

    def _document(self, file: File, name: str, attached_warning: str) -> Document:
        parsed = self._parsed[file.sha256]
        twins = self._twins.get(file.sha256, ())
        return Document(
            id=file.sha256,
            name=name,
            title=parsed.title or ("standard input" if file.name == STDIN else normalize(stem(file.name))[0]),
            source=file.name,
            media_type=file.format.media_type,
            pages=parsed.pages,
            outline=parsed.outline,
            metadata=parsed.metadata,
            warnings=(
                *parsed.warnings,
                *([attached_warning] if attached_warning else ()),
                *(f"The same bytes were given as {twin}, too; they are kept once." for twin in twins),
            ),
            tokenizer=self._tokenizer_name,
        )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # a document from the cache, whose file is not taken out
        return False


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
