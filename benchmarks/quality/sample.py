"""One question to a model, and what a task is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Counter = Callable[[str], int]
"""Tokens of a text, as the model that will read it counts them."""


class Sample(BaseModel):
    """A prompt with what it is scored against. The prompt is `context + question + prefix`.

    What many questions on one text share is in `context`, so a caller who reads it once can ask them all.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    seed: int
    """Of the series this is from."""
    index: int = Field(ge=0)
    """Its place in the series."""
    length: int = Field(gt=0)
    """Tokens that prompt and answer were fitted to."""
    depth: float | None = Field(default=None, ge=0, le=1)
    """Where in the context the answer lies: 0 is its beginning. None if in several places."""
    context: str
    question: str
    prefix: str = ""
    """How the answer begins, if the benchmark puts that into the prompt."""
    answers: tuple[str, ...]
    metric: str
    """A name in `scores.METRICS`."""
    answer_tokens: int = Field(gt=0)
    """The longest answer that the benchmark allows."""
    facts: Mapping[str, Any] = {}
    """What else the metric has to know, such as the page that a quote is on."""

    @property
    def prompt(self) -> str:
        return self.context + self.question + self.prefix

    @property
    def key(self) -> str:
        """Identifies it among the samples of all series."""
        return f"{self.task}/{self.length}/{self.seed}/{self.index}"


@dataclass(frozen=True)
class PageText:
    """A page of a real document."""

    document: str
    number: int
    text: str


@dataclass(frozen=True)
class Wish:
    """What a task is to make: a series of samples.

    Args:
        length: tokens of prompt and answer together.
        samples: how many; of a grid of depths, a depth.
        seed: equal seeds give equal series.
        count: see `Counter`.
        depths: for tasks that put their answer where they are told.
        data: the file or folder of a task that needs one.
        pages: of the documents that questions are to be about.
        reserve: tokens of the length that are kept free, for a chat template.
    """

    length: int
    samples: int
    seed: int
    count: Counter
    depths: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    data: Path | None = None
    pages: tuple[PageText, ...] = ()
    reserve: int = 0

    @property
    def room(self) -> int:
        """Tokens for prompt and answer."""
        return self.length - self.reserve
