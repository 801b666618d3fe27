"""Chunks of equal time in vLLM's own scheduler, with a simulated pipeline of two stages."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from longread.serving.pipeline.chunker import Chunker, CostModel, Limits, Pipeline, Terms, fixed, makespan
from tests.support.messages import says
from tests.support.vllm_engines import DCA, Vllm, checkpoint

PAGE, UNIT, MOST, LONG = 128, 32, 8192, 30_000
STAGE = CostModel(dense=Terms(step=4e-3, token=4e-5, length=1e-7, past=3e-8, own=3e-8, decode=1e-4), longest=LONG)
TRUE = Pipeline(stages=(STAGE, STAGE))


Schedules = Callable[..., dict[str, Any]]


@pytest.fixture
def schedules(vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path) -> Schedules:
    """Runs requests through the scheduler of an engine with two stages."""
    folder = checkpoint(tiny_models["qwen2"], tmp_path / "model", dual_chunk_attention_config=DCA)

    def run(*requests: dict[str, Any], **changes: Any) -> dict[str, Any]:
        believed = changes.pop("believed", TRUE)
        engine = {
            "model": str(folder), "dtype": "float32", "enforce_eager": True, "max_model_len": 32_768,
            "hf_overrides": {"max_position_embeddings": 32_768}, "max_num_batched_tokens": MOST, "max_num_seqs": 8,
            "pipeline_parallel_size": 2, "block_size": PAGE, **changes.pop("engine", {}),
        }  # fmt: skip
        return vllm.schedules(
            engine=engine,
            cache=str(tmp_path / "cache"),
            believed=believed.model_dump() if isinstance(believed, Pipeline) else believed,
            true=changes.pop("true", TRUE).model_dump(),
            requests=[{"at": 0.0, **one} for one in requests],
            **{"blocks": 512, **changes},
        )

    return run


def long(**values: Any) -> dict[str, Any]:
    return {"name": "long", "tokens": LONG, **values}


def chunks(found: dict[str, Any], name: str) -> list[tuple[int, int]]:
    """(prefix, size) of what was read of a prompt."""
    return [tuple(step["read"][name]) for step in found["steps"] if name in step["read"]]


def seconds(chunk: tuple[int, int], pipeline: Pipeline = TRUE) -> float:
    return pipeline.seconds(*chunk)


def test_a_prompt_is_read_in_chunks_of_equal_time(schedules: Schedules) -> None:
    found = schedules(long())
    assert found["class"] == "EqualTimeScheduler"
    read = chunks(found, "long")
    sizes = [size for _, size in read]
    assert [prefix for prefix, _ in read] == [sum(sizes[:index]) for index in range(len(sizes))]
    assert sum(sizes) == LONG
    assert all((prefix + size) % UNIT == 0 for prefix, size in read[:-1])
    assert max(sizes) <= MOST
    assert sizes[:-1] == sorted(sizes[:-1], reverse=True)
    assert sizes[0] > 2 * sizes[-2]
    times = [seconds(one) for one in read[:-1]]
    assert max(times) - min(times) <= seconds((LONG, 2 * UNIT)) - seconds((LONG, UNIT))
    [ttft] = found["tokens"]["long"]
    expected = makespan(TRUE, sizes)
    assert ttft == pytest.approx(expected, rel=0.01)  # two at once, as the pipeline has stages
    assert ttft <= min(makespan(TRUE, fixed(LONG, size)) for size in range(UNIT, MOST + 1, UNIT))
    [line] = [line for line in found["said"] if "chunks of equal time" in line]
    assert "in 2 stages of 2+1 layers" in line
    assert says(line, "prompt", "32768", "expected")


def test_scheduled_ahead_a_prompt_is_read_in_chunks_of_equal_time_too(schedules: Schedules) -> None:
    """As vLLM does on a GPU: one step more is under way, and decodes do not wait to see their last token."""
    short = {"name": "short", "tokens": 100, "answer": 40}
    found = schedules(long(at=0.1), short, engine={"async_scheduling": True}, asynchronous=True)
    assert found["class"] == "AsyncEqualTimeScheduler"
    read = chunks(found, "long")
    sizes = [size for _, size in read]
    assert sum(sizes) == LONG
    assert sizes[0] > 2 * sizes[-2]
    assert len(found["tokens"]["short"]) == 40
    alone = schedules(long(), engine={"async_scheduling": True}, asynchronous=True)
    under_way = [sum(step["at"] <= at < step["out"] for step in alone["steps"]) for at in (1.0, 2.0)]
    assert under_way == [3, 3]
    sizes = [size for _, size in chunks(alone, "long")]
    assert sizes == Chunker(TRUE, Limits(most=MOST, page=UNIT, queued=1)).plan(LONG)
    assert alone["tokens"]["long"][0] == pytest.approx(makespan(TRUE, sizes, queued=1), rel=0.01)
    assert found["left"] == alone["left"] == 0


def test_answers_of_others_go_on_while_a_prompt_is_read(schedules: Schedules) -> None:
    """A prompt's first chunk fills the stages one by one: the token that meets it waits for 2S - 1 steps, not S."""
    bound = 0.4
    others = [{"name": f"short{index}", "tokens": 100, "answer": 60} for index in range(3)]
    settings = {"additional_config": {"longread": {"decode_latency": bound}}}
    found = schedules(*others, long(at=0.2), engine=settings)
    free = schedules(*others, long(at=0.2), engine={"additional_config": {"longread": {"decode_latency": None}}})
    gaps = {}
    for name, run in (("bound", found), ("free", free)):
        assert all(len(run["tokens"][one["name"]]) == 60 for one in others)
        assert sum(size for _, size in chunks(run, "long")) == LONG
        waits = [later - one for other in others for one, later in pairwise(run["tokens"][other["name"]])]
        gaps[name] = sorted(waits)
    assert gaps["bound"][-len(others) - 1] <= bound * 1.01
    assert gaps["bound"][-1] <= 1.5 * bound * 1.01
    assert gaps["free"][-len(others) - 1] > 1.2 * bound
    mixed = [step for step in found["steps"] if step["decodes"] and step["read"]]
    assert mixed
    assert all(sum(size for _, size in step["read"].values()) + step["decodes"] <= MOST for step in found["steps"])


def test_short_prompts_share_steps_and_none_starves(schedules: Schedules) -> None:
    shorts = [{"name": f"short{index}", "tokens": 60, "at": 0.1} for index in range(6)]
    found = schedules(long(), *shorts, {"name": "next", "tokens": 5000, "at": 0.2})
    assert all(len(times) == 1 for times in found["tokens"].values())
    order = [name for step in found["steps"] for name in step["read"]]
    assert order.index("next") > max(order.index(one["name"]) for one in shorts) > order.index("long")
    steps = {
        index for index, step in enumerate(found["steps"]) if any(name.startswith("short") for name in step["read"])
    }
    assert len(steps) < len(shorts)
    assert found["left"] == 0


def test_what_the_cache_has_counts_as_read(schedules: Schedules) -> None:
    """The first chunk after a cached prefix is as long as is right there, not as at the beginning of a prompt."""
    follow_up = {"name": "again", "tokens": LONG, "seed": "same", "at": 20.0}
    short = {"name": "first", "tokens": LONG - 6000, "seed": "same"}
    found = schedules(short, follow_up)
    read = chunks(found, "again")
    prefix = (LONG - 6000) // PAGE * PAGE
    assert read[0][0] == prefix
    assert read[0][1] < chunks(found, "first")[0][1] / 2
    assert [size for _, size in read] == Chunker(TRUE, Limits(most=MOST, page=UNIT)).plan(LONG - prefix, prefix)


def test_what_is_preempted_is_read_again(schedules: Schedules) -> None:
    requests = [{"name": name, "tokens": 6000, "answer": 400} for name in ("one", "two")]
    found = schedules(*requests, blocks=97)
    assert all(len(found["tokens"][one["name"]]) == 400 for one in requests)
    assert sum(size for _, size in chunks(found, "two")) > 6000
    assert found["left"] == 0


def test_a_wrong_table_repairs_itself_within_one_prompt(schedules: Schedules) -> None:
    """Believed: no history, and half the time a token. The pace is learnt from when steps come out."""
    wrong = CostModel(dense=Terms(step=4e-3, token=2e-5, decode=1e-4), longest=LONG)
    found = schedules(long(), believed=Pipeline(stages=(wrong, wrong)))
    times = [seconds(one) for one in chunks(found, "long")]
    believed = Chunker(Pipeline(stages=(wrong, wrong)), Limits(most=MOST, page=UNIT)).plan(LONG)
    unrepaired = [seconds((sum(believed[:index]), size)) for index, size in enumerate(believed)]
    late = times[len(times) // 2 : -2]
    assert max(late) / median(late) < 1.25
    assert unrepaired[-2] / median(unrepaired) > 1.4
    assert found["tokens"]["long"][0] < makespan(TRUE, believed)


def test_a_request_that_is_given_up_is_forgotten(schedules: Schedules) -> None:
    found = schedules(long(), {"name": "next", "tokens": 3000, "at": 0.1}, stop="long", stop_at=0.5)
    assert sum(size for _, size in chunks(found, "long")) < LONG
    assert len(found["tokens"]["next"]) == 1
    assert found["left"] == 0


@pytest.mark.parametrize(
    ("believed", "why"),
    [
        (None, "no step times were measured for this model, device, precision and attention"),
        ("broken", r"what was measured cannot be read \(.+\)"),
    ],
)
def test_without_costs_it_says_so_and_leaves_steps_to_vllm(
    schedules: Schedules, believed: str | None, why: str
) -> None:
    found = schedules(long(), believed=believed)
    assert [size for _, size in chunks(found, "long")] == fixed(LONG, MOST)
    [line] = [line for line in found["said"] if "chunks of one size" in line]
    measures = "`agent calibrate chunking MODEL` measures the costs"
    assert re.fullmatch(f"longread: chunks of one size, up to {MOST} tokens: {why}. {measures}", line)


@pytest.mark.parametrize(
    "engine", [{"pipeline_parallel_size": 1}, {"additional_config": {"longread": {"chunking": "fixed"}}}]
)
def test_others_have_what_vllm_has(schedules: Schedules, engine: dict[str, Any]) -> None:
    found = schedules(long(tokens=5000), engine=engine)
    assert found["class"] == "Scheduler"
    assert [size for _, size in chunks(found, "long")] == fixed(5000, MOST)
