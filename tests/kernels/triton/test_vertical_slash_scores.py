"""The scores of columns and diagonals in Triton against those of the reference."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")

from longread.kernels import reference
from longread.kernels.dca import DCASpec
from longread.kernels.errors import KernelError
from longread.kernels.triton.common import Tiles
from longread.kernels.triton.vertical_slash_scores import scores

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
# Shares are at most 1, and up to 64 of them are summed; a logit in float16 is off by up to 2⁻¹¹ of 8.
TOLERANCE = {torch.float32: 1e-4, torch.float16: 2e-2}


def agree(given, **options) -> None:
    table, length = given.batch.block_table[0], given.lengths[0]
    found = scores(given.queries, given.kv, table, length, given.spec, **options)
    expected = reference.scores(given.q[0], given.k[0], given.spec)
    tolerance = TOLERANCE[given.queries.dtype]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours.cpu().double(), theirs, atol=tolerance, rtol=tolerance)
        # Every query has 1 to give away.
        torch.testing.assert_close(
            ours.sum(1).cpu(), torch.full((ours.shape[0],), float(given.q[0].shape[0])), rtol=1e-5, atol=0
        )


@settings(max_examples=12, phases=NO_SHRINKING)
@given(
    start=st.integers(0, 240),
    queries=st.integers(1, 64),
    sizes=st.sampled_from([(96, 32), (100, 30), None]),
    temperature=st.sampled_from(["none", "query"]),
    group=st.sampled_from([1, 3]),
    q_rotated=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float16]),
    page_size=st.sampled_from([16, 48, 128, None]),
)
def test_they_equal_those_of_the_reference(
    problem: Callable, start, queries, sizes, temperature, group, q_rotated, dtype, page_size
):
    chunk_size, local_size = sizes or (None, 0)
    spec = DCASpec(32, 10_000.0, None, chunk_size, local_size, 40, temperature)
    given = problem(
        spec,
        [(start, queries)],
        heads=group,
        group=group,
        page_size=page_size or 16,
        one_page=page_size is None,
        dtype=dtype,
        q_rotated=q_rotated,
        layout="pairs",
    )
    agree(given, q_rotated=q_rotated)


def test_tiles_wider_than_the_queries_are_many(problem: Callable):
    agree(problem(DCASpec(64, 10_000.0, chunk_size=96, local_size=32), [(260, 20)]), tiles=Tiles(64, 128, 4, 1))


def test_float8_cache(problem: Callable):
    spec = DCASpec(32, 10_000.0, chunk_size=96, local_size=32)
    agree(problem(spec, [(150, 40)], dtype=torch.float16, kv_dtype=torch.float8_e4m3fn))


def test_more_queries_than_a_tile_has_are_refused(problem: Callable):
    given = problem(DCASpec(32, 10_000.0), [(0, 65)])
    with pytest.raises(KernelError, match="65 queries"):
        scores(given.queries, given.kv, given.batch.block_table[0], 65, given.spec)


@pytest.mark.gpu
@pytest.mark.parametrize("head_dim", [64, 128])
def test_as_compiled(problem: Callable, head_dim):
    spec = DCASpec(head_dim, 1e6, chunk_size=1024, local_size=256)
    agree(problem(spec, [(2437, 64)], heads=14, group=7, page_size=128, dtype=torch.float16))
