"""Parse files to pages: tracks progress while the processes of `pool.py` parse and a thread counts tokens.

A page is parsed by one process, sent, counted and stored. A process that is lost while parsing a page is replaced, and
the page is tried once more, since the page may not have been the cause; then the page counts as lost, and the rest
continues.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from longread.agent.prompt.tokenizer import Tokenizer
from longread.control_tokens import neutralise
from longread.documents import OutlineEntry, Page
from longread.errors import DocumentError, PasswordRequired, UnsupportedFormat
from longread.page_ranges import format_ranges

from ..cache import Parsed
from ..events import FileStarted, LoadEvent, PagesRead
from ..formats import Format, ParseOptions, path_of
from ..options import LoadOptions
from .pool import Failure, Pool
from .protocol import Message
from .worker import Job

_SHARE = 32
"""Pages per job once a file is shared between processes: few enough to share evenly, enough to keep the overhead
low."""
_LOST = 8
"""Pages of a file that may be lost to the time limit or crashes before the file is given up."""
_TICK = 0.1
"""Minimum interval in seconds between two `PagesRead` of a file."""
_BATCH = 1 << 18
"""Characters that are counted at a time."""
_LARGE = 1 << 18
"""Bytes to parse above which all processes are started at once."""


@dataclass
class File:
    """A file while it is parsed."""

    name: str
    path: Path
    sha256: str
    format: Format
    options: ParseOptions
    root: str | None = None
    """The folder, pattern or file that contains it; None if the user named the file itself."""
    holder: str | None = None
    """The SHA-256 of the file that it is inside of."""
    depth: int = 0
    """The number of files that it is inside of."""
    private: bool = False
    """It comes out of a file with a password: its text must not be stored on disk."""
    folder: Path | None = None
    """Where the files inside of this one are to be written; None if it has none, or they are not wanted."""
    most: int = 0
    room: int = 0
    """The number of these files, and the bytes that they may have together."""
    attached: list[Message] = field(default_factory=list)
    about: Message = field(default_factory=dict)
    pages: list[Message] = field(default_factory=list)
    lost: dict[int, str] = field(default_factory=dict)
    """Index of a page that could not be read, to the reason."""
    error: DocumentError | None = None
    """Why the file as a whole could not be read."""
    empty: bool = False
    """That is because there is no text in it."""
    started: float | None = None
    reported: float = 0.0
    """Time of the last `PagesRead`."""
    jobs: int = 0
    """Jobs that have not finished."""
    retried: set[int | None] = field(default_factory=set)
    processes_lost: int = 0
    abandoned: bool = False
    """So many pages were lost that the rest is not tried."""
    done: int = 0
    """Pages read or lost."""
    uncounted: list[int] = field(default_factory=list)
    uncounted_size: int = 0
    counts: list[tuple[list[int], Future[list[int]]]] = field(default_factory=list)

    def job(self, first: int = 0, last: int | None = None, *, folder: str = "") -> Job:
        parser, options = path_of(self.format), asdict(self.options)
        return Job(str(self.path), self.sha256, parser, options, first, last, folder, self.most, self.room)

    def failures(self) -> list[DocumentError]:
        """Errors for what could not be read."""
        if self.error:
            return [self.error]
        return [
            DocumentError(f"{self.name}, {_pages(pages).lower()}: {why}", source=self.name, page=pages[0])
            for why, pages in self._losses().items()
        ]

    def _losses(self) -> dict[str, list[int]]:
        """Reason to the numbers of the pages that were lost for it."""
        losses: dict[str, list[int]] = {}
        for index, why in sorted(self.lost.items()):
            losses.setdefault(why, []).append(index + 1)
        return losses

    def notes(self, index: int) -> tuple[str, ...]:
        """What was skipped or altered on the page at `index`: what `warnings` says of it."""
        if index in self.lost:
            return (f"not read: {self.lost[index]}",)
        page = self.pages[index]
        count = page.get("control")
        return (*page.get("notes", ()), *((_control_tokens(count),) if count else ()))

    def warnings(self) -> list[str]:
        """One sentence for each warning, with the pages that it applies to."""
        notes: dict[str, list[int]] = {}
        control: dict[int, int] = {}
        for number, page in enumerate(self.pages, start=1):
            for note in page.get("notes", ()):
                notes.setdefault(note, []).append(number)
            if count := page.get("control"):
                control[number] = count
        warnings = [f"{_pages(numbers)}: not read: {why}." for why, numbers in self._losses().items()]
        warnings += [f"{_pages(numbers)}: {note}." for note, numbers in notes.items()]
        if control:
            total = sum(control.values())
            warnings.append(f"{_pages(list(control))}: {_control_tokens(total)}.")
        return warnings


class Parser:
    """Parses several files at once."""

    def __init__(
        self,
        options: LoadOptions,
        tokenizer: Callable[[], Tokenizer],
        emit: Callable[[LoadEvent], None],
        finished: Callable[[File, Parsed | None], Sequence[File]],
    ):
        """Args:
        tokenizer: makes the tokenizer; called in another thread, since Qwen's takes half a second.
        finished: called with each file when it is finished, in no particular order; with None if nothing of it
            could be read. Returns more files to parse: those inside of it.
        """
        self._options = options
        self._tokenizer = tokenizer
        self._emit = emit
        self._finished = finished

    def run(self, files: Sequence[File], processes: int) -> None:
        self._files = {file.sha256: file for file in files}
        with (
            ThreadPoolExecutor(1, "longread-count") as self._counter,
            Pool(processes, memory=self._options.memory, timeout=self._options.timeout) as self._pool,
        ):
            large = sum(file.path.stat().st_size for file in files) > _LARGE
            self._pool.start(processes if large else min(processes, len(files)))
            self._counter.submit(self._tokenizer)
            for file in files:
                self._submit(file, file.job())
            try:
                for job, message in self._pool.run():
                    self._handle(self._files[job.sha256], job, message)
            except BaseException:
                self._counter.shutdown(wait=False, cancel_futures=True)
                raise

    def _submit(self, file: File, *jobs: Job, first: bool = False) -> None:
        file.jobs += len(jobs)
        self._pool.submit(*jobs, first=first)

    def _handle(self, file: File, job: Job, message: Message | Failure | None) -> None:
        if message is None:
            if job.last is None and not file.format.random_access:
                self._start(file, None)
            return
        if job.folder:
            self._handle_attached(file, message)
            return
        if isinstance(message, Failure):
            self._recover(file, job, message)
        elif "opened" in message:
            if job.last is None:
                self._opened(file, message["opened"], message["last"])
            return
        elif "page" in message:
            self._page(file, message)
            return
        elif "failed" in message:
            self._give_up(file, message["failed"]["kind"], self._why(message["failed"]))
        if file.folder and file.about and not file.error:
            self._submit(file, file.job(0, 0, folder=str(file.folder)), first=True)
            file.folder = None
        self._end_job(file)

    def _handle_attached(self, file: File, message: Message | Failure) -> None:
        """A message of the job that takes files out of this one: its pages are safe, whatever happens to that."""
        if isinstance(message, Failure):
            file.about["warnings"].append(f"The files in it were not all read: {message.text}.")
        elif "attached" in message:
            file.attached.append(message["attached"])
        elif "failed" in message:
            file.about["warnings"].append(f"The files in it were not all read: {self._why(message['failed'])}.")
        if isinstance(message, Failure) or "failed" in message or "done" in message:
            self._end_job(file)

    def _end_job(self, file: File) -> None:
        file.jobs -= 1
        if not file.jobs:
            self._finish(file)

    def _start(self, file: File, pages: int | None) -> None:
        if file.started is None:
            file.started = time.monotonic()
            self._emit(FileStarted(source=file.name, pages=pages))

    def _opened(self, file: File, about: Message, last: int) -> None:
        count: int = about["pages"]
        self._start(file, count)
        if not file.about:  # else it is the second attempt
            file.about = about
            file.pages = [{}] * count
            shares = (file.job(at, min(at + _SHARE, count)) for at in range(last, count, _SHARE))
            self._submit(file, *shares, first=True)

    def _page(self, file: File, message: Message) -> None:
        index: int = message["page"]
        if file.abandoned:
            file.lost.pop(index, None)  # one that another process had begun
        if "failed" in message:
            file.lost[index] = self._why(message["failed"])
        else:
            file.pages[index] = message
            file.uncounted.append(index)
            file.uncounted_size += len(message["text"])
            if file.uncounted_size > _BATCH:
                self._count(file)
        file.done += 1
        now, total, done = time.monotonic(), len(file.pages), file.done
        if now - file.reported > _TICK or done == total:
            file.reported = now
            self._emit(PagesRead(source=file.name, done=done, total=total))

    def _recover(self, file: File, job: Job, failure: Failure) -> None:
        """A process was lost during `job`: give the rest to another one."""
        if file.error or file.abandoned or (failure.page is not None and failure.page >= failure.last):
            return
        again = failure.kind == "crash" and failure.page not in file.retried
        file.retried.add(failure.page)
        if failure.page is None:
            if again:
                self._submit(file, job, first=True)
            else:
                self._give_up(file, failure.kind, f"{failure.text} while it opened the file")
        else:
            if not again:
                file.lost[failure.page] = failure.text
                file.done += 1
                file.processes_lost += 1
            if file.processes_lost > _LOST:
                self._abandon(file, f"given up after {_LOST} lost pages; at the last, {failure.text}", failure.kind)
                return
            rest = failure.page + (not again)
            if rest < failure.last and not file.error:
                self._submit(file, file.job(rest, failure.last), first=True)

    def _give_up(self, file: File, kind: str, why: str) -> None:
        file.empty = kind == "empty"
        kinds = {"secret": PasswordRequired, "format": UnsupportedFormat}
        file.error = file.error or kinds.get(kind, DocumentError)(f"{file.name}: {why}", source=file.name)
        file.jobs -= self._pool.drop(file.sha256)

    def _abandon(self, file: File, why: str, kind: str) -> None:
        """Give up the pages that are not read yet, and the file if none is."""
        if not any(file.pages):
            self._give_up(file, kind, why)
            return
        file.jobs -= self._pool.drop(file.sha256)
        file.abandoned = True
        for index, page in enumerate(file.pages):
            if not page:
                file.lost.setdefault(index, why)

    def _why(self, failed: Message) -> str:
        if failed["kind"] == "memory":
            limit = self._options.memory / 2**30
            return f"takes more memory than the limit of {limit:g} GiB; allow more with memory=… in LoadOptions"
        return failed["text"]

    def _count(self, file: File) -> None:
        indexes, file.uncounted, file.uncounted_size = file.uncounted, [], 0
        if indexes:
            # The text as it will be in a prompt: with neutralised control tokens, and a line end.
            pages = [file.pages[index] for index in indexes]
            texts = [(neutralise(p["text"])[0] if p["control"] else p["text"]) + "\n" for p in pages]
            file.counts.append((indexes, self._counter.submit(lambda: self._tokenizer().counts(texts))))

    def _finish(self, file: File) -> None:
        if not file.error and not file.pages and not file.attached:
            self._give_up(file, "empty", "it has no pages" if file.format.random_access else "there is no text in it")
        if file.error:
            self._finished(file, None)
            return
        self._count(file)
        tokens = [0] * len(file.pages)
        for indexes, counted in file.counts:
            for index, count in zip(indexes, counted.result(), strict=True):
                tokens[index] = count
        pages = tuple(
            Page(
                number=i,
                label=page.get("label") or str(i),
                text=page.get("text", ""),
                tokens=count,
                notes=file.notes(i - 1),
                needs_picture=bool(page.get("needs_picture")),
            )
            for i, (page, count) in enumerate(zip(file.pages, tokens, strict=True), start=1)
        )
        about = file.about
        outline = (OutlineEntry(level=level, title=title, page=page) for level, title, page in about["outline"])
        parsed = Parsed(
            title=about["title"],
            pages=pages,
            outline=tuple(outline),
            metadata=about["metadata"],
            warnings=(*about["warnings"], *file.warnings()),
        )
        for inside in self._finished(file, parsed):
            self._files[inside.sha256] = inside
            self._submit(inside, inside.job())


def _pages(numbers: Sequence[int]) -> str:
    return f"{'Page' if len(numbers) == 1 else 'Pages'} {format_ranges(numbers)}"


def _control_tokens(count: int) -> str:
    tokens = "1 control token" if count == 1 else f"{count:,} control tokens"
    return f"{tokens} of chat templates, made harmless in prompts"
