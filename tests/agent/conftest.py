import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.real_files import extract
from tests.support.scripted_server import ScriptedServer

# Of the terminal or service that the tests are run from: rich and typer look at these when they are imported.
for _name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "TERMINAL_WIDTH", "GITHUB_ACTIONS"):
    os.environ.pop(_name, None)


@pytest.fixture(autouse=True)
def _no_settings_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file with settings, and the width that text has without a terminal."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.fixture
def refusing() -> Iterator[str]:
    """The address of a server that refuses every connection: its port is taken, and nobody listens at it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def scripted_server() -> Iterator[ScriptedServer]:
    """A server of its own for this test; see `scripted_server.ScriptedServer`."""
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in an empty folder: Qwen-Agent's agents make one called `workspace` where they are."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def endpoint(scripted_server: ScriptedServer) -> Callable[..., Any]:
    """Makes an `EndpointChat` that talks to `scripted_server`; keywords are fields of its configuration."""
    from longread.agent.llm.endpoint import EndpointChat

    def make(generate_cfg: dict[str, Any] | None = None, **cfg: Any) -> EndpointChat:
        # Without waiting between attempts: tests of the retries ask for them.
        settings = {"max_retries": 0, **(generate_cfg or {})}
        return EndpointChat({"server": scripted_server.url, "model": "scripted", "generate_cfg": settings, **cfg})

    return make


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real paper: two columns, ligatures, words divided at line ends, footnotes, formulas."""
    return extract("paper-qa==2026.8.12", "tests/stub_data/pasa.pdf", tmp_path_factory.mktemp("paper"))
