"""LongReader and documents that are larger than the window: which way it goes, and what it says of it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from longread import Answer, LongReader
from longread.agent.cli.app import app
from longread.agent.events import Note
from longread.agent.overflow import MapPlanned, WindowDone
from longread.errors import ConfigError, PromptTooLong
from tests.support.corpora import corpus, document
from tests.support.endpoints import Endpoint
from tests.support.messages import says
from tests.support.scripted_server import Reply, Request, ScriptedServer

FILLER = "The grass is green and the sky is blue over the quiet hills. " * 12
FACTS = {3: "The harbour of Lisbon was founded in 1194.", 17: "The lighthouse keeper was called Amadeu."}
PAGES = [f"Page {number}. {FILLER}{FACTS.get(number, '')}" for number in range(1, 25)]
LONG = corpus(document("long", *PAGES))


def says_facts(request: Request) -> Reply:
    """What of the facts is in the prompt, with their marks."""
    prompt = "\n".join(turn["content"] for turn in request.json["messages"])
    found = [f"{fact} [long:{page}]" for page, fact in FACTS.items() if fact in prompt]
    return Reply.text("\n".join(found) or "NOTHING FOUND")


def test_it_is_an_error_unless_another_way_is_wanted(endpoint: Endpoint):
    with pytest.raises(PromptTooLong, match="Nothing was cut"):
        LongReader(LONG, endpoint(), window=2000, max_tokens=100).ask("When was the harbour founded?")


def test_pages_that_have_the_words(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = says_facts
    reader = LongReader(LONG, endpoint(), window=1500, max_tokens=100, overflow="retrieve")
    events = list(reader.stream("When was the harbour of Lisbon founded?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text.startswith(f"{FACTS[3]} [long:3]")
    assert answer.pages_seen
    assert 3 in answer.pages_seen["long"]
    assert len(answer.pages_seen["long"]) < len(PAGES)
    [note] = [event.text for event in events if isinstance(event, Note)]
    assert note.startswith(f"The model saw {len(answer.pages_seen['long'])} of 24 pages")
    assert answer.notes == (note,)
    again = reader.ask("Who founded the harbour?", history=answer.history)
    assert again.pages_seen == answer.pages_seen
    first, second = (request.json["messages"] for request in scripted_server.chats)
    assert second[: len(first)] == first, "the pages stay, so the server's prefix cache is hit"


def test_all_of_it_in_parts(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = says_facts
    reader = LongReader(LONG, endpoint(), window=2000, max_tokens=100, overflow="map")
    events = list(reader.stream("What is told of places and people?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text == f"{FACTS[3]} [long:3]\n{FACTS[17]} [long:17]"
    assert [str(citation) for citation in answer.citations[:2]] == ["[long:3]", "[long:17]"]
    planned = events[0]
    assert isinstance(planned, MapPlanned)
    windows = [event for event in events if isinstance(event, WindowDone)]
    assert len(windows) == planned.windows > 2
    assert planned.prompt_tokens == sum(event.tokens for event in windows)
    assert len(scripted_server.chats) == planned.windows + 1
    assert answer.notes[-1].startswith(f"The model read {planned.windows} parts of the documents; 2 had something")
    reader.ask("What is told of places and people?")
    assert len(scripted_server.chats) == planned.windows + 2, "what parts said is kept"


def test_the_way_is_chosen_and_said(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = says_facts
    reader = LongReader(LONG, endpoint(), window=2000, max_tokens=100, overflow="auto")
    one = reader.ask("When was the harbour founded?")
    assert one.pages_seen
    assert says(one.notes[0], "documents", "window", "question's")
    everything = reader.ask("Summarise everything.")
    assert everything.pages_seen is None
    assert "they are read in parts" in everything.notes[0]
    small = LongReader(corpus(document("small", PAGES[2])), endpoint(), window=2000, max_tokens=100, overflow="auto")
    assert small.ask("When?").notes == ()


def test_what_cannot_be_done(endpoint: Endpoint):
    with pytest.raises(ConfigError, match=r"--overflow .*--window"):
        LongReader(LONG, endpoint(), overflow="map").ask("When?")
    with pytest.raises(ConfigError, match=r"--overflow map .* object"):
        LongReader(LONG, endpoint(), window=2000, max_tokens=100, overflow="map").ask("When?", schema={})


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("way", ["retrieve", "map"])
def test_an_answer_is_looked_up_in_all_documents(
    scripted_server: ScriptedServer, endpoint: Endpoint, tmp_path: Path, way: str
):
    """Also in pages that the model did not see, and in files that a message brought; whichever way it is asked."""
    scripted_server.default = Reply.text('"The lighthouse keeper was called Amadeu." [long:17] "It is nine." [more:1]')
    (tmp_path / "more.txt").write_text("It is nine.")
    reader = LongReader(LONG, endpoint(), window=1400, max_tokens=100, overflow=way)  # type: ignore[arg-type]
    question = "Lisbon harbour?"
    answer = reader.ask(question)
    assert [quote.status for quote in answer.quotes] == ["verified", "unverified"]
    assert answer.unknown_citations == ("[more:1]",)
    assert answer.pages_seen is None or 17 not in answer.pages_seen["long"]
    content = [{"text": question}, {"file": str(tmp_path / "more.txt")}]
    *_, [message] = reader.run([{"role": "user", "content": content}])
    assert [quote["status"] for quote in message["extra"]["quotes"]] == ["verified", "verified"]
    cited = [(c["document"], c["page"]) for c in message["extra"]["citations"] if c["found_by"] == "model"]
    assert cited == [("long", 17), ("more", 1)]


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("way", ["retrieve", "map"])
def test_as_an_agent_of_qwen_agents(scripted_server: ScriptedServer, endpoint: Endpoint, way: str):
    scripted_server.default = says_facts
    reader = LongReader(LONG, endpoint(), window=2000, max_tokens=100, overflow=way)  # type: ignore[arg-type]
    *_, last = reader.run([{"role": "user", "content": "When was the harbour founded?"}])
    assert FACTS[3] in last[-1]["content"]
    assert last[-1]["name"] == "longread"


def test_at_the_command_line(scripted_server: ScriptedServer, tmp_path: Path):
    scripted_server.default = says_facts
    for number, page in enumerate(PAGES, 1):
        (tmp_path / f"part-{number:02}.txt").write_text(page)
    command = ["ask", "When was the harbour founded?", "-f", str(tmp_path), "--server", scripted_server.url]
    command += ["--window", "3000", "--max-tokens", "100", "--overflow"]
    result = CliRunner().invoke(app, [*command, "retrieve", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["pages_seen"]["part-03"] == [1]
    assert found["notes"][0].startswith("The model saw ")
    result = CliRunner().invoke(app, [*command, "map"])
    assert result.exit_code == 0, result.output
    assert FACTS[17] in result.stdout
    assert "windows to read: " in result.stderr
    assert "The model read " in result.stderr
