"""Events of processing documents in parts."""

from collections.abc import Callable, Generator

from pydantic import BaseModel, ConfigDict

from longread.events import Delta, Prefill, Usage, Waiting

from ..citations.markers import Citation
from ..prompt.build import Prompt


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class Reply(_Event):
    """The model's answer to one prompt. The last event of its stream."""

    text: str
    finish_reason: str | None = None
    """'length' when it was truncated at the token limit."""
    usage: Usage | None = None
    """None if the model did not report it."""


Model = Callable[[Prompt], Generator[Prefill | Waiting | Delta | Reply, None, None]]
"""Sends a prompt and yields its events, with a `Reply` at the end. Called from several threads at once. Closing the
generator stops the model. It must yield several times a second, because it can only be closed between two events."""


class MapPlanned(_Event):
    """What will be sent. The first event, before anything is sent."""

    windows: int
    cached: int
    """Windows whose answers are stored from an earlier run."""
    prompt_tokens: int
    """Tokens of the windows that will be read; exact."""
    merge_requests: int
    """An upper bound, like the next two: what there is to merge is known after the windows have been read."""
    merge_prompt_tokens: int
    output_tokens: int
    """Tokens of all answers, of windows and of merges."""

    @property
    def requests(self) -> int:
        """An upper bound."""
        return self.windows - self.cached + self.merge_requests

    def describe(self) -> str:
        """The cost as a sentence, to show to the user in advance."""
        text = f"{self.windows - self.cached:,} windows to read: {self.prompt_tokens:,} prompt tokens"
        if self.cached:
            text += f" ({self.cached:,} more are stored from an earlier run)"
        if self.merge_requests:
            text += (
                f"; then up to {self.merge_requests:,} requests to merge the answers, with up to "
                f"{self.merge_prompt_tokens:,} prompt tokens"
            )
        return f"{text}; up to {self.output_tokens:,} tokens of answers."


class WindowStarted(_Event):
    """A window has been sent."""

    index: int
    """From 1."""
    of: int
    tokens: int
    """Tokens of the prompt."""
    pages: str
    """Its pages: 'book 1-20; notes 3'."""


class WindowDone(_Event):
    """A window has been read."""

    index: int
    of: int
    tokens: int
    text: str
    """The partial answer."""
    found: bool
    """False: it has nothing about the question, and is left out of the merge."""
    cached: bool
    """True: the answer is from an earlier run, and nothing was sent."""
    cut: bool
    """True: the answer was truncated at the token limit, so something may be missing."""


class Retrying(_Event):
    """A request failed, and is sent again."""

    what: str
    attempt: int
    """Number of the attempt that failed, from 1."""
    of: int
    error: str


class Merging(_Event):
    """Partial answers are being merged; with `last` into the final answer, whose `Delta`s follow."""

    answers: int
    tokens: int
    """Tokens of the prompt."""
    last: bool


class Warned(_Event):
    """Something went wrong that does not affect the answer: partial answers cannot be stored on disk."""

    text: str


class MapResult(_Event):
    """The final answer. Always the last event."""

    text: str
    finish_reason: str | None
    windows: int
    cached: int
    """Windows whose answers were stored in an earlier run."""
    found: int
    """Windows with something about the question."""
    cut: tuple[str, ...]
    """Windows and merges whose answers were truncated at the token limit, so that something may be missing."""
    partial_answers: tuple[str, ...]
    """The answer of each window, in order."""
    citations: tuple[Citation, ...]
    """The pages that the final answer cites."""
    unknown_citations: tuple[str, ...]
    """Markers in it that match no page of the corpus."""
    unsupported_citations: tuple[str, ...]
    """Markers in it of pages that were not cited by the window that had the page: the merge invented them."""
    lost_citations: tuple[str, ...]
    """Pages that a window cited and the final answer does not."""
    usage: Usage | None
    """All requests of this run together; None if one was not reported. `ttft` is that of the final answer."""

    def describe(self) -> str:
        """What was done, in a few sentences for the user."""
        text = f"The model read {self.windows:,} parts of the documents; {self.found:,} had something to say"
        text += f", {self.cached:,} were stored from an earlier run." if self.cached else "."
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
