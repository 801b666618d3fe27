"""The output of `agent calibrate`: recall before and after, and the cost of each stage's steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from .console import note, out
from .tables import rows

if TYPE_CHECKING:
    from longread.serving.embedded.calibrate_sparsity import SparsityCalibration
    from longread.serving.pipeline.step_costs import StepCosts

PICTURE = "sparse_attention_recall.svg"


def write_sparsity(calibration: "SparsityCalibration", folder: Path | None) -> list[Path]:
    """Write the sparsity config and, if matplotlib is installed, a picture of the recall. -> the files"""
    folder = folder or calibration.folder
    folder.mkdir(parents=True, exist_ok=True)
    paths = [calibration.write(folder)]
    if picture := calibration.draw(folder / PICTURE):
        paths.append(picture)
    return paths


def show_sparsity(calibration: "SparsityCalibration", files: Sequence[Path]) -> None:
    """Print recall and density before and after, and the files that were written."""
    body = []
    for name, recall in (("before", calibration.before), ("after", calibration.after)):
        body.append(
            [
                name,
                f"{recall.mean:.3f}",
                f"{float(recall.recall.min()):.3f}",
                f"{float(recall.density.mean()):.1%}",
                ", ".join(f"{value:.1f}" for value in calibration.keys[name]),
            ]
        )
    body.append(["dense", "1.000", "1.000", "100.0%", ", ".join(f"{value:.1f}" for value in calibration.keys["dense"])])
    out.print(Text(f"{calibration.model}, {calibration.tokens:,} tokens, {len(calibration.history)} rounds"))
    headings = ["", "mean recall", "lowest of a head", "keys computed", "log-probability of pass keys at 10, 50, 90%"]
    out.print(rows(headings, body, numbers=(1, 2, 3)))
    for path in files:
        note(f"written: {path}")


def show_steps(costs: "StepCosts") -> None:
    """Print the costs of each stage, and how well they describe the measured steps."""
    body = []
    for index, (stage, layers) in enumerate(zip(costs.pipeline.stages, costs.engine.layers, strict=True)):
        for name, terms in (("dense", stage.dense), ("sparse", stage.sparse)):
            if terms is not None:
                values = (1e3 * terms.step, 1e6 * terms.token, 1e6 * terms.length, 1e9 * terms.past, 1e9 * terms.own)
                residual = f"{stage.residual.median:.1%}, {stage.residual.worst:.1%} at worst"
                body.append((f"{index + 1}", f"{layers}", name, *(f"{value:.3g}" for value in values), residual))
    columns = ("stage", "layers", "attention", "step ms", "token µs", "length µs", "past ns", "own ns", "residual")
    out.print(rows(columns, body, numbers=range(3, 8)))
    steps = sum(map(len, costs.samples))
    longest = max(one.prefix + one.chunk for stage in costs.samples for one in stage)
    note(
        f"From {steps} steps on {costs.engine.device}, in prompts of up to {longest:,} "
        f"{'' if costs.text else 'random '}tokens. agent serve and agent plan use these costs from now on."
    )
    if not costs.text and any(stage.sparse for stage in costs.pipeline.stages):
        note("Sparse attention skips more of some texts than of others. Measure it on yours with --text FILE.")
