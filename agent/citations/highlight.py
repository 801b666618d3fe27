"""Write a copy of a PDF in which the quotes of an answer are highlighted."""

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from multiprocessing import spawn
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from longread.errors import DocumentError, PasswordRequired

from .quote_checker import CheckedQuote

if TYPE_CHECKING:
    from longread.documents import Document

    from ..corpus import Corpus

_PDF = "application/pdf"
_MEMORY = 2 << 30
"""Address space of the process that highlights, in bytes."""
_TIMEOUT = 120.0
_COLORS = {"verified": (1.0, 0.9, 0.3), "corrected": (1.0, 0.7, 0.35), "moved": (0.6, 0.85, 1.0)}


class HighlightedFile(BaseModel):
    """A copy that was written."""

    model_config = ConfigDict(frozen=True)

    document: str
    path: Path
    quotes: tuple[CheckedQuote, ...]
    """The quotes that are highlighted in it."""


class MissedQuote(BaseModel):
    """A quote that is not highlighted."""

    model_config = ConfigDict(frozen=True)

    quote: CheckedQuote
    reason: str


class Highlights(BaseModel):
    """What was highlighted, and what could not be."""

    model_config = ConfigDict(frozen=True)

    files: tuple[HighlightedFile, ...]
    missed: tuple[MissedQuote, ...]


def highlight(
    corpus: "Corpus",
    quotes: Iterable[CheckedQuote],
    path: str | Path,
    *,
    question: str = "",
    password: str | None = None,
    timeout: float = _TIMEOUT,
    memory: int = _MEMORY,
) -> Highlights:
    """Write a copy of each PDF that contains quotes of an answer, with these highlighted.

    Verified quotes are yellow, corrected ones orange, and moved ones blue; in each case the words of the page are
    marked. Files are read and written in a separate process, because damaged ones can crash or hang the library.

    Args:
        quotes: the quotes of an answer about this corpus: `Answer.quotes`, or the result of `check_quotes`.
        path: the file to write. If quotes are from several PDFs, "out.pdf" becomes "out-NAME.pdf" for each.
        question: the text of each highlight, shown when the pointer is over it.
        password: for encrypted files. Their copies get the same password.
        timeout: seconds per file.
        memory: address space of the process in bytes.

    Returns:
        The files, none if no quote was found in a PDF, and the quotes that are in none of them, with the reason.

    Raises:
        PasswordRequired: a file is encrypted, and the password is wrong or missing.
        DocumentError: a file has changed since it was loaded, or cannot be read or written; there is already a file at
            `path`; or all quotes are from documents that are not PDFs.
    """
    target = Path(path).expanduser()
    found: dict[str, list[CheckedQuote]] = {}
    missed: list[MissedQuote] = []
    for quote in quotes:
        if quote.document is None or not quote.spans:
            missed.append(MissedQuote(quote=quote, reason="no page has it"))
        elif (kind := corpus[quote.document].media_type) != _PDF:
            missed.append(MissedQuote(quote=quote, reason=f"{quote.document} is no PDF ({kind})"))
        else:
            found.setdefault(quote.document, []).append(quote)
    others = [miss.quote.document for miss in missed if miss.quote.document]
    if not found and others:
        kinds = ", ".join(f"{name} is {corpus[name].media_type}" for name in dict.fromkeys(others))
        raise DocumentError(f"Only PDFs can be highlighted: {kinds}.", source=corpus[others[0]].source)
    targets = {name: target if len(found) == 1 else target.with_stem(f"{target.stem}-{name}") for name in found}
    for each in targets.values():
        check_target(each)
    written: list[tuple[Path, HighlightedFile]] = []
    with contextlib.ExitStack() as scratch:
        for name, of_document in found.items():
            folder = scratch.enter_context(_folder_beside(targets[name]))
            copy = Path(folder, targets[name].name)
            copy.touch()
            lost = _run(corpus[name], of_document, copy, question, password, timeout, memory)
            missed += [
                MissedQuote(quote=quote, reason=f"its place on page {quote.page_found} was not found")
                for number, quote in enumerate(of_document)
                if number in lost
            ]
            highlighted = tuple(quote for number, quote in enumerate(of_document) if number not in lost)
            if highlighted:
                written.append((copy, HighlightedFile(document=name, path=targets[name], quotes=highlighted)))
        for copy, file in written:
            try:
                os.link(copy, file.path)  # unlike renaming, this does not replace a file that was created meanwhile
            except OSError as error:
                raise DocumentError(f"{file.path} could not be written: {error.strerror}.", source=str(path)) from error
    return Highlights(files=tuple(file for _, file in written), missed=tuple(missed))


def check_target(path: str | Path) -> None:
    """Check whether copies can be written to `path`, before there are quotes.

    Raises:
        DocumentError: it is not the name of a PDF, the file exists already, or its folder does not.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() != ".pdf":
        raise DocumentError(f"{target} is no name for a PDF: let it end in .pdf.", source=str(target))
    if target.exists() or target.is_symlink():
        raise DocumentError(f"{target} is there already: choose another name, or delete it.", source=str(target))
    if not target.parent.is_dir():
        raise DocumentError(f"{target} cannot be written: there is no folder {target.parent}.", source=str(target))


def _folder_beside(target: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(dir=target.parent, prefix=".longread-")
    except OSError as error:
        raise DocumentError(f"{target} cannot be written: {error.strerror}.", source=str(target)) from error


def _run(
    document: "Document",
    quotes: Sequence[CheckedQuote],
    output: Path,
    question: str,
    password: str | None,
    timeout: float,
    memory: int,
) -> set[int]:
    """Write a copy; returns the numbers of the quotes that were not found on their pages."""
    from ..corpus.sources import is_address
    from .highlight_worker import Job

    source = document.source
    if source == "-":
        raise DocumentError(f"{document.name} came from standard input: give it as a file to highlight.", source=source)
    if is_address(source) or any(folder.is_file() for folder in Path(source).expanduser().parents):
        raise DocumentError(f"{source} is not a file on this machine: save it as one to highlight.", source=source)
    texts = {page.number: page.text for page in document.pages}
    job = Job(
        path=os.path.expanduser(source),
        sha256=document.id,
        output=str(output),
        password=password,
        comment=question,
        passages=[
            {
                "color": _COLORS[quote.status],
                "subject": quote.status,
                "parts": [
                    {
                        "page": span.page - 1,
                        "before": texts[span.page][: span.start],
                        "text": texts[span.page][span.start : span.end],
                    }
                    for span in quote.spans
                ],
            }
            for quote in quotes
        ],
    )
    answer = _ask(job, source, timeout, memory)
    if "error" in answer:
        if answer["kind"] == "secret":
            raise PasswordRequired(f"{source}: {answer['error']}; give its password.", source=source)
        raise DocumentError(f"{source} could not be highlighted: {answer['error']}.", source=source)
    return set(answer["missed"])


def _ask(job: Any, source: str, timeout: float, memory: int) -> dict[str, Any]:
    # -P: the current folder may contain a json.py.
    command = [spawn.get_executable(), "-P", "-m", "longread.agent.citations.highlight_worker", str(memory)]
    try:
        done = subprocess.run(
            command, input=json.dumps(asdict(job)).encode("ascii"), capture_output=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise DocumentError(
            f"{source} could not be highlighted in {timeout:g} s; allow more with timeout=….", source=source
        ) from None
    try:
        return json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
        raise DocumentError(f"{source} could not be highlighted: MuPDF crashed ({last[0]}).", source=source) from None
