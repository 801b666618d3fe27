"""`agent plan` and `agent serve` without a server: tests/serving/vllm_server has tests with one."""

import json

import pytest
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from longread.serving.vllm_server import registry
from tests.support.messages import says


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


# agent plan


def test_a_plan_is_a_table_and_a_command() -> None:
    result = run("plan", "qwen2.5-7b-1m", "--tokens", "1000000", "--gpus", "4xH100-80")
    assert result.exit_code == 0, result.output
    assert "on 4 × H100 with 80 GiB" in result.stdout
    [command] = [line for line in result.stdout.splitlines() if "-m vllm.entrypoints.openai.api_server" in line]
    assert "--model Qwen/Qwen2.5-7B-Instruct-1M --max-model-len 1000000" in command
    assert "--tensor-parallel-size 4" in command


def test_several_nodes_get_a_command_each() -> None:
    result = run("plan", "qwen2.5-14b-1m", "--tokens", "1000000", "--gpus", "2x8xH100")
    assert result.exit_code == 0, result.output
    assert result.stdout.count(" -m vllm.entrypoints.") == 2
    assert "on the first node:" in result.stdout
    assert "on node 2:" in result.stdout
    assert "--headless" in result.stdout.splitlines()[-1]


def test_what_does_not_fit_says_what_would() -> None:
    result = run("plan", "qwen2.5-7b-1m", "--tokens", "1000000", "--gpus", "RTX4090")
    assert result.exit_code == 1
    assert says(result.stdout, "1,000,000", "tokens", "longest")
    assert "They would fit with" in result.stdout
    assert "vllm" not in result.stdout


def test_a_plan_for_programs() -> None:
    result = run("plan", "qwen2.5-7b-1m", "--tokens", "1000000", "--gpus", "4xH100-80", "--json")
    found = json.loads(result.stdout)
    chosen = found["chosen"]
    assert (chosen["tp"], chosen["pp"], chosen["fits"]) == (4, 1, True)
    assert chosen["total"] == sum(chosen["need"].values())
    assert chosen["headroom"] == chosen["budget"] - chosen["total"]
    assert chosen in found["layouts"]
    assert "-m vllm.entrypoints.openai.api_server" in found["commands"][0]["command"]
    failed = run("plan", "qwen2.5-7b-1m", "--tokens", "1000000", "--gpus", "RTX4090", "--json")
    assert failed.exit_code == 1
    assert json.loads(failed.stdout)["chosen"] is None
    assert json.loads(failed.stdout)["remedies"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--gpus", "many"), "memory size of many is unknown"),
        (("--tokens", "2000000", "--gpus", "H100"), "2,000,000 are requested"),
        (("--fp8-kv", "--gpus", "A100"), "A100 does not support FP8"),
    ],
)
def test_questions_that_have_no_plan(arguments: tuple[str, ...], message: str) -> None:
    result = run("plan", "qwen2.5-7b-1m", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


# agent serve


def test_what_runs_is_listed_and_ended(sleeper: registry.RunningServer) -> None:
    listed = run("serve", "--status")
    assert listed.exit_code == 0, listed.output
    for part in ("a/b", "12,288", "24,576", str(sleeper.pid)):
        assert part in listed.stdout
    ended = run("serve", "--stop")
    assert ended.exit_code == 0, ended.output
    assert "stopped a/b" in ended.stderr
    assert sleeper.process is None


def test_one_that_ended_by_itself_is_shown_with_its_cause_until_it_is_forgotten(
    sleeper: registry.RunningServer,
) -> None:
    process = sleeper.process
    assert process is not None
    process.kill()
    process.wait()  # of the same object: from its death on, `sleeper` has none
    sleeper.log.write_text("INFO:     Application startup complete.\n")
    status = run("serve", "--status")
    assert status.exit_code == 0, status.output
    said = " ".join(status.stderr.split())
    assert f"a/b has exited: it was killed, as happens when main memory runs out. Its log: {sleeper.log}" in said
    assert "No server is running here" in said
    forgotten = run("serve", "--stop")
    assert forgotten.exit_code == 0
    assert "a/b had exited: it was killed" in " ".join(forgotten.stderr.split())
    assert "has exited" not in run("serve", "--status").stderr
    assert run("serve", "--stop").exit_code == 1


def test_nothing_runs() -> None:
    assert says(run("serve", "--status").stderr, "server", "running", "MODEL")
    for arguments, message in (((), "No server is running here."), (("a/b",), "No server of a/b is running here.")):
        result = run("serve", *arguments, "--stop")
        assert result.exit_code == 1
        assert message in result.stderr


def test_a_server_needs_a_model() -> None:
    result = run("serve")
    assert result.exit_code == 2
    assert "name the model to serve" in result.stderr


def test_an_unknown_way_to_cut_prompts_is_refused() -> None:
    result = run("serve", "smollm2-135m", "--pp", "2", "--chunking", "dynamic")
    assert result.exit_code == 2
    assert says(result.stderr, "'dynamic'", "chunking", "equal-time", "fixed:2048")
