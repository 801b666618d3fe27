"""Pydantic models on disk, each under a key that says everything it depends on."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from ..serving.store import Store, cache_dir

_Model = TypeVar("_Model", bound=BaseModel)


class KeptModels(Generic[_Model]):
    """Models of one class, in a folder of the cache.

    Args:
        model: the class. When what its fields mean changes, the keys must change, too.
        folder: its name.
        max_bytes: that all of them may take; what was used longest ago goes first.
    """

    def __init__(self, model: type[_Model], folder: str, *, max_bytes: int):
        self._model = model
        self._store = Store(cache_dir() / folder, max_bytes=max_bytes, suffix=".json")

    def get(self, key: str) -> _Model | None:
        data = self._store.get(key)
        try:
            return self._model.model_validate_json(data) if data is not None else None
        except ValidationError:  # written by a version whose author forgot to change the keys
            return None

    def put(self, key: str, model: _Model) -> None:
        """Raises OSError where the disk is full or not writable."""
        self._store.put(key, model.model_dump_json().encode())
