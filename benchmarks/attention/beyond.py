"""Attention beyond a model's training length: RoPE against DCA, and dense against sparse attention.

    python -m benchmarks.attention.beyond [--minutes N] [--draw]

The default model, trained on 8,192 tokens, reads Jane Austen's "Emma". Measured are its perplexity over the first 1 to
4 windows, and whether it knows a pass key at some depth of the text. A run takes about two hours on two cores. Figures
are stored at once, so it can be interrupted, and resumes.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks import report
from benchmarks.attention import novels
from benchmarks.attention.reading import CHUNK, INTRODUCTION, QUESTION, WINDOW, PassKey, Reader, load, spec_of, uniform

NAME = "beyond"
LENGTHS = (8192, 12288, 16384, 24576, 32768)
DEPTHS = (0.1, 0.5, 0.9)
BUDGET = {"vertical": 1000, "slash": 1500}
"""The budget of every head."""
MODES = {"rope": "RoPE", "dca": "DCA", "sparse": "DCA, sparse"}


@dataclass(frozen=True)
class Cell:
    """One question: the kind of attention, the length of the prompt, and the depth of the key."""

    mode: str
    length: int
    depth: float

    @property
    def key(self) -> str:
        return f"{self.mode} {self.length} {self.depth}"


class Experiment:
    """The model, the text, and the results so far."""

    def __init__(self, minutes: float) -> None:
        self.until = time.monotonic() + 60 * minutes
        self.model, self.encode = load()
        self.introduction = self.encode(INTRODUCTION)
        self.question = self.encode(QUESTION)
        self.text = self.encode(novels.novel("EMMA")[: 6 * max(LENGTHS)])
        self.results = kept()

    def in_time(self) -> bool:
        return time.monotonic() < self.until

    def keep(self) -> None:
        report.keep(NAME, {**self.results, "machine": report.machine("torch", "transformers")})

    def reader(self, mode: str) -> Reader:
        budgets = uniform(self.model, **BUDGET) if mode == "sparse" else None
        return Reader(
            self.model, spec_of(self.model, "rope" if mode == "rope" else "dca"), budgets, capacity=max(LENGTHS) + CHUNK
        )

    def run(self) -> None:
        """Measure what is missing, the shortest prompts first, with all questions at each length."""
        bases = {mode: self.reader(mode) for mode in MODES}
        reader = self.reader("rope")  # answers the questions of every mode
        wanted = {(cell.mode, cell.length) for cell in all_cells() if self.missing(cell)}
        wanted |= {("dca", length) for length in LENGTHS if self.lacks_recall(length)}
        for length in LENGTHS:
            for mode, base in bases.items():
                if not any(mode == one and length <= other for one, other in wanted):
                    continue
                self.read_text(mode, base, length)
                reader.spec, reader.budgets = base.spec, base.budgets
                for depth in DEPTHS:
                    if self.missing(cell := Cell(mode, length, depth)) and self.in_time():
                        self.passkey(cell, reader, base)
            if self.lacks_recall(length) and self.in_time():
                self.recall(bases["dca"], length)

    def missing(self, cell: Cell) -> bool:
        return cell.key not in self.results["passkey"]

    def lacks_recall(self, length: int) -> bool:
        """Nothing is sparse within the window."""
        return length > WINDOW and str(length) not in self.results["recall"]

    def read_text(self, mode: str, reader: Reader, length: int) -> None:
        """Read the introduction and the text up to this length, and record the mean loss of each chunk."""
        tokens = self.introduction + self.text
        losses = self.results["losses"].setdefault(mode, {})
        while reader.length < length and self.in_time():
            start, end = reader.length, reader.length + CHUNK
            hidden = reader.read(tokens[start:end])
            if str(end) not in losses:
                losses[str(end)] = float(reader.losses(hidden, tokens[start + 1 : end + 1]).double().mean())
                self.keep()

    def passkey(self, cell: Cell, reader: Reader, base: Reader) -> None:
        """Insert the key into the text that `base` has read, read on from there, and ask for it."""
        key = PassKey.of(1000 * round(10 * cell.depth) + cell.length // CHUNK)
        needle, answer = self.encode(key.needle), self.encode(f" {key.digits}")
        around = len(self.introduction) + len(needle) + len(self.question) + len(answer)
        prose = self.text[: cell.length - around]
        cut = round(cell.depth * len(prose))
        reader.take(base, len(self.introduction) + cut)
        reader.read_all(needle + prose[cut:])
        known, log_probability = reader.knows(self.question, answer)
        self.results["passkey"][cell.key] = {"known": known, "log_probability": log_probability}
        self.keep()
        print(f"{cell.key}: {self.results['passkey'][cell.key]}", flush=True)

    def recall(self, reader: Reader, length: int) -> None:
        """The recall of the budgets on the last chunk of so many tokens, by layer."""
        chunk = (self.introduction + self.text)[length - CHUNK : length]
        seen = reader.observe(uniform(self.model, **BUDGET), chunk)
        self.results["recall"][str(length)] = {
            "recall": [[round(value, 4) for value in layer.recall.tolist()] for layer in seen],
            "density": [[round(value, 4) for value in layer.density.tolist()] for layer in seen],
        }
        self.keep()


def all_cells() -> list[Cell]:
    return [Cell(mode, length, depth) for mode in MODES for length in LENGTHS for depth in DEPTHS]


def kept() -> dict[str, Any]:
    """The stored results.

    Raises:
        SystemExit: they have other settings.
    """
    settings = {"chunk": CHUNK, "budget": BUDGET, "text": "EMMA", "introduction": INTRODUCTION, "question": QUESTION}
    path = report.RESULTS / f"{NAME}.json"
    if not path.exists():
        return {"settings": settings, "losses": {}, "passkey": {}, "recall": {}}
    results = json.loads(path.read_text(encoding="utf-8"))
    if results["settings"] != settings:
        raise SystemExit(f"{path} was measured with other settings: {results['settings']}. Move it away to start again")
    return results


def perplexity(losses: dict[str, float], length: int) -> float | None:
    """The perplexity of the first tokens of the text, from the mean losses of its chunks."""
    chunks = [losses.get(str(end)) for end in range(CHUNK, length + 1, CHUNK)]
    found = [loss for loss in chunks if loss is not None]
    return math.exp(sum(found) / len(found)) if len(found) == len(chunks) else None


def show(results: dict[str, Any]) -> None:
    """Print the tables."""
    windows = [f"{length:,} ({length / WINDOW:g}×)" for length in LENGTHS]
    rows = []
    for mode, label in MODES.items():
        values = [perplexity(results["losses"].get(mode, {}), length) for length in LENGTHS]
        rows.append([label, *("–" if value is None else f"{value:.1f}" for value in values)])
    print("\nPerplexity of the first tokens\n")
    print(report.table(["", *windows], rows))
    rows = []
    for mode, label in MODES.items():
        row = [label]
        for length in LENGTHS:
            found = [results["passkey"].get(Cell(mode, length, depth).key) for depth in DEPTHS]
            asked = [answer for answer in found if answer is not None]
            mean = sum(answer["log_probability"] for answer in asked) / len(asked) if asked else 0.0
            row.append(f"{sum(answer['known'] for answer in asked)}/{len(asked)} ({mean:.1f})" if asked else "–")
        rows.append(row)
    print(f"\nPass keys known, at depths {', '.join(map(str, DEPTHS))} (mean log-probability of the five digits)\n")
    print(report.table(["", *windows], rows))
    rows = []
    for length, found in sorted(results["recall"].items(), key=lambda item: int(item[0])):
        recall, density = torch.tensor(found["recall"]), torch.tensor(found["density"])
        layers = recall.mean(1)
        rows.append(
            [
                f"{int(length):,}",
                f"{density.mean():.1%}",
                f"{recall.mean():.3f}",
                f"{layers.min():.3f}",
                f"{layers.max():.3f}",
            ]
        )
    kept_keys = f"{BUDGET['vertical']:,} columns and {BUDGET['slash']:,} diagonals a head"
    print(f"\nSparse attention of the last {CHUNK:,} tokens, {kept_keys}\n")
    print(report.table(["tokens", "keys computed", "mean recall", "lowest layer", "highest layer"], rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=600, help="start nothing new after so many; default 600")
    parser.add_argument("--draw", action="store_true", help="only draw the picture of the stored results")
    asked = parser.parse_args()
    if not asked.draw:
        Experiment(asked.minutes).run()
    results = kept()
    show(results)
    from benchmarks.pictures import beyond

    print(f"Written to {beyond(results, LENGTHS, DEPTHS, MODES, WINDOW)}")


if __name__ == "__main__":
    main()
