"""A chat takes the server that `agent serve` started here, unless it is told otherwise."""

import os
from pathlib import Path

import psutil
import pytest

from longread.agent.cli.config import load
from longread.agent.cli.setup import with_running_server
from longread.errors import ConfigError
from longread.serving.vllm_server.registry import RunningServer, record
from tests.support.messages import says


def serve(model: str, folder: Path, *, up: bool = True) -> RunningServer:
    """This very process, which lives, stands for a server."""
    found = RunningServer(
        model=model,
        pid=os.getpid(),
        began=psutil.Process().create_time(),
        url="http://127.0.0.1:9/v1",
        window=8192,
        log=folder / "log",
        kv_tokens=9000 if up else None,
    )
    record(found)
    return found


@pytest.fixture(autouse=True)
def _cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path))


def settled(folder: Path, **flags: object) -> tuple[str | None, str | None, str]:
    config = with_running_server(load(flags, environment={}, folder=folder))
    return config.settings.server, config.settings.model, config.origins["server"]


def test_the_one_that_runs_is_taken(tmp_path: Path) -> None:
    assert settled(tmp_path)[0] is None
    found = serve("smollm2-135m", tmp_path)
    assert settled(tmp_path) == (found.url, "smollm2-135m", "started with agent serve smollm2-135m")
    assert settled(tmp_path, model="smollm2-135m")[0] == found.url


def test_not_where_something_else_was_asked_for(tmp_path: Path) -> None:
    serve("smollm2-135m", tmp_path)
    assert settled(tmp_path, model="qwen3-0.6b")[0] is None
    assert settled(tmp_path, device="cpu")[0] is None
    assert settled(tmp_path, server="http://elsewhere/v1")[0] == "http://elsewhere/v1"


def test_not_before_it_is_up(tmp_path: Path) -> None:
    serve("smollm2-135m", tmp_path, up=False)
    assert settled(tmp_path)[0] is None


def test_one_that_has_ended_is_missed_aloud(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The embedded model, which is smaller, would answer in its place."""
    found = serve("qwen2.5-7b-1m", tmp_path)
    record(found.model_copy(update={"began": found.began - 1000}))
    found.log.write_text("INFO:     Application startup complete.\n")
    for flags, told in (({}, True), ({"model": "qwen2.5-7b-1m"}, True), ({"model": "smollm2-135m"}, False)):
        assert settled(tmp_path, **flags)[0] is None
        said = " ".join(capsys.readouterr().err.split())
        assert says(said, "qwen2.5-7b-1m", "exited", "killed") == told


def test_of_several_one_is_to_be_named(tmp_path: Path) -> None:
    serve("smollm2-135m", tmp_path)
    serve("other", tmp_path)
    assert settled(tmp_path, model="other")[1] == "other"
    with pytest.raises(ConfigError, match=r"2 servers are running: .* --model"):
        settled(tmp_path)
