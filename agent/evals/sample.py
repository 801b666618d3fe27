"""A sample: one question to a model; and a wish: the parameters of a series of samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

Counter = Callable[[str], int]
"""Counts the tokens of a text as the model does."""


class Sample(BaseModel):
    """A prompt and the data for its score. The prompt is `context + question + prefix`.

    Text that several questions share is in `context`, so that a server reads it once.
    """

    model_config = ConfigDict(frozen=True)

    task: str
    seed: int
    """The name of its series."""
    index: int = Field(ge=0)
    """Its index in the series."""
    length: int = Field(gt=0)
    """Tokens that prompt and answer were fitted to."""
    depth: float | None = Field(default=None, ge=0, le=1)
    """Position of the answer in the context: 0 is the start. None if there are several."""
    context: str
    question: str
    prefix: str = ""
    """The start of the answer, if the benchmark puts that into the prompt."""
    answers: tuple[str, ...]
    metric: str
    """A name in `scores.METRICS`."""
    answer_tokens: int = Field(gt=0)
    """The maximum answer length that the benchmark allows, in tokens."""
    facts: Mapping[str, Any] = {}
    """Additional data for the metric, such as the page of a quote."""

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
    """The parameters of a series of samples.

    Args:
        length: tokens of prompt and answer together.
        samples: number of samples; per depth for tasks with depths.
        seed: equal seeds give equal series.
        count: see `Counter`.
        depths: for tasks that place their answer.
        data: the file or folder of a task that needs one.
        pages: pages of the documents for questions about real pages.
        reserve: tokens of the length that are reserved for a chat template.
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
