"""The engine key and the chunk limits of a running vLLM, from its configuration."""

import hashlib
from typing import Any

import vllm
from vllm.distributed.utils import get_pp_indices
from vllm.platforms import current_platform

from longread.kernels.sparse.vertical_slash import BLOCK

from ..models.shape import ModelShape
from ..pipeline.chunker import Limits
from ..pipeline.step_costs import EngineKey, chunk_unit, cpu_name, gpu_name, sizes
from .settings import AttentionSettings, PluginSettings


def engine_of(config: Any) -> EngineKey:
    """The engine key of a VllmConfig whose K/V cache has been laid out.

    Raises:
        ModelUnusable: the model's family is not supported.
    """
    model, parallel, cache = config.model_config, config.parallel_config, config.cache_config
    text = model.hf_text_config
    shape = ModelShape.from_config(text.to_dict())
    stages = [
        get_pp_indices(shape.layers, rank, parallel.pipeline_parallel_size)
        for rank in range(parallel.pipeline_parallel_size)
    ]
    attention, detail = "vllm", ""
    if shape.span is not None:
        settings = AttentionSettings.of_engine(config)
        attention = "dense" if settings.budgets is None else "sparse"
        detail = hashlib.blake2b(str(settings.budgets).encode(), digest_size=8).hexdigest()
    workers = parallel.world_size
    dtype = str(model.dtype).removeprefix("torch.")
    return EngineKey(
        model=sizes(shape),
        device=cpu_name(workers) if current_platform.is_cpu() else gpu_name(current_platform.get_device_name()),
        dtype=dtype,
        quantization=model.quantization,
        kv_dtype=dtype if cache.cache_dtype == "auto" else cache.cache_dtype,
        attention=attention,
        detail=detail,
        tp=parallel.tensor_parallel_size,
        layers=tuple(end - start for start, end in stages),
        page=cache.block_size,
        vllm=".".join(vllm.__version__.split(".")[:2]),
    )


def limits_of(config: Any, most: int) -> Limits:
    """The limits of chunks: multiples of `chunk_unit`, and of a block where attention is sparse."""
    page = chunk_unit(config.cache_config.block_size, cpu=current_platform.is_cpu())
    block = 1 if sparse_from(config) is None else BLOCK
    return Limits(
        most=most,
        page=page,
        block=block,
        latency=PluginSettings.of(config.additional_config).decode_latency,
        queued=config.max_concurrent_batches - config.parallel_config.pipeline_parallel_size,
    )


def sparse_from(config: Any) -> tuple[int, int] | None:
    """(threshold, least queries) of sparse prefill; None if prefill is always dense."""
    if not getattr(config.model_config.hf_text_config, "dual_chunk_attention_config", None):
        return None
    budgets = AttentionSettings.of_engine(config).budgets
    return None if budgets is None else (budgets.threshold, budgets.least_queries)
