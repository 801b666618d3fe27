"""The entry point to the kernels: DCA prefill, decode and cache writes on a paged K/V cache, and `attend` without one.

Arguments are checked here, once; an implementation checks only what it alone cannot compute. It is chosen by the device
of q: `cpu` for CPUs, `triton` for GPUs. `torch.compile` sees torch operators (`custom_ops`); eager callers do without.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Literal, overload

import torch
from torch import Tensor

from . import custom_ops, dispatch
from .dca import DCASpec
from .dispatch import Implementation
from .errors import KernelError
from .paged_kv import Batch, PagedKV
from .sparse.adaptive import BlockSelection, block_density
from .sparse.pattern import Pattern
from .sparse.vertical_slash import VerticalSlashSelection, density

_CACHE_DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn)


@overload
def dca_prefill(
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    sparsity: Pattern | Sequence[Pattern | None] | None = None,
    q_rotated: bool = False,
    out: Tensor | None = None,
    return_lse: Literal[False] = False,
    implementation: Implementation | None = None,
) -> Tensor: ...
@overload
def dca_prefill(
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    sparsity: Pattern | Sequence[Pattern | None] | None = None,
    q_rotated: bool = False,
    out: Tensor | None = None,
    return_lse: Literal[True],
    implementation: Implementation | None = None,
) -> tuple[Tensor, Tensor]: ...
def dca_prefill(
    q: Tensor,
    kv: PagedKV,
    batch: Batch,
    spec: DCASpec,
    *,
    sparsity: Pattern | Sequence[Pattern | None] | None = None,
    q_rotated: bool = False,
    out: Tensor | None = None,
    return_lse: bool = False,
    implementation: Implementation | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Causal attention of each sequence's last tokens to all its tokens, whose K and V are in the cache.

    Args:
        q: [N, Hq, D], the queries of all sequences, concatenated.
        kv: the cache; Hq is a multiple of its Hkv.
        batch: which queries and pages belong to which sequence. Prefill and decode may be mixed: a sequence with a
            single query is a decode step.
        sparsity: the pattern of the Hq heads, for all sequences or for each; None is dense. The keys are selected by a
            sample of the sequence's queries, so give it only to chunks much longer than `VerticalSlash.last_q`.
        q_rotated: q is already rotated at i mod S, as by a model's own rotary embedding with positions mod S.
        out: [N, Hq, D], the tensor to write to; a new one if None.
        return_lse: also return the log-sum-exp of the scaled logits.
        implementation: chosen by the device of q if None.

    Returns:
        out [N, Hq, D], of q's dtype; with `return_lse` also [N, Hq] float32. A sequence of no tokens gives 0 and -inf.

    Raises:
        KernelError: shapes, types or devices do not match, or the implementation does not support them.
    """
    _check(q, kv, spec)
    _check_batch(q, batch, spec)
    out = _out(q, out)
    lse = q.new_empty(q.shape[:2], dtype=torch.float32) if return_lse else None
    chosen, kernels = _implementation(q, implementation), _kernels()
    patterns = _per_sequence(sparsity, len(batch.lengths), q.shape[1])
    prompt = batch.prompt_lengths
    if not all(patterns):
        dense_batch = batch
        if any(patterns):  # the sparse ones are empty to this call, and written after it
            mask = torch.tensor([pattern is None for pattern in patterns], device=q.device)
            dense_batch = replace(batch, lengths=torch.where(mask, batch.lengths, 0))
        kernels.dense(chosen, q, kv, dense_batch, spec, out=out, lse=lse, q_rotated=q_rotated)
    if any(patterns):
        starts, lengths = batch.host or (batch.query_starts.tolist(), batch.lengths.tolist())
        for index, pattern in enumerate(patterns):
            rows = slice(starts[index], starts[index + 1])
            if pattern is None or rows.start == rows.stop:
                continue
            kernels.sparse(
                chosen,
                q[rows],
                kv,
                batch.block_table[index],
                lengths[index],
                spec,
                pattern,
                out=out[rows],
                lse=None if lse is None else lse[rows],
                q_rotated=q_rotated,
                prompt_length=None if prompt is None else int(prompt[index]),
            )
    return out if lse is None else (out, lse)


def dca_decode(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    lengths: Tensor,
    spec: DCASpec,
    *,
    max_length: int | None = None,
    prompt_lengths: Tensor | None = None,
    q_rotated: bool = False,
    out: Tensor | None = None,
    implementation: Implementation | None = None,
) -> Tensor:
    """Attention of one new token for each sequence.

    Args:
        q: [B, Hq, D], the last token of each sequence.
        block_table: [B, most pages] int32.
        lengths: [B] int32, including the new token.
        max_length: at least the largest of them; None reads it from the device.

    The other arguments, the result and the errors are those of `dca_prefill`.
    """
    batch = Batch(
        block_table=block_table,
        query_starts=torch.arange(len(q) + 1, dtype=torch.int32, device=q.device),
        lengths=lengths,
        max_query=1,
        max_length=int(lengths.max()) if max_length is None else max_length,
        prompt_lengths=prompt_lengths,
    )
    return dca_prefill(q, kv, batch, spec, q_rotated=q_rotated, out=out, implementation=implementation)


def dca_write(
    k: Tensor,
    v: Tensor,
    kv: PagedKV,
    slots: Tensor,
    positions: Tensor,
    spec: DCASpec,
    *,
    max_length: int | None = None,
    implementation: Implementation | None = None,
) -> None:
    """Rotate K at its positions mod S, and write K and V into the cache.

    Args:
        k, v: [N, Hkv, D], K not rotated.
        slots: [N] int64, page · page size + offset in the page; tokens with a negative one are skipped.
        positions: [N] integers, the index of each token in its sequence.
        max_length: greater than all positions; None reads it from the device.

    Raises:
        KernelError: shapes, types or devices do not match, or the implementation does not support them.
    """
    _check(k, kv, spec, "k")
    if v.shape != k.shape or k.shape[1] != kv.k.shape[2]:
        raise KernelError(f"k is {_shape(k)}, v {_shape(v)}; both are [tokens, {kv.k.shape[2]} K/V heads, head_dim]")
    if slots.shape != k.shape[:1] or positions.shape != k.shape[:1]:
        raise KernelError(f"slots are {_shape(slots)} and positions {_shape(positions)} for {k.shape[0]} tokens")
    chosen = _implementation(k, implementation)
    _kernels().write(chosen, k, v, kv, slots, positions, spec, max_length=max_length)


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    spec: DCASpec,
    *,
    start: int = 0,
    sparsity: Pattern | None = None,
    prompt_tokens: int | None = None,
    implementation: Implementation | None = None,
) -> tuple[Tensor, Tensor]:
    """Attention without a cache, with the signature of the reference, `longread.kernels.reference.attention`.

    Args:
        q: [T, Hq, D], not rotated.
        k, v: [start + T, Hkv, D], not rotated.

    Returns:
        out [T, Hq, D] of q's dtype, and the log-sum-exp of the scaled logits [T, Hq] float32.
    """
    if k.shape != v.shape or k.shape[0] != start + q.shape[0]:
        raise KernelError(
            f"k is {_shape(k)} and v {_shape(v)}; both have the {start} tokens before the queries and the {len(q)} of "
            "the queries"
        )
    length = k.shape[0]
    kv = PagedKV(torch.empty_like(k)[None], torch.empty_like(v)[None])
    tokens = torch.arange(length, device=k.device)
    dca_write(k, v, kv, tokens, tokens, spec, max_length=length, implementation=implementation)
    return dca_prefill(
        q,
        kv,
        single(len(q), length, q.device, length if prompt_tokens is None else prompt_tokens),
        spec,
        sparsity=sparsity,
        return_lse=True,
        implementation=implementation,
    )


def select(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    sparsity: Pattern,
    *,
    q_rotated: bool = False,
    implementation: Implementation | None = None,
) -> VerticalSlashSelection | BlockSelection:
    """Select the keys for sparse prefill by a sample of these queries: the first stage of a sparse `dca_prefill`.

    Args:
        q: [T, Hq, D], the last T tokens of one sequence.
        block_table: [pages] int32, the pages of that sequence.
        length: its tokens.

    Raises:
        KernelError: as for `dca_prefill`.
    """
    _check(q, kv, spec)
    _per_sequence(sparsity, 1, q.shape[1])
    chosen = _implementation(q, implementation)
    return dispatch.select(chosen, q, kv, block_table, length, spec, sparsity, q_rotated=q_rotated)


def sparse_lse(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    selection: VerticalSlashSelection | BlockSelection,
    *,
    q_rotated: bool = False,
    prompt_length: int | None = None,
    implementation: Implementation | None = None,
) -> Tensor:
    """The log-sum-exp [T, Hq] float32 over the selected keys, from which recall follows. Arguments as for `select`."""
    _check(q, kv, spec)
    heads = len(selection.chosen if isinstance(selection, BlockSelection) else selection.columns)
    if heads != q.shape[1]:
        raise KernelError(f"the selection is for {heads} heads; q has {q.shape[1]}")
    lse = q.new_empty(q.shape[:2], dtype=torch.float32)
    dispatch.attend_selected(
        _implementation(q, implementation), q, kv, block_table, length, spec, selection,
        out=torch.empty_like(q), lse=lse, q_rotated=q_rotated, prompt_length=prompt_length,
    )  # fmt: skip
    return lse


def observe(
    q: Tensor,
    kv: PagedKV,
    block_table: Tensor,
    length: int,
    spec: DCASpec,
    sparsity: Pattern,
    *,
    q_rotated: bool = False,
    prompt_length: int | None = None,
    implementation: Implementation | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Dense attention, and the recall and density that sparse attention would have had. Arguments as for `select`.

    Returns:
        out [T, Hq, D], dense; recall exp(lse_sparse - lse_dense) [Hq] float32, the mean over these queries; and the
        density, the fraction of their causal keys that sparse attention computes, [Hq] float64.
    """
    batch = replace(single(len(q), length, q.device, prompt_length), block_table=block_table[None])
    out, full = dca_prefill(q, kv, batch, spec, q_rotated=q_rotated, return_lse=True, implementation=implementation)
    options = {"q_rotated": q_rotated, "implementation": implementation}
    selection = select(q, kv, block_table, length, spec, sparsity, **options)
    found = sparse_lse(q, kv, block_table, length, spec, selection, prompt_length=prompt_length, **options)
    return out, (found - full).exp().mean(0), _density(selection, length - len(q), length)


def _density(selection: VerticalSlashSelection | BlockSelection, start: int, length: int) -> Tensor:
    if isinstance(selection, BlockSelection):
        return block_density(selection, length=length)
    return density(selection, start=start, length=length)


def single(queries: int, length: int, device: torch.device, prompt_tokens: int | None = None) -> Batch:
    """A batch of one sequence, whose K and V are one page."""

    def tensor(*values: int) -> Tensor:
        return torch.tensor(values, dtype=torch.int32, device=device)

    return Batch(
        block_table=tensor(0)[None],
        query_starts=tensor(0, queries),
        lengths=tensor(length),
        max_query=queries,
        max_length=length,
        prompt_lengths=None if prompt_tokens is None else tensor(prompt_tokens),
    )


def _kernels() -> ModuleType:
    """What computes: torch operators for a graph that `torch.compile` captures, else the kernels themselves."""
    return custom_ops if torch.compiler.is_compiling() else dispatch


def _implementation(q: Tensor, asked: Implementation | None) -> Implementation:
    if asked not in (None, "cpu", "triton"):
        raise KernelError(f"implementation is {asked!r}; it is 'cpu' or 'triton'")
    if q.device.type not in ("cpu", "cuda"):
        raise KernelError(f"q is on {q.device}; there are kernels for cpu and cuda")
    if asked == "cpu" and q.is_cuda:
        raise KernelError(f"implementation 'cpu' was asked for and q is on {q.device}")
    if asked == "triton" and not q.is_cuda and os.environ.get("TRITON_INTERPRET") != "1":
        raise KernelError("implementation 'triton' on the CPU runs in its interpreter only: set TRITON_INTERPRET=1")
    return asked or ("triton" if q.is_cuda else "cpu")


def _out(q: Tensor, out: Tensor | None) -> Tensor:
    if out is None:
        return torch.empty_like(q, memory_format=torch.contiguous_format)
    if out.shape != q.shape or out.dtype != q.dtype:
        raise KernelError(f"out is {_shape(out)} {out.dtype}; q is {_shape(q)} {q.dtype}")
    return out


def _per_sequence(
    sparsity: Pattern | Sequence[Pattern | None] | None, sequences: int, heads: int
) -> list[Pattern | None]:
    given = [sparsity] * sequences if sparsity is None or isinstance(sparsity, Pattern) else list(sparsity)
    if len(given) != sequences:
        raise KernelError(f"sparsity is given for {len(given)} sequences; the batch has {sequences}")
    for pattern in given:
        if pattern is not None and pattern.heads != heads:
            raise KernelError(f"sparsity has budgets for {pattern.heads} heads; q has {heads}")
    return given


def _check(q: Tensor, kv: PagedKV, spec: DCASpec, name: str = "q") -> None:
    if q.dim() != 3 or q.shape[2] != spec.head_dim:
        raise KernelError(f"{name} is {_shape(q)}; it is [tokens, heads, {spec.head_dim}]")
    if kv.k.dim() != 4 or kv.k.shape != kv.v.shape or kv.k.shape[3] != spec.head_dim:
        raise KernelError(
            f"the caches are {_shape(kv.k)} and {_shape(kv.v)}; both are [pages, page size, heads, {spec.head_dim}]"
        )
    if q.shape[1] % kv.k.shape[2]:
        raise KernelError(f"{name} has {q.shape[1]} heads, which is no multiple of the cache's {kv.k.shape[2]}")
    if q.dtype not in _CACHE_DTYPES[:3] or kv.k.dtype not in _CACHE_DTYPES or kv.v.dtype != kv.k.dtype:
        raise KernelError(
            f"{name} is {q.dtype}, the caches {kv.k.dtype} and {kv.v.dtype}; {name} is float32, bfloat16 or float16, "
            "and both caches are of one of these types or of float8_e4m3fn"
        )
    if not q.stride(-1) == kv.k.stride(-1) == kv.v.stride(-1) == 1:
        raise KernelError(f"head_dim is not contiguous in {name} or the caches")
    if not q.device == kv.k.device == kv.v.device:
        raise KernelError(f"{name} is on {q.device}, the caches on {kv.k.device} and {kv.v.device}")


def _check_batch(q: Tensor, batch: Batch, spec: DCASpec) -> None:
    sequences = batch.lengths.shape[0]
    if batch.block_table.dim() != 2 or batch.block_table.shape[0] != sequences:
        raise KernelError(f"block_table is {_shape(batch.block_table)} for {sequences} sequences")
    if batch.query_starts.shape != (sequences + 1,):
        raise KernelError(f"query_starts is {_shape(batch.query_starts)}; for {sequences} sequences [{sequences + 1}]")
    tensors = {
        "block_table": batch.block_table,
        "query_starts": batch.query_starts,
        "lengths": batch.lengths,
        "prompt_lengths": batch.prompt_lengths,
    }
    for name, tensor in tensors.items():
        if tensor is not None and (tensor.dtype != torch.int32 or tensor.device != q.device):
            raise KernelError(f"{name} is {tensor.dtype} on {tensor.device}; it is int32 on {q.device}")
    if spec.temperature == "prompt" and batch.prompt_lengths is None:
        raise KernelError("temperature 'prompt' needs prompt_lengths, the length of each whole prompt")


def _shape(tensor: Tensor) -> str:
    return str(list(tensor.shape))
