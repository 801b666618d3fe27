"""The estimate of the remaining prefill time."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from longread.serving.embedded.prefill_clock import PrefillClock


def model(heads: int = 9, layers: int = 30, weights: int = 106_000_000) -> Any:
    linear = torch.nn.Linear(1, weights, bias=False, device="meta")
    config = SimpleNamespace(num_attention_heads=heads, head_dim=64, hidden_size=576, num_hidden_layers=layers)
    return SimpleNamespace(config=config, base_model=SimpleNamespace(layers=linear))


def cost(a: float, b: float, before: int, tokens: int) -> float:
    return a * tokens + b * tokens * (before + tokens / 2)


def test_nothing_is_foretold_from_nothing() -> None:
    assert PrefillClock(model()).left(0, 1000) is None


@pytest.mark.parametrize(("a", "b"), [(1.2e-3, 4e-7), (1e-3, 0.0), (2e-4, 2e-6)])
def test_learns_what_each_part_costs(a: float, b: float) -> None:
    clock = PrefillClock(model())
    for before in range(0, 4096, 512):
        clock.add(before, 512, cost(a, b, before, 512))
    left = clock.left(4096, 8192)
    assert left == pytest.approx(cost(a, b, 4096, 4096), rel=0.15)


def test_the_first_chunk_is_extrapolated_by_arithmetic() -> None:
    clock = PrefillClock(model())
    rate = 1e-11  # seconds a FLOP
    a, b = 2 * 106e6 * rate, 4 * 9 * 64 * 30 * rate
    clock.add(0, 512, cost(a, b, 0, 512))
    assert clock.left(512, 7000) == pytest.approx(cost(a, b, 512, 6488), rel=0.01)


def test_the_estimate_grows_with_the_prefix_and_ends_at_nothing() -> None:
    clock = PrefillClock(model())
    for before in range(0, 2048, 512):
        clock.add(before, 512, cost(1e-3, 1e-6, before, 512))
    late, early = clock.left(7000, 8000), clock.left(0, 1000)
    assert late is not None
    assert early is not None
    assert late > 3 * early
    assert clock.left(8000, 8000) == 0


def test_noise_never_makes_it_negative() -> None:
    clock = PrefillClock(model())
    for before, seconds in ((0, 9.0), (512, 0.1), (1024, 0.1)):
        clock.add(before, 512, seconds)
    left = clock.left(1536, 8192)
    assert left is not None
    assert left > 0
