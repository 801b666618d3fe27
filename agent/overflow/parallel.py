"""Run tasks in a bounded number of threads, with their reports and results in one stream."""

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Event
from typing import Any, Generic, TypeVar

E = TypeVar("E")
R = TypeVar("R")


class Stopped(Exception):
    """Raised in a task that was stopped."""


@dataclass(frozen=True)
class Done(Generic[R]):
    """The result of a task."""

    index: int
    value: R


def run_parallel(
    tasks: Sequence[Callable[[Callable[[E], None], Event], R]], parallel: int
) -> Generator[E | Done[R], None, None]:
    """Run tasks, started in order, and yield their reports and a `Done` for each as it ends.

    A task is called with a function that takes a report, and an event that is set when the task should raise `Stopped`.
    Closing the generator sets the event and returns when all running tasks have ended; the others are never started.
    After a failure no task is started, running ones may finish, and then the first failure is raised.

    Args:
        parallel: maximum number of tasks at a time.
    """
    queue: SimpleQueue[Any] = SimpleQueue()
    stopped = Event()
    failed = Event()
    failure: BaseException | None = None

    def run(task: Callable[[Callable[[E], None], Event], R]) -> R:
        if stopped.is_set() or failed.is_set():  # set between the end of a task and the cancelling of the others
            raise Stopped
        try:
            return task(queue.put, stopped)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(parallel, thread_name_prefix="overflow") as pool:
        index = {pool.submit(run, task): at for at, task in enumerate(tasks)}
        try:
            for future in index:
                future.add_done_callback(queue.put)
            remaining = len(index)
            while remaining:
                item = queue.get()
                if not isinstance(item, Future):
                    yield item
                    continue
                remaining -= 1
                if item.cancelled() or isinstance(error := item.exception(), Stopped):
                    continue
                if error:
                    failure = failure or error
                    for future in index:
                        future.cancel()
                else:
                    yield Done(index[item], item.result())
        finally:
            stopped.set()
            for future in index:
                future.cancel()
    if failure:
        raise failure
