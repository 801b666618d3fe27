"""DCA and sparse prefill for a model of transformers, in one line: `patch(model)`.

The model keeps its own code. Its rotary embedding is replaced by one that rotates at positions mod S, so any cache
holds K as DCA needs it. Its attention function is replaced by one that calls `ops`, where a query is rotated further,
from i mod S, for the regions that require it.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import torch
from torch import Tensor, nn

from .dca import DCASpec
from .errors import KernelError
from .ops import dca_prefill, observe, single
from .paged_kv import Batch, PagedKV
from .sparse.budgets import Budgets
from .sparse.pattern import Pattern

NAME = "longread"
"""The name of the attention function in transformers' registry."""

_FIELD = "longread"


def with_cache(model: nn.Module, cache: Any = None) -> dict[str, Any]:
    """The arguments with which a model of transformers reads and fills `cache`; a new `DynamicCache` if None.

    The argument is named `cache` from transformers 5.24 on, and `past_key_values` before.
    """
    if cache is None:
        from transformers import DynamicCache

        cache = DynamicCache(config=cast(Any, model).config)
    name = "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
    return {name: cache, "use_cache": True}


@dataclass
class Observation:
    """The recall and density of one layer on one chunk, when it was observed."""

    layer: int
    queries: int
    recall: Tensor
    """[Hq] exp(lse_sparse - lse_full), the mean over the chunk's queries."""
    density: Tensor
    """[Hq] the fraction of the causal keys that sparse attention computes."""


@dataclass
class Attention:
    """The attention of one layer, which `patch` attaches to it."""

    layer: int
    spec: DCASpec
    budgets: Budgets | None
    observe: Callable[[Observation], None] | None = None
    """When set, attention is dense, and this is called with what sparse attention would have missed."""

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of one sequence. q [T, Hq, D]; k, v [n, Hkv, D]; rotated at positions mod S. -> [T, Hq, D]"""
        queries, length = q.shape[0], k.shape[0]
        kv, batch = PagedKV(k[None], v[None]), _single(queries, length, q.device)
        sparsity = self.budgets.at(self.layer, queries=queries, length=length) if self.budgets else None
        if self.observe is None or sparsity is None:
            return dca_prefill(q, kv, batch, self.spec, sparsity=sparsity, q_rotated=True)
        table = batch.block_table[0]
        out, recall, shares = observe(q, kv, table, length, self.spec, sparsity, q_rotated=True, prompt_length=length)
        self.observe(Observation(self.layer, queries, recall, shares))
        return out


class Rotary(nn.Module):
    """transformers' rotary embedding, with positions mod S."""

    def __init__(self, spec: DCASpec):
        super().__init__()
        self._spec = spec

    @torch.no_grad()
    def forward(self, x: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """-> cos and sin [B, T, D] of x's dtype, for position_ids [B, T]."""
        angles = self._spec.angles(self._spec.key_positions(position_ids)).repeat(1, 1, 2)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)


def patch(model: Any, spec: DCASpec | None = None, sparsity: Budgets | Pattern | None = None) -> Any:
    """Give a causal language model of transformers DCA, and sparse prefill where it pays. -> the same model

    For models of the Qwen2, Qwen3 and Llama families: those whose base model has a `rotary_emb`, whose layers have a
    `self_attn` and no sliding window. Batches may be padded on the left. Caches that grow (`DynamicCache`, the default)
    work, also with chunked prefill. For inference only. Patching again replaces the previous patch.

    Args:
        model: in evaluation mode.
        spec: None reads it from the model's config: without `dual_chunk_attention_config`, its own RoPE.
        sparsity: the budgets of all layers, or one pattern for all of them; None is dense.

    Raises:
        KernelError: a model of another architecture, or budgets for another number of layers or heads.
    """
    config: Any = getattr(model, "config", None)
    base: Any = getattr(model, "base_model", None)
    layers = [getattr(layer, "self_attn", None) for layer in getattr(base, "layers", ())]
    if config is None or not layers or None in layers or not hasattr(base, "rotary_emb"):
        raise KernelError(
            f"{type(model).__name__} does not have the layers and the rotary embedding that patch replaces"
        )
    if any(getattr(layer, "sliding_window", None) for layer in layers):
        raise KernelError(f"{type(model).__name__} has layers with sliding windows")
    spec = spec or DCASpec.from_config(config)
    heads = config.num_attention_heads
    if isinstance(sparsity, Pattern):
        sparsity = Budgets((sparsity,) * len(layers))
    if sparsity is not None and (len(sparsity.layers) != len(layers) or sparsity.layers[0].heads != heads):
        raise KernelError(
            f"the budgets are for {len(sparsity.layers)} layers of {sparsity.layers[0].heads} heads; the model has "
            f"{len(layers)} of {heads}"
        )
    register()
    base.rotary_emb = Rotary(spec)
    for index, layer in enumerate(layers):
        setattr(layer, _FIELD, Attention(index, spec, sparsity))
    model.set_attn_implementation(NAME)
    return model


def attentions(model: Any) -> list[Attention]:
    """The attention of each layer of a patched model, to observe or to change it."""
    return [getattr(layer.self_attn, _FIELD) for layer in model.base_model.layers]


def register() -> None:
    """Register the attention function with transformers as `NAME`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _forward)
    AttentionMaskInterface.register(NAME, _padding)


def _forward(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[Tensor, None]:
    """transformers' interface: query [B, Hq, T, D], key and value [B, Hkv, n, D] -> [B, T, Hq, D]."""
    attention: Attention | None = getattr(module, _FIELD, None)
    if attention is None:
        raise KernelError(f"attention {NAME!r} is only for models prepared by longread.kernels.patch")
    q, k, v = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    if attention_mask is None:
        outs = [attention(*rows)[None] for rows in zip(q, k, v, strict=True)]
        return (outs[0] if len(outs) == 1 else torch.cat(outs)), None
    out = torch.zeros_like(q)
    for row, real in enumerate(attention_mask.sum(1).tolist()):
        queries = min(q.shape[1], real)
        if queries:
            out[row, -queries:] = attention(q[row, -queries:], k[row, -real:], v[row, -real:])
    return out, None


def _padding(*, batch_size: int, kv_length: int, attention_mask: Tensor | None = None, **_: object) -> Tensor | None:
    """transformers' interface for masks: the padding mask [B, n], or None if nothing is padded."""
    if attention_mask is None:
        return None
    mask = attention_mask[:, -kv_length:].bool()
    if mask.all():
        return None
    if not mask[:, -1].all() or (mask[:, 1:] < mask[:, :-1]).any():
        raise KernelError("attention_mask has zeros after ones; pad on the left")
    return mask


@lru_cache(maxsize=16)
def _single(queries: int, length: int, device: torch.device) -> Batch:
    """The batch of a step, which is the same for all its layers."""
    return single(queries, length, device, length)
