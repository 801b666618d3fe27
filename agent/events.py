"""What happens while a question is answered, beside what the model itself reports."""

from pydantic import BaseModel, ConfigDict

from .quotes import CheckedQuote


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class ToolStart(_Event):
    """The model has called a tool."""

    id: str
    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ToolEnd(_Event):
    """A tool has given its result, or has not been run."""

    id: str
    name: str
    arguments: str
    result: str
    """What the model is told."""
    seconds: float
    failed: bool = False
    """Whether the result is the text of an error, or says why the tool was not run."""


class CitationChecked(_Event):
    """A quote of the answer has been looked up. Its offsets are those in the text that has come since the last tool."""

    quote: CheckedQuote


class Note(_Event):
    """Something the user should know: a thing done otherwise than asked for, or left out."""

    text: str
