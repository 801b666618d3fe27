"""The one attention function of the embedded engine, registered with transformers under `NAME`.

A chunk of queries attends to everything before it and, causally, to itself. On a CPU the two parts are computed apart
and merged by their log-sum-exp: the part before the chunk needs no mask, so no work is spent on masked keys, and the
query heads of a group lie side by side as one long run of queries, so that K and V are read where they are and never
repeated. Elsewhere torch's own kernels do both.
"""

import torch
from torch import Tensor
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention

NAME = "longread"


def register() -> None:
    """Make the function known to transformers: `attn_implementation=NAME`."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, _forward)


def attend(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """Causal attention of the last T of n positions over all n, aligned at the end.

    Args:
        query: [Hq, T, D]. Query t sees keys 0 to n - T + t.
        key, value: [Hkv, n, D], n ≥ T, Hq a multiple of Hkv.
        scale: what the logits are multiplied by.

    Returns:
        [T, Hq, D]
    """
    if query.device.type == "cpu":
        return _attend_split(query, key, value, scale)
    return _attend_sdpa(query, key, value, scale)


def _forward(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[Tensor, None]:
    """transformers' interface: query [1, Hq, T, D], key and value [1, Hkv, n, D] -> [1, T, Hq, D]."""
    return attend(query[0], key[0], value[0], scaling).unsqueeze(0), None


def _attend_sdpa(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    tokens, length = query.shape[1], key.shape[1]
    mask = causal_lower_right(tokens, length) if tokens > 1 else None
    out = scaled_dot_product_attention(
        query[None], key[None], value[None], attn_mask=mask, scale=scale, enable_gqa=query.shape[0] != key.shape[0]
    )
    return out[0].transpose(0, 1)


def _attend_split(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    (heads, tokens, dim), (kv_heads, length, _) = query.shape, key.shape
    group, before = heads // kv_heads, length - tokens
    grouped = query.reshape(kv_heads, group, tokens, dim)
    packed = grouped.reshape(kv_heads, 1, group * tokens, dim)
    if tokens == 1:
        out, _ = _flash(packed, key[:, None], value[:, None], scale, causal=False)
        return out.reshape(1, heads, dim)
    # Stride 0 over the group: one K/V head seen by several query heads, not copied.
    own = (kv_heads, group, tokens, dim)
    out, lse = _flash(
        grouped, key[:, None, before:].expand(own), value[:, None, before:].expand(own), scale, causal=True
    )
    if before:
        past, past_lse = _flash(packed, key[:, None, :before], value[:, None, :before], scale, causal=False)
        share = torch.sigmoid(past_lse.reshape(kv_heads, group, tokens) - lse)  # [Hkv, G, T]
        out = torch.lerp(out, past.reshape(own), share[..., None].to(out.dtype))
    return out.permute(2, 0, 1, 3).reshape(tokens, heads, dim)


def _flash(query: Tensor, key: Tensor, value: Tensor, scale: float, *, causal: bool) -> tuple[Tensor, Tensor]:
    """torch's flash attention for CPUs, which `scaled_dot_product_attention` runs without showing the log-sum-exp.

    -> out [B, H, T, D], log-sum-exp [B, H, T]
    """
    return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, 0.0, causal, scale=scale)
