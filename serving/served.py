"""The servers that were started from here: what is known of each, kept in a file a server."""

import contextlib
import os
import signal
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ServerError
from .store import cache_dir

_STOP_SECONDS = 30.0
_CLOCK = 1.0  # how far apart two readings of when a process began may be


class Served(BaseModel):
    """A server, running or not."""

    model_config = ConfigDict(frozen=True)

    model: str
    """As it is asked for."""
    pid: int
    began: float
    """When the process did: a pid alone may have become another's."""
    url: str
    window: int
    log: Path
    kv_tokens: int | None = None
    """What its K/V cache holds, once it is up."""

    @property
    def process(self) -> psutil.Process | None:
        """The process, if it lives."""
        return living(self.pid, self.began)

    def memory(self) -> int:
        """Bytes of main memory that its processes hold."""
        process, total = self.process, 0
        for member in [] if process is None else [process, *_children(process)]:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
        return total


def living(pid: int, began: float) -> psutil.Process | None:
    """The process of this id that began then (seconds since the epoch), if it lives."""
    try:
        process = psutil.Process(pid)
        if abs(process.create_time() - began) < _CLOCK and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except psutil.Error:
        pass
    return None


def folder() -> Path:
    return cache_dir() / "servers"


def path_of(model: str, suffix: str) -> Path:
    """The file of a model's server: its state (.json), its log (.log) or its lock (.lock)."""
    name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in model)
    return folder() / f"{name}{suffix}"


def record(served: Served) -> None:
    """Remember a server."""
    path = path_of(served.model, ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(served.model_dump_json(indent=2), encoding="utf-8")
    temporary.replace(path)


def forget(model: str) -> None:
    path_of(model, ".json").unlink(missing_ok=True)


def running() -> list[Served]:
    """The servers that live, the latest first; those that do not are forgotten."""
    found = []
    for path in folder().glob("*.json"):
        try:
            served = Served.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            served = None
        if served is None or served.process is None:
            path.unlink(missing_ok=True)
        else:
            found.append(served)
    return sorted(found, key=lambda served: -served.began)


def find(model: str | None) -> Served | None:
    """The server of a model, or the only one for None.

    Raises:
        ServerError: None is asked for, and there are several.
    """
    servers = running()
    if model is not None:
        return next((served for served in servers if served.model == model), None)
    if len(servers) > 1:
        names = ", ".join(served.model for served in servers)
        raise ServerError(f"{len(servers)} servers are running: choose one of {names}.")
    return servers[0] if servers else None


def stop(served: Served) -> None:
    """End a server and all its processes, gently first."""
    process = served.process
    if process is not None:
        family = [process, *_children(process)]
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
        _, alive = psutil.wait_procs(family, timeout=_STOP_SECONDS)
        for member in alive:
            with contextlib.suppress(psutil.Error):
                member.kill()
        psutil.wait_procs(alive, timeout=5)
    forget(served.model)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
