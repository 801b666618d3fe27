"""Cache key of K/V blocks on disk: covers everything the values depend on."""

import hashlib
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..models.fingerprint import fingerprint
from .compatibility import installed
from .settings import AttentionSettings

FORMAT = 2
"""The version of the files' format and of how K/V are computed: part of the key."""


def key(identity: str, page: bytes) -> str:
    """The key of the page with this hash in vLLM."""
    return hashlib.blake2b(f"{identity}/".encode() + page, digest_size=20).hexdigest()


def identity(config: Any) -> str:
    """A hash of all that K/V depend on beside the tokens: weights, attention, precision, and versions of the code.

    Args:
        config: a VllmConfig.

    Raises:
        ValueError: the weights are not safetensors in a folder, so they cannot be identified.
    """
    model, cache = config.model_config, config.cache_config
    folder = Path(model.model)
    if not any(folder.glob("*.safetensors")):
        raise ValueError(f"longread stores K/V on disk for models in a folder of safetensors, which {folder} is not")
    values = dict(model.hf_text_config.to_dict())
    for name in ("_name_or_path", "transformers_version"):  # neither changes the values
        values.pop(name, None)
    if values.get("dual_chunk_attention_config"):
        settings = AttentionSettings.of_engine(config)
        spec = settings.spec
        # The maximum length matters only if the temperature depends on it.
        values["max_position_embeddings"] = None
        spec = replace(spec, trained_window=None) if spec.temperature == "none" else spec
        values["longread"] = (spec.text, str(settings.budgets))
        if settings.budgets is not None:  # keys are selected once for each chunk
            values["chunk"] = config.scheduler_config.max_num_batched_tokens
    values["vllm"] = (
        model.dtype, model.quantization, cache.cache_dtype, cache.block_size, cache.prefix_caching_hash_algo,
    )  # fmt: skip
    values["versions"] = (FORMAT, version("longread"), installed())
    return fingerprint(folder, json.dumps(values, sort_keys=True, default=str))
