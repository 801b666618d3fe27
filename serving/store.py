"""Content-addressed files on disk: parsed documents, token counts and prefix K/V all live in one of these.

A file is `<root>/<key[:2]>/<key>.<digest><suffix>`, where `digest` is the BLAKE2b of its bytes. So the file stays
readable by any tool of its format, a torn or altered one is recognised, and two processes that write the same thing
write the same name. A write goes to a temporary file and is renamed into place: a kill at any moment leaves either the
old state or the new one, and at worst a temporary file that a later `trim` removes.
"""

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from platformdirs import user_cache_path

from .errors import LongreadError

_TEMPORARY = ".tmp-"
_STALE_SECONDS = 3600.0


def cache_dir() -> Path:
    """Where longread keeps what it can make again: `$LONGREAD_CACHE_DIR`, else the platform's user cache folder."""
    override = os.environ.get("LONGREAD_CACHE_DIR")
    try:
        return Path(override).expanduser() if override else user_cache_path("longread", appauthor=False)
    except RuntimeError as error:  # a container's user
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
        """The bytes under `key`, or None. A file whose bytes do not match its digest is removed, not returned."""
        for path in self._candidates(key):
            try:
                data = path.read_bytes()
            except OSError:  # evicted by another process between the listing and the read
                continue
            if _digest(data) == path.name.split(".")[1]:
                with contextlib.suppress(OSError):
                    os.utime(path)
                return data
            with contextlib.suppress(OSError):
                path.unlink()
        return None

    def remove(self, key: str) -> None:
        """Forget what is under `key`."""
        for path in self._candidates(key):
            with contextlib.suppress(OSError):
                path.unlink()

    def __contains__(self, key: str) -> bool:
        return next(self._candidates(key), None) is not None

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`, in place of what was there; then evict the least recently used down to the limit.

        Raises:
            OSError: the disk is full or not writable; the store is as it was.
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
            if other != path:  # what the key meant before
                other.unlink(missing_ok=True)
        self.trim()

    def touch(self, keys: Iterable[str]) -> None:
        """Count `keys` as used just now, the last of them as the most recently used."""
        now = time.time_ns()
        for order, key in enumerate(keys):
            # The kernel's own "now" stands still for milliseconds, and would leave the order to chance.
            used = now + 1000 * order
            for path in self._candidates(key):
                with contextlib.suppress(OSError):  # evicted meanwhile
                    os.utime(path, ns=(used, used))

    def trim(self) -> None:
        """Evict least recently used files until the store is within its limit; remove temporary files left by kills."""
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
        """Bytes on disk now."""
        total = 0
        for path in self._files():
            with contextlib.suppress(OSError):
                total += path.stat().st_size
        return total

    def _candidates(self, key: str) -> Iterator[Path]:
        return iter(sorted((self.root / key[:2]).glob(f"{key}.*{self.suffix}")))

    def _files(self) -> Iterator[Path]:
        return (path for path in self.root.glob("*/*") if path.is_file())


def evict(files: Iterable[tuple[float, int, Path]], max_bytes: int) -> None:
    """Remove those that were not used for longest, until the others have no more than `max_bytes`.

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
