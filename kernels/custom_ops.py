"""The kernels as torch operators, `torch.ops.longread.*`, for `torch.compile`.

An operator takes tensors, numbers and text only. So `dense`, `sparse` and `write`, which have the same signatures as
in `dispatch`, take the cache, batch, spec and pattern apart, and the operators put them together again. Eager callers
have no use for that: for them `ops` calls `dispatch`.
"""

from typing import cast

import torch
from torch import Tensor

from . import dispatch
from .dca import DCASpec
from .dispatch import Implementation
from .paged_kv import Batch, PagedKV
from .sparse.pattern import Pattern, pattern_of


def dense(
    implementation: Implementation,
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    out: Tensor,
    lse: Tensor | None,
    q_rotated: bool,
) -> None:
    """`dispatch.dense`, by `dca_dense`."""
    dca_dense(
        q, kv.k, kv.v, kv.k_scale, kv.v_scale, batch.block_table, batch.query_starts, batch.lengths,
        batch.prompt_lengths, batch.max_query, batch.max_length, spec.text, q_rotated, implementation, out, lse,
    )  # fmt: skip


def sparse(
    implementation: Implementation,
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    pattern: Pattern,
    *,
    out: Tensor,
    lse: Tensor | None,
    q_rotated: bool,
    prompt_length: int | None,
) -> None:
    """`dispatch.sparse`, by `dca_sparse`."""
    dca_sparse(
        q, kv.k, kv.v, kv.k_scale, kv.v_scale, block_table, length, prompt_length, spec.text, pattern.text, q_rotated,
        implementation, out, lse,
    )  # fmt: skip


def write(
    implementation: Implementation,
    k: Tensor,
    v: Tensor,
    kv: PagedKV,
    slots: Tensor,
    positions: Tensor,
    spec: DCASpec,
    *,
    max_length: int | None,
) -> None:
    """`dispatch.write`, by `dca_write`."""
    dca_write(
        k, v, kv.k, kv.v, kv.k_scale, kv.v_scale, slots, positions, max_length, spec.text, implementation
    )  # fmt: skip


@torch.library.custom_op("longread::dca_dense", mutates_args=("out", "lse"))
def dca_dense(
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
    dispatch.dense(
        cast(Implementation, implementation),
        q,
        PagedKV(k, v, k_scale, v_scale),
        Batch(block_table, query_starts, lengths, max_query, max_length, prompt_lengths),
        DCASpec.of_text(spec),
        out=out,
        lse=lse,
        q_rotated=q_rotated,
    )


@torch.library.custom_op("longread::dca_sparse", mutates_args=("out", "lse"))
def dca_sparse(
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
    dispatch.sparse(
        cast(Implementation, implementation),
        q,
        PagedKV(k, v, k_scale, v_scale),
        block_table,
        length,
        DCASpec.of_text(spec),
        pattern_of(pattern),
        out=out,
        lse=lse,
        q_rotated=q_rotated,
        prompt_length=prompt_length,
    )


@torch.library.custom_op("longread::dca_write", mutates_args=("k_cache", "v_cache"))
def dca_write(
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
    dispatch.write(
        cast(Implementation, implementation),
        k,
        v,
        PagedKV(k_cache, v_cache, k_scale, v_scale),
        slots,
        positions,
        DCASpec.of_text(spec),
        max_length=max_length,
    )


# They only write into what they are given, so there is nothing to fake.
for _operator in (dca_dense, dca_sparse, dca_write):
    _operator.register_fake(lambda *_, **__: None)
