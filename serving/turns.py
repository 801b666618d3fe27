"""Whose turn it is to use an engine."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

IDLE_SECONDS = 5.0


class Turns:
    """One holder at a time, for as long as it keeps going.

    An answer is a generator: nobody can know whether it will be resumed, or from which thread. So the holder takes
    the turn for each step, and keeps it between steps. Another one waits, until the holder leaves, or has not moved
    for `IDLE_SECONDS` and is taken to be forgotten. Should it move again after all, it is told that it lost its turn.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._stepping = False
        self._since = 0.0

    @contextmanager
    def step(self, me: object) -> Iterator[bool]:
        """Wait for the turn, and hold it. Yields whether somebody else may have been here since `me` stepped last."""
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
        """Give the turn up, if `me` has it."""
        with self._changed:
            if self._holder is me:
                self._holder = None
                self._changed.notify_all()
