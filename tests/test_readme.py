"""What the README tells a newcomer is true: its commands exist, its snippet runs, its links lead somewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from longread.agent.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_its_links_lead_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", README) if "://" not in link]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_commands_and_flags_exist() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    used = re.findall(r"(?:^|`|/)agent (\w+)([^\n`#]*)", README, flags=re.MULTILINE)
    assert {name for name, _ in used} >= {"chat", "ask", "config", "doctor", "models"}
    for name, rest in used:
        known = {option for parameter in commands[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z][a-z-]*", rest)) <= known, rest


def test_its_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in makefile for target in re.findall(r"^make (\w+)", README, flags=re.MULTILINE))


@pytest.mark.usefixtures("read_before")
def test_its_python_runs() -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    result = subprocess.run(
        [sys.executable, "-c", snippet], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ)
    )
    assert result.returncode == 0, result.stderr
    assert "8,192 tokens" in result.stdout
    assert "Apache-2.0" in result.stdout
    assert "[handbook:8] lookup" in result.stdout
