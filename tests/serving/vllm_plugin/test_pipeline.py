"""A real pipeline of two stages on this CPU: benchmarks/pipeline/cpu.py at a size that takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
TOKENS = 1500


def test_chunks_of_equal_time_answer_as_chunks_of_one_size(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    """Costs are measured, and corrected while a prompt is read by them; what has been done is not done again."""
    command = [
        sys.executable, "-m", "benchmarks.pipeline.cpu", "--model", str(tiny_models["qwen2"]), "--results",
        str(tmp_path), "--tokens", str(TOKENS), "--sizes", "256", "--attention", "dense", "--random", "--no-single",
        "--rounds", "1", "--calibrate", "1", "--tolerance", "1e3", "1e3",
    ]  # fmt: skip
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    found = json.loads((tmp_path / "pipeline_cpu.json").read_text())
    assert found["calibrations"]["dense"]["engine"]["layers"] == [2, 1]
    assert found["calibrations"]["dense"]["text"] > TOKENS
    assert found["calibrations"]["dense, random tokens"]["text"] == 0
    rows = {row["strategy"]: row for row in found["rows"]}
    assert rows.keys() == {"fixed 256", "equal time", "equal time, from random tokens"}
    assert rows["equal time"]["answer"] == rows["fixed 256"]["answer"]
    assert len(set(rows["fixed 256"]["answer"])) > 1
    for row in rows.values():
        prefixes = [sum(chunk for _, chunk, *_ in row["steps"][:index]) for index in range(len(row["steps"]) + 1)]
        assert [step[0] for step in row["steps"]] == prefixes[:-1]
        assert prefixes[-1] == TOKENS
        assert all(len(seconds) == 2 and min(seconds) > 0 for _, _, *seconds in row["steps"])
    assert [chunk for _, chunk, *_ in rows["fixed 256"]["steps"]] == [256] * 5 + [220]
    assert "| dense | equal time |" in ran.stdout
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "round 1" not in again.stdout
    assert json.loads((tmp_path / "pipeline_cpu.json").read_text())["rows"] == found["rows"]
