"""The kernels as torch operators, `torch.ops.longread.*`, with fake kernels, so that `torch.compile` passes through.

`ops` checks what it hands them.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from .dca import DCASpec
from .paged import Batch, PagedKV
from .selection import Selection, Sparsity, choose


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
    vertical: list[int],
    slash: list[int],
    last_q: int,
    block: int,
    q_rotated: bool,
    implementation: str,
    out: Tensor,
    lse: Tensor | None,
) -> None:
    kv, dca = PagedKV(k, v, k_scale, v_scale), DCASpec.of_text(spec)
    sparsity = Sparsity(tuple(vertical), tuple(slash), last_q, block)
    functions(implementation).sparse(
        q,
        kv,
        block_table,
        length,
        dca,
        select(implementation, q, kv, block_table, length, dca, sparsity, q_rotated=q_rotated),
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


def select(
    implementation: str,
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    sparsity: Sparsity,
    *,
    q_rotated: bool,
) -> Selection:
    """What the last of these queries choose. See `longread.kernels.ops.select`."""
    scores = functions(implementation).scores
    return choose(*scores(q[-sparsity.last_q :], kv, block_table, length, spec, q_rotated=q_rotated), sparsity)


class Functions(NamedTuple):
    """What an implementation has."""

    dense: Callable[..., object]
    sparse: Callable[..., object]
    scores: Callable[..., tuple[Tensor, Tensor]]
    write: Callable[..., object]


@cache
def functions(implementation: str) -> Functions:
    """Of "cpu" or "triton"; imported when first used."""
    if implementation == "cpu":
        from . import cpu

        return Functions(cpu.dense, cpu.sparse, cpu.scores, cpu.write)
    from .triton import cache, dense, scoring, sparse

    return Functions(dense.dense, sparse.sparse, scoring.scores, cache.write)
