"""Clients' files to documents, in the parser processes of `agent.corpus`, and off the event loop."""

import asyncio
import hashlib
import os
from pathlib import Path

from ..corpus import Corpus, Document, LoadOptions
from ..errors import DocumentError, PasswordRequired
from ..tokens import Tokenizer


class FileReader:
    """Reads one file at a time, and some at once.

    Args:
        at_once: files; others wait.
    """

    def __init__(self, options: LoadOptions, tokenizer: Tokenizer, *, at_once: int):
        self._options = options
        self._tokenizer = tokenizer
        self._turns = asyncio.Semaphore(at_once)

    async def read(self, path: Path) -> Document:
        """The document in a file that has the client's name for it.

        Raises:
            DocumentError: it cannot be read; the message does not say where it lies.
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
        [document] = corpus.documents
        return Document(**{**dict(document), "source": path.name})


def sha256_of(data: bytes) -> str:
    """What `Document.id` will be."""
    return hashlib.sha256(data).hexdigest()
