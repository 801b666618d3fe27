"""Calibration from a folder of weights to the budgets beside it, which the engine then reads."""

import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from longread.agent.cli.app import app
from longread.errors import ModelUnusable
from longread.kernels import Adaptive, Budgets
from longread.serving.embedded.calibrate_sparsity import SparsityCalibration, calibrate, generated_prose
from longread.serving.embedded.loader import load_checkpoint

LENGTH = 2500


@pytest.fixture(scope="module")
def folder(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shutil.copytree(tiny_models["qwen2"], tmp_path_factory.mktemp("calibrated") / "tiny")


@pytest.fixture(scope="module")
def found(folder: Path) -> SparsityCalibration:
    return calibrate(folder, generated_prose(LENGTH), length=LENGTH, target=0.9, rounds=3, threshold=500)


def test_heads_come_to_the_recall_asked_for(found: SparsityCalibration) -> None:
    before, after = found.before, found.after
    assert (found.tokens, before.budgets.layers[0]) == (LENGTH, Adaptive.uniform(4, 0.95))
    # Recall and keys both beyond what was needed before, and nearer to it afterwards.
    assert float((after.recall - 0.9).abs().mean()) < float((before.recall - 0.9).abs().mean())
    assert float(after.density.mean()) < float(before.density.mean())
    assert found.budgets == after.budgets
    assert found.budgets.threshold == 500
    assert set(found.keys) == {"dense", "before", "after"}
    assert all(len(values) == 3 and max(values) < 0 for values in found.keys.values())


def test_the_command_writes_what_the_engine_reads(folder: Path, tmp_path: Path) -> None:
    prose = tmp_path / "prose.txt"
    prose.write_text(generated_prose(LENGTH))
    arguments = ["--tokens", str(LENGTH), "--threshold", "500", "--rounds", "1", "--text", str(prose)]
    result = CliRunner().invoke(app, ["calibrate", "sparsity", str(folder), *arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "mean recall" in result.stdout
    written = tmp_path / "out" / "sparse_attention_config.json"
    assert (tmp_path / "out" / "sparse_attention_recall.svg").read_text().startswith("<?xml")
    assert not (folder / written.name).exists()
    shutil.copy(written, folder)
    try:
        checkpoint = load_checkpoint(folder, device="cpu", dtype=None, window=None, on_event=None)
    finally:
        (folder / written.name).unlink()
    # The model's own window is the threshold where no config says another.
    assert checkpoint.budgets is not None
    assert checkpoint.budgets == Budgets.read(written, threshold=checkpoint.window)
    assert isinstance(checkpoint.budgets.layers[0], Adaptive)


def test_vertical_slash_keeps_the_published_form(folder: Path, tmp_path: Path) -> None:
    found = calibrate(folder, None, length=LENGTH, method="fixed", target=0.5, rounds=1, threshold=500)
    assert found.write(tmp_path).read_text().startswith('[\n{"0": ["vertical_and_slash", 1000, 6096, ')
    torch.testing.assert_close(found.after.recall, torch.ones_like(found.after.recall), rtol=0, atol=1e-3)


def test_what_cannot_be_calibrated(folder: Path) -> None:
    with pytest.raises(ModelUnusable, match="calibration text is empty"):
        calibrate(folder, " \n", length=LENGTH)
    with pytest.raises(ModelUnusable, match=r"nothing of 600 tokens .* would be sparse"):
        calibrate(folder, None, length=600, threshold=500)
    result = CliRunner().invoke(app, ["calibrate", "sparsity", str(folder)])
    assert result.exit_code == 2
    assert "--tokens" in result.output
