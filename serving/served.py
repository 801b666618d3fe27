"""The servers that were started from here: what is known of each, kept in a file a server."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from . import server_log
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

    @property
    def family(self) -> list[psutil.Process]:
        """Its processes that live: also those that the first one left behind, if that was killed."""
        if (process := self.process) is not None:
            return [process, *_children(process)]
        if _another_has(self.pid, self.began):  # a number is not given again while its session has anyone
            return []
        return [member for member in psutil.process_iter() if _session(member) == self.pid and not _dead(member)]

    def memory(self) -> int:
        """Bytes of main memory that its processes hold."""
        total = 0
        for member in self.family:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
        return total

    def ending(self) -> str:
        """Why it ended, by its log."""
        lines = self.lines()
        return "its log is gone" if lines is None else server_log.ending(lines).text.rstrip(".")

    def lines(self) -> list[str] | None:
        """Of its log; None where that is gone."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None


def living(pid: int, began: float) -> psutil.Process | None:
    """The process of this id that began then (seconds since the epoch), if it lives."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return None
    return None if _another_has(pid, began) or _dead(process) else process


def _another_has(pid: int, began: float) -> bool:
    """Whether the process of this id began at another time."""
    try:
        return abs(psutil.Process(pid).create_time() - began) >= _CLOCK
    except psutil.Error:
        return False


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
    """The servers that live, the latest first."""
    return [_come_up(served) for served in _recorded() if served.process is not None]


def ended(model: str | None = None) -> list[Served]:
    """The servers, of a model if one is named, that came to their end without having been stopped, the latest first."""
    return [served for served in _recorded() if model in (None, served.model) and served.process is None]


def _come_up(served: Served) -> Served:
    """With what its log says, if whoever started it did not wait until it was up."""
    if served.kv_tokens is not None:
        return served
    lines = served.lines() or []
    if not any(server_log.stage(line) == "ready" for line in lines):
        return served
    return served.model_copy(update={"kv_tokens": next(filter(None, map(server_log.kv_tokens, lines)), None)})


def _recorded() -> list[Served]:
    found = []
    for path in folder().glob("*.json"):
        try:
            found.append(Served.model_validate_json(path.read_text(encoding="utf-8")))
        except (OSError, ValidationError):
            path.unlink(missing_ok=True)
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
    """End a server and all its processes, gently first, and forget it."""
    family = served.family
    gentle = [served.process] if served.process else family
    for member in gentle:
        with contextlib.suppress(psutil.Error):
            member.send_signal(signal.SIGTERM)
    alive = _wait(family, _STOP_SECONDS)
    for member in alive:
        with contextlib.suppress(psutil.Error):
            member.kill()
    _wait(alive, 5)
    forget(served.model)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Those that are still alive then. In a container, nobody may ever collect the dead that are not our children."""
    deadline = time.monotonic() + seconds
    while processes and time.monotonic() < deadline:
        _, alive = psutil.wait_procs(processes, timeout=0.2)
        processes = [process for process in alive if not _dead(process)]
    return processes


def _session(process: psutil.Process) -> int | None:
    """The session that a process belongs to, by the number of the process that began it."""
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def _dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
