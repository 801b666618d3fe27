"""Convert the chunks of a streamed chat completion to Qwen-Agent messages."""

import asyncio
import json
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from qwen_agent.llm.schema import ASSISTANT, FunctionCall, Message

from longread.control_tokens import encodable

_Item = TypeVar("_Item")


def arrivals(
    source: Callable[[], AsyncGenerator[_Item, None]], tick: float
) -> Generator[list[tuple[float, _Item]], None, None]:
    """Run an async iterator in its own thread, and yield what has arrived since the last time.

    The caller gets control every `tick` seconds even if nothing arrives (an empty list), so that a request can be
    abandoned during a long prefill. Closing cancels `source` wherever it waits; its connection is closed when `close`
    returns.

    Yields:
        Non-empty lists of (`time.perf_counter()` of the arrival, item), or an empty one.

    Raises:
        Exception: whatever `source` raised, after everything that arrived before it.
    """
    inbox: queue.SimpleQueue[tuple[float, _Item] | Exception | None] = queue.SimpleQueue()
    runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
    loop = runner.get_loop()

    async def feed() -> None:
        try:
            async with aclosing(source()) as items:
                async for item in items:
                    inbox.put((time.perf_counter(), item))
            inbox.put(None)
        except Exception as error:
            inbox.put(error)

    feeding = feed()

    def run() -> None:
        with suppress(asyncio.CancelledError), runner:
            runner.run(feeding)

    def cancel() -> None:
        for task in asyncio.all_tasks(loop):
            if task.get_coro() is feeding:  # and not those that the runner started to close the loop
                task.cancel()

    thread = threading.Thread(target=run, name="longread-endpoint", daemon=True)
    thread.start()
    try:
        while True:
            batch: list[tuple[float, _Item]] = []
            last: Exception | None = None
            ended = False
            with suppress(queue.Empty):
                entry = inbox.get(timeout=tick)
                while isinstance(entry, tuple):
                    batch.append(entry)
                    entry = inbox.get_nowait()
                last, ended = entry, True
            if batch or not ended:
                yield batch
            if last is not None:
                raise last
            if ended:
                return
    finally:
        with suppress(RuntimeError):  # the loop is closed: nothing is left to cancel
            loop.call_soon_threadsafe(cancel)
        thread.join()


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass
class StreamedReply:
    """What has arrived of a reply. Chunks are `openai` models, whose fields are as the server sent them, unchecked."""

    text: str = ""
    reasoning: str = ""
    calls: dict[Any, _Call] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Any = None

    def add(self, chunk: Any) -> bool:
        """Add a chunk; returns whether it contains part of the answer.

        Raises:
            ValueError: it is not a chunk of a chat completion.
        """
        try:
            return self._add(chunk)
        except (AttributeError, KeyError, TypeError) as error:
            raise ValueError(f"{type(error).__name__}: {error}, in a chunk") from error

    def _add(self, chunk: Any) -> bool:
        self.usage = getattr(chunk, "usage", None) or self.usage
        if not chunk.choices:
            return False
        choice = chunk.choices[0]
        self.finish_reason = str(choice.finish_reason or "") or self.finish_reason
        delta = choice.delta
        text = _text(getattr(delta, "content", None) or getattr(delta, "refusal", None))
        reasoning = _text(getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None))
        calls = getattr(delta, "tool_calls", None) or []
        self.text += text
        self.reasoning += reasoning
        for call in calls:
            self._add_call(call)
        return bool(text or reasoning or calls)

    def _add_call(self, delta: Any) -> None:
        call_id, index = getattr(delta, "id", None), getattr(delta, "index", None)
        key = index if index is not None else (call_id or next(reversed(self.calls), 0))
        if call_id and key in self.calls and self.calls[key].id not in ("", call_id):
            key = call_id  # some servers number every call 0
        call = self.calls.setdefault(key, _Call())
        call.id = call_id or call.id
        function = getattr(delta, "function", None)
        name, arguments = getattr(function, "name", None), getattr(function, "arguments", None)
        if name and name != call.name:  # some servers repeat the name in every chunk
            call.name += name
        if isinstance(arguments, str):
            call.arguments += arguments
        elif arguments is not None:
            call.arguments = json.dumps(arguments, ensure_ascii=False)

    def messages(self, **extra: Any) -> list[Message]:
        """The reply as Qwen-Agent's messages: text and reasoning, then one message per tool call. `extra` is in the
        first."""
        messages = []
        if self.text or self.reasoning or not self.calls:
            messages.append(Message(ASSISTANT, self.text, reasoning_content=self.reasoning or None))
        for number, call in enumerate(self.calls.values()):
            function = FunctionCall(call.name, _arguments(call.arguments))
            call_id = call.id or f"call_{number}"
            messages.append(Message(ASSISTANT, "", function_call=function, extra={"function_id": call_id}))
        if extra:
            messages[0].extra = {**(messages[0].extra or {}), **extra}
        return messages

    @property
    def characters(self) -> int:
        return len(self.text) + len(self.reasoning) + sum(len(call.arguments) for call in self.calls.values())


def _arguments(text: str) -> str:
    """The arguments of a call as they arrived; an object that was encoded twice is decoded once.

    Arguments that are not an object are rejected by the tool, which knows its parameters, with a message for the model.
    """
    with suppress(ValueError):
        inner = json.loads(text) if text.startswith('"') else None
        if isinstance(inner, str) and isinstance(json.loads(inner), dict):
            return inner
    return text or "{}"


def _text(content: Any) -> str:
    """The text, or the joined texts of a list of parts; unpaired surrogates, which cannot be encoded, are replaced."""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type") == "text")
    return encodable(content or "")
