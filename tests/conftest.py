"""What every test has: folders of its own, no settings from outside, no network beyond this machine."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from longread.serving.vllm_server.registry import RunningServer

# Hugging Face's libraries read these once, when they are imported.
_HF_HOME = tempfile.mkdtemp(prefix="longread-tests-hf-")
os.environ.update(HF_HOME=_HF_HOME, HF_HUB_DISABLE_TELEMETRY="1")

if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    # Each has its share of the cores, and what it starts: more threads than cores wait for each other, actively.
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    os.environ.update(OMP_NUM_THREADS=threads, OMP_WAIT_POLICY="PASSIVE", VLLM_CPU_OMP_THREADS_BIND="nobind")


# An example is not wrong because the machine is busy. They are the same in every run; `make stress` draws others.
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("drawn", patient)
settings.register_profile("same", patient, derandomize=True)
settings.load_profile("same")

SHARING = {
    "server": (
        "serving/vllm_server/test_blog_examples.py",
        "serving/vllm_server/test_chat.py",
        "serving/vllm_server/test_launch.py",
        "serving/vllm_server/test_reader.py",
    ),
    "vllm": (
        "serving/vllm_plugin/test_plugin.py",
        "serving/vllm_server/test_kv_offload.py",
        "serving/vllm_plugin/test_parallel.py",
        "serving/vllm_plugin/test_scheduler.py",
        "serving/vllm_plugin/test_chunking.py",
    ),
    "read_before": ("test_docs.py", "test_readme.py"),
}
"""The files whose tests share, by a fixture of that name, what takes long to make."""
LAST = ("agent", "longread", "tools")
"""Folders with files of many small tests."""
HERE = Path(__file__).parent


def group(file: Path) -> str:
    """What is run by one worker: the files that share something, or else one file."""
    name = (file.relative_to(HERE) if file.is_absolute() else file.relative_to(HERE.name)).as_posix()
    return next((shared for shared, files in SHARING.items() if name in files), name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest groups come first and the smallest tests last: the workers are then done at about the same time."""
    for item in items:
        for name in ("vllm", "read_before"):
            if name in item.fixturenames and group(item.path) != name and "tests/agent/" not in item.path.as_posix():
                raise pytest.UsageError(f"{item.nodeid} uses {name}: name its file in SHARING, in tests/conftest.py")
    sharing = {name: place for place, name in enumerate(SHARING)}

    def place(item: pytest.Item) -> int:
        first = item.path.relative_to(HERE).parts[0]
        return sharing.get(group(item.path), 10 if first in LAST else 9)

    items.sort(key=place)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By `group`. pytest-xdist 3.8 has groups of its own, which pytest 9.2 does not see."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(Path(nodeid.split("::")[0]))

    return Groups(config, log)


def pytest_unconfigure() -> None:
    shutil.rmtree(_HF_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def model_cache() -> Path:
    """A cache folder with the default model, fetched and converted once a machine. Only this uses a network."""
    from longread.serving.models.catalog import DEFAULT_MODEL, obtain

    folder = user_cache_path("longread-tests", appauthor=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(folder))
        obtain(DEFAULT_MODEL)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _nothing_left_behind() -> Iterator[None]:
    """What these tests start ends with them, even where nothing is torn down: see support/left_behind.py."""
    name, value = "STARTED_BY_TESTS", uuid.uuid4().hex
    script = Path(__file__).with_name("support") / "left_behind.py"
    with subprocess.Popen([sys.executable, script, f"{name}={value}"], stdin=subprocess.PIPE, start_new_session=True):
        # vLLM's processes change their titles, over their environments unless they are told not to.
        os.environ.update({name: value, "SPT_NOENV": "1"})
        yield


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in os.environ:
        if name.startswith(("OPENAI_", "LONGREAD_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv("LONGREAD_DATA_DIR", str(tmp_path_factory.mktemp("data")))
    for name in ("NO_PROXY", "no_proxy"):  # what tests ask is on this machine
        monkeypatch.setenv(name, "*")


@pytest.fixture
def default_model(model_cache: Path) -> str:
    """The name of the default model, which is in this test's cache as if it had been fetched."""
    from longread.serving.models.catalog import DEFAULT_MODEL

    models = Path(os.environ["LONGREAD_CACHE_DIR"]) / "models"
    models.symlink_to(model_cache / "models", target_is_directory=True)
    return DEFAULT_MODEL


@pytest.fixture(scope="session")
def handbook_read(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for the K/V of prompts, which tests have in common."""
    return tmp_path_factory.mktemp("prefixes")


@pytest.fixture
def read_before(handbook_read: Path, default_model: str) -> None:
    """This test's cache has the K/V of what such tests have read before it: the handbook takes half a minute."""
    (Path(os.environ["LONGREAD_CACHE_DIR"]) / "prefix").symlink_to(handbook_read, target_is_directory=True)


@pytest.fixture
def sleeper() -> Iterator["RunningServer"]:
    """A process that stands for a server."""
    import psutil

    from longread.serving.vllm_server.registry import RunningServer, record

    # It waits for its standard input to end, and so does not outlive the tests, however these end.
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            found = RunningServer(
                model="a/b",
                pid=process.pid,
                began=psutil.Process(process.pid).create_time(),
                url="http://127.0.0.1:1/v1",
                window=12_288,
                log=Path(os.environ["LONGREAD_CACHE_DIR"]) / "log",
                kv_tokens=24_576,
            )
            record(found)
            yield found
        finally:
            process.kill()


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a test tried to reach {address[0]}:{address[1]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield
