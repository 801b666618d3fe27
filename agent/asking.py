"""Asking without blocking the event loop."""

import asyncio
import copy
import threading
from abc import abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import Any

from qwen_agent.llm.base import BaseChatModel

from .answer import Answer, ReaderEvent
from .llm.stoppable import Stoppable, Stopped


class AsyncAsking:
    """`aask` and `astream`, for what has a `stream` and asks a model."""

    llm: BaseChatModel

    @abstractmethod
    def stream(self, question: str, **kwargs: Any) -> Generator[ReaderEvent, None, None]:
        """The events of one answer, the `Answer` last."""

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

        Each question has a thread of its own, so any number can be asked at once.
        """
        loop = asyncio.get_running_loop()
        inbox: asyncio.Queue[ReaderEvent | BaseException | None] = asyncio.Queue()
        ended = loop.create_future()
        stop = threading.Event()
        reader = copy.copy(self)
        reader.llm = Stoppable(self.llm, stop)  # type: ignore[assignment]

        def work() -> None:
            last: BaseException | None = None
            try:
                with closing(reader.stream(question, **kwargs)) as events:
                    for event in events:
                        if stop.is_set():
                            break
                        loop.call_soon_threadsafe(inbox.put_nowait, event)
            except Stopped:
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
