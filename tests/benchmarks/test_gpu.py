"""The GPU benchmark, end to end, at tiny shapes in Triton's interpreter; and sections that fail."""

import json
import math
import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

# Looked for, not imported: tests/kernels, which come later, must set up its interpreter first.
pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="needs triton")

ROOT = Path(__file__).parents[2]
SCRIPT = ("-m", "benchmarks.gpu.run")
SECTIONS = ["ceilings", "errors", "dense", "sparse", "prompt", "decode", "memory", "model"]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """As where longread is not installed: -S leaves out what an editable install adds to the path."""
    path = os.pathsep.join(["src", sysconfig.get_path("purelib")])
    environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": path}
    command = [sys.executable, "-S", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def figures(value: Any) -> Iterator[float]:
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else [value]:
        if isinstance(each, dict | list):
            yield from figures(each)
        elif isinstance(each, float):
            yield each


def test_every_section_comes_out(tmp_path: Path):
    result = run(*SCRIPT, "--tiny", "--out", tmp_path / "results", "--minutes", "600")
    assert result.returncode == 0, result.stdout + result.stderr
    (path,) = (tmp_path / "results").iterdir()
    assert path.name == "gpu-interpreter.json"
    results = json.loads(path.read_text())
    assert results["machine"]["versions"]["triton"] != "not installed"
    sections = results["sections"]
    assert list(sections) == SECTIONS
    for title, section in sections.items():
        assert f"## {title}, " in result.stdout
        assert section["interpreted"]
        assert section["rows"]
        assert section["failed"] == []
        assert all(math.isfinite(figure) for figure in figures(section["rows"]))
    rows = {title: section["rows"] for title, section in sections.items()}

    # The interpreter does not round to float8 as a GPU does.
    errors = [row for row in rows["errors"] if not (row["kernel"] == "write" and row["K/V"] == "fp8")]
    assert {row["kernel"] for row in errors} == {"dense", "sparse", "scoring", "write"}
    assert max(row["relative"] for row in errors) < 2e-3
    assert max(row["relative"] for row in errors if row["dtype"] == "fp32") < 1e-5
    assert all(row["relative"] < 1e-5 for row in rows["decode"])
    beside = [row["relative"] for row in rows["dense"] if row["kernel"] == "longread - flash"]
    assert beside
    assert max(beside) < 1e-5
    # What a CPU cannot do is said, not left out.
    assert any("RuntimeError" in row.get("refused", "") for row in rows["dense"] if row["kernel"] == "cuDNN")
    assert {row["columns"] for row in rows["sparse"]} == {"passages", "scattered"}
    assert all(0 < row["of the worst head"] <= row["recall"] < 1.01 for row in rows["sparse"])
    assert all(0 < row["density"] <= 1 for row in rows["sparse"])
    assert {(row["attention"], row["tokens"]) for row in rows["model"]} == {
        (mode, tokens) for mode in ("sparse", "dense") for tokens in (64, 80)
    }


FAILING = """
import multiprocessing, os, time
from benchmarks.gpu import run
from benchmarks.gpu.setting import Setting

def raises(setting):
    yield {"tokens": 1}
    raise ValueError("this is why\\nand more of it")

def dies(setting):
    yield {"tokens": 1}
    os._exit(3)

def hangs(setting):
    yield {"tokens": 1}
    time.sleep(600)

run.GRACE = 0
for work in raises, dies, hangs:
    run.SECTIONS["ceilings"] = run.Section(work, 1)
    section = {"target": "", "rows": [], "failed": []}
    setting = Setting(True, time.monotonic() + 600)
    # Forked, so that it knows of the section.
    for _ in run.run("ceilings", setting, section, multiprocessing.get_context("fork")):
        if work is hangs:  # the time is over now, after its first row
            object.__setattr__(setting, "deadline", time.monotonic())
    assert section["rows"] == [{"tokens": 1}]
    print(*section["failed"])
"""


def test_a_section_that_fails_takes_nothing_with_it():
    result = run("-c", FAILING)
    *failed, stopped = result.stdout.splitlines()
    assert failed == ["ValueError: this is why", "a process ended with status 3"], result.stderr
    assert re.fullmatch(r"stopped after \d+ s, its share of the time", stopped)


def test_without_time_nothing_is_started_and_it_fails(tmp_path: Path):
    result = run(*SCRIPT, "--tiny", "--out", tmp_path, "--minutes", "0.001", "--only", "dense,model")
    assert result.returncode == 1, result.stderr
    sections = json.loads((tmp_path / "gpu-interpreter.json").read_text())["sections"]
    assert {title: section["failed"] for title, section in sections.items()} == {
        "dense": ["not started: no time is left"],
        "model": ["not started: no time is left"],
    }


def test_an_unknown_section_is_refused():
    result = run(*SCRIPT, "--tiny", "--only", "dense,shallow")
    assert result.returncode == 2
    assert "no section is called shallow" in result.stderr
