"""Citations of an answer as annotations of a message, in the manner of OpenAI's `url_citation`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..answer import Answer
from ..citations import Citation, marks
from ..corpus import Corpus
from ..quotes import CheckedQuote

_BRACKETS = re.compile(r"\[[^\[\]\n]+\]")


@dataclass(frozen=True)
class Sources:
    """What an answer can cite, and how clients know it."""

    corpus: Corpus
    files: Mapping[str, tuple[str | None, str]]
    """A document's name to the id of its file, None for one that has none, and the client's name for it."""


def annotations(answer: Answer, sources: Sources, *, content: str) -> list[dict[str, Any]]:
    """What stands behind the parts of a message, in their order.

    For each page that a `[name:page]` in the text names, the mark's own place; for each quote that a page has, word for
    word or nearly, the quote's; for each page that lookup found, the whole message.

    Args:
        content: of the message, in which `start_index` and `end_index` count characters; it ends with the answer's
            text, and has what the model said between its calls of tools before it.
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
    """A quote that a page has, or something like it. Args: before: characters of the message before the answer."""
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
