"""Step costs on H100s, estimated from a model's sizes and from rates.

Each rate below is documented with its source; those marked *assumed* were not measured. Costs that a GPU overlaps are
added up here (reading weights and multiplying by them), which makes chunks too expensive rather than too cheap.
"""

import math
from collections.abc import Sequence

from longread.kernels.sparse.budgets import LEAST_QUERIES, THRESHOLD
from longread.serving.models.shape import SHAPES, ModelShape
from longread.serving.pipeline.chunker import CostModel, Pipeline, Terms, Transfer

MATMUL = 0.7 * 798e12
"""FLOP/s of dense layers: an H100 multiplies large bf16 matrices at 798e12 (measured); 70% of it is assumed."""
EXPERTS = 0.4 * 798e12
"""FLOP/s of experts, whose matrices are small: assumed."""
ATTENTION = 616e12
"""FLOP/s of attention: FlashAttention-3, 16K tokens, causal, head dimension 128 (published)."""
SPARSE_GAIN = 27.8
"""The speed-up of sparse attention over a prompt of 1M tokens (arXiv 2501.15383, on an A100)."""
SPARSE_AT = 1_000_000
SCORING = 0.3 * ATTENTION
"""FLOP/s of scoring all keys with 64 queries, in two passes: assumed."""
SORTED = 5e9
"""Scores sorted per second, of columns and diagonals: assumed."""
MEMORY = 3.0e12
"""Bytes read per second (measured)."""
NVLINK = 0.8 * 450e9
"""Bytes per second from a GPU to others in its node: 80% of the link's rate is assumed."""
NETWORK = 0.8 * 50e9
"""Bytes per second and GPU between stages: one 400 Gb/s port each; 80% is assumed."""
LATENCY = 50e-6
"""The fixed seconds of a transfer: assumed."""
LAUNCH = 100e-6
"""The fixed seconds of a layer, for launching its kernels: assumed."""
ENGINE = 2e-3
"""Seconds in which the engine schedules a step and processes its results: assumed."""
CONTEXT = 16_384
"""Tokens that a decode attends to: assumed."""
BYTES = 2

TENSOR_PARALLEL = {"qwen2.5-7b-1m": 1, "qwen2.5-14b-1m": 2, "qwen3-235b-a22b": 4}
"""GPUs of one stage."""


def split(layers: int, stages: int) -> list[int]:
    """The layers of each stage, as even as possible; the longer stages come first."""
    return [layers // stages + (index < layers % stages) for index in range(stages)]


def pipeline(model: str, stages: int, *, sparse: bool, counts: Sequence[int] | None = None) -> Pipeline:
    """The stages of a model of the catalogue."""
    shape, tp = SHAPES[model], TENSOR_PARALLEL[model]
    counts = counts or split(shape.layers, stages)
    return Pipeline(
        stages=tuple(_stage(shape, layers, tp, sparse) for layers in counts),
        # The residual and what will be added to it; each GPU of a stage sends its share.
        transfer=Transfer(step=LATENCY, token=2 * shape.hidden * BYTES / tp / NETWORK) if stages > 1 else Transfer(),
    )


def allowed(model: str, stages: int, tokens: int, most: int, *, sparse: bool) -> tuple[float, float]:
    """(share, efficiency): the fixed cost of a chunk relative to a stage's work for a prompt; the possible efficiency.

    With work W and a fixed cost h per chunk, N chunks take (W + N·h)·(1 + (stages - 1)/N), least at
    N = √((stages - 1)·W/h), but memory requires a least number of chunks; one stage takes W + N·h with that number. See
    docs/internals/pipeline.md.

    Args:
        most: tokens of the largest chunk.
    """
    pace = pipeline(model, stages, sparse=sparse).paces[0]
    terms = pace.terms(sparse)
    share = (terms.step + terms.length * tokens / 2) / (terms.token * tokens + terms.past * tokens**2 / 2)
    layers, fewest = split(SHAPES[model].layers, stages), tokens / most
    chunks = max(math.sqrt((stages - 1) / share), fewest)
    scaling = (1 + fewest * share) / ((1 + chunks * share) * (1 + (stages - 1) / chunks))
    return share, sum(layers) / len(layers) / max(layers) * scaling


def _stage(shape: ModelShape, layers: int, tp: int, sparse: bool) -> CostModel:
    projections = 2 * shape.hidden * (shape.heads + shape.kv_heads) * shape.head_dim
    used = 3 * shape.hidden * (shape.intermediate * max(1, shape.experts_per_token) + shape.shared_intermediate)
    held = 3 * shape.hidden * (shape.intermediate * max(1, shape.experts) + shape.shared_intermediate)
    reduced = 2 * 2 * (tp - 1) / tp * shape.hidden * BYTES / NVLINK  # after attention and after the MLP
    token = layers * ((2 * projections / MATMUL + 2 * used / (EXPERTS if shape.experts else MATMUL)) / tp + reduced)
    kv = layers * shape.kv_per_token(tp, shape.layers, kv_bytes=BYTES) / MEMORY
    pair = layers * 4 * shape.heads * shape.head_dim / tp / ATTENTION
    step = ENGINE / 2 + layers * (LAUNCH + (projections + held) * BYTES / tp / MEMORY)
    dense = Terms(step=step, token=token, length=kv, past=pair, own=pair, decode=token + kv * CONTEXT)
    if not sparse:
        return CostModel(dense=dense, longest=SPARSE_AT)
    scores = layers * 2 * 64 * 4 * shape.heads * shape.head_dim / 2 / tp / SCORING
    sorting = layers * 2 * shape.heads / tp / SORTED
    attended = token + pair * SPARSE_AT / 2 / SPARSE_GAIN
    return CostModel(
        dense=dense,
        sparse=Terms(step=step, token=attended, length=kv + scores + sorting, decode=dense.decode),
        threshold=THRESHOLD,
        least_queries=LEAST_QUERIES,
        longest=SPARSE_AT,
    )
