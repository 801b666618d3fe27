"""Build the prompt: the messages that a model is sent, from a corpus and a conversation.

The order is fixed: system prompt, documents, conversation. The documents are in the first user message, before the
first question, and are byte-identical from turn to turn and from session to session, so that every question after the
first hits the prefix cache of a server or of the embedded engine.

Nothing is truncated. A prompt that does not fit raises `PromptTooLong`, with both numbers.
"""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from longread.control_tokens import neutralise, sanitize
from longread.errors import ConfigError, DocumentError, PromptTooLong

from .instructions import SYSTEM
from .messages import ChatMessage, MessagePicture, rendered, rendered_tools, sanitized
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from longread.documents import Document, Page

    from ..corpus import Corpus


# Marks where the documents end and the user's text starts; the smallest models give better answers with it.
_QUESTION = "Question: "
# ChatML, which Qwen and SmolLM use: <|im_start|> role "\n" content <|im_end|> "\n" around each message, and
# <|im_start|> "assistant" "\n" to open the answer. The control tokens and the last newline are a token each.
_TOKENS_PER_MESSAGE = 3
_TOKENS_TO_OPEN_ANSWER = 1


def check_question(question: str) -> str:
    """Return the question.

    Raises:
        ConfigError: it is empty. A model would answer all the same.
    """
    if not question.strip():
        raise ConfigError("The question is empty: ask something about the documents.")
    return question


class DocumentShare(BaseModel):
    """The part of one document in the prompt."""

    model_config = ConfigDict(frozen=True)

    name: str
    pages: int
    tokens: int
    """Tokens of its pages, page marks, header and footer."""


class Prompt(BaseModel):
    """The messages for a model, with their exact token count."""

    model_config = ConfigDict(frozen=True)

    messages: tuple[ChatMessage, ...]
    tokens: int
    """Tokens of the whole prompt with its chat template, counted by `tokenizer`. Exact for ChatML models with that
    vocabulary. Tools, which every chat template writes differently, are counted as Qwen's template writes them."""
    tokenizer: str
    shares: tuple[DocumentShare, ...]
    budget: int | None
    """Maximum number of tokens: the window minus the tokens reserved for the answer. None: the window is unknown."""

    @property
    def fits(self) -> bool:
        """Whether the prompt is within the budget, or the budget is unknown."""
        return self.budget is None or self.tokens <= self.budget

    @property
    def document_tokens(self) -> int:
        return sum(share.tokens for share in self.shares)


@dataclass(frozen=True)
class DocumentBlock:
    """The documents as they appear in the first user message. Built once per corpus, and used for every question."""

    text: str
    shares: tuple[DocumentShare, ...]
    tokenizer: Tokenizer
    pictures: tuple[MessagePicture, ...] = ()
    """Pages as pictures, each after the text of its page."""

    @classmethod
    def of(cls, corpus: "Corpus", tokenizer: Tokenizer) -> "DocumentBlock":
        """The documents of a corpus. Pages are counted here, unless they were loaded with the same tokenizer.

        Raises:
            DocumentError: the corpus is empty.
        """
        if not corpus.documents:
            raise DocumentError("There are no documents to ask about.", source="")
        return cls.measured(corpus.documents, [_share(document, tokenizer) for document in corpus.documents], tokenizer)

    @classmethod
    def measured(
        cls, documents: Sequence["Document"], shares: Sequence[DocumentShare], tokenizer: Tokenizer
    ) -> "DocumentBlock":
        """The documents, whose tokens have been counted."""
        parts: list[str] = []
        pictures: list[MessagePicture] = []
        length = 0
        for document in documents:
            # The header, a segment for each page, and the footer.
            for page, segment in zip((None, *document.pages, None), segments(document), strict=True):
                parts.append(segment)
                length += len(segment)
                if page is not None and page.picture is not None:
                    jpeg = base64.b64encode(page.picture.jpeg).decode()
                    pictures.append(MessagePicture(offset=length, url=f"data:image/jpeg;base64,{jpeg}"))
        return cls("".join(parts), tuple(shares), tokenizer, tuple(pictures))


def build(
    documents: DocumentBlock,
    conversation: Sequence[ChatMessage],
    *,
    window: int | None = None,
    reserve: int = 0,
    system: str = SYSTEM,
    functions: Sequence[dict[str, Any]] = (),
) -> Prompt:
    """Build the prompt for the next answer in `conversation`, whose last message is the question or a tool result.

    Args:
        conversation: user, assistant and function messages without the documents, oldest first.
        window: the context window in tokens, including the answer.
        reserve: tokens reserved for the answer.
        functions: the tools that the model may call, as Qwen-Agent describes them. They are only counted here; the chat
            model or the server adds them to the prompt.

    Raises:
        PromptTooLong: the prompt has more than `window - reserve` tokens.
        ConfigError: the reserve takes the whole window.
        ValueError: the conversation does not start with a user message, or ends with an assistant message.
    """
    prompt = measure(documents, conversation, window=window, reserve=reserve, system=system, functions=functions)
    if prompt.budget is not None and not prompt.fits:
        raise PromptTooLong(_too_long(prompt, window or 0, reserve), tokens=prompt.tokens, budget=prompt.budget)
    return prompt


def measure(
    documents: DocumentBlock,
    conversation: Sequence[ChatMessage],
    *,
    window: int | None = None,
    reserve: int = 0,
    system: str = SYSTEM,
    functions: Sequence[dict[str, Any]] = (),
) -> Prompt:
    """Build the same prompt, whether it fits or not: for budgets and dry runs."""
    if not conversation or conversation[0]["role"] != "user" or conversation[-1]["role"] not in ("user", "function"):
        raise ValueError("a conversation starts with a user message, and ends with one or with a tool result")
    turns = [sanitized(turn) for turn in conversation]
    question = _QUESTION * bool(documents.text) + turns[0]["content"]
    first = ChatMessage(role="user", content=documents.text + question)
    if documents.pictures:
        first["pictures"] = list(documents.pictures)
    messages = (*([ChatMessage(role="system", content=system)] if system else []), first, *turns[1:])
    parts = [system + rendered_tools(functions), question, *map(rendered, turns[1:])]
    roles = [f"{message['role']}\n" for message in messages] + ["assistant\n"]
    tokens = (
        sum(documents.tokenizer.counts([*parts, *roles]))
        + sum(share.tokens for share in documents.shares)
        + _TOKENS_PER_MESSAGE * len(messages)
        + _TOKENS_TO_OPEN_ANSWER
    )
    if window is not None and reserve >= window:
        raise ConfigError(
            f"{reserve:,} tokens are kept for the answer, and the window has {window:,}: nothing is left for the "
            "documents. Set a lower --max-tokens."
        )
    budget = None if window is None else window - reserve
    return Prompt(
        messages=messages,
        tokens=tokens,
        tokenizer=documents.tokenizer.name,
        shares=documents.shares,
        budget=budget,
    )


def overhead(tokenizer: Tokenizer, conversation: Sequence[ChatMessage], *, system: str = SYSTEM) -> int:
    """Tokens of the prompt without the documents: instructions, conversation and chat template."""
    # The footer stands for documents: only with some is the question introduced. Documents count by their shares.
    documents = DocumentBlock(text=_FOOTER, shares=(), tokenizer=tokenizer)
    return measure(documents, conversation, system=system).tokens


def segments(document: "Document") -> Iterator[str]:
    """The document in a prompt, as segments whose token counts add up: see `longread.agent.prompt.tokenizer`."""
    yield _header(document)
    for page in document.pages:
        yield page_mark(document, page) + (neutralise(page.text)[0] + "\n" if page.text else "")
    yield _FOOTER


def page_mark(document: "Document", page: "Page") -> str:
    """The line before a page. It has the form of a citation, so that a model only has to copy it."""
    return f"[{document.name}:{page.number}]\n"


_FOOTER = "</document>\n"


def _header(document: "Document") -> str:
    title = sanitize(" ".join(document.title.split()).replace('"', "'"))
    return f'<document name="{document.name}" title="{title}">\n'


def frame_tokens(document: "Document", tokenizer: Tokenizer) -> int:
    """Tokens of the header and footer of a document in a prompt, which do not depend on its pages."""
    return sum(tokenizer.counts([_header(document), _FOOTER]))


def page_tokens(document: "Document", tokenizer: Tokenizer) -> list[int]:
    """Tokens of each page in a prompt, including its page mark and its picture."""
    marks = tokenizer.counts([page_mark(document, page) for page in document.pages])
    if document.tokenizer == tokenizer.name:
        texts = [page.tokens if page.text else 0 for page in document.pages]
    else:
        counted = iter(tokenizer.counts([neutralise(page.text)[0] + "\n" for page in document.pages if page.text]))
        texts = [next(counted) if page.text else 0 for page in document.pages]
    pictures = [page.picture.tokens if page.picture else 0 for page in document.pages]
    return [sum(counts) for counts in zip(marks, texts, pictures, strict=True)]


def _share(document: "Document", tokenizer: Tokenizer) -> DocumentShare:
    tokens = frame_tokens(document, tokenizer) + sum(page_tokens(document, tokenizer))
    return DocumentShare(name=document.name, pages=len(document.pages), tokens=tokens)


def _too_long(prompt: Prompt, window: int, reserve: int) -> str:
    numbers = (
        f"The prompt has {prompt.tokens:,} tokens and the model has room for {window - reserve:,} "
        f"(a window of {window:,} less {reserve:,} kept for the answer). Nothing was cut. "
    )
    if (rest := prompt.tokens - prompt.document_tokens) > window - reserve:
        return (
            f"{numbers}{rest:,} of them are instructions, question and conversation, without any document: shorten "
            "the question, start a new conversation, or use a model with a larger window."
        )
    largest = max(prompt.shares, key=lambda share: share.tokens)
    return (
        f"{numbers}Take away {prompt.tokens - (window - reserve):,} tokens or more "
        f"({largest.name} has {largest.tokens:,}): choose pages (--dry-run shows what a range takes, --pages chooses "
        "it), give fewer files, or use a model with a larger window (agent models). --overflow auto finds the pages "
        "that matter, or reads everything in parts."
    )
