"""Dual Chunk Attention and sparse prefill for vLLM, which calls `register` in each of its processes.

Nothing is to be asked for: a checkpoint whose config has `dual_chunk_attention_config` gets `DualChunkBackend`, and all
others get what they had. Settings of ours go through vLLM's own `--additional-config`: see `settings.Settings`.
"""

import functools
from typing import Any

from .compatibility import refusal
from .names import SCHEDULERS, STAGE


def register() -> None:
    """The entry point of `vllm.general_plugins`. May be called again."""
    import vllm
    from vllm.config import ModelConfig, VllmConfig

    reason = refusal(vllm.__version__)
    _once(ModelConfig, "verify_dual_chunk_attention_config", functools.partial(_checking, reason))
    if reason is None:
        _once(VllmConfig, "__post_init__", _pipelining)
        from vllm.model_executor.layers.attention.attention import Attention

        from . import metrics, rotary  # noqa: F401  (the latter registers itself)

        metrics.show()
        _once(Attention, "__init__", _choosing)


def _checking(reason: str | None, original: Any) -> Any:
    """Refuse a model with Dual Chunk Attention on a vLLM that is not known, where vLLM checks its configuration."""

    @functools.wraps(original)
    def verify_dual_chunk_attention_config(self: Any, load_config: Any) -> None:
        if reason is not None and getattr(self.hf_config, "dual_chunk_attention_config", None):
            raise ValueError(reason)
        original(self, load_config)

    return verify_dual_chunk_attention_config


def _pipelining(original: Any) -> Any:
    """Give an engine with pipeline stages what keeps them busy: workers that tell their times, and our scheduler."""

    @functools.wraps(original)
    def __post_init__(self: Any, *args: Any, **kwargs: Any) -> None:
        from .settings import Asked

        original(self, *args, **kwargs)
        parallel, scheduler = self.parallel_config, self.scheduler_config
        if parallel.pipeline_parallel_size > 1:
            parallel.worker_extension_cls = parallel.worker_extension_cls or STAGE
            if scheduler.scheduler_cls is None and Asked.of(self.additional_config).chunking == "equal-time":
                scheduler.scheduler_cls = SCHEDULERS[bool(scheduler.async_scheduling)]

    return __post_init__


def _choosing(original: Any) -> Any:
    """Give the attention layers that are built with a `dual_chunk_attention_config` the backend that knows it.

    vLLM chooses a backend by platform and flag, before it looks at the layer: only here is it known which one this is.
    """

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("dual_chunk_attention_config"):
            from .backend import DualChunkBackend, check_choice

            check_choice()
            kwargs["attn_backend"] = DualChunkBackend
        original(self, *args, **kwargs)

    return __init__


def _once(owner: type, name: str, wrap: Any) -> None:
    """Replace a method by its wrapping, if that has not been done."""
    method = getattr(owner, name)
    if not hasattr(method, "_longread"):
        wrapped = wrap(method)
        wrapped._longread = True
        setattr(owner, name, wrapped)
