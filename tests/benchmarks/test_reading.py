"""The parts of the benchmarks of long prompts: the text, the pass key, and the reader."""

import zlib
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.attention import novels
from benchmarks.attention.reading import PassKey, Reader
from longread.kernels import Budgets, DCASpec
from longread.kernels.transformers_patch import Observation

SPEC = DCASpec(16, 1e4, chunk_size=96, local_size=32)


def model() -> Any:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=60, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=512, initializer_range=0.3,
    )  # fmt: skip
    return Qwen2ForCausalLM(config).eval()


def tokens(count: int) -> list[int]:
    return torch.randint(0, 60, (count,), generator=torch.Generator().manual_seed(count)).tolist()


def test_novels_are_read_out_of_rs_database(tmp_path: Path):
    def serialized(lines: list[str]) -> bytes:
        strings = [b"\x00\x04\x00\x09" + len(line.encode()).to_bytes(4, "big") + line.encode() for line in lines]
        return b"X\n\x00\x00\x00\x03" + len(lines).to_bytes(4, "big") + b"".join(strings)

    texts = [["EMMA", "", "by Jane Austen"], ["Persuasion", "café"]]
    path = tmp_path / "Rdata.rdb"
    path.write_bytes(b"".join(len(raw).to_bytes(4, "big") + zlib.compress(raw) for raw in map(serialized, texts)))
    assert novels._novels(path) == ["\n".join(lines) for lines in texts]


def test_pass_keys_have_five_digits():
    keys = {PassKey.of(seed).digits for seed in range(50)}
    assert len(keys) > 45
    assert all(len(digits) == 5 and digits.isdigit() for digits in keys)
    assert PassKey.of(3).digits in PassKey.of(3).needle


@torch.inference_mode()
def test_it_knows_what_greedy_decoding_would_say_and_nothing_else():
    made, prompt, question = model(), tokens(150), tokens(5)
    reader = Reader(made, SPEC, None, capacity=300)
    reader.read_all(prompt)
    said = made.generate(torch.tensor([prompt + question]), max_new_tokens=4, min_new_tokens=4, do_sample=False)
    answer = said[0, len(prompt) + len(question) :].tolist()
    known, log_probability = reader.knows(question, answer)
    assert known
    assert log_probability < 0
    assert reader.length == 150
    assert reader.knows(question, answer) == (known, log_probability)  # what was read stayed as it was
    wrong, less = reader.knows(question, [*answer[:-1], (answer[-1] + 1) % 60])
    assert not wrong
    assert less < log_probability


def test_a_reader_goes_on_from_what_another_has_read():
    made, prompt = model(), tokens(200)
    whole, first, second = (Reader(made, SPEC, None, capacity=300) for _ in range(3))
    whole.read_all(prompt)
    first.read_all(prompt[:120])
    second.take(first, 90)
    second.read_all(prompt[90:])
    assert second.length == 200
    assert second.knows([1], [2])[1] == pytest.approx(whole.knows([1], [2])[1], abs=1e-4)


@torch.inference_mode()
def test_losses_are_those_of_the_model():
    made, prompt = model(), tokens(80)
    reader = Reader(made, SPEC, None, capacity=100)
    found = reader.losses(reader.read(prompt[:-1]), prompt[1:])
    assert float(found.mean()) == pytest.approx(float(made(torch.tensor([prompt]), labels=torch.tensor([prompt])).loss))


def test_watching_changes_nothing_and_sees_every_layer():
    budgets = Budgets.uniform(2, 4, vertical=31, slash=31, threshold=100, least_queries=50, block=16)
    reader = Reader(model(), SPEC, budgets, capacity=300)
    seen: list[Observation] = []
    watched = reader.read(tokens(200), watch=seen.append)
    assert [layer.layer for layer in seen] == [0, 1]
    assert all(0 < float(layer.recall.min()) <= 1.001 for layer in seen)
    dense = Reader(model(), SPEC, None, capacity=300)
    torch.testing.assert_close(watched, dense.read(tokens(200)))
