"""The entry point: the CPU implementation against the reference, and what is refused."""

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from longread.kernels import (
    Adaptive,
    Batch,
    DCASpec,
    KernelError,
    PagedKV,
    VerticalSlash,
    attend,
    dca_decode,
    dca_prefill,
    dca_write,
    reference,
)
from longread.kernels.ops import observe, select, single, sparse_lse
from longread.kernels.sparse.pattern import Pattern
from longread.kernels.sparse.vertical_slash import VerticalSlashSelection, choose, density

SPEC = DCASpec(16, 1e4, chunk_size=96, local_size=32, trained_window=50, temperature="query")
PLAIN = DCASpec(16, 1e4)
# The same examples every time: torch's flash attention takes exponentials to 20 units in the last place, so an example
# in some hundreds is off by 5.4e-6.
many = settings(max_examples=60, derandomize=True)


@st.composite
def specs(draw: st.DrawFn) -> DCASpec:
    chunk = draw(st.one_of(st.none(), st.integers(8, 120)))
    return DCASpec(
        draw(st.sampled_from((8, 16, 64))),
        draw(st.sampled_from((1e2, 1e4, 1e7))),
        chunk_size=chunk,
        local_size=draw(st.integers(0, chunk - 1)) if chunk else 0,
        trained_window=64,
        temperature=draw(st.sampled_from(("none", "query", "prompt"))),
    )


sequences = st.lists(st.tuples(st.integers(0, 200), st.integers(1, 120)), min_size=1, max_size=3)


@many
@given(specs(), sequences, st.sampled_from((1, 3, 7)), st.integers(1, 2), st.sampled_from((16, 48, 128)), st.data())
def test_dense_equals_the_reference(
    problem: Callable[..., Any],
    spec: DCASpec,
    sequences: list[tuple[int, int]],
    group: int,
    kv_heads: int,
    page_size: int,
    data: st.DataObject,
) -> None:
    rotated = data.draw(st.booleans())
    made = problem(
        spec,
        sequences,
        heads=group * kv_heads,
        group=group,
        page_size=page_size,
        one_page=data.draw(st.booleans()),
        layout=data.draw(st.sampled_from(("split", "pairs", "interleaved"))),
        q_rotated=rotated,
        padding=data.draw(st.integers(0, 1)),
    )
    out, _ = made.poisoned()
    found, lse = dca_prefill(made.queries, made.kv, made.batch, spec, q_rotated=rotated, out=out, return_lse=True)
    assert found is out
    check(made, spec, found, lse)


def check(made: Any, spec: DCASpec, out: torch.Tensor, lse: torch.Tensor, atol: float = 8e-6, **options: Any) -> None:
    at = 0
    prompts = made.batch.prompt_lengths.tolist()
    for start, q, k, v, prompt in zip(made.starts, made.q, made.k, made.v, prompts, strict=False):
        expected, weight = reference.attention(q, k, v, spec, start=start, prompt_tokens=prompt, **options)
        rows = slice(at, at + len(q))
        torch.testing.assert_close(out[rows].double(), expected, rtol=0, atol=atol)
        torch.testing.assert_close(lse[rows].double(), weight, rtol=1e-5, atol=atol)
        at += len(q)
    assert not out[at:].any()
    assert bool((lse[at:] == -torch.inf).all())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_narrow_types(problem: Callable[..., Any], dtype: torch.dtype) -> None:
    made = problem(SPEC, [(70, 130)], heads=4, group=2, dtype=dtype)
    out, lse = dca_prefill(made.queries, made.kv, made.batch, SPEC, return_lse=True)
    assert out.dtype == dtype
    # What is left is the rounding of the rotated queries and of the result to the type.
    check(made, SPEC, out, lse, atol={torch.float16: 6e-3, torch.bfloat16: 5e-2}[dtype])


def test_an_fp8_cache(problem: Callable[..., Any]) -> None:
    made = problem(SPEC, [(70, 130)], heads=4, group=2, kv_dtype=torch.float8_e4m3fn)
    out, lse = dca_prefill(made.queries, made.kv, made.batch, SPEC, return_lse=True)
    check(made, SPEC, out, lse)


@many
@given(specs(), st.integers(0, 150), st.integers(1, 200), st.data())
def test_sparse_equals_the_reference_on_the_same_selection(
    problem: Callable[..., Any], spec: DCASpec, start: int, queries: int, data: st.DataObject
) -> None:
    rotated = data.draw(st.booleans())
    made = problem(spec, [(start, queries)], heads=4, group=2, q_rotated=rotated)
    length, heads = start + queries, 4
    few = st.lists(st.integers(0, length - 1), max_size=20)
    blocks = st.lists(st.integers(0, (length - 1) // 16), max_size=5)
    chosen = VerticalSlashSelection.of(
        [torch.tensor(data.draw(few), dtype=torch.int64) for _ in range(heads)],
        [torch.tensor(data.draw(blocks), dtype=torch.int64) for _ in range(heads)],
        length=length,
        block=16,
    )
    prompt = int(made.batch.prompt_lengths[0])
    lse = sparse_lse(
        made.queries, made.kv, made.batch.block_table[0], length, spec, chosen, q_rotated=rotated, prompt_length=prompt
    )
    _, expected = reference.attention(
        made.q[0], made.k[0], made.v[0], spec, start=start, sparsity=chosen, prompt_tokens=prompt
    )
    torch.testing.assert_close(lse.double(), expected, rtol=1e-5, atol=5e-6)


@many
@given(specs(), st.integers(0, 150), st.integers(1, 200), st.booleans(), st.sampled_from((2048, 50)))
def test_scores_equal_those_of_the_reference(
    problem: Callable[..., Any], spec: DCASpec, start: int, queries: int, rotated: bool, at_a_time: int
) -> None:
    from longread.kernels.cpu import vertical_slash as cpu

    made = problem(spec, [(start, queries)], heads=6, group=3, q_rotated=rotated)
    last = slice(-min(queries, 64), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu, "_SCORED_KEYS", at_a_time)
        found = cpu.scores(
            made.queries[last], made.kv, made.batch.block_table[0], start + queries, spec, q_rotated=rotated
        )
    expected = reference.scores(made.q[0][last], made.k[0], spec)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("spec", [SPEC, PLAIN])
def test_sparse_with_everything_kept_equals_dense(spec: DCASpec) -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(170, 4, 16), torch.randn(230, 2, 16), torch.randn(230, 2, 16)
    everything = VerticalSlash.uniform(4, vertical=500, slash=500, block=16)
    for one, other in zip(
        attend(q, k, v, spec, start=60), attend(q, k, v, spec, start=60, sparsity=everything), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=0, atol=2e-6)


def test_attend_has_the_signature_of_the_reference() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(170, 4, 16), torch.randn(230, 2, 16), torch.randn(230, 2, 16)
    budgets = VerticalSlash((40, 60, 31, 200), (110, 101, 150, 230), block=16)
    for sparsity in (None, budgets):
        ours = attend(q, k, v, SPEC, start=60, sparsity=sparsity)
        expected = reference.attention(q, k, v, SPEC, start=60, sparsity=sparsity)
        for one, other in zip(ours, expected, strict=True):
            torch.testing.assert_close(one.double(), other, rtol=0, atol=5e-6)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=5))
@settings(max_examples=20, derandomize=True)
def test_dense_prefill_in_any_chunks_equals_one_shot(chunks: list[int]) -> None:
    torch.manual_seed(0)
    n = sum(chunks)
    q, k, v = torch.randn(n, 4, 16), torch.randn(n, 2, 16), torch.randn(n, 2, 16)
    whole, _ = attend(q, k, v, SPEC)
    at = 0
    for size in chunks:
        end = at + size
        part, _ = attend(q[at:end], k[:end], v[:end], SPEC, start=at)
        torch.testing.assert_close(part, whole[at:end], rtol=0, atol=2e-6)
        at = end


def test_decode_and_prefill_in_one_batch_are_what_they_are_alone(problem: Callable[..., Any]) -> None:
    made = problem(SPEC, [(150, 1), (0, 130), (64, 40)], heads=4, group=2)
    together = dca_prefill(made.queries, made.kv, made.batch, SPEC)
    alone = dca_decode(made.queries[:1], made.kv, made.batch.block_table[:1], made.batch.lengths[:1], SPEC)
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-6)
    budgets = VerticalSlash.uniform(4, vertical=40, slash=105, block=16)
    mixed = dca_prefill(made.queries, made.kv, made.batch, SPEC, sparsity=[None, budgets, None])
    torch.testing.assert_close(mixed[:1], together[:1], rtol=0, atol=0)
    torch.testing.assert_close(mixed[131:], together[131:], rtol=0, atol=0)
    assert not torch.allclose(mixed[1:131], together[1:131])


def test_write_and_read_back() -> None:
    torch.manual_seed(0)
    kv = PagedKV(torch.zeros(12, 16, 2, 16), torch.zeros(12, 16, 2, 16))
    q, k, v = torch.randn(170, 4, 16), torch.randn(170, 2, 16), torch.randn(170, 2, 16)
    table = torch.randperm(12)[:11].int()
    tokens = torch.arange(170)
    slots = table[tokens // 16].long() * 16 + tokens % 16
    dca_write(k[:100], v[:100], kv, slots[:100], tokens[:100], SPEC)
    skipped = torch.where(tokens[100:] % 2 == 0, slots[100:], -1)
    dca_write(k[100:], v[100:], kv, skipped, tokens[100:], SPEC)
    dca_write(k[101::2], v[101::2], kv, slots[101::2], tokens[101::2], SPEC)
    batch = Batch(table[None], torch.tensor([0, 170]).int(), torch.tensor([170]).int(), 170, 170)
    torch.testing.assert_close(dca_prefill(q, kv, batch, SPEC), attend(q, k, v, SPEC)[0], rtol=0, atol=2e-6)


# Selection


@given(st.integers(1, 300), st.integers(1, 400), st.integers(1, 400), st.sampled_from((16, 64)), st.data())
@settings(max_examples=60)
def test_the_best_and_the_forced_are_chosen(n: int, v: int, s: int, block: int, data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    vertical, slash = torch.rand(2, n), torch.rand(2, n)
    chosen = choose(vertical.clone(), slash.clone(), VerticalSlash((v, 1), (s, 1), block=block))
    columns, offsets = chosen.columns_of_heads()[0].tolist(), chosen.offsets_of_heads()[0].tolist()
    assert columns == sorted(set(columns))
    assert len(columns) == min(v, n)
    forced = min(n, 30)
    kept, left = set(columns), set(range(n)) - set(columns)
    if v >= forced:
        assert set(range(forced)) <= kept
        beyond = [float(vertical[0, j]) for j in kept if j >= forced]
        assert not beyond or not left or min(beyond) >= max(float(vertical[0, j]) for j in left)
    # Every diagonal that was chosen, and no block that none of them touches.
    slash[:, :100] = torch.inf
    best = slash[0].topk(min(s, n)).indices
    touched = {0, *(best // block).tolist(), *(-(-best // block)).tolist()} & set(range(-(-n // block)))
    assert set(offsets) == touched
    assert len(chosen.columns_of_heads()[1]) == 1


@given(st.integers(1, 200), st.integers(0, 150), st.data())
@settings(max_examples=40)
def test_density_counts_keys(queries: int, start: int, data: st.DataObject) -> None:
    length = start + queries
    columns = data.draw(st.lists(st.integers(0, length - 1), max_size=20))
    blocks = data.draw(st.lists(st.integers(0, (length - 1) // 16), max_size=5))
    chosen = VerticalSlashSelection.of(
        [torch.tensor(columns).long()], [torch.tensor(blocks).long()], length=length, block=16
    )
    i, j = torch.arange(start, length), torch.arange(length)
    causal = j <= i[:, None]
    seen = causal & reference._selected(chosen, i, j)[0]
    assert float(density(chosen, start=start, length=length)[0]) == pytest.approx(float(seen.sum() / causal.sum()))


def test_select_is_the_first_stage_of_sparse_prefill() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(200, 2, 16), torch.randn(200, 1, 16), torch.randn(200, 1, 16)
    kv = PagedKV(torch.zeros(1, 200, 1, 16), torch.zeros(1, 200, 1, 16))
    dca_write(k, v, kv, torch.arange(200), torch.arange(200), SPEC)
    budgets = VerticalSlash.uniform(2, vertical=40, slash=105, block=16)
    chosen = select(q, kv, torch.zeros(1, dtype=torch.int32), 200, SPEC, budgets)
    lse = sparse_lse(q, kv, torch.zeros(1, dtype=torch.int32), 200, SPEC, chosen)
    torch.testing.assert_close(lse, attend(q, k, v, SPEC, sparsity=budgets)[1], rtol=0, atol=1e-6)
    out, recall, keys = observe(q[-70:], kv, torch.zeros(1, dtype=torch.int32), 200, SPEC, budgets)
    dense, full = attend(q, k, v, SPEC)
    torch.testing.assert_close(out, dense[-70:])
    torch.testing.assert_close(recall, (lse - full)[-70:].exp().mean(0))
    torch.testing.assert_close(keys, density(chosen, start=130, length=200))
    assert 0 < float(keys.max()) < 1


# As torch operators


def test_they_pass_through_torch_compile() -> None:
    torch.manual_seed(0)
    q, k, v = torch.randn(100, 4, 16), torch.randn(130, 2, 16), torch.randn(130, 2, 16)
    compiled = torch.compile(lambda *x: attend(*x, SPEC, start=30)[0] * 2, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(q, k, v), 2 * attend(q, k, v, SPEC, start=30)[0])


def test_eager_callers_do_without_the_operators() -> None:
    """And get no gradients from either: the kernels are for inference."""
    called: list[str] = []

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(func.namespace)
            return func(*args, **(kwargs or {}))

    q, k, v = (torch.randn(230, heads, 16, requires_grad=True) for heads in (4, 2, 2))
    budgets = VerticalSlash.uniform(4, vertical=40, slash=105, block=16)
    with Watched():
        for sparsity in (None, budgets):
            assert not any(x.requires_grad for x in attend(q, k, v, SPEC, sparsity=sparsity))
    assert "aten" in called
    assert "longread" not in called


def test_the_operators_are_what_they_say() -> None:
    from longread.kernels import custom_ops

    torch.manual_seed(0)
    q, k = torch.randn(100, 4, 16), torch.randn(1, 130, 2, 16)
    batch = single(100, 130, torch.device("cpu"))
    dense = (
        q, k, k, 1.0, 1.0, batch.block_table, batch.query_starts, batch.lengths, None, 100, 130, SPEC.text, False,
        "cpu", torch.empty_like(q), torch.empty(100, 4),
    )  # fmt: skip
    torch.library.opcheck(custom_ops.dca_dense, dense)
    sparse = (
        q, k, k, 1.0, 1.0, batch.block_table[0], 130, None, SPEC.text,
        VerticalSlash.uniform(4, vertical=40, slash=101, block=16).text, False, "cpu", torch.empty_like(q),
        torch.empty(100, 4),
    )  # fmt: skip
    torch.library.opcheck(custom_ops.dca_sparse, sparse)
    write = (k[0], k[0], torch.zeros_like(k), torch.zeros_like(k), 1.0, 1.0, torch.arange(130), torch.arange(130))
    torch.library.opcheck(custom_ops.dca_write, (*write, None, SPEC.text, "cpu"))


# Refused


@pytest.fixture
def call() -> dict[str, Any]:
    q, k = torch.randn(4, 4, 16), torch.randn(1, 10, 2, 16)
    return {"q": q, "kv": PagedKV(k, k), "batch": single(4, 10, q.device), "spec": SPEC}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: {"q": c["q"][..., :8]}, r"q is \[4, 4, 8\]; it is \[tokens, heads, 16\]"),
        (lambda c: {"q": c["q"][:, :3]}, "q has 3 heads, which is no multiple of the cache's 2"),
        (lambda c: {"q": c["q"].double()}, "q is torch.float64"),
        (lambda c: {"q": c["q"].transpose(0, 2).contiguous().transpose(0, 2)}, "head_dim is not contiguous"),
        (lambda c: {"kv": PagedKV(c["kv"].k, c["kv"].v[:, :5])}, r"caches are \[1, 10, 2, 16\] and \[1, 5, 2, 16\]"),
        (lambda c: {"kv": PagedKV(c["kv"].k, c["kv"].v.half())}, "the caches torch.float32 and torch.float16"),
        (lambda c: {"batch": replaced(c, query_starts=torch.tensor([0, 4, 4]).int())}, r"query_starts is \[3\]"),
        (lambda c: {"batch": replaced(c, block_table=torch.zeros(2, 1).int())}, r"block_table is \[2, 1\] for 1"),
        (lambda c: {"batch": replaced(c, lengths=torch.tensor([10]))}, "lengths is torch.int64 on cpu; it is int32"),
        (lambda c: {"out": torch.empty(4, 4, 8)}, r"out is \[4, 4, 8\]"),
        (lambda c: {"sparsity": VerticalSlash.uniform(3, vertical=1, slash=1)}, "budgets for 3 heads; q has 4"),
        (lambda c: {"sparsity": [None, None]}, "given for 2 sequences; the batch has 1"),
        (lambda c: {"spec": dataclasses.replace(SPEC, temperature="prompt")}, "'prompt' needs prompt_lengths"),
        (lambda c: {"implementation": "cuda"}, "implementation is 'cuda'; it is 'cpu' or 'triton'"),
        (lambda c: {"q": c["q"].to("meta")}, "q is on meta"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(call: dict[str, Any], change: Any, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        dca_prefill(**{**call, **change(call)})


def replaced(call: dict[str, Any], **changes: Any) -> Batch:
    return dataclasses.replace(call["batch"], **changes)


def test_triton_on_a_cpu_needs_the_interpreter(call: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(KernelError, match="set TRITON_INTERPRET=1"):
        dca_prefill(**call, implementation="triton")


def test_keys_that_do_not_fit_the_queries_are_refused() -> None:
    q, k = torch.randn(4, 2, 16), torch.randn(6, 2, 16)
    with pytest.raises(KernelError, match=r"3 tokens.*queries.*4"):
        attend(q, k, k, SPEC, start=3)
    kv = PagedKV(k[None], k[None])
    with pytest.raises(KernelError, match=r"slots are \[4\]"):
        dca_write(k, k, kv, torch.arange(4), torch.arange(6), SPEC)
    with pytest.raises(KernelError, match=r"both are \[tokens, 2 K/V heads, head_dim\]"):
        dca_write(k, k[:, :1], kv, torch.arange(6), torch.arange(6), SPEC)
    with pytest.raises(KernelError, match=r"k.*\[6, 2, 8\].*\[tokens, heads, 16\]"):
        dca_write(k[..., :8], k[..., :8], kv, torch.arange(6), torch.arange(6), SPEC)


@pytest.mark.parametrize("made", [VerticalSlash.uniform(3, vertical=1, slash=1), Adaptive.uniform(3, 0.9)])
def test_a_selection_is_for_as_many_heads_as_there_are_queries(call: dict[str, Any], made: Pattern) -> None:
    table, spec = call["batch"].block_table[0], call["spec"]
    with pytest.raises(KernelError, match="budgets for 3 heads; q has 4"):
        select(call["q"], call["kv"], table, 10, spec, made)
    q, kv = torch.randn(4, 3, 16), PagedKV(call["kv"].k[:, :, :1], call["kv"].v[:, :, :1])
    chosen = select(q, kv, table, 10, spec, made)
    with pytest.raises(KernelError, match="selection is for 3 heads; q has 4"):
        sparse_lse(call["q"], call["kv"], table, 10, spec, chosen)
    with pytest.raises(KernelError, match=r"q is \[4, 4, 8\]"):
        sparse_lse(call["q"][..., :8], call["kv"], table, 10, spec, chosen)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VerticalSlash((1, 2), (1,)), "2 vertical and 1 slash budgets"),
        (lambda: VerticalSlash((0,), (1,)), "at least 1"),
        (lambda: VerticalSlash((1,), (1,), block=48), "block is 48"),
    ],
)
def test_budgets_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    with pytest.raises(KernelError, match=message):
        make()
