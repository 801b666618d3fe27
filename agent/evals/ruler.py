"""Shared code of RULER's tasks (arXiv 2404.06654): fitting the haystack to a length, and drawing samples.

Each task draws everything from one stream of random numbers, including the attempts to fit, so a sample depends on all
those before it. Here the streams are objects, and the order of what is drawn from them is RULER's: the same seed,
length and tokenizer give the same bytes.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from longread.errors import QualityError

from .sample import Sample, Wish

NOISE = "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again."
DEPTHS = [int(depth) for depth in np.round(np.linspace(0, 100, num=40, endpoint=True))]
"""Percentages of the text at which needles may be in prose."""
_TRIES = 200


class Streams:
    """RULER's two random generators, and the fixed orders that it shuffles by."""

    def __init__(self, seed: int):
        self.seed = seed
        self.random = random.Random(seed)
        self.numpy = np.random.RandomState(seed)

    def always(self) -> random.Random:
        """A new stream from the same seed: what it shuffles has the same order in each sample."""
        return random.Random(self.seed)


@dataclass(frozen=True)
class Text:
    """A prompt in parts, and its answers."""

    context: str
    question: str
    prefix: str
    answers: tuple[str, ...]
    depth: float | None = None

    @property
    def whole(self) -> str:
        return self.context + self.question + self.prefix


@dataclass(frozen=True)
class Fitting:
    """How RULER searches for the size of the haystack.

    Args:
        step: the smallest size, and the step by which a sample that is too long shrinks.
        slack: the search ends at this multiple of the size that the first text suggests.
        first: size of that text.
        whole_tokens: whether the tokens per unit divide the length as an integer.
        extra: tokens that are added to every prompt later.
    """

    step: int
    slack: int = 3
    first: int | None = None
    whole_tokens: bool = False
    extra: int = 0


def size_of(make: Callable[[int], Text], wish: Wish, answer_tokens: int, fitting: Fitting) -> int:
    """The size of the haystack with which prompt and answer come closest to the length, by RULER's search."""
    first = fitting.first or fitting.step
    per_unit = wish.count(make(first).whole) / first
    expected = wish.room // per_unit if fitting.whole_tokens else wish.room / per_unit * fitting.slack
    low = fitting.step
    high = max(int(expected) * (fitting.slack if fitting.whole_tokens else 1), 2 * fitting.step)
    found = fitting.step
    while low <= high:
        middle = (low + high) // 2
        if wish.count(make(middle).whole) + fitting.extra + answer_tokens <= wish.room:
            found, low = middle, middle + 1
        else:
            high = middle - 1
    return found


def fitting_text(make: Callable[[int], Text], size: int, wish: Wish, answer_tokens: int, step: int, task: str) -> Text:
    """A text of this size, or of the next smaller one that is not too long.

    Raises:
        QualityError: none is short enough.
    """
    tokens = 0
    for _ in range(_TRIES):
        try:
            text = make(size)
        except ValueError:  # fewer positions than needles
            text = None
        if text is not None and (tokens := wish.count(text.whole) + answer_tokens) <= wish.room:
            return text
        if size > step:
            size -= step
    raise QualityError(f"{task} does not get shorter than {tokens:,} tokens, and {wish.room:,} were asked for.")


def samples(
    task: str, make: Callable[[int], Text], wish: Wish, *, answer_tokens: int, fitting: Fitting, metric: str
) -> Iterator[Sample]:
    """The series: first the size is found, then one text after another is drawn."""
    size = size_of(make, wish, answer_tokens, fitting)
    for index in range(wish.samples):
        text = fitting_text(make, size, wish, answer_tokens, fitting.step, task)
        yield sample(task, index, text, wish, answer_tokens, metric)


def sample(task: str, index: int, text: Text, wish: Wish, answer_tokens: int, metric: str) -> Sample:
    return Sample(
        task=task, seed=wish.seed, index=index, length=wish.length, depth=text.depth, context=text.context,
        question=text.question, prefix=text.prefix, answers=text.answers, metric=metric, answer_tokens=answer_tokens,
    )  # fmt: skip
