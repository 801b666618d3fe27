"""What runs for one model: from its config, and from what the user asked for."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ...kernels import Budgets, DCASpec, KernelError
from .names import SETTINGS


class Asked(BaseModel):
    """The settings that `vllm serve --additional-config '{"longread": {...}}'` takes."""

    model_config = ConfigDict(extra="forbid")

    sparse: bool | None = None
    """Sparse prefill. By default as the checkpoint says: with `sparse_attention_config.json` beside its weights."""
    sparse_threshold: int | None = Field(default=None, ge=0)
    """Prompts up to this long are dense."""
    temperature: Literal["query", "none"] | None = None
    """Of attention beyond the trained window. By default "query" for a model whose config names that window."""
    chunking: Literal["equal-time", "fixed"] = "equal-time"
    """With pipeline stages: chunks of a long prompt that take the same time, or of max_num_batched_tokens each."""
    decode_latency: float | None = Field(default=1.0, gt=0)
    """Seconds that an answer's next token may be held up by a prompt that is read meanwhile. None: without limit."""

    @classmethod
    def of(cls, additional: Any) -> Self:
        """From vLLM's `additional_config`.

        Raises:
            ValueError: with what is wrong.
        """
        try:
            return cls.model_validate(additional.get(SETTINGS, {}) if isinstance(additional, dict) else {})
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(
                f"--additional-config: {'.'.join(map(str, (SETTINGS, *first['loc'])))}: {first['msg']}"
            ) from error


@dataclass(frozen=True)
class Settings:
    """What the attention of a model computes.

    Raises:
        ValueError: when made, with what does not fit.
    """

    spec: DCASpec
    budgets: Budgets | None
    """None: dense prefill."""

    @classmethod
    def of(cls, config: Any, additional: Any, device: str) -> Self:
        """From a config, into which vLLM has put the checkpoint's budgets, and from vLLM's `additional_config`.

        Args:
            device: "cpu" or "cuda".
        """
        asked = Asked.of(additional)
        dual_chunk = dict(config.dual_chunk_attention_config)
        if asked.sparse is not None:
            dual_chunk["sparse_attention_enabled"] = asked.sparse
        if asked.sparse_threshold is not None:
            dual_chunk["sparse_attention_threshold"] = asked.sparse_threshold
        try:
            return cls(
                DCASpec.from_config(config, temperature=asked.temperature),
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
        """Of the model that a vLLM with this VllmConfig builds or runs."""
        return cls.of(config.model_config.hf_text_config, config.additional_config, config.device_config.device_type)

    def of_rank(self, rank: int, heads: int) -> Self:
        """What one tensor-parallel rank of so many query heads computes."""
        first = rank * heads
        return replace(self, budgets=self.budgets and self.budgets.of_heads(slice(first, first + heads)))

    def describe(self, tokens: int) -> str:
        """One line for the log. `tokens`: the most of a chunk."""
        spec = self.spec
        sparse = "dense prefill"
        if self.budgets is not None:
            sparse = f"sparse prefill of prompts above {self.budgets.threshold:,} tokens"
        return (
            f"Dual Chunk Attention, chunk {spec.chunk_size:,} and local {spec.local_size:,}; {sparse}; "
            f"up to {tokens:,} tokens a step; temperature {spec.temperature}"
        )
