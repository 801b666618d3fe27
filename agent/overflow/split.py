"""Split a sequence of items into consecutive parts that each fit a token budget: few, and of equal size."""

from collections.abc import Hashable, Sequence
from typing import NamedTuple


class Item(NamedTuple):
    tokens: int
    group: Hashable = None
    """Items of one group share a frame."""
    frame: int = 0
    """Tokens that a part has once for all items of this group in it."""


def split(items: Sequence[Item], budget: int) -> list[range]:
    """Split a sequence into parts, with every item in exactly one. Items of one group must be adjacent.

    The number of parts is minimal, and so is the size of the largest part among all splits into that number. The result
    depends only on the arguments.

    Raises:
        ValueError: a single item exceeds the budget.
    """
    if not items:
        return []
    largest = max(item.tokens + item.frame for item in items)
    if largest > budget:
        raise ValueError(f"one item has {largest} tokens and the budget is {budget}")
    parts = _greedy(items, budget)
    low, high = largest, budget
    while low < high:  # filling each part gives the fewest parts, so a smaller budget never gives fewer
        middle = (low + high) // 2
        tried = _greedy(items, middle)
        if len(tried) > len(parts):
            low = middle + 1
        else:
            high, parts = middle, tried
    return parts


def _greedy(items: Sequence[Item], budget: int) -> list[range]:
    parts: list[range] = []
    start = used = 0
    for at, item in enumerate(items):
        new = at == start or items[at - 1].group != item.group
        cost = item.tokens + item.frame * new
        if at > start and used + cost > budget:
            parts.append(range(start, at))
            start, used, cost = at, 0, item.tokens + item.frame
        used += cost
    return [*parts, range(start, len(items))]
