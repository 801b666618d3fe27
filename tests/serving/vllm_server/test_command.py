"""The command of a server: `agent plan` prints what `agent serve` runs."""

import json
import os
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from longread.errors import ServerError
from longread.serving.models.shape import SHAPES, ModelShape
from longread.serving.planning.gpus import GIB, Gpus
from longread.serving.planning.planner import Precision, Request, plan
from longread.serving.vllm_plugin.constants import METRICS_FOLDER
from longread.serving.vllm_server import launch
from longread.serving.vllm_server.command import ServerCommand, server_commands
from longread.serving.vllm_server.options import Options
from tests.support.engines import own_port
from tests.support.messages import says

SERVER = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model"]
HEADLESS = [sys.executable, "-m", "vllm.entrypoints.cli.main", "serve"]
KEY = "VLLM_API_KEY"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def commands(output: str) -> list[str]:
    return [line for line in output.splitlines() if " -m vllm." in line]


def parse(line: str) -> tuple[list[str], dict[str, str]]:
    """(arguments, environment) of a command, as a shell reads it."""
    words = shlex.split(line)
    start = words.index(sys.executable)
    return words[start:], dict(word.split("=", 1) for word in words[:start])


def value(arguments: list[str], name: str) -> str:
    assert arguments.count(name) == 1
    return arguments[arguments.index(name) + 1]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """(arguments, environment) of each process that would have been started."""
    processes = []

    def start(arguments: list[str], environment: dict[str, str], log: Path) -> Any:
        processes.append((arguments, environment))
        raise ServerError("Not started.")

    monkeypatch.setattr(launch, "_start", start)
    return processes


GPU_OPTIONS = ("--gpus", "4xH100-80", "--fp8-kv", "--fp8-weights")


@pytest.mark.parametrize(
    "options",
    [
        ("--tokens", "4096"),
        ("--tokens", "12288", "--no-sparse"),  # beyond the model's window
        ("--tokens", "12288", "--pp", "2", "--chunking", "fixed:512", "--sparse"),
        ("--tokens", "4096", "--chunk", "256", "--kv-disk", "kv", "--kv-disk-size", "0.5"),
        ("--tokens", "4096", "--host", "0.0.0.0", "--api-key", "of-clients"),
        ("--tokens", "4096", "--", "--max-num-seqs", "2", "--chat-template", "it's a file"),
        (*GPU_OPTIONS, "--tokens", "8192"),
        (*GPU_OPTIONS, "--tp", "1", "--pp", "4", "--kv-disk", "kv", "--kv-memory", "2", "--", "--max-num-seqs", "2"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("roomy")
def test_plan_prints_what_serve_runs(
    default_model: str, options: tuple[str, ...], started: list[tuple[list[str], dict[str, str]]],
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(METRICS_FOLDER, "of another vLLM")
    monkeypatch.delenv("VLLM_CPU_OMP_THREADS_BIND", raising=False)
    with own_port() as port:
        arguments = (default_model, "--port", str(port), *options)
        planned = run("plan", *arguments)
        assert planned.exit_code == 0, planned.output
        assert list(tmp_path.iterdir()) == [], "a plan writes nothing"
        served = run("serve", *arguments)
    assert "Not started." in served.stderr
    [line] = commands(planned.stdout)
    as_json = json.loads(run("plan", "--json", *arguments).stdout)
    assert [one["command"] for one in as_json["commands"]] == [line]
    [(argv, environment)] = started
    assert METRICS_FOLDER not in environment
    added = {name: text for name, text in environment.items() if os.environ.get(name) != text}
    assert added["PYTHONSAFEPATH"] == "1"
    assert ("VLLM_CPU_OMP_THREADS_BIND" in added) is ("--gpus" not in options)
    if KEY in added:
        assert added[KEY] == "of-clients"
        assert "of-clients" not in planned.output
        added[KEY] = f"${{{KEY}:?}}"
    assert parse(line) == (argv, added)


def test_on_several_nodes_the_first_runs_what_serve_would_and_the_others_are_headless(
    default_model: str, started: list[tuple[list[str], dict[str, str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = (default_model, "--gpus", "2x2xH100", "--pp", "4", "--port", "8123", "--api-key", "of-clients")
    planned = run("plan", *arguments, "--", "--seed", "1")
    assert planned.exit_code == 0, planned.output
    first, second = commands(planned.stdout)
    refused = run("serve", *arguments, "--", "--seed", "1")
    assert refused.exit_code == 1
    assert says(refused.stderr, "2", "started", "commands")
    assert started == []
    monkeypatch.setattr(launch, "check", lambda options: None)
    monkeypatch.setattr(launch, "_claim_port", lambda options: (options.port, nullcontext()))
    run("serve", *arguments, "--", "--seed", "1")
    [(argv, environment)] = started
    assert parse(first)[0] == argv
    assert environment[KEY] == "of-clients"
    for rank, line in enumerate((first, second)):
        words, added = parse(line)
        assert value(words, "--nnodes") == "2"
        assert value(words, "--node-rank") == str(rank)
        assert value(words, "--master-addr") == "FIRST_NODE_ADDRESS"
        assert words[-2:] == ["--seed", "1"]
        assert added == {"PYTHONSAFEPATH": "1", KEY: f"${{{KEY}:?}}"}
    without = [word for word in parse(second)[0][len(HEADLESS) :] if word != "--headless"]
    without[without.index("--node-rank") + 1] = "0"
    assert parse(second)[0][: len(HEADLESS)] == HEADLESS
    assert parse(first)[0] == [*SERVER, *without]
    assert "Replace FIRST_NODE_ADDRESS on every node." in planned.stderr


def test_the_command_fails_without_the_key(default_model: str) -> None:
    planned = run("plan", default_model, "--gpus", "H100", "--host", "0.0.0.0", "--api-key", "of-clients")
    [line] = commands(planned.stdout)
    assert "set VLLM_API_KEY first" in planned.stderr
    environment = {name: text for name, text in os.environ.items() if name != KEY}
    shell = subprocess.run(["sh", "-c", line], env=environment, capture_output=True, text=True)
    assert shell.returncode != 0
    assert KEY in shell.stderr
    variables = line[: line.index(sys.executable)]
    shell = subprocess.run(
        ["sh", "-c", f"{variables} sh -c 'printf %s \"${KEY}\"'"],
        env={**environment, KEY: "a b"},
        capture_output=True,
        text=True,
    )
    assert shell.stdout == "a b"
    assert "of-clients" not in repr(ServerCommand((), {KEY: "of-clients"}))
    assert "of-clients" not in repr(Options(api_key="of-clients"))


def test_a_server_for_others_without_a_key_is_not_planned() -> None:
    planned = run("plan", "qwen2.5-7b-1m", "--gpus", "H100", "--host", "0.0.0.0")
    assert planned.exit_code == 1
    assert says(planned.stderr, "0.0.0.0", "reached", "machines")
    assert commands(planned.output) == []


def test_a_model_that_is_not_here_is_named_by_its_hub_id(tmp_path: Path) -> None:
    arguments = ("qwen2.5-7b-1m", "--tokens", "1000000", "--gpus", "4xH100-80", "--kv-disk", str(tmp_path / "kv"))
    planned = run("plan", *arguments)
    [line] = commands(planned.stdout)
    words, _ = parse(line)
    assert words[:5] == [*SERVER, "Qwen/Qwen2.5-7B-Instruct-1M"]
    assert value(words, "--served-model-name") == "qwen2.5-7b-1m"
    assert value(words, "--port") == "8000"
    [tier] = json.loads(value(words, "--kv-transfer-config"))["kv_connector_extra_config"]["secondary_tiers"]
    assert tier["root_dir"] == str(tmp_path / "kv" / "longread-kv" / "vllm" / "FINGERPRINT_OF_THE_WEIGHTS")
    assert "replace FINGERPRINT_OF_THE_WEIGHTS" in planned.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["plan", "serve"])
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--kv-disk-size", "4"), "--kv-disk-size: it has no effect without --kv-disk"),
        (("--kv-memory", "4"), "--kv-memory: it has no effect without --kv-disk"),
        (("--chunking", "fixed:2048", "--chunk", "1024"), "--chunk: it has no effect with --chunking fixed:2048"),
        (("word", "--", "--seed", "1"), "unexpected extra argument(s) (word)"),
    ],
)
def test_options_without_effect_are_refused(command: str, options: tuple[str, ...], said: str) -> None:
    result = run(command, "qwen2.5-7b-1m", "--gpus", "4xH100-80", *options)
    assert result.exit_code == 2
    assert said in result.stderr


# Arguments


def argv(request: Request) -> list[list[str]]:
    return [list(one.arguments) for one in server_commands(plan(request), Options(), folder=None)]


def request(name: str, tokens: int, gpus: str) -> Request:
    return Request(name, SHAPES[name], tokens, Gpus.parse(gpus))


def test_the_layout_is_in_the_arguments() -> None:
    [arguments] = argv(request("qwen2.5-7b-1m", 1_000_000, "4xH100-80"))
    assert value(arguments, "--tensor-parallel-size") == "4"
    assert value(arguments, "--max-model-len") == "1000000"
    assert "--pipeline-parallel-size" not in arguments
    assert "--enforce-eager" not in arguments


def test_what_does_not_fit_has_no_command() -> None:
    assert argv(request("qwen2.5-7b-1m", 1_000_000, "RTX4090")) == []


def test_only_the_first_node_answers() -> None:
    found = server_commands(plan(request("qwen3-235b-a22b", 262_144, "2x8xH100")), Options(), folder=None)
    assert [one.node for one in found] == ["on the first node", "on node 2"]
    assert ["--headless" in one.arguments for one in found] == [False, True]


def test_a_cpu_without_bfloat16_computes_in_float32(small_model: Path) -> None:
    shape = ModelShape.from_config(json.loads((small_model / "config.json").read_text()))
    [arguments] = argv(Request("small", shape, 8192, Gpus.cpu(8 * GIB), Precision(bits=32)))
    assert arguments[:5] == [*SERVER, "small"]
    assert value(arguments, "--dtype") == "float32"
    assert "--gpu-memory-utilization" not in arguments
    assert "--enforce-eager" in arguments
