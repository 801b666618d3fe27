"""A parser process: `python -m longread.agent.corpus.parsing.worker MEMORY`.

Reads jobs from standard input and writes pages to standard output, in the format of `protocol.py`. It may crash, hang
or run out of memory at any page: the other process knows which, because pages are sent one by one, in order.
"""

import contextlib
import fcntl
import hashlib
import os
import resource
import select
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from longread.control_tokens import neutralise

from ..formats import OpenFile, ParseError, ParseOptions, SecretNeeded, WrongFormat, by_path
from ..text import normalize
from .protocol import Message, receive, send

AHEAD = 32
"""Pages that the first job of a file parses at once, before its pages are shared."""
_NAMED = 100
"""Files beyond the limit that are named."""


@dataclass(frozen=True)
class Job:
    """A job of a parser process: some pages of a file."""

    path: str
    sha256: str
    format: str
    options: dict[str, Any]
    first: int = 0
    last: int | None = None
    """None: the first job of this file. It reports on the file, and parses all of it or the first `AHEAD` pages."""
    folder: str = ""
    """Not empty: the job is to write the files inside of this one there, under their index."""
    most: int = 0
    room: int = 0
    """The number of files that may be written, and the bytes that they may have together."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    memory = int(sys.argv[1])
    with contextlib.suppress(ValueError, OSError):  # the limit is lower already, or the system has none
        # Not the hard limit, so that programs such as LibreOffice can be given more.
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.getrlimit(resource.RLIMIT_AS)[1]))
    out = os.dup(1)
    os.dup2(2, 1)  # output of libraries must not get between the messages
    send(out, {"ready": True})
    current: tuple[str, OpenFile] | None = None
    while (message := receive(0)) is not None:
        job = Job(**message)
        _end_with_parent()
        key = f"{job.sha256} {job.format}"
        try:
            if current is None or current[0] != key:
                current = None  # frees the memory of the previous file
                current = key, _open(job)
            if job.folder:
                _take_out(job, current[1], out)
            else:
                _parse(job, current[1], out)
            result: Message = {"done": True}
        except Exception as error:
            result = {"failed": _describe(error)}
        fcntl.fcntl(0, fcntl.F_SETFL, 0)  # before the result, since the next job arrives in response
        send(out, result)


def _end_with_parent() -> None:
    """Let the kernel end this process when the parent ends, even inside a C function that hangs.

    Nothing is sent during a job, so anything that happens on standard input then is its end.
    """
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)  # SIGIO, whose default action ends the process
    if select.select([0], [], [], 0)[0]:
        sys.exit()


def _open(job: Job) -> OpenFile:
    data = Path(job.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != job.sha256:
        raise ParseError("changed while it was being read; try again")
    return by_path(job.format).open(data, ParseOptions(**job.options))


def _parse(job: Job, file: OpenFile, out: int) -> None:
    last = job.last
    about: Message = {}
    if last is None:
        last = min(AHEAD, file.pages) if by_path(job.format).random_access else file.pages
        about = {
            "pages": file.pages,
            "title": file.title,
            "metadata": file.metadata,
            "outline": file.outline,
            "warnings": file.warnings,
            "secret": file.secret,
        }
    send(out, {"opened": about, "last": last})
    for index in range(job.first, last):
        try:
            label, text, notes, needs_picture = file.page(index)
        except Exception as error:
            send(out, {"page": index, "failed": _describe(error)})
            continue
        text, changes = normalize(text, keep_hidden=job.options["hidden"] == "keep")
        send(
            out,
            {
                "page": index,
                "label": normalize(label)[0],
                "text": text,
                "control": neutralise(text)[1],
                "notes": [*notes, *changes],
                "needs_picture": needs_picture,
            },
        )


def _take_out(job: Job, file: OpenFile, out: int) -> None:
    send(out, {"opened": {}, "last": 0})
    room = job.room
    for index, (name, data, media_type, problem) in enumerate(file.attached_files()):
        if not job.most:
            problem = problem or "in too many files within files"
        elif index >= job.most:
            problem = f"beyond the limit of {job.most:,} files"
        elif not problem and len(data) > room:
            problem = f"beyond the limit of {job.room / 2**20:,.0f} MiB"
        if not problem:
            room -= len(data)
            (Path(job.folder) / str(index)).write_bytes(data)
        attached = {"name": name, "media_type": media_type, "problem": problem}
        send(out, {"attached": attached})
        if index >= _NAMED + job.most:
            return


def _describe(error: Exception) -> Message:
    """An error as a kind and a line of text."""
    text = " ".join(str(error).split()) or type(error).__name__
    # MuPDF names the allocation that failed: "malloc (…) failed", "calloc (…) failed", "realloc (…) failed"
    if isinstance(error, MemoryError) or "alloc (" in text:
        return {"kind": "memory", "text": text}
    if isinstance(error, RecursionError):
        return {"kind": "error", "text": "nested too deeply"}
    kinds = {SecretNeeded: "secret", WrongFormat: "format", ParseError: "error"}
    for kind, name in kinds.items():
        if isinstance(error, kind):
            return {"kind": name, "text": text}
    what = f"the parser failed: {type(error).__name__}: {text}"[:400]
    return {"kind": "error", "text": f"{what}; if the file is damaged, saving it anew in its own program may help"}


if __name__ == "__main__":
    main()
