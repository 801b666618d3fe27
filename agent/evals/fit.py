"""Fit a text to a number of tokens."""

from collections.abc import Callable

from longread.errors import QualityError


def largest(tokens: Callable[[int], int], room: int, what: str) -> int:
    """The largest n >= 1 for which `tokens(n)`, which grows with n, is at most `room`.

    Raises:
        QualityError: not even 1 fits; the message names `what` and both numbers.
    """
    if (least := tokens(1)) > room:
        raise QualityError(f"{what} takes at least {least:,} tokens, and {room:,} were asked for: raise --length.")
    low, high = 1, 2
    while tokens(high) <= room:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if tokens(middle) <= room else (low, middle)
    return low
