"""The vLLM plug-in on a real vLLM, against transformers with the same kernels."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, DynamicCache

from longread.kernels import Adaptive, Budgets, DCASpec, VerticalSlash
from longread.serving.embedded.engine import Engine
from longread.serving.vllm_plugin.settings import AttentionSettings
from tests.support.engines import finish_of, text_of, user
from tests.support.messages import says
from tests.support.vllm_engines import (
    DCA,
    SPAN,
    Vllm,
    VllmError,
    apart,
    assert_same,
    checkpoint,
    expected,
    expected_after,
    expected_with_cache,
    patched,
    words,
)


@pytest.fixture
def dense(tiny_models: dict[str, Path], tmp_path: Path) -> Path:
    """A tiny random Qwen2 with Dual Chunk Attention, and, as Qwen's own have it, a window that is not used."""
    unused: dict[str, Any] = {"use_sliding_window": False, "sliding_window": 128, "max_window_layers": 3}
    return checkpoint(tiny_models["qwen2"], tmp_path / "dense", dual_chunk_attention_config=DCA, **unused)


def test_a_dense_model_answers_as_transformers_does(vllm: Vllm, dense: Path) -> None:
    """Below, across and five times across S; in chunks; from the prefix cache; several at once."""
    long, short, across = words(1000), words(150, seed=1), words(SPAN + 40, seed=2)
    follow_up, other = [*long, *words(5, seed=3)], [*long[:600], *words(300, seed=4)]
    together = [other, across, words(90, seed=5)]
    found = vllm.answers(dense, [[short], [across], [long], [follow_up], together], max_num_batched_tokens=256)
    model = patched(dense)
    asked = [short, across, long, follow_up, *together]
    wanted = [expected(model, ids) for ids in asked]
    for answer, right in zip(found, wanted, strict=True):
        assert_same(answer, right)
    assert [answer["cached"] for answer in found[:3]] == [0, 0, 0]
    assert found[3]["cached"] == 1000 // 128 * 128
    assert found[4]["cached"] == 600 // 128 * 128
    # What was cached lies beyond the trained window, and the temperature there is that of each query.
    spec = DCASpec.from_config(model.config)
    assert spec.temperature == "query"
    assert apart(expected(patched(dense, spec=replace(spec, temperature="none")), follow_up, 1), wanted[3]) > 1e-2


def test_a_prompt_that_is_preempted_is_answered_the_same(vllm: Vllm, dense: Path) -> None:
    """Three that need 11 pages together, of the 8 that there are; without prefix caching, in small chunks."""
    asked = [words(250), words(380, seed=1), words(380, seed=2)]
    reply = vllm.ask(
        dense,
        [asked],
        tokens=8,
        enable_prefix_caching=False,
        num_gpu_blocks_override=9,  # one is vLLM's own
        max_model_len=1024,
        max_num_batched_tokens=128,
    )
    assert reply["preemptions"] > 0
    model = patched(dense)
    for answer, ids in zip(reply["answers"], asked, strict=True):
        assert_same(answer, expected(model, ids, tokens=8))


@pytest.mark.parametrize("family", ["qwen3", "qwen3_moe"])
def test_other_families_that_carry_the_config(
    vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path, family: str
) -> None:
    """In larger chunks, without prefix caching."""
    folder = checkpoint(tiny_models[family], tmp_path / family, dual_chunk_attention_config=DCA)
    ids = words(1100)
    found = vllm.answers(folder, [[ids], [ids]], max_num_batched_tokens=1000, enable_prefix_caching=False)
    wanted = expected(patched(folder), ids)
    for answer in found:
        assert_same(answer, wanted)
        assert answer["cached"] == 0


@pytest.mark.parametrize(
    "budgets",
    [Budgets.uniform(3, 4, vertical=40, slash=110), Budgets.adaptive(3, 4, 0.8, query_block=128)],
    ids=["vertical-slash", "adaptive"],
)
def test_long_chunks_are_sparse_where_the_checkpoint_has_budgets(
    vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path, budgets: Budgets
) -> None:
    """And a short question after a long cached prefix is dense.

    Adaptive with much kept: where a key's share is at the threshold, rounding decides whether it is chosen, and the
    less is kept, the more such a key weighs.
    """
    dual_chunk = {**DCA, "sparse_attention_threshold": 512}
    folder = checkpoint(tiny_models["qwen2"], tmp_path / "sparse", dual_chunk_attention_config=dual_chunk)
    budgets.write(folder / "sparse_attention_config.json")
    ids = words(1500)
    follow_up, cached = [*ids, *words(20, seed=1)], 1500 // 128 * 128
    # Qwen's own command line, but for the GPUs and the length.
    blog: dict[str, Any] = {"enable_chunked_prefill": True, "max_num_batched_tokens": 131_072, "max_num_seqs": 1}
    reply = vllm.ask(folder, [[ids], [follow_up]], **blog)
    found, counters = reply["answers"], reply["counters"]
    model = patched(folder, Budgets.read(folder / "sparse_attention_config.json", threshold=512))
    wanted = expected_with_cache(model, ids)
    assert_same(found[0], wanted)
    assert apart(expected(patched(folder), ids, 1), wanted) > 1e-2
    assert_same(found[1], expected_after(model, ids, follow_up, cached))
    assert found[1]["cached"] == cached
    assert counters["longread_prefill_tokens_total sparse"] == 1500
    assert counters["longread_prefill_tokens_total dense"] == len(follow_up) - cached
    assert counters["longread_sparse_recall_count"] == counters["longread_sparse_keys_count"] == 1
    assert 0 < counters["longread_sparse_keys_sum"] < counters["longread_sparse_recall_sum"] + 0.1 < 1.1


class Float8Cache(DynamicCache):
    """Keeps K and V as an FP8 cache with these scales does."""

    def __init__(self, scales: tuple[float, float]):
        super().__init__()
        self._scales = scales

    def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> Any:
        rounded = [
            (states / scale).to(torch.float8_e4m3fn).to(states.dtype) * scale
            for states, scale in zip((key_states, value_states), self._scales, strict=True)
        ]
        return super().update(*rounded, *args, **kwargs)


@pytest.mark.parametrize("scales", [None, (30.0, 20.0)], ids=["as it comes", "with scales"])
def test_an_fp8_cache_keeps_k_and_v_in_eight_bits(vllm: Vllm, dense: Path, scales: tuple[float, float] | None) -> None:
    asked = [words(150, seed=1), words(700)]
    found = vllm.answers(dense, [asked], kv_cache_dtype="fp8", scales=scales, max_num_batched_tokens=256)
    model = patched(dense)
    for answer, ids in zip(found, asked, strict=True):
        wanted = expected_with_cache(model, ids, Float8Cache(scales or (1.0, 1.0)))
        # A key that lies between two FP8 numbers may be rounded to either.
        assert_same(answer, wanted, atol=5e-3)
        assert apart(expected(model, ids, 1), wanted) > 5e-2


def test_a_model_without_the_config_keeps_the_backend_it_had(
    vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    """Here with a sliding window. Nothing of longread runs, nor is anything heavy imported."""
    window: dict[str, Any] = {"use_sliding_window": True, "sliding_window": 64, "max_window_layers": 0}
    folder = checkpoint(tiny_models["qwen3"], tmp_path / "sliding", **window, layer_types=["sliding_attention"] * 3)
    ids = words(300)
    reply = vllm.ask(folder, [[ids]], max_num_batched_tokens=256)
    assert reply["backends"] == ["CPU_ATTN"] * 3
    assert not any(reply["counters"].values())
    assert "longread.serving.vllm_plugin" in reply["registered"]
    assert not [name for name in reply["registered"] if "kernels" in name or name.endswith((".attention", ".worker"))]
    model, whole = (
        AutoModelForCausalLM.from_pretrained(of, dtype=torch.float32).eval() for of in (folder, tiny_models["qwen3"])
    )
    wanted = expected(model, ids)
    assert_same(reply["answers"][0], wanted)
    assert apart(expected(whole, ids, 1), wanted) > 1e-2


@pytest.fixture
def real(small_model: Path, tmp_path: Path) -> Path:
    """The real model, with chunks of Dual Chunk Attention that a few hundred tokens go beyond."""
    return checkpoint(small_model, tmp_path / "real", dual_chunk_attention_config={"chunk_size": 512, "local_size": 64})


def about_the_licence(end: int, start: int = 0) -> list[dict[str, Any]]:
    """A question about these characters of it."""
    licence = (Path(__file__).parents[3] / "LICENSE").read_text()
    return user(f"{licence[start:end]}\n\nWhat does this text say, in one paragraph?")


def test_the_real_model_answers_as_the_embedded_engine_does(vllm: Vllm, real: Path) -> None:
    """Below, across and twice across S; two of them at once."""
    messages = [about_the_licence(end) for end in (1200, 3200, 5400)]
    with Engine.load(real, dtype="float32", prefix_store=None) as engine:
        short, across, twice = (engine.render(each) for each in messages)
        assert len(short) < 448 < len(across) < 2 * 448 < len(twice)
        wanted = []
        for each in messages:
            events = list(engine.stream(each, max_tokens=12))
            assert finish_of(events).reason == "length"
            wanted.append(text_of(events))
        found = vllm.answers(
            real, [[short], [across, twice]], tokens=12, max_model_len=2048, max_num_batched_tokens=700
        )
        assert [engine.tokenizer.backend.decode(answer["tokens"]) for answer in found] == wanted
    assert len(set(wanted)) == 3


def test_the_real_model_answers_the_same_when_it_is_preempted(vllm: Vllm, real: Path) -> None:
    """Two prompts, across and twice across S, fill 13 of 14 pages, and want two more for their answers.

    What was taken from one is found in the prefix cache again, or without one computed anew.
    """
    with Engine.load(real, dtype="float32", prefix_store=None) as engine:

        def fills(pages: int, start: int) -> list[dict[str, Any]]:
            """A question that does, but for a few tokens."""
            asked = (about_the_licence(end, start) for end in range(start + 300 * pages, start + 700 * pages))
            return next(each for each in asked if 0 <= pages * 128 - len(engine.render(each)) < 4)

        asked = [fills(5, 0), fills(8, 3000)]
        wanted = [text_of(engine.stream(each, max_tokens=16)) for each in asked]
        prompts = [engine.render(each) for each in asked]
        assert 448 < len(prompts[0]) < 2 * 448 < len(prompts[1])
        for caching in (True, False):
            reply = vllm.ask(
                real,
                [prompts],
                tokens=16,
                enable_prefix_caching=caching,
                num_gpu_blocks_override=15,  # one is vLLM's own
                max_model_len=1280,
                max_num_batched_tokens=256,
            )
            assert [engine.tokenizer.backend.decode(answer["tokens"]) for answer in reply["answers"]] == wanted
            assert reply["preemptions"] == 1


def test_without_the_plug_in_vllm_does_not_start_such_a_model_and_with_an_unknown_vllm_it_says_so(
    dense: Path, tiny_models: dict[str, Path], tmp_path: Path
) -> None:
    """When the first of these fails, vLLM has caught up."""
    with Vllm(tmp_path / "log", VLLM_PLUGINS="") as plain:
        with pytest.raises(VllmError, match=r"dual_chunk_rope\.py"):
            plain.ask(dense, [[words(10)]])
        with pytest.raises(VllmError, match=r"longread.*Attention.*.*0\.99\.0"):
            plain.ask(dense, [[words(10)]], version="0.99.0")
        assert plain.answers(tiny_models["qwen3"], [[words(10)]], tokens=1), "all other models run as they did"


def test_a_backend_that_cannot_compute_it_is_an_error(vllm: Vllm, dense: Path) -> None:
    message = "attention backend CPU_ATTN was requested, but this model has dual_chunk_attention_config"
    with pytest.raises(VllmError, match=message):
        vllm.ask(dense, [[words(10)]], attention_backend="CPU_ATTN")


@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_sliding_windows_beside_the_config_are_an_error(
    vllm: Vllm, tiny_models: dict[str, Path], tmp_path: Path, family: str
) -> None:
    """vLLM tells the layers of Qwen2 in another way than those of Qwen3."""
    layers = ["sliding_attention"] * 3
    window: dict[str, Any] = {"use_sliding_window": True, "sliding_window": 64, "layer_types": layers}
    folder = checkpoint(tiny_models[family], tmp_path / family, dual_chunk_attention_config=DCA, **window)
    message = "longread does not compute a sliding window, which this model has: without dual_chunk_attention_config"
    with pytest.raises(VllmError, match=message):
        vllm.ask(folder, [[words(10)]])


# Settings


class Config:
    """A Hugging Face config, as far as it is read."""

    def __init__(self, **dual_chunk: Any):
        self.dual_chunk_attention_config = {"chunk_size": 256, "local_size": 64, **dual_chunk}
        self.hidden_size, self.num_attention_heads, self.num_hidden_layers = 64, 4, 2
        self.max_position_embeddings = 4096


def test_settings_follow_the_checkpoint_and_then_the_user() -> None:
    assert AttentionSettings.of(Config(), {}, "cpu").budgets is None
    asked = AttentionSettings.of(Config(), {"longread": {"sparse": True, "sparse_threshold": 99}}, "cpu")
    assert asked.budgets is not None
    assert (asked.budgets.threshold, asked.budgets.layers[1]) == (99, Adaptive.uniform(4, 0.95))
    on_gpu = AttentionSettings.of(Config(), {"longread": {"sparse": True}}, "cuda")
    assert on_gpu.budgets.layers[1] == VerticalSlash.uniform(4, vertical=1000, slash=6096)  # type: ignore[union-attr]
    assert asked.of_rank(1, 2).budgets.layers[0].heads == 2  # type: ignore[union-attr]
    enabled = Config(sparse_attention_enabled=True)
    assert AttentionSettings.of(enabled, {"longread": {"sparse": False}}, "cpu").budgets is None
    beyond = Config(original_max_position_embeddings=256)
    assert AttentionSettings.of(beyond, {}, "cpu").spec.temperature == "query"
    assert AttentionSettings.of(beyond, {"longread": {"temperature": "none"}}, "cpu").spec.temperature == "none"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sparce": True}, r"longread\.sparce: ."),  # of pydantic, as are the others
        ({"temperature": "prompt"}, r"longread\.temperature: .*'query' or 'none'"),
        ({"sparse_threshold": -1}, r"longread\.sparse_threshold: .* 0"),
    ],
)
def test_settings_that_are_none(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AttentionSettings.of(Config(), {"longread": asked}, "cpu")


def test_the_log_line_says_what_runs() -> None:
    found = AttentionSettings.of(Config(sparse_attention_enabled=True), {}, "cpu")
    assert says(found.describe(4096), "Attention", "256", "64", "32,768", "4,096", "temperature")
