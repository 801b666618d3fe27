"""Page ranges: what is understood, what is not, and that both directions agree."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longread.page_ranges import PageRangeError, format_range, format_ranges, parse_ranges

PAGES = st.sets(st.integers(1, 300))
RANGES = st.lists(st.tuples(st.integers(0, 999_999_999), st.integers(0, 999_999_999)), min_size=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7", [(7, 7)]),
        ("1-20,45", [(1, 20), (45, 45)]),
        (" 1 - 20 , 45 ", [(1, 20), (45, 45)]),
        ("3–5", [(3, 5)]),
        ("9-2", [(9, 2)]),
        ("4,2,4", [(4, 4), (2, 2), (4, 4)]),
        ("0", [(0, 0)]),
        ("007", [(7, 7)]),
        ("1-999999999", [(1, 999_999_999)]),
    ],
)
def test_ranges_are_parsed_in_their_order(text: str, expected: list[tuple[int, int]]):
    assert parse_ranges(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", ""),
        ("x", "x"),
        ("1,", ""),
        ("1,, 2", ""),
        ("1-2-3", "1-2-3"),
        ("-3", "-3"),
        ("3-", "3-"),
        ("1 2", "1 2"),
        ("1.5", "1.5"),
        ("1;2", "1;2"),
        ("3, all ,x", "all"),
        ("1-9999999999", "1-9999999999"),
    ],
)
def test_the_first_part_that_is_no_range_is_named(text: str, part: str):
    with pytest.raises(PageRangeError) as error:
        parse_ranges(text)
    assert error.value.part == part
    assert repr(part) in str(error.value)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ([], ""),
        ([5], "5"),
        ([7, 1, 2, 3, 9, 10], "1-3, 7, 9-10"),
        ([2, 1, 2], "1-2"),
    ],
)
def test_numbers_are_written_as_ranges(numbers: list[int], expected: str):
    assert format_ranges(numbers) == expected
    assert format_ranges(iter(numbers)) == expected


def test_ranges_over_the_limit_are_counted_by_page():
    numbers = [1, 2, 3, 7, 10, 11]
    assert format_ranges(numbers, most=1) == "1-3 and 3 more"
    assert format_ranges(numbers, most=2) == "1-3, 7 and 2 more"
    assert format_ranges(numbers, most=3) == "1-3, 7, 10-11"
    assert format_ranges([], most=1) == ""


@given(PAGES.filter(bool))
def test_what_is_written_is_parsed_to_the_same_pages(numbers: set[int]):
    ranges = parse_ranges(format_ranges(numbers))
    assert [number for first, last in ranges for number in range(first, last + 1)] == sorted(numbers)
    assert all(after - last > 1 for (_, last), (after, _) in pairwise(ranges)), "each is as long as it can be"


@given(PAGES, st.integers(1, 10))
def test_every_page_is_written_or_counted(numbers: set[int], most: int):
    shown, _, rest = format_ranges(numbers, most=most).partition(" and ")
    written = [number for first, last in parse_ranges(shown) for number in range(first, last + 1)] if shown else []
    assert written == sorted(numbers)[: len(written)]
    assert len(written) + int(rest.removesuffix(" more") or 0) == len(numbers)
    assert len(shown.split(", ")) <= most


@given(RANGES)
def test_ranges_as_parsed_are_those_that_were_written(ranges: list[tuple[int, int]]):
    assert parse_ranges(",".join(format_range(*one) for one in ranges)) == ranges
