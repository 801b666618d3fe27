"""Parse uploaded files to documents, in the parser processes of `agent.corpus`, without blocking the event loop."""

import asyncio
import hashlib
import os
from pathlib import Path

from longread.documents import Document, OutlineEntry, Page
from longread.errors import DocumentError, PasswordRequired

from ..corpus import Corpus, LoadOptions
from ..corpus.names import names
from ..prompt.tokenizer import Tokenizer


class UploadParser:
    """Parses uploaded files.

    Args:
        at_once: maximum number of files at a time; others wait.
    """

    def __init__(self, options: LoadOptions, tokenizer: Tokenizer, *, at_once: int):
        self._options = options
        self._tokenizer = tokenizer
        self._turns = asyncio.Semaphore(at_once)

    async def read(self, path: Path) -> Document:
        """Parse a file that has the client's name for it.

        Raises:
            DocumentError: it cannot be read. The message does not contain its path.
        """
        async with self._turns:
            return await asyncio.to_thread(self._read, path)

    def _read(self, path: Path) -> Document:
        try:
            corpus = Corpus.load([path], options=self._options, tokenizer=self._tokenizer)
        except PasswordRequired as error:
            raise DocumentError(
                f"{path.name}: it is encrypted. Send it without a password.", source=path.name
            ) from error
        except DocumentError as error:
            message = " ".join(str(error).replace(os.path.join(path.parent, ""), "").split())
            raise DocumentError(message, source=path.name, page=error.page) from error
        if len(corpus.documents) == 1:
            return Document(**{**dict(corpus.documents[0]), "source": path.name})
        return _merged(corpus, path)


def _merged(corpus: Corpus, path: Path) -> Document:
    """The documents of an archive, or of a mail with attachments, as one: a client has one name for them."""
    pages: list[Page] = []
    outline: list[OutlineEntry] = []
    warnings = [warning.replace(os.path.join(path.parent, ""), "") for warning in corpus.warnings]
    for document in corpus.documents:
        name = os.path.relpath(document.source, path) if document.source != str(path) else path.name
        first = len(pages)
        outline.append(OutlineEntry(level=1, title=name, page=first + 1))
        outline += [
            entry.model_copy(update={"level": entry.level + 1, "page": first + entry.page})
            for entry in document.outline
        ]
        pages += [
            page.model_copy(update={"number": first + page.number, "label": f"{name}: {page.label}"})
            for page in document.pages
        ]
        warnings += [f"{name}: {warning}" for warning in document.warnings]
    whole = corpus.documents[0]
    with path.open("rb") as file:
        identity = hashlib.file_digest(file, "sha256").hexdigest()
    changed = {
        "id": identity,
        "name": names([path.name])[0],
        "title": path.stem,
        "source": path.name,
        "pages": tuple(pages),
        "outline": tuple(outline),
        "warnings": tuple(warnings),
        "metadata": {},
    }
    return Document(**{**dict(whole), **changed})


def sha256_of(data: bytes) -> str:
    """The future `Document.id`."""
    return hashlib.sha256(data).hexdigest()
