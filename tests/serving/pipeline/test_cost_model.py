"""Cost models of a step: fitted to measurements, refused if nothing fits, and corrected while steps run."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from longread.errors import PoorFit
from longread.serving.pipeline.cost_model import CostModel, Pipeline, Sample, Terms, nonnegative
from longread.serving.pipeline.online_correction import Corrector

DENSE = Terms(step=3e-3, token=2e-5, length=1e-8, past=3e-11, own=4e-11, decode=1e-4)
SPARSE = Terms(step=5e-3, token=3e-5, length=1e-7, past=1e-12, own=1e-12, decode=1e-4)
BOTH = CostModel(dense=DENSE, sparse=SPARSE, threshold=32_768, least_queries=1_024)
PREFIXES, CHUNKS = (0, 4_096, 32_768, 131_072), (512, 2_048, 8_192, 32_768)


def measured(model: CostModel, noise: float = 0.0, decodes: tuple[int, ...] = (0, 4)) -> list[Sample]:
    """A grid of steps that cost what a model says, give or take."""
    draw = random.Random(0)
    return [
        Sample(
            prefix=prefix,
            chunk=chunk,
            seconds=model.seconds(prefix, chunk, count) * draw.uniform(1 - noise, 1 + noise),
            sparse=model.is_sparse(prefix, chunk),
            decodes=count,
        )
        for prefix in PREFIXES
        for chunk in CHUNKS
        for count in decodes
    ]


# Least squares


@given(arrays(float, (8, 4), elements=st.floats(0, 10)), arrays(float, 8, elements=st.floats(-5, 10)))
def test_non_negative_least_squares_meets_its_optimality_conditions(rows, targets):
    found = nonnegative(rows, targets)
    gain = rows.T @ (targets - rows @ found)  # how much each term still could do
    assert (found >= 0).all()
    tolerance = 1e-6 * (1 + np.abs(rows).max() ** 2 * 100)
    assert (gain <= tolerance).all()
    assert np.abs(gain[found > 1e-9]).max(initial=0.0) <= tolerance


# The fit


def test_a_fit_finds_the_coefficients_of_both_regimes():
    found = CostModel.fit(measured(BOTH), threshold=32_768, least_queries=1_024)
    assert found.residual.worst < 1e-6
    assert found.longest == 131_072
    assert found.dense.values == pytest.approx(DENSE.values, rel=1e-3)
    assert found.sparse is not None
    assert found.seconds(900_000, 8_192) == pytest.approx(BOTH.seconds(900_000, 8_192), rel=1e-3)


def test_a_fit_to_noisy_steps_holds_eight_times_beyond_them():
    found = CostModel.fit(measured(BOTH, noise=0.05), threshold=32_768, least_queries=1_024)
    assert 0.005 < found.residual.median < 0.05
    assert found.residual.worst < 0.1
    for prefix in (500_000, 1_000_000):
        assert found.seconds(prefix, 4_096) == pytest.approx(BOTH.seconds(prefix, 4_096), rel=0.1)
        assert found.seconds(prefix, 1_000) == pytest.approx(BOTH.seconds(prefix, 1_000), rel=0.1)
    assert not found.extrapolates(1_000_000)
    assert found.extrapolates(1_100_000)


def test_a_decode_that_was_not_measured_costs_what_a_token_does():
    found = CostModel.fit(measured(CostModel(dense=DENSE), decodes=(0,)))
    assert found.dense.decode == found.dense.token > 0


def test_a_model_is_kept_as_json():
    found = CostModel.fit(measured(BOTH, noise=0.02), threshold=32_768, least_queries=1_024)
    pipeline = Pipeline(stages=(found, BOTH))
    assert Pipeline.model_validate_json(pipeline.model_dump_json()) == pipeline


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda samples: samples[:5],
            r"5 dense steps of 1 prefixes and 3 chunk sizes were measured. A cost model needs at least 6, of 2 pre",
        ),
        (
            lambda samples: [one for one in samples if one.prefix == 0 and not one.sparse] * 2,
            r"16 dense steps of 1 prefixes",
        ),
        (
            lambda samples: [one for one in samples if not one.sparse] + [one for one in samples if one.sparse][:3],
            r"3 sparse steps of 2 prefixes",
        ),
        (
            lambda samples: [*samples, samples[0].model_copy(update={"seconds": 90.0})],
            r"off by \d+% in the median .* at worst .*, where a chunk of 512 after 0 took 90 s. Measure again",
        ),
        (
            lambda samples: [*samples, samples[0].model_copy(update={"sparse": True})],
            r"A chunk of 512 after 0 was measured sparse; with a threshold of 32,768 and 1,024 queries .* it is dense",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_reason(change, message):
    with pytest.raises(PoorFit, match=message):
        CostModel.fit(change(measured(BOTH)), threshold=32_768, least_queries=1_024)


def test_steps_that_depend_on_something_else_are_refused():
    draw = random.Random(0)
    samples = [one.model_copy(update={"seconds": draw.uniform(0.1, 1.0)}) for one in measured(CostModel(dense=DENSE))]
    with pytest.raises(PoorFit, match="No cost model fits the measured steps"):
        CostModel.fit(samples)


def test_a_threshold_without_a_sparse_regime_is_refused():
    with pytest.raises(ValueError, match=r"threshold.*coefficients"):
        CostModel(dense=DENSE, threshold=32_768)


# Costs solved for the chunk


@given(st.integers(0, 2_000_000), st.floats(1e-3, 100.0), st.integers(0, 64))
def test_the_chunk_of_a_time_is_the_largest_of_its_regime(prefix, seconds, decodes):
    chunk = BOTH.chunk(prefix, seconds, decodes)
    sparse = BOTH.is_sparse(prefix, chunk)
    if chunk:
        assert BOTH.seconds(prefix, chunk, decodes) <= seconds * (1 + 1e-9)
    for more in (chunk + 1, 2 * chunk + 1):
        if BOTH.is_sparse(prefix, more) is sparse:
            assert BOTH.seconds(prefix, more, decodes) > seconds * (1 - 1e-9)


def test_where_both_regimes_have_a_chunk_the_cheaper_is_taken():
    dear = BOTH.model_copy(update={"sparse": SPARSE.scaled(3)})
    cheap = BOTH.model_copy(update={"sparse": SPARSE.scaled(1 / 3)})
    seconds = SPARSE.scaled(3).seconds(10_000, 40_000)
    assert dear.chunk(10_000, seconds) == 22_768  # up to the threshold
    assert cheap.chunk(10_000, seconds) > 40_000


def test_the_regimes_meet_at_the_threshold_as_the_kernels_have_it():
    from longread.kernels.sparse.budgets import Budgets

    budgets = Budgets.uniform(1, 1, vertical=1, slash=1, threshold=BOTH.threshold, least_queries=BOTH.least_queries)
    for prefix in (0, 31_744, 31_745, 32_768, 100_000):
        for chunk in (1, 1_023, 1_024, 32_768, 32_769):
            assert BOTH.is_sparse(prefix, chunk) is budgets.apply(queries=chunk, length=prefix + chunk)


def test_a_pipeline_goes_at_the_pace_of_its_slowest_stage():
    slow = CostModel(dense=DENSE.scaled(2))
    pipeline = Pipeline(stages=(CostModel(dense=DENSE), slow, slow))
    assert pipeline.seconds(5_000, 512) == slow.seconds(5_000, 512)
    assert pipeline.chunk(5_000, 0.1) == slow.chunk(5_000, 0.1)
    assert pipeline.slowest(5_000, 512) is slow


# Corrections


def follow(table: CostModel, real: CostModel, steps: int = 24, noise: float = 0.03) -> Corrector:
    """A corrector that has seen the first steps of a prompt, of about equal time."""
    draw, corrector, prefix = random.Random(0), Corrector(Pipeline(stages=(table, table))), 0
    for _ in range(steps):
        chunk = max(128, corrector.pipeline.chunk(prefix, 0.5))
        corrector.observe(prefix, chunk, real.seconds(prefix, chunk) * draw.uniform(1 - noise, 1 + noise))
        prefix += chunk
    return corrector


def off(pipeline: Pipeline, real: CostModel, prefix: int, chunk: int) -> float:
    return abs(pipeline.seconds(prefix, chunk) / real.seconds(prefix, chunk) - 1)


def test_a_right_table_is_left_as_it_is():
    corrector = follow(BOTH, BOTH)
    assert corrector.pipeline is corrector.table


@pytest.mark.parametrize(
    "real",
    [
        CostModel(dense=DENSE.scaled(3)),
        CostModel(dense=DENSE.scaled(1 / 3)),
        CostModel(dense=DENSE.model_copy(update={"past": 1.5e-10, "own": 1.5e-10})),
    ],
    ids=["a slower machine", "a faster machine", "attention that costs five times as much"],
)
def test_a_wrong_table_is_corrected_within_one_prompt(real):
    table = CostModel(dense=DENSE)
    corrector = follow(table, real)
    for prefix in (200_000, 400_000):
        before, after = (off(pipeline, real, prefix, 4_096) for pipeline in (corrector.table, corrector.pipeline))
        assert before > 0.4
        assert after < 0.15


def test_a_table_that_never_saw_a_prefix_is_corrected():
    blind = CostModel(dense=DENSE.model_copy(update={"past": 0.0, "length": 0.0}))
    real = CostModel(dense=DENSE)
    corrector = follow(blind, real)
    assert off(corrector.table, real, 400_000, 4_096) > 0.3
    assert off(corrector.pipeline, real, 400_000, 4_096) < 0.15


def test_a_regime_that_was_not_seen_follows_the_one_that_was():
    twice = BOTH.model_copy(update={"dense": DENSE.scaled(2), "sparse": SPARSE.scaled(2)})
    corrector = Corrector(Pipeline(stages=(BOTH,)))
    for prefix in range(0, 30_000, 2_000):
        corrector.observe(prefix, 2_000, twice.seconds(prefix, 2_000))
    assert off(corrector.pipeline, twice, 500_000, 8_192) < 0.01


def test_one_step_that_was_held_up_changes_nothing():
    corrector = Corrector(Pipeline(stages=(BOTH,)))
    for index in range(12):
        corrector.observe(index * 1_000, 1_000, BOTH.seconds(index * 1_000, 1_000) * (100 if index == 5 else 1))
    assert corrector.pipeline is corrector.table


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 1_000_000), st.integers(1, 100_000), st.floats(1e-6, 1e4)), max_size=40))
def test_whatever_is_observed_costs_stay_costs(steps):
    corrector = Corrector(Pipeline(stages=(BOTH, BOTH)))
    for prefix, chunk, seconds in steps:
        corrector.observe(prefix, chunk, seconds)
    assert 0 < corrector.pipeline.seconds(10_000, 1_000) < float("inf")
    assert len(corrector.pipeline.stages) == 2
