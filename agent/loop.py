"""The loop of model and tools: send a prompt, run the tools that the model calls, and send their results."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import FUNCTION, Message
from qwen_agent.tools import BaseTool

from longread.events import Delta, Prefill, Usage, Waiting

from .events import Note, ToolEnd, ToolStart
from .indexed_corpus import IndexedCorpus
from .llm.protocol import capabilities
from .llm.server_errors import ToolsRefused
from .prompt.build import Prompt, build, measure
from .prompt.messages import ChatMessage
from .qwen_messages import as_message, as_turn, text_in
from .tool_calls import Approve, LoopLimits, ToolRunner


@dataclass(frozen=True)
class PartialResponse:
    """What the model has written so far."""

    response: list[Message]
    """Everything since the question: the messages of earlier requests, tool results, and `output`."""
    output: list[Message]
    """The messages of the current request, as far as they have arrived."""

    @property
    def extra(self) -> dict[str, Any]:
        """What the chat model reports beside its messages: see `longread.agent.llm.protocol`."""
        return {name: value for message in self.output for name, value in (message.extra or {}).items()}


Step = PartialResponse | ToolStart | ToolEnd | Usage | Note


@dataclass
class ToolLoop:
    """Makes one answer. The attributes are up to date even if the loop is stopped early."""

    llm: BaseChatModel
    indexed: IndexedCorpus
    tools: Mapping[str, BaseTool]
    system: str
    window: int | None
    max_tokens: int
    settings: dict[str, Any]
    """Sampling settings."""
    limits: LoopLimits
    approve: Approve | None

    response: list[Message] = field(default_factory=list)
    """All messages since the question."""
    usages: list[Usage] = field(default_factory=list)
    tool_calls: list[ToolEnd] = field(default_factory=list)
    finish_reason: str | None = None
    text: str = ""
    """The text of the latest request."""
    extra: dict[str, Any] = field(default_factory=dict)
    """What the chat model reported beside the latest request's messages."""
    _conversation: list[ChatMessage] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    @property
    def turns(self) -> list[ChatMessage]:
        """The response as turns of the conversation."""
        return [as_turn(message) for message in self.response]

    @property
    def seconds(self) -> float:
        """Time since the question."""
        return time.monotonic() - self._started

    def run(self, conversation: Sequence[ChatMessage]) -> Generator[Step, None, None]:
        """Answer the last message of a conversation.

        Raises:
            LongreadError: the prompt does not fit, or the model failed.
        """
        self._conversation = list(conversation)
        runner = ToolRunner(self.tools, approve=self.approve, files=[d.source for d in self.indexed.corpus.documents])
        for step in range(1, self.limits.steps + 1):
            last = not self.tools or self._at_limit(step)
            output = yield from self.request(self._prompt(), may_call=not last)
            calls = _calls(output, step)
            if not calls:
                self.response += output
                return
            if last:
                self.response += [message for message in output if not message.function_call]
                self.finish_reason = "limit"
                yield Note(text=f"The model wanted to call {calls[0].name}, and may call no more tools.")
                return
            # Some servers number their calls from 0 in each answer: with ids of our own they stay apart.
            for message, call in zip((m for m in output if m.function_call), calls, strict=True):
                message.extra = {**(message.extra or {}), "function_id": call.id}
            self.response += output
            ends = yield from runner.run(calls, self._messages(), seconds=self._tool_seconds())
            self.tool_calls += ends
            self.response += self._fitting(ends)
            yield PartialResponse(self.response, [])

    def again(self, complaint: str) -> Generator[Step, None, None]:
        """Request the answer once more, after a message that says what is wrong with it. Tools are not called."""
        self._conversation += [*self.turns, ChatMessage(role="user", content=complaint)]
        self.response = []
        output = yield from self.request(self._prompt(), may_call=False)
        self.response += [message for message in output if not message.function_call]

    def request(self, prompt: Prompt, *, may_call: bool = False) -> Generator[Step, None, list[Message]]:
        """Send a prompt; returns the model's messages. Updates `text`, `extra`, `usages` and `finish_reason`.

        A server that does not accept tools is sent the prompt again, with the tools described in it.

        Raises:
            LongreadError: the model failed.
        """
        partial = PartialResponse(self.response, [])
        for refused in (False, True):
            chat = self.llm.chat(
                messages=list(map(as_message, prompt.messages)),
                functions=self._functions or None,
                extra_generate_cfg=self._settings(may_call=may_call),
            )
            try:
                with closing(chat) as outputs:  # type: ignore[type-var]
                    for output in outputs:
                        _add_prefill(output[-1], prompt)
                        partial = PartialResponse([*self.response, *output], output)
                        yield partial
                break
            except ToolsRefused as error:
                if refused:
                    raise
                yield Note(text=f"{error} They are described in the prompt instead.")
                self.llm.write_tools_into_prompt()  # type: ignore[attr-defined]
        self.text, self.extra = text_in(partial.output), partial.extra
        self.finish_reason = partial.extra.get("finish_reason")
        if usage := partial.extra.get("usage"):
            self.usages.append(Usage(**usage))
            yield self.usages[-1]
        return partial.output

    def _prompt(self) -> Prompt:
        return build(self.indexed.documents, [*self._conversation, *self.turns], **self._frame)

    def _settings(self, *, may_call: bool) -> dict[str, Any]:
        """The `extra_generate_cfg` of a request."""
        settings: dict[str, Any] = {
            "max_input_tokens": -1,  # Qwen-Agent would otherwise truncate the prompt at 58,000 tokens without notice
            "max_tokens": self.max_tokens,
            **self.settings,
        }
        if self.usages or self.response:
            settings.pop("function_choice", None)  # it is for the first request: else the calls would never end
        native = capabilities(self.llm).native_tools
        if self.tools and native and not may_call:
            settings["function_choice"] = "none"
        elif self.tools and not native:
            settings["parallel_function_calls"] = True
        return settings

    def _fitting(self, ends: Sequence[ToolEnd]) -> list[Message]:
        """The results as messages. One that exceeds the rest of the window is replaced by a message that says so."""
        results = [Message(FUNCTION, end.result, name=end.name, extra={"function_id": end.id}) for end in ends]
        while True:
            turns = [*self._conversation, *self.turns, *map(as_turn, results)]
            prompt = measure(self.indexed.documents, turns, **self._frame)
            if prompt.fits:
                return results
            longest = max(results, key=lambda result: len(result.content))
            tokens = sum(self.indexed.documents.tokenizer.counts([str(longest.content)]))
            over = prompt.tokens - (prompt.budget or 0)
            words = (
                f"The result has {tokens:,} tokens and the window has room for {max(0, tokens - over):,} of them. "
                "Nothing of it is shown. Ask for less."
            )
            if len(words) >= len(longest.content):
                return results  # the next request says that the prompt is too long
            longest.content = words

    def _at_limit(self, step: int) -> bool:
        limits = self.limits
        written = sum(usage.output_tokens for usage in self.usages)
        return (
            step == limits.steps
            or (limits.output_tokens is not None and written >= limits.output_tokens)
            or (limits.seconds is not None and self.seconds >= limits.seconds)
        )

    def _tool_seconds(self) -> float:
        """Time that a tool call may take."""
        if self.limits.seconds is None:
            return self.limits.tool_seconds
        return min(self.limits.tool_seconds, max(0.0, self.limits.seconds - self.seconds))

    def _messages(self) -> list[Message]:
        return list(map(as_message, (*self._conversation, *self.turns)))

    @property
    def _frame(self) -> dict[str, Any]:
        """The arguments of `build` other than documents and conversation."""
        return {
            "window": self.window,
            "reserve": self.max_tokens,
            "system": self.system,
            "functions": self._functions,
        }

    @property
    def _functions(self) -> list[dict[str, Any]]:
        return [tool.function for tool in self.tools.values()]


def _add_prefill(message: Message, prompt: Prompt) -> None:
    """Turn the number of tokens that a server has processed into a `Prefill`."""
    if read := (message.extra or {}).get("read"):
        done = min(read, prompt.tokens)
        message.extra = {"prefill": Prefill(done=done, total=prompt.tokens, cached=0).model_dump()}


def _calls(output: Sequence[Message], step: int) -> list[ToolStart]:
    calls = [message.function_call for message in output if message.function_call]
    return [
        ToolStart(id=f"call_{step}_{number}", name=call.name, arguments=call.arguments)
        for number, call in enumerate(calls, 1)
    ]


LoopEvent = Prefill | Waiting | Delta | ToolStart | ToolEnd | Usage | Note


def as_events(steps: Generator[Step, None, Any]) -> Generator[LoopEvent, None, None]:
    """The events of a loop. Cumulative messages become `Delta`s."""
    text = reasoning = ""
    with closing(steps):
        for event in steps:
            if not isinstance(event, PartialResponse):
                if isinstance(event, Usage | ToolEnd):
                    text = reasoning = ""  # the next request starts a new text
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
            written = text_in(event.output)
            if len(written) > len(text):
                yield Delta(text=written[len(text) :])
                text = written
