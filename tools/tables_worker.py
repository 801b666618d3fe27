"""The process that finds tables in a PDF: `python -m longread.tools.tables_worker MEMORY`.

It searches one page of one PDF and exits. The file may crash MuPDF, hang it, or exhaust memory, so the parent process
waits for a limited time and trusts nothing but JSON in the output.

The request is a JSON object on standard input: path, sha256, index (of the page, from 0). The reply on standard output
is {"tables": [[[cell, …] row, …] table, …]} or {"error": text}. MEMORY is the limit on address space, in bytes.
"""

import contextlib
import hashlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

_MOST_BYTES = 32 << 20
"""Maximum size of the reply."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent, which ends this process
    memory = int(sys.argv[1])
    for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, _MOST_BYTES), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # already lower, or not supported by the system
            resource.setrlimit(limit, (most, most))
    out = os.dup(1)
    os.dup2(2, 1)  # the output of a library must not get into the reply
    request = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"tables": tables(request["path"], request["sha256"], request["index"])}
    except Exception as error:
        answer = {"error": " ".join(f"{error or type(error).__name__}".split())[:400]}
    with os.fdopen(out, "w", encoding="ascii") as stream:
        json.dump(answer, stream)


def tables(path: str, sha256: str, index: int) -> list[list[list[str]]]:
    """Find the ruled tables of a page, from top to bottom, as rows of cells. A cell covered by a spanning one is empty.

    Raises:
        ValueError: the file has changed since it was read, or is encrypted.
    """
    data = Path(path).read_bytes()
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("the file has changed since it was read; load it again")
    import pymupdf

    pymupdf.TOOLS.mupdf_display_errors(False)
    pymupdf.TOOLS.mupdf_display_warnings(False)
    document = pymupdf.open(stream=data, filetype="pdf")
    if document.needs_pass:
        raise ValueError("the file is encrypted, and this tool has no password")
    finder = document.load_page(index).find_tables()
    found = sorted(finder.tables if finder else (), key=lambda table: (table.bbox[1], table.bbox[0]))
    rows = ([["" if cell is None else cell for cell in row] for row in table.extract()] for table in found)
    return [table for table in rows if any(cell.strip() for row in table for cell in row)]


if __name__ == "__main__":
    main()
