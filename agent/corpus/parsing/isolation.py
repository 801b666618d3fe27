"""The start of a process that opens one stranger's file for another process, and then ends."""

import contextlib
import os
import resource
import signal


def isolate(memory: int) -> int:
    """Limit this process, and return the descriptor for its reply.

    Standard output becomes standard error, so that what libraries print does not get into the reply.

    Args:
        memory: maximum address space in bytes.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which then ends this process
    for limit, most in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0)):
        with contextlib.suppress(ValueError, OSError):  # the limit is lower already, or the system has none
            resource.setrlimit(limit, (most, most))
    out = os.dup(1)
    os.dup2(2, 1)
    return out
