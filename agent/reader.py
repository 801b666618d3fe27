"""LongReader: a Qwen-Agent agent that answers questions about documents, all of which are in its prompt."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from qwen_agent.agents import FnCallAgent
from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import ASSISTANT, SYSTEM, USER, Message
from qwen_agent.tools import BaseTool
from qwen_agent.utils.utils import extract_files_from_messages

from longread.errors import ConfigError, InvalidAnswer
from longread.events import Delta, Prefill, Waiting

from .answer import Answer, ReaderEvent, sum_usage
from .async_reader import AsyncReaderMixin
from .citations.markers import marks
from .citations.quote_checker import CheckedQuote, QuoteChecker, check_quotes
from .corpus.picture_selection import Vision, with_pictures
from .events import CitationChecked, Note, ToolStart
from .indexed_corpus import IndexedCorpus
from .llm.factory import chat_model, model_config
from .llm.protocol import Capabilities, capabilities
from .llm.vision import picture_tokens
from .loop import PartialResponse, ToolLoop, as_events
from .overflow.auto import Overflow
from .overflow.events import MapResult, Reply
from .overflow.map_run import PARALLEL, run_map
from .overflow_strategy import MapParts, OverflowStrategy, RetrievedPages
from .prompt.build import DocumentBlock, Prompt, build, check_question, measure
from .prompt.instructions import instructions, joined
from .prompt.messages import ChatMessage, rendered_tools
from .prompt.tokenizer import Tokenizer, qwen
from .qwen_messages import from_message, text_of
from .structured_output import Schema, instruction, parse, response_format
from .tool_calls import Approve, LoopLimits
from .tool_selection import start_mcp_servers

Event = TypeVar("Event")

if TYPE_CHECKING:
    from .corpus import Corpus

DEFAULT_MAX_TOKENS = 512


class LongReader(AsyncReaderMixin, FnCallAgent):
    """Answers questions about a corpus, all of which is in the prompt of every question.

    It is a Qwen-Agent function-calling agent: `run(messages)` yields cumulative message lists, it accepts Qwen-Agent's
    tools and models, and can be used wherever Qwen-Agent takes an agent. In addition it has `ask`, `stream`, `aask` and
    `astream`, with typed results.

    Args:
        corpus: the documents. None: only `files`, and the files in messages.
        llm: a Qwen-Agent chat model or its configuration. None: what `server` and `model` say, else the embedded model.
        server: address of an OpenAI-compatible server, such as "http://localhost:8000/v1".
        model: with `server`, the name of one of its models, which may be omitted if there is only one. Without
            `server`, the embedded model: a name in the catalogue, a folder, a GGUF file or a hub id.
        api_key: for `server`. The environment is not read.
        function_list: the tools that the model may call, as Qwen-Agent takes them: tools, names, configurations, and
            `{"mcpServers": …}`, whose servers run as long as the reader exists. `longread.document_tools` makes those
            for documents.
        files: more documents, in any form that `Corpus.load` accepts.
        window: the context window in tokens. None: as the model reports it; if it does not, the server decides.
        max_tokens: maximum length of an answer; as many tokens of the window are reserved for it.
        tokenizer: counts the tokens. None: that of the model, else Qwen's vocabulary.
        system: the instructions for reading and citing. None: `longread.agent.prompt.instructions.SYSTEM`, or `BRIEF`
            for a model that was not trained to call tools.
        system_message: your own instructions, which follow those.
        limits: limits of the loop of model and tools.
        approve: called before each tool call, in the thread that consumes the events. None: all calls are allowed.
        overflow: what to do if the documents exceed the window. "error": raise `PromptTooLong`. "retrieve": send only
            the pages that contain the question's words. "map": process everything in parts, and merge the answers.
            "auto": choose one of the two. `Answer.notes` says what was done.
        parallel: number of parts that are processed at a time, if the model handles concurrent requests.
        vision: which pages are sent as pictures, too, to a model that reads pictures. "auto": those with more to see
            than their text; "always": all; "never".
        password: of encrypted files, to render their pages.

    Raises:
        DocumentError: one of `files` could not be read.
        ConfigError: arguments contradict each other, or an MCP server does not start.
    """

    def __init__(
        self,
        corpus: "Corpus | None" = None,
        llm: dict[str, Any] | BaseChatModel | None = None,
        *,
        server: str | None = None,
        model: str | None = None,
        api_key: str | None = None,
        function_list: Sequence[str | dict[str, Any] | BaseTool] | None = None,
        files: Sequence[str | Path] | None = None,
        window: int | None = None,
        max_tokens: int = DEFAULT_MAX_TOKENS,
        tokenizer: Tokenizer | None = None,
        system: str | None = None,
        system_message: str | None = None,
        limits: LoopLimits | None = None,
        approve: Approve | None = None,
        overflow: Overflow = "error",
        parallel: int = PARALLEL,
        vision: Vision = "auto",
        password: str | None = None,
        name: str | None = "longread",
        description: str | None = "Answers questions about documents, and says on which pages the answer stands.",
    ):
        self.mem = None  # Qwen-Agent's retrieval, which FnCallAgent makes unless there is one
        self.llm: BaseChatModel
        super().__init__(
            function_list=list(function_list or ()),
            llm=chat_model(model_config(llm, server=server, model=model, api_key=api_key)),
            system_message=system_message,
            name=name,
            description=description,
        )
        self.max_tokens = max_tokens
        self.window = window if window is not None else self._model.window
        self.tokenizer: Tokenizer = tokenizer or self._model.tokenizer or qwen()
        self.limits = limits or LoopLimits()
        self.approve = approve
        self.overflow: Overflow = overflow
        self._parallel = parallel
        self._system = system or instructions(calls_tools=self._model.calls_tools)
        reading = self._model  # without the reader: its MCP servers end when nothing refers to it any more
        look = partial(
            with_pictures,
            vision=vision,
            reads_pictures=lambda: reading.vision,
            tokens=partial(picture_tokens, self.model_name),
            password=password,
        )
        self._indexed = IndexedCorpus(corpus, self.tokenizer, look=look).with_files([str(f) for f in files or ()])

    def __repr__(self) -> str:
        return f"LongReader({self.corpus!r}, model={self.model_name!r})"

    def _init_tool(self, tool: str | dict[str, Any] | BaseTool) -> None:
        """Add a tool, as Qwen-Agent does. MCP servers get longread's client: Qwen-Agent's needs `mcp` below 2."""
        if isinstance(tool, dict) and "mcpServers" in tool:
            for of_server in start_mcp_servers(self, tool):
                super()._init_tool(of_server)
        else:
            super()._init_tool(tool)

    @property
    def corpus(self) -> "Corpus":
        """The documents of every question."""
        return self._indexed.corpus

    @property
    def documents(self) -> DocumentBlock:
        """The corpus as it appears in every prompt, counted once."""
        return self._indexed.documents

    @property
    def model_name(self) -> str:
        """The name of the model, as the server or the catalogue has it."""
        return self.llm.model or "the embedded model"

    def prompt(self, conversation: Sequence[ChatMessage]) -> Prompt:
        """Build the prompt for a conversation whose last message is the question, without sending it.

        Raises:
            PromptTooLong: it does not fit; the message has both numbers.
        """
        return build(self.documents, conversation, **self._frame(self._indexed, self.system_message or ""))

    def measure(self, conversation: Sequence[ChatMessage]) -> Prompt:
        """Build the same prompt, whether it fits or not."""
        return measure(self.documents, conversation, **self._frame(self._indexed, self.system_message or ""))

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The descriptions of the tools, as Qwen-Agent has them."""
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
        """Ask a question, and wait for the whole answer.

        Args:
            history: the `history` of an earlier answer, for a follow-up question.
            schema: a pydantic model or a JSON schema that the answer must match; `Answer.parsed` is the object.
            on_event: called with each event of `stream`, except the answer.
            generate: sampling settings for this question, such as `temperature=0.7`; `function_choice` names a tool
                that must be called first.

        Raises:
            InvalidAnswer: two answers in a row do not match the schema.
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
        """Yield the events of one answer, with the `Answer` at the end. Closing the iterator stops the model."""
        text = check_question(question) if schema is None else f"{check_question(question)}\n\n{instruction(schema)}"
        conversation = [*history, ChatMessage(role="user", content=text)]
        indexed, more = self._indexed, self.system_message or ""
        decision = self._decide(indexed, conversation, more)
        yield from (Note(text=note) for note in (decision.notes if decision else ()))
        if isinstance(decision, MapParts):
            if schema is not None:
                raise ConfigError("--overflow map cannot return an object: use --overflow retrieve with a schema.")
            yield from self._in_parts(decision, indexed, question, conversation, generate)
            return
        system = decision.instructions if decision else self._instructions(indexed, more)
        # A server that constrains the output to the object does not let the model call tools: with tools, only the
        # second attempt is constrained.
        strict = {} if schema is None else {"response_format": response_format(schema)}
        constrains = self._model.structured_output
        first = strict if constrains and not self.function_map else {}
        loop = self._loop(decision.indexed if decision else indexed, system, {**first, **generate})
        quotes: list[CheckedQuote] = []
        events = as_events(loop.run(conversation))
        yield from events if schema else self._checked(events, indexed, quotes)
        parsed: Any = None
        if schema is not None:
            try:
                parsed = parse(loop.text, schema)
            except InvalidAnswer as invalid:
                yield Note(text=f"{invalid} It is asked once more.")
                loop.settings = {**(strict if constrains else {}), **generate}
                yield from as_events(loop.again(f"{invalid} {instruction(schema)}"))
                parsed = parse(loop.text, schema)
        yield self._answer(question, loop, indexed, conversation, parsed, decision, quotes)

    def _in_parts(
        self,
        parts: MapParts,
        indexed: IndexedCorpus,
        question: str,
        conversation: list[ChatMessage],
        settings: dict[str, Any],
    ) -> Generator[ReaderEvent, None, None]:
        """Process the documents in parts. Tools are not called."""
        plan = replace(parts.plan, settings={**self.llm.generate_cfg, **settings})

        def send(prompt: Prompt) -> Generator[Prefill | Waiting | Delta | Reply, None, None]:
            loop = self._loop(IndexedCorpus(None, self.tokenizer), "", settings, tools={})
            with closing(as_events(loop.request(prompt))) as events:
                for event in events:
                    if isinstance(event, Prefill | Waiting | Delta):
                        yield event
            usage = loop.usages[-1] if loop.usages else None
            yield Reply(text=loop.text, finish_reason=loop.finish_reason, usage=usage)

        result: MapResult | None = None
        quotes: list[CheckedQuote] = []
        parallel = self._parallel if self._model.concurrent else 1
        with closing(self._checked(run_map(plan, send, parallel=parallel), indexed, quotes)) as events:
            for event in events:
                if isinstance(event, MapResult):
                    result = event
                else:
                    yield event
        assert result is not None
        summary = result.describe()
        yield Note(text=summary)
        yield Answer(
            question=question,
            text=result.text,
            citations=(*result.citations, *indexed.index.lookup(result.text, question)),
            unknown_citations=result.unknown_citations,
            quotes=tuple(quotes),
            notes=(*parts.notes, summary),
            usage=result.usage,
            finish_reason=result.finish_reason,
            history=(*conversation, ChatMessage(role="assistant", content=result.text)),
        )

    def _run(self, messages: list[Message], lang: str = "en", **kwargs: Any) -> Iterator[list[Message]]:
        """Qwen-Agent's interface. The last message ends with the pages that contain the answer's words."""
        if kwargs.pop("knowledge", None):
            raise ConfigError(
                "LongReader takes no `knowledge`, which would become part of the instructions: use `files`."
            )
        indexed = self._indexed.with_files(extract_files_from_messages(messages, include_images=False))
        more = joined(*(text_of(message) for message in messages if message.role == SYSTEM))
        conversation = [from_message(message) for message in messages if message.role != SYSTEM]
        if conversation and conversation[0]["role"] != USER:  # in a group chat, another agent may have spoken first
            conversation.insert(0, ChatMessage(role="user", content=""))
        decision = self._decide(indexed, conversation, more)
        if isinstance(decision, MapParts):
            for event in self._in_parts(decision, indexed, conversation[-1]["content"], conversation, kwargs):
                if isinstance(event, Answer):
                    yield [_with_sources(Message(ASSISTANT, ""), event)]
            return
        system = decision.instructions if decision else self._instructions(indexed, more)
        loop = self._loop(decision.indexed if decision else indexed, system, kwargs)
        with closing(loop.run(conversation)) as events:
            for event in events:
                if isinstance(event, PartialResponse):
                    yield event.response
        if not loop.response or not indexed.corpus.documents:
            return
        question = next((text_of(message) for message in reversed(messages) if message.role == USER), "")
        quotes = list(check_quotes(loop.text, indexed.corpus, indexed.passages))
        answer = self._answer(question, loop, indexed, [], None, decision, quotes)
        yield [*loop.response[:-1], _with_sources(loop.response[-1], answer, **loop.extra)]

    @property
    def _model(self) -> Capabilities:
        return capabilities(self.llm)

    def _decide(
        self, indexed: IndexedCorpus, conversation: list[ChatMessage], more: str
    ) -> RetrievedPages | MapParts | None:
        """What the model receives if the documents exceed the window; None if they do not, or if that is an error."""
        if self.overflow == "error" or not indexed.corpus.documents:
            return None
        strategy = OverflowStrategy(indexed, overflow=self.overflow, window=self.window, reserve=self.max_tokens)
        whole = measure(indexed.documents, conversation, **self._frame(indexed, more))
        tools = sum(self.tokenizer.counts([rendered_tools(self.functions)]))
        return strategy.decide(whole, conversation, more=more, tools=tools, model=self.model_name)

    def _loop(
        self,
        indexed: IndexedCorpus,
        instructions: str,
        settings: dict[str, Any],
        tools: dict[str, BaseTool] | None = None,
    ) -> ToolLoop:
        return ToolLoop(
            llm=self.llm,
            indexed=indexed,
            tools=self.function_map if tools is None else tools,
            system=instructions,
            window=self.window,
            max_tokens=self.max_tokens,
            settings=settings,
            limits=self.limits,
            approve=self.approve,
        )

    def _frame(self, indexed: IndexedCorpus, more: str) -> dict[str, Any]:
        """The arguments of `build` other than documents and conversation."""
        return {
            "window": self.window,
            "reserve": self.max_tokens,
            "system": self._instructions(indexed, more),
            "functions": self.functions,
        }

    def _instructions(self, indexed: IndexedCorpus, more: str) -> str:
        """The system prompt: longread's instructions if there are documents, then the user's."""
        return joined(self._system if indexed.corpus.documents else "", more)

    def _checked(
        self, events: Generator[Event, None, None], indexed: IndexedCorpus, quotes: list[CheckedQuote]
    ) -> Generator[Event | CitationChecked, None, None]:
        """The events, and each quote of the answer as soon as it is checked. `quotes` contains them at the end."""
        checker = QuoteChecker(indexed.corpus, indexed.passages)
        if self._model.concurrent:  # a model in this process would have to wait for the interpreter
            indexed.prepare()
        with closing(events):
            for event in events:
                yield event
                found: list[CheckedQuote] = []
                if isinstance(event, ToolStart):  # the text before a tool call is not the answer
                    checker = QuoteChecker(indexed.corpus, indexed.passages)
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
        loop: ToolLoop,
        indexed: IndexedCorpus,
        conversation: list[ChatMessage],
        parsed: Any,
        pages: RetrievedPages | None,
        quotes: list[CheckedQuote],
    ) -> Answer:
        # In all documents, even if the model received only some pages: a tool may have shown it others.
        cited, unknown = marks(loop.text, indexed.corpus)
        found = indexed.index.lookup(loop.text, question)
        return Answer(
            question=question,
            text=loop.text,
            citations=(*cited, *found),
            unknown_citations=unknown,
            quotes=tuple(quotes),
            parsed=parsed,
            pages_seen=pages.seen if pages else None,
            notes=pages.notes if pages else (),
            tool_calls=tuple(loop.tool_calls),
            usage=sum_usage(loop.usages, loop.seconds),
            finish_reason=loop.finish_reason,
            history=(*conversation, *loop.turns),
        )


def _with_sources(message: Message, answer: Answer, **extra: Any) -> Message:
    """The last message of an answer, with the pages as its last line, and citations and quotes in `extra`."""
    final = message.model_copy(deep=True)
    final.content = answer.markdown
    final.extra = {
        **extra,
        "citations": [citation.model_dump() for citation in answer.citations],
        "quotes": [quote.model_dump() for quote in answer.quotes],
    }
    return final
