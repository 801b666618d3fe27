"""Small helpers for tests that talk to an engine."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from longread.serving.events import Delta, Finish, ModelEvent, Prefill


def user(text: str) -> list[dict[str, Any]]:
    """A conversation of one message."""
    return [{"role": "user", "content": text}]


def text_of(events: Iterable[ModelEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, Delta))


def prefills_of(events: Iterable[ModelEvent]) -> list[Prefill]:
    return [event for event in events if isinstance(event, Prefill)]


def finish_of(events: list[ModelEvent]) -> Finish:
    """The last event, which is a `Finish`, and the only one."""
    assert [isinstance(event, Finish) for event in events] == [False] * (len(events) - 1) + [True]
    last = events[-1]
    assert isinstance(last, Finish)
    return last


def edit_json(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file; None removes one."""
    values = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))


def passage(words: int) -> str:
    """Text that does not repeat itself: numbered facts."""
    facts = (
        f"Fact {n}: the {n * 7919 % 1000}th stone lies {n * 104729 % 997} paces from the gate.\n" for n in range(words)
    )
    return " ".join("".join(facts).split(" ")[:words])
