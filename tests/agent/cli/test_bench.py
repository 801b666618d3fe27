"""`agent bench`, as a user meets it: against a server by script, and the embedded model for real."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer import BadParameter
from typer.testing import CliRunner, Result

from longread.agent.cli.app import app
from longread.agent.cli.options import token_count
from tests.support.scripted_server import Reply, Request, ScriptedServer


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bench", *arguments])


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()[1:]]


def knows_half(request: Request) -> Reply:
    """A model that knows pass keys that end in an even digit."""
    prompt = request.json["messages"][-1]["content"]
    found = re.search(r"The pass key is (\d+)", prompt)
    return Reply.text(f" {found[1]}." if found and int(found[1]) % 2 == 0 else " I do not know.")


@pytest.fixture
def server(scripted_server: ScriptedServer) -> ScriptedServer:
    scripted_server.default = knows_half
    scripted_server.models = [{"id": "scripted", "object": "model", "max_model_len": 100_000}]
    return scripted_server


PASSKEYS = ("run", "-t", "passkey", "-n", "1K,2048", "--samples", "3", "--depths", "2")


def test_a_run_asks_scores_keeps_and_goes_on(server: ScriptedServer, tmp_path: Path):
    out = tmp_path / "r.jsonl"
    result = run(*PASSKEYS, "--server", server.url, "--out", str(out), "--draw", str(tmp_path / "p.svg"))
    assert result.exit_code == 0, result.output
    made = rows(out)
    assert len(made) == len(server.chats) == 2 * 3 * 2
    for row in made:
        assert row["score"] == (int(row["answers"][0]) % 2 == 0)
        assert row["ttft"] >= 0
        assert row["prompt_tokens"] > 0
    assert {chat.json["temperature"] for chat in server.chats} == {0.0}
    right = sum(row["score"] for row in made if row["length"] == 1024)
    assert re.search(rf"passkey +1,024 +6 +{100 * right / 6:.1f} \[", result.stdout)
    assert (tmp_path / "p.svg").stat().st_size > 1000
    assert "".join(f"the picture is {tmp_path / 'p.svg'}".split()) in "".join(result.stderr.split())
    again = run(*PASSKEYS, "--server", server.url, "--out", str(out))
    assert again.exit_code == 0
    assert len(server.chats) == 12
    assert again.stdout == result.stdout
    assert run("show", str(out)).stdout == result.stdout


def test_two_runs_are_compared_prompt_by_prompt(server: ScriptedServer, tmp_path: Path):
    some = ("-n", "1K", "--samples", "6", "--depths", "2", "--server", server.url, "-t", "passkey")
    run("run", *some, "-o", str(tmp_path / "a.jsonl"))
    server.default = Reply.text("The pass key is not there.")
    run("run", *some, "-o", str(tmp_path / "b.jsonl"))
    result = run("compare", str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl"))
    assert result.exit_code == 0, result.output
    right = sum(row["score"] for row in rows(tmp_path / "a.jsonl"))
    assert right > 5
    assert re.search(rf"passkey +1,024 +12 +{100 * right / 12:.1f} +0\.0 +-{100 * right / 12:.1f} \[", result.stdout)
    assert "worse" in result.stdout
    told = "".join(result.stderr.split())
    assert "".join(f"B is {tmp_path / 'b.jsonl'}: model scripted, server {server.url}".split()) in told
    server.default = knows_half
    run("run", *some, "--seed", "7", "-o", str(tmp_path / "c.jsonl"))
    result = run("compare", str(tmp_path / "a.jsonl"), str(tmp_path / "c.jsonl"))
    assert result.exit_code == 1
    assert "no prompt in common" in result.stderr


def test_citing_takes_the_pages_of_the_users_file(server: ScriptedServer, tmp_path: Path):
    book = tmp_path / "book.txt"
    book.write_text("Of nodes. The table of all subscribers is replicated to seventeen nodes by default.\n")

    def answers(request: Request) -> Reply:
        prompt = request.json["messages"][-1]["content"]
        sentence = "The table of all subscribers is replicated to seventeen nodes by default."
        before, after = prompt.split("\n\n")[-2].split("_____")
        word = sentence.removeprefix(before).removesuffix(after)
        return Reply.text(f'{word}. "{sentence}" [book:1]')

    server.default = answers
    out = tmp_path / "r.jsonl"
    result = run("run", "-t", "citing", "-n", "2K", "--file", str(book), "--server", server.url, "-o", str(out))
    assert result.exit_code == 0, result.output
    (row,) = rows(out)
    assert row["parts"] == {"answer": 1.0, "page": 1.0, "quote": 1.0}


def test_a_server_that_fails_ends_the_run_in_a_line(server: ScriptedServer, tmp_path: Path):
    server.default = Reply.error(400, "no such thing")
    out = tmp_path / "r.jsonl"
    result = run(*PASSKEYS, "--server", server.url, "-o", str(out))
    assert result.exit_code == 1
    assert "no such thing" in result.stderr
    assert rows(out) == []


def test_what_is_wrong_is_said_before_anything_is_asked(server: ScriptedServer, tmp_path: Path):
    for arguments, message in (
        (["-t", "nothing", "-n", "1K"], "there is no task 'nothing'"),
        (["-t", "passkey", "-n", "much"], "for --length: 'much' is not a number of tokens: write 4096, 16K or 1M"),
        (["-t", "passkey", "-n", "4K,0"], "'0' is not a number of tokens"),
        (["-t", "passkey", "-n", "1K", "--window", "16X"], "'16X' is not a number of tokens"),
        (["-t", "lveval", "-n", "1K"], "lveval needs data: give --data with a file such as"),
        (["-t", "vt", "-n", "256"], "vt does not get shorter than"),
        (["-t", "lveval", "-n", "1K", "--data", "no.jsonl"], "no.jsonl"),
        (["-t", "passkey", "-n", "1K", "--draw", "p.xyz"], "p.xyz cannot be drawn: its extension can be"),
        (["-t", "passkey", "-n", "1K", "--draw", "no/p.svg"], "no/p.svg cannot be drawn: there is no folder no."),
    ):
        result = run("run", *arguments, "--server", server.url, "-o", str(tmp_path / "r.jsonl"))
        assert result.exit_code != 0
        assert message in " ".join(result.stderr.split())
    assert server.chats == []


def test_the_list_has_every_task_and_what_it_needs():
    result = run("list")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "niah_multikey_3 RULER" in text
    assert "--data squad.json" in text


def test_numbers_of_tokens():
    assert [token_count(text) for text in ("4096", "16K", "1m")] == [4096, 16384, 1048576]
    with pytest.raises(BadParameter, match="'0'"):
        token_count("0")


@pytest.mark.usefixtures("default_model")
def test_the_embedded_model_finds_a_pass_key(tmp_path: Path):
    out = tmp_path / "r.jsonl"
    result = run("run", "-t", "passkey", "-n", "600", "--samples", "1", "--depths", "1", "-o", str(out))
    assert result.exit_code == 0, result.output
    (row,) = rows(out)
    assert row["score"] == 1.0, row
    assert json.loads(out.read_text().splitlines()[0])["settings"]["window"] == 8192
    assert 400 < row["prompt_tokens"] <= 600
