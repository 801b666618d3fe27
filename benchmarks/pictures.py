"""The pictures in the documentation, drawn from the results of the benchmarks."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks import report

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "longread", "font.size": 9, "axes.spines.top": False})

import matplotlib.pyplot as plt  # noqa: E402

FOLDER = report.ROOT / "docs" / "pictures"


def save(figure: Any, name: str) -> Path:
    """Write a figure to `docs/pictures/<name>.svg`, the same bytes for the same figure."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.svg"
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)
    return path


def beyond(
    results: dict[str, Any], lengths: Sequence[int], depths: Sequence[float], modes: Mapping[str, str], window: int
) -> Path:
    """Pass keys by depth and length, perplexity by length, recall by layer, from `benchmarks/attention/beyond.py`."""
    figure, axes = plt.subplots(2, 3, figsize=(10, 5.6), layout="constrained")
    multiples = [f"{length / window:g}×" for length in lengths]
    meshes = []
    for axis, (mode, label) in zip(axes[0], modes.items(), strict=True):
        grid = [[_answer(results, mode, length, depth) for length in lengths] for depth in depths]
        shown = [[cell["log_probability"] if cell else math.nan for cell in row] for row in grid]
        meshes.append(axis.imshow(shown, cmap="RdYlGn", vmin=-12, vmax=0, aspect="auto"))
        for y, row in enumerate(grid):
            for x, cell in enumerate(row):
                axis.text(x, y, "" if cell is None else "✓" if cell["known"] else "✗", ha="center", va="center")
        axis.set_xticks(range(len(lengths)), multiples)
        axis.set_yticks(range(len(depths)), [f"{depth:.0%}" for depth in depths])
        axis.set_title(f"pass key, {label}")
        axis.set_xlabel(f"prompt, in windows of {window:,}")
    axes[0, 0].set_ylabel("depth of the key")
    figure.colorbar(meshes[0], ax=axes[0], label="log-probability")

    for mode, label in modes.items():
        losses = {int(end): loss for end, loss in results["losses"].get(mode, {}).items()}
        ends = sorted(losses)
        axes[1, 0].plot(
            [end / window for end in ends], [math.exp(losses[end]) for end in ends], marker=".", label=label
        )
    axes[1, 0].set_yscale("log")
    axes[1, 0].set_title("perplexity of each 4,096 tokens")
    axes[1, 0].set_xlabel("they end at, in windows")
    axes[1, 0].legend()

    for name, axis in (("recall", axes[1, 1]), ("density", axes[1, 2])):
        for length, found in sorted(results["recall"].items(), key=lambda item: int(item[0])):
            means = [sum(layer) / len(layer) for layer in found[name]]
            axis.plot(range(len(means)), means, marker=".", label=f"{int(length) / window:g}×")
        axis.set_ylim(0, 1)
        axis.set_xlabel("layer")
        axis.legend()
    axes[1, 1].set_title("recall of sparse attention")
    axes[1, 2].set_title("fraction of keys computed")
    return save(figure, "beyond")


def methods(ladders: Mapping[tuple[int, str], Any], target: float) -> Path:
    """Mean recall by density, for each method and length of `benchmarks/attention/calibration.py`."""
    lengths = sorted({length for length, _ in ladders})
    figure, axes = plt.subplots(1, len(lengths), figsize=(3.4 * len(lengths), 3.2), layout="constrained", squeeze=False)
    for axis, length in zip(axes[0], lengths, strict=True):
        for (of, method), ladder in ladders.items():
            if of == length:
                axis.plot(ladder.density.mean(1), ladder.recall.mean(1), marker=".", label=method)
        axis.axhline(target, color="grey", linewidth=0.5)
        axis.set_title(f"{length:,} tokens")
        axis.set_xlabel("fraction of keys computed")
        axis.set_xlim(0, None)
    axes[0, 0].set_ylabel("mean recall")
    axes[0, 0].legend()
    return save(figure, "methods")


def _answer(results: dict[str, Any], mode: str, length: int, depth: float) -> dict[str, Any] | None:
    return results["passkey"].get(f"{mode} {length} {depth}")


def pipeline_stages(runs: Mapping[str, Any], title: str) -> Path:
    """The timeline of each stage in simulated runs (`benchmarks.pipeline.events.Run`)."""
    figure, axes = plt.subplots(len(runs), 1, figsize=(10, 1.6 * len(runs)), sharex=True, layout="constrained")
    for axis, (name, run) in zip(axes, runs.items(), strict=True):
        stages = 1 + max(stage for stage, _, _ in run.spans)
        for index, (stage, start, seconds) in enumerate(run.spans):
            colour = "tab:blue" if index // stages % 2 else "lightsteelblue"
            axis.barh(stage, seconds, left=start, color=colour, edgecolor="white", linewidth=0.4, height=0.9)
        axis.set_yticks(range(stages), [f"stage {stage + 1}" for stage in range(stages)])
        axis.invert_yaxis()
        axis.set_title(f"{name}: {run.seconds:.3g} s, {1 - run.busy:.0%} idle", loc="left")
    axes[-1].set_xlabel(f"seconds ({title})")
    return save(figure, "pipeline-stages")


def pipeline_chunks(rules: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> Path:
    """The size and the time of each chunk of one prompt, by rule."""
    figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    for name, (chunks, seconds) in rules.items():
        starts = [sum(chunks[:index]) / 1e3 for index in range(len(chunks))]
        axes[0].plot(starts, chunks, label=name)
        axes[1].plot(starts[:-1], seconds[:-1], label=name)
    axes[0].set_yscale("log")
    axes[0].set_title("tokens of a chunk")
    axes[1].set_ylim(0)
    axes[1].set_title("seconds it takes a stage")
    for axis in axes:
        axis.set_xlabel("thousand tokens before it")
        axis.legend()
    return save(figure, "pipeline-chunks")


def pipeline_scaling(scenarios: Sequence[dict[str, Any]], rules: Sequence[str], tokens: int) -> Path:
    """Scaling efficiency by the number of stages, from `benchmarks/pipeline/simulate.py`."""
    models = list(dict.fromkeys(one["model"] for one in scenarios))
    figure, axes = plt.subplots(2, len(models), figsize=(10, 5.6), sharey="row", layout="constrained")
    for row, sparse in zip(axes, (False, True), strict=True):
        for axis, model in zip(row, models, strict=True):
            mine = [one for one in scenarios if (one["model"], one["sparse"], one["tokens"]) == (model, sparse, tokens)]
            stages = [one["stages"] for one in mine]
            for rule in rules:
                axis.plot(stages, [one["rules"][rule]["efficiency"] for one in mine], marker=".", label=rule)
            axis.plot(stages, [one["balance"] for one in mine], "k:", linewidth=0.8, label="what the split allows")
            axis.set_title(f"{model}, {'sparse' if sparse else 'dense'}")
            axis.set_ylim(0.3, 1.02)
            axis.set_xticks(stages)
    axes[0, 0].legend(fontsize=7)
    for axis in axes[1]:
        axis.set_xlabel("stages")
    for axis in axes[:, 0]:
        axis.set_ylabel("scaling efficiency")
    return save(figure, "pipeline-scaling")
