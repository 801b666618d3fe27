"""Small helpers for tests that talk to an endpoint."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import pytest
from qwen_agent.llm.schema import USER, Message

from longread.agent.llm.endpoint import EndpointChat
from longread.errors import LongreadError, ServerError

Endpoint = Callable[..., EndpointChat]
"""What the fixture `endpoint` is."""
QUESTION = [Message(USER, "Capital of France?")]

_Item = TypeVar("_Item")


def last(answers: Iterable[_Item]) -> _Item:
    *_, answer = answers
    return answer


def failure(model: EndpointChat, messages=QUESTION) -> LongreadError:
    """The error of a question, checked to be one line."""
    with pytest.raises(LongreadError) as caught:
        list(model.chat(messages))
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith((".", "?", ")."))
    return caught.value


def server_error(model: EndpointChat, messages=QUESTION) -> str:
    error = failure(model, messages)
    assert type(error) is ServerError
    return str(error)


class Clock:
    """Takes the place of the endpoint model's clock: time passes when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.now = 1000.0
        for module in ("endpoint", "streaming"):
            monkeypatch.setattr(f"longread.agent.llm.{module}.time", self)

    def perf_counter(self) -> float:
        return self.now
