"""The rooms are linked into src/longread: what follows paths works through the links."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.support.repository import ROOT

SCRIPT = "from longread.tools.text.words import words\nprint(words('one two'))\n"


def test_coverage_measures_the_rooms(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    data, report = tmp_path / "data", tmp_path / "report.json"
    coverage = [sys.executable, "-m", "coverage"]
    settings = ["--rcfile", ROOT / "pyproject.toml", "--data-file", data]
    subprocess.run([*coverage, "run", *settings, script], cwd=ROOT, check=True, capture_output=True)
    subprocess.run([*coverage, "combine", *settings, tmp_path], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(
        [*coverage, "json", *settings, "--fail-under", "0", "-o", report], cwd=ROOT, check=True, capture_output=True
    )
    files = json.loads(report.read_text())["files"]
    assert files["tools/text/words.py"]["summary"]["covered_lines"] > 10
    assert not [name for name in files if name.startswith("src/longread/tools")], "each file is measured once"


def test_a_breakpoint_stops(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    source = (ROOT / "tools" / "text" / "words.py").read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(source, start=1) if "text = text.casefold()" in text)
    commands = [f"break {ROOT / 'src/longread/tools/text/words.py'}:{line}", "continue", "where", "continue", "quit"]
    debugger = subprocess.run(
        [sys.executable, "-m", "pdb", script], input="\n".join(commands), cwd=tmp_path, capture_output=True, text=True
    )
    assert f"words.py({line})words()" in debugger.stdout, debugger.stdout + debugger.stderr


def test_a_spawned_process_imports_the_same_package(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\n"
        "from longread.tools.text.words import words\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(words, ['one two']))\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([sys.executable, script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout == "['one', 'two']\n", done.stderr
