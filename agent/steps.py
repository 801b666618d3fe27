"""One answer in steps: the model is asked, the tools that it calls are run, and it is asked again."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import FUNCTION, Message
from qwen_agent.tools import BaseTool

from ..serving.events import Delta, Prefill, Usage, Waiting
from .conversation import ChatMessage
from .events import Note, ToolEnd, ToolStart
from .llm.refusals import ToolsRefused
from .prompt import Prompt, build, measure
from .shelf import Shelf
from .toolbox import Approve, Limits, Toolbox
from .turns import as_message, as_turn, said_in


@dataclass(frozen=True)
class Said:
    """What has been said so far."""

    response: list[Message]
    """Since the question: earlier requests' messages, tools' results, and `output`."""
    output: list[Message]
    """Of the request that is under way, as far as it is there."""

    @property
    def extra(self) -> dict[str, Any]:
        """What the chat model has put beside its messages: `prefill`, `waiting`, `usage`, `finish_reason`."""
        return {name: value for message in self.output for name, value in (message.extra or {}).items()}


Step = Said | ToolStart | ToolEnd | Usage | Note


@dataclass
class Steps:
    """Makes one answer. Its attributes say what has come of it, also when it was stopped in between."""

    llm: BaseChatModel
    shelf: Shelf
    tools: Mapping[str, BaseTool]
    system: str
    window: int | None
    max_tokens: int
    settings: dict[str, Any]
    """Of the sampling."""
    limits: Limits
    approve: Approve | None

    response: list[Message] = field(default_factory=list)
    """All messages since the question."""
    usages: list[Usage] = field(default_factory=list)
    tool_calls: list[ToolEnd] = field(default_factory=list)
    finish_reason: str | None = None
    text: str = ""
    """Of the latest request."""
    extra: dict[str, Any] = field(default_factory=dict)
    """Of the latest request."""
    _conversation: list[ChatMessage] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    @property
    def turns(self) -> list[ChatMessage]:
        """The response as turns of the conversation."""
        return [as_turn(message) for message in self.response]

    @property
    def seconds(self) -> float:
        """Since the question was asked."""
        return time.monotonic() - self._started

    def run(self, conversation: Sequence[ChatMessage]) -> Generator[Step, None, None]:
        """Answer the last message of a conversation.

        Raises:
            LongreadError: the prompt does not fit, or the model failed.
        """
        self._conversation = list(conversation)
        box = Toolbox(self.tools, approve=self.approve, files=[d.source for d in self.shelf.corpus.documents])
        for step in range(1, self.limits.steps + 1):
            last = not self.tools or self._at_limit(step)
            output = yield from self._request(may_call=not last)
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
            ends = yield from box.run(calls, self._messages(), seconds=self._patience())
            self.tool_calls += ends
            self.response += self._fitting(ends)
            yield Said(self.response, [])

    def again(self, complaint: str) -> Generator[Step, None, None]:
        """Ask once more, after what is wrong with the answer; no tools are called."""
        self._conversation += [*self.turns, ChatMessage(role="user", content=complaint)]
        self.response = []
        output = yield from self._request(may_call=False)
        self.response += [message for message in output if not message.function_call]

    def _request(self, *, may_call: bool) -> Generator[Step, None, list[Message]]:
        prompt = build(self.shelf.documents, [*self._conversation, *self.turns], **self._frame)
        return (yield from self.send(prompt, may_call=may_call))

    def send(self, prompt: Prompt, *, may_call: bool = False) -> Generator[Step, None, list[Message]]:
        """Send a prompt; returns the model's messages. `text`, `usages` and `finish_reason` are its as well.

        Raises:
            LongreadError: the model failed.
        """
        said = Said(self.response, [])
        try:
            for said in self._ask(prompt, may_call=may_call):
                yield said
        except ToolsRefused as refused:
            yield Note(text=f"{refused} They are described in the prompt instead.")
            self.llm.write_tools_into_prompt()  # type: ignore[attr-defined]
            for said in self._ask(prompt, may_call=may_call):
                yield said
        self.text, self.extra = said_in(said.output), said.extra
        self.finish_reason = said.extra.get("finish_reason")
        if usage := said.extra.get("usage"):
            self.usages.append(Usage(**usage))
            yield self.usages[-1]
        return said.output

    def _ask(self, prompt: Prompt, *, may_call: bool) -> Generator[Said, None, None]:
        native = getattr(self.llm, "native_tools", False)
        settings: dict[str, Any] = {
            "max_input_tokens": -1,  # Qwen-Agent would otherwise cut the prompt at 58,000 tokens without a word
            "max_tokens": self.max_tokens,
            **self.settings,
        }
        if self.usages or self.response:
            settings.pop("function_choice", None)  # it was for the first request: else the calls would never end
        if self.tools and native and not may_call:
            settings["function_choice"] = "none"
        elif self.tools and not native:
            settings["parallel_function_calls"] = True
        stream = self.llm.chat(
            messages=list(map(as_message, prompt.messages)),
            functions=self._functions or None,
            extra_generate_cfg=settings,
        )
        with closing(stream) as outputs:  # type: ignore[type-var]
            for output in outputs:
                extra = output[-1].extra or {}
                if read := extra.get("read"):  # a server that shows how far it is
                    done = min(read, prompt.tokens)
                    output[-1].extra = {"prefill": Prefill(done=done, total=prompt.tokens, cached=0).model_dump()}
                yield Said([*self.response, *output], output)

    def _fitting(self, ends: Sequence[ToolEnd]) -> list[Message]:
        """The results as messages; one that the window has no room for is replaced by words that say so."""
        results = [Message(FUNCTION, end.result, name=end.name, extra={"function_id": end.id}) for end in ends]
        while True:
            turns = [*self._conversation, *self.turns, *map(as_turn, results)]
            prompt = measure(self.shelf.documents, turns, **self._frame)
            if prompt.fits:
                return results
            longest = max(results, key=lambda result: len(result.content))
            tokens = sum(self.shelf.documents.tokenizer.counts([str(longest.content)]))
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

    def _patience(self) -> float:
        """Seconds that a tool may take."""
        if self.limits.seconds is None:
            return self.limits.tool_seconds
        return min(self.limits.tool_seconds, max(0.0, self.limits.seconds - self.seconds))

    def _messages(self) -> list[Message]:
        return list(map(as_message, (*self._conversation, *self.turns)))

    @property
    def _frame(self) -> dict[str, Any]:
        """What a prompt has around documents and conversation, as `build` takes it."""
        return {
            "window": self.window,
            "reserve": self.max_tokens,
            "system": self.system,
            "functions": self._functions,
        }

    @property
    def _functions(self) -> list[dict[str, Any]]:
        return [tool.function for tool in self.tools.values()]


def _calls(output: Sequence[Message], step: int) -> list[ToolStart]:
    calls = [message.function_call for message in output if message.function_call]
    return [
        ToolStart(id=f"call_{step}_{number}", name=call.name, arguments=call.arguments)
        for number, call in enumerate(calls, 1)
    ]


Told = Prefill | Waiting | Delta | ToolStart | ToolEnd | Usage | Note


def told(steps: Generator[Step, None, Any]) -> Generator[Told, None, None]:
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
            written = said_in(event.output)
            if len(written) > len(text):
                yield Delta(text=written[len(text) :])
                text = written
