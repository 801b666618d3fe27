"""The cache on disk: content-addressed files of parsed documents, replies of models and the K/V of prompts.

A file is `<root>/<key[:2]>/<key>.<digest><suffix>`, where `digest` is the BLAKE2b of its bytes. So any tool for its
format can read the file, a partial or altered one is detected, and two processes that write the same thing write the
same name. A file is written under a temporary name and then renamed: a kill at any moment leaves the old state or the
new one, and at worst a temporary file that a later `trim` removes.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

from platformdirs import user_cache_path
from pydantic import BaseModel, ValidationError

from .errors import LongreadError

_TEMPORARY = ".tmp-"
_STALE_SECONDS = 3600.0

_Model = TypeVar("_Model", bound=BaseModel)


def cache_dir() -> Path:
    """The folder for data that can be recomputed: `$LONGREAD_CACHE_DIR`, else the platform's user cache folder."""
    override = os.environ.get("LONGREAD_CACHE_DIR")
    try:
        return Path(override).expanduser() if override else user_cache_path("longread", appauthor=False)
    except RuntimeError as error:  # a user in a container, without a home
        raise LongreadError(f"There is no place for a cache ({error}): set LONGREAD_CACHE_DIR.") from error


class Store:
    """A size-limited, least-recently-used key-value store of byte strings.

    Keys are non-empty and made of `[0-9a-z-]`, so that they are file names everywhere.
    """

    def __init__(self, root: Path, *, max_bytes: int, suffix: str = ".bin"):
        self.root = root
        self.max_bytes = max_bytes
        self.suffix = suffix

    def get(self, key: str) -> bytes | None:
        """The bytes stored under `key`, or None. A file that does not match its digest is removed, not returned."""
        for path in self._candidates(key):
            try:
                data = path.read_bytes()
            except OSError:  # evicted by another process meanwhile
                continue
            if _digest(data) == path.name.split(".")[1]:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return data
            with contextlib.suppress(OSError):
                path.unlink()
        return None

    def remove(self, key: str) -> None:
        """Remove what is stored under `key`."""
        for path in self._candidates(key):
            with contextlib.suppress(OSError):
                path.unlink()

    def __contains__(self, key: str) -> bool:
        return next(self._candidates(key), None) is not None

    def put(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, replacing what was there. Then evict least recently used files down to the limit.

        Raises:
            OSError: the disk is full or not writable; the store is unchanged.
        """
        path = self.root / key[:2] / f"{key}.{_digest(data)}{self.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        for other in self._candidates(key):
            if other != path:  # the previous value
                other.unlink(missing_ok=True)
        self.trim()

    def touch(self, keys: Iterable[str]) -> None:
        """Mark `keys` as used now, the last one as the most recently used."""
        now = time.time_ns()
        for order, key in enumerate(keys):
            # The clock of the kernel has a resolution of milliseconds, which would make the order random.
            used = now + 1000 * order
            for path in self._candidates(key):
                with contextlib.suppress(OSError):  # evicted meanwhile
                    os.utime(path, ns=(used, used))

    def trim(self) -> None:
        """Evict least recently used files until the store is within its limit, and remove temporary files left by
        kills."""
        entries: list[tuple[float, int, Path]] = []
        for path in self._files():
            try:
                status = path.stat()
            except OSError:
                continue
            if path.name.startswith(_TEMPORARY):
                if time.time() - status.st_mtime > _STALE_SECONDS:
                    path.unlink(missing_ok=True)
                continue
            entries.append((status.st_mtime, status.st_size, path))
        evict(entries, self.max_bytes)

    def size(self) -> int:
        """The size on disk in bytes."""
        total = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def _candidates(self, key: str) -> Iterator[Path]:
        return iter(sorted((self.root / key[:2]).glob(f"{key}.*{self.suffix}")))

    def _files(self) -> Iterator[Path]:
        return (path for path in self.root.glob("*/*") if path.is_file())


class PydanticCache(Generic[_Model]):
    """Pydantic models of one class, in a folder of the cache.

    Args:
        model: the class. When the meaning of its fields changes, the keys must change too.
        folder: the name of the folder.
        max_bytes: maximum size of all of them; the least recently used are evicted.
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
        """Store a model.

        Raises:
            OSError: the disk is full or not writable.
        """
        self._store.put(key, model.model_dump_json().encode())


def evict(files: Iterable[tuple[float, int, Path]], max_bytes: int) -> None:
    """Remove the least recently used files, until the rest has at most `max_bytes`.

    Args:
        files: (last use, bytes, path) of each.
    """
    files = sorted(files, key=lambda file: file[0])
    excess = sum(size for _, size, _ in files) - max_bytes
    for _, size, path in files:
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()
