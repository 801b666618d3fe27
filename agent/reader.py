"""LongReader: a Qwen-Agent agent that has read the whole corpus, and calls tools."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qwen_agent.agents import FnCallAgent
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import ASSISTANT, SYSTEM, USER, Message
from qwen_agent.tools import BaseTool
from qwen_agent.utils.utils import extract_files_from_messages

from ..serving.events import Delta, Prefill, Waiting
from .answer import Answer, ReaderEvent, total
from .asking import AsyncAsking
from .citations import marks
from .conversation import ChatMessage, described
from .errors import ConfigError
from .events import CitationChecked, Note, ToolStart
from .larger import Larger, Pages, Parts
from .llm.choose import chat_model
from .overflow import MapResult, Overflow, Reply, run_map
from .overflow.map import PARALLEL
from .prompt import DocumentPart, Prompt, asked, build, instructions, joined, measure
from .quotes import CheckedQuote, QuoteChecker, check
from .shelf import Shelf
from .steps import Said, Steps, told
from .structured import InvalidAnswer, Schema, instruction, parse, response_format
from .tokens import Tokenizer, qwen
from .tool_choice import served_with
from .toolbox import Approve, Limits
from .turns import from_message, text_of

Event = TypeVar("Event")

if TYPE_CHECKING:
    from .corpus import Corpus

DEFAULT_MAX_TOKENS = 512


class LongReader(AsyncAsking, FnCallAgent):
    """Answers questions about a corpus, all of which is in the prompt of every question.

    A Qwen-Agent function-calling agent: `run(messages)` streams cumulative message lists, it takes Qwen-Agent's tools
    and models, and it can stand wherever Qwen-Agent takes an agent. Beside that `ask`, `stream`, `aask` and `astream`
    with typed results.

    Args:
        corpus: what to read; None for what `files` and the files in messages are.
        llm: a Qwen-Agent chat model or the configuration of one, for instance `{"model_type": "longread-endpoint",
            "server": "http://localhost:8000/v1", "model": "Qwen/Qwen2.5-7B-Instruct-1M"}`. None: the embedded model.
        function_list: the tools that the model may call, as Qwen-Agent takes them: tools, names, configurations, and
            `{"mcpServers": …}`, whose servers run as long as the reader. Those for documents are in `longread.tools`.
        files: more to read, as `Corpus.load` takes it.
        window: tokens the model can hold; None asks the model. Not known to either: the server has the last word.
        max_tokens: the longest answer; as many tokens of the window are kept free for it.
        tokenizer: what counts the tokens; None asks the model, else Qwen's vocabulary.
        system: the instructions for reading and citing; None: `longread.agent.prompt.SYSTEM`, or `BRIEF` for a model
            that was not trained to call tools.
        system_message: yours, under them.
        limits: where the loop of model and tools ends.
        approve: is asked before each call of a tool, in the thread that consumes the events; None allows all.
        overflow: what to do when the documents are larger than the window. "error": say so. "retrieve": give the model
            the pages that have the question's words. "map": have it read everything in parts, and merge what it says.
            "auto": choose between the two, and say why. `Answer.notes` says what was done.
        parallel: parts that are read at a time, where the model answers several at once.

    Raises:
        DocumentError: one of `files` could not be read.
        ConfigError: an MCP server does not start.
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
        system: str | None = None,
        system_message: str | None = None,
        limits: Limits | None = None,
        approve: Approve | None = None,
        overflow: Overflow = "error",
        parallel: int = PARALLEL,
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
        self.overflow: Overflow = overflow
        self._parallel = parallel
        self._system = system or instructions(calls_tools=getattr(self.llm, "calls_tools", True))
        self._shelf = Shelf(corpus, self.tokenizer).with_files([str(file) for file in files or ()])

    def _init_tool(self, tool: str | dict[str, Any] | BaseTool) -> None:
        """Qwen-Agent's way to take a tool. Its own client for MCP servers needs a library `mcp` below 2, so ours is."""
        if isinstance(tool, dict) and "mcpServers" in tool:
            for of_server in served_with(self, tool):
                super()._init_tool(of_server)
        else:
            super()._init_tool(tool)

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
        return build(self.documents, conversation, **self._frame(self._shelf, self.system_message or ""))

    def measure(self, conversation: Sequence[ChatMessage]) -> Prompt:
        """The same prompt, whether it fits or not."""
        return measure(self.documents, conversation, **self._frame(self._shelf, self.system_message or ""))

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

    def stream(
        self, question: str, *, history: Sequence[ChatMessage] = (), schema: Schema | None = None, **generate: Any
    ) -> Generator[ReaderEvent, None, None]:
        """The events of one answer as they happen, the `Answer` last. Closing the iterator stops the model."""
        wanted = asked(question) if schema is None else f"{asked(question)}\n\n{instruction(schema)}"
        conversation = [*history, ChatMessage(role="user", content=wanted)]
        shelf, more = self._shelf, self.system_message or ""
        way = self._way(shelf, conversation, more)
        yield from (Note(text=text) for text in (way.notes if way else ()))
        if isinstance(way, Parts):
            if schema is not None:
                raise ConfigError("Documents that are read in parts give no object: --overflow retrieve does.")
            yield from self._in_parts(way, shelf, question, conversation, generate)
            return
        system = way.instructions if way else self._instructions(shelf, more)
        # A server that lets the model write nothing but the object lets it call no tool either: with tools, only the
        # second attempt is made so.
        strict = {} if schema is None else {"response_format": response_format(schema)}
        can = getattr(self.llm, "structured_output", False)
        first = strict if can and not self.function_map else {}
        steps = self._steps(way.shelf if way else shelf, system, {**first, **generate})
        quotes: list[CheckedQuote] = []
        events = told(steps.run(conversation))
        yield from events if schema else self._checked(events, shelf, quotes)
        parsed: Any = None
        if schema is not None:
            try:
                parsed = parse(steps.text, schema)
            except InvalidAnswer as invalid:
                yield Note(text=f"{invalid} It is asked once more.")
                steps.settings = {**(strict if can else {}), **generate}
                yield from told(steps.again(f"{invalid} {instruction(schema)}"))
                parsed = parse(steps.text, schema)
        yield self._answer(question, steps, shelf, conversation, parsed, way, quotes)

    def _in_parts(
        self, way: Parts, shelf: Shelf, question: str, conversation: list[ChatMessage], settings: dict[str, Any]
    ) -> Generator[ReaderEvent, None, None]:
        """The documents in parts. No tools are called."""
        plan = replace(way.plan, settings={**self.llm.generate_cfg, **settings})

        def send(prompt: Prompt) -> Generator[Prefill | Waiting | Delta | Reply, None, None]:
            steps = self._steps(Shelf(None, self.tokenizer), "", settings, tools={})
            with closing(told(steps.send(prompt))) as events:
                for event in events:
                    if isinstance(event, Prefill | Waiting | Delta):
                        yield event
            usage = steps.usages[-1] if steps.usages else None
            yield Reply(text=steps.text, finish_reason=steps.finish_reason, usage=usage)

        result: MapResult | None = None
        quotes: list[CheckedQuote] = []
        parallel = self._parallel if getattr(self.llm, "concurrent", False) else 1
        with closing(self._checked(run_map(plan, send, parallel=parallel), shelf, quotes)) as events:
            for event in events:
                if isinstance(event, MapResult):
                    result = event
                else:
                    yield event
        assert result is not None
        told_of = result.describe()
        yield Note(text=told_of)
        yield Answer(
            question=question,
            text=result.text,
            citations=(*result.citations, *shelf.index.lookup(result.text, question)),
            unknown_citations=result.unknown_citations,
            quotes=tuple(quotes),
            notes=(*way.notes, told_of),
            usage=result.usage,
            finish_reason=result.finish_reason,
            history=(*conversation, ChatMessage(role="assistant", content=result.text)),
        )

    def _run(self, messages: list[Message], lang: str = "en", **kwargs: Any) -> Iterator[list[Message]]:
        """Qwen-Agent's own way in: the last message it yields ends with the pages that have the answer's words."""
        if kwargs.pop("knowledge", None):
            raise ConfigError(
                "LongReader takes no `knowledge`: it would stand among the instructions. Give it `files`."
            )
        shelf = self._shelf.with_files(extract_files_from_messages(messages, include_images=False))
        more = joined(*(text_of(message) for message in messages if message.role == SYSTEM))
        conversation = [from_message(message) for message in messages if message.role != SYSTEM]
        if conversation and conversation[0]["role"] != USER:  # in a group chat, another may have spoken first
            conversation.insert(0, ChatMessage(role="user", content=""))
        way = self._way(shelf, conversation, more)
        if isinstance(way, Parts):
            for event in self._in_parts(way, shelf, conversation[-1]["content"], conversation, kwargs):
                if isinstance(event, Answer):
                    yield [_with_sources(Message(ASSISTANT, ""), event)]
            return
        system = way.instructions if way else self._instructions(shelf, more)
        steps = self._steps(way.shelf if way else shelf, system, kwargs)
        with closing(steps.run(conversation)) as events:
            for event in events:
                if isinstance(event, Said):
                    yield event.response
        if not steps.response or not shelf.corpus.documents:
            return
        question = next((text_of(message) for message in reversed(messages) if message.role == USER), "")
        quotes = list(check(steps.text, shelf.corpus, shelf.passages))
        answer = self._answer(question, steps, shelf, [], None, way, quotes)
        yield [*steps.response[:-1], _with_sources(steps.response[-1], answer, **steps.extra)]

    def _way(self, shelf: Shelf, conversation: list[ChatMessage], more: str) -> Pages | Parts | None:
        """What is done about documents that are larger than the window; None if they are not, or it is an error."""
        if self.overflow == "error" or not shelf.corpus.documents:
            return None
        larger = Larger(shelf, overflow=self.overflow, window=self.window, reserve=self.max_tokens)
        whole = measure(shelf.documents, conversation, **self._frame(shelf, more))
        tools = sum(self.tokenizer.counts([described(self.functions)]))
        return larger.way(whole, conversation, more=more, tools=tools, model=self.model_name)

    def _steps(
        self, shelf: Shelf, instructions: str, settings: dict[str, Any], tools: dict[str, BaseTool] | None = None
    ) -> Steps:
        return Steps(
            llm=self.llm,
            shelf=shelf,
            tools=self.function_map if tools is None else tools,
            system=instructions,
            window=self.window,
            max_tokens=self.max_tokens,
            settings=settings,
            limits=self.limits,
            approve=self.approve,
        )

    def _frame(self, shelf: Shelf, more: str) -> dict[str, Any]:
        """What a prompt has around documents and conversation, as `build` takes it."""
        return {
            "window": self.window,
            "reserve": self.max_tokens,
            "system": self._instructions(shelf, more),
            "functions": self.functions,
        }

    def _instructions(self, shelf: Shelf, more: str) -> str:
        """The system message: ours where there are documents, then the user's."""
        return joined(self._system if shelf.corpus.documents else "", more)

    def _checked(
        self, events: Generator[Event, None, None], shelf: Shelf, quotes: list[CheckedQuote]
    ) -> Generator[Event | CitationChecked, None, None]:
        """The events, and each quote of the answer as soon as it has been looked up; `quotes` has them at the end."""
        checker = QuoteChecker(shelf.corpus, shelf.passages)
        if getattr(self.llm, "concurrent", False):  # a model in this process would have to wait for the interpreter
            shelf.prepare()
        with closing(events):
            for event in events:
                yield event
                found: list[CheckedQuote] = []
                if isinstance(event, ToolStart):  # what was said before is no answer yet
                    checker = QuoteChecker(shelf.corpus, shelf.passages)
                    quotes.clear()
                elif isinstance(event, Delta) and not event.reasoning:
                    found = checker.feed(event.text)
                quotes += found
                yield from (CitationChecked(quote=quote) for quote in found)
        quotes += (found := checker.finish())
        yield from (CitationChecked(quote=quote) for quote in found)

    def _answer(
        self,
        question: str,
        steps: Steps,
        shelf: Shelf,
        conversation: list[ChatMessage],
        parsed: Any,
        way: Pages | None,
        quotes: list[CheckedQuote],
    ) -> Answer:
        # In all documents, also where the model was given some pages: a tool may have shown it others.
        cited, unknown = marks(steps.text, shelf.corpus)
        found = shelf.index.lookup(steps.text, question)
        return Answer(
            question=question,
            text=steps.text,
            citations=(*cited, *found),
            unknown_citations=unknown,
            quotes=tuple(quotes),
            parsed=parsed,
            pages_seen=way.seen if way else None,
            notes=way.notes if way else (),
            tool_calls=tuple(steps.tool_calls),
            usage=total(steps.usages, steps.seconds),
            finish_reason=steps.finish_reason,
            history=(*conversation, *steps.turns),
        )


def _with_sources(message: Message, answer: Answer, **extra: Any) -> Message:
    """The last message of an answer, with the pages under it, and beside it what was looked up."""
    final = message.model_copy(deep=True)
    final.content = answer.markdown
    final.extra = {
        **extra,
        "citations": [citation.model_dump() for citation in answer.citations],
        "quotes": [quote.model_dump() for quote in answer.quotes],
    }
    return final
