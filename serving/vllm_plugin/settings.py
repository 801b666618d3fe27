"""Settings of the plug-in, and the attention settings that follow from them and a model's config."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from longread.kernels import Budgets, DCASpec, KernelError

from .constants import SETTINGS


class PluginSettings(BaseModel):
    """The settings in `vllm serve --additional-config '{"longread": {...}}'`."""

    model_config = ConfigDict(extra="forbid")

    sparse: bool | None = None
    """Sparse prefill. By default on if the checkpoint has a `sparse_attention_config.json` beside its weights."""
    sparse_threshold: int | None = Field(default=None, ge=0)
    """Prompts up to this long are dense."""
    temperature: Literal["query", "none"] | None = None
    """The attention temperature beyond the trained window. By default "query" if the config names that window."""
    chunking: Literal["equal-time", "fixed"] = "equal-time"
    """With pipeline stages: chunks of a long prompt that take equal time, or of max_num_batched_tokens each."""
    decode_latency: float | None = Field(default=1.0, gt=0)
    """Seconds that the next token of a response may wait for a prompt that is read meanwhile. None: no limit."""

    @classmethod
    def of(cls, additional: Any) -> Self:
        """Read vLLM's `additional_config`.

        Raises:
            ValueError: a setting that does not exist, or with a wrong value.
        """
        try:
            return cls.model_validate(additional.get(SETTINGS, {}) if isinstance(additional, dict) else {})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"--additional-config: {'.'.join(map(str, (SETTINGS, *first['loc'])))}: {first['msg']}"
            ) from error


@dataclass(frozen=True)
class AttentionSettings:
    """What the attention of a model computes."""

    spec: DCASpec
    budgets: Budgets | None
    """None: dense prefill."""

    @classmethod
    def of(cls, config: Any, additional: Any, device: str) -> Self:
        """Combine a config, which includes the checkpoint's budgets by now, and vLLM's `additional_config`.

        Args:
            device: "cpu" or "cuda".

        Raises:
            ValueError: the plug-in's settings, the config or the budgets are invalid.
        """
        settings = PluginSettings.of(additional)
        dual_chunk = dict(config.dual_chunk_attention_config)
        if settings.sparse is not None:
            dual_chunk["sparse_attention_enabled"] = settings.sparse
        if settings.sparse_threshold is not None:
            dual_chunk["sparse_attention_threshold"] = settings.sparse_threshold
        try:
            return cls(
                DCASpec.from_config(config, temperature=settings.temperature),
                Budgets.from_config(
                    dual_chunk,
                    None,
                    layers=config.num_hidden_layers,
                    heads=config.num_attention_heads,
                    device=device,
                ),
            )
        except KernelError as error:
            raise ValueError(f"longread: {error}") from error

    @classmethod
    def of_engine(cls, config: Any) -> Self:
        """The settings of the model that a vLLM with this VllmConfig runs."""
        return cls.of(config.model_config.hf_text_config, config.additional_config, config.device_config.device_type)

    def of_rank(self, rank: int, heads: int) -> Self:
        """The settings of one tensor-parallel rank with so many query heads."""
        first = rank * heads
        return replace(self, budgets=self.budgets and self.budgets.of_heads(slice(first, first + heads)))

    def describe(self, tokens: int) -> str:
        """One line for the log. `tokens` is the largest size of a chunk."""
        spec = self.spec
        sparse = "dense prefill"
        if self.budgets is not None:
            sparse = f"sparse prefill of prompts above {self.budgets.threshold:,} tokens"
        return (
            f"Dual Chunk Attention, chunk {spec.chunk_size:,} and local {spec.local_size:,}; {sparse}; "
            f"up to {tokens:,} tokens a step; temperature {spec.temperature}"
        )
