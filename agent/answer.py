"""The answer to one question."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from longread.events import Delta, Prefill, Usage, Waiting

from .citations.lookup import sources
from .citations.markers import Citation
from .citations.quote_checker import SIGNS, CheckedQuote, tally
from .events import CitationChecked, Note, ToolEnd, ToolStart
from .overflow.events import MapEvent
from .prompt.messages import ChatMessage

_REPR_CHARACTERS = 60
"""Number of characters of an answer's text that its `repr` shows."""


class Answer(BaseModel):
    """The answer to one question."""

    model_config = ConfigDict(frozen=True)

    question: str
    text: str
    """The text as the model wrote it, after its last tool call."""
    citations: tuple[Citation, ...]
    """The pages that the model cited, then the pages found by lookup. A page can be among both."""
    unknown_citations: tuple[str, ...] = ()
    """Citation markers in the text that match no document or page of the corpus."""
    quotes: tuple[CheckedQuote, ...] = ()
    """The quotes in the text, looked up on the pages."""
    parsed: Any = None
    """With a `schema`: the object; an instance of the pydantic model, if the schema is one."""
    tool_calls: tuple[ToolEnd, ...] = ()
    pages_seen: dict[str, tuple[int, ...]] | None = None
    """Document name to the pages that the model received, if it did not receive all."""
    notes: tuple[str, ...] = ()
    """How documents that exceed the context window were handled."""
    usage: Usage | None
    """None if the model did not report it. Tool calls make it several requests: then tokens are summed, `ttft` is that
    of the first request, and `seconds` ends with the last."""
    finish_reason: str | None
    """'stop'; 'length' if the answer was truncated at `max_tokens`; 'limit' if the model wanted to call more tools than
    allowed."""
    history: tuple[ChatMessage, ...]
    """The conversation including this question and answer. Pass it with a follow-up question."""

    @property
    def verified(self) -> bool:
        """Whether every citation marker matches a page, and every quote appears verbatim on the cited page."""
        return not self.unknown_citations and all(quote.status == "verified" for quote in self.quotes)

    @property
    def markdown(self) -> str:
        """The text, followed by a line with the pages that contain its words."""
        return f"{self.text}\n\n{sources(self.citations)}"

    def __repr__(self) -> str:
        line = " ".join(self.text.split())
        short = line if len(line) <= _REPR_CHARACTERS else f"{line[: _REPR_CHARACTERS - 1]}…"
        facts = [repr(short), *map(str, (c for c in self.citations if c.found_by == "model"))]
        if self.quotes:
            facts.append(f"quotes: {tally(quote.status for quote in self.quotes)}")
        return f"Answer({', '.join(facts)})"

    __str__ = __repr__

    def _repr_markdown_(self) -> str:
        """The answer in a notebook: the text, its checked quotes, and the pages."""
        quotes = [f"- {SIGNS[quote.status]} “{' '.join(quote.text.split())}” — {quote}" for quote in self.quotes]
        unknown = f"Cited, but no such page: {' '.join(self.unknown_citations)}" if self.unknown_citations else ""
        return "\n\n".join(filter(None, [self.text, "\n".join(quotes), unknown, sources(self.citations)]))


ReaderEvent = Prefill | Waiting | Delta | ToolStart | ToolEnd | CitationChecked | Usage | Note | MapEvent | Answer
"""The events of `LongReader.stream`. The last one is an `Answer`."""


def sum_usage(usages: list[Usage], seconds: float) -> Usage | None:
    """The usage of several requests as that of one, which took `seconds`."""
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
