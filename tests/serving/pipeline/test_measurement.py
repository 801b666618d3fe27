"""The chunks to measure, and the samples from the times of the workers."""

import pytest

from longread.errors import LongreadError
from longread.serving.pipeline.measurement import (
    FixedSizes,
    Step,
    chunk_sizes,
    concurrent_steps,
    samples,
    stage_steps,
    transfer,
)


def test_sizes_are_of_use_to_a_pipeline() -> None:
    halves = [32_768, 16_384, 8192, 4096, 2048, 1024]
    found = chunk_sizes(32_768, 128, 1_000_000, None)
    assert found[::3] == found[1::3] == found[2::3] == [*halves, *halves[-2:0:-1]]
    assert sorted({*chunk_sizes(2048, 32, 6144, None)}) == [48, 96, 192, 384, 768]
    assert chunk_sizes(2048, 32, 100, None) == [32, 32, 32]
    # Enough queries to be sparse, twice over.
    assert sorted({*chunk_sizes(4096, 64, 8192, (2048, 1024))}) == [64, 128, 256, 512, 1024, 2048]


@pytest.mark.parametrize("most", [64, 2048])
def test_stages_do_much_the_same_at_a_time(most: int) -> None:
    sizes = chunk_sizes(most, 32, 100_000, None)
    around = list(zip(sizes, [*sizes[1:], sizes[0]], strict=True))
    assert all(max(pair) <= 2 * min(pair) for pair in around)
    assert 3 * sum(one == other for one, other in around) >= 2 * len(sizes)


def test_a_step_counts_if_the_other_stages_worked_meanwhile() -> None:
    """A later stage that has half the layers: half of each step's time is what there mostly is."""
    first = [Step(0, 100, 0.0, 1.0), Step(100, 100, 1.0, 1.0), Step(200, 100, 2.0, 1.0), Step(300, 400, 3.0, 4.0)]
    later = [Step(0, 100, 1.0, 0.5), Step(100, 100, 2.0, 0.5), Step(200, 100, 3.0, 0.5), Step(300, 400, 7.0, 2.0)]
    kept = concurrent_steps([first, later])
    assert kept[0] == first[1:3]  # neither while the pipeline fills, nor the long one that the later stage waits for
    assert kept[1] == later[:3]
    assert concurrent_steps([first]) == [first]


def test_all_of_a_prompt_is_read_by_turns() -> None:
    turns = FixedSizes([300, 100])
    prefix = 0
    while prefix < 1000:
        prefix += turns.next("one", prefix, 1000 - prefix)
    assert turns.read == [(0, 300), (300, 100), (400, 300), (700, 100), (800, 200)]


def test_a_stage_takes_as_long_as_its_slowest_rank() -> None:
    ranks = [[(300, 1.0, 0.5), (100, 2.0, 0.2), (1, 3.0, 0.1)], [(300, 1.1, 0.6), (100, 2.1, 0.1), (1, 3.1, 0.1)]]
    assert stage_steps([(0, 300), (300, 100)], ranks) == [Step(0, 300, 1.0, 0.6), Step(300, 100, 2.0, 0.2)]
    with pytest.raises(LongreadError, match=r"200.*scheduled.*workers.*300\.$"):
        stage_steps([(0, 200)], ranks)


def test_steps_are_of_the_regime_that_their_attention_is() -> None:
    steps = [
        Step(0, 1024, 0, 1),
        Step(1024, 1024, 0, 2),
        Step(2048, 1024, 0, 3),
        Step(3072, 512, 0, 4),
        Step(3584, 5, 0, 5),
    ]
    found = samples(steps, (2048, 1024), 64)
    assert [(one.prefix, one.seconds, one.sparse) for one in found] == [
        (0, 1, False), (1024, 2, False), (2048, 3, True), (3072, 4, False),
    ]  # fmt: skip
    assert not any(one.sparse for one in samples(steps, None, 64))


def test_a_transfer_is_seen_where_the_next_stage_was_idle() -> None:
    """The gap of the second chunk is the later stage's own doing: it was still busy with the first."""

    def stages(first: int, second: int) -> list[list[Step]]:
        def gap(chunk: int) -> float:
            return 0.01 + 1e-5 * chunk

        one = [Step(0, first, 0.0, 1.0), Step(first, second, 1.0, 0.5), Step(first + second, first, 1.5, 3.0)]
        begins = 1.0 + gap(first)
        other = [
            Step(0, first, begins, 1.0),
            Step(first, second, begins + 1.0, 0.5),
            Step(first + second, first, 4.5 + gap(first), 1.0),
        ]
        return [one, other]

    found = transfer([stages(1000, 500), stages(3000, 500)])
    assert (found.step, found.token) == pytest.approx((0.01, 1e-5))
    only = transfer([stages(1000, 500)])
    assert (only.step, only.token) == (pytest.approx(0.02), 0)
    assert transfer([stages(1000, 500)[:1]]).step == 0
