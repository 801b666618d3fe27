"""Quotes of an answer, from the stream to the terminal: each is looked up, and what is wrong with it is said."""

import json
import threading
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from typer.testing import CliRunner, Result

from longread import Answer, LongReader
from longread.agent.cli.answer_view import page_url
from longread.agent.cli.app import app
from longread.agent.events import CitationChecked
from longread.events import Delta
from tests.support.corpora import corpus, document
from tests.support.endpoints import Endpoint
from tests.support.messages import says
from tests.support.scripted_server import Reply, Request, ScriptedServer, chunk

PAGE = "One token of the 7B model takes 57,344 bytes of K/V cache in sixteen bits."
BOOK = corpus(document("book", PAGE, "Prefill is reading the whole of the prompt, once."))
TRUE = 'It says "takes 57,344 bytes of K/V cache" [book:1].'
ALTERED = 'It says "takes 58,344 bytes of K/V cache" [book:1].'
MOVED = 'It says "takes 57,344 bytes of K/V cache" [book:2].'
INVENTED = 'It says "decoding is cheap on every machine there is" [book:2].'


@pytest.mark.parametrize(
    ("text", "status"),
    [(TRUE, "verified"), (ALTERED, "corrected"), (MOVED, "moved"), (INVENTED, "unverified")],
)
def test_each_quote_is_looked_up(scripted_server: ScriptedServer, endpoint: Endpoint, text: str, status: str):
    scripted_server.default = Reply.text(f"\n{text}\n", pieces=9)
    events = list(LongReader(BOOK, endpoint()).stream("What does it say?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    [quote] = answer.quotes
    assert (quote.status, answer.verified) == (status, status == "verified")
    assert answer.text[quote.start : quote.end] == quote.text
    assert [event.quote for event in events if isinstance(event, CitationChecked)] == [quote]
    if status == "corrected":
        assert quote.actual == "takes 57,344 bytes of K/V cache"


def test_it_is_looked_up_while_the_answer_goes_on(scripted_server: ScriptedServer, endpoint: Endpoint):
    checked = threading.Event()

    def rest(_: Request) -> dict[str, Any]:
        assert checked.wait(300), "it was not looked up before the answer went on"
        return chunk({"content": "And so on."})

    scripted_server.default = Reply([chunk({"content": f"{TRUE}\n\nNext. "}), rest, *Reply.text("").parts])
    events = []
    for event in LongReader(BOOK, endpoint()).stream("What?"):
        events.append(event)
        if isinstance(event, CitationChecked):
            checked.set()
    kinds = [type(event) for event in events if isinstance(event, Delta | CitationChecked)]
    assert kinds == [Delta, CitationChecked, Delta]


def test_what_is_said_before_a_tool_is_called_is_no_answer(scripted_server: ScriptedServer, endpoint: Endpoint):
    from longread.tools import document_tools

    tools = document_tools(BOOK)
    scripted_server.script(Reply.calls(("search", {"query": "bytes"}), text=INVENTED), Reply.text(TRUE))
    answer = LongReader(BOOK, endpoint(), function_list=tools).ask("What?")
    assert [quote.status for quote in answer.quotes] == ["verified"]


def test_for_qwen_agent(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = Reply.text(MOVED)
    *_, last = LongReader(BOOK, endpoint()).run([{"role": "user", "content": "What?"}])
    assert last[-1]["extra"]["quotes"][0]["status"] == "moved"
    assert last[-1]["extra"]["quotes"][0]["page_found"] == 1


def ask(server: ScriptedServer, folder: Path, *arguments: str) -> Result:
    (folder / "book.txt").write_text(PAGE)
    return CliRunner().invoke(app, ["ask", "What?", "-f", str(folder / "book.txt"), "--server", server.url, *arguments])


def test_at_the_command_line(scripted_server: ScriptedServer, tmp_path: Path):
    scripted_server.default = Reply.text(f"{TRUE} {ALTERED} {INVENTED}")
    result = ask(scripted_server, tmp_path)
    assert result.exit_code == 0
    assert says(result.stderr, "“takes 57,344 bytes of K/V cache”", "verified", "[book:1]")
    assert says(result.stderr, "“takes 58,344 bytes of K/V cache”", "words", "[book:1]", "takes", "57,344")
    assert says(result.stderr, "“decoding is cheap on every machine there is”", "unverified")
    assert "Quotes: 1 verified, 1 corrected, 1 unverified" in result.stderr
    found = json.loads(ask(scripted_server, tmp_path, "--json").stdout)
    assert [quote["status"] for quote in found["quotes"]] == ["verified", "corrected", "unverified"]
    assert all(found["text"][quote["start"] : quote["end"]] == quote["text"] for quote in found["quotes"])


@pytest.mark.parametrize(
    ("text", "code"),
    [(TRUE, 0), ("It does not say.", 0), (ALTERED, 3), (INVENTED, 3), ("It stands on [book:9].", 3)],
)
@pytest.mark.parametrize("output", [[], ["--json"]])
def test_strict(scripted_server: ScriptedServer, tmp_path: Path, text: str, code: int, output: list[str]):
    scripted_server.default = Reply.text(text)
    assert ask(scripted_server, tmp_path, "--strict", *output).exit_code == code


def test_a_click_leads_to_the_page():
    assert page_url(BOOK, "book", 2) == f"{(Path.cwd() / 'book.pdf').as_uri()}#page=2"
    assert page_url(BOOK, None, None) is None


HANDBOOK = Path(__file__).parents[2] / "examples" / "handbook.pdf"


def highlight(server: ScriptedServer, target: Path, *arguments: str) -> Result:
    command = ["ask", "Is it perfect?", "-f", str(HANDBOOK), "--server", server.url, "--highlight", str(target)]
    return CliRunner().invoke(app, [*command, *arguments])


def test_a_copy_with_the_quotes_highlighted(scripted_server: ScriptedServer, tmp_path: Path):
    scripted_server.default = Reply.text(f'No: "A long window is not perfect attention." [handbook:8] {INVENTED}')
    result = highlight(scripted_server, tmp_path / "out.pdf")
    assert result.exit_code == 0, result.stderr
    assert f"{tmp_path / 'out.pdf'}: 1 quote highlighted" in result.stderr
    assert says(result.stderr, "highlighted", "page", "“decoding is cheap on every machine there is”")
    with pymupdf.open(tmp_path / "out.pdf") as file:
        [found] = [page.number for page in file if list(page.annots(types=[pymupdf.PDF_ANNOT_HIGHLIGHT]))]
    assert found == 7
    again = highlight(scripted_server, tmp_path / "out.pdf")
    assert (again.exit_code, len(scripted_server.chats)) == (1, 1), (
        "a name that is taken is said before the model reads"
    )
    assert "is there already" in again.stderr


@pytest.mark.parametrize(
    ("text", "reason"),
    [("It does not say.", "the answer quotes nothing"), (INVENTED, "none of the answer's quotes was found")],
)
def test_nothing_to_highlight(scripted_server: ScriptedServer, tmp_path: Path, text: str, reason: str):
    scripted_server.default = Reply.text(text)
    result = highlight(scripted_server, tmp_path / "out.pdf", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["text"] == text
    assert f"out.pdf was not written: {reason}" in result.stderr
    assert not (tmp_path / "out.pdf").exists()


def test_pages_are_indexed_while_the_server_reads(scripted_server: ScriptedServer, endpoint: Endpoint):
    reader = LongReader(BOOK, endpoint())
    indexed = threading.Event()
    prepare = reader._indexed.passages.prepare
    reader._indexed.passages.prepare = lambda: (prepare(), indexed.set())[0]  # type: ignore[method-assign]

    def reply(_: object) -> Reply:
        assert indexed.wait(300)
        return Reply.text(TRUE)

    scripted_server.default = reply
    assert reader.ask("What does it say?").quotes[0].status == "verified"
