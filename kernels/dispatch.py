"""Attention by the implementation of the caller's choice: "cpu" or "triton".

Nothing is checked here: `ops` has done that.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from .dca import DCASpec
from .paged_kv import Batch, PagedKV
from .sparse.adaptive import Adaptive, BlockSelection
from .sparse.pattern import Pattern
from .sparse.vertical_slash import VerticalSlashSelection, choose

Implementation = Literal["cpu", "triton"]


@torch.no_grad()
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
    """Dense attention of a batch. See `longread.kernels.ops.dca_prefill`."""
    functions(implementation).dense(q, kv, batch, spec, out=out, lse=lse, q_rotated=q_rotated)


@torch.no_grad()
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
    """Sparse attention of one sequence: `select`, then `attend_selected`."""
    selection = select(implementation, q, kv, block_table, length, spec, pattern, q_rotated=q_rotated)
    attend_selected(
        implementation,
        q,
        kv,
        block_table,
        length,
        spec,
        selection,
        out=out,
        lse=lse,
        q_rotated=q_rotated,
        prompt_length=prompt_length,
    )


@torch.no_grad()
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
    """Write K, rotated, and V into the cache. See `longread.kernels.ops.dca_write`."""
    functions(implementation).write(k, v, kv, slots, positions, spec, max_length=max_length)


def select(
    implementation: Implementation,
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    pattern: Pattern,
    *,
    q_rotated: bool,
) -> VerticalSlashSelection | BlockSelection:
    """The keys that these queries select. See `longread.kernels.ops.select`."""
    kernels, options = functions(implementation), {"q_rotated": q_rotated}
    if isinstance(pattern, Adaptive):
        return kernels.choose_key_blocks(q, kv, block_table, length, spec, pattern, **options)
    scores = kernels.vertical_slash_scores(q[-pattern.last_q :], kv, block_table, length, spec, **options)
    return choose(*scores, pattern)


def attend_selected(
    implementation: Implementation,
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: VerticalSlashSelection | BlockSelection,
    **options: Any,
) -> None:
    """Attention to a selection of either kind. `options` as for the implementations."""
    kernels = functions(implementation)
    attend = kernels.adaptive if isinstance(selection, BlockSelection) else kernels.vertical_slash
    attend(q, kv, block_table, length, spec, selection, **options)


class Functions(NamedTuple):
    """The functions of an implementation."""

    dense: Callable[..., object]
    vertical_slash: Callable[..., object]
    vertical_slash_scores: Callable[..., tuple[Tensor, Tensor]]
    adaptive: Callable[..., object]
    choose_key_blocks: Callable[..., BlockSelection]
    write: Callable[..., object]


@cache
def functions(implementation: Implementation) -> Functions:
    """The functions of "cpu" or "triton", which is imported here: the other one may not be installed."""
    if implementation == "cpu":
        from .cpu import adaptive, dense, vertical_slash, write_kv

        scores = vertical_slash.scores
    else:
        from .triton import adaptive, dense, vertical_slash, vertical_slash_scores, write_kv

        scores = vertical_slash_scores.scores
    return Functions(dense.dense, vertical_slash.sparse, scores, adaptive.sparse, adaptive.choose, write_kv.write)
