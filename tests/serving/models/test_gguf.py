"""GGUF files as Hugging Face folders: the same function, the same tokens."""

from pathlib import Path

import pytest
import torch

from longread.errors import ModelUnusable
from longread.serving.embedded.engine import Engine
from longread.serving.models.gguf import convert_gguf
from tests.support.engines import finish_of, tiny_gguf, user


@pytest.fixture(scope="module")
def gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    tiny_gguf(path)
    return path


def logits(model: object) -> torch.Tensor:
    with torch.inference_mode():
        return model(torch.tensor([[1, 70, 80, 90, 261, 5]])).logits  # type: ignore[operator]


@pytest.mark.parametrize("as_qwen2", [False, True])
def test_the_function_is_the_same(
    gguf: Path, tmp_path: Path, as_qwen2: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers import AutoModelForCausalLM

    convert_gguf(gguf, tmp_path / "model", as_qwen2=as_qwen2)
    assert capfd.readouterr().err == "", "progress bars are not for this library to draw"
    original = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    converted = AutoModelForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    assert converted.config.model_type == ("qwen2" if as_qwen2 else "llama")
    assert torch.equal(logits(converted), logits(original))
    assert logits(converted).std() > 0.1


def test_it_can_be_asked(gguf: Path, tmp_path: Path) -> None:
    convert_gguf(gguf, tmp_path / "model", as_qwen2=True)
    with Engine.load(tmp_path / "model", prefix_store=None) as engine:
        finish = finish_of(list(engine.stream(user("the cat"), max_tokens=4)))
        assert engine.window == 512
    assert finish.usage.prompt_tokens > 5


def test_digits_are_split_as_the_vocabulary_was_trained(small_model: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(small_model / "tokenizer.json"))
    assert tokenizer.encode("in   2024: 3.14").tokens == ["in", "ĠĠĠ", "2", "0", "2", "4", ":", "Ġ", "3", ".", "1", "4"]
    assert tokenizer.encode("don't  stop").tokens == ["don", "'t", "Ġ", "Ġstop"]


def test_the_default_model_is_a_qwen2_with_its_end_token(small_model: Path) -> None:
    from transformers import AutoConfig, GenerationConfig

    config = AutoConfig.from_pretrained(small_model)
    assert (config.model_type, config.max_position_embeddings, config.rms_norm_eps) == ("qwen2", 8192, 1e-5)
    assert GenerationConfig.from_pretrained(small_model).eos_token_id == 2


def test_an_unknown_rule_for_splitting_is_refused(tmp_path: Path) -> None:
    tiny_gguf(tmp_path / "odd.gguf", splits="falcon")
    with pytest.raises(ModelUnusable, match=r"odd.gguf splits text.*'falcon'.*qwen2, llama-bpe"):
        convert_gguf(tmp_path / "odd.gguf", tmp_path / "model")


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_bytes(b"not a model" * 100)
    with pytest.raises(ModelUnusable, match=r"text.gguf is not a GGUF file"):
        convert_gguf(tmp_path / "text.gguf", tmp_path / "model")
    assert not (tmp_path / "model").exists()
