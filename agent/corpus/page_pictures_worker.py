"""The process that renders pages: `python -m longread.agent.corpus.page_pictures_worker MEMORY`.

The file may crash MuPDF, hang it, or use up all memory: `page_pictures.py`, in the other process, has a time limit. The
request on standard input is a `Job`; the reply has a message for each page, in the format of `parsing/protocol.py`.
"""

import base64
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .parsing.isolation import isolate
from .parsing.protocol import Message, receive, send

_PIXELS = 4 << 20
"""Maximum number of pixels of a picture: the page of a large plan can have a thousand times as many."""
_QUALITY = 85


@dataclass(frozen=True)
class Job:
    """Pages to render."""

    path: str
    sha256: str
    media_type: str
    password: str | None
    pages: list[int]
    """Numbers from 1."""
    dpi: float


def main() -> None:
    out = isolate(int(sys.argv[1]))
    request = receive(0)
    assert request is not None
    try:
        for message in _rendered(Job(**request)):
            send(out, message)
    except Exception as error:
        kind = "secret" if isinstance(error, PermissionError) else "error"
        send(out, {"kind": kind, "error": " ".join(f"{error or type(error).__name__}".split())[:400]})


def _rendered(job: Job) -> Iterator[Message]:
    data = Path(job.path).read_bytes()
    if hashlib.sha256(data).hexdigest() != job.sha256:
        raise ValueError("the file has changed since it was read")
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    document = pymupdf.open(stream=data, filetype=job.media_type)
    if document.needs_pass and not document.authenticate(job.password):
        raise PermissionError("the password is wrong" if job.password else "encrypted; give its password")
    for number in job.pages:
        page = document.load_page(number - 1)
        scale = min(job.dpi / 72, (_PIXELS / max(abs(page.rect), 1.0)) ** 0.5)
        seen = page.get_pixmap(matrix=pymupdf.Matrix(scale, scale), alpha=False)
        jpeg = base64.b64encode(seen.tobytes("jpeg", jpg_quality=_QUALITY)).decode()
        yield {"jpeg": jpeg, "width": seen.width, "height": seen.height}


if __name__ == "__main__":
    main()
