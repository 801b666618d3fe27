from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from real_files import extract
from scripted_server import ScriptedServer


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
