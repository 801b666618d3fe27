"""A corpus with what answering needs: its documents as they appear in prompts, and the indexes for citations."""

import threading
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from .citations.lookup import PageIndex
from .citations.passages import Passages
from .overflow.retrieve import Retriever
from .prompt.build import DocumentBlock
from .prompt.tokenizer import Tokenizer

if TYPE_CHECKING:
    from .corpus import Corpus


class IndexedCorpus:
    """The documents of an answer. Everything is computed once, when it is first used.

    Args:
        corpus: None for no documents.
        tokenizer: counts the documents.
        documents: the documents as they appear in prompts, if they are counted already.
        look: adds the pictures of pages to a corpus, for models that read pictures.
    """

    def __init__(
        self,
        corpus: "Corpus | None",
        tokenizer: Tokenizer,
        documents: DocumentBlock | None = None,
        look: "Callable[[Corpus], Corpus] | None" = None,
    ):
        from .corpus import Corpus

        if documents is not None:
            self.documents = documents
        self._look = look or (lambda seen: seen)
        self.corpus = self._look(corpus) if corpus is not None else Corpus(documents=())
        self._tokenizer = tokenizer
        self.passages = Passages(self.corpus)
        """The pages, prepared for looking up quotes."""
        self.index = PageIndex(self.corpus)
        self._preparing: threading.Thread | None = None
        self._latest: tuple[tuple[str, ...], IndexedCorpus] | None = None

    @cached_property
    def documents(self) -> DocumentBlock:
        if not self.corpus.documents:
            return DocumentBlock(text="", shares=(), tokenizer=self._tokenizer)
        return DocumentBlock.of(self.corpus, self._tokenizer)

    @cached_property
    def retriever(self) -> Retriever:
        """Selects pages where not all fit the window; remembers its selection for a conversation."""
        return Retriever(self.corpus, tokenizer=self._tokenizer)

    def prepare(self) -> None:
        """Start indexing the pages in a thread. It takes seconds for a million tokens: less than a server needs to
        process them."""
        if self._preparing is None:
            self._preparing = threading.Thread(target=self._prepare, name="longread-index", daemon=True)
            self._preparing.start()

    def _prepare(self) -> None:
        self.index.prepare()
        self.passages.prepare()

    def with_files(self, files: Sequence[str]) -> "IndexedCorpus":
        """This corpus with `files` added. The same files as in the last call are not read again.

        Raises:
            DocumentError: a file could not be read.
        """
        from .corpus import Corpus

        wanted = tuple(dict.fromkeys(files))
        if not wanted:
            return self
        if self._latest is None or self._latest[0] != wanted:
            more = self._look(Corpus.load(wanted, tokenizer=self._tokenizer))
            self._latest = (wanted, IndexedCorpus(self.corpus.joined(more), self._tokenizer))
        return self._latest[1]
