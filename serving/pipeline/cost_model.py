"""The cost model of an engine's steps, by prefix and chunk, fitted to measurements.

A step that reads `x` tokens after a prefix of `L`, with `d` decodes beside them, takes

    t(L, x, d) = step + token·x + length·(L + x) + past·L·x + own·x²/2 + decode·d

seconds. The terms are the work of attention and matrix products: per step, per token, per token of the sequence (its
pages are gathered; sparse prefill scores all of them with 64 queries), per pair of a query and a cached key, per pair
inside the chunk, and per decode. Dense and sparse attention have separate coefficients. docs/internals/pipeline.md
derives the model, and compares it with others.
"""

import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from statistics import median
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from longread.errors import PoorFit

TYPICAL, WORST = 0.10, 0.35
"""The median and the worst relative error up to which a fit is accepted: chunks would be off by as much."""
_REACH = 8
"""The fit is trusted for prefixes up to this many times the longest one measured."""

_NO_LIMIT = 1 << 62
_ROUNDING = 1e-9
"""So that a chunk that takes exactly so many seconds is found."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Sample(_Frozen):
    """One measured step of one stage.

    Args:
        prefix: tokens in the cache before it.
        chunk: tokens it read.
        sparse: whether its attention was sparse.
        decodes: tokens of other requests in the same step.
    """

    prefix: NonNegativeInt
    chunk: NonNegativeInt
    seconds: PositiveFloat = Field(allow_inf_nan=False)
    sparse: bool
    decodes: NonNegativeInt = 0


class Terms(_Frozen):
    """The coefficients of one regime, in seconds each."""

    step: NonNegativeFloat = 0.0
    token: NonNegativeFloat = 0.0
    length: NonNegativeFloat = 0.0
    past: NonNegativeFloat = 0.0
    own: NonNegativeFloat = 0.0
    decode: NonNegativeFloat = 0.0

    @staticmethod
    def features(prefix: int, chunk: int, decodes: int = 0) -> tuple[float, ...]:
        """The factors of the coefficients, in their order. A step without a chunk has no prefix."""
        length = prefix + chunk if chunk else 0
        return (1.0, chunk, length, prefix * chunk, chunk * chunk / 2, decodes)

    @property
    def values(self) -> tuple[float, ...]:
        return (self.step, self.token, self.length, self.past, self.own, self.decode)

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        return cls(**dict(zip(cls.model_fields, map(float, values), strict=True)))

    def scaled(self, factor: float) -> Self:
        return self.of(factor * value for value in self.values)

    def plus(self, step: float, token: float) -> Self:
        more = {"step": self.step + step, "token": self.token + token, "decode": self.decode + token}
        return self.model_copy(update=more)

    def seconds(self, prefix: int, chunk: int, decodes: int = 0) -> float:
        rate = self.token + self.past * prefix + self.own * chunk / 2
        return self.step + self.decode * decodes + rate * chunk + (self.length * (prefix + chunk) if chunk else 0.0)

    def chunk(self, prefix: int, seconds: float, decodes: int = 0) -> float:
        """The chunk that takes so many seconds: `seconds` solved for x, a quadratic. 0 if every chunk takes longer."""
        spare = seconds - self.step - self.decode * decodes - self.length * prefix
        if spare <= 0:
            return 0.0
        rate = self.token + self.length + self.past * prefix
        slope = rate + math.sqrt(rate * rate + 2 * self.own * spare)
        return 2 * spare / slope if slope else math.inf


class Residual(_Frozen):
    """The relative error of a fit: |fitted - measured| / measured."""

    median: NonNegativeFloat
    worst: NonNegativeFloat


class Transfer(_Frozen):
    """The time that a stage takes to send its results, before it continues: seconds per step, and per token."""

    step: NonNegativeFloat = 0.0
    token: NonNegativeFloat = 0.0

    def seconds(self, chunk: int) -> float:
        return self.step + self.token * chunk


class CostModel(_Frozen):
    """The cost of a step of one stage.

    Args:
        sparse: None where attention is always dense.
        threshold, least_queries: where the sparse regime starts: see `longread.kernels.Budgets.apply`.
        longest: the longest prefix that was measured.
    """

    dense: Terms
    sparse: Terms | None = None
    threshold: NonNegativeInt = 0
    least_queries: NonNegativeInt = 0
    longest: NonNegativeInt = 0
    residual: Residual = Residual(median=0.0, worst=0.0)

    @classmethod
    def fit(
        cls,
        samples: Sequence[Sample],
        *,
        threshold: int = 0,
        least_queries: int = 0,
        typical: float = TYPICAL,
        worst: float = WORST,
    ) -> Self:
        """Fit each regime separately, by non-negative least squares on the relative error.

        The error is relative, because a step after a long prefix takes a hundred times as long as one after a short
        prefix, and both must be right. The coefficients are not negative, because no work takes negative time, and an
        extrapolation must not decrease. If no sample has decodes, a decode is assumed to cost as much as a token.

        Args:
            typical, worst: the median and the worst residual up to which a fit is accepted.

        Raises:
            PoorFit: too few steps of a regime, steps that do not differ, or residuals beyond the limits.
        """
        dense = _fit([one for one in samples if not one.sparse], "dense")
        sparse = [one for one in samples if one.sparse]
        found = cls(
            dense=dense,
            sparse=_fit(sparse, "sparse") if sparse else None,
            threshold=threshold if sparse else 0,
            least_queries=least_queries if sparse else 0,
            longest=max(one.prefix for one in samples),
        )
        for one in samples:
            if one.sparse is not found.is_sparse(one.prefix, one.chunk):
                raise PoorFit(
                    f"A chunk of {one.chunk:,} after {one.prefix:,} was measured {_NAMES[one.sparse]}; with a "
                    f"threshold of {threshold:,} and {least_queries:,} queries at least it is {_NAMES[not one.sparse]}."
                )
        errors = [(abs(found.terms(one.sparse).seconds(*_step(one)) / one.seconds - 1), one) for one in samples]
        residual = Residual(median=median(error for error, _ in errors), worst=max(error for error, _ in errors))
        if residual.median > typical or residual.worst > worst:
            _, one = max(errors, key=lambda pair: pair[0])
            raise PoorFit(
                f"No cost model fits the measured steps: it is off by {residual.median:.0%} in the median (at most "
                f"{typical:.0%}) and by {residual.worst:.0%} at worst (at most {worst:.0%}), where a chunk of "
                f"{one.chunk:,} after {one.prefix:,} took {one.seconds:.3g} s. Measure again on an idle machine."
            )
        return found.model_copy(update={"residual": residual})

    @model_validator(mode="after")
    def _dense_has_no_break(self) -> Self:
        if self.sparse is None and (self.threshold or self.least_queries):
            raise ValueError("a threshold of sparse attention without coefficients for it")
        return self

    def is_sparse(self, prefix: int, chunk: int) -> bool:
        """Whether a step is in the sparse regime."""
        return self.sparse is not None and prefix + chunk > self.threshold and chunk >= self.least_queries

    def terms(self, sparse: bool) -> Terms:
        return self.sparse if sparse and self.sparse is not None else self.dense

    def seconds(self, prefix: int, chunk: int, decodes: int = 0) -> float:
        """Seconds of a step."""
        return self.terms(self.is_sparse(prefix, chunk)).seconds(prefix, chunk, decodes)

    def chunk(self, prefix: int, seconds: float, decodes: int = 0, most: int = _NO_LIMIT) -> int:
        """The largest chunk, up to a limit, that a step of so many seconds can read; 0 if it cannot read a token.

        A sparse chunk may take less time than a smaller dense one, so both regimes are solved. Before the threshold,
        where both may have a solution, a dense chunk up to it is taken if it costs less per token.
        """
        dense = _floor(self.dense.chunk(prefix, seconds, decodes), most)
        if self.sparse is None:
            return dense
        dense = min(dense, max(self.threshold - prefix, self.least_queries - 1, 0))
        sparse = _floor(self.sparse.chunk(prefix, seconds, decodes), most)
        if not self.is_sparse(prefix, sparse):
            return dense
        cheaper = self.seconds(prefix, dense, decodes) * sparse < self.seconds(prefix, sparse, decodes) * dense
        return dense if cheaper and dense >= self.least_queries else max(dense, sparse)

    def plus(self, transfer: Transfer) -> "CostModel":
        """Including the transfer of the results."""
        if not (transfer.step or transfer.token):
            return self
        sparse = None if self.sparse is None else self.sparse.plus(transfer.step, transfer.token)
        return self.model_copy(update={"dense": self.dense.plus(transfer.step, transfer.token), "sparse": sparse})

    def covers(self, other: "CostModel") -> bool:
        """Whether no step takes longer with another model: it has the same regimes, and none of its terms is larger."""
        if (self.sparse is None, self.threshold, self.least_queries) != (
            other.sparse is None, other.threshold, other.least_queries,
        ):  # fmt: skip
            return False
        pairs = ((self.terms(sparse).values, other.terms(sparse).values) for sparse in (False, True))
        return all(own >= its for ours, theirs in pairs for own, its in zip(ours, theirs, strict=True))

    def extrapolates(self, length: int) -> bool:
        """Whether a prefix of this length is far beyond those measured."""
        return length > _REACH * max(self.longest, 1)


class Pipeline(_Frozen):
    """The stages that every chunk passes through; each works on a different chunk."""

    stages: tuple[CostModel, ...] = Field(min_length=1)
    transfer: Transfer = Transfer()

    @cached_property
    def paces(self) -> tuple[CostModel, ...]:
        """The cost of a step in each stage, including the transfer of its results, which the last one does not have."""
        return (*(stage.plus(self.transfer) for stage in self.stages[:-1]), self.stages[-1])

    @cached_property
    def distinct(self) -> tuple[CostModel, ...]:
        """The paces without duplicates."""
        return tuple(dict.fromkeys(self.paces))

    @cached_property
    def binding(self) -> tuple[CostModel, ...]:
        """The paces that can be the slowest."""
        models = self.distinct
        return tuple(one for one in models if not any(other.covers(one) for other in models if other is not one))

    def seconds(self, prefix: int, chunk: int, decodes: int = 0) -> float:
        """The pace: seconds of a step in the slowest stage."""
        return max([stage.seconds(prefix, chunk, decodes) for stage in self.binding])

    def chunk(self, prefix: int, seconds: float, decodes: int = 0, most: int = _NO_LIMIT) -> int:
        """The largest chunk, up to a limit, for which no stage takes longer."""
        return min([stage.chunk(prefix, seconds, decodes, most) for stage in self.binding])

    def slowest(self, prefix: int, chunk: int) -> CostModel:
        return max(self.binding, key=lambda stage: stage.seconds(prefix, chunk))


def nonnegative(rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """The x ≥ 0 that minimizes |rows·x - targets| (Lawson and Hanson, Solving Least Squares Problems, chapter 23).

    Args:
        rows: [samples, terms]
        targets: [samples]
    """
    scale = np.linalg.norm(rows, axis=0)
    scale[scale == 0] = 1.0  # a term that no sample has keeps the coefficient 0
    rows = rows / scale
    found = np.zeros(rows.shape[1])
    free = np.zeros(rows.shape[1], dtype=bool)
    for _ in range(3 * rows.shape[1]):
        gain = rows.T @ (targets - rows @ found)
        gain[free] = -math.inf
        if gain.max() <= 1e-12 * len(targets):
            break
        free[gain.argmax()] = True
        while True:
            trial = np.zeros_like(found)
            trial[free] = np.linalg.lstsq(rows[:, free], targets, rcond=None)[0]
            if trial[free].min(initial=1.0) > 0:
                break
            # Move towards the trial until a coefficient reaches 0, and fix that one at 0.
            stop = free & (trial <= 0)
            found = found + (trial - found) * (found[stop] / (found[stop] - trial[stop])).min()
            free &= found > 1e-15
            found[~free] = 0.0
            if not free.any():
                break
        found = trial
    return found / scale


_NAMES = ("dense", "sparse")
_LEAST_SAMPLES = len(Terms.model_fields)


def _fit(samples: Sequence[Sample], name: str) -> Terms:
    prefixes, chunks = ({one.prefix for one in samples}, {one.chunk for one in samples})
    if len(samples) < _LEAST_SAMPLES or len(prefixes) < 2 or len(chunks) < 2:
        raise PoorFit(
            f"{len(samples)} {name} steps of {len(prefixes)} prefixes and {len(chunks)} chunk sizes were measured. A "
            f"cost model needs at least {_LEAST_SAMPLES}, of 2 prefixes and 2 sizes."
        )
    seconds = np.array([one.seconds for one in samples])
    rows = np.array([Terms.features(*_step(one)) for one in samples]) / seconds[:, None]
    found = Terms.of(nonnegative(rows, np.ones_like(seconds)))
    return found if any(one.decodes for one in samples) else found.model_copy(update={"decode": found.token})


def _step(sample: Sample) -> tuple[int, int, int]:
    return sample.prefix, sample.chunk, sample.decodes


def _floor(tokens: float, most: int) -> int:
    return int(min(tokens * (1 + _ROUNDING), most))
