"""The CPU time of a parser process, by which a slow parser is told from a busy machine."""

from typing import NamedTuple

import psutil

_GONE = (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess)
_AT_WORK = (psutil.STATUS_RUNNING, psutil.STATUS_DISK_SLEEP)


class Effort(NamedTuple):
    """What a process has done, with the programs that it runs."""

    seconds: float
    """CPU time, of ended children too."""
    at_work: bool
    """Whether one of them is running, or would be if the machine were not busy, or waits for a disk."""


def effort(pid: int) -> Effort:
    """The effort of a process so far; none if it is gone."""
    seconds, at_work = 0.0, False
    try:
        processes = [psutil.Process(pid)]
        processes += processes[0].children(recursive=True)
    except _GONE:
        return Effort(0.0, at_work=False)
    for process in processes:
        try:
            times = process.cpu_times()
            seconds += times.user + times.system
            if process is processes[0]:
                seconds += times.children_user + times.children_system
            at_work = at_work or process.status() in _AT_WORK
        except _GONE:
            continue
    return Effort(seconds, at_work)
