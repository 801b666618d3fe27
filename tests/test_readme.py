"""What the README tells a newcomer is true: its commands exist, its snippet runs, and its output is real."""

import os
import re
import shlex
import subprocess
import sys
import tomllib

import pytest
from typer.main import get_command

from longread.agent.cli.app import app
from tests.support.repository import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
DESCRIPTION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["readme"]


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_long_description_has_no_relative_links() -> None:
    text = (ROOT / DESCRIPTION).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []
    # It repeats the README where it can.
    line = README.split("\n\n")[1]
    assert line in text


def test_its_commands_and_flags_exist() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    used = re.findall(r"(?:^\$ |^|`|/)agent (\w+)([^\n`#]*)", README, flags=re.MULTILINE)
    assert {name for name, _ in used} >= {"chat", "ask", "config", "doctor", "models", "plan", "serve"}
    for name, rest in used:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known, rest
    mentioned = set(re.findall(r"`(--[a-z-]+)[ `]", README))
    known = {option for name in ("ask", "chat") for parameter in commands[name].params for option in parameter.opts}
    assert mentioned
    assert mentioned <= known


def test_its_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = re.findall(r"^make (\w+)", README, flags=re.MULTILINE)
    assert targets
    assert all(f"\n{target}:" in makefile for target in targets)


def test_it_takes_two_minutes() -> None:
    prose = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    prose = re.sub(r"\]\([^)]*\)", "]", prose)
    assert len(prose.split()) < 600


@pytest.mark.usefixtures("read_before")
def test_its_python_runs() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert snippet.count("\n") <= 12
    result = subprocess.run(
        [sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ)
    )
    assert result.returncode == 0, result.stderr
    assert "8,192 tokens" in result.stdout
    assert "Apache-2.0" in result.stdout
    assert "[handbook:8] lookup" in result.stdout


@pytest.mark.usefixtures("read_before")
def test_its_output_is_what_the_command_prints() -> None:
    command, *lines = re.search(r"```console\n\$ (agent ask .*?)```", README, flags=re.DOTALL)[1].splitlines()  # type: ignore[index]
    result = subprocess.run(
        [sys.executable, "-m", "longread", *shlex.split(command)[1:], "--temperature", "0"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=dict(os.environ),
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() in lines

    def without_measurements(text: str) -> list[str]:
        """What differs between runs and machines: seconds, speed, and what was cached."""
        rows = [
            re.sub(r", (?:from the cache|in [\d.]+ s)$|, first token .*$| \([\d,]+ cached\)", "", row)
            for row in text.splitlines()
        ]
        return [row for row in rows if row]

    shown = without_measurements("\n".join(line for line in lines if line != result.stdout.strip()))
    assert shown == without_measurements(result.stderr)
