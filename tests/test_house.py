"""The structure of the repository: dependencies between packages, and which files there are."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository import ROOMS, ROOT, run, tracked

FOLDERS = {*ROOMS, "src", "benchmarks", "docs", "examples", "requirements", "tests"}
KERNELS_MAY_ALSO_IMPORT = {"kernels/transformers_patch.py": {"transformers"}}  # whose models it changes
KERNELS_MAY_IMPORT = {"torch", "triton", "numpy", *sys.stdlib_module_names}


def files() -> list[Path]:
    return [ROOT / name for name in tracked() if (ROOT / name).is_file()]


def text_files() -> list[tuple[str, str]]:
    """(path, text) of every file that is UTF-8."""
    found = []
    for path in files():
        try:
            found.append((str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    return found


# Dependencies


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """import-linter on the package that lies in `folder`, under the contracts of this repository."""
    linter = Path(sys.executable).with_name("lint-imports")
    config = ROOT / "pyproject.toml"
    return run(linter, "--no-cache", "--config", config, cwd=folder, env={"PYTHONPATH": str(folder)})


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package, the rooms included, to build a wrong import into."""
    without = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(ROOT / "src" / "longread", tmp_path / "longread", ignore=without)


def test_the_contracts_hold(package: Path):
    result = lint_imports(package.parent)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "forbidden"),
    [
        ("kernels/errors.py", "from longread.serving import models", "longread.serving"),
        ("kernels/sparse/budgets.py", "from ..ops import attend", "longread.kernels.ops"),
        ("kernels/cpu/dense.py", "from ..triton import common", "longread.kernels.triton"),
        ("serving/device.py", "from longread.agent import events", "longread.agent"),
        ("serving/device.py", "from longread import tools", "longread.tools"),
        ("serving/models/gguf.py", "from ..planning import planner", "longread.serving.planning"),
        (
            "serving/pipeline/chunker.py",
            "def later():\n    from ..vllm_server import log",
            "longread.serving.vllm_server",
        ),
        ("tools/base.py", "from longread.serving import models", "longread.serving"),
        ("tools/base.py", "from longread.agent import events", "longread.agent"),
        ("tools/base.py", "from longread import kernels", "longread.kernels"),
        ("agent/reader.py", "def later():\n    import torch", "torch"),
        ("agent/reader.py", "from transformers import AutoConfig", "transformers"),
        ("agent/reader.py", "from .cli import console", "longread.agent.cli"),
        ("agent/api/app.py", "from ..cli import console", "longread.agent.cli"),
        ("agent/llm/usage.py", "from ..reader import LongReader", "longread.agent.reader"),
        ("agent/corpus/names.py", "from ..citations import markers", "longread.agent.citations"),
        ("serving/device.py", "import vllm.config", "vllm"),
        ("agent/evals/tasks.py", "from longread.agent import events", "longread.agent.events"),
        ("agent/evals/tasks.py", "from longread.serving import models", "longread.serving"),
        ("agent/evals/tasks.py", "def later():\n    from longread.kernels import dca", "longread.kernels"),
        ("agent/evals/tasks.py", "import torch", "torch"),
        ("errors.py", "from longread.tools import base", "longread.tools"),
        ("documents.py", "from longread.cache import Store", "longread.cache"),
    ],
)
def test_a_dependency_that_points_up_is_found(package: Path, module: str, line: str, forbidden: str):
    with (package / module).open("a", encoding="utf-8") as file:
        file.write(f"\n\n{line}\n")
    result = lint_imports(package.parent)
    assert result.returncode == 1, result.stdout
    report = " ".join(result.stdout.split())
    assert re.search(rf"longread\.[\w.]+ is not allowed to import {re.escape(forbidden)}\b", report), report


def test_a_new_package_has_to_be_given_its_place(package: Path):
    (package / "agent" / "unheard_of.py").touch()
    result = lint_imports(package.parent)
    assert result.returncode == 1, result.stdout
    assert "unheard_of" in result.stdout


def test_the_plug_in_may_import_vllm(package: Path):
    (package / "serving" / "vllm_plugin" / "another.py").write_text("from vllm.v1 import core\n")
    result = lint_imports(package.parent)
    assert result.returncode == 0, result.stdout


def climbs(path: str, source: str) -> list[str]:
    """The relative imports of a file of a room that leave the room, or have three dots."""
    depth = len(Path(path).parts) - 1  # packages that the file lies in
    return [
        f"{path}:{node.lineno}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.ImportFrom) and node.level > min(2, depth)
    ]


def test_relative_imports_stay_within_a_room():
    modules = [(name, text) for name, text in text_files() if name.endswith(".py") and name.split("/")[0] in ROOMS]
    found = [climb for name, text in modules for climb in climbs(name, text)]
    assert len(modules) > 200
    assert found == []


def test_a_relative_import_that_leaves_its_room_is_found():
    assert climbs("agent/reader.py", "from ..errors import LongreadError") == ["agent/reader.py:1"]
    assert climbs("agent/llm/x/y.py", "from ...reader import LongReader") == ["agent/llm/x/y.py:1"]
    assert climbs("agent/llm/usage.py", "from ..reader import LongReader\nfrom . import streaming") == []


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


def length(name: str, text: str) -> int:
    """Lines; of Python those that are not docstrings, of which a public interface should have many."""
    lines = text.count("\n")
    if not name.endswith(".py"):
        return lines
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None:
            docstring = node.body[0]
            lines -= (docstring.end_lineno or docstring.lineno) - docstring.lineno + 1
    return lines


def test_every_file_can_be_read_in_a_sitting():
    made_by_programs = {".json", ".jsonl", ".svg", ".csv"}
    locks = {f"requirements/{name}.txt" for name in ("dev", "docs", "embedded", "uv")}
    limits = {"tests": 600}  # lists of cases, to look things up in
    long = {
        name: lines
        for name, text in text_files()
        if Path(name).suffix not in made_by_programs
        and name not in {"docs/cli.md", *locks}  # made by programs, too
        and (lines := length(name, text)) >= limits.get(name.split("/")[0], 400)
    }
    assert long == {}


def test_docstrings_do_not_count_as_length():
    assert length("a.py", '"""One.\n\nTwo.\n"""\n\n\ndef f():\n    """Three."""\n    return 4\n') == 4
    assert length("a.md", "1\n2\n") == 2


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
