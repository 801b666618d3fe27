"""Which chunks are measured, and what becomes of the times that workers tell."""

import pytest

from longread.serving.errors import LongreadError
from longread.serving.measuring import Step, Turns, chunk_sizes, samples, stage_steps, transfer


def test_sizes_are_of_use_to_a_pipeline_and_mixed() -> None:
    assert chunk_sizes(32_768, 128, 1_000_000, None) == [32_768, 8192, 2048, 16_384, 4096, 1024]
    assert chunk_sizes(2048, 32, 6144, None) == [768, 192, 48, 384, 96]
    assert chunk_sizes(2048, 32, 100, None) == [32]
    # Enough queries to be sparse, twice over.
    assert chunk_sizes(4096, 64, 8192, (2048, 1024)) == [2048, 512, 128, 1024, 256, 64]


def test_all_of_a_prompt_is_read_by_turns() -> None:
    turns = Turns([300, 100])
    prefix = 0
    while prefix < 1000:
        prefix += turns.next("one", prefix, 1000 - prefix)
    assert turns.read == [(0, 300), (300, 100), (400, 300), (700, 100), (800, 200)]


def test_a_stage_takes_as_long_as_its_slowest_rank() -> None:
    ranks = [[(300, 1.0, 0.5), (100, 2.0, 0.2), (1, 3.0, 0.1)], [(300, 1.1, 0.6), (100, 2.1, 0.1), (1, 3.1, 0.1)]]
    assert stage_steps([(0, 300), (300, 100)], ranks) == [Step(0, 300, 1.0, 0.6), Step(300, 100, 2.0, 0.2)]
    with pytest.raises(LongreadError, match=r"^a step of 200 tokens was asked for, and the workers made 300 of it$"):
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
