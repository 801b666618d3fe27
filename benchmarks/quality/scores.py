"""What an answer is worth: from 0 to 1, by each benchmark's own rule."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from .sample import Sample

Metric = Callable[[str, tuple[str, ...], Mapping[str, Any]], float]
"""(answer, expected, facts) -> from 0 to 1."""


def score(sample: Sample, answer: str) -> float:
    """What the answer to a sample is worth."""
    return METRICS[sample.metric](answer, sample.answers, sample.facts)


def _printable(answer: str) -> str:
    """As RULER takes an answer: stripped, control characters as newlines."""
    return re.sub(r"[\x00-\x1f]", "\n", answer.strip()).strip()


def string_match_all(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """RULER: the share of the expected strings that occur in the answer, whatever their case."""
    said = _printable(answer).lower()
    return sum(one.lower() in said for one in expected) / len(expected)


def string_match_part(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """RULER, for questions about documents: whether any of the expected strings occurs in the answer."""
    said = _printable(answer).lower()
    return float(any(one.lower() in said for one in expected))


def first_number(answer: str, expected: tuple[str, ...], facts: Mapping[str, Any]) -> float:
    """InfiniteBench, for pass keys: whether the first digits of the answer are the number."""
    found = re.search(r"[0-9]+", answer)
    return float(found is not None and found[0] == expected[0])


METRICS: dict[str, Metric] = {
    "string_match_all": string_match_all,
    "string_match_part": string_match_part,
    "first_number": first_number,
}
