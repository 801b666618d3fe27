"""Vertical-slash attention in Triton against the reference, which is given the same selection."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")

from longread.kernels import reference
from longread.kernels.dca import DCASpec
from longread.kernels.errors import KernelError
from longread.kernels.sparse.vertical_slash import VerticalSlash, VerticalSlashSelection, choose
from longread.kernels.triton.dense import dense
from longread.kernels.triton.vertical_slash import sparse
from longread.kernels.triton.vertical_slash_scores import scores

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
TOLERANCE = {torch.float32: 2e-5, torch.float16: 8e-3, torch.bfloat16: 6e-2}  # see test_dense.py


def drawn(length: int, heads: int, block: int, columns: float, offsets: float, seed: int) -> VerticalSlashSelection:
    """For each head about that share of the columns and block offsets, at random."""
    random = torch.Generator().manual_seed(seed)
    blocks = -(-length // block)
    return VerticalSlashSelection.of(
        [torch.nonzero(torch.rand(length, generator=random) < columns)[:, 0] for _ in range(heads)],
        [torch.nonzero(torch.rand(blocks, generator=random) < offsets)[:, 0] for _ in range(heads)],
        length=length,
        block=block,
    )


def on_device(selection: VerticalSlashSelection, device: torch.device) -> VerticalSlashSelection:
    fields = ("columns", "column_counts", "offsets", "offset_counts", "covered")
    return VerticalSlashSelection(*(getattr(selection, name).to(device) for name in fields), selection.block)


def agree(given, selection: VerticalSlashSelection, **options) -> None:
    out, lse = given.poisoned()
    table, length = given.batch.block_table[0], given.lengths[0]
    chosen = on_device(selection, out.device)
    assert sparse(given.queries, given.kv, table, length, given.spec, chosen, out=out, lse=lse, **options) is out
    expected, log_sum = reference.attention(
        given.q[0],
        given.k[0],
        given.v[0],
        given.spec,
        start=given.starts[0],
        sparsity=selection,
        prompt_tokens=options.get("prompt_length"),
    )
    tolerance = TOLERANCE[out.dtype]
    torch.testing.assert_close(out.cpu().double(), expected, atol=tolerance, rtol=tolerance)
    torch.testing.assert_close(lse.cpu().double(), log_sum, atol=tolerance, rtol=tolerance)


@settings(max_examples=12, phases=NO_SHRINKING)
@given(
    start=st.integers(0, 170),
    queries=st.integers(1, 70),
    chunked=st.sampled_from([True, True, False]),
    block=st.sampled_from([16, 32]),
    temperature=st.sampled_from(["none", "query", "prompt"]),
    group=st.sampled_from([1, 3, 7]),
    q_rotated=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float16]),
    page_size=st.sampled_from([16, 48, 64, None]),
    columns=st.sampled_from([0.0, 0.1, 0.6]),
    offsets=st.sampled_from([0.0, 0.3, 0.8]),
    seed=st.integers(0, 100),
)
def test_it_equals_the_reference(
    problem: Callable,
    start,
    queries,
    chunked,
    block,
    temperature,
    group,
    q_rotated,
    dtype,
    page_size,
    columns,
    offsets,
    seed,
):
    spec = DCASpec(32, 10_000.0, None, 96 if chunked else None, 32, 40, temperature)
    given = problem(
        spec,
        [(start, queries)],
        heads=group,
        group=group,
        page_size=page_size or 16,
        one_page=page_size is None,
        dtype=dtype,
        q_rotated=q_rotated,
        seed=seed,
    )
    selection = drawn(start + queries, group, block, columns, offsets, seed)
    agree(given, selection, q_rotated=q_rotated, prompt_length=start + queries + 9)


def test_all_three_regions_with_several_tiles_of_columns_and_head_dim_64(problem: Callable):
    spec = DCASpec(64, 10_000.0, chunk_size=96, local_size=32)
    given = problem(spec, [(230, 50)], heads=2, group=2, page_size=64, layout="interleaved")
    agree(given, drawn(280, 2, 32, 0.7, 0.4, seed=1))


def test_float8_cache(problem: Callable):
    spec = DCASpec(32, 10_000.0, chunk_size=96, local_size=32)
    given = problem(spec, [(150, 40)], dtype=torch.float16, kv_dtype=torch.float8_e4m3fn)
    agree(given, drawn(190, 2, 32, 0.3, 0.3, seed=2))


def test_with_everything_selected_it_is_dense(problem: Callable):
    spec = DCASpec(32, 10_000.0, chunk_size=96, local_size=32)
    given = problem(spec, [(131, 70)], heads=1)
    everything = drawn(201, 1, 16, 2.0, 2.0, seed=0)
    out, lse = given.poisoned()
    table = given.batch.block_table[0]
    sparse(given.queries, given.kv, table, 201, spec, on_device(everything, out.device), out=out, lse=lse)
    dense_out, dense_lse = given.poisoned()
    dense(given.queries, given.kv, given.batch, spec, out=dense_out, lse=dense_lse)
    torch.testing.assert_close(out, dense_out, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(lse, dense_lse, atol=1e-5, rtol=1e-5)


def test_the_log_sum_exps_need_not_be_asked_for(problem: Callable):
    spec = DCASpec(32, 10_000.0)
    given = problem(spec, [(0, 40)], heads=1)
    selection = drawn(40, 1, 16, 0.3, 0.3, seed=0)
    out, lse = given.poisoned()
    chosen = on_device(selection, out.device)
    sparse(given.queries, given.kv, given.batch.block_table[0], 40, spec, chosen, out=out)
    with_lse, _ = given.poisoned()
    sparse(given.queries, given.kv, given.batch.block_table[0], 40, spec, chosen, out=with_lse, lse=lse)
    assert torch.equal(out, with_lse)


def test_blocks_must_not_straddle_chunks(problem: Callable):
    spec = DCASpec(32, 10_000.0, chunk_size=100, local_size=30)
    selection = drawn(80, 2, 16, 0.5, 0.5, seed=0)
    given = problem(spec, [(70, 10)])
    out, _ = given.poisoned()
    with pytest.raises(KernelError, match=r"70 tokens.*blocks of 16"):
        sparse(given.queries, given.kv, given.batch.block_table[0], 80, spec, selection, out=out)
    short = problem(spec, [(50, 20)])
    agree(short, drawn(70, 2, 16, 0.5, 0.5, seed=0))


def test_from_scores_to_attention(problem: Callable):
    spec = DCASpec(32, 10_000.0, None, 96, 32, 40, "query")
    given = problem(spec, [(150, 150)], heads=4, group=2)
    sparsity = VerticalSlash((60, 40, 150, 31), (110, 130, 102, 200), block=16)
    found = scores(given.queries[-64:], given.kv, given.batch.block_table[0], 300, spec)
    ours = choose(*found, sparsity)
    theirs = choose(*reference.scores(given.q[0][-64:], given.k[0], spec), sparsity)
    assert torch.equal(ours.columns.cpu(), theirs.columns)
    assert torch.equal(ours.covered.cpu(), theirs.covered)
    assert not ours.covered.all()
    agree(given, theirs)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("head_dim", "block"), [(64, 64), (128, 64), (128, 128)])
def test_as_compiled(problem: Callable, dtype, head_dim, block):
    spec = DCASpec(head_dim, 1e6, None, 1024, 256, 512, "query")
    made = problem(spec, [(1801, 700)], heads=14, group=7, page_size=128, dtype=dtype)
    agree(made, drawn(2501, 14, block, 0.2, 0.3, seed=3))
