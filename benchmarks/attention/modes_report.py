"""Tables and the picture of the results of `modes.py`."""

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks import report
from longread.agent.evals.statistics import Mean, difference, mean

Rows = dict[tuple[str, int, str, int], dict[str, Any]]

LENGTHS = (4096, 8192, 12288, 16384, 24576, 32768)
WINDOW = 8192
LABELS = {
    "rope": "RoPE",
    "dca": "DCA",
    "query": "DCA, temperature per query",
    "prompt": "DCA, temperature per prompt",
    "sparse": "DCA, sparse: fixed",
    "refined": "DCA, sparse: refined",
    "adaptive": "DCA, sparse: adaptive",
}
COLOURS = {mode: f"C{index}" for index, mode in enumerate(LABELS)}
"""The same in every picture, even if some modes were not measured."""


def answers(rows: Rows, task: str, mode: str, length: int, what: str) -> dict[tuple[int, int], float]:
    """(seed, question) -> the figure for its answer."""
    return {
        (seed, place): value
        for (of, seed, how, tokens), row in rows.items()
        if (of, how, tokens) == (task, mode, length)
        for place, value in enumerate(row[what])
    }


def exact(share: float) -> float:
    return float(share == 1.0)


def cell(found: Iterable[float], shown: Callable[[Mean], str]) -> str:
    values = list(found)
    return shown(mean(values)) if values else "–"


def against_dca(rows: Rows, task: str, mode: str, length: int) -> str:
    """The mean difference of the log-probability of a right token, on the questions that both modes have."""
    own = answers(rows, task, mode, length, "log_probability")
    dca = answers(rows, task, "dca", length, "log_probability")
    both = sorted(own.keys() & dca.keys())
    if not both:
        return "–"
    found = difference([dca[one] for one in both], [own[one] for one in both])
    average = found.difference
    return f"{average.value:+.2f} [{average.low:+.2f}, {average.high:+.2f}]{' *' if found.certain else ''}"


def perplexity(rows: Rows, mode: str, length: int) -> float | None:
    """The perplexity beyond the window, up to this length, over all prose texts."""
    tokens, total = 0, 0.0
    for (task, _, how, end), row in rows.items():
        if (task, how, end) == ("niah_multikey_1", mode, length):
            for stop, count, loss in row["losses"]:
                if stop > WINDOW:
                    tokens, total = tokens + count, total + count * loss
    return math.exp(total / tokens) if tokens else None


def show(rows: Rows) -> None:
    """Print the tables and draw the picture."""
    lengths = [length for length in LENGTHS if any(key[3] == length for key in rows)]
    headings = ["", *(f"{length:,}" for length in lengths)]
    for task in dict.fromkeys(key[0] for key in rows):
        modes = [mode for mode in LABELS if any(key[0] == task and key[2] == mode for key in rows)]
        count = len(answers(rows, task, "dca", lengths[0], "right"))
        print(f"\n{task} ({count} questions at {lengths[0]:,}): tokens of the answer right; answers wholly right\n")
        print(
            report.table(headings, [[LABELS[mode], *(_shares(rows, task, mode, n) for n in lengths)] for mode in modes])
        )
        print(f"\n{task}: log-probability of a right token; below, the difference to DCA [95%], * if not 0\n")
        body = []
        for mode in modes:
            likely = [
                cell(answers(rows, task, mode, n, "log_probability").values(), lambda m: f"{m.value:.2f}")
                for n in lengths
            ]
            body.append([LABELS[mode], *likely])
            if mode != "dca":
                body.append(["", *(against_dca(rows, task, mode, n) for n in lengths)])
        print(report.table(headings, body))
    print("\nPerplexity beyond the window\n")
    body = []
    for mode, label in LABELS.items():
        found = [perplexity(rows, mode, n) for n in lengths]
        if any(found):
            body.append([label, *("–" if value is None else f"{value:.1f}" for value in found)])
    print(report.table(headings, body))
    print(f"\nWritten to {draw(rows, lengths)}")


def _shares(rows: Rows, task: str, mode: str, length: int) -> str:
    right = list(answers(rows, task, mode, length, "right").values())
    if not right:
        return "–"
    return f"{mean(right).value:.0%}; {sum(map(exact, right)):.0f}/{len(right)}"


def draw(rows: Rows, lengths: list[int]) -> Path:
    """Draw the log-probability of a right token by length, a plot for each task, and perplexity."""
    from benchmarks import pictures

    tasks = [task for task in dict.fromkeys(key[0] for key in rows) if task != "vt"]
    figure, axes = pictures.plt.subplots(
        1, len(tasks) + 1, figsize=(3.4 * (len(tasks) + 1), 3.8), layout="constrained", squeeze=False
    )
    for axis, task in zip(axes[0], tasks, strict=False):
        lowest = 0.0
        for mode, label in LABELS.items():
            means = {n: mean(values) for n in lengths if (values := _likely(rows, task, mode, n))}
            if means:
                centre = [found.value for found in means.values()]
                errors = [
                    [found.value - found.low for found in means.values()],
                    [found.high - found.value for found in means.values()],
                ]
                if mode != "rope":  # which would hide the differences between the others
                    lowest = min(lowest, *(found.low for found in means.values()))
                windows, colour = [n / WINDOW for n in means], COLOURS[mode]
                axis.errorbar(windows, centre, yerr=errors, marker=".", capsize=2, label=label, color=colour)
        axis.set_ylim(bottom=lowest - 0.2)
        axis.axvline(1, color="grey", linewidth=0.8, linestyle=":")
        axis.set_title(task)
        axis.set_xlabel("prompt, in windows")
    axes[0, 0].set_ylabel("log-probability of a right token")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    others: list[float] = []
    for mode, label in LABELS.items():
        found = {n: value for n in lengths if (value := perplexity(rows, mode, n))}
        if mode != "rope":
            others += found.values()
        windows, colour = [n / WINDOW for n in found], COLOURS[mode]
        axes[0, -1].plot(windows, list(found.values()), marker=".", label=label, color=colour)
    axes[0, -1].set_ylim(0.95 * min(others, default=1), 1.1 * max(others, default=2))
    axes[0, -1].set_title("perplexity beyond the window")
    axes[0, -1].set_xlabel("prompt, in windows")
    return pictures.save(figure, "modes")


def _likely(rows: Rows, task: str, mode: str, length: int) -> list[float]:
    return list(answers(rows, task, mode, length, "log_probability").values())
