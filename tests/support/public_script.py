"""A script that uses the public interface, for type checkers."""

SCRIPT = """
from pathlib import Path
from typing import Literal, assert_type

from pydantic import BaseModel

import longread
from longread import (
    Answer, CheckedQuote, Citation, CitationChecked, Corpus, Delta, Document, FileFailed, FileLoaded, FileStarted,
    LoadOptions, LongReader, LoopLimits, MapPlanned, Note, Page, PagesRead, Prefill, Sessions, ToolEnd, ToolStart,
    Usage, Waiting, WindowDone, chat_model, check_quotes, document_tools, highlight, select_pages,
)
from longread.errors import ConfigError, DocumentError, InvalidAnswer, LongreadError, PromptTooLong, ServerError
from longread.kernels import Adaptive, Budgets, DCASpec, VerticalSlash, patch
from longread.serving import Engine, Options, launch, plan_for, stop


class Contract(BaseModel):
    parties: list[str]


def progress(event: FileStarted | PagesRead | FileLoaded | FileFailed) -> None:
    print(event.source)


corpus = Corpus.load(["book.pdf", Path("docs")], options=LoadOptions(ocr=True), on_event=progress)
assert_type(corpus.documents[0], Document)
assert_type(corpus["book"].pages[0], Page)
part = select_pages(corpus, ["book:1-3"])

model = chat_model({"model_type": "longread-endpoint", "server": "http://localhost:8000/v1"})
again = Corpus.load(["book.pdf"], tokenizer=model.tokenizer)
assert_type(model.window, int | None)
shared = LongReader(part, chat_model(model))

readers = [
    LongReader(corpus),
    LongReader(part, model),
    LongReader(corpus, {"model_type": "longread-embedded", "model": "smollm2-135m"}, overflow="auto"),
    LongReader(corpus, server="http://localhost:8000/v1", model="a-model", api_key="a-key"),
    LongReader(corpus, function_list=document_tools(corpus), limits=LoopLimits(steps=3)),
]
reader = readers[0]
answer = reader.ask("Who wrote it?", temperature=0)
assert_type(answer, Answer)
assert_type(answer.citations, tuple[Citation, ...])
assert_type(answer.quotes, tuple[CheckedQuote, ...])
assert_type(answer.usage, Usage | None)
follow_up = reader.ask("When?", history=answer.history)
contract: Contract = reader.ask("Who are the parties?", schema=Contract).parsed

for event in reader.stream("Who wrote it?"):
    match event:
        case Prefill(done=done, total=total):
            assert_type(done, int)
        case Waiting(seconds=seconds):
            assert_type(seconds, float)
        case Delta(text=text, reasoning=False):
            assert_type(text, str)
        case ToolStart(name=name) | ToolEnd(name=name):
            assert_type(name, str)
        case CitationChecked(quote=quote):
            assert_type(quote, CheckedQuote)
        case MapPlanned():
            print(event.describe())
        case WindowDone(index=index):
            assert_type(index, int)
        case Note(text=text):
            print(text)
        case Answer():
            assert_type(event.markdown, str)


async def ask() -> Answer:
    return await reader.aask("Who wrote it?")


for quote in check_quotes("It says so [book:1].", corpus):
    assert_type(quote.status, Literal["verified", "corrected", "moved", "unverified"])
highlight(corpus, answer.quotes, "copy.pdf")
with Sessions() as sessions, sessions.create(corpus, reader.model_name) as session, session.begin("Why?") as turn:
    turn.add("So.")
    turn.finish(citations=answer.citations)

try:
    reader.prompt([{"role": "user", "content": "Who wrote it?"}])
except PromptTooLong as error:
    assert_type((error.tokens, error.budget), tuple[int, int])
except (ConfigError, DocumentError, InvalidAnswer, ServerError, LongreadError) as error:
    print(error)
version: str = longread.__version__
"""
