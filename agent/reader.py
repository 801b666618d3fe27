"""LongReader: a Qwen-Agent agent that has read the whole corpus, and calls tools."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_agent.agents import FnCallAgent
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import ASSISTANT, SYSTEM, USER, Message
from qwen_agent.tools import BaseTool
from qwen_agent.utils.utils import extract_files_from_messages, extract_text_from_message

from ..serving.events import Delta, Prefill, Usage, Waiting
from .answer import Answer, ReaderEvent, total
from .citations import marks, without_sources
from .conversation import ChatMessage
from .events import Note, ToolEnd
from .llm.choose import chat_model
from .prompt import SYSTEM as SYSTEM_PROMPT
from .prompt import DocumentPart, Prompt, asked, build
from .shelf import Shelf
from .steps import Said, Steps, text_of
from .structured import InvalidAnswer, Schema, instruction, parse, response_format
from .tokens import Tokenizer, qwen
from .toolbox import Approve, Limits

if TYPE_CHECKING:
    from .corpus import Corpus

DEFAULT_MAX_TOKENS = 512


class LongReader(FnCallAgent):
    """Answers questions about a corpus, all of which is in the prompt of every question.

    A Qwen-Agent function-calling agent: `run(messages)` streams cumulative message lists, it takes Qwen-Agent's tools
    and models, and it can stand wherever Qwen-Agent takes an agent. Beside that `ask`, `stream`, `aask` and `astream`
    with typed results.

    Args:
        corpus: what to read; None for what `files` and the files in messages are.
        llm: a Qwen-Agent chat model or the configuration of one, for instance `{"model_type": "longread-endpoint",
            "server": "http://localhost:8000/v1", "model": "Qwen/Qwen2.5-7B-Instruct-1M"}`. None: the embedded model.
        function_list: the tools that the model may call, as Qwen-Agent takes them: tools, names, configurations. Those
            for documents are in `longread.tools`.
        files: more to read, as `Corpus.load` takes it.
        window: tokens the model can hold; None asks the model. Not known to either: the server has the last word.
        max_tokens: the longest answer; as many tokens of the window are kept free for it.
        tokenizer: what counts the tokens; None asks the model, else Qwen's vocabulary.
        system: the instructions for reading and citing.
        system_message: yours, under them.
        limits: where the loop of model and tools ends.
        approve: is asked before each call of a tool, in the thread that consumes the events; None allows all.

    Raises:
        DocumentError: one of `files` could not be read.
    """

    def __init__(
        self,
        corpus: "Corpus | None" = None,
        llm: dict[str, Any] | BaseChatModel | None = None,
        *,
        function_list: Sequence[str | dict[str, Any] | BaseTool] | None = None,
        files: Sequence[str | Path] | None = None,
        window: int | None = None,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        tokenizer: Tokenizer | None = None,
        system: str = SYSTEM_PROMPT,
        system_message: str | None = None,
        limits: Limits | None = None,
        approve: Approve | None = None,
        name: str | None = "longread",
        description: str | None = "Answers questions about documents, and says on which pages the answer stands.",
    ):
        self.mem = None  # Qwen-Agent's retrieval, which FnCallAgent makes unless there is one
        self.llm: BaseChatModel
        super().__init__(
            function_list=list(function_list or ()),
            llm=chat_model(llm),
            system_message=system_message,
            name=name,
            description=description,
        )
        self.max_tokens = max_tokens
        self.window = window if window is not None else getattr(self.llm, "window", None)
        self.tokenizer: Tokenizer = tokenizer or getattr(self.llm, "tokenizer", None) or qwen()
        self.limits = limits or Limits()
        self.approve = approve
        self._system = system
        self._shelf = Shelf(corpus, self.tokenizer).with_files([str(file) for file in files or ()])

    @property
    def corpus(self) -> "Corpus":
        """What is read for every question."""
        return self._shelf.corpus

    @property
    def documents(self) -> DocumentPart:
        """The corpus as it stands in every prompt, counted once."""
        return self._shelf.documents

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
            system=self._instructions(self._shelf, [self.system_message or ""]),
            functions=self.functions,
        )

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The tools as Qwen-Agent describes them to a model."""
        return [tool.function for tool in self.function_map.values()]

    def ask(
        self,
        question: str,
        *,
        history: Sequence[ChatMessage] = (),
        schema: Schema | None = None,
        on_event: Callable[[ReaderEvent], None] | None = None,
        **generate: Any,
    ) -> Answer:
        """Ask, and wait for the whole answer.

        Args:
            history: the `history` of an earlier answer, for a follow-up question.
            schema: a pydantic model or a JSON schema that the answer is to fit; `Answer.parsed` is the object.
            on_event: is called with each event of `stream` but the answer itself.
            generate: sampling settings for this question only, such as `temperature=0.7`; `function_choice` names a
                tool that must be called first.

        Raises:
            InvalidAnswer: the answer does not fit the schema, twice.
            LongreadError: the prompt does not fit, or the model failed.
        """
        for event in self.stream(question, history=history, schema=schema, **generate):
            if isinstance(event, Answer):
                return event
            if on_event:
                on_event(event)
        raise AssertionError("a stream ends with an Answer")

    async def aask(
        self, question: str, *, on_event: Callable[[ReaderEvent], None] | None = None, **kwargs: Any
    ) -> Answer:
        """`ask` without blocking the event loop. Cancelling the task stops the model at its next event."""
        async with aclosing(self.astream(question, **kwargs)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    return event
                if on_event:
                    on_event(event)
        raise AssertionError("a stream ends with an Answer")

    async def astream(self, question: str, **kwargs: Any) -> AsyncGenerator[ReaderEvent, None]:
        """`stream` without blocking the event loop. Closing the iterator stops the model at its next event.

        Each question has a thread of its own, so any number can be asked at once.
        """
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[ReaderEvent | BaseException | None] = asyncio.Queue()
        ended = loop.create_future()
        stop = threading.Event()

        def work() -> None:
            last: BaseException | None = None
            try:
                with closing(self.stream(question, **kwargs)) as events:
                    for event in events:
                        if stop.is_set():
                            break
                        loop.call_soon_threadsafe(inbox.put_nowait, event)
            except BaseException as error:
                last = error
            loop.call_soon_threadsafe(inbox.put_nowait, last)
            loop.call_soon_threadsafe(ended.set_result, None)

        threading.Thread(target=work, name="longread-question", daemon=True).start()
        try:
            while (event := await inbox.get()) is not None:
                if isinstance(event, BaseException):
                    raise event
                yield event
        finally:
            stop.set()
            await ended

    def stream(
        self, question: str, *, history: Sequence[ChatMessage] = (), schema: Schema | None = None, **generate: Any
    ) -> Generator[ReaderEvent, None, None]:
        """The events of one answer as they happen, the `Answer` last. Closing the iterator stops the model."""
        wanted = asked(question) if schema is None else f"{asked(question)}\n\n{instruction(schema)}"
        conversation = [*history, ChatMessage(role="user", content=wanted)]
        instructions = self._instructions(self._shelf, [self.system_message or ""])
        # A server that lets the model write nothing but the object lets it call no tool either: with tools, only the
        # second attempt is made so.
        strict = {} if schema is None else {"response_format": response_format(schema)}
        can = getattr(self.llm, "structured_output", False)
        first = strict if can and not self.function_map else {}
        steps = self._steps(self._shelf, instructions, {**first, **generate})
        yield from _told(steps.run(conversation))
        parsed: Any = None
        if schema is not None:
            try:
                parsed = parse(steps.text, schema)
            except InvalidAnswer as invalid:
                yield Note(text=f"{invalid} It is asked once more.")
                steps.settings = {**(strict if can else {}), **generate}
                yield from _told(steps.again(f"{invalid} {instruction(schema)}"))
                parsed = parse(steps.text, schema)
        yield self._answer(question, steps, conversation, parsed)

    def _run(self, messages: list[Message], lang: str = "en", **kwargs: Any) -> Iterator[list[Message]]:
        """Qwen-Agent's own way in: the last message it yields ends with the pages that have the answer's words."""
        shelf = self._shelf.with_files(extract_files_from_messages(messages, include_images=False))
        system = [_text(message) for message in messages if message.role == SYSTEM]
        conversation = [_turn(message) for message in messages if message.role != SYSTEM]
        steps = self._steps(shelf, self._instructions(shelf, system), kwargs)
        with closing(steps.run(conversation)) as events:
            for event in events:
                if isinstance(event, Said):
                    yield event.response
        if not steps.response or not shelf.corpus.documents:
            return
        question = next((_text(message) for message in reversed(messages) if message.role == USER), "")
        answer = self._answer(question, steps, [], None)
        final = steps.response[-1].model_copy(deep=True)
        final.content = answer.markdown
        final.extra = {**steps.extra, "citations": [citation.model_dump() for citation in answer.citations]}
        yield [*steps.response[:-1], final]

    def _steps(self, shelf: Shelf, instructions: str, settings: dict[str, Any]) -> Steps:
        return Steps(
            llm=self.llm,
            shelf=shelf,
            tools=self.function_map,
            system=instructions,
            window=self.window,
            max_tokens=self.max_tokens,
            settings=settings,
            limits=self.limits,
            approve=self.approve,
        )

    def _instructions(self, shelf: Shelf, more: Sequence[str]) -> str:
        """The system message: ours where there are documents, then the user's."""
        ours = [self._system] if shelf.corpus.documents else []
        return "\n\n".join(part for part in [*ours, *more] if part)

    def _answer(self, question: str, steps: Steps, conversation: list[ChatMessage], parsed: Any) -> Answer:
        cited, unknown = marks(steps.text, steps.shelf.corpus)
        found = steps.shelf.index.lookup(steps.text, question)
        return Answer(
            question=question,
            text=steps.text,
            citations=(*cited, *found),
            unknown_citations=unknown,
            parsed=parsed,
            tool_calls=tuple(steps.tool_calls),
            usage=total(steps.usages, steps.seconds),
            finish_reason=steps.finish_reason,
            history=(*conversation, *steps.turns),
        )


def _told(
    steps: Generator[Said | ReaderEvent, None, None],
) -> Generator[ReaderEvent, None, None]:
    """What steps do, with the growth of the messages as pieces of text."""
    text = reasoning = ""
    with closing(steps):
        for event in steps:
            if not isinstance(event, Said):
                if isinstance(event, Usage | ToolEnd):
                    text = reasoning = ""  # the next request begins a new text
                yield event
                continue
            extra = event.extra
            if prefill := extra.get("prefill"):
                yield Prefill(**prefill)
            if waiting := extra.get("waiting"):
                yield Waiting(seconds=waiting)
            thought = "".join(str(message.reasoning_content or "") for message in event.output)
            if len(thought) > len(reasoning):
                yield Delta(text=thought[len(reasoning) :], reasoning=True)
                reasoning = thought
            written = text_of(event.output)
            if len(written) > len(text):
                yield Delta(text=written[len(text) :])
                text = written


def _turn(message: Message) -> ChatMessage:
    """A message of Qwen-Agent's as a turn, an answer of ours without the line of pages under it."""
    text = _text(message)
    turn = ChatMessage(role=message.role, content=without_sources(text) if message.role == ASSISTANT else text)  # type: ignore[typeddict-item]
    if message.function_call:
        turn["function_call"] = {"name": message.function_call.name, "arguments": message.function_call.arguments}
    if message.role not in (USER, ASSISTANT) and message.name:
        turn["name"] = message.name
    if function_id := (message.extra or {}).get("function_id"):
        turn["extra"] = {"function_id": function_id}
    return turn


def _text(message: Message) -> str:
    return extract_text_from_message(message, add_upload_info=False)
