"""An estimate of the remaining prefill time, from the chunks read so far."""

from collections import deque
from typing import Any

_REMEMBERED = 64  # chunks: a machine's load changes
_PRIOR = 0.01


class PrefillClock:
    """Fits the cost of prefill, and estimates the remaining time.

    A chunk of x tokens after p others costs a·x for the projections and b·x·(p + x/2) for attention. With few chunks,
    the ratio b/a follows from the model's arithmetic: it enters the least-squares fit as a prior, with the weight of a
    hundredth of a chunk.
    """

    def __init__(self, model: Any):
        config, layers = model.config, model.base_model.layers
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        attention = 4 * config.num_attention_heads * dim * config.num_hidden_layers  # FLOPs a pair of tokens
        projections = 2 * sum(weight.numel() for weight in layers.parameters())  # FLOPs a token
        self._ratio = attention / projections
        self._chunks: deque[tuple[float, float, float]] = deque(maxlen=_REMEMBERED)  # x, x·(p + x/2), seconds

    def add(self, before: int, tokens: int, seconds: float) -> None:
        """Record a chunk: `tokens` after `before` others took `seconds`."""
        self._chunks.append((tokens, tokens * (before + tokens / 2), seconds))

    def left(self, done: int, total: int) -> float | None:
        """Seconds for tokens `done` to `total`, or None before the first chunk."""
        if not self._chunks:
            return None
        a, b = self._fit()
        return a * (total - done) + b * (total - done) * (total + done) / 2

    def _fit(self) -> tuple[float, float]:
        xs, ys, ts = (sum(column) for column in zip(*self._chunks, strict=True))
        scale = ts / (xs + self._ratio * ys)  # the only unknown if the arithmetic were exact
        # Least squares for deviations from (scale, scale · ratio), with a penalty on them.
        x2 = xy = y2 = xt = yt = 0.0
        for x, y, t in self._chunks:
            rest = t - scale * (x + self._ratio * y)
            x2, xy, y2, xt, yt = x2 + x * x, xy + x * y, y2 + y * y, xt + x * rest, yt + y * rest
        more = 1 + _PRIOR / len(self._chunks)
        determinant = more * x2 * more * y2 - xy * xy
        a = scale + (xt * more * y2 - yt * xy) / determinant
        b = scale * self._ratio + (yt * more * x2 - xt * xy) / determinant
        # Neither part takes negative time: then the other one takes all of it.
        if b < 0:
            return ts / xs, 0.0
        if a < 0:
            return 0.0, ts / ys
        return a, b
