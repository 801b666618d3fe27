"""Export conversations: Markdown for reading, JSON for programs."""

import json
from collections.abc import Sequence
from typing import Any, Literal, get_args

from longread.control_tokens import encodable
from longread.errors import SessionError

from ..citations.quote_checker import tally
from .records import Summary, TurnRecord
from .transcript import text_of

Format = Literal["markdown", "json", "jsonl"]


def exported(summary: Summary, turns: Sequence[TurnRecord], format: Format) -> str:
    """The whole conversation. JSON Lines has one line per turn, with the session's id and title."""
    if format == "json":
        return json.dumps(as_json(summary, turns), ensure_ascii=False, indent=2) + "\n"
    if format == "jsonl":
        named = {"session": summary.id, "title": summary.title}
        lines = (_encodable({**named, **turn.model_dump()}) for turn in turns)
        return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    if format == "markdown":
        return encodable(_markdown(summary, turns))
    raise SessionError(f"There is no format {format!r}: choose one of {', '.join(get_args(Format))}.")


def as_json(summary: Summary, turns: Sequence[TurnRecord]) -> dict[str, Any]:
    """All stored data of a conversation."""
    return _encodable({**summary.model_dump(), "turns": [turn.model_dump() for turn in turns]})


def _encodable(value: Any) -> Any:
    """JSON data without unpaired surrogates, which no file can contain."""
    if isinstance(value, dict):
        return {encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    if isinstance(value, str):
        return encodable(value)
    return value if value is None or isinstance(value, int | float) else value.isoformat()


def _markdown(summary: Summary, turns: Sequence[TurnRecord]) -> str:
    parts = [
        f"# {summary.title}",
        f"A conversation with {summary.model}, begun {summary.created:%Y-%m-%d %H:%M} UTC.",
        "\n".join(_document(one.model_dump()) for one in summary.documents),
    ]
    for turn in turns:
        parts += [f"## {turn.position}. Question, {turn.began:%Y-%m-%d %H:%M} UTC", turn.question]
        parts += [f"### Answer of {turn.model}", *_tools(turn), turn.answer]
        if turn.citations:
            named = dict.fromkeys(_citation(citation) for citation in turn.citations)
            parts.append(f"Pages: {' '.join(named)}")
        if quotes := quotes_of(turn):
            parts.append(f"Quotes: {quotes}")
        if note := how_it_ended(turn):
            parts.append(f"*{note}*")
    return "\n\n".join(part for part in parts if part) + "\n"


def how_it_ended(turn: TurnRecord) -> str:
    """A sentence if the answer is not complete."""
    match turn.state:
        case "open":
            return "Being written."
        case "interrupted":
            return "Cut off: interrupted." if turn.ended else "Cut off: the program was ended."
        case "failed":
            return f"Cut off: {turn.error or 'an error'}"
    return "Cut off at its token limit." if turn.finish_reason == "length" else ""


def quotes_of(turn: TurnRecord) -> str:
    """The number of an answer's quotes by status."""
    return tally(quote["status"] for quote in turn.extra.get("quotes", ()))


def _document(document: dict[str, Any]) -> str:
    return (
        f"- {document['name']}: {document['title']} ({document['source']}), pages {document['pages']}, "
        f"SHA-256 {document['id']}"
    )


def _tools(turn: TurnRecord) -> list[str]:
    lines = []
    for message in turn.messages:
        if call := message.get("function_call"):
            lines.append(f"- called {call['name']}: `{call['arguments']}`")
        elif message["role"] == "function":
            lines.append(f"- {message.get('name')} returned {len(text_of(message)):,} characters")
    return ["\n".join(lines)] if lines else []


def _citation(citation: dict[str, Any]) -> str:
    if "document" in citation and "page" in citation:
        return f"[{citation['document']}:{citation['page']}]"
    return json.dumps(citation, ensure_ascii=False)
