"""The K/V buffer: growing, truncating, reading and writing."""

import pytest
import torch

from longread.errors import ModelUnusable
from longread.serving.embedded.kv_cache import KVBuffer


def buffer(window: int = 5000) -> KVBuffer:
    return KVBuffer(layers=2, heads=3, dim=4, window=window, dtype=torch.float32, device=torch.device("cpu"))


def step(kv: KVBuffer, tokens: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """What a model does: an update a layer. -> what each layer got back."""
    return [kv.update(torch.randn(1, 3, tokens, 4), torch.randn(1, 3, tokens, 4), layer) for layer in range(2)]


def test_what_a_layer_gets_back_is_all_so_far_and_not_a_copy() -> None:
    kv = buffer()
    kv.reserve(10, keep=0)
    first = step(kv, 3)
    second = step(kv, 2)
    assert kv.get_seq_length() == 5
    for (before, _), (after, values) in zip(first, second, strict=True):
        assert after.shape == values.shape == (1, 3, 5, 4)
        assert torch.equal(after[:, :, :3], before)
        assert after.data_ptr() == before.data_ptr()


def test_truncation_overwrites() -> None:
    kv = buffer()
    kv.reserve(10, keep=0)
    keys = step(kv, 4)[0][0].clone()
    kv.truncate(1)
    again = step(kv, 2)[0][0]
    assert again.shape[2] == 3
    assert torch.equal(again[:, :, :1], keys[:, :, :1])
    assert not torch.equal(again[:, :, 1:], keys[:, :, 1:3])


def test_grows_in_big_steps_and_keeps_what_it_should() -> None:
    kv = buffer()
    kv.reserve(1500, keep=0)
    assert kv.capacity == 2048
    step(kv, 1500)
    kept = kv.read(0, 1500)
    kv.reserve(2049, keep=1500)
    assert kv.capacity == 3072
    assert torch.equal(kv.read(0, 1500), kept)
    assert kv.get_seq_length() == 1500
    kv.reserve(100, keep=50)
    assert kv.capacity == 3072
    kv.reserve(4999, keep=0)
    assert kv.capacity == 5000, "never beyond the window"


def test_read_and_write_are_inverse() -> None:
    kv = buffer()
    kv.reserve(100, keep=0)
    step(kv, 40)
    block = kv.read(8, 24)
    assert block.shape == (2, 2, 3, 16, 4)
    assert block.is_contiguous()
    other = buffer()
    other.reserve(100, keep=0)
    other.write(8, block)
    assert torch.equal(other.read(8, 24), block)


def test_too_little_memory_is_said_with_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    kv = buffer(window=10**9)
    assert kv.bytes_per_token == 192
    kv.reserve(1024, keep=0)
    monkeypatch.setattr("longread.serving.embedded.kv_cache.free_memory", lambda _: 2**30)
    with pytest.raises(ModelUnusable, match=r"100,000,768 tokens take 17\.9.*1\.0"):
        kv.reserve(100_000_000, keep=0)
    kv.reserve(500, keep=0)
    assert step(kv, 500)[0][0].shape[2] == 500
