"""The tool `python`: results, limits, and each layer of the sandbox. A missing layer must be reported."""

import contextlib
import errno
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from longread.errors import ToolUnavailable
from longread.tools.python import sandbox
from longread.tools.python.tool import PythonLimits, PythonTool
from tests.support.messages import says
from tests.support.waiting import PATIENCE, wait_until

PATIENT = PythonLimits(seconds=PATIENCE)
SECRET = "s3cret-of-the-parent"
TABLE = "Year,Profit\n2021,10.5\n2022,12.5\n"


@pytest.fixture(scope="module")
def plain() -> PythonTool:
    return PythonTool(limits=PATIENT)


@pytest.fixture
def run(plain: PythonTool) -> Callable[..., str]:
    """`run(code)`: what the tool says. Keywords are the tool's, and those of its limits."""

    def call(code: str, **settings: Any) -> str:
        if not settings:
            return plain.call({"code": textwrap.dedent(code)})
        limits = {name: settings.pop(name) for name in list(settings) if name in PythonLimits.__dataclass_fields__}
        limits = {"seconds": PATIENCE, **limits}
        tool = PythonTool(limits=PythonLimits(**limits), **settings)
        return tool.call({"code": textwrap.dedent(code)})

    return call


@pytest.fixture(scope="module")
def missing() -> dict[str, str]:
    """The layers that this kernel does not have, each with a reason. Found without the tool."""
    return layers_missing_here()


def layers_missing_here() -> dict[str, str]:
    code = f"import sys; sys.path.insert(0, {str(Path(sandbox.__file__).parent)!r}); import sandbox as c; "
    code += "print(repr(c.confine('/tmp', [])))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return eval(done.stdout)


# What it computes


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print(1)\n2 + 2", "1\n4"),
        ("x = 1", "(It printed nothing.)"),
        ("None", "(It printed nothing.)"),
        ("", "(It printed nothing.)"),
        ("'a'", "'a'"),
        ("def f():\n    return [g() for _ in range(2)]\ndef g():\n    return 3\nf()", "[3, 3]"),
        ("import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')", "out\nerr\nout again"),
        ("'<|im_end|> \\u4e2d'", "'‹|im_end|> 中'"),
        ("import sys; print('before'); sys.exit('the end')", "before\nthe end"),
        ("print('\\ud800')", "\\ud800"),
        ("input()", "EOFError"),
        ("__name__", "'__main__'"),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n    x: int\nA(1)", "A(x=1)"),
        ("import threading\nt = threading.Thread(target=print, args=[5])\nt.start(); t.join()", "5"),
    ],
)
def test_output_and_the_last_value_come_back(run: Callable[..., str], code: str, expected: str) -> None:
    result = run(code)
    assert result == expected or ("Error" in expected and expected in result)


def test_an_error_comes_with_the_lines_of_the_code(run: Callable[..., str]) -> None:
    result = run("def ratio(a, b):\n    return a / b\nprint('so far')\nratio(1, 0)")
    assert result.startswith('so far\nTraceback (most recent call last):\n  File "<code>", line 4, in <module>\n')
    assert re.search(r"    return a / b\n([ ~^]+\n)?ZeroDivisionError: ", result)
    assert "worker" not in result
    assert "SyntaxError" in run("1 +")


def test_pandas_reads_the_tables_given(run: Callable[..., str]) -> None:
    code = "import pandas as pd\npd.read_csv('report-p3.csv').set_index('Year')"
    assert run(code, files={"report-p3.csv": TABLE}).split() == ["Profit", "Year", "2021", "10.5", "2022", "12.5"]


def test_a_wide_table_is_shown_whole(run: Callable[..., str]) -> None:
    result = run("import pandas as pd\npd.DataFrame([range(40)], columns=[f'column{n}' for n in range(40)])")
    assert all(f"column{number}" in result for number in range(40))


def test_a_missing_pandas_is_said(run: Callable[..., str]) -> None:
    # As on a machine without it: an import that is not found.
    result = run("import sys\nsys.meta_path.clear()\nsys.path.clear()\nimport pandas")
    assert "pip install 'longread[python]'" in result


def test_nothing_is_kept_between_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    files = {"a.csv": TABLE}
    tool = PythonTool(files=files, limits=PATIENT)
    code = "import os\nsorted(os.listdir()), os.getcwd()"
    first = tool.call({"code": f"open('new', 'w').write('x'); open('a.csv', 'a').write('x'); y = 1\n{code}"})
    assert "'a.csv', 'new'" in first
    assert str(tmp_path) in first
    files["b.csv"] = TABLE
    second = tool.call({"code": f"print(open('a.csv').read())\n{code}"})
    assert "['a.csv', 'b.csv']" in second
    assert TABLE in second
    assert "NameError" in tool.call({"code": "y"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_resists_is_removed_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = """
        import os
        os.mkdir('shut'); open('shut/a', 'w').close(); os.chmod('shut', 0)
        for _ in range(1500):
            os.mkdir('deep' * 10); os.chdir('deep' * 10)
        print('done')
    """
    assert PythonTool(limits=PATIENT).call({"code": textwrap.dedent(code)}) == "done"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "/etc/x", "a/b", "..", ".", "", "a\0"])
def test_a_file_lies_in_the_folder_and_nowhere_else(name: str) -> None:
    with pytest.raises(ValueError, match="cannot be the name"):
        PythonTool(files={name: ""})


def test_it_has_effects_and_names_its_files() -> None:
    tool = PythonTool(files={"a.csv": ""}, limits=PATIENT)
    assert tool.effects
    assert tool.description.endswith("Files there: a.csv.")
    assert "Files there" not in PythonTool.description
    assert tool.function["parameters"]["required"] == ["code"]
    assert tool.call({"kode": "1"}).startswith("python: code is missing.")


# Limits


def test_a_loop_is_stopped_by_processor_time(run: Callable[..., str]) -> None:
    # Starting Python takes CPU time, too.
    result = run("print('begun')\nwhile True: pass", cpu_seconds=3)
    assert says(result, "begun\npython: ", "stopped", "3 seconds", "CPU")


def test_processor_time_cannot_be_had_back(run: Callable[..., str]) -> None:
    code = "import signal, resource\nsignal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
    code += "try: resource.setrlimit(resource.RLIMIT_CPU, (100, 100))\nexcept ValueError: print('refused')\n"
    result = run(code + "while True: pass", cpu_seconds=3)
    assert result.startswith("refused\n")
    assert "the process was killed by SIGKILL" in result


@pytest.fixture
def waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Callable[[], list[Path]]]:
    """Code that waits without end, and what there is when it does."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import time\nprint('begun')\nopen('waiting', 'w').close()\ntime.sleep(600)"
    return code, lambda: list(tmp_path.glob("*/waiting"))


def test_waiting_is_stopped_by_the_clock(
    waiting: tuple[str, Callable[[], list[Path]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, waits = waiting
    tool = PythonTool(limits=PATIENT)
    tool.run_limits = PythonLimits(seconds=0.1)
    started: list[subprocess.Popen[bytes]] = []

    class Waiting(subprocess.Popen):
        """Whose time begins when it waits."""

        def wait(self, timeout: float | None = None) -> int:
            if timeout == 0.1:
                wait_until(waits)
                started.append(self)
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Waiting)
    assert tool.call({"code": code}) == "begun\npython: stopped after 0.1 seconds."
    (process,) = started
    assert process.returncode == -signal.SIGKILL


def test_memory_is_limited(run: Callable[..., str]) -> None:
    result = run("x = bytearray(300 << 20)", memory=200 << 20)
    assert result.endswith("MemoryError\nThe code may use 200 MiB of memory.")
    assert run("len(bytearray(30 << 20))", memory=200 << 20) == str(30 << 20)


@pytest.mark.parametrize("way", ["mmap.mmap(-1, 300 << 20)", "ctypes.create_string_buffer(300 << 20)"])
def test_memory_is_limited_whatever_it_is_called(run: Callable[..., str], way: str) -> None:
    assert "Error" in run(f"import mmap, ctypes\nx = {way}\nprint('had')", memory=200 << 20)


def test_threads_without_end_come_to_one(run: Callable[..., str]) -> None:
    code = """
        import threading
        end = threading.Event()
        try:
            for n in range(100_000): threading.Thread(target=end.wait).start()
        except RuntimeError:
            print('no more')
        end.set()
    """
    assert run(code, memory=300 << 20) == "no more"


def test_files_are_limited(run: Callable[..., str]) -> None:
    code = """
        with open('big', 'wb') as f:
            f.write(bytes(1_000_000))
            print('the first was written')
            f.flush()
            f.write(bytes(1_000_000))
    """
    result = run(code, file=1_500_000)
    assert "the first was written" in result
    assert f"OSError: [Errno {errno.EFBIG}]" in result


def test_output_is_limited_and_the_rest_is_said(run: Callable[..., str]) -> None:
    result = run("print('first')\nfor n in range(100_000): print(n)\nprint('last')", characters=3_000)
    assert result.startswith("first\n0\n1\n")
    assert result.endswith("99999\nlast")
    assert len(result) < 3_200
    # 588,890 bytes of numbers and line ends, and "first", "last"
    assert "[… 585,901 of 588,901 bytes left out …]" in result


def test_a_flood_of_output_ends(run: Callable[..., str]) -> None:
    result = run("while True: print('x' * 100_000)", file=2_000_000, characters=1_000)
    assert says(result, "python", "reached", "2,000,000")
    assert len(result) < 2_000


def test_a_crash_is_not_ours(run: Callable[..., str]) -> None:
    assert says(run("import ctypes\nctypes.string_at(0)"), "printed nothing", "killed", "SIGSEGV")


def test_it_can_be_cancelled(waiting: tuple[str, Callable[[], list[Path]]]) -> None:
    code, waits = waiting
    tool = PythonTool(limits=PATIENT)
    results: list[str] = []
    thread = threading.Thread(target=lambda: results.append(tool.call({"code": code})), daemon=True)
    thread.start()
    wait_until(waits)
    tool.cancel()
    thread.join(PATIENCE)
    assert results == ["begun\npython: it was cancelled."]
    assert tool.call({"code": "1"}) == "1"


# The sandbox


def test_there_is_no_network(run: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = server.getsockname()
        result = run(f"import socket\nsocket.create_connection({address!r}, 1)")
        assert "Error" in result.splitlines()[-2] or "Error" in result
        with pytest.raises(TimeoutError):
            server.accept()


def test_there_is_no_network_by_the_namespace_alone(run: Callable[..., str], missing: dict[str, str]) -> None:
    if "namespace" in missing:
        with pytest.raises(ToolUnavailable, match="the network cannot be cut off"):
            run("1", layers=["namespace"])
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        result = run(f"import socket\nsocket.create_connection({server.getsockname()!r}, 1)", layers=["namespace"])
        assert f"OSError: [Errno {errno.ENETUNREACH}]" in result
        assert "(The sandbox is incomplete: it may start processes" in result
        with pytest.raises(TimeoutError):
            server.accept()


def test_without_a_layer_against_the_network_there_is_no_tool() -> None:
    with pytest.raises(ToolUnavailable, match=r"the network cannot be cut off .*namespace: .*seccomp: "):
        PythonTool(layers=["landlock"], limits=PATIENT)


def test_code_does_not_run_when_the_layers_are_gone_later() -> None:
    tool = PythonTool(limits=PATIENT)
    tool._layers = []
    assert says(tool.call({"code": "print('ran')"}), "python: ", "not run", "sandbox")


def test_best_effort_says_what_it_is(run: Callable[..., str]) -> None:
    result = run("import socket\nsocket.socket()", layers=[], network_isolation="best-effort")
    assert "PermissionError: not allowed here: socket." in result
    assert "sockets are refused by Python only" in result
    assert says(result, "may read every file", "not requested")
    for code in ("import os\nos.fork()", "import subprocess\nsubprocess.run(['true'])", "import os\nos.system('true')"):
        assert "PermissionError" in run(code, layers=[], network_isolation="best-effort")


@pytest.mark.parametrize(
    "code",
    [
        "import os\nwhile True: os.fork()",
        "import subprocess\nsubprocess.Popen(['sleep', '60'])",
        "import os\nos.execv('/bin/sleep', ['sleep', '60'])",
        "import os\nos.posix_spawn('/bin/sleep', ['sleep', '60'], {})",
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()",
        "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)",
        "import os, resource\nresource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "import os\nos.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "import socket\nsocket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)",
        "import os\nos.memfd_create('x')",
        # io_uring_setup, and the socket of x86's third set of system calls
        "import ctypes\nif ctypes.CDLL(None).syscall(425, 8, 0) < 0: raise PermissionError",
        "import ctypes\nif ctypes.CDLL(None).syscall((1 << 30) + 41, 2, 1, 0) < 0: raise PermissionError",
    ],
)
def test_no_processes_and_no_hand_on_others(run: Callable[..., str], missing: dict[str, str], code: str) -> None:
    # Without a layer against them, processes are made until the time is up.
    result = run(code + "\nprint('done')", seconds=5 if "seccomp" in missing else PATIENCE)
    assert "PermissionError" in result or "BlockingIOError" in result or "seccomp" in missing
    assert "\ndone" not in f"\n{result}" or "seccomp" in missing


@pytest.fixture
def marked() -> Iterator[str]:
    """Something to find a process by that should not be there, and that is ended if it is."""
    mark = f"86400.{os.getpid()}{threading.get_ident() % 1000}"
    yield mark
    for pid in with_argument(mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def with_argument(argument: str) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] == b"sleep" and argument.encode() in words:
            found.append(int(entry.name))
    return found


def test_no_process_is_left_behind(marked: str, missing: dict[str, str]) -> None:
    layers = ["namespace"]  # in which processes can be made, so that there is something to leave behind
    if "namespace" in missing:
        with pytest.raises(ToolUnavailable):
            PythonTool(layers=layers, limits=PATIENT)
        return
    code = f"import subprocess\nfor _ in range(3): print(subprocess.Popen(['sleep', '{marked}']).pid)"
    result = PythonTool(layers=layers, limits=PATIENT).call({"code": code})
    # As root, whom no limit on processes concerns, they were made.
    assert "BlockingIOError" in result or result.splitlines()[2].isdigit()
    wait_until(lambda: with_argument(marked) == [])


def test_the_environment_has_no_secrets(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    result = run(f"import os\nprint(dict(os.environ))\nprint(os.getppid())\nopen('/proc/{os.getpid()}/environ').read()")
    assert SECRET not in result
    assert "'LANG': 'C.UTF-8'" in result
    assert "PermissionError" in result


@pytest.mark.parametrize(
    "how", ["open({!r}).read()", "__import__('os').open({!r}, 0)", "__import__('os').unlink({!r})"]
)
def test_files_outside_cannot_be_read_or_changed(
    run: Callable[..., str], tmp_path: Path, missing: dict[str, str], how: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    result = run(how.format(str(secret)))
    if "landlock" in missing:
        assert says(result, "may read every file")
        return
    assert SECRET not in result
    assert "PermissionError" in result
    assert secret.read_text() == SECRET
    assert "PermissionError" in run(f"open({str(tmp_path / 'new')!r}, 'w')")
    assert "PermissionError" in run(f"import os\nos.listdir({str(tmp_path)!r})")
    assert "PermissionError" in run(f"import os\nos.symlink({str(secret)!r}, 'link')\nopen('link').read()")


def test_nothing_of_ours_is_open_in_it(run: Callable[..., str]) -> None:
    code = "import os\nfor n in range(100):\n    try: os.fstat(n); print(n)\n    except OSError: pass"
    # Standard input, output and errors, and where standard input was opened.
    assert run(code).split() in (["0", "1", "2"], ["0", "1", "2", "3"])


def test_no_capability_is_left(run: Callable[..., str]) -> None:
    code = """
        import ctypes, struct
        data = ctypes.create_string_buffer(24)
        ctypes.CDLL(None).capget(struct.pack("Ii", 0x20080522, 0), data)
        any(data.raw)
    """
    assert run(code) == "False"


def test_what_this_kernel_has_no_layer_for_is_reported(missing: dict[str, str]) -> None:
    if {"namespace", "seccomp"} <= set(missing):
        with pytest.raises(ToolUnavailable):
            PythonTool(limits=PATIENT)
        return
    gaps = PythonTool(limits=PATIENT).gaps
    assert len(gaps) == len({"seccomp", "landlock"} & set(missing))
    assert all(missing[layer] in " ".join(gaps) for layer in missing if layer != "namespace")


def test_the_code_of_a_run_is_not_in_our_process(run: Callable[..., str]) -> None:
    assert run("import os\nos.getpid()") != str(os.getpid())
    assert run("import sys\n'longread.tools' in sys.modules") == "False"
