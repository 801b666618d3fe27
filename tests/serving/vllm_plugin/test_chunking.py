"""`agent calibrate chunking` on a real engine of two stages, and the use of its result by the scheduler."""

import os
from pathlib import Path

import pytest

from longread.errors import ServerError
from longread.events import ServeEvent, Starting
from longread.serving.pipeline.chunker import Chunker, Limits
from longread.serving.pipeline.measurement import FixedSizes, chunk_sizes
from longread.serving.pipeline.step_costs import chunk_unit, cpu_name, find
from longread.serving.vllm_server.calibrate_steps import calibrate
from longread.serving.vllm_server.command import engine_arguments
from longread.serving.vllm_server.launch import plan_for
from longread.serving.vllm_server.options import Options
from tests.support.vllm_engines import DCA, Vllm, checkpoint

PAGE, MOST, TOKENS = 128, 512, 2304


def in_turns(sizes: list[int], tokens: int) -> set[tuple[int, int]]:
    """The (prefix, chunk) of a prompt that is read in these sizes, whichever comes first."""
    found: set[tuple[int, int]] = set()
    for first in range(len(sizes)):
        turns, prefix = FixedSizes(sizes[first:] + sizes[:first]), 0
        while prefix < tokens:
            prefix += turns.next("prompt", prefix, tokens - prefix)
        found |= set(turns.read)
    return found


def test_an_engine_is_measured_and_goes_by_it(vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path) -> None:
    folder = checkpoint(tiny_models["qwen2"], tmp_path / "model", dual_chunk_attention_config=DCA)
    options = Options(tokens=TOKENS, pp=2, chunk=MOST, sparse=False)
    events: list[ServeEvent] = []
    # A tiny model's steps are mostly noise: whatever costs come out are to be kept.
    text = "Prompts of this text are read. " * 10_000  # more than a pipe holds
    found = calibrate(str(folder), options, text=text, tolerance=(1e3, 1e3), on_event=events.append)
    assert (found.engine.layers, found.engine.attention, found.engine.page) == ((2, 1), "dense", PAGE)
    assert found.engine.device == cpu_name(2)
    assert find(found.engine) == found
    assert found.text > 2 * TOKENS
    said = [event.what for event in events if isinstance(event, Starting)]
    assert said[0] == "starting the engine"
    assert "has read 2,303 tokens 2 times" in said
    assert {one.chunk for samples in found.samples for one in samples} >= {64, 128, 256}
    asked = in_turns(chunk_sizes(MOST, chunk_unit(PAGE, cpu=True), TOKENS - 1, None), TOKENS - 1)
    for samples in found.samples:
        assert {(one.prefix, one.chunk) for one in samples} <= asked  # each after what was written before it
        assert max(one.prefix for one in samples) > TOKENS // 2
        assert not any(one.sparse for one in samples)
    planned = plan_for(str(folder), options).chosen
    assert planned is not None
    assert planned.expected is not None
    assert planned.expected.seconds == Chunker(
        found.of(planned.split or (2, 1)), Limits(most=MOST, page=32)
    ).forecast(TOKENS).seconds  # fmt: skip

    arguments = engine_arguments(folder, plan_for(str(folder), options), options)
    reply = vllm.schedules(
        engine={"arguments": arguments}, cache=os.environ["LONGREAD_CACHE_DIR"], believed=None,
        true=found.pipeline.model_dump(), requests=[{"name": "one", "tokens": 1500, "at": 0.0}], blocks=64,
    )  # fmt: skip
    assert any("chunks of equal time in 2 stages of" in line for line in reply["said"])
    read = [step["read"]["one"] for step in reply["steps"]]
    assert sum(size for _, size in read) == 1500


def test_steps_that_follow_no_cost_model_are_refused(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    """Prompts too short for chunks of two sizes: the reason is given, and nothing is kept."""
    folder = checkpoint(tiny_models["qwen2"], tmp_path / "model", dual_chunk_attention_config=DCA)
    options = Options(tokens=300, pp=2, chunk=128, sparse=False)
    with pytest.raises(ServerError, match=r"^\d+ dense.*1.*measured"):
        calibrate(str(folder), options)
    assert not (Path(os.environ["LONGREAD_CACHE_DIR"]) / "calibration").exists()
