"""The cache of partial answers on disk, which lets an interrupted run resume."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from longread.cache import PydanticCache

from ..prompt.build import ChatMessage
from .events import Reply

_REVISION = 1
"""Increased when `Reply` or the input of `key_of` changes."""
_MAX_BYTES = 256 << 20


class ReplyCache(PydanticCache[Reply]):
    """Replies by the hash of the prompt, the model's name and its settings: everything that could change the answer."""

    def __init__(self) -> None:
        super().__init__(Reply, "windows", max_bytes=_MAX_BYTES)


def key_of(messages: Sequence[ChatMessage], *, model: str, settings: Mapping[str, Any]) -> str:
    """The cache key of a model's reply to these messages with these settings.

    Raises:
        TypeError: a setting that cannot be written as JSON.
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
