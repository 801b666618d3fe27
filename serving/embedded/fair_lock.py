"""A lock for answers that are generators, which may be abandoned at any point."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

IDLE_SECONDS = 5.0


class FairLock:
    """A lock with one holder at a time, which a holder that stops stepping loses.

    An answer is a generator: nobody can know whether it will be resumed, or from which thread. So the holder acquires
    the lock for each step, and keeps it between steps. Others wait until the holder releases it, or has not stepped for
    `IDLE_SECONDS` and counts as abandoned. If it steps again after all, it learns that it has lost the lock.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._stepping = False
        self._since = 0.0

    @contextmanager
    def step(self, me: object) -> Iterator[bool]:
        """Acquire the lock for one step. Yields whether another holder may have used it since the last step of `me`."""
        with self._changed:
            while self._holder is not None and self._holder is not me:
                idle = 0.0 if self._stepping else time.monotonic() - self._since
                if idle >= IDLE_SECONDS:
                    break
                self._changed.wait(IDLE_SECONDS - idle)
            fresh = self._holder is not me
            self._holder, self._stepping = me, True
        try:
            yield fresh
        finally:
            with self._changed:
                self._stepping, self._since = False, time.monotonic()
                self._changed.notify_all()

    def leave(self, me: object) -> None:
        """Release the lock, if `me` holds it."""
        with self._changed:
            if self._holder is me:
                self._holder = None
                self._changed.notify_all()
