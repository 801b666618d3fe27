"""The house: the arrows between the rooms, what is in the repository, and what a user gets who installs the wheel."""

import ast
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from locked import locked

ROOT = Path(__file__).parent.parent
ROOMS = ("agent", "tools", "serving", "kernels")
INSTALLED = (*ROOMS, "benchmarks/quality")
"""What a user gets: of the benchmarks only the tasks of `agent bench`."""
FOLDERS = {*ROOMS, "benchmarks", "docs", "examples", "requirements", "tests"}
KERNELS_MAY_ALSO_IMPORT = {"kernels/patching.py": {"transformers"}}  # whose models it changes
KERNELS_MAY_IMPORT = {"torch", "triton", "numpy", *sys.stdlib_module_names}
HELP_NEEDS = {"longread", "typer", "click", "shellingham", "annotated_doc", "typing_extensions"}
HELP_CALLS = 230_000
"""Functions called until the help is there, those of C too: twice as many as there are."""
HELP = """
import sys
calls = 0
def seen(frame, event, argument):
    global calls
    calls += event in ("call", "c_call")
before = set(sys.modules)
sys.argv = ["agent", "--help"]
sys.setprofile(seen)
from longread.agent.cli import main
try:
    main()
except SystemExit:
    sys.setprofile(None)
    print(calls, *{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
"""


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)


def files() -> list[Path]:
    """What git tracks or would: a check that waits for `git add` comes too late."""
    listed = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    assert listed.returncode == 0, listed.stderr
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def text_files() -> list[tuple[str, str]]:
    """(path, text) of every file that is UTF-8."""
    found = []
    for path in files():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


# The arrows


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the rooms that lie in `folder/longread`, under the contracts of this repository."""
    linter = Path(sys.executable).with_name("lint-imports")
    config = ROOT / "pyproject.toml"
    return run(linter, "--no-cache", "--config", config, cwd=folder, env={"PYTHONPATH": str(folder)})


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the rooms under their import name, to build a wrong arrow into."""
    for room in INSTALLED:
        shutil.copytree(ROOT / room, tmp_path / "longread" / room, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_the_arrows_point_down(house: Path):
    result = lint_imports(house)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("room", "line", "forbidden"),
    [
        ("kernels", "from ..serving import errors", "longread.serving"),
        ("serving", "from ..agent import errors", "longread.agent"),
        ("serving", "from .. import tools", "longread.tools"),
        ("tools", "from ..serving import errors", "longread.serving"),
        ("tools", "from ..agent import errors", "longread.agent"),
        ("tools", "from .. import kernels", "longread.kernels"),
        ("agent", "def later():\n    import torch", "torch"),
        ("agent", "from transformers import AutoConfig", "transformers"),
        ("serving", "import vllm.config", "vllm"),
        ("benchmarks/quality", "from ...agent import errors", "longread.agent"),
        ("benchmarks/quality", "from ...serving import models", "longread.serving"),
        ("benchmarks/quality", "def later():\n    from ...kernels import dca", "longread.kernels"),
        ("benchmarks/quality", "import torch", "torch"),
        ("tools", "from ..benchmarks.quality import scores", "longread.benchmarks.quality"),
    ],
)
def test_an_arrow_that_points_up_is_found(house: Path, room: str, line: str, forbidden: str):
    (house / "longread" / room / "wrong.py").write_text(line + "\n")
    result = lint_imports(house)
    assert result.returncode == 1, result.stdout
    assert f"longread.{room.replace('/', '.')} is not allowed to import {forbidden}" in " ".join(result.stdout.split())


def test_the_plug_in_may_import_vllm(house: Path):
    plug_in = house / "longread" / "serving" / "vllm_plugin"
    plug_in.mkdir(exist_ok=True)
    (plug_in / "__init__.py").write_text("import vllm\n")
    (plug_in / "another.py").write_text("from vllm.v1 import core\n")
    result = lint_imports(house)
    assert result.returncode == 0, result.stdout


def imported(source: str) -> set[str]:
    """The top-level names of all absolute imports, those inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_kernels_import_only_torch_triton_numpy_and_the_standard_library():
    # import-linter can forbid names, and cannot forbid all others.
    foreign = {
        str(path.relative_to(ROOT)): sorted(names)
        for path in (ROOT / "kernels").rglob("*.py")
        if (names := imported(path.read_text(encoding="utf-8")) - KERNELS_MAY_IMPORT)
        - KERNELS_MAY_ALSO_IMPORT.get(str(path.relative_to(ROOT)), set())
    }
    assert foreign == {}


def test_a_foreign_import_of_a_kernel_is_found():
    source = "import math, einops\nfrom torch.nn import functional\nfrom .dca import spec\n"
    inside = "def later():\n    from scipy import fft\n"
    assert imported(source + inside) - KERNELS_MAY_IMPORT == {"einops", "scipy"}


# What is in the repository


def test_top_level_folders_are_the_rooms():
    top = {path.relative_to(ROOT).parts[0] for path in files() if len(path.relative_to(ROOT).parts) > 1}
    assert {name for name in top if not name.startswith(".")} <= FOLDERS


def test_every_file_can_be_read_in_a_sitting():
    made_by_programs = {".json", ".jsonl", ".svg", ".csv"}
    locks = {f"requirements/{name}.txt" for name in ("dev", "embedded", "uv")}
    limits = {"tests": 600}  # lists of cases, to look things up in
    long = {
        name: lines
        for name, text in text_files()
        if Path(name).suffix not in made_by_programs
        and name not in {"docs/cli.md", *locks}  # made by programs, too
        and (lines := text.count("\n")) >= limits.get(name.split("/")[0], 400)
    }
    assert long == {}


# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "a path of one machine": r"(?<![\w.~*/-])/(?:home|root|work|Users|mnt)/[\w.]|\b[C-E]:\\\\?Users",
    "the host of a package registry": r"\b(?:pypi|pythonhosted|anaconda|npmjs)\.(?:org|com)\b|download\.pytorch\b",
    "a secret": (
        r"\bAKIA[0-9A-Z]{16}|\bgh[pousr]_\w{30}|\bhf_[A-Za-z]{30}|\bsk-(?:proj-)?\w{20}|\bxox[bp]-\d"
        r"|BEGIN [A-Z ]*PRIVATE KE[Y]"
    ),
}


def violations(text: str) -> list[str]:
    return [
        f"line {number}: {what}: {match.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for what, pattern in FORBIDDEN.items()
        for match in re.finditer(pattern, line)
    ]


def test_nothing_in_the_repository_is_of_one_machine_or_secret():
    theirs = "tests/agent/quotes/pages.jsonl"  # pages of other people's documents
    assert {name: found for name, text in text_files() if name != theirs and (found := violations(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "open('/ho" + "me/me/book.pdf')",
        "see /wo" + "rk/x",
        "https://py" + "pi.org/simple",
        "key = 'sk-" + "a1" * 12 + "'",
        "-----BEGIN RSA PRIVATE KE" + "Y-----",
    ],
)
def test_what_does_not_belong_into_the_repository_is_found(text: str):
    assert violations(text)


@pytest.mark.parametrize("text", ["#!/usr/bin/env bash", "https://example.org/home/page", "~/work/notes", "a/root/b"])
def test_what_may_be_in_the_repository_is_let_pass(text: str):
    assert violations(text) == []


# What a user gets


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, because a build leaves folders behind where it runs."""
    folder = tmp_path_factory.mktemp("wheel")
    for path in files():
        copy = folder / "source" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy)
    built = run(
        sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder / "dist", folder / "source"
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (folder / "dist").glob("*.whl")
    return path


def test_the_wheel_has_the_rooms_whole_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "agent = longread.agent.cli:main" in archive.read(entry_points).decode()
    relative = (path.relative_to(ROOT) for path in files())
    assert names == {
        f"longread/{path.as_posix()}"
        for path in relative
        if path.as_posix().startswith(tuple(f"{room}/" for room in INSTALLED))
    }


@pytest.fixture(scope="module")
def installed(wheel: Path) -> Path:
    """The folder of the programs of an environment that has the wheel, its base dependencies, and nothing else."""
    folder = wheel.parent.parent / "environment"
    venv.create(folder, with_pip=True)
    versions = folder / "locked.txt"
    versions.write_text("".join(f"{name}=={version}\n" for name, version in locked("embedded").items()))
    # Uncompiled, because pip compiles all of every dependency, and these tests import a fraction of that.
    done = run(
        folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-compile", "-c", versions, wheel, cwd=folder
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "bin"


def outside(installed: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run without this checkout and its environment in sight."""
    home = str(installed.parent)
    return run(*command, cwd=installed.parent, env={"HOME": home, "PATH": str(installed), "LANG": "C.UTF-8"})


def test_the_library_imports_without_torch(installed: Path):
    script = (
        "import importlib.util, longread.agent; from longread.agent import LongReader, Corpus; "
        "print(longread.agent.__file__); print(importlib.util.find_spec('torch'))"
    )
    result = outside(installed, installed / "python", "-c", script)
    assert result.returncode == 0, result.stderr
    file, torch = result.stdout.splitlines()[-2:]
    assert Path(file).is_relative_to(installed.parent)
    assert torch == "None"


def test_help_answers_at_once(installed: Path):
    result = outside(installed, installed / "agent", "--help")
    assert result.returncode == 0, result.stderr
    assert "chat" in result.stdout
    # What it does and imports, not how long that takes: a test must not fail because the machine is busy.
    counted = outside(installed, installed / "python", "-c", HELP)
    assert counted.returncode == 0, counted.stderr
    calls, *imported = counted.stdout.splitlines()[-1].split()
    assert set(imported) <= HELP_NEEDS
    assert int(calls) < HELP_CALLS
