"""Parse uploaded files to documents, in the parser processes of `agent.corpus`, without blocking the event loop."""

import asyncio
import hashlib
import os
from pathlib import Path

from longread.documents import Document
from longread.errors import DocumentError, PasswordRequired

from ..corpus import Corpus, LoadOptions
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
        [document] = corpus.documents
        return Document(**{**dict(document), "source": path.name})


def sha256_of(data: bytes) -> str:
    """The future `Document.id`."""
    return hashlib.sha256(data).hexdigest()
