"""A chat model that another thread can cancel."""

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen_agent.llm.base import BaseChatModel
    from qwen_agent.llm.schema import Message


class Cancelled(Exception):
    """The model was cancelled."""


class CancellableChat:
    """Stands in for a chat model until `stop` is set: then `chat` raises `Cancelled`.

    A reader returns control only when there is an event, which never comes from a server that stops sending in the
    middle of its answer. longread's chat models return control several times a second in any case, and `stop` is
    checked each time.
    """

    def __init__(self, llm: "BaseChatModel", stop: threading.Event):
        self._llm = llm
        self._stop = stop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)

    def chat(self, *arguments: Any, **settings: Any) -> "Iterator[list[Message]]":
        """The model's own `chat`, streamed.

        Raises:
            Cancelled: `stop` was set. The model has been stopped too.
        """
        with closing(self._llm.chat(*arguments, **settings)) as outputs:  # type: ignore[type-var]
            for output in outputs:
                if self._stop.is_set():
                    raise Cancelled
                yield output  # type: ignore[misc]
