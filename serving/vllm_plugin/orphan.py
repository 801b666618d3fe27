"""A worker whose engine is gone ends, whatever it waits for."""

import os
import threading
import time

_LOOK = 0.5
"""Seconds between two looks at who the parent is."""


def end_with_parent(grace: float = 10.0) -> None:
    """Have this process end when its parent does, by itself or within so many seconds.

    vLLM's workers see their engine end, and leave when they ask for the next step. One that waits for what another
    stage was to send would wait, busily, for ever, with the memory of its device.
    """
    threading.Thread(target=_watch, args=(os.getppid(), grace), name="longread-orphan", daemon=True).start()


def _watch(parent: int, grace: float) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    time.sleep(grace)
    os._exit(1)
