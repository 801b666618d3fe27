"""Chunks of equal time against other rules, in simulated pipelines of GPUs; and the simulator against a real pipeline.

    python -m benchmarks.pipeline.simulate             # all scenarios, tables and pictures; some minutes
    python -m benchmarks.pipeline.simulate --tiny      # a few of them, without pictures
    python -m benchmarks.pipeline.simulate --validate  # against pipeline_cpu.json, the results of cpu.py

Step costs are estimated (`costs.py`), and the scheduler's policy is the real one (in the loop of `events.py`). Other
engines have their published rules (`rules.py`), each with the best base for the very prompt, found by search. Chunks of
equal time need no search.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from benchmarks import report
from benchmarks.pipeline.costs import ENGINE, TENSOR_PARALLEL, allowed, pipeline, split
from benchmarks.pipeline.cpu import calibration_name
from benchmarks.pipeline.events import Arrival, Run, Stages, simulate
from benchmarks.pipeline.rules import Atom, SGLang, fixed_rule
from longread.serving.models.shape import SHAPES
from longread.serving.pipeline.chunker import Chunker, CostModel, Limits, Pacer, Pipeline, Policy, Transfer

LIMITS = Limits(most=65_536, least=256, queued=1)
RULES: dict[str, Callable[[Pipeline, int], Policy]] = {
    "fixed": lambda _, base: fixed_rule(base, LIMITS.page),
    "SGLang": lambda stages, base: SGLang(stages, base, LIMITS.page),
    "ATOM": lambda stages, base: Atom(stages, base, LIMITS.page),
}
OURS = "equal time"
BASES = [round(256 * 2 ** (step / 3) / 128) * 128 for step in range(25)]
"""The bases in tokens to try for other rules, from 256 to 65,536."""
BETWEEN = 3
"""The number of bases to try then on each side of the best."""
WITHIN = 0.10
"""The largest relative error of the simulator against the real pipeline."""


def run(stages: Stages, policy: Policy, arrivals: Sequence[Arrival]) -> Run:
    """Simulate GPUs, where vLLM schedules asynchronously."""
    return simulate(stages, policy, arrivals, ahead=True, queued=LIMITS.queued, overhead=ENGINE / 2)


def best(rule: str, stages: Pipeline, tokens: int) -> tuple[int, Run]:
    """(base, run) of a rule with the fastest base for a prompt."""
    tried: dict[int, Run] = {}

    def attempt(base: int) -> float:
        if base not in tried:
            tried[base] = run(stages, RULES[rule](stages, base), [Arrival(tokens)])
        return tried[base].seconds

    for base in BASES:
        # Smaller ones take minutes to try, and are slower.
        if base <= tokens and tokens / base <= 8_000:
            attempt(base)
    centre = min(tried, key=attempt)
    for step in range(-BETWEEN, BETWEEN + 1):
        attempt(max(128, min(round(centre * 2 ** (step / 3 / (BETWEEN + 1)) / 128) * 128, LIMITS.most)))
    found = min(tried, key=attempt)
    return found, tried[found]


@dataclass(frozen=True)
class Scenario:
    """One prompt."""

    model: str
    sparse: bool
    tokens: int
    stages: int

    def measure(self) -> dict[str, Any]:
        """TTFT by rule, the time of one stage, and the balance of the layers' split."""
        stages = pipeline(self.model, self.stages, sparse=self.sparse)
        alone = pipeline(self.model, 1, sparse=self.sparse)
        one = min(
            run(alone, policy, [Arrival(self.tokens)]).seconds
            for policy in (Pacer(alone, LIMITS), fixed_rule(LIMITS.most, LIMITS.page))
        )
        forecast = Chunker(stages, LIMITS).forecast(self.tokens)
        runs = {OURS: (0, run(stages, Pacer(stages, LIMITS), [Arrival(self.tokens)]))}
        runs |= {rule: best(rule, stages, self.tokens) for rule in RULES}
        layers = split(SHAPES[self.model].layers, self.stages)
        return {
            **vars(self),
            "one_stage": one,
            "forecast": forecast.seconds,
            "balance": sum(layers) / len(layers) / max(layers),
            "rules": {
                name: {
                    "base": base,
                    "ttft": found.served[0].ttft,
                    "efficiency": one / self.stages / found.served[0].ttft,
                    "idle": 1 - found.busy,
                    # Not counting the time that stages with fewer layers wait for those with more.
                    "bubble": 1 - found.busy / (sum(layers) / len(layers) / max(layers)),
                    "chunks": len(found.served[0].chunks),
                }
                for name, (base, found) in runs.items()
            },
        }


def scenarios(tiny: bool) -> list[Scenario]:
    if tiny:
        return [Scenario("qwen2.5-7b-1m", sparse, 65_536, 4) for sparse in (False, True)]
    found = []
    for model in TENSOR_PARALLEL:
        for sparse in (False, True):
            for tokens in (131_072, 1_000_000):
                counts = [2, 4, 7, 8, 14, 16] if SHAPES[model].layers == 28 else [2, 4, 8, 16]
                found += [Scenario(model, sparse, tokens, count) for count in counts]
            found += [Scenario(model, sparse, 10_000_000, count) for count in (8, 16)]
    return found


def mixture(tokens: int) -> list[dict[str, Any]]:
    """A long prompt arrives at a pipeline that is decoding others, followed by short prompts.

    Gaps between tokens are those of the earlier requests, from the long prompt's arrival to its first token.
    """
    stages = pipeline("qwen2.5-7b-1m", 7, sparse=False)
    base, _ = best("fixed", stages, tokens)
    policies: dict[str, Policy] = {
        f"fixed {base:,}": fixed_rule(base, LIMITS.page),
        "fixed 8,192": fixed_rule(8_192, LIMITS.page),
        OURS: Pacer(stages, LIMITS),
        f"{OURS}, at most 0.5 s a decode": Pacer(stages, LIMITS.model_copy(update={"latency": 0.5})),
    }
    arrivals = [Arrival(4_096, 600)] * 4 + [Arrival(tokens, 1, 1.0)] + [Arrival(4_096, 16, 2.0 + at) for at in range(8)]
    rows = []
    for name, policy in policies.items():
        served = run(stages, policy, arrivals).served
        first, last = served[4].arrival.at, served[4].arrival.at + served[4].ttft
        gaps = [
            gap
            for one in served[:4]
            for at, gap in zip(one.times[1:], one.gaps, strict=True)
            if first <= one.arrival.at + at - gap and one.arrival.at + at <= last
        ]
        rows.append(
            {
                "rule": name,
                "ttft": served[4].ttft,
                "short": median(one.ttft for one in served[5:]),
                "gap": median(gaps),
                "gap_95": quantiles(gaps, n=20)[-1],
                "gap_most": max(gaps),
            }
        )
    return rows


def wrong_tables(tokens: int) -> list[dict[str, Any]]:
    """TTFT with wrong step costs, with and without the online correction."""
    stages = pipeline("qwen2.5-7b-1m", 7, sparse=False)

    def changed(**terms: float) -> Pipeline:
        dense = stages.stages[0].dense
        values = {name: getattr(dense, name) * factor for name, factor in terms.items()}
        model = CostModel(dense=dense.model_copy(update=values), longest=tokens)
        return Pipeline(stages=(model,) * len(stages.stages), transfer=stages.transfer)

    every = dict.fromkeys(("step", "token", "length", "past", "own", "decode"))
    tables = {
        "right": stages,
        "of a machine three times as fast": changed(**dict.fromkeys(every, 1 / 3)),
        "of a machine three times as slow": changed(**dict.fromkeys(every, 3.0)),
        "of chunks without a prefix: attention costs nothing": changed(past=0.0, length=0.0),
        "with attention that costs a third": changed(past=1 / 3, own=1 / 3),
    }
    rows = []
    for name, table in tables.items():
        plan = iter(Chunker(table, LIMITS).plan(tokens))
        listed = fixed_rule(LIMITS.most, LIMITS.page)
        listed.next = lambda *_, plan=plan, **__: next(plan)  # type: ignore[method-assign]
        followed, blind = (run(stages, one, [Arrival(tokens)]).seconds for one in (Pacer(table, LIMITS), listed))
        rows.append({"table": name, "corrected": followed, "uncorrected": blind})
    return rows


class _Measured:
    """A stage with measured times."""

    def __init__(self, times: dict[tuple[int, int], float]):
        self._times = times

    def seconds(self, prefix: int, chunk: int, decodes: int = 0) -> float:
        return self._times[prefix, chunk]


@dataclass(frozen=True)
class _Steps:
    stages: Sequence[_Measured]
    transfer: Transfer


class _Listed:
    """A policy with given chunks."""

    def __init__(self, chunks: Sequence[int]):
        self._chunks = iter(chunks)

    def next(self, request: object, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        return next(self._chunks)

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        pass

    def forget(self, request: object) -> None:
        pass


def validate() -> None:
    """Simulate the runs of cpu.py, from its calibration and from the measured times of its stages."""
    path = report.RESULTS / "pipeline_cpu.json"
    if not path.exists():
        sys.exit(f"{path} is missing: benchmarks/pipeline/cpu.py writes it")
    stored = json.loads(path.read_text(encoding="utf-8"))
    rows, off = [], []
    measured = [row for row in stored["rows"] if row["strategy"] != "one core"]
    for attention, strategy in dict.fromkeys((row["attention"], row["strategy"]) for row in measured):
        same = [row for row in measured if (row["attention"], row["strategy"]) == (attention, strategy)]
        costs = Pipeline.model_validate(stored["calibrations"][calibration_name(attention, strategy)]["pipeline"])
        real, expected, replayed = median(row["ttft"] for row in same), [], []
        for row in same:
            chunks, tokens = [step[1] for step in row["steps"]], sum(step[1] for step in row["steps"])
            columns = range(2, 2 + len(costs.stages))
            times = [_Measured({(step[0], step[1]): step[column] for step in row["steps"]}) for column in columns]
            for stages, found in ((costs, expected), (_Steps(times, Transfer()), replayed)):
                found.append(simulate(stages, _Listed(chunks), [Arrival(tokens)]).seconds)
        error = median(expected) / real - 1
        off.append(abs(error))
        rows.append(
            (attention, strategy, f"{real:.2f}", f"{median(expected):.2f}", f"{error:+.1%}", f"{median(replayed):.2f}",
             f"{median(replayed) / real - 1:+.1%}")
        )  # fmt: skip
    print(report.table(("attention", "chunks", "TTFT, s", "from the calibration", "", "from its own steps", ""), rows))
    print(f"\nat most {max(off):.1%} off; {WITHIN:.0%} are allowed")
    if max(off) > WITHIN:
        sys.exit(1)


def show(results: dict[str, Any]) -> None:
    """The tables of docs/internals/pipeline.md."""
    rows = []
    for one in results["scenarios"]:
        rules = one["rules"]
        times = [f"{rules[name]['ttft']:,.2f}" for name in (*RULES, OURS)]
        ours = rules[OURS]
        share, bound = allowed(one["model"], one["stages"], one["tokens"], LIMITS.most, sparse=one["sparse"])
        rows.append(
            (one["model"], "sparse" if one["sparse"] else "dense", f"{one['tokens']:,}", one["stages"], *times,
             f"{ours['ttft'] / rules['fixed']['ttft'] - 1:+.1%}", f"{ours['efficiency']:.0%}", f"{one['balance']:.1%}",
             f"{bound:.0%}", f"{share:.3%}", f"{ours['bubble']:.1%}")
        )  # fmt: skip
    headings = (
        "model", "attention", "tokens", "stages", *RULES, OURS, "against fixed", "efficiency", "of the split",
        "of the chunks", "a chunk's share", "bubble",
    )  # fmt: skip
    print(report.table(headings, rows))
    print()
    mixed = [
        (one["rule"], *(f"{one[name]:.2f}" for name in ("ttft", "short", "gap", "gap_95", "gap_most")))
        for one in results["mixture"]
    ]
    print(
        report.table(("chunks", "long TTFT, s", "short TTFT, s", "decode, s", "95% of decodes, s", "longest, s"), mixed)
    )
    print()
    tables = [(one["table"], f"{one['corrected']:.2f}", f"{one['uncorrected']:.2f}") for one in results["tables"]]
    print(report.table(("costs in the table", "TTFT, s", "without correction, s"), tables))


def draw(results: dict[str, Any]) -> None:
    from benchmarks import pictures

    stages = pipeline("qwen2.5-14b-1m", 4, sparse=False)
    prompt = 65_536
    base, constant = best("fixed", stages, prompt)
    large = run(stages, fixed_rule(4 * base, LIMITS.page), [Arrival(prompt)])
    ours = run(stages, Pacer(stages, LIMITS), [Arrival(prompt)])
    shown = {f"chunks of {4 * base:,}": large, f"chunks of {base:,}, the best of one size": constant, OURS: ours}
    pictures.pipeline_stages(shown, f"14B on 4 stages, {prompt:,} tokens")
    stages = pipeline("qwen2.5-14b-1m", 8, sparse=False)
    million = 1_000_000
    sizes = {name: best(name, stages, million)[1].served[0].chunks for name in RULES}
    sizes[OURS] = run(stages, Pacer(stages, LIMITS), [Arrival(million)]).served[0].chunks
    pictures.pipeline_chunks({name: (chunks, _times(stages, chunks)) for name, chunks in sizes.items()})
    pictures.pipeline_scaling(results["scenarios"], [*RULES, OURS], million)


def _times(stages: Pipeline, chunks: Sequence[int]) -> list[float]:
    return [stages.seconds(sum(chunks[:index]), chunk) for index, chunk in enumerate(chunks)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiny", action="store_true", help="a few scenarios, no results and no pictures")
    parser.add_argument("--validate", action="store_true", help="compare the simulator with the real pipeline")
    asked = parser.parse_args(arguments)
    if asked.validate:
        validate()
        return
    tokens = 65_536 if asked.tiny else 1_000_000
    results: dict[str, Any] = {"scenarios": []}
    for scenario in scenarios(asked.tiny):
        results["scenarios"].append(scenario.measure())
        print(".", end="", file=sys.stderr, flush=True)
    results |= {"mixture": mixture(tokens), "tables": wrong_tables(tokens)}
    show(results)
    if not asked.tiny:
        draw(results)
        print(f"\n{report.keep('pipeline', {'machine': report.machine('longread'), **results})}")


if __name__ == "__main__":
    main()
