"""Measured step costs: kept by what they depend on, carried over to other stages, and what plans make of them."""

import json
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from longread.agent.cli.app import app
from longread.cache import cache_dir
from longread.errors import NoCalibration, PlanError, ServerError
from longread.serving.models.shape import SHAPES
from longread.serving.pipeline.cost_model import CostModel, Pipeline, Sample, Terms
from longread.serving.pipeline.measurement import prompts
from longread.serving.pipeline.step_costs import (
    EngineKey,
    StepCosts,
    cpu_name,
    even_split,
    everything,
    find,
    gpu_name,
    keep,
    sizes,
)
from longread.serving.planning.gpus import Gpus
from longread.serving.vllm_server import calibrate_steps, launch
from longread.serving.vllm_server.command import engine_arguments, engine_environment
from longread.serving.vllm_server.launch import plan_for
from longread.serving.vllm_server.options import Chunking, Options
from tests.support.messages import says

SEVEN = SHAPES["qwen2.5-7b-1m"]
GPU = Gpus.parse("8xH100-80")
LAYER = Terms(step=1e-4, token=1e-6, past=2e-11, own=2e-11, decode=1e-6)
NOTHING = Terms()
SAMPLE = Sample(prefix=0, chunk=128, seconds=0.1, sparse=False)


def engine(**changes: Any) -> EngineKey:
    values: dict[str, Any] = {
        "model": sizes(SEVEN), "device": gpu_name("NVIDIA H100 80GB HBM3"), "dtype": "bfloat16", "quantization": None,
        "kv_dtype": "bfloat16", "attention": "sparse", "detail": "", "tp": 1, "layers": (14, 14), "page": 128,
        "vllm": "0.33",
    }  # fmt: skip
    return EngineKey(**{**values, **changes})


def stage(layers: int, extra: Terms = NOTHING) -> CostModel:
    terms = Terms.of(layers * one + more for one, more in zip(LAYER.values, extra.values, strict=True))
    return CostModel(dense=terms, sparse=terms.scaled(0.5), threshold=32_768, least_queries=1024, longest=1_000_000)


def calibration(extra: Terms = NOTHING, **changes: Any) -> StepCosts:
    found = engine(**changes)
    stages = [stage(count) for count in found.layers[:-1]] + [stage(found.layers[-1], extra)]
    return StepCosts(
        engine=found, name="qwen2.5-7b-1m", pipeline=Pipeline(stages=tuple(stages)), samples=((SAMPLE,),) * found.pp
    )


# What is kept


def test_it_is_found_by_all_that_it_depends_on() -> None:
    kept = calibration()
    keep(kept)
    assert find(engine()) == kept
    for change in (
        {"model": sizes(SHAPES["qwen2.5-14b-1m"])}, {"device": "A100"}, {"dtype": "float16"}, {"quantization": "fp8"},
        {"kv_dtype": "fp8"}, {"attention": "dense"}, {"detail": "others"}, {"tp": 2}, {"page": 64}, {"vllm": "0.32"},
    ):  # fmt: skip
        with pytest.raises(NoCalibration, match=r"measured.*model"):
            find(engine(**change))
    keep(other := calibration(layers=(28,)))
    assert find(engine(layers=(28,))) == other
    assert find(engine()) == kept
    assert find(engine(layers=(15, 13))) in (kept, other)  # the same layers in other stages
    assert {one.engine for one in everything()} == {kept.engine, other.engine}


def test_what_cannot_be_read_is_said_and_not_listed() -> None:
    keep(calibration())
    [path] = (cache_dir() / "calibration").glob("*/*.json")
    other = path.with_name(path.name.replace(path.name.split(".")[0], engine(tp=2).key))
    path.rename(other)  # the bytes are as they were, and of another engine
    assert list(everything()) == []
    keep(calibration())
    other.unlink()
    [path] = (cache_dir() / "calibration").glob("*/*.json")
    path.write_text("{}")
    with pytest.raises(NoCalibration, match="no step times"):
        find(engine())


def test_vllms_own_split_of_layers() -> None:
    assert [even_split(30, 4), even_split(28, 3), even_split(3, 2), even_split(5, 1)] == [
        (7, 8, 8, 7), (9, 10, 9), (2, 1), (5,),
    ]  # fmt: skip


def test_layers_cost_the_same_in_other_stages_and_the_last_has_the_output() -> None:
    output = Terms(step=2e-3, token=1e-8)
    found = calibration(output)
    assert found.of((14, 14)) == found.pipeline
    four = found.of((7, 7, 7, 7))
    for got, wanted in zip(four.stages, [stage(7)] * 3 + [stage(7, output)], strict=True):
        assert got.dense.values == pytest.approx(wanted.dense.values)
        assert got.terms(True).values == pytest.approx(wanted.terms(True).values, rel=1e-6)
        assert (got.threshold, got.least_queries) == (32_768, 1024)
    [one] = found.of((28,)).stages
    assert one.dense.values == pytest.approx(stage(28, output).dense.values)


def test_a_heavy_end_gets_fewer_layers() -> None:
    assert calibration().split(2, 1_000_000, 8192) == (14, 14)
    heavy = calibration(LAYER.scaled(4.0))  # as much as four layers
    assert heavy.split(2, 1_000_000, 8192) == (16, 12)
    assert heavy.split(1, 1_000_000, 8192) == (28,)
    barely = calibration(LAYER.scaled(0.2))
    assert barely.split(2, 1_000_000, 8192) == (14, 14)


# What plans make of it


def test_a_plan_takes_the_layout_that_is_fastest() -> None:
    options = Options(tokens=1_000_000, gpus=GPU)
    before = plan_for("qwen2.5-7b-1m", options)
    assert before.chosen is not None
    assert (before.chosen.tp, before.chosen.pp) == (4, 2)
    assert before.chosen.expected is None
    keep(calibration())
    found = plan_for("qwen2.5-7b-1m", options)
    assert found.chosen is not None
    assert (found.chosen.tp, found.chosen.pp) == (1, 8)  # the one whose layers were measured
    expected = found.chosen.expected
    assert expected is not None
    assert sum(expected.chunks) == 1_000_000
    assert 1 / 8 < expected.bubble < 0.15  # 28 layers in 8 stages: some have 4, some 3
    assert expected.seconds <= expected.fixed_seconds
    known = [one for one in found.layouts if one.expected]
    assert {one.tp for one in known} == {1}
    assert [one.expected.seconds for one in known if one.fits and one.expected] == sorted(
        one.expected.seconds for one in known if one.fits and one.expected
    )
    dense = plan_for("qwen2.5-7b-1m", replace(options, sparse=False))
    assert dense.chosen is not None
    assert dense.chosen.expected is None


def test_what_is_expected_is_said() -> None:
    keep(calibration(LAYER.scaled(4.0)))
    line = ["plan", "qwen2.5-7b-1m", "--tokens", "1000000", "--gpus", "8xH100-80", "--pp", "2"]
    result = CliRunner().invoke(app, [*line, "--tp", "1"])
    assert result.exit_code == 0, result.output
    assert "TTFT" in result.stdout
    assert re.search(r"VLLM_PP_LAYER_PARTITION=16,12 .* --model Qwen/Qwen2\.5-7B-Instruct-1M", result.stdout)
    said = " ".join(result.stderr.split())
    assert says(said, "Forecast", "measured", "1,000,000")
    assert "stages of 16+12 layers are idle for" in said
    result = CliRunner().invoke(app, [*line, "--tp", "1", "--json"])
    chosen = json.loads(result.stdout)["chosen"]
    assert (chosen["tp"], chosen["pp"], chosen["split"]) == (1, 2, [16, 12])
    assert chosen["expected"]["seconds"] <= chosen["expected"]["fixed_seconds"]


def test_ways_to_share_out_that_do_not_exist_are_named() -> None:
    with pytest.raises(PlanError, match=r"^qwen2.5-7b-1m cannot.*split.*--tp 3.*8 × H100.*Possible.*×.*1 × 1, 1 × 2"):
        plan_for("qwen2.5-7b-1m", Options(tokens=1000, gpus=GPU, tp=3))


# What is started


def test_chunking_is_parsed() -> None:
    assert Chunking.parse("equal-time").size is None
    assert Chunking.parse("fixed:2048").size == 2048
    for text in ("fixed", "fixed:0", "fixed:x", "dynamic"):
        with pytest.raises(PlanError, match=f"'{text}' is not a chunking mode.*equal-time.*fixed:2048"):
            Chunking.parse(text)


@pytest.mark.usefixtures("roomy")
def test_stages_on_a_cpu_share_its_cores(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2, 3})
    monkeypatch.delenv("VLLM_CPU_OMP_THREADS_BIND", raising=False)
    options = Options(tokens=4096, pp=2)
    found = plan_for(str(small_model), options)
    assert found.chosen is not None
    assert (found.chosen.tp, found.chosen.pp) == (1, 2)
    assert engine_environment(found)["VLLM_CPU_OMP_THREADS_BIND"] == "0,1|2,3"
    arguments = engine_arguments(small_model, found, options)
    assert " ".join(arguments).count("--pipeline-parallel-size 2") == 1
    assert "--additional-config" not in arguments
    whole = plan_for(str(small_model), Options(tokens=4096)).chosen
    assert whole is not None
    assert found.chosen.need.weights < whole.need.weights
    assert cpu_name(2).endswith(", 2 cores")


@pytest.mark.usefixtures("roomy")
def test_chunks_of_one_size_turn_the_scheduler_off(small_model: Path) -> None:
    options = Options(tokens=4096, pp=2, chunking=Chunking(512))
    found = plan_for(str(small_model), options)
    assert found.chosen is not None
    arguments = engine_arguments(small_model, found, options)
    assert arguments[arguments.index("--max-num-batched-tokens") + 1] == "512"
    assert json.loads(arguments[arguments.index("--additional-config") + 1]) == {"longread": {"chunking": "fixed"}}


# agent calibrate


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("smollm2-135m",), "No such command 'smollm2-135m'"),
        (("sparsity", "smollm2-135m"), "Missing option '--tokens'"),
        (("sparsity", "smollm2-135m", "--tokens", "16K", "--tp", "4"), "No such option: --tp"),
        (("sparsity", "smollm2-135m", "--tokens", "16K", "word"), "unexpected extra argument(s) (word)"),
        (("sparsity", "smollm2-135m", "--tokens", "16K", "--", "--enforce-eager"), "unexpected extra argument"),
        (("chunking", "smollm2-135m", "--recall", "0.5"), "No such option: --recall"),
        (("chunking", "smollm2-135m", "--out", "here"), "No such option: --out"),
        (("chunking", "smollm2-135m", "--chunking", "fixed:2048"), "No such option: --chunking"),
        (("chunking", "smollm2-135m", "word"), "unexpected extra argument(s) (word)"),
        (("chunking", "smollm2-135m", "--no-such-option", "--", "--enforce-eager"), "No such option"),
    ],
)
def test_calibrate_has_two_commands_with_their_own_options(arguments: tuple[str, ...], message: str) -> None:
    result = CliRunner().invoke(app, ["calibrate", *arguments])
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.usefixtures("roomy")
def test_calibrate_chunking_measures_the_engine_of_its_options(
    small_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What follows -- is for vLLM."""
    monkeypatch.setattr(calibrate_steps, "_PROGRAM", "shows_its_arguments")
    (tmp_path / "shows_its_arguments.py").write_text(
        "import json, sys\nprint(json.dumps({'error': ' '.join(sys.argv[2:])}))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    options = ["--tokens", "2K", "--pp", "2", "--chunk", "256", "--no-sparse", "--", "--block-size", "64"]
    result = CliRunner().invoke(app, ["calibrate", "chunking", str(small_model), *options])
    assert result.exit_code == 1
    plan = plan_for(str(small_model), Options(tokens=2048, pp=2, chunk=256, sparse=False))
    expected = [*engine_arguments(small_model, plan, Options(sparse=False)), "--block-size", "64"]
    assert " ".join(expected) in " ".join(result.stderr.split())


def test_prompts_to_measure_with_are_of_the_text_and_share_no_beginning() -> None:
    text = [*range(1000, 1070)]
    first, *others = islice(prompts(text, 500, 100, 7), 7)
    assert first == [0, *text, *text[:29]]
    assert all(len(one) == 100 and min(one[1:]) >= 1000 for one in others)
    assert [one[:2] for one in others] == [[place, 1000 + 10 * place] for place in range(1, 7)]
    for one in islice(prompts([], 500, 100, 7), 2):
        assert len(one) == 100
        assert max(one) < 500
    assert next(prompts([], 500, 100, 7)) == next(prompts([], 500, 100, 7))


def test_a_text_of_nothing_is_refused() -> None:
    with pytest.raises(ServerError, match="calibration text is empty"):
        calibrate_steps.calibrate("smollm2-135m", Options(pp=2), text=" \n")


@pytest.mark.usefixtures("roomy")
def test_an_engine_that_does_not_start_gives_its_cause(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate_steps, "_PROGRAM", "longread.serving.no_such_program")
    with pytest.raises(ServerError, match=r"engine.*exited \(exit.*1\).*no_such_program"):
        # The text is more than a pipe holds, and nobody reads it.
        calibrate_steps.calibrate(str(small_model), Options(tokens=2048, pp=2), text="é漢" * 100_000)


@pytest.mark.usefixtures("roomy")
def test_the_program_gets_the_text_of_the_files(
    small_model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whatever the locale's encoding is."""
    monkeypatch.setattr(calibrate_steps, "_PROGRAM", "says_what_it_reads")
    (tmp_path / "says_what_it_reads.py").write_text(
        "import json, sys\nprint(json.dumps({'error': f'read {sys.stdin.buffer.read().decode()!r}'}))\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    (tmp_path / "one.txt").write_text("Tromsø, 漢.", encoding="utf-8")
    options = ["--pp", "2", "--tokens", "2048", "--text", str(tmp_path / "one.txt")]
    result = CliRunner().invoke(app, ["calibrate", "chunking", str(small_model), *options])
    assert result.exit_code == 1
    assert "read 'Tromsø, 漢.'" in " ".join(result.stderr.split())


def test_a_length_that_does_not_fit_is_refused_before_anything_starts(
    small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "detect", lambda stages=1: Gpus("CPU", 1, stages))
    with pytest.raises(ServerError, match="does not fit"):
        calibrate_steps.calibrate(str(small_model), Options(tokens=8192, pp=2))
