"""Waiting for what another thread or process does."""

import time
from collections.abc import Callable

PATIENCE = 300.0
"""Seconds that a test waits for what takes a moment on an idle machine."""


def wait_until(condition: Callable[[], object]) -> None:
    """Return when `condition()` is true. Fails after `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.02)
