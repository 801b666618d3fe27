"""Dual Chunk Attention and sparse prefill for vLLM, which calls `register` in each of its processes.

No configuration is needed: a checkpoint whose config has `dual_chunk_attention_config` gets `DualChunkBackend`; other
models are unaffected. Settings are passed with vLLM's own `--additional-config`: see `settings.PluginSettings`.
"""

import functools
from typing import Any

from .compatibility import refusal
from .constants import SCHEDULERS, STAGE


def register() -> None:
    """The entry point in `vllm.general_plugins`. It may be called more than once."""
    import vllm
    from vllm.config import ModelConfig, VllmConfig

    reason = refusal(vllm.__version__)
    _once(ModelConfig, "verify_dual_chunk_attention_config", functools.partial(_refuse_dual_chunk, reason))
    if reason is None:
        _once(VllmConfig, "__post_init__", _configure_pipeline)
        from vllm.model_executor.layers.attention.attention import Attention

        from . import metrics, rotary  # noqa: F401  (rotary registers itself)

        metrics.show()
        _once(Attention, "__init__", _choose_backend)


def _refuse_dual_chunk(reason: str | None, original: Any) -> Any:
    """Refuse a model with Dual Chunk Attention on an unsupported vLLM, where vLLM checks its configuration."""

    @functools.wraps(original)
    def verify_dual_chunk_attention_config(self: Any, load_config: Any) -> None:
        if reason is not None and getattr(self.hf_config, "dual_chunk_attention_config", None):
            raise ValueError(reason)
        original(self, load_config)

    return verify_dual_chunk_attention_config


def _configure_pipeline(original: Any) -> Any:
    """Give an engine with pipeline stages workers that measure their steps, and the scheduler that balances them."""

    @functools.wraps(original)
    def __post_init__(self: Any, *args: Any, **kwargs: Any) -> None:
        from .settings import PluginSettings

        original(self, *args, **kwargs)
        parallel, scheduler = self.parallel_config, self.scheduler_config
        if parallel.pipeline_parallel_size > 1:
            parallel.worker_extension_cls = parallel.worker_extension_cls or STAGE
            if scheduler.scheduler_cls is None and PluginSettings.of(self.additional_config).chunking == "equal-time":
                scheduler.scheduler_cls = SCHEDULERS[bool(scheduler.async_scheduling)]

    return __post_init__


def _choose_backend(original: Any) -> Any:
    """Give attention layers that are built with a `dual_chunk_attention_config` the backend that implements it.

    vLLM chooses a backend by platform and flag, before it looks at the layer: only here is the layer known.
    """

    @functools.wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("dual_chunk_attention_config"):
            from .attention import DualChunkBackend, check_choice

            check_choice()
            kwargs["attn_backend"] = DualChunkBackend
        original(self, *args, **kwargs)

    return __init__


def _once(owner: type, name: str, wrap: Any) -> None:
    """Replace a method by its wrapper, unless that has been done."""
    method = getattr(owner, name)
    if not hasattr(method, "_longread"):
        wrapped = wrap(method)
        wrapped._longread = True
        setattr(owner, name, wrapped)
