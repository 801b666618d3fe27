"""Methods of sparse prefill at equal recall, and budgets from one length at another, with the default model.

    python -m benchmarks.attention.calibration [--lengths TOKENS,TOKENS]

The model reads a novel with dense DCA. At each length its last 1,024 tokens are read again for each of a ladder of
budgets, to observe the recall and density of each layer and head. From that the script computes, without reading again,

- the density of the same budget for all heads at a mean recall of 0.95, for each method;
- the density if each head has the smallest budget with which it reaches a recall itself ("refined");
- the recall and density of budgets that were refined at one length when they are used at another.

Between two steps of a ladder the figures are interpolated. They are stored at once, and a run resumes from them.
"""

import argparse
import json
import zlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks import pictures, report
from benchmarks.attention import novels
from benchmarks.attention.reading import CHUNK, Reader, load, spec_of, uniform
from longread.kernels import Budgets
from longread.kernels.sparse.adaptive import GPU_BLOCKS

LENGTHS = (12288, 16384, 32768)
WATCHED = 1024
LADDERS: dict[str, tuple[Any, ...]] = {
    "vertical-slash": ((300, 400), (1000, 1500), (2500, 4000), (6000, 9000)),
    "adaptive": (0.85, 0.93, 0.97, 0.99),
    "adaptive, blocks of 64": (0.85, 0.93, 0.97, 0.99),
}
TARGET = 0.95


def budgets_of(model: Any, method: str, step: Any) -> Budgets:
    if method == "vertical-slash":
        return uniform(model, *step)
    shape = model.config.num_hidden_layers, model.config.num_attention_heads
    blocks = GPU_BLOCKS if "blocks" in method else {}
    return Budgets.adaptive(*shape, step, threshold=CHUNK, **blocks)


def measure(results: dict[str, Any], lengths: Sequence[int]) -> None:
    """Add the missing rows: "LENGTH METHOD STEP" -> recall and density, [layers][heads]."""
    rows = results["rows"]

    def missing(length: int) -> list[tuple[str, Any, str]]:
        named = [(method, step, f"{length} {method} {step}") for method, steps in LADDERS.items() for step in steps]
        return [row for row in named if row[2] not in rows]

    lengths = [length for length in lengths if missing(length)]
    if not lengths:
        return
    model, encode = load()
    text = encode(novels.novel("EMMA")[: 6 * max(lengths)])
    results["text"] = zlib.crc32(repr(text[: min(lengths)]).encode())
    reader = Reader(model, spec_of(model, "dca"), None, capacity=max(lengths) + CHUNK)
    for at in range(0, max(lengths), CHUNK):
        reader.read(text[at : at + CHUNK])
        length = at + CHUNK
        for method, step, name in missing(length) if length in lengths else ():
            seen = reader.observe(budgets_of(model, method, step), text[length - WATCHED : length])
            rows[name] = {
                "recall": [[round(value, 4) for value in layer.recall.tolist()] for layer in seen],
                "density": [[round(value, 4) for value in layer.density.tolist()] for layer in seen],
            }
            print(f"{name}: kept in {report.keep('calibration', results)}", flush=True)


class Ladder:
    """The measurements of a method at a length, by step: recall and density [steps, layers · heads]."""

    def __init__(self, results: dict[str, Any], length: int, method: str):
        found = [results["rows"][f"{length} {method} {step}"] for step in LADDERS[method]]
        self.recall, self.density = (
            torch.tensor([row[name] for row in found], dtype=torch.float64).flatten(1) for name in ("recall", "density")
        )

    def at(self, place: Tensor) -> tuple[float, float]:
        """Mean recall and density when each head is at a place of the ladder, in steps."""
        low = place.floor().long().clamp(0, len(self.recall) - 2)
        part = place - low
        means = [
            values.gather(0, low[None])[0] * (1 - part) + values.gather(0, low[None] + 1)[0] * part
            for values in (self.recall, self.density)
        ]
        return float(means[0].mean()), float(means[1].mean())

    def same(self, target: float) -> Tensor:
        """The place, the same for all heads, with this mean recall; the last one if it is never reached."""
        return self._least(lambda place: torch.full_like(self.recall[0], place), target)

    def refined(self, target: float) -> Tensor:
        """The places at which each head reaches the same recall, such that the mean is `target`."""
        return self._least(self._each, target)

    def _each(self, asked: float) -> Tensor:
        """The places at which each head reaches a recall of `asked` / (steps - 1)."""
        wanted = asked / (len(self.recall) - 1)
        places = torch.full_like(self.recall[0], len(self.recall) - 1)
        for step in reversed(range(len(self.recall) - 1)):
            here, there = self.recall[step], self.recall[step + 1]
            within = ((wanted - here) / (there - here).clamp(min=1e-9)).clamp(0, 1)
            places = torch.where(there >= wanted, step + within, places)
        return places

    def _least(self, places: Any, target: float) -> Tensor:
        low, high = 0.0, float(len(self.recall) - 1)
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.at(places(middle))[0] < target else (low, middle)
        return places(high)


def compare(results: dict[str, Any], lengths: Sequence[int]) -> tuple[list[list[str]], list[list[str]]]:
    """Rows of the two tables."""
    equal, moved = [], []
    for length in lengths:
        for method in LADDERS:
            ladder = Ladder(results, length, method)
            for name, places in (("the same for all", ladder.same(TARGET)), ("refined", ladder.refined(TARGET))):
                recall, density = ladder.at(places)
                equal.append([f"{length:,}", method, name, f"{recall:.3f}", f"{density:.1%}"])
    for method in LADDERS:
        ladder = Ladder(results, lengths[-1], method)
        for length in lengths:
            recall, density = ladder.at(Ladder(results, length, method).refined(TARGET))
            moved.append([method, f"{length:,}", f"{lengths[-1]:,}", f"{recall:.3f}", f"{density:.1%}"])
    return equal, moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="comma-separated")
    lengths = sorted(map(int, parser.parse_args().lengths.split(",")))
    path = report.RESULTS / "calibration.json"
    results = json.loads(path.read_text()) if path.is_file() else {"rows": {}}
    results["machine"] = report.machine("torch", "transformers")
    measure(results, lengths)
    equal, moved = compare(results, lengths)
    print(f"\nAt a mean recall of {TARGET}\n")
    print(report.table(["tokens", "method", "budgets", "recall", "keys computed"], equal))
    print("\nBudgets refined at one length, used at another\n")
    print(report.table(["method", "refined at", "used at", "recall", "keys computed"], moved))
    pictures.methods({(n, m): Ladder(results, n, m) for n in lengths for m in LADDERS}, TARGET)


if __name__ == "__main__":
    main()
