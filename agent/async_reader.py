"""The asynchronous interface: questions that do not block the event loop."""

import asyncio
import copy
import threading
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import Any

from qwen_agent.llm.base import BaseChatModel

from .answer import Answer, ReaderEvent
from .llm.cancellable import CancellableChat, Cancelled


class AsyncReaderMixin:
    """Adds `aask` and `astream` to a class with `stream` and `llm`."""

    llm: BaseChatModel

    @abstractmethod
    def stream(self, question: str, **kwargs: Any) -> Generator[ReaderEvent, None, None]:
        """Yield the events of one answer, with the `Answer` at the end."""

    async def aask(
        self, question: str, *, on_event: Callable[[ReaderEvent], None] | None = None, **kwargs: Any
    ) -> Answer:
        """`ask` without blocking the event loop. Cancelling the task stops the model."""
        async with aclosing(self.astream(question, **kwargs)) as events:
            async for event in events:
                if isinstance(event, Answer):
                    return event
                if on_event:
                    on_event(event)
        raise AssertionError("a stream ends with an Answer")

    async def astream(self, question: str, **kwargs: Any) -> AsyncGenerator[ReaderEvent, None]:
        """`stream` without blocking the event loop. Closing the iterator stops the model.

        Each question runs in its own thread, so any number can run at once.
        """
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[ReaderEvent | BaseException | None] = asyncio.Queue()
        ended = loop.create_future()
        stop = threading.Event()
        reader = copy.copy(self)
        reader.llm = CancellableChat(self.llm, stop)  # type: ignore[assignment]

        def work() -> None:
            last: BaseException | None = None
            try:
                with closing(reader.stream(question, **kwargs)) as events:
                    for event in events:
                        if stop.is_set():
                            break
                        loop.call_soon_threadsafe(inbox.put_nowait, event)
            except Cancelled:
                pass
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
