"""What a model is made of, from its config alone, and the bytes that each part takes. Pure Python.

Tensor parallelism (TP) shares out heads and the inner dimension of MLPs; pipeline parallelism (PP) shares out layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from .errors import ModelUnusable

_VOCABULARY_PAD = 64
"""vLLM rounds the rows of an embedding up to a multiple of this on each rank."""
_STREAM = 4
"""Copies of [tokens, hidden] at the peak: the residual, a layer's input, which its caller holds, the MLP's input and
output. On CPUs, where norms do not work in place, the caller's residual is another."""
_CPU_QUERIES = 6
"""Copies of Q that attention on CPUs makes beside Q and the output: rotated, and a result a region (measured)."""
SCORE_BYTES = 60
"""Of one head and token, while sparse prefill selects: 2 float32 scores, 3 masks, and the indices, which are sorted:
4 before, 12 after, 32 for what CUDA's radix sort of many rows holds (ATen's SortStable.cu)."""
STRETCH = 4
"""Times its own window that Dual Chunk Attention takes a model to without training (arXiv 2402.17463)."""
FAMILIES = ("llama", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe")


@dataclass(frozen=True)
class ModelShape:
    """A decoder of the Llama and Qwen families, dense or with a mixture of experts in every layer."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    """Of the MLP; with experts, of one expert."""
    vocabulary: int
    window: int
    """max_position_embeddings."""
    tied: bool = False
    """Whether the output layer is the embedding."""
    biased: bool = False
    """Whether q, k and v have biases."""
    head_norms: bool = False
    """Whether q and k of each head are normalized, as in Qwen3."""
    experts: int = 0
    experts_per_token: int = 0
    shared_intermediate: int = 0
    """Of the expert that every token goes to, if there is one."""
    span: int | None = None
    """S of Dual Chunk Attention, and `chunk`, if the model has it."""
    chunk: int = 0
    sparse: bool = False
    """Whether it comes with sparse prefill."""

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """From the contents of config.json.

        Raises:
            ModelUnusable: another architecture, or a size that is missing.
        """
        kind = str(config.get("model_type"))
        if kind not in FAMILIES:
            raise ModelUnusable(f"a {kind} model cannot be planned for; these can: {', '.join(FAMILIES)}")
        moe = kind.endswith("_moe")
        if moe and (config.get("mlp_only_layers") or config.get("decoder_sparse_step", 1) != 1):
            raise ModelUnusable("a mixture of experts in some layers only cannot be planned for")
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
            raise ModelUnusable(f"config.json has no {error.args[0]}") from error

    def stretched(self, tokens: int) -> "ModelShape":
        """The same model, taken to so many tokens by Dual Chunk Attention; itself where that is not to be done."""
        if tokens <= self.window or self.span is not None or tokens > STRETCH * self.window:
            return self
        chunk, local = stretch(self.window)
        return replace(self, window=tokens, chunk=chunk, span=chunk - local)

    @property
    def parameters(self) -> int:
        """All weights."""
        return (
            self.layers * (self._linear(1) + self._small()) + self.hidden + self._embedding(1) * (1 if self.tied else 2)
        )

    def weights(self, tp: int, pp: int, *, bits: int = 16, linear_bits: int | None = None, cpu: bool = False) -> int:
        """Bytes on the GPU that holds most.

        Args:
            linear_bits: of the matrices in the layers, where those are quantized.
            cpu: on which vLLM packs both the embedding and the output layer, and keeps them as they were, too.
        """
        layers = -(-self.layers // pp)
        ends = self._embedding(tp) * ((2 if pp == 1 and not self.tied else 1) + 2 * cpu)
        matrices = layers * self._linear(tp) * (linear_bits or bits)
        return (matrices + (layers * self._small() + self.hidden + ends) * bits) // 8

    def kv_per_token(self, tp: int = 1, pp: int = 1, *, kv_bytes: int = 2) -> int:
        """Bytes of K/V cache of one token on one GPU. Heads that cannot be shared out are on every one."""
        return 2 * -(-self.layers // pp) * max(1, self.kv_heads // tp) * self.head_dim * kv_bytes

    def mlp_activations(self, tokens: int, tp: int = 1, *, act_bytes: int = 2) -> int:
        """Bytes between the two halves of an MLP, gate and up, for so many tokens at once.

        The 71 GB (GiB, to be exact) that Qwen2.5-1M's blog gives for a million tokens of the 7B are this.
        """
        return tokens * 2 * self._inner() // tp * act_bytes

    def activations(self, tokens: int, tp: int, pp: int = 1, *, act_bytes: int = 2, cpu: bool = False) -> int:
        """Bytes at the peak of a layer, for a chunk of so many tokens: in its MLP, or in its attention.

        Of a forward pass as it is written; compiled, it takes less.
        """
        # What vLLM holds of the stream in a layer, and the buffers for what comes from the stage before.
        stream = (_STREAM + cpu + 2 * (pp > 1)) * tokens * self.hidden * act_bytes
        halves = self.mlp_activations(tokens, tp, act_bytes=act_bytes)  # gate and up
        mlp = halves + (halves if cpu else halves // 2)  # their product; a CPU has silu(gate) beside it
        if self.experts:  # the outputs of each token's experts, and their sum
            mlp += tokens * (self.experts_per_token + 1) * self.hidden * act_bytes
        queries = (2 + _CPU_QUERIES * cpu) * self.heads
        heads = (queries + 2 * max(self.kv_heads, tp)) * self.head_dim // tp
        return stream + max(mlp, tokens * heads * act_bytes)

    def attention(self, tokens: int, tp: int) -> int:
        """Bytes that our attention takes beside its results, at prompts of so many tokens: rotation tables, and for
        sparse prefill the scores of all columns and diagonals with what sorting them takes."""
        positions = tokens if self.span is None or tokens <= self.span else self.span + self.chunk
        # Cosines and sines, up to a power of two; those of shorter prompts, half as long and so on, stay beside them.
        tables = 2 * 2 * (1 << max(positions - 1, 1).bit_length()) * self.head_dim // 2 * 4
        scores = SCORE_BYTES * self.heads // tp * tokens if self.sparse else 0
        return tables + scores

    def tensor_parallel_sizes(self) -> list[int]:
        """Those that share out every head, without copies of K/V heads."""
        return [
            size
            for size in range(1, self.kv_heads + 1)
            if not (self.kv_heads % size or self.heads % size or self.intermediate % size)
        ]

    def _inner(self) -> int:
        """The inner dimension of all that one token goes through in an MLP."""
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
    """chunk_size and local_size of Dual Chunk Attention for a model that was not trained for it."""
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
"""Of the catalogue's models with a window of a million tokens: planning for them needs no download."""
