"""The pool of parser processes, which are started, monitored, and replaced when they crash, hang or run out of memory.

They are plain subprocesses that run a module. `multiprocessing` would run the user's script again, and could not be
used from a notebook or a thread of a server.
"""

import collections
import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing import spawn
from typing import IO

from longread.errors import LongreadError

from .cpu_time import Effort, effort
from .protocol import Decoder, Message, send
from .worker import Job

_START = 60.0
"""Seconds within which a process must start."""
_PATIENCE = 20.0
"""Times its limit that a silent process may take on a busy machine."""
_IDLE = 0.05
"""Fraction of a time in which a process that waits for something was at work, up to which it counts as idle."""
_LOOK = 0.1
"""Minimum time in seconds until a silent process is looked at again."""
_LEAVE = 2.0
"""Seconds that an idle process has to exit before it is killed."""
_PIPE = 1 << 16
"""Bytes to read from a process at a time."""
# One thread per process: there is one process per core, and thread stacks and arenas count towards the memory limit.
_SINGLE = dict.fromkeys(("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Failure:
    """A process that was lost during a job."""

    kind: str
    """'crash' or 'hang'."""
    text: str
    page: int | None
    """The index of the page that it was parsing; None: it was opening the file."""
    last: int
    """The end of the page range of its job."""


class _Worker:
    """One parser process, as seen from this process."""

    def __init__(self, memory: int):
        self.log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(
            # -P: the current folder may contain a json.py.
            [spawn.get_executable(), "-P", "-m", "longread.agent.corpus.parsing.worker", str(memory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env={**os.environ, **_SINGLE},
            process_group=0,  # Ctrl-C in a terminal only reaches this process, which ends the others
            bufsize=0,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self.decoder = Decoder()
        self.ready = False
        self.job: Job | None = None
        self.open = ""
        """The file of its last job."""
        self.page: int | None = None
        self.last = 0
        self.heard = time.monotonic()
        self.due = 0.0
        """When to look whether it hangs, if nothing is heard of it until then; 0 for one limit after `heard`."""
        self.effort = Effort(0.0, at_work=False)
        """When it got its job."""
        self.looked: tuple[float, Effort] | None = None
        """The latest look since `heard`."""

    def hear(self) -> None:
        self.heard, self.due, self.looked = time.monotonic(), 0.0, None

    def give(self, job: Job) -> None:
        self.job, self.page, self.open = job, None, job.sha256
        self.hear()
        self.effort = effort(self.process.pid)
        try:
            send(self.input.fileno(), asdict(job))
        except BrokenPipeError:
            return  # it has crashed, which the end of its output will show

    def take(self, message: Message) -> None:
        """Track the progress of the job."""
        if "opened" in message:
            assert self.job is not None
            self.page, self.last = self.job.first, message["last"]
        elif "page" in message:
            self.page = message["page"] + 1
        elif "ready" in message:
            self.ready = True
        elif "attached" not in message:
            self.job = None

    def last_words(self) -> str:
        """The last line that the process wrote to standard error."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def leave(self) -> None:
        self.input.close()

    def end(self, patience: float = 0.0) -> int:
        """Wait for the process to end, or kill it; returns its exit status."""
        self.input.close()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
        status = self.process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)  # programs that it has started
        self.output.close()
        self.log.close()
        return status


class Pool:
    """Runs jobs in up to `size` processes. A context manager: no process outlives it."""

    def __init__(self, size: int, *, memory: int, timeout: float):
        self.size = size
        self._memory = memory
        self._timeout = timeout
        self._queue: collections.deque[Job] = collections.deque()
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self._workers:
            worker.leave()
        deadline = time.monotonic() + (_LEAVE if exception[0] is None else 0.0)
        for worker in self._workers:
            worker.end(max(0.0, deadline - time.monotonic()))
        self._workers.clear()
        self._selector.close()

    def start(self, count: int) -> None:
        """Start processes before there are jobs for them."""
        for _ in range(min(count, self.size) - len(self._workers)):
            worker = _Worker(self._memory)
            self._workers.append(worker)
            self._selector.register(worker.output, selectors.EVENT_READ, worker)

    def submit(self, *jobs: Job, first: bool = False) -> None:
        """Queue jobs; with `first`, before those already waiting."""
        if first:
            self._queue.extendleft(reversed(jobs))
        else:
            self._queue.extend(jobs)

    def drop(self, sha256: str) -> int:
        """Remove the waiting jobs of a file; returns their number."""
        before = len(self._queue)
        self._queue = collections.deque(job for job in self._queue if job.sha256 != sha256)
        return before - len(self._queue)

    def run(self) -> Iterator[tuple[Job, Message | Failure | None]]:
        """Run all jobs, including those submitted meanwhile.

        Yields (job, None) when a process starts it, then (job, message) for each message of `worker.py`. The last one
        for a job is a message with "done", one with "failed" and no "page", or a `Failure` if the process was lost.
        """
        while True:
            idle = [worker for worker in self._workers if worker.job is None]
            while self._queue:
                if not idle:
                    if len(self._workers) >= self.size:
                        break
                    self.start(len(self._workers) + 1)
                    idle = self._workers[-1:]
                opened = (worker for worker in idle if worker.open == self._queue[0].sha256)
                worker = next(opened, idle[-1])
                idle.remove(worker)
                job = self._next(worker)
                worker.give(job)
                yield job, None
            busy = [worker for worker in self._workers if worker.job is not None]
            if not busy:
                return
            yield from self._wait(busy)

    def _wait(self, busy: list[_Worker]) -> Iterator[tuple[Job, Message | Failure]]:
        due = min(self._due(worker) for worker in busy)
        heard: list[_Worker] = [key.data for key, _ in self._selector.select(max(0.0, due - time.monotonic()))]
        for worker in heard:
            data = os.read(worker.output.fileno(), _PIPE)
            if not data:
                yield from self._lost(worker, "crash")
                continue
            worker.hear()
            for message in worker.decoder.feed(data):
                job = worker.job
                worker.take(message)
                if job is not None and "ready" not in message:
                    yield job, message
        now = time.monotonic()
        for worker in busy:
            late = worker.job is not None and now > self._due(worker)
            # Not while there is something to read: then this process was slow, not the parser.
            if late and worker not in heard and not self._has_output(worker) and self._hangs(worker, now):
                yield from self._lost(worker, "hang")

    def _due(self, worker: _Worker) -> float:
        return worker.due or worker.heard + self._limit(worker)

    def _hangs(self, worker: _Worker, now: float) -> bool:
        """Whether a process that has been silent for its limit has had its share of the machine.

        It has if it used that much CPU time, or if it does nothing: it waits, and has waited since the last look. Else
        the machine is busy, and it gets the time that it lacks, up to `_PATIENCE` times its limit.
        """
        limit = self._limit(worker)
        now_done = effort(worker.process.pid)
        used = now_done.seconds - worker.effort.seconds
        if used >= limit or now > worker.heard + _PATIENCE * limit:
            return True
        since, before = worker.looked or (worker.heard, worker.effort)
        if not now_done.at_work and now_done.seconds - before.seconds <= _IDLE * (now - since):
            return True
        worker.looked = now, now_done
        worker.due = now + max(min(limit - used, limit / 2), _LOOK)
        return False

    def _next(self, worker: _Worker) -> Job:
        """The job that has waited longest, preferring the file that the process has open."""
        job = next((job for job in self._queue if job.sha256 == worker.open), self._queue[0])
        self._queue.remove(job)
        return job

    def _limit(self, worker: _Worker) -> float:
        return self._timeout if worker.ready else _START

    def _has_output(self, worker: _Worker) -> bool:
        return any(key.data is worker for key, _ in self._selector.select(0))

    def _lost(self, worker: _Worker, kind: str) -> Iterator[tuple[Job, Failure]]:
        self._selector.unregister(worker.output)
        self._workers.remove(worker)
        words = worker.last_words()
        status = worker.end(_LEAVE if kind == "crash" else 0.0)
        if not worker.ready:
            raise LongreadError(f"The parser process could not be started: {words or _status(status)}")
        if kind == "hang":
            text = f"no progress in {self._timeout:g} s; allow more with timeout=… in LoadOptions"
        else:
            text = f"the parser crashed ({_status(status)})"
        if worker.job is not None:
            yield worker.job, Failure(kind, text, worker.page, worker.last)


def _status(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
