"""Events of one answer, in addition to those that the model itself reports (`longread.events`)."""

from pydantic import BaseModel, ConfigDict

from .citations.quote_checker import CheckedQuote


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class ToolStart(_Event):
    """The model has called a tool."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ToolEnd(_Event):
    """A tool call has ended, or was not run."""

    id: str
    name: str
    arguments: str
    result: str
    """The text that the model receives."""
    seconds: float
    failed: bool = False
    """Whether `result` is an error message, or the reason why the tool was not run."""


class CitationChecked(_Event):
    """A quote of the answer was checked. Its offsets count from the end of the last tool call."""

    quote: CheckedQuote


class Note(_Event):
    """Something the user should know, such as a deviation from the request."""

    text: str
