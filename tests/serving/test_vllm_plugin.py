"""The vLLM plug-in on a real vLLM: what it computes is what transformers computes with the same kernels."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from engines import edit_json
from longread.kernels import Budgets, patch
from longread.serving.vllm_plugin.compatibility import RELIED_ON, missing, refusal
from longread.serving.vllm_plugin.settings import Settings

SCRIPT = Path(__file__).with_name("vllm_answers.py")
DCA = {"chunk_size": 256, "local_size": 64, "original_max_position_embeddings": 256}
SPAN = DCA["chunk_size"] - DCA["local_size"]
TOKENS = 6


def checkpoint(tiny_models: dict[str, Path], name: str, folder: Path, **dual_chunk: Any) -> Path:
    """A tiny random model with Dual Chunk Attention."""
    copy = folder / name
    shutil.copytree(tiny_models[name], copy)
    edit_json(copy / "config.json", dual_chunk_attention_config={**DCA, **dual_chunk})
    return copy


def words(count: int, seed: int = 0) -> list[int]:
    return random.Random(seed).choices(range(1000, 40_000), k=count)


def run(model: Path, prompts: list[list[list[int]]], *, environment: dict[str, str] | None = None, **engine: Any):
    """vLLM's answers. Each list in `prompts` is asked at once."""
    request = {
        "engine": {"model": str(model), "max_model_len": 2048, **engine},
        "prompts": prompts,
        "max_tokens": TOKENS,
    }
    return subprocess.run(
        [sys.executable, "-P", str(SCRIPT)],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, **(environment or {})},
        timeout=400,
    )


def answers(model: Path, prompts: list[list[list[int]]], **engine: Any) -> list[dict[str, Any]]:
    result = run(model, prompts, **engine)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return json.loads(result.stdout.splitlines()[-1])


@torch.inference_mode()
def expected(model: Any, ids: list[int]) -> dict[str, Any]:
    """The same from transformers: all of the prompt and the answer read anew for every token."""
    ids, tokens, logprobs = list(ids), [], []
    for _ in range(TOKENS):
        scores = model(input_ids=torch.tensor([ids])).logits[0, -1].float().log_softmax(-1)
        tokens.append(int(scores.argmax()))
        logprobs.append(float(scores.max()))
        ids.append(tokens[-1])
    return {"tokens": tokens, "logprobs": logprobs}


def transformers_model(folder: Path, sparsity: Budgets | None = None) -> Any:
    return patch(AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(), sparsity=sparsity)


def assert_same(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found["tokens"] == wanted["tokens"]
    torch.testing.assert_close(torch.tensor(found["logprobs"]), torch.tensor(wanted["logprobs"]), atol=2e-3, rtol=0)


def test_a_dense_model_answers_as_transformers_does(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    """Below, across and five times across S; in chunks; from the prefix cache; several at once."""
    folder = checkpoint(tiny_models, "qwen2", tmp_path)
    long, short, across = words(1000), words(150, seed=1), words(SPAN + 40, seed=2)
    follow_up, other = [*long, *words(5, seed=3)], [*long[:600], *words(300, seed=4)]
    found = answers(folder, [[short], [across], [long], [follow_up], [other, across, words(90, seed=5)]],
                    max_num_batched_tokens=256)  # fmt: skip
    model = transformers_model(folder)
    asked = [short, across, long, follow_up, other, across, words(90, seed=5)]
    for answer, ids in zip(found, asked, strict=True):
        assert_same(answer, expected(model, ids))
    assert [answer["cached"] for answer in found[:3]] == [0, 0, 0]
    assert found[3]["cached"] == 1000 // 128 * 128
    assert found[4]["cached"] == 600 // 128 * 128


@pytest.mark.parametrize("family", ["qwen3", "qwen3_moe"])
def test_other_families_that_carry_the_config(tiny_models: dict[str, Path], tmp_path: Path, family: str) -> None:
    folder = checkpoint(tiny_models, family, tmp_path)
    ids = words(3 * SPAN)
    found = answers(folder, [[ids]], max_num_batched_tokens=512)
    assert_same(found[0], expected(transformers_model(folder), ids))


def test_long_chunks_are_sparse_where_the_checkpoint_has_budgets(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    folder = checkpoint(tiny_models, "qwen2", tmp_path, sparse_attention_threshold=512)
    budgets = Budgets.uniform(3, 4, vertical=40, slash=110)
    budgets.write(folder / "sparse_attention_config.json")
    ids = words(1500)
    found = answers(folder, [[ids]], max_num_batched_tokens=2048)
    sparse = Budgets.read(folder / "sparse_attention_config.json", threshold=512)
    wanted = expected(transformers_model(folder, sparse), ids)
    assert found[0]["tokens"][0] == wanted["tokens"][0]
    assert abs(found[0]["logprobs"][0] - wanted["logprobs"][0]) < 2e-3
    assert expected(transformers_model(folder), ids)["logprobs"][0] != pytest.approx(wanted["logprobs"][0], abs=1e-3)


def test_without_the_plug_in_vllm_does_not_start_such_a_model(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    """When this fails, vLLM has caught up."""
    folder = checkpoint(tiny_models, "qwen2", tmp_path)
    result = run(folder, [[words(10)]], environment={"VLLM_PLUGINS": ""})
    assert result.returncode != 0
    assert "dual_chunk_rope.py" in result.stderr


def test_a_backend_that_cannot_compute_it_is_an_error(tiny_models: dict[str, Path], tmp_path: Path) -> None:
    folder = checkpoint(tiny_models, "qwen2", tmp_path)
    result = run(folder, [[words(10)]], attention_backend="CPU_ATTN")
    assert result.returncode != 0
    assert "attention backend CPU_ATTN was asked for, and this model has dual_chunk_attention_config" in result.stderr


# What it relies on


def test_the_installed_vllm_has_all_that_is_relied_on() -> None:
    from importlib.util import find_spec

    spec = find_spec("vllm")
    assert spec is not None
    assert spec.origin is not None
    assert missing(Path(spec.origin).parent) == []


def test_what_a_vllm_lacks_is_named(tmp_path: Path) -> None:
    found = missing(tmp_path)
    assert found == list(RELIED_ON)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "model.py").write_text("class ModelConfig:\n    def verify(self): ...\n")
    assert "config/model.py: ModelConfig.verify_dual_chunk_attention_config" in missing(tmp_path)


def test_other_versions_are_refused() -> None:
    assert refusal("0.32.0") is None
    assert refusal("0.33.1+cu130") is None
    assert refusal("0.34.0") == (
        "longread runs Dual Chunk Attention on vLLM 0.32 and 0.33, and this is 0.34.0: install one of those, or a "
        "newer longread"
    )


# Settings


class Config:
    """A Hugging Face config, as far as it is read."""

    def __init__(self, **dual_chunk: Any):
        self.dual_chunk_attention_config = {"chunk_size": 256, "local_size": 64, **dual_chunk}
        self.hidden_size, self.num_attention_heads, self.num_hidden_layers = 64, 4, 2
        self.max_position_embeddings = 4096


def test_settings_follow_the_checkpoint_and_then_the_user() -> None:
    assert Settings.of(Config(), {}, None).budgets is None
    asked = Settings.of(Config(), {"longread": {"sparse": True, "sparse_threshold": 99}}, None)
    assert asked.budgets is not None
    assert (asked.budgets.threshold, asked.budgets.layers[1].vertical) == (99, (1000,) * 4)
    assert asked.of_rank(1, 2).budgets.layers[0].heads == 2  # type: ignore[union-attr]
    enabled = Config(sparse_attention_enabled=True)
    assert Settings.of(enabled, {"longread": {"sparse": False}}, None).budgets is None
    assert Settings.of(Config(original_max_position_embeddings=256), {}, None).spec.temperature == "query"
    assert Settings.of(
        Config(original_max_position_embeddings=256), {"longread": {"temperature": "none"}}, None
    ).spec.temperature == "none"  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sparce": True}, "longread.sparce: Extra inputs are not permitted"),
        ({"temperature": "prompt"}, "longread.temperature: Input should be 'query' or 'none'"),
        ({"sparse_threshold": -1}, "longread.sparse_threshold: Input should be greater than or equal to 0"),
    ],
)
def test_settings_that_are_none(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace(".", r"\.")):
        Settings.of(Config(), {"longread": asked}, None)


def test_the_log_line_says_what_runs() -> None:
    found = Settings.of(Config(sparse_attention_enabled=True), {}, None)
    assert found.describe(4096) == (
        "Dual Chunk Attention, chunk 256 and local 64; sparse prefill of prompts above 32,768 tokens; up to 4,096 "
        "tokens a step; temperature none"
    )
