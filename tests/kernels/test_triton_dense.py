"""Dense attention in Triton against the oracle."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")

from longread.kernels import reference
from longread.kernels.dca import DCASpec
from longread.kernels.errors import KernelError
from longread.kernels.triton.common import Tiles
from longread.kernels.triton.dense import dense

# Chunks of 64 tokens; an exact distance to the last 32 of the chunk before.
DCA = DCASpec(32, 10_000.0, chunk_size=96, local_size=32, trained_window=40)
ROPE = DCASpec(32, 10_000.0, trained_window=40)
SMALL = Tiles(16, 16, 4, 1)

TOLERANCE = {
    # Sums of a few hundred products, and angles whose cosine is rounded to 24 bits.
    torch.float32: 2e-5,
    # q is rounded to 11 bits once it has turned: 2⁻¹¹ of a logit of up to 8; the weights and the output once more.
    torch.float16: 8e-3,
    torch.bfloat16: 6e-2,
}


def agree(given, lse_too: bool = True, **options) -> None:
    out, lse = given.poisoned()
    returned = dense(given.queries, given.kv, given.batch, given.spec, out=out, lse=lse if lse_too else None, **options)
    assert returned is out
    place, tolerance = 0, TOLERANCE[given.queries.dtype]
    for start, q, k, v in zip(given.starts, given.q, given.k, given.v, strict=True):
        queries = slice(place, place + q.shape[0])
        place = queries.stop
        if not q.shape[0]:
            continue
        expected, log_sum = reference.attention(q, k, v, given.spec, start=start, prompt_tokens=k.shape[0] + 7)
        torch.testing.assert_close(out[queries].cpu().double(), expected, atol=tolerance, rtol=tolerance)
        if lse_too:
            torch.testing.assert_close(lse[queries].cpu().double(), log_sum, atol=tolerance, rtol=tolerance)
    assert not out[place:].any()
    assert not lse_too or torch.isneginf(lse[place:]).all()


@settings(max_examples=25, deadline=None)
@given(
    data=st.data(),
    dca=st.booleans(),
    temperature=st.sampled_from(["none", "query", "prompt"]),
    group=st.sampled_from([1, 3, 7]),
    q_rotated=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float16]),
    splits=st.sampled_from([1, 1, 2, 4]),
    pack=st.booleans(),
)
def test_it_is_the_oracle(problem: Callable, data, dca, temperature, group, q_rotated, dtype, splits, pack):
    base = DCA if dca else ROPE
    spec = DCASpec(32, 10_000.0, None, base.chunk_size, base.local_size, 40, temperature)
    sequences = data.draw(
        st.lists(st.tuples(st.integers(0, 150), st.integers(0, 50)), min_size=1, max_size=3), "sequences"
    )
    sequences = [(start if queries else 0, queries) for start, queries in sequences] + [(133, 3)]
    layout = data.draw(st.sampled_from(["split", "pairs", "interleaved"]), "layout")
    page_size = data.draw(st.sampled_from([16, 48, 64, 128]), "page size")
    given = problem(
        spec,
        sequences,
        heads=group,
        group=group,
        page_size=page_size,
        dtype=dtype,
        layout=layout,
        q_rotated=q_rotated,
    )
    agree(given, splits=splits, pack=pack)
