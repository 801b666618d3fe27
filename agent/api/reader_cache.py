"""The cache of readers for the files that requests name. The most recent ones stay in memory, with their pages and
indexes."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from qwen_agent.llm.base import BaseChatModel

from longread.documents import Document

from ..corpus import Corpus
from ..corpus.picture_selection import with_pictures
from ..llm.protocol import capabilities
from ..llm.vision import picture_tokens
from ..prompt.tokenizer import Tokenizer
from ..reader import LongReader
from ..tool_selection import select_tools
from .errors import refused
from .file_store import FileStore, StoredFile
from .ingest import UploadParser
from .options import ApiOptions

_FAR_TOO_LONG = 4
"""Files that exceed the maximum prompt by this factor, in tokens counted at upload, are rejected without loading them.
Models count differently, so closer to the limit the prompt itself is counted."""


@dataclass(frozen=True)
class Attachment:
    """A file of a request: uploaded, or inside the request."""

    filename: str
    sha256: str
    stored: StoredFile | None = None
    data: bytes | None = None

    @property
    def file_id(self) -> str | None:
        return self.stored.id if self.stored else None

    @property
    def key(self) -> tuple[str, str]:
        """What its document depends on."""
        return self.sha256, self.filename


class ReaderCache:
    """Makes and caches readers.

    Args:
        base: documents of every request, before its own files.
    """

    def __init__(
        self,
        llm: BaseChatModel,
        base: Corpus | None,
        store: FileStore,
        files: UploadParser,
        tokenizer: Tokenizer,
        options: ApiOptions,
    ):
        self._llm = llm
        self._model = capabilities(llm)
        self.base = with_pictures(
            base or Corpus(documents=()),
            vision=options.vision,
            reads_pictures=lambda: self._model.vision,
            tokens=partial(picture_tokens, llm.model or ""),
        )
        self._store = store
        self._files = files
        self._tokenizer = tokenizer
        self._options = options
        self._readers: dict[tuple[tuple[str, str], ...], asyncio.Task[LongReader]] = {}  # most recently used last

    async def reader(self, attachments: Sequence[Attachment]) -> LongReader:
        """A reader of the base and these files, in this order. Requests for the same files share it, and wait together
        while it is made.

        Raises:
            LongreadError: a file could not be read.
            ApiError: a file was deleted, or together they are far too long.
        """
        self._check_size(attachments)
        key = tuple(attachment.key for attachment in attachments)
        making = self._readers.pop(key, None)
        if making is None:
            making = asyncio.create_task(self._make(attachments))
            making.add_done_callback(lambda made: self._made(key, made))
        self._readers[key] = making
        return await asyncio.shield(making)  # a client that disconnects does not cancel it for the others

    def forget(self, sha256: str) -> None:
        """Remove every reader of a file with this content."""
        for key in [key for key in self._readers if any(content == sha256 for content, _ in key)]:
            del self._readers[key]

    async def _make(self, attachments: Sequence[Attachment]) -> LongReader:
        corpus = self.base
        for attachment in attachments:
            document = await self._document(attachment)
            corpus = corpus.joined(Corpus(documents=(document,)))
        return await asyncio.to_thread(self._reader, corpus)

    def _reader(self, corpus: Corpus) -> LongReader:
        reader = LongReader(
            corpus,
            self._llm,
            function_list=select_tools(self._options.tools, corpus, calls_tools=self._model.calls_tools)
            if corpus.documents
            else (),
            window=self._options.window,
            tokenizer=self._tokenizer,
            overflow=self._options.overflow,
            vision="never",  # the base has its pictures, and uploaded files are not on disk after they were read
        )
        _ = reader.documents  # counted here, and not by each request that arrives meanwhile
        return reader

    async def _document(self, attachment: Attachment) -> Document:
        if attachment.stored:
            found = await asyncio.to_thread(self._store.document, attachment.stored)
            if found is not None:
                return found
        with self._store.scratch() as folder:
            path = folder / attachment.filename
            if attachment.stored:
                path.symlink_to(self._store.content(attachment.stored))
            else:
                await asyncio.to_thread(path.write_bytes, attachment.data or b"")
            return await self._files.read(path)

    def _made(self, key: tuple[tuple[str, str], ...], made: asyncio.Task[LongReader]) -> None:
        if made.cancelled() or made.exception() is not None:
            if self._readers.get(key) is made:
                del self._readers[key]
            return
        used_last = next(reversed(self._readers), None)
        tokens = 0
        for other, task in list(reversed(self._readers.items())):
            with suppress(asyncio.InvalidStateError):  # not ready yet
                tokens += task.result().corpus.tokens - self.base.tokens
                if tokens > self._options.limits.kept_tokens and other != used_last:
                    del self._readers[other]

    def _check_size(self, attachments: Sequence[Attachment]) -> None:
        if self._options.overflow != "error":
            return
        limit = self._options.limits.prompt_tokens or self._options.window or self._model.window
        tokens = sum(attachment.stored.tokens for attachment in attachments if attachment.stored)
        if limit and tokens > _FAR_TOO_LONG * limit:
            raise refused(
                f"The files have {tokens:,} tokens, and a prompt may have {limit:,}. Name fewer or shorter files.",
                param="messages",
                code="context_length_exceeded",
            )
