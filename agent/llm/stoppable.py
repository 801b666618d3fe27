"""A chat model that another thread can stop."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from qwen_agent.llm.base import BaseChatModel
from qwen_agent.llm.schema import Message


class Stopped(Exception):
    """The model was told to stop."""


class Stoppable:
    """A chat model in whose place it can stand, until `stop` is set: then `chat` ends with `Stopped`.

    A reader gives control back when there is news to tell, which a server that falls silent in the middle of its answer
    never has. Our chat models give control back several times a second, news or not: here the event is looked at.
    """

    def __init__(self, llm: BaseChatModel, stop: threading.Event):
        self._llm = llm
        self._stop = stop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def chat(self, *arguments: Any, **settings: Any) -> Iterator[list[Message]]:
        """As the model's own, streamed.

        Raises:
            Stopped: `stop` was set. The model has been stopped, too.
        """
        with closing(self._llm.chat(*arguments, **settings)) as outputs:  # type: ignore[type-var]
            for output in outputs:
                if self._stop.is_set():
                    raise Stopped
                yield output  # type: ignore[misc]
