"""Plots of results: a heat map of length and depth for each task whose answers have a depth, and a curve by length for
each other task."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from longread.errors import QualityError

from .runner import Row, grouped
from .statistics import mean

_BANDS = 10
"""Maximum number of depths."""


def check(path: Path) -> None:
    """Check that `draw` can write to this file, before hours of requests.

    Raises:
        QualityError: matplotlib is not installed or cannot write such a file, or the folder does not exist.
    """
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError:
        raise QualityError("pictures need matplotlib: pip install 'longread[quality]'.") from None
    known = Figure().canvas.get_supported_filetypes()
    if path.suffix.removeprefix(".").lower() not in known:
        raise QualityError(f"{path} cannot be drawn: its extension can be {', '.join(known)}.")
    if not path.absolute().parent.is_dir():
        raise QualityError(f"{path} cannot be drawn: there is no folder {path.parent}.")


def draw(rows: Sequence[Row], path: Path) -> None:
    """Write the plot in the format of the file extension: .png, .svg, .pdf. Raises as `check` does."""
    check(path)
    from matplotlib.figure import Figure

    tasks = sorted({row.task for row in rows})
    figure = Figure(figsize=(4.6 * min(len(tasks), 3), 3.2 * -(-len(tasks) // 3)), layout="constrained")
    for place, task in enumerate(tasks, 1):
        axis = figure.add_subplot(-(-len(tasks) // 3), min(len(tasks), 3), place)
        axis.set_title(task)
        axis.set_xlabel("tokens")
        own = [row for row in rows if row.task == task]
        if all(row.depth is not None for row in own) and len({row.depth for row in own}) > 1:
            _heat(axis, own)
        else:
            _curve(axis, own)
    figure.savefig(path)


def _heat(axis: Any, rows: Sequence[Row]) -> None:
    lengths = sorted({row.length for row in rows})
    depths = sorted({row.depth or 0.0 for row in rows})
    edges = depths if len(depths) <= _BANDS else [band / _BANDS for band in range(_BANDS)]

    def band(row: Row) -> int:
        return max(place for place, edge in enumerate(edges) if (row.depth or 0.0) >= edge or not place)

    cells: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        cells.setdefault((band(row), lengths.index(row.length)), []).append(row.score)
    missing = float("nan")
    grid = [
        [sum(found) / len(found) if (found := cells.get((y, x))) else missing for x in range(len(lengths))]
        for y in range(len(edges))
    ]
    shown = axis.imshow(grid, cmap="RdYlGn", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(len(lengths)), [f"{length:,}" for length in lengths])
    axis.set_yticks(range(len(edges)), [f"{edge:.0%}" for edge in edges])
    axis.set_ylabel("depth")
    axis.figure.colorbar(shown, ax=axis, label="score")


def _curve(axis: Any, rows: Sequence[Row]) -> None:
    means = {length: mean([row.score for row in own]) for (_, length), own in grouped(rows).items()}
    lengths = list(means)
    values = [means[length].value for length in lengths]
    below = [means[length].value - means[length].low for length in lengths]
    above = [means[length].high - means[length].value for length in lengths]
    axis.errorbar(lengths, values, yerr=[below, above], marker="o", capsize=3)
    axis.set_ylim(-0.05, 1.05)
    axis.set_xticks(lengths, [f"{length:,}" for length in lengths])
    axis.set_ylabel("score")
