"""Answers to parts on disk, so that a run that was interrupted goes on where it was."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..kept_models import KeptModels
from ..prompt import ChatMessage
from .events import Reply

_REVISION = 1
"""Of `Reply`, and of what `key_of` takes in."""
_MAX_BYTES = 256 << 20


class KeptReplies(KeptModels[Reply]):
    """Under the hash of the whole prompt, the model's name and its settings: anything that could change the answer."""

    def __init__(self) -> None:
        super().__init__(Reply, "windows", max_bytes=_MAX_BYTES)


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
