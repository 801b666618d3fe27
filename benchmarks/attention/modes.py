"""The quality of answers by attention mode: RoPE, DCA, sparse DCA, and DCA with each temperature.

    python -m benchmarks.attention.modes [--longest N] [--minutes N] [--haystack TASK:SEED …] [--show]

The default model, trained on 8,192 tokens, reads texts full of facts and is asked for them at 4K to 32K tokens.
Measured are whether greedy decoding would give the answer, and the probability of the right answer. Every mode is asked
the same questions, so modes are compared question by question. Each row is stored in benchmarks/results/modes.jsonl at
once: the script can be interrupted, and resumes. Several may run, each with its own haystacks and cores:

    taskset -c 0 python -m benchmarks.attention.modes --haystack niah_multikey_1:1
    taskset -c 1 python -m benchmarks.attention.modes --haystack kv:1
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from benchmarks import report
from benchmarks.attention import haystacks, modes_report
from benchmarks.attention.haystacks import Haystack, paragraphs
from benchmarks.attention.reading import CHUNK, LOCAL, WINDOW, Reader, load, spec_of, uniform
from longread.kernels import Budgets, DCASpec, patch
from longread.kernels.calibrate import calibrate

Loss = tuple[int, int, float]
PATH = report.RESULTS / "modes.jsonl"
BUDGETS = report.RESULTS / "modes_budgets.json"
QUESTIONS = 24
"""Questions at each length of each haystack."""
FIXED = {"vertical": 300, "slash": 400}
CALIBRATED = 16384
"""Tokens of the novel for refining the budgets, about which no questions are asked."""
MODES = tuple(modes_report.LABELS)
SHARED = WINDOW - LOCAL
"""Tokens that all modes but "prompt" read alike, the first chunk of DCA, which is dense."""
ORDER = (
    ("niah_multikey_1", 1), ("kv", 1), ("passkey", 0), ("niah_multikey_2", 1), ("passkey", 1), ("niah_multikey_1", 2),
    ("passkey", 2), ("kv", 2), ("passkey", 3), ("niah_multikey_2", 2), *(("passkey", seed) for seed in range(4, 8)),
    ("vt", 1),
)  # fmt: skip
"""(task, seed) of the haystacks."""
LIMITS = {"vt": ("dca",)}
"""Tasks that the model fails already within its own window: only these modes are measured, up to that window."""
FEWER = {"prompt": ("niah_multikey_1", "kv")}
"""A mode that must read each length from the beginning is measured on some tasks only."""
UP_TO = {"prompt": 16384, "rope": 24576}
"""The longest prompts of some modes: for that reason, or because beyond it all their answers are wrong."""


class Experiment:
    """The model, and the rows so far."""

    def __init__(self, longest: int, minutes: float, order: Sequence[tuple[str, int]]) -> None:
        self.longest, self.until, self.order = longest, time.monotonic() + 60 * minutes, order
        self.model, self.encode = load()
        self.rows = rows()

    def run(self) -> None:
        """Measure what is missing, one haystack after another: all modes start with the dense prefix."""
        for task, seed in self.order:
            wanted = {mode: self.missing(task, seed, mode) for mode in MODES}
            if not any(wanted.values()):
                continue
            haystack = haystacks.MAKERS[task](
                seed, max(max(lengths, default=0) for lengths in wanted.values()), self.encode
            )
            base = self.reader("dca", SHARED)
            first = self.read_to(base, haystack, SHARED)
            for mode, lengths in wanted.items():
                # Every K depends on the prompt's length: no prefix can be reused.
                for group in [[length] for length in lengths] if mode == "prompt" else [lengths] if lengths else []:
                    if time.monotonic() > self.until:
                        return
                    self.read(haystack, seed, mode, group, base, first)

    def missing(self, task: str, seed: int, mode: str) -> list[int]:
        """Lengths at which this mode can differ from DCA, and that have no row."""
        same = 0 if mode == "dca" else WINDOW - 1 if mode == "rope" else WINDOW
        longest = WINDOW if task in LIMITS else min(self.longest, UP_TO.get(mode, self.longest))
        if mode not in LIMITS.get(task, MODES) or task not in FEWER.get(mode, haystacks.MAKERS):
            return []
        return [
            length
            for length in modes_report.LENGTHS
            if same < length <= longest and (task, seed, mode, length) not in self.rows
        ]

    def reader(self, mode: str, capacity: int) -> Reader:
        return Reader(self.model, self.spec(mode, capacity), self.budgets(mode), capacity=capacity + CHUNK)

    def read(
        self, haystack: Haystack, seed: int, mode: str, lengths: list[int], base: Reader, first: list[Loss]
    ) -> None:
        """Read up to each length in turn, and ask the questions there."""
        reader, losses = self.reader(mode, haystack.cut(lengths[-1])), []
        for length in lengths:
            seconds, end = time.monotonic(), haystack.cut(length)
            if mode != "prompt" and reader.length < SHARED:
                reader.take(base, min(end, SHARED))
                losses = list(first)
            losses += self.read_to(reader, haystack, end)
            asked = haystack.asked(length, QUESTIONS)
            answers = [reader.score(fact.question, fact.answer) for fact in asked]
            self.keep(
                {
                    "task": haystack.task,
                    "seed": seed,
                    "mode": mode,
                    "length": length,
                    "right": [round(float(right.double().mean()), 4) for right, _ in answers],
                    "log_probability": [round(float(likely.mean()), 4) for _, likely in answers],
                    "depth": [round(fact.start / end, 4) for fact in asked],
                    "losses": losses if end > SHARED else [],
                    "seconds": round(time.monotonic() - seconds),
                }
            )

    def read_to(self, reader: Reader, haystack: Haystack, end: int) -> list[Loss]:
        """-> (end, tokens, mean loss) of each chunk"""
        losses = []
        while reader.length < end:
            start = reader.length
            stop = min(start + CHUNK, end, SHARED if start < SHARED else end)  # the same chunks in every mode
            hidden = reader.read(haystack.tokens[start:stop])
            if stop - start > 1:  # a single token has no next one in its chunk
                loss = reader.losses(hidden[:-1], haystack.tokens[start + 1 : stop])
                losses.append((stop, stop - start - 1, round(float(loss.double().mean()), 4)))
        return losses

    def spec(self, mode: str, length: int) -> DCASpec:
        if mode == "rope":
            return spec_of(self.model, "rope")
        spec = spec_of(self.model, "dca")
        if mode != "prompt":
            return replace(spec, temperature="query") if mode == "query" else spec
        # One factor for all queries, which depends on the length of the whole prompt.
        whole = replace(spec, temperature="prompt")
        return replace(spec, softmax_scale=float(whole.scales(torch.zeros(1, dtype=torch.long), length)[0]))

    def budgets(self, mode: str) -> Budgets | None:
        if mode not in ("sparse", "refined", "adaptive"):
            return None
        if mode == "adaptive":
            config = self.model.config
            return Budgets.adaptive(config.num_hidden_layers, config.num_attention_heads, threshold=WINDOW)
        fixed = uniform(self.model, **FIXED)
        if mode == "sparse":
            return fixed
        if not BUDGETS.exists():
            text = self.encode("".join(paragraphs("MANSFIELD PARK"))[: 6 * CALIBRATED])[:CALIBRATED]
            patch(self.model, spec_of(self.model, "dca"), fixed)
            found, history = calibrate(self.model, [text], chunk=CHUNK, rounds=2)
            found.write(BUDGETS)
            print([(recall.mean, float(recall.density.mean())) for recall in history], flush=True)
        return Budgets.read(BUDGETS, threshold=WINDOW)

    def keep(self, row: dict[str, Any]) -> None:
        self.rows[key(row)] = row
        new = not PATH.exists()
        with PATH.open("a", encoding="utf-8") as file:
            if new:
                file.write(json.dumps({"settings": settings(), "machine": report.machine("torch", "transformers")}))
                file.write("\n")
            file.write(json.dumps(row) + "\n")
        count = max(len(row["right"]), 1)
        means = (sum(row[name]) / count for name in ("right", "log_probability"))
        print(*key(row), count, *(f"{mean:.3f}" for mean in means), row["seconds"], "s", flush=True)


def key(row: dict[str, Any]) -> tuple[str, int, str, int]:
    return row["task"], row["seed"], row["mode"], row["length"]


def settings() -> dict[str, Any]:
    return {"chunk": CHUNK, "fixed": FIXED, "calibrated": CALIBRATED, "questions": QUESTIONS}


def rows() -> dict[tuple[str, int, str, int], dict[str, Any]]:
    """The stored rows.

    Raises:
        SystemExit: they have other settings.
    """
    if not PATH.exists():
        return {}
    first, *others = map(json.loads, PATH.read_text(encoding="utf-8").splitlines())
    if first["settings"] != settings():
        raise SystemExit(f"{PATH} was measured with other settings: {first['settings']}. Move it away to start again")
    return {key(row): row for row in others}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--longest", type=int, default=max(modes_report.LENGTHS), help="the longest prompt")
    parser.add_argument("--minutes", type=float, default=6000, help="start nothing new after so many")
    parser.add_argument(
        "--haystack",
        action="append",
        choices=[f"{task}:{seed}" for task, seed in ORDER],
        help="only these; default all",
    )
    parser.add_argument("--show", action="store_true", help="only print the tables and draw the picture")
    asked = parser.parse_args()
    if not asked.show:
        order = [one for one in ORDER if not asked.haystack or "{}:{}".format(*one) in asked.haystack]
        Experiment(asked.longest, asked.minutes, order).run()
    if not asked.haystack:
        modes_report.show(rows())


if __name__ == "__main__":
    main()
