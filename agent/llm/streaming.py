"""From the chunks of a streamed chat completion to Qwen-Agent messages."""

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

from ..control import encodable

_Item = TypeVar("_Item")


def arrivals(
    source: Callable[[], AsyncGenerator[_Item, None]], tick: float
) -> Generator[list[tuple[float, _Item]], None, None]:
    """Run an async iterator in a thread of its own and yield what has come since the last time.

    The caller gets control back every `tick` seconds even when nothing comes (an empty list), so that a request can be
    given up during a prefill of minutes. Closing cancels `source` wherever it waits; it has let go of its connection
    when `close` returns.

    Yields:
        Non-empty lists of (`time.perf_counter()` of the arrival, item), or an empty one.

    Raises:
        Exception: whatever `source` raised, after everything that came before it.
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
            if task.get_coro() is feeding:  # and not what the runner has begun in order to close the loop
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
class Answer:
    """What has arrived so far. Chunks are `openai` models, whose fields are as the server sent them, unchecked."""

    text: str = ""
    reasoning: str = ""
    calls: dict[Any, _Call] = field(default_factory=dict)
    finish_reason: str | None = None
    usage: Any = None

    def add(self, chunk: Any) -> bool:
        """Take in a chunk. Whether it brought anything of the answer.

        Raises:
            ValueError: it is not what a chunk of a chat completion is.
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
            key = call_id  # some servers number all calls 0
        call = self.calls.setdefault(key, _Call())
        call.id = call_id or call.id
        function = getattr(delta, "function", None)
        name, arguments = getattr(function, "name", None), getattr(function, "arguments", None)
        if name and name != call.name:  # some servers repeat it in every piece
            call.name += name
        if isinstance(arguments, str):
            call.arguments += arguments
        elif arguments is not None:
            call.arguments = json.dumps(arguments, ensure_ascii=False)

    def messages(self, **extra: Any) -> list[Message]:
        """The answer as Qwen-Agent has it, `extra` in the first message: text and reasoning, then a message a call."""
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
    """The arguments of a call as they came; an object that was encoded twice is decoded once.

    What is no object is the tool's to refuse: it knows its parameters, and the model reads what it says.
    """
    with suppress(ValueError):
        inner = json.loads(text) if text.startswith('"') else None
        if isinstance(inner, str) and isinstance(json.loads(inner), dict):
            return inner
    return text or "{}"


def _text(content: Any) -> str:
    """Text, as it is or in a list of parts; half a surrogate pair, which nothing can print or encode, is replaced."""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part.get("type") == "text")
    return encodable(content or "")
