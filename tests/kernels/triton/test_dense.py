"""Dense attention in Triton against the reference."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

pytest.importorskip("triton")

from longread.kernels import reference
from longread.kernels.dca import DCASpec
from longread.kernels.errors import KernelError
from longread.kernels.ops import dca_prefill
from longread.kernels.triton.common import Tiles
from longread.kernels.triton.dense import dense

# Chunks of 64 tokens; an exact distance to the last 32 of the chunk before.
DCA = DCASpec(32, 10_000.0, chunk_size=96, local_size=32, trained_window=40)
ROPE = DCASpec(32, 10_000.0, trained_window=40)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
# In the interpreter that takes longer than anyone waits.
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)

TOLERANCE = {
    # Sums of a few hundred products, and angles whose cosine is rounded to 24 bits.
    torch.float32: 2e-5,
    # q is rounded to 11 bits once it is rotated: 2⁻¹¹ of a logit of up to 8; the weights and the output once more.
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


@settings(max_examples=14, phases=NO_SHRINKING)
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
def test_it_equals_the_reference(problem: Callable, data, dca, temperature, group, q_rotated, dtype, splits, pack):
    base = DCA if dca else ROPE
    spec = DCASpec(32, 10_000.0, None, base.chunk_size, base.local_size, 40, temperature)
    sequences = data.draw(
        st.lists(st.tuples(st.integers(0, 250), st.integers(0, 40)), min_size=1, max_size=2), "sequences"
    )
    sequences = [(start if queries else 0, queries) for start, queries in sequences] + [(233, 3)]
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
    agree(given, splits=splits, pack=pack, q_rotated=q_rotated)


@pytest.mark.parametrize("splits", [1, 4])
def test_queries_across_chunks_that_tiles_do_not_divide(problem: Callable, splits):
    spec = DCASpec(32, 10_000.0, chunk_size=80, local_size=30)
    agree(problem(spec, [(128, 90), (0, 0), (0, 110)], page_size=48, heads=1), splits=splits)


@pytest.mark.parametrize("pack", [False, True])
def test_a_tile_may_hold_more_than_a_chunk(problem: Callable, pack):
    spec = DCASpec(32, 10_000.0, chunk_size=12, local_size=5)
    agree(problem(spec, [(60, 40)], heads=3, group=3), pack=pack, tiles=Tiles(32, 16, 4, 1))


@pytest.mark.parametrize(("head_dim", "group"), [(64, 7), (128, 4)])
def test_decoding(problem: Callable, head_dim, group):
    spec = DCASpec(head_dim, 10_000.0, None, 96, 32, 40, "query")
    agree(problem(spec, [(300, 1), (40, 1), (0, 1)], heads=group, group=group, page_size=64), splits=4)


def test_one_page_however_long(problem: Callable):
    agree(problem(DCASpec(32, 10_000.0, chunk_size=96, local_size=32), [(201, 9)], one_page=True, layout="pairs"))


@pytest.mark.parametrize("splits", [1, 2])
def test_padding_is_0(problem: Callable, splits):
    agree(problem(DCASpec(32, 10_000.0, chunk_size=96, local_size=32), [(70, 1)], padding=2), splits=splits)


@pytest.mark.parametrize("splits", [1, 2])
def test_the_log_sum_exps_need_not_be_asked_for(problem: Callable, splits):
    agree(problem(DCASpec(32, 10_000.0), [(70, 3)]), lse_too=False, splits=splits)


def test_no_queries_at_all(problem: Callable):
    agree(problem(DCASpec(32, 10_000.0), [(0, 0), (0, 0)]))


@pytest.mark.parametrize("splits", [1, 4])
def test_float8_cache(problem: Callable, splits):
    spec = DCASpec(32, 10_000.0, chunk_size=96, local_size=32)
    agree(problem(spec, [(150, 20)], dtype=torch.float16, kv_dtype=torch.float8_e4m3fn), splits=splits)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("head_dim", [64, 128])
def test_as_compiled(problem: Callable, dtype, head_dim):
    spec = DCASpec(head_dim, 1e6, None, 1024, 256, 512, "query")
    made = problem(spec, [(1801, 700), (0, 1300)], heads=14, group=7, page_size=128, dtype=dtype)
    agree(made)
    agree(made, splits=4, pack=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": torch.empty(1, 2, 16)}, "out is"),
        ({"out": torch.empty(1, 32, 2).mT}, "out is not contiguous"),
        ({"spec": DCASpec(64, 10_000.0)}, r"q is \[1, 2, 32\]; .* 64"),
        ({"spec": DCASpec(32, 10_000.0, trained_window=9, temperature="prompt"), "batch": None}, "prompt_lengths"),
        ({"q": torch.empty(1, 3, 32)}, "q has 3 heads, .* no multiple of the cache's 2"),
        ({"q": torch.empty(1, 2, 32, dtype=torch.float64)}, "q is torch.float64"),
        ({"q": torch.empty(1, 2, 32, dtype=torch.float16)}, "q is torch.float16 and the caches torch.float32"),
        ({"q": torch.empty(1, 32, 2).mT}, "not contiguous in q"),
    ],
)
def test_what_cannot_be_computed_is_refused(problem: Callable, change, message):
    """By `ops` or, where only these kernels cannot compute it, here."""
    made = problem(DCASpec(32, 10_000.0), [(9, 1)])
    out = None if "q" in change else made.poisoned()[0]
    if "batch" in change:
        change = {**change, "batch": replace(made.batch, prompt_lengths=None)}
    change = {name: value.to(DEVICE) if isinstance(value, torch.Tensor) else value for name, value in change.items()}
    arguments = {"q": made.queries, "kv": made.kv, "batch": made.batch, "spec": made.spec, "out": out, **change}
    with pytest.raises(KernelError, match=message):
        dca_prefill(**arguments, implementation="triton")


def test_only_some_sizes_are_supported(problem: Callable):
    made = problem(DCASpec(16, 10_000.0), [(9, 1)])
    with pytest.raises(KernelError, match=r"head_dim is 16; .* 32, 64 and 128"):
        dca_prefill(made.queries, made.kv, made.batch, made.spec, implementation="triton")
    made = problem(DCASpec(32, 10_000.0), [(9, 1)])
    with pytest.raises(KernelError, match="splits is 3"):
        dense(made.queries, made.kv, made.batch, made.spec, out=torch.empty_like(made.queries), splits=3)
