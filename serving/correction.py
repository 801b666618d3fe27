"""A cost model that follows what steps really take, so that a wrong table repairs itself within one long prompt."""

from collections import deque
from statistics import median

import numpy as np

from .costs import CostModel, Pipeline, Terms, nonnegative

WINDOW = 32
"""Steps that are remembered, of each regime."""
_ENOUGH = 3
"""Steps to have seen before anything is changed."""
_TOLERATED = 0.05
"""Median error of the last steps up to which the costs in force are left as they are: noise is no reason to change."""
_NOISE = 0.05
"""Relative spread of what a step takes."""
_SPREAD = np.array([0.1, 0.3, 0.3, 1.0, 1.0, 0.3])
"""Relative spread of the table's coefficients. Steps of equal time cannot tell what a step costs in any case from what
its tokens do: there the table is believed. It may never have seen so long a prefix: pairs are learnt."""
_UNSEEN = np.array([0.0, 0.0, 0.01, 0.3, 0.1, 0.0])
"""Further spread as a share of a step, so that a coefficient of 0 can be found to be wrong, too."""
_CLIP = 4.0
"""Times more or less than expected: beyond this a step was held up by something else, and counts as so much only."""


class Corrector:
    """Follows the pace of a pipeline.

    What an engine sees of its steps is the pace: the time between two that leave the last stage, which is what the
    slowest stage takes for the second. So that is what is learnt, and all stages are then taken to keep it. The last
    steps are fitted as the table was, by non-negative least squares on the relative error, with the table itself as
    further rows: a Gaussian prior on each coefficient. A regime that was not seen yet is scaled by what was.

    Args:
        table: the pipeline as it was calibrated.
    """

    def __init__(self, table: Pipeline):
        self.table = table
        self.pipeline = table
        """The costs in force; another object once they have changed."""
        self._seen: dict[bool, deque[tuple[tuple[float, ...], float]]] = {
            sparse: deque(maxlen=WINDOW) for sparse in (False, True)
        }
        self._ratios: deque[float] = deque(maxlen=WINDOW)
        self._errors: deque[float] = deque(maxlen=_ENOUGH)
        self._under_way: deque[float] = deque(maxlen=len(table.stages) + 1)

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        """Take note of a step, of every one and in their order.

        Args:
            seconds: since the step before it left the last stage; None where that says nothing: the pipeline was not
                full, or the step read several prompts.
        """
        expected = self.pipeline.seconds(prefix, chunk, decodes)
        longest = max(self._under_way, default=0.0)
        self._under_way.append(expected)
        if not seconds or not longest:
            return
        # A step longer than those under way with it waits for none of them: it adds its excess in every stage.
        excess = max(0.0, expected - longest) * (len(self.table.stages) - 1)
        seconds *= expected / (expected + excess)
        seconds = min(max(seconds, expected / _CLIP), expected * _CLIP)
        stage = self.table.slowest(prefix, chunk)
        sparse = stage.is_sparse(prefix, chunk)
        self._seen[sparse].append((Terms.features(prefix, chunk, decodes), seconds))
        self._ratios.append(seconds / stage.seconds(prefix, chunk, decodes))
        self._errors.append(abs(expected / seconds - 1))
        if len(self._errors) == _ENOUGH and median(self._errors) > _TOLERATED:
            self.pipeline = self._corrected(stage)

    def _corrected(self, stage: CostModel) -> Pipeline:
        dense = self._terms(stage.dense, False)
        sparse = None if stage.sparse is None else self._terms(stage.sparse, True)
        pace = stage.model_copy(update={"dense": dense, "sparse": sparse})
        return Pipeline(stages=(pace,) * len(self.table.stages))  # the transfer is in the pace

    def _terms(self, table: Terms, sparse: bool) -> Terms:
        """The coefficients of a regime: near the table's, or near the table's of a machine so much slower or faster."""
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
