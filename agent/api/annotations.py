"""The citations of an answer as annotations of a message, in the form of OpenAI's `url_citation`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..answer import Answer
from ..citations.markers import Citation, marks
from ..citations.quote_checker import CheckedQuote
from ..corpus import Corpus

_BRACKETS = re.compile(r"\[[^\[\]\n]+\]")


@dataclass(frozen=True)
class Sources:
    """The documents that an answer can cite, and their names for the client."""

    corpus: Corpus
    files: Mapping[str, tuple[str | None, str]]
    """Document name to the id of its file, or None if it has none, and the client's name for it."""


def annotations(answer: Answer, sources: Sources, *, content: str) -> list[dict[str, Any]]:
    """The sources of the parts of a message, in their order.

    The range of an annotation is that of the marker for each page that a `[name:page]` names; that of the quote for
    each quote that was found on a page; and the whole message for each page found by lookup.

    Args:
        content: the text of the message, in which `start_index` and `end_index` count characters. It ends with the text
            of the answer, preceded by what the model wrote between its tool calls.
    """
    marked = [_annotation(citation, sources, start, end) for start, end, citation in _places(content, sources.corpus)]
    found = [
        _annotation(citation, sources, 0, len(content), quote=citation.words)
        for citation in answer.citations
        if citation.found_by == "lookup"
    ]
    quoted = [_quoted(quote, sources, max(0, content.rfind(answer.text))) for quote in answer.quotes if quote.document]
    return [*marked, *quoted, *found]


def _quoted(quote: CheckedQuote, sources: Sources, before: int) -> dict[str, Any]:
    """The annotation of a quote that was found on a page.

    Args:
        before: number of characters of the message in front of the answer.
    """
    file_id, filename = sources.files[str(quote.document)]
    return {
        "type": "file_citation",
        "file_citation": {
            "file_id": file_id,
            "filename": filename,
            "document": quote.document,
            "page": quote.page_found,
            "label": quote.label,
            "found_by": "quote",
            "status": quote.status,
            "quote": quote.actual,
            "start_index": before + quote.start,
            "end_index": before + quote.end,
        },
    }


def _places(content: str, corpus: Corpus) -> Iterator[tuple[int, int, Citation]]:
    for bracket in _BRACKETS.finditer(content):
        for citation in marks(bracket.group(), corpus).citations:
            yield bracket.start(), bracket.end(), citation


def _annotation(
    citation: Citation, sources: Sources, start: int, end: int, *, quote: str | None = None
) -> dict[str, Any]:
    file_id, filename = sources.files[citation.document]
    return {
        "type": "file_citation",
        "file_citation": {
            "file_id": file_id,
            "filename": filename,
            "document": citation.document,
            "page": citation.page,
            "label": citation.label,
            "found_by": citation.found_by,
            "quote": quote,
            "start_index": start,
            "end_index": end,
        },
    }
