"""The kernels as torch operators, `torch.ops.longread.*`, with fake kernels, so that `torch.compile` passes through.

`ops` checks what it hands them.
"""

import json
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from .adaptive import Adaptive, BlockSelection
from .dca import DCASpec
from .paged import Batch, PagedKV
from .selection import Selection, Sparsity, choose

Pattern = Sparsity | Adaptive
"""How sparse the heads of a layer are, by one method or the other."""


@torch.library.custom_op("longread::dca_dense", mutates_args=("out", "lse"))
def dense(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    k_scale: float,
    v_scale: float,
    block_table: Tensor,
    query_starts: Tensor,
    lengths: Tensor,
    prompt_lengths: Tensor | None,
    max_query: int,
    max_length: int,
    spec: str,
    q_rotated: bool,
    implementation: str,
    out: Tensor,
    lse: Tensor | None,
) -> None:
    batch = Batch(block_table, query_starts, lengths, max_query, max_length, prompt_lengths)
    functions(implementation).dense(
        q, PagedKV(k, v, k_scale, v_scale), batch, DCASpec.of_text(spec), out=out, lse=lse, q_rotated=q_rotated
    )


@torch.library.custom_op("longread::dca_sparse", mutates_args=("out", "lse"))
def sparse(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    k_scale: float,
    v_scale: float,
    block_table: Tensor,
    length: int,
    prompt_length: int | None,
    spec: str,
    pattern: str,
    q_rotated: bool,
    implementation: str,
    out: Tensor,
    lse: Tensor | None,
) -> None:
    kv, dca = PagedKV(k, v, k_scale, v_scale), DCASpec.of_text(spec)
    attend_selected(
        implementation,
        q,
        kv,
        block_table,
        length,
        dca,
        select(implementation, q, kv, block_table, length, dca, pattern_of(pattern), q_rotated=q_rotated),
        out=out,
        lse=lse,
        q_rotated=q_rotated,
        prompt_length=prompt_length,
    )


@torch.library.custom_op("longread::dca_write", mutates_args=("k_cache", "v_cache"))
def write(
    k: Tensor,
    v: Tensor,
    k_cache: Tensor,
    v_cache: Tensor,
    k_scale: float,
    v_scale: float,
    slots: Tensor,
    positions: Tensor,
    max_length: int | None,
    spec: str,
    implementation: str,
) -> None:
    kv = PagedKV(k_cache, v_cache, k_scale, v_scale)
    functions(implementation).write(k, v, kv, slots, positions, DCASpec.of_text(spec), max_length=max_length)


# They only write into what they are given, so there is nothing to fake.
for _operator in (dense, sparse, write):
    _operator.register_fake(lambda *_, **__: None)


@lru_cache(maxsize=256)
def pattern_of(text: str) -> Pattern:
    """From its `text`."""
    return Adaptive.of_text(text) if "keep" in json.loads(text) else Sparsity.of_text(text)


def select(
    implementation: str,
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    pattern: Pattern,
    *,
    q_rotated: bool,
) -> Selection | BlockSelection:
    """What these queries choose. See `longread.kernels.ops.select`."""
    among = {"q_rotated": q_rotated}
    if isinstance(pattern, Adaptive):
        return functions(implementation).choose(q, kv, block_table, length, spec, pattern, **among)
    scores = functions(implementation).scores
    return choose(*scores(q[-pattern.last_q :], kv, block_table, length, spec, **among), pattern)


def attend_selected(
    implementation: str,
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: Selection | BlockSelection,
    **options: Any,
) -> None:
    """Attention to a selection of either kind. `options` as for the implementations."""
    found = functions(implementation)
    attend = found.blocks if isinstance(selection, BlockSelection) else found.sparse
    attend(q, kv, block_table, length, spec, selection, **options)


class Functions(NamedTuple):
    """What an implementation has."""

    dense: Callable[..., object]
    sparse: Callable[..., object]
    scores: Callable[..., tuple[Tensor, Tensor]]
    blocks: Callable[..., object]
    choose: Callable[..., BlockSelection]
    write: Callable[..., object]


@cache
def functions(implementation: str) -> Functions:
    """Of "cpu" or "triton"; imported when first used."""
    if implementation == "cpu":
        from .cpu import blocks, cache, dense, sparse

        return Functions(dense.dense, sparse.sparse, sparse.scores, blocks.sparse, blocks.choose, cache.write)
    from .triton import blocks, cache, dense, scoring, sparse

    return Functions(dense.dense, sparse.sparse, scoring.scores, blocks.sparse, blocks.choose, cache.write)
