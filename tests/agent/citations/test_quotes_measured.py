"""True, altered, moved and invented quotes are told apart, measured on real pages: see tests/agent/quotes/README.md."""

import pytest

from benchmarks.agent import quotes as benchmark


@pytest.fixture(scope="module")
def checked() -> list[benchmark.Checked]:
    return benchmark.run(*benchmark.load())


def test_there_is_enough_to_measure_with() -> None:
    sheets, _ = benchmark.load()
    assert len(sheets) >= 200
    for half in ("A", "B"):
        kinds = [quote.kind for sheet in sheets if sheet.half == half for quote in sheet.quotes]
        assert min(kinds.count(kind) for kind in benchmark.MEANT) >= 100
    assert not {s.document for s in sheets if s.half == "A"} & {s.document for s in sheets if s.half == "B"}
    assert benchmark.SET.stat().st_size < 1_500_000


@pytest.mark.parametrize("half", ["A", "B"])
def test_the_four_kinds_are_told_apart(checked: list[benchmark.Checked], half: str) -> None:
    part = [one for one in checked if one.sheet.half == half]
    measure = benchmark.Measure.of(part)
    print(f"\nHalf {half}\n{measure.table()}")
    for status in benchmark.MEANT.values():
        assert measure.precision(status) >= 0.98, measure.table()
        assert measure.recall(status) >= 0.98, measure.table()


def test_no_altered_quote_is_called_verified_or_moved(checked: list[benchmark.Checked]) -> None:
    wrong = [one for one in checked if one.quote.kind == "altered" and one.status in ("verified", "moved")]
    assert not wrong


def test_the_pages_own_words_are_told(checked: list[benchmark.Checked]) -> None:
    found = [one for one in checked if one.quote.kind != "invented" and one.status == benchmark.MEANT[one.quote.kind]]
    assert sum(one.located for one in found) >= 0.98 * len(found)
