"""The loop of `agent chat`: questions, answers, and commands that begin with a slash."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from longread.errors import LongreadError
from longread.events import Delta

from ..answer import Answer
from ..events import ToolEnd, ToolStart
from ..prompt.messages import ChatMessage
from ..sessions.transcript import Piece, fold, remembered
from . import answer_view, console, tables
from .dry_run import print_conversation_budget

if TYPE_CHECKING:
    from ..answer import ReaderEvent
    from ..reader import LongReader
    from ..sessions import Recorder

HELP = """\
/help          show this list
/files         list the documents and their pages
/tokens        show what the documents take of the context window
/save [FILE]   write the conversation to a Markdown file
/quit          exit (or Ctrl-D)
Ctrl-C         stop the answer; the conversation continues"""


class ChatLoop:
    """A conversation about one corpus. Its history survives errors and Ctrl-C.

    Args:
        recorder: records the conversation on disk; None does not.
        history: an earlier conversation to continue.
        selections: the page selection as the user wrote it.
    """

    def __init__(
        self,
        reader: "LongReader",
        *,
        recorder: "Recorder | None" = None,
        history: Sequence[ChatMessage] = (),
        selections: Sequence[str] = (),
    ):
        self.reader = reader
        self.history: list[ChatMessage] = list(history)
        self.transcript: list[tuple[str, str]] = []
        """(question, answer) of each turn that has an answer."""
        self.failed = False
        """Whether a question was not answered."""
        self._recorder = recorder
        self._selections = selections

    def run(self, first: str | None, lines: Iterator[str]) -> None:
        """Answer `first`, then each of `lines`. A line that begins with '/' is a command."""
        if first:
            console.question(first)
            self.answer(first)
        for line in lines:
            text = line.strip()
            if text in ("/quit", "/exit", "/q"):
                return
            if text.startswith("/"):
                self._run_command(text)
            elif text:
                self.answer(text)

    def answer(self, question: str) -> None:
        """Answer one question. An error or Ctrl-C ends the answer, not the conversation."""
        text = ""
        pieces: list[Piece] = []
        answer: Answer | None = None
        recorder = self._recorder
        if recorder:
            recorder.begin(question, self.reader.corpus, model=self.reader.model_name, selections=self._selections)
        try:
            with (
                closing(self.reader.stream(question, history=self.history)) as events,
                answer_view.AnswerView(markdown=console.out.is_terminal) as view,
            ):
                for event in events:
                    view(event)
                    match event:
                        case Delta(reasoning=False):
                            text += event.text
                        case ToolStart():
                            text = ""  # text before a tool call is not the answer
                        case Answer():
                            answer = event
                    pieces += _record(event, recorder)
        except KeyboardInterrupt:
            console.note("stopped" if text else "stopped before the answer began; the question is forgotten")
            if recorder:
                recorder.stop()
        except LongreadError as error:
            console.error(str(error))
            if recorder:
                recorder.stop("failed", error=str(error))
        self.failed |= answer is None
        if answer:
            console.out.print(answer_view.footer(answer, self.reader.corpus))
            if recorder:
                recorder.finish(
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

    def _run_command(self, line: str) -> None:
        name, _, argument = line.partition(" ")
        match name:
            case "/help":
                console.out.print(HELP)
            case "/files":
                documents = self.reader.corpus.documents
                console.out.print(
                    tables.rows(
                        ("name", "pages", "tokens", "title", "source"),
                        ((d.name, f"{len(d.pages):,}", f"{d.tokens:,}", d.title, d.source) for d in documents),
                    )
                )
                for document in documents:
                    for warning in document.warnings:
                        console.note(f"{document.name}: {warning}")
            case "/tokens":
                print_conversation_budget(self.reader, self.history)
            case "/save":
                self._save(argument.strip())
            case _:
                console.error(f"there is no command {name}; /help lists them")

    def _save(self, name: str) -> None:
        path = Path(name).expanduser() if name else Path(f"longread-{datetime.now():%Y%m%d-%H%M%S}.md")
        documents = "\n".join(f"- {d.name}: {d.title} ({d.source})" for d in self.reader.corpus.documents)
        turns = "\n\n".join(f"## {question}\n\n{answer}" for question, answer in self.transcript)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(
                    console.printable(
                        f"# A conversation with {self.reader.model_name}, {datetime.now():%Y-%m-%d %H:%M}\n\n"
                        f"{documents}\n\n{turns}\n"
                    )
                )
        except FileExistsError:
            console.error(f"{path} exists; /save needs a new name")
        except OSError as error:
            console.error(f"{path} could not be written: {error.strerror}")
        else:
            console.note(f"saved to {path}")


def _record(event: "ReaderEvent", recorder: "Recorder | None") -> list[Piece]:
    """Record what an event adds to the turn, and return it for the history, which needs it if the answer is cut off."""
    match event:
        case Delta(text=text, reasoning=reasoning):
            if recorder:
                recorder.add(text, reasoning=reasoning)
            return [Piece("reasoning" if reasoning else "text", text)]
        case ToolStart(id=id, name=name, arguments=arguments):
            if recorder:
                recorder.add_call(name, arguments, id=id)
            return [Piece("call", json.dumps({"id": id, "name": name, "arguments": arguments}))]
        case ToolEnd(id=id, name=name, result=result):
            if recorder:
                recorder.add_result(name, result, id=id)
            return [Piece("result", json.dumps({"id": id, "name": name, "content": result}))]
        case _:
            return []


def read_lines(*, stdin_is_document: bool = False) -> Iterator[str]:
    """Lines as they are typed, with history and editing; where standard input is not a terminal, its lines."""
    if stdin_is_document:
        console.note("standard input was a document, so no more questions can be typed")
        return
    if not console.interactive():
        if sys.stdin is not None:
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
