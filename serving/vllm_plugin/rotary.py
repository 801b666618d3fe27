"""Replacement of vLLM's rotary embedding: `kernels` rotates K when it is written, and Q for each region of keys.

vLLM's own DualChunkRotaryEmbedding makes five copies of Q, and allocates its tables on CUDA on any platform.
"""

from typing import Any

from torch import Tensor
from vllm.model_executor.custom_op import CustomOp
from vllm.model_executor.layers.rotary_embedding.dual_chunk_rope import DualChunkRotaryEmbedding


@CustomOp.register_oot(name="DualChunkRotaryEmbedding")
class Unrotated(DualChunkRotaryEmbedding):
    """Passes Q and K on unchanged. `DCASpec`, from the model's config, defines their rotation."""

    def __init__(
        self,
        head_size: int,
        rotary_dim: int,
        max_position_embeddings: int,
        base: float,
        is_neox_style: bool,
        dtype: object,
        **_: Any,
    ) -> None:
        # Not the constructor of the parent, which allocates the tables.
        CustomOp.__init__(self)
        if rotary_dim != head_size or not is_neox_style:
            raise ValueError(
                f"Dual Chunk Attention rotates {rotary_dim} of {head_size} dimensions here"
                f"{'' if is_neox_style else ', in pairs of neighbours'}; longread rotates all of them, in two halves"
            )

    def forward_native(
        self, positions: Tensor, query: Tensor, key: Tensor, offsets: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return query, key

    forward_cuda = forward_native

    def extra_repr(self) -> str:
        return "rotated in attention"
