"""Pictures of pages as a person sees them, rendered in a process of its own."""

import base64
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from multiprocessing import spawn
from typing import TYPE_CHECKING, NamedTuple

from longread.errors import DocumentError, PasswordRequired

from .parsing.protocol import receive, send

if TYPE_CHECKING:
    from longread.documents import Document

_MEMORY = 2 << 30
"""Address space of the process that renders, in bytes."""
_TIMEOUT = 60.0
_DPI = 110


class RenderedPage(NamedTuple):
    """The picture of a page."""

    page: int
    """The number of the page, from 1."""
    jpeg: bytes
    width: int
    """In pixels, like the height."""
    height: int


def has_pictures(document: "Document") -> bool:
    """Whether the pages of a document have a look of their own: those of PDFs and of picture files do."""
    return document.source != "-" and document.media_type.startswith(("application/pdf", "image/"))


def page_pictures(
    document: "Document",
    pages: Sequence[int] | None = None,
    *,
    password: str | None = None,
    dpi: float = _DPI,
    timeout: float = _TIMEOUT,
    memory: int = _MEMORY,
) -> Iterator[RenderedPage]:
    """Render pages of a document for which `has_pictures` is true.

    Args:
        pages: numbers from 1. None: all.
        dpi: resolution. It is lowered for pages that would have more than 4 million pixels.
        timeout: seconds for each page.
        memory: address space of the process in bytes.

    Raises:
        PasswordRequired: the file is encrypted, and the password is wrong or missing.
        DocumentError: the file has changed since it was loaded, or cannot be rendered.
    """
    from .page_pictures_worker import Job

    source = document.source
    numbers = [page.number for page in document.pages] if pages is None else list(pages)
    path = os.path.abspath(os.path.expanduser(source))
    if not os.path.isfile(path):  # it was in a mail or an archive, came from an address, or is gone
        raise DocumentError(f"{source} is not a file here, so its pages cannot be rendered.", source=source)
    job = Job(path, document.id, document.media_type, password, numbers, dpi)
    # -P: the current folder may contain a json.py.
    command = [spawn.get_executable(), "-P", "-m", "longread.agent.corpus.page_pictures_worker", str(memory)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            send(process.stdin.fileno(), asdict(job))
            for number in numbers:
                watch = threading.Timer(timeout, process.kill)
                watch.start()
                message = receive(process.stdout.fileno())
                watch.cancel()
                if message is None:
                    why = f"not rendered within {timeout:g} s, or MuPDF crashed"
                    raise DocumentError(f"{source}, page {number}: {why}.", source=source, page=number)
                if "error" in message:
                    kind = PasswordRequired if message["kind"] == "secret" else DocumentError
                    raise kind(f"{source}, page {number}: {message['error']}.", source=source, page=number)
                jpeg = base64.b64decode(message["jpeg"])
                yield RenderedPage(number, jpeg, message["width"], message["height"])
        finally:
            process.kill()
