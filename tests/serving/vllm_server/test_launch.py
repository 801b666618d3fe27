"""`agent serve`: a real vLLM with the real model, and what is said when one does not come up."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import Request, urlopen

import jsonschema
import psutil
import pytest

from longread.agent.llm.endpoint import EndpointChat
from longread.errors import ServerError
from longread.events import ServeEvent, Starting
from longread.serving.embedded.engine import Engine
from longread.serving.planning.gpus import Gpus
from longread.serving.vllm_server import launch, registry
from longread.serving.vllm_server.log import cause, exit_cause, kv_tokens, longread_line, stage
from longread.serving.vllm_server.options import Options
from tests.support.engines import SERVED_TOKENS, own_port, user
from tests.support.messages import says


def ask(url: str, body: dict[str, object]) -> dict[str, object]:
    request = Request(f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urlopen(request) as answer:
        return json.load(answer)


def test_it_comes_up_says_what_runs_and_is_found_again(
    server: tuple[registry.RunningServer, list[ServeEvent]], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(home))
    found, events = server
    said = [event.what for event in events if isinstance(event, Starting)]
    assert "starting" in said
    assert found.window == SERVED_TOKENS
    assert found.kv_tokens == 2 * SERVED_TOKENS
    assert registry.running_servers() == [found]
    assert registry.find("smollm2-135m") == registry.find(None) == found
    assert launch.launch("smollm2-135m") == found  # one server a model
    log = found.log.read_text()
    assert says(log, "longread", "Attention", "8,192", "1,024")
    assert found.memory() > 500_000_000


def test_it_answers_as_the_embedded_engine_does(
    server: tuple[registry.RunningServer, list[ServeEvent]], real_engine: Engine
) -> None:
    found, _ = server
    messages = user("What is the capital of France?")
    reply = ask(found.url, {"model": "smollm2-135m", "messages": messages, "max_tokens": 16})
    text = "".join(event.text for event in real_engine.stream(messages, max_tokens=16) if hasattr(event, "text"))
    assert reply["choices"][0]["message"]["content"] == text  # type: ignore[index]
    assert "Paris" in text


def test_a_follow_up_finds_its_prefix(server: tuple[registry.RunningServer, list[ServeEvent]]) -> None:
    found, _ = server
    text = "The harbour master keeps the blue key. " * 40
    body = {"model": "smollm2-135m", "max_tokens": 4}
    ask(found.url, {**body, "messages": user(text + "Who keeps it?")})
    again = ask(found.url, {**body, "messages": user(text + "What colour is it?")})
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] >= 256  # type: ignore[index]


def test_its_metrics_have_our_counters(server: tuple[registry.RunningServer, list[ServeEvent]]) -> None:
    """Attention counts in another process than the one that is asked."""
    url = server[0].url.removesuffix("/v1")

    def read() -> float:
        with urlopen(f"{url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("longread_prefill_tokens_total{"))

    before = read()
    reply = ask(server[0].url, {"model": "smollm2-135m", "messages": user("Counted? " * 50), "max_tokens": 1})
    usage: Any = reply["usage"]
    computed = usage["prompt_tokens"] - usage["prompt_tokens_details"]["cached_tokens"]
    assert computed > 50
    assert read() - before == computed


def test_two_at_once_get_what_each_gets_alone(server: tuple[registry.RunningServer, list[ServeEvent]]) -> None:
    """One is written from its beginning to its end while another, of many more tokens, is being written."""
    found, _ = server
    story, stone = "Tell a story about a harbour.", "Fact: the stone is blue. " * 30 + "Say what you know of the stone."
    short = 32

    def pieces(question: str, tokens: int) -> Iterator[str]:
        """Of the text, as they come: of one token, or of more."""
        body = {"messages": user(question), "max_tokens": tokens, "temperature": 0, "ignore_eos": True, "stream": True}
        request = Request(
            f"{found.url}/chat/completions",
            json.dumps({"model": "smollm2-135m", **body}).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request) as lines:
            for line in lines:
                if line.startswith(b"data: {"):
                    yield from filter(None, [json.loads(line[6:])["choices"][0]["delta"].get("content")])

    other_is_done = threading.Event()

    def read(answer: Iterator[str]) -> bool:
        """Until the other answer is there, and as much as that has. -> whether it came to its end before."""
        for piece in answer:
            long.append(piece)
            if other_is_done.is_set() and len(long) >= short:
                return False
        return True

    with closing(pieces(story, 4_000)) as answer, ThreadPoolExecutor(1) as pool:
        long = [next(answer)]
        ended = pool.submit(read, answer)
        try:
            whole = "".join(pieces(stone, short))
        finally:
            other_is_done.set()
        assert not ended.result(), "both were being written at once"
    assert "".join(long).startswith("".join(pieces(story, short)))
    assert whole == "".join(pieces(stone, short)) != ""


# What keeps to a schema, from a model too small to know it

WORD = {"type": "object", "properties": {"word": {"type": "string", "maxLength": 20}}, "required": ["word"]}
LOOK_UP = {"name": "look_up", "description": "Look up a word.", "parameters": WORD}
LOOK_UP_CHOSEN = {"type": "function", "function": {"name": "look_up"}}


@pytest.mark.parametrize("choice", ["required", LOOK_UP_CHOSEN], ids=["required", "by name"])
def test_a_tool_that_must_be_called_is_called_with_valid_arguments(
    server: tuple[registry.RunningServer, list[ServeEvent]], choice: object
) -> None:
    called = ask(
        server[0].url,
        {
            "model": "smollm2-135m", "messages": user("What does the word longread mean?"), "max_tokens": 64,
            "temperature": 0, "tools": [{"type": "function", "function": LOOK_UP}], "tool_choice": choice,
            "parallel_tool_calls": False,
        },
    )  # fmt: skip
    [call] = called["choices"][0]["message"]["tool_calls"]  # type: ignore[index]
    assert call["function"]["name"] == "look_up"
    jsonschema.validate(json.loads(call["function"]["arguments"]), WORD)


def test_a_tool_call_reaches_the_agent_whole(server: tuple[registry.RunningServer, list[ServeEvent]]) -> None:
    """As it is streamed, through the chat model of the agents."""
    model = EndpointChat({"server": server[0].url, "generate_cfg": {"max_tokens": 64, "temperature": 0}})
    settings = {"function_choice": "look_up", "parallel_function_calls": False}
    asked = model.chat(user("What does the word longread mean?"), functions=[LOOK_UP], extra_generate_cfg=settings)
    *_, [message] = asked
    assert message["function_call"]["name"] == "look_up"
    jsonschema.validate(json.loads(message["function_call"]["arguments"]), WORD)


def test_an_answer_keeps_to_a_schema(server: tuple[registry.RunningServer, list[ServeEvent]]) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 30}, "river": {"enum": ["Seine", "Rhine"]}},
        "required": ["city", "river"],
        "additionalProperties": False,
    }
    answer = ask(
        server[0].url,
        {
            "model": "smollm2-135m", "messages": user("Which city is the capital of France?"), "max_tokens": 64,
            "temperature": 0,
            "response_format": {"type": "json_schema", "json_schema": {"name": "place", "schema": schema}},
        },
    )  # fmt: skip
    jsonschema.validate(json.loads(answer["choices"][0]["message"]["content"]), schema)  # type: ignore[index]


# What is refused before anything starts


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(host="0.0.0.0"), "can be reached from other machines. Give it an --api-key"),
        (
            Options(gpus=Gpus("H100", 80, 8, 2)),
            "on 2 nodes must be started on each of them. agent plan prints the commands",
        ),
        (Options(tokens=20_000, gpus=Gpus("A", 1, 1)), "with 20,000 tokens does not fit on 1 × A with 1 GiB"),
    ],
)
def test_servers_that_are_not_started(home: Path, small_model: Path, options: Options, message: str) -> None:
    with pytest.raises(ServerError, match=message):
        launch.launch(str(small_model), options)


def test_development_mode_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLLM_SERVER_DEV_MODE", "1")
    with pytest.raises(ServerError, match="VLLM_SERVER_DEV_MODE is set"):
        launch.launch("smollm2-135m", Options())


def test_a_port_is_one_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From when it is chosen: vLLM itself would let two listen at one."""
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    with own_port() as port:
        with (
            socket.create_server(("127.0.0.1", port)),
            pytest.raises(ServerError, match=rf"Port {port} of 127\.0\.0\.1 is not free\. Choose another"),
        ):
            launch._claim_port(Options(port=port))
        found, claim = launch._claim_port(Options(port=port))
        assert found == port
        with claim, pytest.raises(ServerError, match=f"Port {port}"):
            launch._claim_port(Options(port=port))
    one, other = launch._claim_port(Options()), launch._claim_port(Options())
    with one[1], other[1]:
        assert one[0] != other[0]


# Records


def test_a_server_is_found_until_it_is_stopped(sleeper: registry.RunningServer) -> None:
    assert registry.running_servers() == [sleeper]
    assert registry.find("a/b") == sleeper
    assert registry.find("b") is None
    registry.stop(sleeper)
    assert registry.running_servers() == []
    assert sleeper.process is None


def test_a_process_of_the_same_number_is_not_the_server(sleeper: registry.RunningServer) -> None:
    other = sleeper.model_copy(update={"began": sleeper.began - 1000})
    registry.record(other)
    assert registry.running_servers() == []
    assert other.processes == []
    registry.stop(other)
    assert sleeper.process is not None  # and it was left alone


def test_what_a_killed_server_leaves_behind_is_ended_with_it(sleeper: registry.RunningServer) -> None:
    """Its engine goes on without it, and keeps its memory."""
    child = "import time; print('ready', flush=True); time.sleep(600)"
    first = subprocess.Popen(
        [sys.executable, "-c", f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"],
        stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        began = psutil.Process(first.pid).create_time()
        gone = sleeper.model_copy(update={"model": "gone", "pid": first.pid, "began": began})
        registry.record(gone)
        assert first.stdout
        assert first.stdout.readline()
        first.kill()
        first.wait()
        first.stdout.close()
        assert registry.running_servers() == [sleeper]
        assert registry.exited_servers() == [gone]
        [left] = gone.processes
        began = left.create_time()
        assert gone.memory() > 0
        registry.stop(gone)
        assert registry.live_process(left.pid, began) is None
        assert registry.exited_servers() == []
        assert sleeper.process is not None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(first.pid, signal.SIGKILL)


def test_one_that_nobody_waited_for_is_up_when_its_log_says_so(sleeper: registry.RunningServer) -> None:
    """The terminal was closed while it started."""
    registry.record(sleeper.model_copy(update={"kv_tokens": None}))
    sleeper.log.write_text("INFO 11-24 [kv.py:2] CPU KV cache size: 24,576 tokens, Maximum\n")
    assert [one.kv_tokens for one in registry.running_servers()] == [None]
    with sleeper.log.open("a") as log:
        log.write("INFO:     Application startup complete.\n")
    assert registry.running_servers() == [sleeper]


def test_several_servers_need_a_name(sleeper: registry.RunningServer) -> None:
    registry.record(sleeper.model_copy(update={"model": "second"}))
    with pytest.raises(ServerError, match="2 servers are running: choose one of"):
        registry.find(None)


def test_a_damaged_record_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path))
    (tmp_path / "servers").mkdir()
    (tmp_path / "servers" / "x.json").write_text("{")
    assert registry.running_servers() == []
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
        (
            [PREFIX + "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate "
             "memory: you tried to allocate 5998510080 bytes. Error code 12 (Cannot allocate memory)"],
            "main memory ran out: 5.6 GiB more could not be had", True,
        ),
        (
            [PREFIX + "Exception: WorkerProc initialization failed due to an exception in a background process. See "
             "stack trace for root cause.", "RuntimeError: Engine core initialization failed. See root cause above."],
            "one of its processes was killed, as happens when main memory runs out", True,
        ),
        (["OSError: [Errno 98] Address already in use"], "OSError: [Errno 98] Address already in use", False),
        (["something", ""], "something", False),
        ([], "it said nothing", False),
    ],
)  # fmt: skip
def test_causes(lines: list[str], text: str, memory: bool) -> None:
    found = cause(lines)
    assert (found.text, found.memory) == (text, memory)


DIED = "(APIServer pid=7) ERROR 11-26 22:27:16 [async_llm.py:906] vllm.v1.engine.exceptions.EngineDeadError: EngineCore"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (
            [PREFIX + "Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor.",
             PREFIX + "RuntimeError: Executor failed.", DIED, "INFO:     Application shutdown complete."],
            "one of its processes was killed, as happens when main memory runs out",
        ),
        (
            ["(APIServer pid=7) ERROR 11-26 22:27:16 [x.py:9] ValueError: of a request",
             PREFIX + "torch.OutOfMemoryError: CUDA out of memory.", DIED],
            "OutOfMemoryError: CUDA out of memory.",
        ),
        (["INFO:     Shutting down", "INFO:     Application shutdown complete."], "it was told to end"),
        (["INFO:     Application startup complete.", "INFO:     127.0.0.1:4 - \"GET /metrics HTTP/1.1\" 200 OK"],
         "it was killed, as happens when main memory runs out"),
    ],
    ids=["killed worker", "an error of the engine", "told to end", "killed itself"],
)  # fmt: skip
def test_how_servers_end(lines: list[str], text: str) -> None:
    assert exit_cause(lines).text == text


def test_a_server_that_dies_says_why(roomy: None, small_model: Path) -> None:
    with pytest.raises(ServerError, match=r"did not start \(exit code \d+\): .*no-such-flag.*Its log: "):
        launch.launch(str(small_model), Options(tokens=2048, extra=("--no-such-flag",)))
    assert registry.find(str(small_model)) is None


# Servers that do not come up, played by a short program


@pytest.fixture
def played(home: Path, monkeypatch: pytest.MonkeyPatch, roomy: None) -> Callable[[str], None]:
    """`played(script)`: that is what runs instead of vLLM, and writes its log."""
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(home))

    def play(script: str) -> None:
        real = launch._start

        def start(arguments: list[str], *others: Any) -> Any:
            return real([sys.executable, "-c", script], *others)

        monkeypatch.setattr(launch, "_start", start)

    return play


def test_one_that_runs_out_of_memory_says_what_would_fit(played: Callable[[str], None], small_model: Path) -> None:
    played(f"print({PREFIX + 'torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB'!r}); exit(3)")
    with pytest.raises(ServerError) as caught:
        launch.launch(str(small_model), Options(tokens=8192))
    found = re.search(
        r"did not start \(exit code 3\): OutOfMemoryError: CUDA out of memory\. Tried to allocate 2 GiB\. Its log: .* "
        r"Half the length takes (\d+\.\d) GiB: --tokens 4096\.$",
        str(caught.value),
    )
    assert found
    wanted = launch.plan_for(str(small_model), Options(tokens=4096)).chosen
    assert wanted
    assert found[1] == f"{wanted.need.total / 2**30:.1f}"


def test_what_was_asked_of_vllm_beside_the_plan_is_named(played: Callable[[str], None], small_model: Path) -> None:
    played(f"print({PREFIX + 'RuntimeError: DefaultCPUAllocator: you tried to allocate 5998510080 bytes'!r}); exit(1)")
    asked = Options(tokens=8192, extra=("--kv-cache-memory-bytes", "6000000000", "--max-num-seqs=4"))
    message = (
        r": main memory ran out: 5\.6 GiB more could not be had\. Its log: .*\. "
        r"Without --kv-cache-memory-bytes and --max-num-seqs, as planned, it takes \d+\.\d GiB\.$"
    )
    with pytest.raises(ServerError, match=message):
        launch.launch(str(small_model), asked)


def test_one_that_is_killed_before_it_says_anything(played: Callable[[str], None], small_model: Path) -> None:
    played("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(ServerError, match=r"\(signal 9\).*killed.*happens"):
        launch.launch(str(small_model), Options(tokens=2048))
    assert registry.find(str(small_model)) is None


def test_one_that_is_never_ready(
    played: Callable[[str], None], small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time stands still until it has said what it does."""
    played("import time; print('Loading weights took 2 s', flush=True); time.sleep(600)")
    now = 0.0
    monkeypatch.setattr(launch, "time", SimpleNamespace(monotonic=lambda: now, sleep=time.sleep))

    def passes(event: ServeEvent) -> None:
        nonlocal now
        if isinstance(event, Starting) and event.what == "preparing the model":
            now += 1.25

    with pytest.raises(ServerError, match=r"ready after 2.*\(preparing.*model\)"):
        launch.launch(str(small_model), Options(tokens=2048, timeout=2), on_event=passes)
    assert registry.find(str(small_model)) is None


def test_nobody_is_left_behind_by_who_stops_waiting(played: Callable[[str], None], small_model: Path) -> None:
    played("import time; time.sleep(600)")
    seen: list[registry.RunningServer] = []

    def interrupted(event: ServeEvent) -> None:
        if isinstance(event, Starting):
            seen.extend(registry.running_servers())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.launch(str(small_model), Options(tokens=2048), on_event=interrupted)
    assert str(small_model) in [one.model for one in seen]
    assert registry.find(str(small_model)) is None
    assert all(one.process is None for one in seen if one.model == str(small_model))
