"""Progress bars on standard error while files are read, models downloaded and servers started."""

from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from longread.events import Convert, Download, ServeEvent, Starting

from .console import err, note, printable

if TYPE_CHECKING:
    from ..corpus.events import LoadEvent


class ProgressBars:
    """Progress bars on standard error; nothing is shown where that is not a terminal."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.fields[status]}", style="dim", markup=False),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, key: str, description: str, done: int | None, total: int | None, status: str) -> None:
        description = printable(description)
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(description, total=total, status=status)
        self._progress.update(
            self._tasks[key], description=description, completed=done or 0, total=total, status=status
        )

    def drop(self, key: str) -> None:
        if key in self._tasks:
            self._progress.remove_task(self._tasks.pop(key))


_LISTED = 5
"""Files up to which each has a bar and a line of its own."""


class LoadProgress(ProgressBars):
    """A bar for each file while a corpus loads, and a line for each file that is loaded; of many, one for all."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}
        self._begun = monotonic()
        self._loaded: list[str] = []
        """A line for each file."""
        self._pages = self._tokens = self._cached = 0

    def __exit__(self, *exception: object) -> None:
        super().__exit__(*exception)
        if len(self._loaded) <= _LISTED:
            for line in self._loaded:
                note(line)
            return
        cached = f", {self._cached:,} of them from the cache" if self._cached else ""
        note(
            f"{len(self._loaded):,} files{cached}: {self._pages:,} pages, {self._tokens:,} tokens, "
            f"in {monotonic() - self._begun:.1f} s"
        )

    def __call__(self, event: "LoadEvent") -> None:
        from ..corpus.events import FileFailed, FileLoaded, FileStarted, PagesRead

        match event:
            case FileStarted(source=source, pages=pages):
                self._started[source] = monotonic()
                if len(self._loaded) >= _LISTED:
                    self._show_all()
                    return
                self.show(source, f"reading {source}", 0, pages, "")
            case PagesRead(source=source, done=done, total=total):
                if len(self._loaded) >= _LISTED:
                    return
                speed = done / max(monotonic() - self._started.get(source, monotonic()), 1e-3)
                self.show(source, f"reading {source}", done, total, f"{done:,}/{total:,} pages, {speed:,.0f}/s")
            case FileLoaded(source=source, pages=pages, tokens=tokens, seconds=seconds, cached=cached):
                self.drop(source)
                if not pages:  # an archive, whose files have lines of their own
                    return
                how = "from the cache" if cached else f"in {seconds:.1f} s"
                self._loaded.append(f"{source}: {pages:,} page{'s' * (pages != 1)}, {tokens:,} tokens, {how}")
                self._pages, self._tokens, self._cached = (
                    self._pages + pages,
                    self._tokens + tokens,
                    self._cached + cached,
                )
                if len(self._loaded) == _LISTED:
                    for other in self._started:
                        self.drop(other)
            case FileFailed(source=source):
                self.drop(source)

    def _show_all(self) -> None:
        count = f"{len(self._loaded):,} files, {self._pages:,} pages"
        self.show("", "reading", None, None, count)


class ModelProgress(ProgressBars):
    """Bars for what must be done before a model can answer: download, conversion, the start of a server."""

    def __call__(self, event: ServeEvent) -> None:
        match event:
            case Starting(name=name, what=what, seconds=seconds):
                self.show(name, f"{name}: {what}", None, None, f"{seconds:.0f} s")
            case Download(name=name, done=done, total=total):
                of = f"/{total / 2**20:,.0f}" if total else ""
                self.show(name, f"downloading {name}", done, total, f"{done / 2**20:,.0f}{of} MiB")
            case Convert(name=name):
                self.show(name, f"converting {name}, once", None, None, "")

    def step(self, what: str, done: int, total: int) -> None:
        """Show the progress of work that is measured in tokens."""
        self.show(what, what, done, total, f"{done:,}/{total:,} tokens")
