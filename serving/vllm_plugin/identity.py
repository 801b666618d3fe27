"""What K/V on disk are the K/V of: two that were not computed alike must never have one name."""

import hashlib
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..prefix import fingerprint
from .compatibility import installed
from .settings import Settings

FORMAT = 2
"""Of what is kept, and of how it is computed: another number never meets these pages."""


def key(identity: str, page: bytes) -> str:
    """The name of the page that has this hash in vLLM."""
    return hashlib.blake2b(f"{identity}/".encode() + page, digest_size=20).hexdigest()


def identity(config: Any) -> str:
    """A hash of what K/V depend on beside the tokens: weights, attention, precision, and the versions of the code.

    Args:
        config: vLLM's.

    Raises:
        ValueError: the weights are not safetensors in a folder, so that nothing here says which they are.
    """
    model, cache = config.model_config, config.cache_config
    folder = Path(model.model)
    if not any(folder.glob("*.safetensors")):
        raise ValueError(f"longread keeps K/V on disk for models in a folder of safetensors, which {folder} is not")
    values = dict(model.hf_text_config.to_dict())
    for name in ("_name_or_path", "transformers_version"):  # where it lies, and who wrote its config
        values.pop(name, None)
    if values.get("dual_chunk_attention_config"):
        settings = Settings.of_engine(config)
        spec = settings.spec
        # The length that is served counts where temperature begins with it, and nowhere else.
        values["max_position_embeddings"] = None
        spec = replace(spec, trained_window=None) if spec.temperature == "none" else spec
        values["longread"] = (spec.text, str(settings.budgets))
        if settings.budgets is not None:  # each chunk selects keys anew
            values["chunk"] = config.scheduler_config.max_num_batched_tokens
    values["vllm"] = (
        model.dtype, model.quantization, cache.cache_dtype, cache.block_size, cache.prefix_caching_hash_algo,
    )  # fmt: skip
    values["versions"] = (FORMAT, version("longread"), installed())
    return fingerprint(folder, json.dumps(values, sort_keys=True, default=str))
