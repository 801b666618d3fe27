"""`agent serve`: a real vLLM with the real model, and what is said when one does not come up."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest

from engines import user
from longread.serving import launch, served
from longread.serving.embedded import Engine
from longread.serving.errors import ServerError
from longread.serving.events import ServeEvent, Starting
from longread.serving.launch import Options
from longread.serving.server_log import cause, kv_tokens, longread_line, stage

TOKENS = 12_288


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Iterator[Path]:
    """A cache folder of our own, with the models that are there already."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "models").symlink_to(model_cache / "models")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[tuple[served.Served, list[ServeEvent]]]:
    """The default model, beyond its window by Dual Chunk Attention."""
    events: list[ServeEvent] = []
    found = launch.launch("smollm2-135m", Options(tokens=TOKENS, timeout=300), on_event=events.append)
    yield found, events
    served.stop(found)


def ask(url: str, body: dict[str, object]) -> dict[str, object]:
    request = Request(f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request, timeout=300) as answer:
        return json.load(answer)


def test_it_comes_up_says_what_runs_and_is_found_again(
    server: tuple[served.Served, list[ServeEvent]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(home))
    found, events = server
    said = [event.what for event in events if isinstance(event, Starting)]
    assert "starting" in said
    assert found.window == TOKENS
    assert found.kv_tokens == 2 * TOKENS
    assert served.running() == [found]
    assert served.find("smollm2-135m") == served.find(None) == found
    assert launch.launch("smollm2-135m") == found  # one server a model
    log = found.log.read_text()
    assert "longread: Dual Chunk Attention, chunk 8,192 and local 1,024; dense prefill" in log
    assert found.memory() > 500_000_000


def test_it_answers_as_the_embedded_engine_does(
    server: tuple[served.Served, list[ServeEvent]], real_engine: Engine
) -> None:
    found, _ = server
    messages = user("What is the capital of France?")
    reply = ask(found.url, {"model": "smollm2-135m", "messages": messages, "max_tokens": 16})
    text = "".join(event.text for event in real_engine.stream(messages, max_tokens=16) if hasattr(event, "text"))
    assert reply["choices"][0]["message"]["content"] == text  # type: ignore[index]
    assert "Paris" in text


def test_a_follow_up_finds_its_prefix_and_a_required_tool_is_called(
    server: tuple[served.Served, list[ServeEvent]],
) -> None:
    found, _ = server
    text = "The harbour master keeps the blue key. " * 40
    body = {"model": "smollm2-135m", "messages": user(text + "Who keeps it?"), "max_tokens": 4}
    ask(found.url, body)
    tools = [
        {
            "type": "function",
            "function": {
                "name": "look_up",
                "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
            },
        }
    ]
    again = ask(found.url, {**body, "messages": user(text + "What colour is it?")})
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] >= 256  # type: ignore[index]
    called = ask(found.url, {**body, "max_tokens": 64, "tools": tools, "tool_choice": "required"})
    [call] = called["choices"][0]["message"]["tool_calls"]  # type: ignore[index]
    assert call["function"]["name"] == "look_up"
    json.loads(call["function"]["arguments"])  # the small model may make it a string where an object is due


# What is refused before anything starts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(host="0.0.0.0"), "can be reached from other machines: give it an --api-key"),
        (Options(tokens=20_000, gpus=launch.Gpus("A", 1, 1)), "with 20,000 tokens does not fit on 1 × A with 1 GiB"),
    ],
)
def test_servers_that_are_not_started(home: Path, small_model: Path, options: Options, message: str) -> None:
    with pytest.raises(ServerError, match=message):
        launch.launch(str(small_model), options)


def test_development_mode_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_SERVER_DEV_MODE", "1")
    with pytest.raises(ServerError, match="VLLM_SERVER_DEV_MODE is set"):
        launch.launch("smollm2-135m", Options())


# Records


@pytest.fixture
def sleeper(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[served.Served]:
    """A process that stands for a server."""
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    began = psutil.Process(process.pid).create_time()
    found = served.Served(model="a/b", pid=process.pid, began=began, url="http://x", window=1, log=tmp_path / "log")
    served.record(found)
    yield found
    process.kill()
    process.wait()


def test_a_server_is_found_until_it_is_stopped(sleeper: served.Served) -> None:
    assert served.running() == [sleeper]
    assert served.find("a/b") == sleeper
    assert served.find("b") is None
    served.stop(sleeper)
    assert served.running() == []
    assert sleeper.process is None


def test_a_process_of_the_same_number_is_not_the_server(sleeper: served.Served) -> None:
    other = sleeper.model_copy(update={"began": sleeper.began - 1000})
    served.record(other)
    assert served.running() == []
    assert sleeper.process is not None  # and it was left alone


def test_several_servers_need_a_name(sleeper: served.Served) -> None:
    served.record(sleeper.model_copy(update={"model": "second"}))
    with pytest.raises(ServerError, match="2 servers are running: choose one of"):
        served.find(None)


def test_a_damaged_record_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path))
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "x.json").write_text("{")
    assert served.running() == []
    assert os.listdir(tmp_path / "servers") == []


# Logs

PREFIX = "(EngineCore pid=7) ERROR 11-24 16:51:13 [core.py:133] "


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("(Worker pid=1) INFO 11-24 16:20:07 [cpu.py:68] Starting to load model /x...", "loading the weights"),
        ("Loading safetensors checkpoint shards:  50% Completed | 1/2", "loading the weights, 50%"),
        ("INFO 11-24 [kv.py:2] CPU KV cache size: 24,576 tokens, Maximum", "a K/V cache of 24,576 tokens"),
        ("nothing of note", None),
    ],
)
def test_stages(line: str, what: str | None) -> None:
    assert stage(line) == what


def test_lines_that_are_ours() -> None:
    assert longread_line("x [backend.py:1] longread: Dual Chunk Attention, chunk 8") == "Dual Chunk Attention, chunk 8"
    assert longread_line("installed longread: 1.0") is None
    assert kv_tokens("GPU KV cache size: 1,024 tokens") == 1024
    assert kv_tokens("no") is None


@pytest.mark.parametrize(
    ("lines", "text", "memory"),
    [
        (
            [PREFIX + "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB",
             "RuntimeError: Engine core initialization failed. See root cause above."],
            "OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", True,
        ),
        (
            [PREFIX + "ValueError: To serve at least one request, 53 GiB is larger than the available KV cache memory"],
            "To serve at least one request, 53 GiB is larger than the available KV cache memory", True,
        ),
        (
            ["pydantic_core._pydantic_core.ValidationError: 1 error for VllmConfig", "  Value error, no such"],
            "no such", False,
        ),
        (["OSError: [Errno 98] Address already in use"], "OSError: [Errno 98] Address already in use", False),
        (["something", ""], "something", False),
        ([], "it said nothing", False),
    ],
)  # fmt: skip
def test_causes(lines: list[str], text: str, memory: bool) -> None:
    found = cause(lines)
    assert (found.text, found.memory) == (text, memory)


def test_a_server_that_dies_says_why(home: Path, small_model: Path) -> None:
    with pytest.raises(ServerError, match=r"did not start \(exit code \d+\): .*no-such-flag.*Its log: "):
        launch.launch(str(small_model), Options(tokens=2048, extra=("--no-such-flag",)))
    assert served.find(str(small_model)) is None
