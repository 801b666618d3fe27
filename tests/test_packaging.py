"""What a user gets: the sdist, the wheel built from it, and an environment that has only what the wheel asks for."""

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from tests.support.locked import locked
from tests.support.public_script import SCRIPT
from tests.support.repository import ROOMS, ROOT, run, tracked

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
from longread.agent.cli.app import main
try:
    main()
except SystemExit:
    sys.setprofile(None)
    print(calls, *{name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel built from it. Made in a copy: a build leaves folders behind."""
    folder = tmp_path_factory.mktemp("built")
    for name in tracked():
        copy = folder / "source" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "source")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def test_the_wheel_has_the_package_whole_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        (entry_points,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
        text = archive.read(entry_points).decode()
    assert [line.split(" = ")[0] for line in text.splitlines() if ":main" in line] == ["agent", "longread"]
    ground = {name.removeprefix("src/") for name in tracked() if (ROOT / name).is_file() and name.startswith("src/")}
    rooms = {f"longread/{name}" for name in tracked() if name.startswith(tuple(f"{room}/" for room in ROOMS))}
    assert names == ground | rooms


def test_the_sdist_has_tests_docs_and_examples(built: Path):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in archive.getnames()}
    expected = {
        name for name in tracked() if (ROOT / name).is_file() and name.startswith(("tests/", "docs/", "examples/"))
    }
    assert len(expected) > 100
    assert expected - names == set()
    assert {name for name in names if "__pycache__" in name or name.startswith((".venv", ".git/"))} == set()


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
        "import importlib.util, longread; from longread import LongReader, Corpus; "
        "print(longread.__version__); print(longread.__file__); print(importlib.util.find_spec('torch'))"
    )
    result = outside(installed, installed / "python", "-c", script)
    assert result.returncode == 0, result.stderr
    version, file, torch = result.stdout.splitlines()[-3:]
    assert f"longread-{version}" in {path.name.split(".dist-info")[0] for path in Path(file).parents[1].iterdir()}
    assert Path(file).is_relative_to(installed.parent)
    assert torch == "None"


def test_pyright_finds_no_fault_in_a_script_beside_a_plain_install(installed: Path, tmp_path: Path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    result = run(sys.executable, "-m", "pyright", "--pythonpath", installed / "python", script, cwd=tmp_path)
    assert result.stdout.splitlines()[-1].startswith("0 errors"), result.stdout + result.stderr


@pytest.mark.parametrize("command", [["agent"], ["longread"], ["python", "-m", "longread"]])
def test_every_way_to_start_it(installed: Path, command: list[str]):
    result = outside(installed, installed / command[0], *command[1:], "--version")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("longread 0.")


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
