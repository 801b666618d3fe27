"""The tool `python`: runs code that a model has written, in a sandboxed process."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import Field

from longread.control_tokens import sanitize
from longread.errors import ToolUnavailable

from ..base import Arguments, Tool, ToolLimits
from .sandbox import LAYERS

_WORKER = Path(__file__).with_name("worker.py")
_GAPS = {
    "seccomp": "it may start processes, and reach programs on this machine that listen on Unix sockets",
    "landlock": "it may read every file that you may read",
    "memory": "its memory is not limited",
    "cpu_seconds": "its CPU time is not limited",
    "file": "the size of its files is not limited",
}
"""What the code can do where a layer of the sandbox, or a limit, is missing."""
_NETWORK_GAP = "sockets are refused by Python only, which code can bypass if it is written to"


class PythonArguments(Arguments):
    code: str = Field(
        description="Python code. What it prints, and the value of an expression in its last line, are returned."
    )


@dataclass(frozen=True)
class PythonLimits:
    """Limits of one run."""

    seconds: float = 30.0
    """Wall-clock time."""
    cpu_seconds: int = 20
    """CPU time."""
    memory: int = 1 << 30
    """Bytes of address space. Importing pandas takes about 200 MB."""
    file: int = 16 << 20
    """Maximum size in bytes of each file that the code writes, and of its output."""
    open_files: int = 128
    characters: int = 12_000
    """Characters of the output that are returned: its beginning and its end."""


class PythonTool(Tool[PythonArguments]):
    """Runs code for calculations, and for pandas over tables, in a separate process, never in this one.

    Every run starts fresh: in a temporary folder that contains `files` and is deleted afterwards, and without the
    environment variables of this process. Time, memory, files and output are limited. On Linux, as any user, the code
    has no network and no sockets, cannot start processes, and can read only the files of Python and of the folder. If
    the kernel cannot cut off the network, the tool is unavailable.

    What it does *not* protect against. The sandbox is made for a model's mistakes, and for a model that a document has
    talked into mischief. It is not a security boundary against code that is written to break out:
    - bugs of the kernel: the code makes system calls to the kernel that everything else here runs on;
    - reading the contents of Python's folders and the system's libraries (all installed packages and whatever else is
      stored there), and the names and sizes of files whose paths it guesses;
    - filling the disk with many small files, and using the CPU, until its time is up;
    - side channels: timing, caches, the load of the machine;
    - wrong results. They come from the model's code, and are returned to the model unchecked.
    `gaps` lists what a missing layer of the sandbox allows on this machine, and so does every result.

    Args:
        files: name to text, such as `{"book-p12-1.csv": "Year,Profit\\n…"}`: written to the folder before each run. The
            mapping is read then, so entries may be added later.
        limits: limits of one run; None: the defaults.
        network_isolation: "required", or "best-effort" to run code even where only Python itself refuses sockets.
        layers: the layers of the sandbox to use, for tests.

    Raises:
        ToolUnavailable: the network cannot be cut off here, or the process does not start.
    """

    name = "python"
    description = (
        "Runs Python code for calculations and statistics; pandas may be imported. Nothing is kept from one call to "
        "the next. There is no network, and there are no files except those in the working directory."
    )
    arguments = PythonArguments
    effects = True

    def __init__(
        self,
        *,
        files: Mapping[str, str] | None = None,
        limits: PythonLimits | None = None,
        network_isolation: Literal["required", "best-effort"] = "required",
        layers: Sequence[str] = LAYERS,
    ):
        self.files = files if files is not None else {}
        if self.files:
            self.description += f" Files there: {', '.join(self.files)}."
        super().__init__()
        self.run_limits = limits or PythonLimits()
        self.limits = ToolLimits(characters=self.run_limits.characters + 1_000)  # room for the lines after the output
        self._network = network_isolation
        self._layers = list(layers)
        self._running: dict[subprocess.Popen[bytes], bool] = {}
        self._lock = threading.Lock()
        _check_names(self.files)
        probe = self._run("")
        missing = probe.missing
        if missing is None:
            raise ToolUnavailable(f"python: its process does not start: {probe.text[-400:].strip() or probe.ended}")
        if not probe.network and network_isolation == "required":
            raise ToolUnavailable(
                "python: the network cannot be cut off on this machine "
                f"(namespace: {missing['namespace']}; seccomp: {missing['seccomp']}), so no code is run."
            )
        gaps = [f"{text} ({missing[name]})" for name, text in _GAPS.items() if name in missing]
        self.gaps: tuple[str, ...] = (*gaps, *([] if probe.network else [_NETWORK_GAP]))
        """What the code can do on this machine although the sandbox should prevent it."""

    def run(self, arguments: PythonArguments) -> str:
        done = self._run(arguments.code)
        parts = [sanitize(done.text.rstrip()) or "(It printed nothing.)"]
        if done.ended:
            parts.append(f"python: {done.ended}")
        elif done.missing is None or not (done.network or self._network == "best-effort"):
            parts = ["python: the code was not run, because the sandbox could not be set up."]
        if self.gaps:
            parts.append(f"(The sandbox is incomplete: {'; '.join(self.gaps)}.)")
        return "\n".join(parts)

    def cancel(self) -> None:
        """Kill the running code. Its calls return, and say so."""
        with self._lock:
            for process in self._running:
                self._running[process] = True
                _kill(process)

    def _run(self, code: str) -> "_Run":
        limits = self.run_limits
        kernel = {name: value for name, value in asdict(limits).items() if name not in ("seconds", "characters")}
        request = {"code": code, "layers": self._layers, "network": self._network, "limits": kernel}
        folder = tempfile.mkdtemp(prefix="longread-python-")
        # Files instead of pipes: nobody has to keep reading, and the kernel limits the size of the output.
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as status:
            try:
                files = dict(self.files)
                _check_names(files)
                for name, text in files.items():
                    Path(folder, name).write_text(text, encoding="utf-8", newline="")
                given.write(json.dumps(request).encode())
                given.seek(0)
                ended = self._wait(folder, given, printed, status)
            finally:
                _remove(folder)
            text = _both_ends(printed, limits.characters)
            if printed.tell() >= limits.file:
                ended = f"its output reached the limit of {limits.file:,} bytes. {ended}".rstrip()
            status.seek(0)
            report = json.loads(status.read() or b"{}")
        return _Run(text=text, ended=ended, missing=report.get("missing"), network=bool(report.get("network")))

    def _wait(self, folder: str, given: IO[bytes], printed: IO[bytes], status: IO[bytes]) -> str:
        """Run the process to its end; returns what ended it, or "" if it exited by itself."""
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", str(_WORKER), str(status.fileno())],
            stdin=given,
            stdout=printed,
            stderr=subprocess.STDOUT,
            pass_fds=(status.fileno(),),
            cwd=folder,
            env=_environment(folder),
            start_new_session=True,
        )
        with self._lock:
            self._running[process] = False
        late = False
        try:
            process.wait(self.run_limits.seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _kill(process)  # also after its exit: it may have left processes behind, where seccomp is missing
            process.wait()
            with self._lock:
                cancelled = self._running.pop(process)
        if cancelled:
            return "it was cancelled."
        if late:
            return f"stopped after {self.run_limits.seconds:g} seconds."
        if process.returncode >= 0:
            return ""
        if process.returncode == -signal.SIGXCPU:
            return f"stopped after {self.run_limits.cpu_seconds} seconds of CPU time."
        return f"the process was killed by {signal.Signals(-process.returncode).name}."


@dataclass(frozen=True)
class _Run:
    text: str
    ended: str
    """Why it did not exit by itself; else empty."""
    missing: dict[str, str] | None
    """Missing layers of the sandbox and limits, each with a reason. None: the process ended before it reported."""
    network: bool
    """Whether the kernel cuts off the network."""


def _environment(folder: str) -> dict[str, str]:
    # Each thread takes memory.
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {"HOME": folder, "TMPDIR": folder, "MPLCONFIGDIR": folder, "LANG": "C.UTF-8", **one_thread}


def _check_names(files: Mapping[str, str]) -> None:
    for name in files:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"{name!r} cannot be the name of a file in the working directory")


def _both_ends(printed: IO[bytes], characters: int) -> str:
    """The beginning and the end of a file, and how much was left out. Leaves the position at the end of the file."""
    size = printed.seek(0, os.SEEK_END)
    if size <= characters:
        printed.seek(0)
        return printed.read().decode(errors="replace")
    first, last = characters * 2 // 3, characters // 3
    printed.seek(0)
    head = printed.read(first).decode(errors="replace")
    printed.seek(size - last)
    tail = printed.read().decode(errors="replace")
    return f"{head}\n[… {size - first - last:,} of {size:,} bytes left out …]\n{tail}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # no process is left; macOS raises the second
        return


def _remove(folder: str) -> None:
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):  # folders without permissions, or thousands of nested ones
        subprocess.run(["chmod", "-R", "u+rwx", folder], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", folder], capture_output=True, check=False)
