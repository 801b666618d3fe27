"""The simulated pipeline: by hand, against the formula, and against a real one."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.pipeline import simulate as command
from benchmarks.pipeline.costs import pipeline as of_gpus
from benchmarks.pipeline.costs import split
from benchmarks.pipeline.events import Arrival, simulate
from benchmarks.pipeline.rules import Atom, SGLang, fixed_rule
from longread.serving.pipeline.chunker import (
    Chunker,
    CostModel,
    Limits,
    Pacer,
    Pipeline,
    Terms,
    Transfer,
    fixed,
    makespan,
)
from tests.support.messages import says

TOKEN = CostModel(dense=Terms(token=1e-3, decode=1e-3))
"""A second for a thousand tokens."""
REAL = CostModel(dense=Terms(step=3e-3, token=2e-5, length=1e-8, past=3e-11, own=3e-11, decode=1e-4))


class Listed:
    def __init__(self, *chunks: int):
        self.chunks = list(chunks)
        self.observed: list[tuple[int, int, float | None, int]] = []

    def next(self, request: object, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        return self.chunks.pop(0)

    def observe(self, *step: Any) -> None:
        self.observed.append(step)

    def forget(self, request: object) -> None: ...


def stages(count: int, model: CostModel = TOKEN, **transfer: float) -> Pipeline:
    return Pipeline(stages=(model,) * count, transfer=Transfer(**transfer))


# By hand


def test_chunks_that_grow_wait_for_nobody():
    run = simulate(stages(2), Listed(1_000, 2_000, 3_000), [Arrival(6_000)])
    assert run.seconds == pytest.approx(1 + 2 + 3 + 3)
    assert run.busy == pytest.approx(12 / 18)


def test_a_short_chunk_after_a_long_one_waits_for_it_in_each_stage():
    # 0-3 and 3-6 the first; 3-4 the second, which the second stage takes at 6, when the first may go on; 6-9 the third
    run = simulate(stages(2), Listed(3_000, 1_000, 3_000), [Arrival(7_000)])
    assert run.spans[4] == pytest.approx((0, 6, 3))
    assert run.seconds == pytest.approx(12)


def test_only_as_many_steps_are_under_way_as_there_are_stages():
    policy = Listed(*[1_000] * 6)
    run = simulate(stages(3), policy, [Arrival(6_000)], overhead=0.5)
    begun = [start for stage, start, _ in run.spans if stage == 0]
    ended = [start + seconds for stage, start, seconds in run.spans if stage == 2]
    assert all(start >= end + 0.5 for start, end in zip(begun[3:], ended, strict=False))
    assert [seconds for _, _, seconds, _ in policy.observed][:2] == [None, None]  # the pipeline was not full


def test_a_transfer_is_waited_for_by_both_or_received_ahead():
    once = simulate(stages(2, step=0.25), Listed(1_000), [Arrival(1_000)])
    assert once.seconds == pytest.approx(2.25)
    many = [simulate(stages(2, step=0.25), Listed(*[1_000] * 8), [Arrival(8_000)], ahead=ahead) for ahead in (0, 1)]
    assert [run.seconds for run in many] == pytest.approx([8 * 1.25 + 1, 8 * 1.25 + 1])


def test_decodes_go_on_while_a_prompt_is_read():
    run = simulate(stages(2), Listed(1_000, 1_000, 1_000), [Arrival(1_000, answer=3), Arrival(2_000, at=0.5)])
    first, second = run.served
    assert len(first.times) == 3
    assert len(second.times) == 1
    assert first.times[1] < second.times[0] + 0.5
    assert second.chunks == [1_000, 1_000]


def test_scheduled_ahead_a_request_decodes_in_every_so_many_steps_as_there_are_stages():
    arrivals = [Arrival(1_000, answer=3), Arrival(6_000, at=0.5)]
    run = simulate(stages(2), Listed(*[1_000] * 7), arrivals, ahead=True, queued=1)
    first, second = run.served
    assert len(first.times) == 3
    assert second.chunks == [1_000] * 6
    assert first.gaps == pytest.approx([2.0, 2.0], abs=0.01)


# Against the formula


@pytest.mark.parametrize("queued", [0, 1])
def test_steps_under_way_are_counted_as_in_the_formula(queued):
    """Times that drop now and then."""
    plan = [4_096, 4_096, 4_096, 2_048] * 6
    run = simulate(stages(4, REAL), Listed(*plan), [Arrival(sum(plan))], ahead=True, queued=queued)
    assert run.seconds == pytest.approx(makespan(stages(4, REAL), plan, queued=queued))
    assert makespan(stages(4, REAL), plan, queued=1) < 0.97 * makespan(stages(4, REAL), plan)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_chunks_of_one_size_take_what_the_formula_says(count):
    run = simulate(stages(count, REAL), fixed_rule(2_048, 128), [Arrival(100_000)])
    assert run.served[0].chunks == fixed(100_000, 2_048)
    assert run.seconds == pytest.approx(makespan(stages(count, REAL), fixed(100_000, 2_048)), rel=0.005)


@pytest.mark.parametrize("count", [2, 8])
def test_chunks_of_equal_time_take_what_is_forecast(count):
    limits = Limits(most=65_536, least=256)
    real = stages(count, REAL, step=5e-5, token=1e-7)
    run = simulate(real, Pacer(real, limits), [Arrival(500_000)], ahead=True)
    assert run.seconds == pytest.approx(Chunker(real, limits).forecast(500_000).seconds, rel=0.02)


# The rules of others


@pytest.mark.parametrize("rule", [SGLang, Atom])
def test_other_rules_read_every_token_in_chunks_that_shrink(rule):
    real = of_gpus("qwen2.5-14b-1m", 4, sparse=False)
    chunks = simulate(real, rule(real, 16_384, 128), [Arrival(300_000)]).served[0].chunks
    assert sum(chunks) == 300_000
    assert chunks[0] == 16_384
    assert chunks[-2] < 0.6 * chunks[0]
    assert all(size % 128 == 0 for size in chunks[:-1])


def test_layers_are_split_as_evenly_as_they_get():
    assert split(28, 8) == [4, 4, 4, 4, 3, 3, 3, 3]
    assert split(48, 8) == [6] * 8


def test_two_halves_of_a_model_cost_what_the_whole_does():
    whole, half = (of_gpus("qwen2.5-7b-1m", count, sparse=True).stages[0] for count in (1, 2))
    for prefix, chunk in ((0, 8_192), (500_000, 8_192), (500_000, 512)):
        assert 0.5 < half.seconds(prefix, chunk) / whole.seconds(prefix, chunk) < 0.6


# The command


def test_a_few_scenarios_come_out(capsys: pytest.CaptureFixture[str]):
    command.main(["--tiny"])
    out = capsys.readouterr().out
    assert "| qwen2.5-7b-1m | sparse | 65,536 | 4 |" in out
    assert says(out, "| of a machine", "three times", "|")


def measured(folder: Path, slower: float) -> None:
    """The results of cpu.py for a real pipeline that is so much slower than its calibration."""
    real = stages(2, REAL)
    rows = []
    for strategy, chunks in (("fixed 512", fixed(6_144, 512)), ("fixed 2048", fixed(6_144, 2_048))):
        steps = [[sum(chunks[:at]), size, *[slower * REAL.seconds(sum(chunks[:at]), size)] * 2]
                 for at, size in enumerate(chunks)]  # fmt: skip
        ttft = slower * makespan(real, chunks)
        rows += [{"attention": "dense", "strategy": strategy, "round": 0, "ttft": ttft, "steps": steps}]
    rows += [{"attention": "dense", "strategy": "one core", "round": 0, "ttft": 1.0, "steps": []}]
    kept = {"calibrations": {"dense": {"pipeline": real.model_dump(mode="json")}}, "rows": rows}
    (folder / "pipeline_cpu.json").write_text(json.dumps(kept), encoding="utf-8")


def test_the_simulator_is_held_against_a_real_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    with pytest.raises(SystemExit, match=r"pipeline_cpu.json is missing: benchmarks/pipeline/cpu.py writes it"):
        command.main(["--validate"])
    measured(tmp_path, 1.05)
    command.main(["--validate"])
    assert "at most 4.8% off; 10% are allowed" in capsys.readouterr().out
    measured(tmp_path, 1.2)
    with pytest.raises(SystemExit):
        command.main(["--validate"])
    assert "at most 16.7% off" in capsys.readouterr().out
