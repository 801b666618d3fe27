"""The conversation at a terminal: `agent chat`."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..serving.errors import LongreadError
from ..serving.events import Delta
from . import terminal
from .answer import Answer
from .conversation import ChatMessage
from .events import ToolEnd, ToolStart
from .sessions.messages import Piece, fold, remembered

if TYPE_CHECKING:
    from .answer import ReaderEvent
    from .reader import LongReader
    from .sessions import Recorder

HELP = """\
/help          this list
/files         the documents and their pages
/tokens        what the documents take of the model's window
/save [FILE]   write the conversation to a Markdown file
/quit          leave (so does Ctrl-D)
Ctrl-C         stop the answer; the conversation goes on"""


class Chat:
    """A conversation about one corpus. Its history outlives errors and Ctrl-C.

    Args:
        budget: shows what the documents and a history take of the window.
        recorder: keeps the conversation; None keeps nothing.
        history: an earlier conversation to go on with.
        selections: the choice of pages as the user wrote it.
    """

    def __init__(
        self,
        reader: "LongReader",
        *,
        budget: Callable[[list[ChatMessage]], None],
        recorder: "Recorder | None" = None,
        history: Sequence[ChatMessage] = (),
        selections: Sequence[str] = (),
    ):
        self.reader = reader
        self.history: list[ChatMessage] = list(history)
        self.transcript: list[tuple[str, str]] = []
        """(question, what was answered) of each turn."""
        self.failed = False
        """Whether a question got no answer."""
        self._show_budget = budget
        self._recorder = recorder
        self._selections = selections

    def run(self, first: str | None, questions: Iterator[str]) -> None:
        """Answer `first`, then each of `questions`; lines that begin with '/' are commands."""
        if first:
            terminal.question(first)
            self.turn(first)
        for line in questions:
            text = line.strip()
            if text in ("/quit", "/exit", "/q"):
                return
            if text.startswith("/"):
                self._command(text)
            elif text:
                self.turn(text)

    def turn(self, question: str) -> None:
        """One question. An error or Ctrl-C ends the answer, not the conversation."""
        text = ""
        pieces: list[Piece] = []
        answer: Answer | None = None
        kept = self._recorder
        if kept:
            kept.begin(question, self.reader.corpus, model=self.reader.model_name, selections=self._selections)
        try:
            with (
                closing(self.reader.stream(question, history=self.history)) as events,
                terminal.AnswerView(markdown=terminal.out.is_terminal) as view,
            ):
                for event in events:
                    view(event)
                    match event:
                        case Delta(reasoning=False):
                            text += event.text
                        case ToolStart():
                            text = ""  # what was said before is no answer yet
                        case Answer():
                            answer = event
                    pieces += _kept(event, kept)
        except KeyboardInterrupt:
            terminal.note("stopped" if text else "stopped before the answer began; the question is forgotten")
            if kept:
                kept.stop()
        except LongreadError as error:
            terminal.error(str(error))
            if kept:
                kept.stop("failed", error=str(error))
        self.failed |= answer is None
        if answer:
            terminal.out.print(terminal.footer(answer, self.reader.corpus))
            if kept:
                kept.finish(
                    answer.text,
                    messages=answer.history[len(self.history) + 1 :],
                    citations=answer.citations,
                    usage=answer.usage,
                    finish_reason=answer.finish_reason,
                    extra=answer.model_dump(include={"quotes", "unknown_citations", "notes", "pages_seen"}),
                )
            self.history = list(answer.history)
            self.transcript.append((question, answer.markdown))
        elif text:
            self.history += remembered(question, fold(pieces), whole=False)
            self.transcript.append((question, f"{text} …"))

    def _command(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        match name:
            case "/help":
                terminal.out.print(HELP)
            case "/files":
                documents = self.reader.corpus.documents
                terminal.out.print(
                    terminal.rows(
                        ("name", "pages", "tokens", "title", "source"),
                        ((d.name, f"{len(d.pages):,}", f"{d.tokens:,}", d.title, d.source) for d in documents),
                    )
                )
                for document in documents:
                    for warning in document.warnings:
                        terminal.note(f"{document.name}: {warning}")
            case "/tokens":
                self._show_budget(self.history)
            case "/save":
                self._save(argument.strip())
            case _:
                terminal.error(f"there is no command {name}; /help lists them")

    def _save(self, name: str) -> None:
        path = Path(name).expanduser() if name else Path(f"longread-{datetime.now():%Y%m%d-%H%M%S}.md")
        documents = "\n".join(f"- {d.name}: {d.title} ({d.source})" for d in self.reader.corpus.documents)
        turns = "\n\n".join(f"## {question}\n\n{answer}" for question, answer in self.transcript)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(
                    terminal.printable(
                        f"# A conversation with {self.reader.model_name}, {datetime.now():%Y-%m-%d %H:%M}\n\n"
                        f"{documents}\n\n{turns}\n"
                    )
                )
        except FileExistsError:
            terminal.error(f"{path} exists; /save needs a new name")
        except OSError as error:
            terminal.error(f"{path} could not be written: {error.strerror}")
        else:
            terminal.note(f"saved to {path}")


def _kept(event: "ReaderEvent", recorder: "Recorder | None") -> list[Piece]:
    """What an event adds to the turn: written down, and as the history will have it if the answer is cut off."""
    match event:
        case Delta(text=text, reasoning=reasoning):
            if recorder:
                recorder.add(text, reasoning=reasoning)
            return [Piece("reasoning" if reasoning else "text", text)]
        case ToolStart(id=id, name=name, arguments=arguments):
            if recorder:
                recorder.called(name, arguments, id=id)
            return [Piece("call", json.dumps({"id": id, "name": name, "arguments": arguments}))]
        case ToolEnd(id=id, name=name, result=result):
            if recorder:
                recorder.returned(name, result, id=id)
            return [Piece("result", json.dumps({"id": id, "name": name, "content": result}))]
        case _:
            return []


def lines(*, stdin_is_a_document: bool = False) -> Iterator[str]:
    """Questions as they are typed, with history and editing; the lines of standard input where it is no terminal."""
    if stdin_is_a_document:
        terminal.note("standard input was a document, so no more questions can be typed")
        return
    if not terminal.interactive():
        yield from iter(sys.stdin.readline, "")  # not the file itself: it would be closed with this generator
        return
    from platformdirs import user_state_path
    from prompt_toolkit import PromptSession
    from prompt_toolkit.completion import WordCompleter
    from prompt_toolkit.history import FileHistory

    history = user_state_path("longread", appauthor=False, ensure_exists=True) / "history"
    commands = WordCompleter(["/help", "/files", "/tokens", "/save", "/quit"], sentence=True)
    session: PromptSession[str] = PromptSession(
        history=FileHistory(str(history)), completer=commands, complete_while_typing=False
    )
    while True:
        try:
            yield session.prompt("› ")
        except KeyboardInterrupt:  # clears the line, as in a shell
            continue
        except EOFError:
            return
