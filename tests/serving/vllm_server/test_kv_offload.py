"""K/V on disk: a second vLLM finds what a first one has read, and nothing that is damaged or was computed otherwise."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load
from typer.testing import CliRunner

from longread.agent.cli.app import app
from longread.errors import ServerError
from longread.serving.planning.gpus import GIB, Gpus
from longread.serving.vllm_plugin.kv_identity import identity, key
from longread.serving.vllm_server import kv_offload, launch, registry
from longread.serving.vllm_server.command import server_commands
from longread.serving.vllm_server.options import Options
from tests.support.engines import edit_json
from tests.support.vllm_engines import DCA, Vllm, assert_same, checkpoint, words

PAGE = 128
LONG, OTHER = words(1000), words(700, seed=1)
PAGES = len(LONG) // PAGE
PAGE_BYTES = 3 * 2 * PAGE * 2 * 16 * 4  # layers, heads, tokens, K and V of 16, float32
FIVE_PAGES = 5 * (PAGE_BYTES + 200)


def transfer(folder: Path, size: int = 1 << 30) -> dict[str, Any]:
    return {
        "kv_connector": "DiskConnector",
        "kv_connector_module_path": "longread.serving.vllm_plugin.kv_connector",
        "kv_role": "kv_both",
        "kv_load_failure_policy": "recompute",
        "kv_connector_extra_config": {"folder": str(folder), "bytes": size},
    }


def files(folder: Path) -> list[Path]:
    """As they would be evicted, the last first: the latest prompt's beginning."""
    return sorted(folder.glob("*/*.safetensors"), key=lambda path: -path.stat().st_mtime_ns)


# Two processes. The prompts go several times across S = 192, in chunks of 256.


@pytest.fixture(scope="module")
def model(tiny_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoint(tiny_models["qwen2"], tmp_path_factory.mktemp("kv") / "model", dual_chunk_attention_config=DCA)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def first(vllm: Vllm, model: Path, written: Path) -> list[dict[str, Any]]:
    """The answers of the vLLM that reads the prompts."""
    return vllm.answers(model, [[LONG], [OTHER]], max_num_batched_tokens=256, kv_transfer_config=transfer(written))


@pytest.fixture
def kept(first: list[dict[str, Any]], written: Path, tmp_path: Path) -> Path:
    """What it has left on disk, for one test."""
    return Path(shutil.copytree(written, tmp_path / "pages"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("later") / "log"


@pytest.fixture(scope="module")
def later(log: Path) -> Iterator[Vllm]:
    """Another process."""
    with Vllm(log) as process:
        yield process


def test_what_one_process_has_read_the_next_finds_on_disk(
    later: Vllm, log: Path, model: Path, kept: Path, first: list[dict[str, Any]]
) -> None:
    assert [answer["cached"] for answer in first] == [0, 0]
    pages = files(kept)
    assert len(pages) == PAGES + len(OTHER) // PAGE
    damaged = pages[2]  # the third page of the prompt that came last
    whole, before = damaged.read_bytes(), len(log.read_text())
    damaged.write_bytes(whole[:-5] + bytes([whole[-5] ^ 1]) + whole[-4:])
    follow_up = [*LONG, *words(5, seed=2)]
    found = later.answers(
        model, [[LONG], [OTHER], [follow_up]], max_num_batched_tokens=256, kv_transfer_config=transfer(kept)
    )
    for answer, wanted in zip(found, first, strict=False):
        assert_same(answer, wanted)
    assert found[0]["cached"] == found[2]["cached"] == PAGES * PAGE
    said = log.read_text()[before:]
    assert f"longread: {PAGES * PAGE} tokens of K/V came from disk" in said
    assert f"longread: K/V on disk are damaged or gone: {3 * PAGE} tokens are computed instead" in said
    (anew,) = kept.glob(f"*/{damaged.name.split('.')[0]}.*")
    torch.testing.assert_close(load(anew.read_bytes())["kv"], load(whole)["kv"], atol=1e-4, rtol=0)


def test_what_was_computed_otherwise_is_not_read(
    later: Vllm, model: Path, kept: Path, first: list[dict[str, Any]]
) -> None:
    before = len(files(kept))
    plain = {"longread": {"temperature": "none"}}
    (found,) = later.answers(model, [[LONG]], additional_config=plain, kv_transfer_config=transfer(kept))
    assert found["cached"] == 0
    assert found["logprobs"] != pytest.approx(first[0]["logprobs"], abs=1e-3)
    assert len(files(kept)) == before + PAGES


def test_what_was_used_longest_ago_goes_first_and_a_prompt_from_its_end(
    vllm: Vllm, later: Vllm, model: Path, tmp_path: Path
) -> None:
    engine = {"max_num_batched_tokens": 256, "kv_transfer_config": transfer(tmp_path, FIVE_PAGES)}
    long, other = LONG[: 3 * PAGE + 1], OTHER[: 3 * PAGE + 1]
    vllm.answers(model, [[LONG], [other]], **engine)  # five pages of the one, of which three make room for the other
    assert len(files(tmp_path)) == 5
    found = later.answers(model, [[long], [other]], **engine)  # and the third of the first for that of the other
    assert [answer["cached"] for answer in found] == [2 * PAGE, 2 * PAGE]


# What K/V depend on


def config(folder: Path, **changes: Any) -> Any:
    """As much of vLLM's as is read, with some values changed."""
    text = {
        "max_position_embeddings": 4096, "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2,
        "dual_chunk_attention_config": dict(DCA), "rope_theta": 1e6,
    }  # fmt: skip
    text |= {name: changes.pop(name) for name in list(changes) if name in text}
    values = {
        "model": str(folder), "dtype": torch.float32, "quantization": None, "cache_dtype": "auto", "block_size": 128,
        "prefix_caching_hash_algo": "sha256", "max_num_batched_tokens": 1024, "additional_config": {},
        "device_type": "cpu",
    }  # fmt: skip
    assert changes.keys() <= values.keys()
    all_of_them = SimpleNamespace(**{**values, **changes})
    all_of_them.hf_text_config = SimpleNamespace(**text, to_dict=lambda: text)
    for part in ("model_config", "cache_config", "scheduler_config", "device_config"):
        setattr(all_of_them, part, all_of_them)
    return all_of_them


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": torch.bfloat16},
        {"cache_dtype": "fp8"},
        {"quantization": "fp8"},
        {"block_size": 64},
        {"rope_theta": 1e5},
        {"dual_chunk_attention_config": {**DCA, "local_size": 32}},
        {"dual_chunk_attention_config": {**DCA, "original_max_position_embeddings": 512}},
        {"dual_chunk_attention_config": None},
        {"additional_config": {"longread": {"temperature": "none"}}},
        {"additional_config": {"longread": {"sparse": True}}},
    ],
    ids=str,
)
def test_pages_of_another_computation_have_other_names(model: Path, change: dict[str, Any]) -> None:
    assert identity(config(model)) == identity(config(model))
    assert identity(config(model, **change)) != identity(config(model))


def test_pages_of_other_weights_have_other_names(model: Path, tiny_models: dict[str, Path], tmp_path: Path) -> None:
    own = identity(config(model))
    weights = tmp_path / "weights"
    weights.mkdir()
    for name in ("config.json", "model.safetensors"):
        (weights / name).write_bytes((model / name).read_bytes())
    assert identity(config(weights)) == own  # wherever they lie
    data = bytearray((weights / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (weights / "model.safetensors").write_bytes(data)
    assert identity(config(weights)) != own
    assert len({key(one, page) for one in (own, "x") for page in (b"a", b"b")}) == 4


def test_the_length_that_is_served_counts_only_where_attention_depends_on_it(model: Path) -> None:
    longer = {"max_position_embeddings": 8192}
    assert identity(config(model, **longer)) == identity(config(model))
    stretched = {"dual_chunk_attention_config": {"chunk_size": 256, "local_size": 64}}
    assert identity(config(model, **stretched, **longer)) == identity(config(model, **stretched))
    heated = {**stretched, "additional_config": {"longread": {"temperature": "query"}}}
    assert identity(config(model, **heated, **longer)) != identity(config(model, **heated))


def test_a_chunk_counts_where_it_selects_keys(model: Path) -> None:
    sparse = {"additional_config": {"longread": {"sparse": True}}}
    shorter = {"max_num_batched_tokens": 512}
    assert identity(config(model, **sparse, **shorter)) != identity(config(model, **sparse))
    assert identity(config(model, **shorter)) == identity(config(model))


def test_versions_count_and_the_models_folder_does_not(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = identity(config(model))
    moved = config(model)
    text = moved.hf_text_config.to_dict()
    moved.hf_text_config.to_dict = lambda: {**text, "_name_or_path": "/elsewhere", "transformers_version": "9"}
    assert identity(moved) == own
    monkeypatch.setattr("longread.serving.vllm_plugin.kv_identity.installed", lambda: "0.99.0")
    assert identity(config(model)) != own


def test_weights_that_cannot_be_told_apart_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"models.*safetensors"):
        identity(config(tmp_path))


# agent serve


def arguments(model: Path, folder: Path, gpus: str | None = None, **options: Any) -> dict[str, str]:
    """Arguments with a value, of a server with K/V on disk. Its folder is prepared."""
    found = Options(kv_disk=folder, tokens=1024, gpus=Gpus.parse(gpus) if gpus else Gpus.cpu(8 * GIB), **options)
    values = json.loads((model / "config.json").read_text())
    plan = launch.plan_for(str(model), found, values)
    kv_offload.prepare(folder, plan, found.kv_disk_gib)
    [command] = server_commands(plan, found, folder=model)
    return dict(pairwise(command.arguments))


def test_on_a_cpu_it_is_our_connector(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "_bfloat16", lambda: False)  # whatever this CPU is fast at
    flags = arguments(model, tmp_path)
    assert json.loads(flags["--kv-transfer-config"]) == transfer(
        tmp_path / "longread-kv" / "pages", kv_offload.PROMPTS * 1024 // PAGE * PAGE_BYTES
    )
    flags = arguments(model, tmp_path, kv_disk_gib=0.5)
    assert json.loads(flags["--kv-transfer-config"])["kv_connector_extra_config"]["bytes"] == GIB // 2


def test_on_gpus_it_is_vllms_with_a_folder_for_each_way_to_compute(model: Path, tmp_path: Path) -> None:
    roots = set()
    for options in ({}, {"sparse": False}, {"fp8_kv": True}, {"extra": ("--quantization", "x")}):
        flags = arguments(model, tmp_path, "H100", kv_memory_gib=3.0, **options)
        assert flags["--kv-offloading-size"] == "3.0"
        asked = json.loads(flags["--kv-transfer-config"])["kv_connector_extra_config"]
        assert asked["spec_name"] == "TieringOffloadingSpec"  # vLLM's default knows no second tier
        (tier,) = asked["secondary_tiers"]
        assert tier["type"] == "fs"
        assert Path(tier["root_dir"]).parent == tmp_path / "longread-kv" / "vllm"
        roots.add(tier["root_dir"])
    assert len(roots) == 4


def test_on_gpus_the_files_are_held_to_the_size_when_a_server_starts(model: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "longread-kv" / "vllm" / "a" / "b"
    theirs.mkdir(parents=True)
    (tmp_path / "letter.txt").write_text("not ours")
    for age, name in enumerate(("new", "old", "older")):
        (theirs / name).write_bytes(bytes(1 << 20))
        os.utime(theirs / name, (1e9 - age, 1e9 - age))
    arguments(model, tmp_path, "H100", kv_disk_gib=2.5 / 1024)
    assert sorted(path.name for path in theirs.iterdir()) == ["new", "old"]
    assert (tmp_path / "letter.txt").exists()


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        (
            "kv",
            "GiB of K/V, and 1000000.0 are requested. Change --kv-disk-size, in GiB: a prompt of 2,048 tokens",
        ),
        ("file/kv", f"longread-kv cannot be written ({os.strerror(errno.ENOTDIR)}). Choose another folder."),
    ],
)
def test_a_disk_that_will_not_do_is_one_line_before_anything_starts(
    default_model: str, tmp_path: Path, folder: str, message: str
) -> None:
    (tmp_path / "file").touch()
    asked = ["serve", default_model, "--tokens", "2048", "--kv-disk", str(tmp_path / folder), "--kv-disk-size", "1e6"]
    result = CliRunner().invoke(app, asked)
    assert result.exit_code == 1
    assert message.replace(" ", "") in "".join(result.stderr.split())  # as wide as the terminal is
    assert registry.running_servers() == []


def test_a_size_below_one_prompt_is_an_error(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"--kv-disk-size 1e-05.*prompt.*1,024 tokens"):
        arguments(model, tmp_path, kv_disk_gib=1e-5)


def test_by_default_what_is_there_has_room(model: Path, tmp_path: Path) -> None:
    pages = tmp_path / "longread-kv" / "pages"
    pages.mkdir(parents=True)
    pages.parent.chmod(0o755)
    (pages / "of a larger model").write_bytes(bytes(20 << 20))
    flags = arguments(model, tmp_path)
    assert json.loads(flags["--kv-transfer-config"])["kv_connector_extra_config"]["bytes"] == 20 << 20
    assert (tmp_path / "longread-kv").stat().st_mode & 0o777 == 0o755  # was there; a new one is for its owner only
    arguments(model, tmp_path / "new")
    assert (tmp_path / "new" / "longread-kv").stat().st_mode & 0o777 == 0o700


def test_adapters_are_refused(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="--kv-disk and --enable-lora cannot be combined"):
        arguments(model, tmp_path, "H100", extra=("--enable-lora",))


def test_weights_in_other_files_are_an_error(model: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text((model / "config.json").read_text())
    edit_json(tmp_path / "model" / "config.json")
    with pytest.raises(ServerError, match="--kv-disk needs weights in safetensors files"):
        arguments(tmp_path / "model", tmp_path)
