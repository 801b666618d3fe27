"""What comes back for one question."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from ..serving.events import Delta, Prefill, Usage, Waiting
from .citations import Citation, sources
from .conversation import ChatMessage
from .events import CitationChecked, Note, ToolEnd, ToolStart
from .overflow.events import MapEvent
from .quotes import CheckedQuote


class Answer(BaseModel):
    """What came back for one question."""

    model_config = ConfigDict(frozen=True)

    question: str
    text: str
    """As the model wrote it, after the last result of a tool."""
    citations: tuple[Citation, ...]
    """The pages the model cited, then the pages that lookup found; a page can be among both."""
    unknown_citations: tuple[str, ...] = ()
    """Marks in the text that name a document or page which the corpus does not have."""
    quotes: tuple[CheckedQuote, ...] = ()
    """What the text quotes, looked up on the pages."""
    parsed: Any = None
    """With a `schema`: the object; an instance of the pydantic model, if that is what was given."""
    tool_calls: tuple[ToolEnd, ...] = ()
    pages_seen: dict[str, tuple[int, ...]] | None = None
    """Document name to the pages that the model was given, where not all fitted."""
    notes: tuple[str, ...] = ()
    """What was done about documents that are larger than the window."""
    usage: Usage | None
    """None when the model did not report it. Of all requests together, when tools made it several: tokens are added up,
    `ttft` is that of the first, and `seconds` runs to the end of the last."""
    finish_reason: str | None
    """'stop'; 'length' when the answer was cut at `max_tokens`; 'limit' when the model would have called more tools
    than it may."""
    history: tuple[ChatMessage, ...]
    """The conversation with this question and answer at its end: pass it on to ask a follow-up question."""

    @property
    def verified(self) -> bool:
        """Whether each mark leads to a page, and each quote stands word for word on the page that is said."""
        return not self.unknown_citations and all(quote.status == "verified" for quote in self.quotes)

    @property
    def markdown(self) -> str:
        """The text, and under it the pages that have its words."""
        return f"{self.text}\n\n{sources(self.citations)}"


ReaderEvent = Prefill | Waiting | Delta | ToolStart | ToolEnd | CitationChecked | Usage | Note | MapEvent | Answer


def total(usages: list[Usage], seconds: float) -> Usage | None:
    """Several requests as one."""
    if len(usages) < 2:
        return usages[0] if usages else None
    cached = [usage.cached_tokens for usage in usages]
    return Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage in usages),
        cached_tokens=None if None in cached else sum(filter(None, cached)),
        output_tokens=sum(usage.output_tokens for usage in usages),
        ttft=usages[0].ttft,
        seconds=seconds,
        estimated=any(usage.estimated for usage in usages),
    )
