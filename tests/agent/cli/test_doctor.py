"""`agent doctor`: each check that can fail names what is wrong and what to do about it."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from longread.agent.cli import doctor
from longread.agent.cli.config import load
from longread.agent.cli.doctor import Result


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def look(what: str, **settings: object) -> Result:
    return next(result for result in doctor.run_checks(load(settings).settings) if result.check == what)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path / "file"))
    found = look("cache")
    assert found.state == "fail"
    assert str(tmp_path / "file") in found.found
    assert "LONGREAD_CACHE_DIR" in found.remedy


def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10 << 30, 9 << 30, 1 << 30))
    assert look("disk") == Result("disk", "fail", "1.0 GiB free", "Free 2 GiB, or set LONGREAD_CACHE_DIR.")


def test_an_engine_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, refusing: str) -> None:
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name in ("torch", "gguf") else object())
    found = look("embedded engine")
    assert found.state == "fail"
    assert found.found == "not installed: torch, gguf"
    assert "longread[embedded]" in found.remedy
    assert look("device").state == "off"
    assert look("embedded engine", server=f"http://{refusing}").state == "off"


def test_a_device_that_this_machine_has_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look("device", device="cuda:77")
    assert found.state == "fail"
    assert "cuda:77" in found.remedy


def test_the_model(default_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = look("embedded model")
    assert here.state == "ok"
    assert default_model in here.found
    assert look("embedded model", model=str(tmp_path)) == Result("embedded model", "ok", str(tmp_path))
    assert "looked up on the hub" in look("embedded model", model="nobody/nothing").remedy
    monkeypatch.setenv("LONGREAD_CACHE_DIR", str(tmp_path / "empty"))
    assert "downloaded when first used" in look("embedded model").remedy


def test_ocr_data(monkeypatch: pytest.MonkeyPatch) -> None:
    assert look("ocr").state == "ok"
    missing = look("ocr", ocr="always", ocr_language="xxx")
    assert missing.state == "fail"
    assert "xxx" in missing.remedy
