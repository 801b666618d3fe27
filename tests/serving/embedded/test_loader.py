"""Checkpoints that the engine loads, and those that it refuses."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from longread.errors import ModelUnusable
from longread.kernels import Adaptive, Budgets, DCASpec, VerticalSlash
from longread.serving import device
from longread.serving.embedded.engine import Engine
from longread.serving.embedded.loader import budgets_of, declared_sampling, load_config, spec_of, stop_ids, window_of
from longread.serving.embedded.tokenizer import ChatTokenizer
from longread.serving.models.catalog import Sampling, config_overrides
from longread.serving.models.shape import ModelShape
from tests.support.engines import edit_json, user


@pytest.fixture
def copy(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"model_type": "gpt2"},
                r"copy is a gpt2 model; the embedded engine runs llama, qwen2, .* through a server",
            ),
            ({"model_type": "nonsense"}, r"copy: transformers cannot read config.json: .*nonsense"),
            (
                {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
                "has layers with sliding windows",
            ),
            (
                {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}},
                "uses dynamic RoPE, whose cached keys depend on the prompt's length",
            ),
        ],
    )
    def test_configurations(self, copy: Path, changes: dict[str, Any], message: str) -> None:
        edit_json(copy / "config.json", **changes)
        with pytest.raises(ModelUnusable, match=message):
            Engine.load(copy)

    def test_broken_weights(self, copy: Path) -> None:
        (copy / "model.safetensors").write_bytes(b"garbage" * 100)
        with pytest.raises(ModelUnusable, match=r"weights.*copy cannot"):
            Engine.load(copy, prefix_store=None)

    def test_weights_that_lack_a_tensor(self, copy: Path) -> None:
        from safetensors.torch import load_file, save_file

        weights = load_file(copy / "model.safetensors")
        del weights["model.layers.1.mlp.up_proj.weight"]
        save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(ModelUnusable, match=r"lack 1 tensors, .* model.layers.1.mlp.up_proj.weight"):
            Engine.load(copy, prefix_store=None)

    def test_no_chat_template(self, copy: Path) -> None:
        (copy / "chat_template.jinja").unlink()
        with pytest.raises(ModelUnusable, match=r"template.*model.*chat_template.jinja"):
            Engine.load(copy)

    def test_no_tokenizer(self, copy: Path) -> None:
        (copy / "tokenizer.json").unlink()
        with pytest.raises(ModelUnusable, match=r"copy has no tokenizer.json, the only format"):
            Engine.load(copy)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"window": 16_385}, r"window of 16,385 tokens is not possible: .*qwen2 has 4,096, and up to 16,384"),
            ({"window": 0}, "window of 0 tokens is not possible"),
            ({"dtype": "int8"}, "dtype is 'int8'; it must be float32, bfloat16 or float16"),
            (
                {"device": "cuda:99"},
                r"device is 'cuda:99'; it must be cpu or cuda, and torch sees \d+ CUDA devices here",
            ),
            ({"device": "tpu"}, "device is 'tpu'; it must be cpu or cuda"),
        ],
    )
    def test_settings(self, tiny: Path, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ModelUnusable, match=message):
            Engine.load(tiny, **settings)

    def test_without_the_extra(self, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "transformers", None)
        with pytest.raises(ModelUnusable, match=r"needs torch and transformers .* pip install 'longread\[embedded\]'"):
            Engine.load(tiny)


class TestTaken:
    def test_dtype_and_window(self, tiny: Path) -> None:
        with Engine.load(tiny, device="cpu", dtype="bfloat16", window=100, prefix_store=None) as engine:
            assert engine.window == 100
            assert engine.model_name == "qwen2"
            assert list(engine.stream(user("Hello"), max_tokens=2))

    def test_a_dual_chunk_model_has_its_whole_window(self, copy: Path) -> None:
        dual_chunk = {"chunk_size": 2048, "local_size": 128, "original_max_position_embeddings": 2048}
        edit_json(copy / "config.json", dual_chunk_attention_config=dual_chunk, max_position_embeddings=10_000)
        config = load_config(copy)
        assert window_of(config) == 10_000
        spec = spec_of(config, 10_000, "it")
        assert (spec.chunk_size, spec.span, spec.temperature) == (2048, 1920, "query")
        with pytest.raises(ModelUnusable, match=r"window.*10,001.*possible.*10,000\.$"):
            spec_of(config, 10_001, "it")

    def test_any_other_is_extended_to_four_times_its_own(self, copy: Path) -> None:
        config = load_config(copy)
        own = window_of(config)
        assert spec_of(config, own, "it").chunk_size is None
        beyond = spec_of(config, own + 1, "it")
        assert (beyond.chunk_size, beyond.trained_window, beyond.temperature) == (own, own, "query")
        assert spec_of(config, 4 * own, "it").local_size == own // 8
        for window in (4 * own + 1, 0, -1):
            with pytest.raises(ModelUnusable, match=f"has {own:,}, and up to {4 * own:,} by Dual Chunk Attention"):
                spec_of(config, window, "it")

    def test_a_server_extends_it_alike(self, copy: Path) -> None:
        config = load_config(copy)
        tokens = 2 * window_of(config)
        given = json.loads((copy / "config.json").read_text())
        changes = config_overrides(str(copy), ModelShape.from_config(given).extend_to(tokens), tokens, given)
        assert DCASpec.from_config({**given, **changes}) == spec_of(config, tokens, "it")

    def test_budgets_come_with_the_checkpoint(self, copy: Path) -> None:
        dual_chunk = {"chunk_size": 2048, "local_size": 128, "sparse_attention_threshold": 500}
        edit_json(copy / "config.json", dual_chunk_attention_config=dual_chunk)
        assert budgets_of(copy, load_config(copy), "cuda") is None
        edit_json(copy / "config.json", dual_chunk_attention_config={**dual_chunk, "sparse_attention_enabled": True})
        for name, layer in (
            ("cuda", VerticalSlash.uniform(4, vertical=1000, slash=6096)),
            ("cpu", Adaptive.uniform(4, 0.95)),
        ):
            assert budgets_of(copy, load_config(copy), name) == Budgets((layer,) * 3, threshold=500)
        edit_json(copy / "config.json", dual_chunk_attention_config=dual_chunk)
        Budgets.uniform(2, 4, vertical=40, slash=200).write(copy / "sparse_attention_config.json")
        with pytest.raises(ModelUnusable, match=r"2 layers.*4 heads.*model.*3.*4"):
            budgets_of(copy, load_config(copy), "cuda")
        Budgets.uniform(3, 4, vertical=40, slash=200).write(copy / "sparse_attention_config.json")
        found = budgets_of(copy, load_config(copy), "cuda")
        assert found is not None
        assert found == Budgets.uniform(3, 4, vertical=40, slash=200, threshold=500)
        edit_json(copy / "config.json", dual_chunk_attention_config={**dual_chunk, "sparse_attention_enabled": False})
        assert budgets_of(copy, load_config(copy), "cuda") is None
        (copy / "sparse_attention_config.json").write_text("{}")
        edit_json(copy / "config.json", dual_chunk_attention_config=dual_chunk)
        with pytest.raises(ModelUnusable, match=r"sparse_attention_config\.json is not a list over layers"):
            budgets_of(copy, load_config(copy), "cuda")

    def test_sampling_is_the_authors(self) -> None:
        def generation(**values: Any) -> Any:
            nothing = {"do_sample": False, "temperature": None, "top_p": None, "repetition_penalty": None}
            return SimpleNamespace(**{**nothing, **values})

        assert declared_sampling(generation()) == Sampling()
        assert declared_sampling(generation(temperature=0.6)) == Sampling()
        assert declared_sampling(generation(do_sample=True, temperature=0.7, top_p=0.8, repetition_penalty=1.05)) == (
            Sampling(temperature=0.7, top_p=0.8, repetition_penalty=1.05)
        )
        assert declared_sampling(generation(do_sample=True)) == Sampling(temperature=1.0)

    def test_stop_ids(self) -> None:
        assert stop_ids(SimpleNamespace(eos_token_id=None), None) == frozenset()
        assert stop_ids(SimpleNamespace(eos_token_id=5), 7) == {5, 7}
        assert stop_ids(SimpleNamespace(eos_token_id=[5, 6]), 6) == {5, 6}


class TestRendering:
    @pytest.fixture
    def tokenizer(self, copy: Path) -> ChatTokenizer:
        """With a template that shows what it gets."""
        (copy / "chat_template.jinja").write_text(
            "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{% if m.role == 'odd' %}"
            "{{ raise_exception('odd role') }}{% endif %}[{{ m.role }}:{{ m.content }}{% for call in m.tool_calls %}"
            "{{ call.function.name }}{{ call.function.arguments.n }}{% endfor %}]{% endfor %}"
        )
        return ChatTokenizer(copy)

    def text(self, tokenizer: ChatTokenizer, messages: list[dict[str, Any]], tools: Any = None) -> str:
        return tokenizer.backend.decode(tokenizer.render(messages, tools))

    def test_parts_calls_and_results(self, tokenizer: ChatTokenizer) -> None:
        messages = [
            {"role": "user", "content": [{"type": "text", "text": "one "}, {"type": "text", "text": "two"}]},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "f", "arguments": '{"n": 3}'}}],
            },
            {"role": "tool", "tool_call_id": "1", "content": "four"},
        ]
        assert self.text(tokenizer, messages) == "[user:one two][assistant:f3][tool:four]"

    def test_tools(self, tokenizer: ChatTokenizer) -> None:
        tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
        assert self.text(tokenizer, user("x"), [tool]).startswith(json.dumps([tool])[:20])

    def test_tools_without_a_place_for_them(self, tiny: Path) -> None:
        with pytest.raises(ModelUnusable, match=r"template.*tools\. Describe"):
            ChatTokenizer(tiny).render(user("x"), [{"type": "function", "function": {"name": "f"}}])

    def test_a_template_that_refuses(self, tokenizer: ChatTokenizer) -> None:
        with pytest.raises(ModelUnusable, match="chat template rejects the messages: odd role"):
            tokenizer.render([{"role": "odd", "content": "x"}])

    def test_pictures(self, tokenizer: ChatTokenizer) -> None:
        with pytest.raises(ModelUnusable, match=r"message.*'image_url'.*model"):
            tokenizer.render([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}])

    def test_the_rules_are_those_of_tokenizer_json(self, small_model: Path) -> None:
        assert ChatTokenizer(small_model).counts(["one\n\ntwo", "one\n\n", "in   2024"]) == [4, 2, 6]

    def test_the_name_is_of_the_rules(self, tiny_models: dict[str, Path], copy: Path) -> None:
        assert ChatTokenizer(tiny_models["llama"]).name == ChatTokenizer(tiny_models["qwen3"]).name
        name = ChatTokenizer(copy).name
        edit_json(copy / "tokenizer.json", normalizer={"type": "NFC"})
        assert ChatTokenizer(copy).name != name


class TestHardware:
    @pytest.mark.parametrize(
        ("avx512", "amx", "dtype"),
        [(False, False, torch.float32), (True, False, torch.bfloat16), (False, True, torch.bfloat16)],
    )
    def test_the_dtype_of_a_cpu(
        self, monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool, dtype: torch.dtype
    ) -> None:
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        assert device.default_dtype(torch.device("cpu")) == dtype

    def test_a_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (100, 1000))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 30)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: 10)
        assert device.device(None) == torch.device("cuda")
        assert device.device("cuda:1") == torch.device("cuda:1")
        assert device.device("cpu") == torch.device("cpu")
        assert device.free_memory(torch.device("cuda")) == 120
        for capability, dtype in (((7, 5), torch.float16), ((9, 0), torch.bfloat16)):
            monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, found=capability: found)
            assert device.default_dtype(torch.device("cuda")) == dtype

    def test_a_thread_a_physical_core(self, monkeypatch: pytest.MonkeyPatch) -> None:
        used: list[int] = []
        monkeypatch.setattr(torch, "set_num_threads", used.append)
        monkeypatch.setattr(psutil, "cpu_count", lambda logical: 4)
        monkeypatch.setattr(device.os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        device.use_physical_cores()
        assert used == []
        monkeypatch.delenv("OMP_NUM_THREADS")
        device.use_physical_cores()
        assert used == [4]
        monkeypatch.setattr(device.os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
        device.use_physical_cores()
        assert used == [4, 2]
