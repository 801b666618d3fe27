"""What is reported while a corpus that is larger than the window is read in parts."""

from collections.abc import Callable, Generator

from pydantic import BaseModel, ConfigDict

from ...serving.events import Delta, Prefill, Usage, Waiting
from ..citations import Citation
from ..prompt import Prompt


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class Reply(_Event):
    """What the model answered to one prompt. The last event of its stream."""

    text: str
    finish_reason: str | None = None
    """'length' when it was cut at the longest answer."""
    usage: Usage | None = None
    """None when the model did not report it."""


Model = Callable[[Prompt], Generator[Prefill | Waiting | Delta | Reply, None, None]]
"""Sends a prompt and yields what comes back, a `Reply` last. Called from several threads at once. Closing the generator
stops the model; it yields something several times a second, because it is closed only between two events."""


class MapPlanned(_Event):
    """What is going to be sent. Comes first, before anything is sent."""

    windows: int
    kept: int
    """Windows whose answers are there from an earlier run."""
    prompt_tokens: int
    """Of the windows that are going to be read, exactly."""
    merge_requests: int
    """At most, as are the two below: how much there is to merge is known when the windows have been read."""
    merge_prompt_tokens: int
    output_tokens: int
    """Of all answers, those of windows and those of merges."""

    @property
    def requests(self) -> int:
        """At most."""
        return self.windows - self.kept + self.merge_requests

    def describe(self) -> str:
        """The cost, for the user to see before it arises."""
        text = f"{self.windows - self.kept:,} windows to read: {self.prompt_tokens:,} prompt tokens"
        if self.kept:
            text += f" ({self.kept:,} more are kept from an earlier run)"
        if self.merge_requests:
            text += (
                f"; then up to {self.merge_requests:,} requests to merge the answers, with up to "
                f"{self.merge_prompt_tokens:,} prompt tokens"
            )
        return f"{text}; up to {self.output_tokens:,} tokens of answers."


class WindowStarted(_Event):
    index: int
    """From 1."""
    of: int
    tokens: int
    """Of the prompt."""
    pages: str
    """'book 1-20; notes 3'."""


class WindowDone(_Event):
    index: int
    of: int
    tokens: int
    text: str
    """What the model found in it."""
    found: bool
    """False: it said that there is nothing about the question, and the merge leaves it out."""
    kept: bool
    """True: from an earlier run; nothing was sent."""
    cut: bool
    """True: it was cut at the longest answer, and something may be missing."""


class Retrying(_Event):
    """An attempt failed, and another one follows."""

    what: str
    attempt: int
    """From 1: the one that failed."""
    of: int
    error: str


class Merging(_Event):
    """Partial answers are put together. `last`: into the final answer, whose `Delta`s follow."""

    answers: int
    tokens: int
    """Of the prompt."""
    last: bool


class Warned(_Event):
    """Something that does no harm to the answer: what was done cannot be kept on disk."""

    text: str


class MapResult(_Event):
    """The final answer. Always the last event."""

    text: str
    finish_reason: str | None
    windows: int
    kept: int
    found: int
    """Windows that had something to say."""
    cut: tuple[str, ...]
    """Windows and merges whose answers were cut at the longest answer, so that something may be missing."""
    partial_answers: tuple[str, ...]
    """What each window said, in order."""
    citations: tuple[Citation, ...]
    """Pages of the corpus that the final answer cites."""
    unknown_citations: tuple[str, ...]
    """Marks in it of pages or documents that the corpus does not have."""
    unsupported_citations: tuple[str, ...]
    """Marks in it of pages that no window which saw the page cited: the merge has made them up."""
    lost_citations: tuple[str, ...]
    """Pages that a window cited and the final answer does not."""
    usage: Usage | None
    """Of all requests of this run together; None if one was not reported. `ttft` is until the final answer begins."""

    def describe(self) -> str:
        """What the user is to be told beside the answer, in a few sentences."""
        said = f"The model read {self.windows:,} parts of the documents; {self.found:,} had something to say"
        text = f"{said}, {self.kept:,} were kept from an earlier run." if self.kept else f"{said}."
        if self.cut:
            text += f" Cut at --max-tokens, so something may be missing: {_some(self.cut)}."
        if self.unsupported_citations:
            text += f" Cited without a part that cites it: {_some(self.unsupported_citations)}."
        if self.lost_citations:
            text += f" Cited by a part, and not in the answer: {_some(self.lost_citations)}."
        return text


MapEvent = (
    MapPlanned
    | WindowStarted
    | WindowDone
    | Retrying
    | Merging
    | Warned
    | Prefill
    | Waiting
    | Delta  # of the final answer
    | MapResult
)


def _some(names: tuple[str, ...], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
