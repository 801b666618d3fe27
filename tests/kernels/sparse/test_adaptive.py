"""Adaptive sparsity: what is selected, and every implementation against the reference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

pytest.importorskip("triton")

from longread.kernels import Adaptive, Budgets, DCASpec, KernelError, VerticalSlash, attend, dca_prefill, reference
from longread.kernels.calibrate import Recall, refine
from longread.kernels.ops import Implementation, observe, select, sparse_lse
from longread.kernels.sparse.adaptive import SINK, BlockSelection, block_density, choose_blocks, halves, probe_positions

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
SPEC = DCASpec(32, 10_000.0, chunk_size=96, local_size=32)


def patterns(heads: int, query_blocks: tuple[int, ...], key_blocks: tuple[int, ...]) -> st.SearchStrategy[Adaptive]:
    return st.builds(
        Adaptive,
        st.tuples(*[st.sampled_from((0.2, 0.6, 0.9, 1.0))] * heads),
        probes=st.sampled_from((2, 3, 16)),
        query_block=st.sampled_from(query_blocks),
        key_block=st.sampled_from(key_blocks),
    )


def agree(made: Any, pattern: Adaptive, implementation: Implementation, **options: Any) -> None:
    out, lse = made.poisoned()
    start, length = made.starts[0], made.lengths[0]
    expected, log_sum = reference.attention(
        made.q[0], made.k[0], made.v[0], made.spec, start=start, sparsity=pattern, prompt_tokens=length + 7
    )
    found, sums = dca_prefill(
        made.queries, made.kv, made.batch, made.spec, sparsity=pattern, out=out, return_lse=True,
        implementation=implementation, **options,
    )  # fmt: skip
    assert found is out
    assert not lse.isfinite().any()
    torch.testing.assert_close(out.cpu().double(), expected, atol=2e-5, rtol=2e-5)
    torch.testing.assert_close(sums.cpu().double(), log_sum, atol=2e-5, rtol=2e-5)


@settings(max_examples=40, phases=NO_SHRINKING, derandomize=True)
@given(
    start=st.integers(0, 300),
    queries=st.integers(1, 200),
    chunk=st.sampled_from([96, 96, 101, None]),
    temperature=st.sampled_from(["none", "query", "prompt"]),
    group=st.sampled_from([1, 3]),
    q_rotated=st.booleans(),
    page_size=st.sampled_from([16, 48, None]),
    layout=st.sampled_from(["split", "interleaved", "pairs"]),
    pattern=patterns(6, (16, 32, 64), (1, 1, 16)),
)
def test_the_cpu_implementation_equals_the_reference(
    problem: Callable[..., Any], start, queries, chunk, temperature, group, q_rotated, page_size, layout, pattern
) -> None:
    spec = DCASpec(32, 10_000.0, None, chunk, 32 if chunk else 0, 40, temperature)
    made = problem(
        spec, [(start, queries)], heads=6, group=group, page_size=page_size or 16, one_page=page_size is None,
        layout=layout, q_rotated=q_rotated, seed=queries,
    )  # fmt: skip
    agree(made, pattern, "cpu", q_rotated=q_rotated)


@settings(max_examples=10, phases=NO_SHRINKING, derandomize=True)
@given(
    start=st.integers(0, 250),
    queries=st.integers(1, 60),
    chunked=st.sampled_from([True, True, False]),
    temperature=st.sampled_from(["none", "query", "prompt"]),
    q_rotated=st.booleans(),
    page_size=st.sampled_from([16, 48, 64, None]),
    pattern=patterns(3, (16, 32), (16,)),
)
def test_the_triton_implementation_equals_the_reference(
    problem: Callable[..., Any], start, queries, chunked, temperature, q_rotated, page_size, pattern
) -> None:
    spec = DCASpec(32, 10_000.0, None, 96 if chunked else None, 32, 40, temperature)
    made = problem(
        spec, [(start, queries)], heads=3, group=3, page_size=page_size or 16, one_page=page_size is None,
        q_rotated=q_rotated, seed=queries,
    )  # fmt: skip
    agree(made, pattern, "triton", q_rotated=q_rotated)


@pytest.mark.parametrize(
    ("chunk", "pattern", "message"),
    [
        (96, Adaptive.uniform(2, 0.9, query_block=64, key_block=1), "query_block is 64 and key_block 1;"),
        (100, Adaptive.uniform(2, 0.9, query_block=32, key_block=16), "chunks have 68 tokens, which blocks of 32 do"),
    ],
)
def test_blocks_that_are_no_tiles(problem: Callable[..., Any], chunk: int, pattern: Adaptive, message: str) -> None:
    made = problem(DCASpec(32, 10_000.0, chunk_size=chunk, local_size=32), [(100, 40)])
    with pytest.raises(KernelError, match=message):
        dca_prefill(made.queries, made.kv, made.batch, made.spec, sparsity=pattern, implementation="triton")


@pytest.mark.parametrize("key_block", [1, 16])
@pytest.mark.parametrize("chunk", [96, 101, None])
def test_with_everything_kept_it_is_dense(chunk: int | None, key_block: int) -> None:
    torch.manual_seed(0)
    spec = DCASpec(32, 10_000.0, chunk_size=chunk, local_size=32 if chunk else 0)
    q, k, v = torch.randn(170, 4, 32), torch.randn(330, 2, 32), torch.randn(330, 2, 32)
    everything = Adaptive.uniform(4, 1.0, query_block=64, key_block=key_block)
    sparse = attend(q, k, v, spec, start=160, sparsity=everything)
    for one, other in zip(sparse, attend(q, k, v, spec, start=160), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5))
@settings(max_examples=10, derandomize=True)
def test_chunks_of_whole_query_blocks_give_what_one_shot_gives(chunks: list[int]) -> None:
    """A selection depends only on the queries of its block and the keys before: prefixes may be cached."""
    torch.manual_seed(0)
    pattern, n = Adaptive.uniform(4, 0.6, query_block=32), 32 * sum(chunks)
    q, k, v = 2 * torch.randn(n, 4, 32), torch.randn(n, 2, 32), torch.randn(n, 2, 32)
    whole, _ = attend(q, k, v, SPEC, sparsity=pattern)
    at = 0
    for blocks in chunks:
        end = at + 32 * blocks
        part, _ = attend(q[at:end], k[:end], v[:end], SPEC, start=at, sparsity=pattern)
        torch.testing.assert_close(part, whole[at:end], rtol=0, atol=2e-6)
        at = end


@given(
    st.integers(1, 1000),
    st.integers(0, 15),
    st.sampled_from((16, 64, 128)),
    st.sampled_from((1, 16)),
    st.floats(0.05, 0.99),
    st.sampled_from((0.0, 0.5, 3.0)),
    st.integers(0, 1000),
)
@settings(max_examples=100, derandomize=True)
def test_as_many_as_the_halves_need_of_each_other(
    keys: int, block: int, queries: int, size: int, keep: float, apart: float, seed: int
) -> None:
    torch.manual_seed(seed)
    pattern = Adaptive.uniform(1, keep, probes=8, query_block=queries, key_block=size)
    begin = torch.tensor([block * queries])
    key = torch.arange(-(-keys // size)) * size
    causal = key < begin + queries
    both = 3 * torch.randn(1, 1, len(key)) + apart * torch.randn(1, 2, len(key))
    shares = both.masked_fill(~causal, -torch.inf).softmax(-1).nan_to_num(0)
    chosen = choose_blocks(shares, keep, begin, pattern)[0]
    forced = ((key < SINK) | (key >= begin - queries)) & causal
    assert bool(chosen[forced].all())
    assert not chosen[~causal].any()

    def needed(order: Tensor, counted: Tensor, blur: float) -> int:
        """The fewest of `order` with which `counted` has its share; those alike within `blur` come in either order."""
        free = (causal & ~forced).nonzero()[:, 0]
        free = free[order[free].argsort(descending=True)]
        held, total = float(counted[forced].sum()), float(counted.sum())
        for number, at in enumerate(free.tolist()):
            if held >= keep * total - 1e-6:
                alike = order[free] >= order[free[max(number - 1, 0)]] / blur
                return int(alike.sum()) if number and blur > 1 else number
            held += float(counted[at])
        return len(free)

    one, other = shares[0]
    least, most = ((needed(one, other, blur) + needed(other, one, blur)) // 2 for blur in (1.0, 1.006))
    mean, free = shares[0].mean(0), chosen & ~forced
    assert int(free.sum()) >= least
    # The least share of those chosen freely was needed, but for the half percent to which it is found.
    if free.any():
        above = causal & ~forced & (mean > 1.006 * mean[free].min())
        assert int(above.sum()) <= most
        assert bool(chosen[above].all())


def test_queries_that_look_elsewhere_have_nearly_all() -> None:
    """Each probe has keys of its own, as in a retrieval head: those it selects do not cover its neighbours."""
    pattern, begin = Adaptive.uniform(1, 0.9, query_block=64), torch.tensor([1024])
    alike, apart = torch.zeros(1, 2, 1088), torch.zeros(1, 2, 1088)
    alike[..., 100:108] = 1 / 8
    apart[0, 0, 100:108] = apart[0, 1, 500:508] = 1 / 8
    before = slice(SINK, 1024 - 64)
    assert choose_blocks(alike, 0.9, begin, pattern)[0, before].sum() == 8
    assert choose_blocks(apart, 0.9, begin, pattern)[0, before].all()


def test_every_other_probe_is_in_a_half() -> None:
    assert halves(5).tolist() == [
        [pytest.approx(1 / 3), 0, pytest.approx(1 / 3), 0, pytest.approx(1 / 3)],
        [0, 0.5, 0, 0.5, 0],
    ]


def test_a_share_of_next_to_nothing_is_in_its_place() -> None:
    """What is the least to one half the other needs, and nothing below it."""
    shares = torch.full((1, 2, 4096 + 64), 1e-25)
    shares[0, 0, 1000:1100], shares[0, 1, 1000:1100] = 1e-14, 0.01
    shares[0, 0, 1000] = 1.0
    chosen = choose_blocks(shares, 0.9, torch.tensor([4096]), Adaptive.uniform(1, 0.9, query_block=64))[0]
    assert chosen[SINK : 4096 - 64].sum() < 110


def test_probes_are_spread_over_what_there_is_of_a_block() -> None:
    pattern = Adaptive.uniform(1, 0.9, probes=4, query_block=64)
    assert probe_positions(pattern, 96, 197).tolist() == [
        [103, 111, 119, 127],
        [143, 159, 175, 191],
        [192, 193, 194, 196],
    ]
    assert probe_positions(pattern, 126, 127).tolist() == [[126] * 4]


def test_recall_and_the_share_of_keys(problem: Callable[..., Any]) -> None:
    made = problem(SPEC, [(200, 150)], heads=4, group=2)
    pattern, table = Adaptive.uniform(4, 0.5, query_block=32, key_block=16), made.batch.block_table[0]
    _, recall, keys = observe(made.queries, made.kv, table, 350, SPEC, pattern)
    chosen = select(made.queries, made.kv, table, 350, SPEC, pattern)
    assert isinstance(chosen, BlockSelection)
    lse = sparse_lse(made.queries, made.kv, table, 350, SPEC, chosen)
    _, full = dca_prefill(made.queries, made.kv, made.batch, SPEC, return_lse=True)
    torch.testing.assert_close(recall, (lse - full).exp().mean(0))
    seen = reference._chosen(chosen, torch.arange(200, 350), torch.arange(350))
    causal = torch.arange(350) <= torch.arange(200, 350)[:, None]
    expected = (seen & causal).sum((1, 2)) / causal.sum()
    torch.testing.assert_close(keys, expected.double())
    torch.testing.assert_close(block_density(chosen, length=350), keys)
    assert 0.3 < float(keys.mean()) < 0.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Adaptive(()), "keep is"),
        (lambda: Adaptive((0.5, 1.5)), "a share above 0, and at most 1"),
        (lambda: Adaptive((0.5,), query_block=48), "query_block is 48"),
        (lambda: Adaptive((0.5,), query_block=64, key_block=128), "key_block is 128"),
        (lambda: Adaptive((0.5,), key_block=8), "key_block is 8"),
        (lambda: Adaptive((0.5,), probes=1), "probes is 1; it is 2 to"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Adaptive], message: str) -> None:
    with pytest.raises(KernelError, match=message):
        make()


# Budgets


def test_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sparse_attention_config.json"
    layers = (Adaptive((0.9, 0.95, 1.0)), VerticalSlash((40, 50, 60), (110, 120, 130)))
    Budgets(layers, threshold=7).write(path, recall=[[0.5, 0.25, 1], [0.5, 0.25, 1]])
    assert '"1": ["adaptive", 0.95, 32, 1024, 1, 0.25]' in path.read_text()
    assert Budgets.read(path, threshold=7) == Budgets(layers, threshold=7)
    assert Budgets.read(path).of_heads(slice(1, 2)).layers[0] == Adaptive((0.95,))


@pytest.mark.parametrize(
    "heads",
    [
        '{"0": ["adaptive", 0.9, 4, 64, 1, 0], "1": ["vertical_and_slash", 40, 110, 0]}',
        '{"0": ["adaptive", 0.9, 4, 64, 1, 0], "1": ["adaptive", 0.9, 8, 64, 1, 0]}',
    ],
)
def test_a_layer_has_one_method(tmp_path: Path, heads: str) -> None:
    (tmp_path / "file.json").write_text(f"[{heads}]")
    with pytest.raises(KernelError, match=r"0.*different methods"):
        Budgets.read(tmp_path / "file.json")


def test_heads_are_given_more_or_less_by_what_they_miss() -> None:
    budgets = Budgets((Adaptive((0.9, 0.9, 0.9, 0.9)),))
    recall = torch.tensor([[0.95, 0.9, 0.975, 1.0]])
    refined = refine(Recall(budgets, recall, recall), target=0.95).layers[0]
    assert refined == Adaptive((0.9, 0.95, 0.8, 0.5))
