"""Answers to parts on disk, so that a run that was interrupted goes on where it was."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ...serving.store import Store, cache_dir
from ..prompt import ChatMessage
from .events import Reply

_REVISION = 1
"""Of `Reply`, and of what `key_of` takes in."""
_MAX_BYTES = 256 << 20


class KeptReplies:
    """Under the hash of the whole prompt, the model's name and its settings: anything that could change the answer."""

    def __init__(self) -> None:
        self._store = Store(cache_dir() / "windows", max_bytes=_MAX_BYTES, suffix=".json")

    def get(self, key: str) -> Reply | None:
        data = self._store.get(key)
        try:
            return Reply.model_validate_json(data) if data is not None else None
        except ValidationError:  # written by a version whose author forgot to count up `_REVISION`
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Raises OSError where the disk is full or not writable."""
        self._store.put(key, reply.model_dump_json().encode())


def key_of(messages: Sequence[ChatMessage], *, model: str, settings: Mapping[str, Any]) -> str:
    """The key of what a model answers to these messages with these settings.

    Raises:
        TypeError: a setting that JSON has no form for.
    """
    digest = hashlib.blake2b(digest_size=24)
    for part in _parts(messages, model, settings):
        data = part.encode()
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _parts(messages: Sequence[ChatMessage], model: str, settings: Mapping[str, Any]) -> Iterator[str]:
    yield json.dumps([_REVISION, model, dict(settings)], sort_keys=True)
    for message in messages:
        yield message["role"]
        yield message["content"]
