"""LongReader: a Qwen-Agent agent that has read the whole corpus."""

import asyncio
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict
from qwen_agent import Agent
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import ASSISTANT, SYSTEM, USER, Message
from qwen_agent.utils.utils import extract_text_from_message

from ..serving.events import Delta, Prefill, Usage, Waiting
from .citations import Citation, PageIndex, marks, sources, without_sources
from .llm.choose import chat_model
from .prompt import SYSTEM as SYSTEM_PROMPT
from .prompt import ChatMessage, DocumentPart, Prompt, asked, build
from .tokens import Tokenizer, qwen

if TYPE_CHECKING:
    from .corpus import Corpus

DEFAULT_MAX_TOKENS = 512


class Answer(BaseModel):
    """What came back for one question."""

    model_config = ConfigDict(frozen=True)

    question: str
    text: str
    """As the model wrote it."""
    citations: tuple[Citation, ...]
    """The pages the model cited, then the pages that lookup found; a page can be among both."""
    unknown_citations: tuple[str, ...] = ()
    """Marks in the text that name a document or page which the corpus does not have."""
    usage: Usage | None
    """None when the model did not report it."""
    finish_reason: str | None
    """'stop', or 'length' when the answer was cut at `max_tokens`."""
    history: tuple[ChatMessage, ...]
    """The conversation with this question and answer at its end: pass it on to ask a follow-up question."""

    @property
    def markdown(self) -> str:
        """The text, and under it the pages that have its words."""
        return f"{self.text}\n\n{sources(self.citations)}"


ReaderEvent = Prefill | Waiting | Delta | Answer


class LongReader(Agent):
    """Answers questions about a corpus, all of which is in the prompt of every question.

    A Qwen-Agent `Agent`: `run(messages)` streams cumulative message lists, and it can stand wherever Qwen-Agent takes
    an agent. Beside that `ask`, `aask` and `stream` with typed results.

    Args:
        corpus: what to read.
        llm: a Qwen-Agent chat model or the configuration of one, for instance `{"model_type": "longread-endpoint",
            "server": "http://localhost:8000/v1", "model": "Qwen/Qwen2.5-7B-Instruct-1M"}`. None: the embedded model.
        window: tokens the model can hold; None asks the model. Not known to either: the server has the last word.
        max_tokens: the longest answer; as many tokens of the window are kept free for it.
        tokenizer: what counts the tokens; None asks the model, else Qwen's vocabulary.
    """

    def __init__(
        self,
        corpus: "Corpus",
        llm: dict[str, Any] | BaseChatModel | None = None,
        *,
        window: int | None = None,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        tokenizer: Tokenizer | None = None,
        system: str = SYSTEM_PROMPT,
        name: str | None = "longread",
        description: str | None = "Answers questions about documents, and says on which pages the answer stands.",
    ):
        super().__init__(llm=chat_model(llm), name=name, description=description)
        self.llm: BaseChatModel
        self.corpus = corpus
        self.max_tokens = max_tokens
        self.window = window if window is not None else getattr(self.llm, "window", None)
        self.tokenizer: Tokenizer = tokenizer or getattr(self.llm, "tokenizer", None) or qwen()
        self._system = system
        self._index = PageIndex(corpus)

    @cached_property
    def documents(self) -> DocumentPart:
        """The corpus as it stands in every prompt, counted once."""
        return DocumentPart.of(self.corpus, self.tokenizer)

    @property
    def model_name(self) -> str:
        return self.llm.model or "the embedded model"

    def prompt(self, conversation: Sequence[ChatMessage]) -> Prompt:
        """The prompt that would be sent for a conversation whose last message is the question.

        Raises:
            PromptTooLong: it does not fit; the message has both numbers.
        """
        return build(
            self.documents,
            conversation,
            window=self.window,
            reserve=self.max_tokens,
            system=self._system,
        )

    def ask(
        self,
        question: str,
        *,
        history: Sequence[ChatMessage] = (),
        on_event: Callable[[ReaderEvent], None] | None = None,
        **generate: Any,
    ) -> Answer:
        """Ask, and wait for the whole answer.

        Args:
            history: the `history` of an earlier answer, for a follow-up question.
            on_event: is called with `Prefill` or `Waiting` while the prompt is read, then `Delta` for each piece of the
                answer.
            generate: sampling settings for this question only, such as `temperature=0.7`.

        Raises:
            LongreadError: the prompt does not fit, or the model failed.
        """
        for event in self.stream(question, history=history, **generate):
            if isinstance(event, Answer):
                return event
            if on_event:
                on_event(event)
        raise AssertionError("a stream ends with an Answer")

    async def aask(self, question: str, **kwargs: Any) -> Answer:
        """`ask` without blocking the event loop. Cancelling the task stops the model at its next event."""
        stopped = threading.Event()

        def ask() -> Answer | None:
            forward = kwargs.pop("on_event", None)
            with closing(self.stream(question, **kwargs)) as events:
                for event in events:
                    if stopped.is_set():
                        return None
                    if isinstance(event, Answer):
                        return event
                    if forward:
                        forward(event)
            return None

        try:
            answer = await asyncio.to_thread(ask)
        except asyncio.CancelledError:
            stopped.set()
            raise
        assert answer is not None
        return answer

    def stream(
        self, question: str, *, history: Sequence[ChatMessage] = (), **generate: Any
    ) -> Generator[ReaderEvent, None, None]:
        """The events of one answer as they happen, the `Answer` last. Closing the iterator stops the model."""
        conversation = [*history, ChatMessage(role="user", content=asked(question))]
        messages = [Message(role=turn["role"], content=turn["content"]) for turn in conversation]
        text = reasoning = ""
        extra: dict[str, Any] = {}
        with closing(self._answers(messages, generate)) as responses:
            for response in responses:
                last = response[-1]
                extra = last.extra or {}
                if prefill := extra.get("prefill"):
                    yield Prefill(**prefill)
                if waiting := extra.get("waiting"):
                    yield Waiting(seconds=waiting)
                thought = str(last.reasoning_content or "")
                if len(thought) > len(reasoning):
                    yield Delta(text=thought[len(reasoning) :], reasoning=True)
                    reasoning = thought
                written = extract_text_from_message(last, add_upload_info=False)
                if len(written) > len(text):
                    yield Delta(text=written[len(text) :])
                    text = written
        yield self._answer(question, text, conversation, extra)

    def _run(self, messages: list[Message], lang: str = "en", **kwargs: Any) -> Iterator[list[Message]]:
        """Qwen-Agent's own way in: the last message it yields ends with the pages that have the answer's words."""
        response: list[Message] = []
        for response in self._answers(messages, kwargs):
            yield response
        if not response:
            return
        question = extract_text_from_message(messages[-1], add_upload_info=False)
        final = response[-1].model_copy(deep=True)
        text = extract_text_from_message(final, add_upload_info=False)
        answer = self._answer(question, text, [], final.extra or {})
        final.content = answer.markdown
        final.extra = {**(final.extra or {}), "citations": [citation.model_dump() for citation in answer.citations]}
        yield [*response[:-1], final]

    def _answers(self, messages: list[Message], generate: dict[str, Any]) -> Generator[list[Message], None, None]:
        system = [extract_text_from_message(m, add_upload_info=False) for m in messages if m.role == SYSTEM]
        conversation = [
            ChatMessage(role=m.role, content=without_sources(extract_text_from_message(m, add_upload_info=False)))
            for m in messages
            if m.role in (USER, ASSISTANT)
        ]
        prompt = build(
            self.documents,
            conversation,
            window=self.window,
            reserve=self.max_tokens,
            system="\n\n".join([self._system, *system]),
        )
        for response in self._call_llm(
            [Message(role=m["role"], content=m["content"]) for m in prompt.messages],
            # Qwen-Agent would otherwise cut the prompt at 58,000 tokens without a word.
            extra_generate_cfg={"max_input_tokens": -1, "max_tokens": self.max_tokens, **generate},
        ):
            extra = response[-1].extra or {}
            if read := extra.get("read"):  # a server that shows how far it is
                done = min(read, prompt.tokens)
                response[-1].extra = {"prefill": Prefill(done=done, total=prompt.tokens, cached=0).model_dump()}
            yield response

    def _answer(self, question: str, text: str, conversation: list[ChatMessage], extra: dict[str, Any]) -> Answer:
        cited, unknown = marks(text, self.corpus)
        found = self._index.lookup(text, question)
        usage = extra.get("usage")
        return Answer(
            question=question,
            text=text,
            citations=(*cited, *found),
            unknown_citations=unknown,
            usage=Usage(**usage) if usage else None,
            finish_reason=extra.get("finish_reason"),
            history=(*conversation, ChatMessage(role="assistant", content=text)),
        )
