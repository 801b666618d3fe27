"""Things in a row -> stretches that each fit a budget: as few as possible, and then as equal as possible."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Item(NamedTuple):
    tokens: int
    group: Hashable = None
    """Things of one group share a frame."""
    frame: int = 0
    """Tokens that a stretch has once for all things of this group in it."""


def split(items: Sequence[Item], budget: int) -> list[range]:
    """Cut a row of things into stretches, every thing in exactly one.

    There is no way to have fewer stretches within the budget, and none to have as many with a smaller largest one. The
    result depends on nothing but the arguments. Things of one group stand side by side.

    Raises:
        ValueError: one thing alone is larger than the budget.
    """
    if not items:
        return []
    largest = max(item.tokens + item.frame for item in items)
    if largest > budget:
        raise ValueError(f"one thing has {largest} tokens and the budget is {budget}")
    stretches = _greedy(items, budget)
    low, high = largest, budget
    while low < high:  # taking as much as fits gives the fewest stretches, so fewer tokens never give fewer of them
        middle = (low + high) // 2
        tried = _greedy(items, middle)
        if len(tried) > len(stretches):
            low = middle + 1
        else:
            high, stretches = middle, tried
    return stretches


def _greedy(items: Sequence[Item], budget: int) -> list[range]:
    stretches: list[range] = []
    start = used = 0
    for at, item in enumerate(items):
        new = at == start or items[at - 1].group != item.group
        cost = item.tokens + item.frame * new
        if at > start and used + cost > budget:
            stretches.append(range(start, at))
            start, used, cost = at, 0, item.tokens + item.frame
        used += cost
    return [*stretches, range(start, len(items))]
