"""The tool `python`: code that a model has written, run in a process of its own behind walls."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal

from pydantic import Field

from .base import Arguments, Limits, Tool
from .confinement import WALLS
from .errors import ToolUnavailable

_WORKER = Path(__file__).with_name("python_worker.py")
_GAPS = {
    "seccomp": "it may make processes, and reach programs on this machine that listen on a socket in a file",
    "landlock": "it may read every file that you may read",
    "memory": "its memory is not limited",
    "cpu_seconds": "its processor time is not limited",
    "file": "the size of its files is not limited",
}
_NO_NETWORK_WALL = "sockets are refused by Python only, which code that is out for it gets round"


class PythonArguments(Arguments):
    code: str = Field(
        description="Python code. What it prints, and the value of an expression in its last line, come back."
    )


@dataclass(frozen=True)
class PythonLimits:
    """How much one run may take."""

    seconds: float = 30.0
    """Of wall clock."""
    cpu_seconds: int = 20
    memory: int = 1 << 30
    """Bytes of address space. pandas takes about 200 MB to be imported."""
    file: int = 16 << 20
    """Bytes of a file that it writes, and of what it prints."""
    open_files: int = 128
    characters: int = 12_000
    """Of the output that comes back: its beginning and its end."""


class PythonTool(Tool[PythonArguments]):
    """Runs code for calculations, and pandas over tables, in a separate process. Nothing is run in this one.

    Each run begins anew: a temporary folder of its own with `files` in it, removed afterwards, and none of this
    process's environment variables. Limits on time, memory, files and output. On Linux, as any user: no network and no
    sockets at all, no other processes, no files but Python's own and the folder's. Without a wall of the kernel against
    the network the tool cannot be had.

    What it does *not* protect against. It is made for the mistakes of a model, and for one that a document talks into
    mischief; it is not a boundary for code of somebody who is out to break it:
    - faults of the kernel: the code makes system calls on the kernel that everything here runs on;
    - reading what Python's own folders and the system's libraries hold (packages that are installed, with whatever
      somebody put there), and names and sizes of any file whose path it guesses;
    - filling the disk with many small files until its time is over, and heating the processor until then;
    - side channels: timing, caches, the load of the machine;
    - wrong results. What it says comes from the model's code, and goes back to the model unchecked.
    Where a wall is missing `gaps` says what that opens, and so does every result.

    Args:
        clean: makes output harmless for the model's chat template; tables from documents come back through it.
        files: name to text, such as `{"book-p12-1.csv": "Year,Profit\\n…"}`: written to the folder before each run.
            Looked up then, so the mapping may grow.
        limits: of one run.
        network_isolation: "best-effort" runs code also where only Python itself can be made to refuse sockets.

    Raises:
        ToolUnavailable: the network cannot be cut off here, or the process cannot be started.
    """

    name = "python"
    description = (
        "Run Python code for calculations and statistics; pandas may be imported. Nothing is kept from one call to the "
        "next. There is no network, and no file but those in the working directory."
    )
    arguments = PythonArguments
    effects = True

    def __init__(
        self,
        *,
        clean: Callable[[str], str],
        files: Mapping[str, str] | None = None,
        limits: PythonLimits | None = None,
        network_isolation: Literal["required", "best-effort"] = "required",
        walls: Sequence[str] = WALLS,
    ):
        self.files = files if files is not None else {}
        if self.files:
            self.description += f" Files there: {', '.join(self.files)}."
        super().__init__()
        self.clean = clean
        self.budget = limits or PythonLimits()
        self.limits = Limits(characters=self.budget.characters + 1_000)  # what is said beside the output
        self._network = network_isolation
        self._walls = list(walls)
        self._running: dict[subprocess.Popen[bytes], bool] = {}
        self._lock = threading.Lock()
        _check_names(self.files)
        probe = self._run("")
        missing = probe.missing
        if missing is None:
            raise ToolUnavailable(f"python: its process does not start: {probe.text[-400:].strip() or probe.ended}")
        if not probe.network and network_isolation == "required":
            raise ToolUnavailable(
                "python: the network cannot be cut off from code here "
                f"(namespace: {missing['namespace']}; seccomp: {missing['seccomp']}), so it is not run."
            )
        gaps = [f"{text} ({missing[name]})" for name, text in _GAPS.items() if name in missing]
        self.gaps: tuple[str, ...] = (*gaps, *([] if probe.network else [_NO_NETWORK_WALL]))
        """What the code can do here beyond what it should."""

    def run(self, arguments: PythonArguments) -> str:
        ran = self._run(arguments.code)
        parts = [self.clean(ran.text.rstrip()) or "(It printed nothing.)"]
        if ran.ended:
            parts.append(f"python: {ran.ended}")
        elif ran.missing is None or not (ran.network or self._network == "best-effort"):
            parts = ["python: the code was not run, because the walls around it did not stand."]
        if self.gaps:
            parts.append(f"(Less confined than it should be: {'; '.join(self.gaps)}.)")
        return "\n".join(parts)

    def cancel(self) -> None:
        """End what runs now. Its calls return, and say so."""
        with self._lock:
            for process in self._running:
                self._running[process] = True
                _kill(process)

    def _run(self, code: str) -> "_Ran":
        budget = self.budget
        limits = {name: value for name, value in asdict(budget).items() if name not in ("seconds", "characters")}
        request = {"code": code, "walls": self._walls, "network": self._network, "limits": limits}
        folder = tempfile.mkdtemp(prefix="longread-python-")
        # Files instead of pipes: nobody has to keep reading, and a limit of the kernel is on what is printed.
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
            text = _both_ends(printed, budget.characters)
            if printed.tell() >= budget.file:
                ended = f"it printed {budget.file:,} bytes, which is all it may print. {ended}".rstrip()
            status.seek(0)
            said = json.loads(status.read() or b"{}")
        return _Ran(text=text, ended=ended, missing=said.get("missing"), network=bool(said.get("network")))

    def _wait(self, folder: str, given: IO[bytes], printed: IO[bytes], status: IO[bytes]) -> str:
        """Run the process to its end; returns what ended it, if it did not end by itself."""
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
            process.wait(self.budget.seconds)
        except subprocess.TimeoutExpired:
            late = True
        finally:
            _kill(process)  # also after its end: processes that it left behind, where a wall against them is missing
            process.wait()
            with self._lock:
                cancelled = self._running.pop(process)
        if cancelled:
            return "it was cancelled."
        if late:
            return f"stopped after {self.budget.seconds:g} seconds."
        if process.returncode >= 0:
            return ""
        if process.returncode == -signal.SIGXCPU:
            return f"stopped after {self.budget.cpu_seconds} seconds of processor time."
        return f"the process died of {signal.Signals(-process.returncode).name}."


@dataclass(frozen=True)
class _Ran:
    text: str
    ended: str
    """Why it did not end by itself; else empty."""
    missing: dict[str, str] | None
    """None: the process did not get as far as to say it."""
    network: bool
    """Whether the kernel cuts it off."""


def _environment(folder: str) -> dict[str, str]:
    one_thread = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")  # each takes memory
    return {"HOME": folder, "TMPDIR": folder, "MPLCONFIGDIR": folder, "LANG": "C.UTF-8", **one_thread}


def _check_names(files: Mapping[str, str]) -> None:
    for name in files:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise ValueError(f"{name!r} cannot be the name of a file in the working directory")


def _both_ends(printed: IO[bytes], characters: int) -> str:
    """The beginning and the end of a file, and how much is between; its position is at the end after that."""
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
    except (ProcessLookupError, PermissionError):  # nobody is left; macOS says it in the second way
        return


def _remove(folder: str) -> None:
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):  # folders without permissions, or thousands within each other
        subprocess.run(["chmod", "-R", "u+rwx", folder], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", folder], capture_output=True, check=False)
