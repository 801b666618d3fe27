"""Confidence intervals of a mean score, and of a difference between two.

A score of right or wrong has the Wilson interval, which holds near 0 and 1 and for few samples, where the normal
approximation does not. Other scores are resampled (bootstrap). Two runs are compared sample by sample, because a hard
sample is hard for both: the difference has a paired bootstrap, and for right or wrong there is McNemar's exact test,
which only considers the samples on which they differ.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_RESAMPLES = 10_000
_Z = 1.959964
"""The quantile of a two-sided interval of 95%."""


@dataclass(frozen=True)
class Mean:
    """A mean with its interval of 95%."""

    value: float
    low: float
    high: float
    count: int

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def mean(values: Sequence[float]) -> Mean:
    """The mean of scores from 0 to 1; there must be at least one."""
    if set(values) <= {0.0, 1.0}:
        return wilson(int(sum(values)), len(values))
    low, high = _bootstrap(np.asarray(values, dtype=float))
    return Mean(sum(values) / len(values), low, high, len(values))


def wilson(right: int, count: int) -> Mean:
    """The fraction that is right, with Wilson's score interval (1927)."""
    share, square = right / count, _Z * _Z
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return Mean(share, max(0.0, centre - half), min(1.0, centre + half), count)


@dataclass(frozen=True)
class Difference:
    """Second minus first, on the same samples."""

    first: float
    second: float
    difference: Mean
    p: float | None
    """McNemar's exact test, two-sided; None if scores are not right or wrong."""

    @property
    def certain(self) -> bool:
        """Whether the interval excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


def difference(first: Sequence[float], second: Sequence[float]) -> Difference:
    """The difference of paired scores; there must be at least one pair."""
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    low, high = _bootstrap(b - a)
    p = mcnemar(int((a > b).sum()), int((b > a).sum())) if set(first) | set(second) <= {0.0, 1.0} else None
    if p is not None and (a == b).all():  # resampling would be certain of 0 after a single pair
        high = wilson(0, len(a)).high
        low = -high
    return Difference(float(a.mean()), float(b.mean()), Mean(float((b - a).mean()), low, high, len(a)), p)


def mcnemar(only_first: int, only_second: int) -> float:
    """p of the exact two-sided test, from the samples that only one of them has right."""
    count, less = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(count, k) for k in range(less + 1)) / 2**count
    return min(1.0, 2 * tail)


def _bootstrap(values: "np.ndarray") -> tuple[float, float]:
    """The percentiles 2.5 and 97.5 of the means of resamples, with a fixed seed."""
    drawn = np.random.default_rng(0).integers(0, len(values), (_RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(1), [2.5, 97.5])
    return float(low), float(high)
