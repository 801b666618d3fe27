"""The planner: what a model takes, what fits, and what would have to change."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import safe_open

from longread.errors import ModelUnusable, PlanError
from longread.serving.models.catalog import CATALOGUE
from longread.serving.models.shape import SHAPES, ModelShape
from longread.serving.planning.gpus import GIB, Gpus
from longread.serving.planning.planner import CPU_RUNTIME, Precision, Request, layout_table, need, plan

ROOT = Path(__file__).parents[3]
SEVEN, FOURTEEN = SHAPES["qwen2.5-7b-1m"], SHAPES["qwen2.5-14b-1m"]
MILLION = 1_000_000


def request(name: str, tokens: int, gpus: str, **changes: object) -> Request:
    return Request(name, SHAPES[name], tokens, Gpus.parse(gpus), **changes)  # type: ignore[arg-type]


# Shapes


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_have_the_published_number_of_parameters(name: str) -> None:
    published = {entry.parameters for entry in CATALOGUE.values() if entry.name.startswith(name)}
    assert published == {SHAPES[name].parameters}


def test_a_real_checkpoint_has_the_parameters_that_its_config_says(small_model: Path) -> None:
    shape = ModelShape.from_config(json.loads((small_model / "config.json").read_text()))
    with safe_open(small_model / "model.safetensors", "pt") as file:
        sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    assert shape.parameters == sum(rows * (rest[0] if rest else 1) for rows, *rest in sizes)


@pytest.mark.parametrize("family", ["qwen3", "llama", "llama-mqa", "qwen3_moe"])
def test_every_family_is_counted(tiny_models: dict[str, Path], family: str) -> None:
    shape = ModelShape.from_config(json.loads((tiny_models[family] / "config.json").read_text()))
    with safe_open(tiny_models[family] / "model.safetensors", "pt") as file:
        names = [name for name in file.keys() if not (family == "llama-mqa" and name.endswith("o_proj.bias"))]  # noqa: SIM118
        sizes = [file.get_slice(name).get_shape() for name in names]
    assert shape.parameters == sum(rows * (rest[0] if rest else 1) for rows, *rest in sizes)


def test_the_blogs_figures() -> None:
    """71 GB of activations of the 7B's MLPs at a million tokens, and 96.7% less in chunks of 32,768."""
    assert round(SEVEN.mlp_activations(MILLION) / GIB) == 71
    assert round(100 * (1 - SEVEN.mlp_activations(32_768) / SEVEN.mlp_activations(MILLION)), 1) == 96.7
    assert max(SEVEN.tensor_parallel_sizes()) == 4
    assert max(FOURTEEN.tensor_parallel_sizes()) == 8
    assert (SEVEN.kv_per_token(), FOURTEEN.kv_per_token()) == (57_344, 196_608)


@pytest.mark.parametrize(
    ("name", "column", "gpus", "published"),
    [("qwen2.5-7b-1m", 0, 4, (28, 3584, 28, 4, 18_944)), ("qwen2.5-14b-1m", 1, 8, (48, 5120, 40, 8, 13_824))],
)
def test_the_items_of_the_blogs_command(name: str, column: int, gpus: int, published: tuple[int, ...]) -> None:
    """Over all GPUs, from the published sizes alone; and docs/serving.md shows them."""
    layers, hidden, heads, kv_heads, inner = published
    tokens, chunk, head_dim = 1_010_000, 131_072, 128
    each = need(request(name, tokens, f"{gpus}xA-80", chunk=chunk), gpus, 1, chunk)
    expected = {
        "weights": 2 * SHAPES[name].parameters,
        "K/V": layers * 2 * kv_heads * head_dim * 2 * (tokens + -tokens % 128),
        # Gate and up, their product, and on each GPU four times the stream.
        "activations": 2 * chunk * (3 * inner + gpus * 4 * hidden),
        # Sines and cosines of 2 ** 19 positions and all shorter ones on each, and 60 bytes a head and token.
        "attention": gpus * 2 * 2**20 * (head_dim // 2) * 4 + 60 * heads * tokens,
        "other": gpus * 3 * 2**29,
    }
    found = dict(zip(expected, (each.weights, each.kv, each.activations, each.attention, each.runtime), strict=True))
    assert {item: gpus * size for item, size in found.items()} == pytest.approx(expected, rel=2e-3)
    lines = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8").splitlines()
    cells = {
        row[0]: row[1:] for line in lines if len(row := [cell.strip() for cell in line.strip("| ").split("|")]) == 3
    }
    shown = {item: f"{gpus * size / GIB:.1f}" for item, size in {**found, "total": each.total}.items()}
    assert {item: cells[item][column] for item in shown} == shown
    assert gpus * each.total / GIB / 0.9 == pytest.approx((120, 320)[column], rel=0.04)


def test_the_blogs_totals_are_enough() -> None:
    assert plan(request("qwen2.5-7b-1m", MILLION, "4xA-30")).chosen  # 120 GB
    assert plan(request("qwen2.5-14b-1m", MILLION, "8xA-40")).chosen  # 320 GB


def test_shares_add_up() -> None:
    whole = SEVEN.weights(1, 1)
    assert whole == 2 * SEVEN.parameters
    assert 4 * SEVEN.weights(4, 1) == pytest.approx(whole, rel=1e-3)
    assert SEVEN.weights(1, 1, linear_bits=8) < 0.6 * whole
    assert SEVEN.kv_per_token(4, 1) * 4 == SEVEN.kv_per_token() == SEVEN.kv_per_token(1, 4) * 4
    assert SEVEN.kv_per_token(8, 1) == SEVEN.kv_per_token(4, 1)  # a head cannot be split
    assert SEVEN.kv_per_token(kv_bytes=1) * 2 == SEVEN.kv_per_token()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model_type": "gpt2"}, "type gpt2 is not supported"),
        ({"model_type": "qwen2"}, "config.json has no hidden_size"),
        ({"model_type": "qwen3_moe", "decoder_sparse_step": 2}, "mixture of experts in only some of the layers"),
    ],
)
def test_configs_that_cannot_be_planned_for(config: dict[str, object], message: str) -> None:
    with pytest.raises(ModelUnusable, match=message):
        ModelShape.from_config(config)


def test_a_stage_that_is_not_the_first_has_buffers_for_what_comes() -> None:
    assert SEVEN.activations(4096, 4, 2) - SEVEN.activations(4096, 4) == 2 * 4096 * 3584 * 2


def test_a_real_engine_takes_what_is_planned(tiny_models: dict[str, Path]) -> None:
    """vLLM's own count of weights and of the tokens that its K/V cache holds."""
    script = ROOT / "benchmarks" / "serving" / "memory.py"
    result = subprocess.run(
        [sys.executable, script, "--folder", tiny_models["qwen3_moe"], "--chunk", "256"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr[-3000:]
    engine = json.loads(result.stdout.splitlines()[-1])
    planned, taken = engine["planned"], engine["taken"]
    assert {item: taken[item] for item in ("weights", "kv", "kv tokens")} == {
        item: planned[item] for item in ("weights", "kv", "kv tokens")
    }
    assert planned["kv tokens"] == 2 * engine["tokens"]
    assert taken["prefill"] + taken["runtime"] < planned["prefill"] + CPU_RUNTIME


# GPUs


def test_gpus_are_read() -> None:
    assert Gpus.parse("4xH100-80") == Gpus("H100", 80, 4)
    assert Gpus.parse("H200") == Gpus("H200", 141, 1)
    assert Gpus.parse("2x8xh20") == Gpus("h20", 96, 8, 2)
    assert Gpus.parse("1xMine-24GB") == Gpus.parse("Mine-24gb") == Gpus("Mine", 24, 1)


@pytest.mark.parametrize("text", ["", "4x", "H100-", "0xH100", "xH100", "4xNoSuch", "-80"])
def test_gpus_that_are_none(text: str) -> None:
    with pytest.raises(PlanError):
        Gpus.parse(text)


# Plans


def test_a_million_tokens_on_four_h100() -> None:
    found = plan(request("qwen2.5-7b-1m", MILLION, "4xH100-80"))
    assert found.chosen is not None
    assert (found.chosen.tp, found.chosen.pp, found.chosen.chunk) == (4, 1, 131_072)
    assert {(one.tp, one.pp) for one in found.layouts} == {(1, 1), (1, 2), (1, 3), (1, 4), (2, 1), (2, 2), (4, 1)}


def test_one_gpu_gets_a_smaller_chunk() -> None:
    found = plan(request("qwen2.5-7b-1m", MILLION, "H100"))
    assert found.chosen is not None
    assert found.chosen.chunk == 32_768
    assert found.chosen.headroom >= 0


def test_what_does_not_fit_gets_the_longest_and_remedies() -> None:
    found = plan(request("qwen2.5-7b-1m", MILLION, "RTX4090"))
    assert found.chosen is None
    assert 100_000 < found.longest < 200_000
    assert plan(request("qwen2.5-7b-1m", found.longest, "RTX4090")).chosen
    assert not plan(request("qwen2.5-7b-1m", found.longest + 1024, "RTX4090")).chosen
    for remedy in found.remedies:
        assert plan(remedy.request).chosen, remedy.change
    assert [remedy.change for remedy in found.remedies] == [
        "3 more GPUs",
        "FP8 weights and K/V cache, and 1 more GPU",
    ]


def test_the_cheapest_remedy_comes_first() -> None:
    large_chunks = plan(request("qwen2.5-7b-1m", 300_000, "A-40", chunk=131_072))
    assert large_chunks.remedies[0].change == "a smaller chunk"
    assert plan(request("qwen2.5-7b-1m", 450_000, "A-40")).remedies[0].change == "an FP8 K/V cache (--fp8-kv)"


def test_heads_stay_within_a_node() -> None:
    found = plan(request("qwen3-235b-a22b", 262_144, "2x8xH100"))
    assert found.chosen is not None
    assert (found.chosen.tp, found.chosen.pp) == (4, 4)


def test_a_cpu_keeps_what_it_is_told_in_float32(small_model: Path) -> None:
    shape = ModelShape.from_config(json.loads((small_model / "config.json").read_text()))
    found = plan(Request("small", shape, 8192, Gpus.cpu(8 * GIB), Precision(bits=32)))
    assert found.chosen is not None
    # vLLM packs the embedding, which is the output layer too, for each of the two, and keeps it as it was.
    assert found.chosen.need.weights == 4 * (shape.parameters + 2 * shape.vocabulary * shape.hidden)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tokens": 0}, "window of 1,010,000 tokens, and 0 are requested"),
        ({"chunk": -3}, "A chunk of -3 tokens .* minimum is 128, a page of the K/V cache"),
        ({"tokens": 2_000_000}, "qwen2.5-7b-1m has a window of 1,010,000 tokens, and 2,000,000 are requested"),
        ({"gpus": "A100", "precision": Precision(fp8_kv=True)}, "A100 does not support FP8"),
    ],
)
def test_questions_without_an_answer(changes: dict[str, object], message: str) -> None:
    values: dict[str, object] = {"tokens": MILLION, "gpus": "H100", **changes}
    with pytest.raises(PlanError, match=message):
        plan(request("qwen2.5-7b-1m", **values))  # type: ignore[arg-type]


def test_a_stretched_model_is_planned_beyond_its_window() -> None:
    shape = ModelShape(2, 64, 4, 2, 16, 96, 1000, 8192)
    taken = shape.extend_to(16_384)
    assert (taken.window, taken.chunk, taken.span) == (16_384, 8192, 7168)
    assert shape.extend_to(8192) is shape
    assert shape.extend_to(100_000) is shape


def test_the_table_has_a_row_a_layout() -> None:
    found = plan(request("qwen2.5-7b-1m", MILLION, "2xH100"))
    columns, rows = layout_table(found)
    assert all(len(row) == len(columns) for row in rows)
    assert [row[-1] for row in rows] == ["chosen", "fits", "fits"]
