"""Ends what a run of tests leaves behind, however the run ended. Started beside pytest, and told how to know it:

    python left_behind.py NAME=VALUE

Servers run in sessions of their own, so that they outlive who started them. One that pytest has not stopped, because it
was interrupted twice, or killed, would be there for good: here everything with that in its environment is ended, and
what that has started, once standard input is at its end, or the parent is another.
"""

import contextlib
import os
import select
import signal
import sys

import psutil

_LOOK, _GRACE, _KILLS = 0.5, 10.0, 3


def marked(name: str, value: str) -> set[psutil.Process]:
    """The processes of the run, but for this one."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it has just ended, or is another user's
            if process.environ().get(name) == value:
                found |= {process, *process.children(recursive=True)}
    return {process for process in found if process.pid != os.getpid()}


def end(name: str, value: str) -> None:
    """Gently first; and again, for what was started meanwhile."""
    for sent in (signal.SIGTERM, *[signal.SIGKILL] * _KILLS):
        left = marked(name, value)
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.send_signal(sent)
        psutil.wait_procs(left, timeout=_GRACE)


def main() -> None:
    name, _, value = sys.argv[1].partition("=")
    parent = os.getppid()
    while os.getppid() == parent and not select.select([sys.stdin], [], [], _LOOK)[0]:
        pass
    end(name, value)


if __name__ == "__main__":
    main()
