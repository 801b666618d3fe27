"""The output of `agent bench`: scores, and the comparison of two runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from longread.errors import LongreadError

from ..evals import statistics
from ..evals.runner import Row, grouped
from .console import note
from .tables import rows

if TYPE_CHECKING:
    from rich.table import Table


def show_row(row: Row) -> None:
    """Print a line for an answer."""
    note(f"{row.key}: {row.score:.2f} after {row.seconds:.1f} s: {row.output.strip()[:60]!r}")


def describe_run(name: str, path: Path, settings: Mapping[str, Any]) -> str:
    """A line about a run that is compared."""
    values = ", ".join(f"{key} {value}" for key, value in settings.items() if value is not None)
    return f"{name} is {path}: {values}"


def score_table(results: Sequence[Row]) -> "Table":
    """Scores by task and length."""
    body = []
    for (task, length), group in grouped(results).items():
        times = sorted(row.ttft for row in group)
        mean = statistics.mean([row.score for row in group])
        body.append([task, f"{length:,}", str(len(group)), str(mean), f"{times[len(times) // 2]:.2f}"])
    return rows(["Task", "Tokens", "Samples", "Score, 95%", "TTFT, s"], body, numbers=(1, 2, 3, 4))


def comparison_table(first: Sequence[Row], second: Sequence[Row]) -> "Table":
    """The second run against the first, by task and length, on the prompts that both have.

    Raises:
        LongreadError: they have no prompt in common.
    """
    others = {(row.key, row.prompt): row.score for row in second}
    paired = [row for row in first if (row.key, row.prompt) in others]
    if not paired:
        raise LongreadError("The two runs have no prompt in common. Compare runs of the same tasks, lengths and seeds.")
    body = []
    for (task, length), group in grouped(paired).items():
        found = statistics.difference([row.score for row in group], [others[row.key, row.prompt] for row in group])
        p = "-" if found.p is None else f"{found.p:.3f}"
        verdict = ("better" if found.difference.value > 0 else "worse") if found.certain else "inconclusive"
        scores = [f"{100 * found.first:.1f}", f"{100 * found.second:.1f}"]
        body.append([task, f"{length:,}", str(len(group)), *scores, str(found.difference), p, verdict])
    headings = ["Task", "Tokens", "Pairs", "A", "B", "B - A, 95%", "McNemar p", "B is"]
    return rows(headings, body, numbers=(1, 2, 3, 4, 5, 6))
