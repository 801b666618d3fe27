"""The process that finds tables: `python -m longread.tools.tables_worker MEMORY`.

One page of one PDF, and it ends. The file may crash MuPDF, hang it, or take all memory: the other side only waits so
long, and reads what this process writes as JSON and nothing more.

The request is a JSON object on standard input: path, sha256, index (of the page, from 0). The answer on standard output
is {"tables": [[[cell, …] row, …] table, …]} or {"error": text}.
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

_ANSWER = 32 << 20
"""Bytes that the answer may have."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the other side, which then ends this one
    memory = int(sys.argv[1])
    for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_FSIZE, _ANSWER), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # already lower, or a system without this limit
            resource.setrlimit(limit, (most, most))
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints must not get into the answer
    request = json.load(sys.stdin)
    try:
        answer: dict[str, Any] = {"tables": tables(request["path"], request["sha256"], request["index"])}
    except Exception as error:
        answer = {"error": " ".join(f"{error or type(error).__name__}".split())[:400]}
    with os.fdopen(out, "w", encoding="ascii") as stream:
        json.dump(answer, stream)


def tables(path: str, sha256: str, index: int) -> list[list[list[str]]]:
    """The ruled tables of a page, from top to bottom, as rows of cells; a cell that another spans is empty.

    Raises:
        ValueError: the file is not the one that was read, or is encrypted.
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
