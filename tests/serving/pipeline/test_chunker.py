"""Chunks of equal time: their invariants, that no others are faster, and the correction of wrong costs."""

import itertools
import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.pipeline.events import Arrival, simulate
from longread.serving.pipeline.chunker import Chunker, Limits, Pacer, Target, best_fixed, fixed, makespan
from longread.serving.pipeline.cost_model import CostModel, Pipeline, Terms, Transfer

DENSE = Terms(step=3e-3, token=2e-5, length=1e-8, past=3e-11, own=3e-11, decode=1e-4)
SPARSE = Terms(step=5e-3, token=3e-5, length=1e-7, past=1e-12, own=1e-12, decode=1e-4)
BOTH = CostModel(dense=DENSE, sparse=SPARSE, threshold=32_768, least_queries=1_024)


def pipeline(stages: int, model: CostModel | None = None) -> Pipeline:
    return Pipeline(stages=(model or CostModel(dense=DENSE),) * stages)


def draw_terms(draw: st.DrawFn) -> Terms:
    """Of machines from a laptop to a rack, whose steps cost something, and whose pairs cost the same on both sides."""
    scale, pair = draw(st.floats(0.01, 100.0)), draw(st.floats(0.0, 1e-9))
    return Terms(
        step=draw(st.floats(1e-4, 2e-2)),
        token=draw(st.floats(1e-6, 1e-4)),
        length=draw(st.floats(0.0, 1e-7)),
        past=pair,
        own=pair,
        decode=draw(st.floats(0.0, 1e-3)),
    ).scaled(scale)


@st.composite
def chunkers(draw: st.DrawFn, *, sparse: bool = True) -> Chunker:
    models = []
    for _ in range(draw(st.integers(1, 2))):
        broken = sparse and draw(st.booleans())
        models.append(
            CostModel(
                dense=draw_terms(draw),
                sparse=draw_terms(draw) if broken else None,
                threshold=draw(st.integers(0, 40_000)) if broken else 0,
                least_queries=draw(st.integers(0, 2_000)) if broken else 0,
            )
        )
    stages = tuple(draw(st.sampled_from(models)) for _ in range(draw(st.integers(1, 6))))
    page, block = draw(st.sampled_from((16, 128, 48))), draw(st.sampled_from((1, 64)))
    least = draw(st.integers(1, 2_048))
    most = draw(st.integers(max(least, 192), 16_384))
    latency = draw(st.none() | st.floats(1e-3, 10.0))
    return Chunker(Pipeline(stages=stages), Limits(most=most, least=least, page=page, block=block, latency=latency))


PROMPTS = st.integers(1, 20_000)
PREFIXES = st.one_of(st.just(0), st.integers(0, 200_000))


# What always holds


@settings(max_examples=40)
@given(chunkers(), PROMPTS, PREFIXES)
def test_every_token_is_read_once_within_the_budget_and_up_to_a_page(chunker, tokens, prefix):
    limits = chunker.limits
    plan = chunker.plan(tokens, prefix)
    assert sum(plan) == tokens
    assert 0 < min(plan) <= max(plan) <= limits.most
    ends = itertools.accumulate(plan, initial=prefix)
    next(ends)
    assert all(end % limits.alignment == 0 for end in itertools.islice(ends, len(plan) - 1))


@settings(max_examples=40)
@given(chunkers(), PROMPTS, PREFIXES, st.data())
def test_decodes_are_counted_and_starve_nobody(chunker, tokens, prefix, data):
    limits, steps = chunker.limits, 0
    target = chunker.target(tokens, prefix)
    remaining, at = tokens, prefix
    while remaining:
        decodes = data.draw(st.integers(0, limits.most + 1)) if steps < 20 else 0
        size = chunker.next(at, remaining, decodes, target)
        assert size + decodes <= max(limits.most, decodes)
        assert size > 0 or decodes >= limits.most
        at, remaining, steps = at + size, remaining - size, steps + 1
    assert at == prefix + tokens


@settings(max_examples=40)
@given(chunkers(sparse=False), PROMPTS, PREFIXES, st.integers(1, 64), st.floats(1e-3, 1e3).map(Target))
def test_a_decode_waits_no_longer_than_it_may_unless_for_a_page(chunker, tokens, prefix, decodes, target):
    latency = 0.5
    chunker = Chunker(chunker.pipeline, chunker.limits.model_copy(update={"latency": latency}))
    size = chunker.next(prefix, tokens, decodes, target)
    wait = len(chunker.pipeline.stages) * chunker.pipeline.seconds(prefix, size, decodes)
    assert (
        wait <= latency * 1.021
        or size <= 2 * chunker.limits.alignment
        or target.seconds < latency / len(chunker.pipeline.stages)
    )


@settings(max_examples=40)
@given(chunkers(sparse=False), PROMPTS, PREFIXES)
def test_chunks_take_the_same_time_within_a_page(chunker, tokens, prefix):
    limits, page = chunker.limits, chunker.limits.alignment
    target = chunker.target(tokens, prefix)
    assume(target.seconds < math.inf)
    plan = chunker.plan(tokens, prefix, target)
    at, floor = prefix, -(-limits.least // page) * page
    for index, size in enumerate(plan):
        last = index >= len(plan) - 2  # the last two share what is left
        if size > floor and not (last and index == len(plan) - 1):
            assert chunker.pipeline.seconds(at, size) <= target.seconds * 1.021
        if not last and size + page <= limits.most:
            assert chunker.pipeline.seconds(at, size + page) > target.seconds * (1 - 1e-9)
        at += size


@pytest.mark.parametrize("stages", [2, 8])
@pytest.mark.parametrize("tokens", [60_000, 100_000, 200_000])
def test_a_prompt_that_sparse_chunks_are_too_long_for_is_read_densely(stages, tokens):
    """Sparse chunks have 1,024 tokens at least, and one of them is waited for in every stage."""
    chunker = Chunker(pipeline(stages, BOTH), Limits(most=131_072, least=128, queued=1))
    plan = chunker.plan(tokens)
    assert max(plan[len(plan) // 2 :]) < BOTH.least_queries
    assert makespan(chunker.pipeline, plan, 0, 1) <= best_fixed(chunker.pipeline, chunker.limits, tokens)[1]


def test_sparse_chunks_are_long_enough_to_be_sparse():
    chunker = Chunker(pipeline(8, BOTH), Limits(most=131_072, least=128))
    for tokens in (1_000_000, 1_000_127):
        plan = chunker.plan(tokens)
        assert min(plan) >= BOTH.least_queries
        assert all(
            BOTH.is_sparse(sum(plan[:index]), size) for index, size in enumerate(plan) if sum(plan[:index]) > 32_768
        )


def test_a_rest_that_is_too_short_is_shared_by_the_last_two():
    chunker = Chunker(pipeline(4), Limits(most=4_096, least=512))
    target = Target(chunker.pipeline.seconds(0, 2_048))
    assert chunker.plan(2_048 + 300, target=target) == [1_152, 1_196]
    assert chunker.plan(2_048 + 20, target=target) == [2_068]  # takes hardly longer
    assert chunker.plan(2_048 + 600, target=target) == [2_048, 600]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"most": 64}, "a step of 64 tokens has no room for a chunk of 128"),
        ({"most": 1_024, "least": 2_048}, "a step of 1,024 tokens has no room for a chunk of 2,048"),
        ({"most": 512, "page": 784, "block": 1}, "a step of 512 tokens has no room for a chunk of 784"),
    ],
)
def test_limits_that_leave_no_chunk_are_refused(limits, message):
    with pytest.raises(ValueError, match=message):
        Limits(**limits)


# None are better


@pytest.mark.parametrize("stages", [2, 3, 8])
@pytest.mark.parametrize("past", [0.0, 2e-9, 2e-8])
@pytest.mark.parametrize(("queued", "loss"), [(0, 0.02), (1, 0.005)])
def test_no_other_chunks_are_better(stages, past, queued, loss):
    """Against all 4,096 ways to cut a prompt of 13 pages. Without a queued step, times that differ by a page cost."""
    terms = Terms(step=2e-3, token=1e-5, length=1e-7, past=past, own=past)
    stages_ = pipeline(stages, CostModel(dense=terms))
    chunker = Chunker(stages_, Limits(most=2_048, queued=queued))
    best = min(makespan(stages_, [128 * pages for pages in cut], queued=queued) for cut in compositions(13))
    found = makespan(stages_, chunker.plan(13 * 128), queued=queued)
    assert best <= found <= (1 + loss) * best


def compositions(total: int):
    for cuts in itertools.product((False, True), repeat=total - 1):
        ends = [index + 1 for index, cut in enumerate(cuts) if cut] + [total]
        yield [end - start for start, end in zip([0, *ends], ends, strict=False)]


@settings(max_examples=20)
@given(st.data(), st.integers(1, 16), st.integers(8_000, 50_000), st.integers(0, 1_000), st.integers(0, 1))
def test_hardly_worse_than_the_best_chunks_of_one_size(data, stages, tokens, pages, queued):
    """Where equal time gains nothing, what is reckoned rather than tried costs a little."""
    model, limits = CostModel(dense=draw_terms(data.draw)), Limits(most=65_536, queued=queued)
    forecast = Chunker(pipeline(stages, model), limits).forecast(tokens, 128 * pages)
    assert forecast.seconds <= forecast.fixed_seconds * 1.01


def test_one_stage_reads_a_prompt_at_once_that_fits_a_step():
    """Each chunk more costs a step, and no stage waits."""
    terms = Terms(step=0.0156, token=7.44e-5, past=8.69e-10, own=8.69e-10)
    assert Chunker(pipeline(1, CostModel(dense=terms)), Limits(most=65_536)).plan(21_341) == [21_341]


@pytest.mark.parametrize("stages", [2, 4, 8, 16])
@pytest.mark.parametrize("model", [CostModel(dense=DENSE), BOTH], ids=["dense", "sparse"])
def test_a_million_tokens_in_less_time_than_chunks_of_one_size(stages, model):
    forecast = Chunker(pipeline(stages, model), Limits(most=131_072, least=256, queued=1)).forecast(1_000_000)
    assert forecast.seconds < forecast.fixed_seconds
    assert forecast.bubble <= (stages - 1) / (len(forecast.chunks) + stages - 1) + 0.01


def test_a_makespan_is_all_chunks_and_the_longest_once_more_for_each_further_stage():
    plan = [3_072, 1_024, 5_120, 2_048]
    for stages in (1, 2, 5):
        times = [pipeline(1).seconds(sum(plan[:index]), size) for index, size in enumerate(plan)]
        assert makespan(pipeline(stages), plan, queued=1) == pytest.approx(sum(times) + (stages - 1) * max(times))


def test_a_makespan_counts_transfers_once_a_boundary():
    stages = Pipeline(stages=pipeline(3).stages, transfer=Transfer(step=0.5, token=1e-3))
    assert makespan(stages, [1_000]) == pytest.approx(makespan(pipeline(3), [1_000]) + 2 * 1.5)


def test_one_stage_reads_in_as_few_steps_as_memory_allows():
    assert Chunker(pipeline(1), Limits(most=8_192)).plan(8_192) == [8_192]
    assert len(Chunker(pipeline(1), Limits(most=8_192)).plan(80_000)) == 10


def test_the_best_fixed_chunk_is_the_best():
    stages, limits = pipeline(8), Limits(most=8_192)
    size, seconds = best_fixed(stages, limits, 30_000)
    every = {one: makespan(stages, fixed(30_000, one)) for one in range(128, 8_193, 128)}
    assert seconds == makespan(stages, fixed(30_000, size)) <= 1.005 * min(every.values())


def test_a_forecast_says_when_it_looks_too_far():
    model = CostModel(dense=DENSE, longest=16_384)
    chunker = Chunker(pipeline(2, model), Limits(most=8_192))
    assert not chunker.forecast(100_000).extrapolated
    assert chunker.forecast(200_000).extrapolated


def test_one_size_is_taken_where_memory_makes_it_better():
    """A chunk that ended at the threshold of sparse attention would be one more."""
    dense, sparse = Terms(step=3e-3, token=2e-5), Terms(step=0.5, token=2e-5)
    model = CostModel(dense=dense, sparse=sparse, threshold=32_768, least_queries=1_024)
    chunker = Chunker(pipeline(1, model), Limits(most=65_536, queued=1))
    assert chunker.plan(20 * 65_536, target=Target(1e9)) == [32_768, *[65_536] * 19, 32_768]
    target = chunker.target(20 * 65_536)
    assert target == Target(math.inf, 65_536)
    assert chunker.plan(20 * 65_536) == [65_536] * 20


@pytest.mark.parametrize("stages", [2, 8])
@pytest.mark.parametrize("model", [CostModel(dense=DENSE), BOTH], ids=["dense", "sparse"])
def test_a_target_that_is_too_short_is_made_longer(stages, model):
    chunker = Chunker(pipeline(stages, model), Limits(most=65_536, queued=1))
    best = chunker.forecast(600_000, 400_000).seconds
    target = chunker.target(600_000, 400_000).seconds
    found = chunker.longer(600_000, 400_000, Target(target / 6))
    assert makespan(chunker.pipeline, chunker.plan(600_000, 400_000, found), 400_000, 1) <= 1.02 * best
    assert chunker.longer(600_000, 400_000, Target(3 * target)) == Target(3 * target)


def test_stages_that_never_are_the_slowest_do_not_count():
    short = CostModel(dense=DENSE.scaled(0.9))
    other = CostModel(dense=DENSE.model_copy(update={"step": 1.0, "token": 1e-6}))
    stages = Pipeline(stages=(short, CostModel(dense=DENSE), other, short))
    assert stages.binding == (CostModel(dense=DENSE), other)
    for prefix, chunk in ((0, 128), (0, 65_536), (500_000, 8_192)):
        assert stages.seconds(prefix, chunk) == max(stage.seconds(prefix, chunk) for stage in stages.stages)


# The policy of a scheduler


def read(pacer: Pacer, real: Pipeline, tokens: int, noise: float = 0.0) -> list[int]:
    """The chunks of a prompt, in a pipeline whose steps cost what `real` says, give or take."""
    return simulate(real, pacer, [Arrival(tokens)], noise=noise).served[0].chunks


def test_with_right_costs_a_pacer_reads_as_planned():
    chunker = Chunker(pipeline(8), Limits(most=65_536))
    assert read(Pacer(pipeline(8), chunker.limits), pipeline(8), 300_000) == chunker.plan(300_000)


@pytest.mark.parametrize(
    ("table", "loss"),
    [
        (DENSE.scaled(3), 0.03),
        (DENSE.scaled(1 / 3), 0.03),
        (DENSE.model_copy(update={"past": 0.0, "length": 0.0}), 0.03),
        # The first chunks are too long then, which no later ones make good.
        (DENSE.model_copy(update={"past": 3e-10, "own": 3e-10}), 0.05),
    ],
    ids=["thrice", "a third", "no attention", "ten times the attention"],
)
def test_a_wrong_table_repairs_itself_within_one_prompt(table, loss):
    real, limits = pipeline(8), Limits(most=65_536, least=256)
    plan = read(Pacer(pipeline(8, CostModel(dense=table)), limits), real, 1_000_000, noise=0.03)
    assert sum(plan) == 1_000_000
    best = Chunker(real, limits).forecast(1_000_000)
    assert makespan(real, plan) <= (1 + loss) * best.seconds
    late = [real.seconds(sum(plan[:index]), plan[index]) for index in range(len(plan) // 2, len(plan) - 2)]
    assert max(late) <= 1.15 * min(late)


def test_a_decode_in_another_step_is_waited_for_as_one_in_this():
    limits = Limits(most=65_536, latency=1.0)
    pacer = Pacer(pipeline(8), limits)
    alone, shared = (pacer.next(name, 500_000, 500_000, shared=name == "b") for name in ("a", "b"))
    assert shared < alone
    assert pipeline(8).seconds(500_000, shared) <= 1.0 / 8


def test_a_request_that_was_given_up_is_forgotten():
    pacer = Pacer(pipeline(8), Limits(most=65_536))
    first = pacer.next("a", 0, 400_000)
    pacer.next("a", first, 400_000 - first)
    pacer.forget("a")
    assert pacer.next("a", 0, 20_000) == Chunker(pipeline(8), pacer.chunker.limits).next(0, 20_000)
