"""A corpus as a reader holds it: the documents as they stand in prompts, and the index to look answers up in."""

import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from .citations import PageIndex
from .overflow import Retriever
from .passages import Passages
from .prompt import DocumentPart
from .tokens import Tokenizer

if TYPE_CHECKING:
    from .corpus import Corpus


class Shelf:
    """What an answer is drawn from. Everything about it is worked out once, when it is first needed.

    Args:
        corpus: None for no documents at all.
        tokenizer: counts the documents.
        documents: as they stand in prompts, if they are counted already.
    """

    def __init__(self, corpus: "Corpus | None", tokenizer: Tokenizer, documents: DocumentPart | None = None):
        from .corpus import Corpus

        if documents is not None:
            self.documents = documents
        self.corpus = corpus if corpus is not None else Corpus(documents=())
        self._tokenizer = tokenizer
        self.passages = Passages(self.corpus)
        """The pages as quotes are looked up in them."""
        self.index = PageIndex(self.corpus)
        self._preparing: threading.Thread | None = None
        self._latest: tuple[tuple[str, ...], Shelf] | None = None

    @cached_property
    def documents(self) -> DocumentPart:
        if not self.corpus.documents:
            return DocumentPart(text="", shares=(), tokenizer=self._tokenizer)
        return DocumentPart.of(self.corpus, self._tokenizer)

    @cached_property
    def retriever(self) -> Retriever:
        """Chooses pages where not all fit; remembers what it chose for a conversation."""
        return Retriever(self.corpus, tokenizer=self._tokenizer)

    def prepare(self) -> None:
        """Begin to index the pages, in a thread of its own: it takes seconds for a million tokens, which are over when
        a server has read them."""
        if self._preparing is None:
            self._preparing = threading.Thread(target=self._prepare, name="longread-index", daemon=True)
            self._preparing.start()

    def _prepare(self) -> None:
        self.index.prepare()
        self.passages.prepare()

    def with_files(self, files: Sequence[str]) -> "Shelf":
        """This one, and these files. The same files as the last time are not read again.

        Raises:
            DocumentError: one could not be read.
        """
        from .corpus import Corpus

        wanted = tuple(dict.fromkeys(files))
        if not wanted:
            return self
        if self._latest is None or self._latest[0] != wanted:
            more = Corpus.load(wanted, tokenizer=self._tokenizer)
            self._latest = (wanted, Shelf(self.corpus.joined(more), self._tokenizer))
        return self._latest[1]
