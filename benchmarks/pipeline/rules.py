"""The published rules of other engines for chunk sizes, with the interface of `chunker.Pacer`.

SGLang and vLLM-Ascend fit f(l) = a·l² + b·l + c to chunks without a prefix, and solve f(L + x) - f(L) = f(base) - f(0).
ATOM fits t(L, x) = c + γ·L + b·x + a·(2·L·x + x²), the prefix and the area from the first prompts, and solves
t(L, x) = t(0, base). Both then blend with the base: base + smoothing·(x - base). The user chooses `base`.
"""

import math
from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from longread.serving.pipeline.chunker import Pipeline
from longread.serving.pipeline.cost_model import nonnegative

SMOOTHING = 0.75
SAMPLES = 64
"""Chunks without a prefix, up to 1.25 times the base."""
ATOM_PROMPT = 131_072
"""The assumed length of the first prompts."""


@dataclass
class Rule:
    """A rule without state: the size depends only on the prefix.

    Args:
        base: the first chunk of a prompt, and the token budget of a step, including decodes.
        least: tokens of the smallest chunk.
        page: chunks are multiples of it.
        smoothing: 0 keeps the base.
    """

    base: int
    least: int
    page: int
    smoothing: float = SMOOTHING

    def solve(self, prefix: int) -> float:
        """The size before blending."""
        return self.base

    def next(self, request: Hashable, prefix: int, remaining: int, decodes: int = 0, *, shared: bool = False) -> int:
        """The size of the next chunk. It does not depend on whether others decode."""
        size = self.base + self.smoothing * (self.solve(prefix) - self.base)
        size = max(int(size) // self.page * self.page, self.least)
        return max(min(size, self.base - decodes, remaining), 0)

    def observe(self, prefix: int, chunk: int, seconds: float | None, decodes: int = 0) -> None:
        """Does nothing; only vLLM-Ascend learns from its first steps."""

    def forget(self, request: Hashable) -> None:
        """Does nothing: there is no state."""


def fixed_rule(size: int, page: int) -> Rule:
    """Chunks of one size."""
    return Rule(size, size, page, smoothing=0.0)


class SGLang(Rule):
    """SGLang's published design; the smallest chunk is a quarter of the base."""

    def __init__(self, pipeline: Pipeline, base: int, page: int):
        super().__init__(base, base // 4 // page * page or page, page)
        sizes = np.linspace(base / SAMPLES, 1.25 * base, SAMPLES).astype(int) + 1
        first = pipeline.stages[0]
        a, b, _ = np.polyfit(sizes, [first.seconds(0, int(size)) for size in sizes], 2)
        self._a, self._b = max(float(a), 0.0), float(b)

    def solve(self, prefix: int) -> float:
        a, b = self._a, self._b
        target = a * self.base**2 + b * self.base
        rate = 2 * a * prefix + b
        return 2 * target / (rate + math.sqrt(rate * rate + 4 * a * target))


class Atom(Rule):
    """ATOM's published guide: the first prompts are read in chunks of the base and of a quarter of it, alternately."""

    def __init__(self, pipeline: Pipeline, base: int, page: int, least: int = 4_096):
        super().__init__(base, min(least, base), page)
        first, prefix, rows, seconds = pipeline.stages[0], 0, [], []
        while prefix < ATOM_PROMPT:
            for size in (base, max(base // 4, 1)):
                rows.append((1.0, prefix, size, 2 * prefix * size + size * size))
                seconds.append(first.seconds(prefix, size))
                prefix += size
        weights = 1 / np.array(seconds)
        found = nonnegative(np.array(rows) * weights[:, None], np.ones(len(seconds)))
        self._c, self._gamma, self._b, self._a = map(float, found)

    def solve(self, prefix: int) -> float:
        target = self._c + self._b * self.base + self._a * self.base**2
        spare = target - self._c - self._gamma * prefix
        if spare <= 0:
            return 0.0
        rate = self._b + 2 * self._a * prefix
        return 2 * spare / (rate + math.sqrt(rate * rate + 4 * self._a * spare) or math.inf)
