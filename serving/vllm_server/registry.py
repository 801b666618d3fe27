"""The servers that were started on this machine, each recorded in a file."""

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from longread.cache import cache_dir
from longread.errors import ServerError

from . import log

_STOP_SECONDS = 30.0
_CLOCK = 1.0  # seconds by which two readings of a process's start may differ


class RunningServer(BaseModel):
    """A server, running or not."""

    model_config = ConfigDict(frozen=True)

    model: str
    """The name it was started with."""
    pid: int
    began: float
    """Start of the process, in seconds since the epoch: the pid alone may have been reused."""
    url: str
    window: int
    log: Path
    kv_tokens: int | None = None
    """Tokens that its K/V cache holds; None while it starts."""

    @property
    def process(self) -> psutil.Process | None:
        """The process, if it is alive."""
        return live_process(self.pid, self.began)

    @property
    def processes(self) -> list[psutil.Process]:
        """The process and its descendants that are alive, also after the first one was killed."""
        if (process := self.process) is not None:
            return [process, *_children(process)]
        if _is_reused(self.pid, self.began):  # a pid is not reused while a process of its session is alive
            return []
        return [member for member in psutil.process_iter() if _session(member) == self.pid and not _is_dead(member)]

    def memory(self) -> int:
        """Bytes of main memory that its processes take."""
        total = 0
        for member in self.processes:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
        return total

    def exit_reason(self) -> str:
        """Why it exited, according to its log."""
        lines = self.log_lines()
        return "its log is gone" if lines is None else log.exit_cause(lines).text.rstrip(".")

    def log_lines(self) -> list[str] | None:
        """The lines of its log; None if that is gone."""
        try:
            return self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return None


def live_process(pid: int, began: float) -> psutil.Process | None:
    """The process with this id that started at `began` (seconds since the epoch), if it is alive."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return None
    return None if _is_reused(pid, began) or _is_dead(process) else process


def _is_reused(pid: int, began: float) -> bool:
    """Whether the process with this id started at another time."""
    try:
        return abs(psutil.Process(pid).create_time() - began) >= _CLOCK
    except psutil.Error:
        return False


def folder() -> Path:
    return cache_dir() / "servers"


def path_of(model: str, suffix: str) -> Path:
    """The file of a model's server: its record (.json), log (.log) or lock (.lock)."""
    name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in model)
    return folder() / f"{name}{suffix}"


def record(server: RunningServer) -> None:
    """Write the record of a server."""
    path = path_of(server.model, ".json")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}")
    temporary.write_text(server.model_dump_json(indent=2), encoding="utf-8")
    temporary.replace(path)


def forget(model: str) -> None:
    path_of(model, ".json").unlink(missing_ok=True)


def running_servers() -> list[RunningServer]:
    """The servers that are alive, the latest first."""
    return [_with_kv_tokens(server) for server in _records() if server.process is not None]


def exited_servers(model: str | None = None) -> list[RunningServer]:
    """The servers (of a model) that exited without having been stopped, the latest first."""
    return [server for server in _records() if model in (None, server.model) and server.process is None]


def _with_kv_tokens(server: RunningServer) -> RunningServer:
    """Complete the record from the log, if whoever started the server did not wait until it was ready."""
    if server.kv_tokens is not None:
        return server
    lines = server.log_lines() or []
    if not any(log.stage(line) == "ready" for line in lines):
        return server
    return server.model_copy(update={"kv_tokens": next(filter(None, map(log.kv_tokens, lines)), None)})


def _records() -> list[RunningServer]:
    found = []
    for path in folder().glob("*.json"):
        try:
            found.append(RunningServer.model_validate_json(path.read_text(encoding="utf-8")))
        except (OSError, ValidationError):
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda server: -server.began)


def find(model: str | None) -> RunningServer | None:
    """The running server of a model, or for None the only one.

    Raises:
        ServerError: no model is named, and several servers are running.
    """
    servers = running_servers()
    if model is not None:
        return next((server for server in servers if server.model == model), None)
    if len(servers) > 1:
        names = ", ".join(server.model for server in servers)
        raise ServerError(f"{len(servers)} servers are running: choose one of {names}.")
    return servers[0] if servers else None


def stop(server: RunningServer) -> None:
    """Stop a server and all its processes, by SIGTERM and then SIGKILL, and remove its record."""
    processes = server.processes
    for member in [server.process] if server.process else processes:
        with contextlib.suppress(psutil.Error):
            member.send_signal(signal.SIGTERM)
    alive = _wait(processes, _STOP_SECONDS)
    for member in alive:
        with contextlib.suppress(psutil.Error):
            member.kill()
    _wait(alive, 5)
    forget(server.model)


def _wait(processes: list[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait for processes to end. -> those that are still alive.

    In a container, zombies that are not our children may never be reaped: they count as dead.
    """
    deadline = time.monotonic() + seconds
    while processes and time.monotonic() < deadline:
        _, alive = psutil.wait_procs(processes, timeout=0.2)
        processes = [process for process in alive if not _is_dead(process)]
    return processes


def _session(process: psutil.Process) -> int | None:
    """The session of a process, as the id of the process that started it."""
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def _is_dead(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []
