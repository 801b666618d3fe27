"""Online correction of the cost model by the measured steps: a wrong table is corrected within one long prompt."""

from collections import deque
from statistics import median

import numpy as np

from .cost_model import CostModel, Pipeline, Terms, nonnegative

WINDOW = 32
"""Steps that are remembered for each regime."""
_ENOUGH = 3
"""Steps before anything is corrected."""
_TOLERATED = 0.05
"""The median error of the last steps up to which nothing is corrected: it may be noise."""
_NOISE = 0.05
"""Relative spread of the time of a step."""
_SPREAD = np.array([0.1, 0.3, 0.3, 1.0, 1.0, 0.3])
"""Relative spread of the table's coefficients. Steps of equal time do not distinguish the cost of a step from that of
its tokens: there the prior is strong. The table may never have seen so long a prefix: for pairs it is weak."""
_UNSEEN = np.array([0.0, 0.0, 0.01, 0.3, 0.1, 0.0])
"""Further spread as a share of a step, so that a coefficient of 0 can be corrected, too."""
_CLIP = 4.0
"""The largest factor between measured and expected time: beyond it something else has delayed the step."""


class Corrector:
    """Learns the pace of a pipeline from its steps.

    An engine observes only the pace: the time between two steps that leave the last stage, which is the time of the
    second one in the slowest stage. So the pace is fitted, and used for all stages. The last steps are fitted like the
    table, by non-negative least squares on the relative error, with the table as further rows: a Gaussian prior on each
    coefficient. A regime without steps yet is scaled like the other one.

    Args:
        table: the pipeline as it was calibrated.
    """

    def __init__(self, table: Pipeline):
        self.table = table
        self.pipeline = table
        """The current costs; a new object after each correction."""
        self._seen: dict[bool, deque[tuple[tuple[float, ...], float]]] = {
            sparse: deque(maxlen=WINDOW) for sparse in (False, True)
        }
        self._ratios: deque[float] = deque(maxlen=WINDOW)
        self._errors: deque[float] = deque(maxlen=_ENOUGH)
        self._in_flight: deque[float] = deque(maxlen=len(table.stages) + 1)

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        """Record a step. Must be called for every step, in their order.

        Args:
            seconds: the time since the previous step left the last stage; None if that says nothing, because the
                pipeline was not full, or the step read several prompts.
        """
        expected = self.pipeline.seconds(prefix, chunk, decodes)
        longest = max(self._in_flight, default=0.0)
        self._in_flight.append(expected)
        if not seconds or not longest:
            return
        # A step longer than those in flight with it waits for none of them: it adds its excess in every stage.
        excess = max(0.0, expected - longest) * (len(self.table.stages) - 1)
        seconds *= expected / (expected + excess)
        seconds = min(max(seconds, expected / _CLIP), expected * _CLIP)
        stage = self.table.slowest(prefix, chunk)
        sparse = stage.is_sparse(prefix, chunk)
        self._seen[sparse].append((Terms.features(prefix, chunk, decodes), seconds))
        self._ratios.append(seconds / stage.seconds(prefix, chunk, decodes))
        self._errors.append(abs(expected / seconds - 1))
        if len(self._errors) == _ENOUGH and median(self._errors) > _TOLERATED:
            self.pipeline = self._correct(stage)

    def _correct(self, stage: CostModel) -> Pipeline:
        dense = self._terms(stage.dense, False)
        sparse = None if stage.sparse is None else self._terms(stage.sparse, True)
        pace = stage.model_copy(update={"dense": dense, "sparse": sparse})
        return Pipeline(stages=(pace,) * len(self.table.stages))  # the transfer is in the pace

    def _terms(self, table: Terms, sparse: bool) -> Terms:
        """The coefficients of a regime: close to the table's, or to those of a slower or faster machine."""
        scaled = table.scaled(median(self._ratios))
        if len(self._seen[sparse]) < _ENOUGH:
            return scaled
        return min((_fit(self._seen[sparse], prior) for prior in (table, scaled)), key=lambda fit: fit[1])[0]


def _fit(seen: deque[tuple[tuple[float, ...], float]], table: Terms) -> tuple[Terms, float]:
    """(coefficients, misfit): least squares over the steps and, as the prior, the coefficients of a table."""
    seconds = np.array([one for _, one in seen])
    features = np.array([one for one, _ in seen])
    largest = features.max(axis=0)
    prior = np.array(table.values)
    unseen = np.divide(_UNSEEN * seconds.mean(), largest, out=np.zeros_like(prior), where=largest > 0)
    spread = np.maximum(_SPREAD * prior + unseen, 1e-30)
    rows = np.vstack([features / seconds[:, None] / _NOISE, np.diag(1 / spread)])
    targets = np.concatenate([np.full(len(seen), 1 / _NOISE), prior / spread])
    found = nonnegative(rows, targets)
    return Terms.of(found), float(np.linalg.norm(rows @ found - targets))
