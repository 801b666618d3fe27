"""How conversations look: lists, what was found, and one of them whole."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel
from rich.markdown import Markdown

from . import terminal
from .sessions.export import as_json, how_it_ended, quotes_of
from .sessions.records import Hit, Summary, TurnRecord

_NAMED = 3  # documents of a conversation that a list names


def show_list(found: Sequence[Summary], *, json_wanted: bool) -> None:
    """The conversations, the latest first."""
    if json_wanted:
        _print_json(found)
        return
    if not found:
        terminal.note("there are no conversations yet; agent chat begins one")
        return
    terminal.out.print(
        terminal.rows(
            ("id", "last", "turns", "title", "documents", "model"),
            (
                (one.id, _when(one.touched) + " (open)" * (one.writer is not None), f"{one.turns:,}", one.title,
                 _documents(one), one.model)
                for one in found
            ),
            numbers=(2,),
        )
    )  # fmt: skip


def show_hits(found: Sequence[Hit], text: str, *, json_wanted: bool) -> None:
    """The turns that a search found."""
    if json_wanted:
        _print_json(found)
        return
    if not found:
        terminal.note(f"no question or answer has {text}")
        return
    terminal.out.print(
        terminal.rows(
            ("id", "turn", "when", "question", "found"),
            ((hit.session, f"{hit.position:,}", _when(hit.began), hit.question, hit.snippet) for hit in found),
            numbers=(1,),
        )
    )


def show(summary: Summary, turns: Sequence[TurnRecord], *, json_wanted: bool) -> None:
    """A conversation whole: as it looked, and what it cost."""
    if json_wanted:
        print(json.dumps(as_json(summary, turns), ensure_ascii=False, indent=2))
        return
    terminal.out.print(
        terminal.rows(
            ("document", "pages", "title", "source"),
            ((one.name, one.pages, one.title, one.source) for one in summary.documents),
        )
    )
    for turn in turns:
        terminal.out.print()
        terminal.question(turn.question)
        for message in turn.messages:
            if call := message.get("function_call"):
                terminal.out.print(terminal.printable(f"{call['name']} {call['arguments']}"), style="dim")
        answer = terminal.printable(turn.answer)
        terminal.out.print(Markdown(answer) if terminal.out.is_terminal else answer, soft_wrap=True)
        if note := how_it_ended(turn):
            terminal.out.print(terminal.printable(note), style="yellow")
        terminal.out.print(terminal.printable(_footer(turn)), style="dim")


def _footer(turn: TurnRecord) -> str:
    parts = [_when(turn.began), turn.model]
    if (usage := turn.usage) and {"prompt_tokens", "output_tokens"} <= usage.keys():
        parts.append(f"prompt {usage['prompt_tokens']:,} tokens, answer {usage['output_tokens']:,} tokens")
    pages = dict.fromkeys(f"[{c['document']}:{c['page']}]" for c in turn.citations if {"document", "page"} <= c.keys())
    if pages:
        parts.append(f"pages {' '.join(pages)}")
    if quotes := quotes_of(turn):
        parts.append(f"quotes: {quotes}")
    return ", ".join(parts)


def _documents(summary: Summary) -> str:
    names = [one.name for one in summary.documents]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _when(time: datetime) -> str:
    """In the time of the place, for the eye; JSON has UTC."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"


def _print_json(found: Sequence[BaseModel]) -> None:
    value: Any = [one.model_dump(mode="json") for one in found]
    print(json.dumps(value, ensure_ascii=False, indent=2))
