"""The sizes of a model from its config.json, and the bytes that each part takes. Pure Python.

Tensor parallelism (TP) splits heads and the inner dimension of MLPs; pipeline parallelism (PP) splits layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from longread.errors import ModelUnusable

_VOCABULARY_PAD = 64
"""vLLM pads the rows of an embedding to a multiple of this on each rank."""
_STREAM = 4
"""Tensors of [tokens, hidden] at the peak: the residual, the layer's input (held by its caller), the MLP's input and
output. On CPUs norms are not in place, which adds the caller's residual."""
_CPU_QUERIES = 6
"""Tensors of the size of Q that attention on CPUs needs beside Q and the output: rotated queries, and a result per
region (measured)."""
SCORE_BYTES = 60
"""Bytes per head and token while sparse prefill selects keys: 2 float32 scores, 3 masks, and the sorted indices: 4
before, 12 after, 32 for CUDA's radix sort of many rows (ATen's SortStable.cu)."""
STRETCH = 4
"""Factor by which Dual Chunk Attention extends a model's window without training (arXiv 2402.17463)."""
FAMILIES = ("llama", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe")


@dataclass(frozen=True)
class ModelShape:
    """The sizes of a Llama or Qwen decoder, dense or with a mixture of experts in every layer."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    """The inner dimension of the MLP, or of one expert."""
    vocabulary: int
    window: int
    """Tokens: max_position_embeddings."""
    tied: bool = False
    """Whether the output layer is the embedding."""
    biased: bool = False
    """Whether q, k and v have biases."""
    head_norms: bool = False
    """Whether q and k of each head are normalized, as in Qwen3."""
    experts: int = 0
    experts_per_token: int = 0
    shared_intermediate: int = 0
    """The inner dimension of the shared expert; 0 without one."""
    span: int | None = None
    """chunk_size - local_size of Dual Chunk Attention; None without it. `chunk` is chunk_size."""
    chunk: int = 0
    sparse: bool = False
    """Whether the checkpoint enables sparse prefill."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From the contents of config.json.

        Raises:
            ModelUnusable: another architecture, or a missing size.
        """
        kind = str(config.get("model_type"))
        if kind not in FAMILIES:
            raise ModelUnusable(f"A model of type {kind} is not supported. Supported: {', '.join(FAMILIES)}.")
        moe = kind.endswith("_moe")
        if moe and (config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1):
            raise ModelUnusable("A mixture of experts in only some of the layers is not supported.")
        dual_chunk = config.get("dual_chunk_attention_config") or {}
        try:
            hidden, heads = config["hidden_size"], config["num_attention_heads"]
            return cls(
                layers=config["num_hidden_layers"],
                hidden=hidden,
                heads=heads,
                kv_heads=config.get("num_key_value_heads") or heads,
                head_dim=config.get("head_dim") or hidden // heads,
                intermediate=config["moe_intermediate_size"] if moe else config["intermediate_size"],
                vocabulary=config["vocab_size"],
                window=config["max_position_embeddings"],
                tied=config.get("tie_word_embeddings", kind in ("qwen2", "qwen2_moe")),
                biased=config.get("attention_bias", kind.startswith("qwen2")),
                head_norms=kind.startswith("qwen3"),
                experts=(config.get("num_experts") or config.get("num_local_experts", 0)) if moe else 0,
                experts_per_token=config.get("num_experts_per_tok", 0) if moe else 0,
                shared_intermediate=config.get("shared_expert_intermediate_size", 0) if moe else 0,
                span=dual_chunk["chunk_size"] - dual_chunk["local_size"] if dual_chunk else None,
                chunk=dual_chunk.get("chunk_size", 0),
                sparse=dual_chunk.get("sparse_attention_enabled", bool(dual_chunk)),
            )
        except KeyError as error:
            raise ModelUnusable(f"config.json has no {error.args[0]}.") from error

    def extend_to(self, tokens: int) -> "ModelShape":
        """The model with its window extended by Dual Chunk Attention; unchanged if that is impossible or not needed."""
        if tokens <= self.window or self.span is not None or tokens > STRETCH * self.window:
            return self
        chunk, local = stretch(self.window)
        return replace(self, window=tokens, chunk=chunk, span=chunk - local)

    @property
    def parameters(self) -> int:
        """The number of weights."""
        return (
            self.layers * (self._linear(1) + self._small()) + self.hidden + self._embedding(1) * (1 if self.tied else 2)
        )

    def weights(self, tp: int, pp: int, *, bits: int = 16, linear_bits: int | None = None, cpu: bool = False) -> int:
        """Bytes on the GPU that holds most.

        Args:
            linear_bits: bits of the matrices in the layers, if those are quantized.
            cpu: whether it is a CPU, where vLLM packs the embedding and the output layer, and keeps the originals.
        """
        layers = -(-self.layers // pp)
        ends = self._embedding(tp) * ((2 if pp == 1 and not self.tied else 1) + 2 * cpu)
        matrices = layers * self._linear(tp) * (linear_bits or bits)
        return (matrices + (layers * self._small() + self.hidden + ends) * bits) // 8

    def kv_per_token(self, tp: int = 1, pp: int = 1, *, kv_bytes: int = 2) -> int:
        """Bytes of K/V cache per token on one GPU. Heads that cannot be split are on every GPU."""
        return 2 * -(-self.layers // pp) * max(1, self.kv_heads // tp) * self.head_dim * kv_bytes

    def mlp_activations(self, tokens: int, tp: int = 1, *, act_bytes: int = 2) -> int:
        """Bytes of an MLP's intermediate activations (gate and up) for this many tokens at once.

        The 71 GB (in fact GiB) in the blog post of Qwen2.5-1M for a million tokens of the 7B model are this.
        """
        return tokens * 2 * self._inner() // tp * act_bytes

    def activations(self, tokens: int, tp: int, pp: int = 1, *, act_bytes: int = 2, cpu: bool = False) -> int:
        """Bytes at the peak of a layer, in its MLP or its attention, for a chunk of this many tokens.

        For an eager forward pass; a compiled one takes less.
        """
        # The residual stream in a layer, and the buffers that receive the previous stage's results.
        stream = (_STREAM + cpu + 2 * (pp > 1)) * tokens * self.hidden * act_bytes
        halves = self.mlp_activations(tokens, tp, act_bytes=act_bytes)  # gate and up
        mlp = halves + (halves if cpu else halves // 2)  # their product; a CPU also holds silu(gate)
        if self.experts:  # the outputs of each token's experts, and their sum
            mlp += tokens * (self.experts_per_token + 1) * self.hidden * act_bytes
        queries = (2 + _CPU_QUERIES * cpu) * self.heads
        heads = (queries + 2 * max(self.kv_heads, tp)) * self.head_dim // tp
        return stream + max(mlp, tokens * heads * act_bytes)

    def attention(self, tokens: int, tp: int) -> int:
        """Bytes that our attention takes beside its results for prompts of this many tokens: rotation tables, and for
        sparse prefill the scores of all columns and diagonals and the buffers of sorting them."""
        positions = tokens if self.span is None or tokens <= self.span else self.span + self.chunk
        # Cosines and sines up to a power of two. The tables of shorter prompts, half as long and so on, are kept.
        tables = 2 * 2 * (1 << max(positions - 1, 1).bit_length()) * self.head_dim // 2 * 4
        scores = SCORE_BYTES * self.heads // tp * tokens if self.sparse else 0
        return tables + scores

    def tensor_parallel_sizes(self) -> list[int]:
        """The sizes that split all heads evenly, without copies of K/V heads."""
        return [
            size
            for size in range(1, self.kv_heads + 1)
            if not (self.kv_heads % size or self.heads % size or self.intermediate % size)
        ]

    def _inner(self) -> int:
        """The inner dimension of all experts that one token goes through."""
        return self.intermediate * max(1, self.experts_per_token) + self.shared_intermediate

    def _linear(self, tp: int) -> int:
        """Parameters of a layer's matrices on one rank."""
        queries = self.hidden * self.heads * self.head_dim // tp
        keys = self.hidden * max(1, self.kv_heads // tp) * self.head_dim
        mlp = 3 * self.hidden * self.intermediate // tp * max(1, self.experts)
        return 2 * queries + 2 * keys + mlp + 3 * self.hidden * self.shared_intermediate // tp

    def _small(self) -> int:
        """Parameters of a layer that are not quantized: norms, biases and the router."""
        biases = (self.heads + 2 * self.kv_heads) * self.head_dim if self.biased else 0
        norms = 2 * self.hidden + (2 * self.head_dim if self.head_norms else 0)
        router = self.hidden * self.experts + (self.hidden if self.shared_intermediate else 0)
        return biases + norms + router

    def _embedding(self, tp: int) -> int:
        rows = self.vocabulary if tp == 1 else -(-self.vocabulary // tp // _VOCABULARY_PAD) * _VOCABULARY_PAD
        return rows * self.hidden


def stretch(window: int) -> tuple[int, int]:
    """(chunk_size, local_size) of Dual Chunk Attention for a model that was not trained with it."""
    return window, window // 8


_QWEN3_MOE = {
    "kv_heads": 4,
    "head_dim": 128,
    "vocabulary": 151_936,
    "window": 1_010_000,  # with config_1m.json as config.json
    "head_norms": True,
    "experts": 128,
    "experts_per_token": 8,
}
_DCA = {"span": 253_952, "chunk": 262_144, "sparse": True}

SHAPES = {
    "qwen2.5-7b-1m": ModelShape(28, 3584, 28, 4, 128, 18_944, 152_064, 1_010_000, biased=True, **_DCA),
    "qwen2.5-14b-1m": ModelShape(48, 5120, 40, 8, 128, 13_824, 152_064, 1_010_000, biased=True, **_DCA),
    "qwen3-30b-a3b": ModelShape(48, 2048, 32, intermediate=768, **_QWEN3_MOE, **_DCA),
    "qwen3-235b-a22b": ModelShape(94, 4096, 64, intermediate=1536, **_QWEN3_MOE, **_DCA),
}
"""Shapes of the catalogue's models with a window of a million tokens, so that planning needs no download."""
