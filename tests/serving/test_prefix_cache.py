"""K/V of prompt prefixes on disk, without a model."""

import json
import logging
import shutil
import threading
from pathlib import Path

import pytest
import torch

from longread.cache import cache_dir
from longread.serving.models.fingerprint import fingerprint
from longread.serving.prefix_cache import BLOCK_TOKENS, PrefixStore


def block(index: int, size: int = 16) -> torch.Tensor:
    return torch.full((size,), float(index))


def store(tmp_path: Path, blocks: int = 1000) -> PrefixStore:
    """One that holds that many of `block`'s blocks."""
    from safetensors.torch import save

    return PrefixStore(tmp_path, max_bytes=blocks * len(save({"kv": block(0)})), min_tokens=BLOCK_TOKENS)


def tokens(blocks: int, first: int = 0) -> list[int]:
    return [first + i // BLOCK_TOKENS for i in range(blocks * BLOCK_TOKENS)]


def test_keys_follow_from_the_model_the_tokens_and_all_before(tmp_path: Path) -> None:
    prefixes = store(tmp_path)
    base = prefixes.keys("model", tokens(4))
    assert len(base) == len(set(base)) == 4
    assert prefixes.keys("model", [*tokens(4), 1, 2, 3]) == base, "a block that is not full has no key"
    assert prefixes.keys("model", tokens(2)) == base[:2]
    assert not set(prefixes.keys("other", tokens(4))) & set(base)
    changed = tokens(4)
    changed[BLOCK_TOKENS + 5] += 1
    assert prefixes.keys("model", changed)[0] == base[0]
    assert not set(prefixes.keys("model", changed)[1:]) & set(base)
    assert prefixes.keys("model", tokens(1, first=1))[0] not in base, "the same tokens elsewhere are another block"


def test_short_prompts_are_not_kept(tmp_path: Path) -> None:
    assert PrefixStore(tmp_path, min_tokens=2 * BLOCK_TOKENS).keys("model", tokens(2)[:-1]) == []


def test_what_is_written_is_read(tmp_path: Path) -> None:
    prefixes = store(tmp_path)
    keys = prefixes.keys("model", tokens(3))
    assert prefixes.read(keys[0]) is None
    prefixes.write(keys, [], block)
    prefixes.close()
    again = store(tmp_path)
    for index, key in enumerate(keys):
        found = again.read(key)
        assert found is not None
        assert torch.equal(found, block(index))


def test_writing_is_in_the_background_and_once(tmp_path: Path) -> None:
    prefixes, gate, asked = store(tmp_path), threading.Event(), []

    def slow(index: int) -> torch.Tensor:
        gate.wait()
        asked.append(index)
        return block(index)

    keys = prefixes.keys("model", tokens(2))
    prefixes.write(keys, [], slow)
    try:
        assert asked == []
    finally:
        gate.set()
    prefixes.write(prefixes.keys("model", tokens(3)), [], slow)  # waits for the first
    prefixes.wait()
    assert asked == [0, 1, 2], "blocks that are there are not asked for again"
    prefixes.close()


def test_of_a_prompt_the_last_blocks_go_first(tmp_path: Path) -> None:
    prefixes = store(tmp_path, blocks=5)
    old, new = prefixes.keys("model", tokens(4)), prefixes.keys("model", tokens(3, first=100))
    prefixes.write(old, [], block)
    prefixes.write(new, [], block)
    prefixes.close()
    assert [key in prefixes.store for key in old] == [True, True, False, False]
    assert all(key in prefixes.store for key in new)


def test_an_extended_prompt_does_not_push_out_its_own_beginning(tmp_path: Path) -> None:
    prefixes = store(tmp_path, blocks=5)
    first, other = prefixes.keys("model", tokens(2)), prefixes.keys("model", tokens(3, first=100))
    longer = prefixes.keys("model", tokens(4))
    prefixes.write(first, [], block)
    prefixes.write(other, [], block)
    prefixes.write(longer, [], block)
    prefixes.close()
    assert all(key in prefixes.store for key in longer)


def test_of_a_prompt_larger_than_the_limit_the_beginning_is_kept(tmp_path: Path) -> None:
    prefixes = store(tmp_path, blocks=3)
    keys = prefixes.keys("model", tokens(6))
    prefixes.write(keys, [], block)
    prefixes.close()
    assert [key in prefixes.store for key in keys] == [True] * 3 + [False] * 3


def rest_of(prefixes: PrefixStore, key: str, tokens: list[int]) -> list[float] | None:
    """What of `tokens` is found after the block: the values that `positions` gave them."""
    found = prefixes.read_rest(key, tokens)
    return None if found is None else found[0, 0, 0, :, 0].tolist()


def positions(count: int) -> torch.Tensor:
    return torch.arange(count, dtype=torch.float32).expand(1, 2, 1, count)[..., None].contiguous()


def test_of_what_is_left_over_a_later_prompt_takes_what_it_begins_with(tmp_path: Path) -> None:
    prefixes = store(tmp_path)
    (key,) = prefixes.keys("model", tokens(1))
    assert prefixes.read_rest(key, [7, 8]) is None
    prefixes.write([key], [7, 8, 9, 9], lambda index: positions(4) if index else block(0))
    prefixes.close()
    assert rest_of(prefixes, key, [7, 8, 9, 9, 5]) == [0, 1, 2, 3]
    assert rest_of(prefixes, key, [7, 8, 1, 2, 3, 4]) == [0, 1]
    assert rest_of(prefixes, key, [7]) == [0]
    assert rest_of(prefixes, key, [8]) is None
    assert rest_of(prefixes, "another", [7, 8]) is None
    prefixes.write([key], [6], lambda _: positions(1))
    prefixes.close()
    assert rest_of(prefixes, key, [7, 8]) is None, "only the latest is kept"
    assert rest_of(prefixes, key, [6, 8]) == [0]
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_what_is_left_over_pushes_nothing_out(tmp_path: Path) -> None:
    prefixes = store(tmp_path, blocks=2)
    keys = prefixes.keys("model", tokens(2))
    prefixes.write(keys, [7, 8], lambda index: block(index) if index < 2 else positions(2))
    prefixes.close()
    assert all(key in prefixes.store for key in keys)
    assert prefixes.read_rest(keys[-1], [7, 8]) is None


def test_a_corrupt_block_is_dropped(tmp_path: Path) -> None:
    prefixes = store(tmp_path)
    keys = prefixes.keys("model", tokens(1))
    prefixes.write(keys, [], block)
    prefixes.close()
    (file,) = tmp_path.rglob("*.safetensors")
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert prefixes.read(keys[0]) is None
    assert not file.exists()


def test_a_block_that_something_else_wrote_is_passed_over(tmp_path: Path) -> None:
    prefixes = store(tmp_path)
    keys = prefixes.keys("model", tokens(1))
    prefixes.store.put(keys[0], b"no safetensors, and a right digest")
    assert prefixes.read(keys[0]) is None


def test_a_full_disk_costs_the_cache_and_not_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    prefixes = store(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(prefixes.store, "put", full)
    with caplog.at_level(logging.WARNING):
        prefixes.write(prefixes.keys("model", tokens(2)), [], block)
        prefixes.close()
    assert f"The K/V of the prompt were not stored in {tmp_path}: [Errno 28]" in caplog.text


def test_other_errors_of_the_writer_are_not_swallowed(tmp_path: Path) -> None:
    prefixes = store(tmp_path)

    def broken(_: int) -> torch.Tensor:
        raise RuntimeError("device lost")

    prefixes.write(prefixes.keys("model", tokens(1)), [], broken)
    with pytest.raises(RuntimeError, match="device lost"):
        prefixes.wait()


def test_lies_in_the_cache_folder_unless_told_otherwise() -> None:
    assert PrefixStore().store.root == cache_dir() / "prefix"


class TestFingerprint:
    @pytest.fixture
    def copy(self, tiny: Path, tmp_path: Path) -> Path:
        return Path(shutil.copytree(tiny, tmp_path / "copy"))

    def test_is_of_the_contents(self, tiny: Path, copy: Path) -> None:
        assert fingerprint(copy, "float32") == fingerprint(tiny, "float32")
        assert fingerprint(copy, "bfloat16") != fingerprint(tiny, "float32")

    def test_sees_other_settings(self, copy: Path) -> None:
        before = fingerprint(copy, "float32")
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps({**config, "rms_norm_eps": 1e-3}))
        assert fingerprint(copy, "float32") != before

    def test_sees_other_weights_of_equal_shape(self, copy: Path) -> None:
        from safetensors.torch import load_file, save_file

        before, weights = fingerprint(copy, "float32"), load_file(copy / "model.safetensors")
        name = "model.layers.1.mlp.up_proj.weight"
        weights[name] = weights[name] + 1e-3
        save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
        assert fingerprint(copy, "float32") != before
