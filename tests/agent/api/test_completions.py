"""`/v1/chat/completions`, asked by the official client; the model's server is scripted."""

import asyncio
import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from longread.agent.api import ApiLimits
from longread.agent.reader import LongReader
from longread.agent.tool_selection import ToolChoice
from tests.support.api_server import Running, api
from tests.support.corpora import corpus, document
from tests.support.scripted_server import CUT, Reply, ScriptedServer, chunk
from tests.support.waiting import PATIENCE, wait_until

BOOK = b"# The book\n\nOne token takes 57,344 bytes of K/V cache."
OTHER = b"# Another\n\nDecoding is writing the answer."
ANSWER = "It takes 57,344 bytes [book:1]."
COUNTS = {
    "prompt_tokens": 200,
    "completion_tokens": 9,
    "total_tokens": 209,
    "prompt_tokens_details": {"cached_tokens": 120},
}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ScriptedServer, Running]]:
    """The model's server and ours, for all tests that need no settings of their own: a start takes half a second."""
    with ScriptedServer() as scripted, api(scripted, tmp_path_factory.mktemp("api") / "data") as running:
        yield scripted, running


@pytest.fixture
def scripted_server(both: tuple[ScriptedServer, Running]) -> ScriptedServer:
    scripted, _ = both
    scripted.requests.clear()
    scripted.forget()
    scripted.default = Reply.text("The scripted answer.")
    scripted.models = [{"id": "scripted"}]
    return scripted


@pytest.fixture
def server(both: tuple[ScriptedServer, Running]) -> Running:
    return both[1]


def asked(text: str, *files: Any) -> Any:
    """A message with files: ids, or (name, bytes)."""
    parts = [{"type": "file", "file": {"file_id": file} if isinstance(file, str) else inline(*file)} for file in files]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}


def inline(name: str, content: bytes) -> dict[str, str]:
    return {"filename": name, "file_data": f"data:text/markdown;base64,{base64.b64encode(content).decode()}"}


def citations(message: Any) -> list[dict[str, Any]]:
    return [annotation.file_citation for annotation in message.annotations]


def upload(client: openai.OpenAI, name: str = "book.md", content: bytes = BOOK) -> str:
    return client.files.create(file=(name, content), purpose="user_data").id


def test_an_uploaded_file_is_asked_about(server: Running, scripted_server: ScriptedServer) -> None:
    client = server.client()
    file = upload(client)
    scripted_server.script(Reply.text(ANSWER, usage=COUNTS))
    system: Any = {"role": "system", "content": "Be brief."}
    answer = client.chat.completions.create(
        model="scripted",
        messages=[system, asked("How many?", file)],
        max_completion_tokens=77,
        temperature=0.25,
        top_p=0.5,
        seed=7,
        stop=["END"],
    )
    [choice] = answer.choices
    assert (choice.message.content, choice.finish_reason) == (ANSWER, "stop")
    model, lookup = citations(choice.message)
    assert (model["file_id"], model["filename"], model["page"]) == (file, "book.md", 1)
    assert ANSWER[model["start_index"] : model["end_index"]] == "[book:1]"
    assert (lookup["found_by"], lookup["quote"]) == ("lookup", "takes 57 344 bytes")
    assert answer.usage
    assert answer.usage.model_dump(exclude_unset=True) == COUNTS
    body = scripted_server.chats[0].json
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert body["messages"][0]["content"].endswith("\n\nBe brief.")
    assert "57,344 bytes of K/V cache.\n</document>\nQuestion: How many?" in body["messages"][1]["content"]
    sent = {name: body[name] for name in ("max_tokens", "temperature", "top_p", "seed", "stop")}
    assert sent == {"max_tokens": 77, "temperature": 0.25, "top_p": 0.5, "seed": 7, "stop": ["END"]}


def test_an_answer_streams(server: Running, scripted_server: ScriptedServer) -> None:
    heard = threading.Event()
    scripted_server.script(Reply.text(ANSWER, reasoning="Hm. Let me see.", usage=COUNTS, hold=heard))
    chunks = []
    for part in server.client().chat.completions.create(
        model="scripted",
        messages=[asked("How many?", ("book.md", BOOK))],
        stream=True,
        stream_options={"include_usage": True},
    ):
        chunks.append(part)
        if part.choices and part.choices[0].delta.content:
            heard.set()  # what the model writes next it writes after this has come
    *said, last, usage = chunks
    assert "".join(chunk.choices[0].delta.content or "" for chunk in said) == ANSWER
    assert "".join(getattr(c.choices[0].delta, "reasoning_content", "") for c in said) == "Hm. Let me see."
    assert sum(bool(chunk.choices[0].delta.content) for chunk in said) > 1
    assert said[0].choices[0].delta.role == "assistant"
    [model, _] = said[-1].choices[0].delta.annotations  # type: ignore[attr-defined]
    assert model["file_citation"]["filename"] == "book.md"
    assert model["file_citation"]["file_id"] is None
    assert last.choices[0].finish_reason == "stop"
    assert not usage.choices
    assert usage.usage
    assert usage.usage.prompt_tokens_details
    assert usage.usage.prompt_tokens_details.cached_tokens == 120
    assert len({chunk.id for chunk in chunks}) == 1
    without = server.client().chat.completions.create(
        model="scripted", messages=[asked("Well?", ("book.md", BOOK))], stream=True
    )
    assert all(chunk.choices and chunk.usage is None for chunk in without)


def test_the_documents_stand_alike_in_each_turn(server: Running, scripted_server: ScriptedServer) -> None:
    client = server.client()
    one, two = upload(client), upload(client, "other.md", OTHER)
    messages: list[Any] = [asked("How many?", one)]
    scripted_server.script(Reply.text(ANSWER), Reply.text("Yes [other:1]."))
    first = client.chat.completions.create(model="scripted", messages=messages)
    messages += [first.choices[0].message, asked("And decoding?", one, two)]  # the whole message, annotations and all
    second = client.chat.completions.create(model="scripted", messages=messages)
    before, after = (request.json["messages"] for request in scripted_server.chats)
    documents = before[1]["content"].removesuffix("Question: How many?")
    assert after[1]["content"].startswith(documents)
    assert after[1]["content"].count("<document ") == 2
    assert [message["content"] for message in after[2:]] == [ANSWER, "And decoding?"]
    assert citations(second.choices[0].message)[0]["file_id"] == two


def test_a_message_that_only_brings_a_file_is_no_question(server: Running, scripted_server: ScriptedServer) -> None:
    only: Any = {"role": "user", "content": asked("", ("book.md", BOOK))["content"][:1]}
    question: Any = {"role": "user", "content": "How many?"}
    server.client().chat.completions.create(model="scripted", messages=[only, question])
    sent = scripted_server.chats[0].json["messages"]
    assert len(sent) == 2
    assert sent[1]["content"].endswith("</document>\nQuestion: How many?")


def test_the_servers_own_corpus_is_read_first(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    own = corpus(document("handbook", "Prefill is reading the prompt."))
    with api(scripted_server, tmp_path / "data", corpus=own) as server:
        scripted_server.script(Reply.text("See [handbook:1] and [book:1]."))
        answer = server.client().chat.completions.create(model="scripted", messages=[asked("?", ("book.md", BOOK))])
    found = [
        (c["filename"], c["start_index"]) for c in citations(answer.choices[0].message) if c["found_by"] == "model"
    ]
    assert found == [("handbook.pdf", 4), ("book.md", 21)]
    content = scripted_server.chats[0].json["messages"][1]["content"]
    assert content.index('name="handbook"') < content.index('name="book"')


def test_equal_bytes_are_read_once_and_that_is_said(server: Running, scripted_server: ScriptedServer) -> None:
    message = asked("How many?", ("a.md", BOOK), ("b.md", BOOK))
    answer = server.client().chat.completions.create(model="scripted", messages=[message])
    assert answer.longread["notes"] == ["b.md has the same bytes as a.md: they are read once."]  # type: ignore[attr-defined]
    assert scripted_server.chats[0].json["messages"][1]["content"].count("<document ") == 1


def test_marks_that_lead_nowhere_are_told(server: Running, scripted_server: ScriptedServer) -> None:
    scripted_server.script(Reply.text("See [book:9]."))
    answer = server.client().chat.completions.create(model="scripted", messages=[asked("?", ("book.md", BOOK))])
    assert answer.longread["unknown_citations"] == ["[book:9]"]  # type: ignore[attr-defined]
    assert citations(answer.choices[0].message) == []


def test_the_servers_tools_work_on_the_documents(server: Running, scripted_server: ScriptedServer) -> None:
    replies = (Reply.calls(("search", {"query": "bytes"}), text="\nLet me look."), Reply.text(f"\n\n{ANSWER}"))
    contents = []
    for stream in (False, True):
        scripted_server.script(*replies)
        answer: Any = server.client().chat.completions.create(
            model="scripted", messages=[asked("How many?", ("book.md", BOOK))], stream=stream
        )
        if stream:
            chunks = list(answer)
            contents.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks))
            found = [annotation["file_citation"] for annotation in chunks[-2].choices[0].delta.annotations]
        else:
            contents.append(answer.choices[0].message.content)
            found = citations(answer.choices[0].message)
            assert answer.longread["tool_calls"] == [{"name": "search", "arguments": '{"query": "bytes"}'}]
        assert contents[-1][found[0]["start_index"] : found[0]["end_index"]] == "[book:1]"
    assert contents == [f"Let me look.\n\n{ANSWER}"] * 2
    assert scripted_server.chats[1].json["messages"][-1]["role"] == "tool"


def test_no_tools(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data", tools=ToolChoice(none=True), name="reader") as server:
        assert [model.id for model in server.client().models.list()] == ["reader"]
        server.client().chat.completions.create(model="reader", messages=[asked("?", ("book.md", BOOK))])
    assert "tools" not in scripted_server.chats[0].json


class Bytes(BaseModel):
    bytes: int


def test_an_object_fits_its_schema(server: Running, scripted_server: ScriptedServer) -> None:
    scripted_server.script(Reply.text("57,344"), Reply.text('```json\n{"bytes": 57344}\n```'))
    answer = server.client().chat.completions.parse(
        model="scripted", messages=[asked("How many?", ("book.md", BOOK))], response_format=Bytes
    )
    assert answer.choices[0].message.parsed == Bytes(bytes=57344)
    assert "is asked once more" in answer.longread["notes"][0]  # type: ignore[attr-defined]
    scripted_server.script(Reply.text("57,344"), Reply.text('{"bytes": 57344}'))
    stream = server.client().chat.completions.create(
        model="scripted",
        messages=[asked("How many?", ("book.md", BOOK))],
        response_format={"type": "json_object"},
        stream=True,
    )
    assert json.loads("".join(chunk.choices[0].delta.content or "" for chunk in stream)) == {"bytes": 57344}
    scripted_server.script(Reply.text("57,344"), Reply.text("57,344"))
    with pytest.raises(openai.UnprocessableEntityError, match="does not fit the schema") as caught:
        server.client().chat.completions.parse(
            model="scripted", messages=[asked("How many?", ("book.md", BOOK))], response_format=Bytes
        )
    assert caught.value.code == "invalid_answer"


def test_many_clients_at_once(server: Running, scripted_server: ScriptedServer) -> None:
    meeting = threading.Barrier(6)

    def reply(request: Any) -> Reply:
        meeting.wait(PATIENCE)  # until all have asked
        return Reply.text(f"To {request.json['messages'][-1]['content'].split()[-1]}")

    scripted_server.default = reply

    async def ask_all() -> list[str | None]:
        async with server.async_client() as client:
            file = (await client.files.create(file=("book.md", BOOK), purpose="user_data")).id
            answers = [
                client.chat.completions.create(model="scripted", messages=[asked(f"Number {i}", file)])
                for i in range(6)
            ]
            return [answer.choices[0].message.content for answer in await asyncio.gather(*answers)]

    assert asyncio.run(ask_all()) == [f"To {i}" for i in range(6)]


# What goes wrong


def test_a_prompt_that_is_too_long(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    scripted_server.models = [{"id": "scripted", "max_model_len": 900}]
    with api(
        scripted_server, tmp_path / "data", limits=ApiLimits(prompt_tokens=300), tools=ToolChoice(none=True)
    ) as server:
        client = server.client()
        assert client.models.retrieve("scripted").max_model_len == 900  # type: ignore[attr-defined]
        client.chat.completions.create(model="scripted", messages=[asked("?", ("book.md", BOOK))])
        long = b"many words " * 400
        for stream in (False, True):
            with pytest.raises(openai.BadRequestError, match=r"has \d+ tokens.* has room for 300") as caught:
                client.chat.completions.create(
                    model="scripted", messages=[asked("?", ("long.md", long))], stream=stream
                )
            assert caught.value.code == "context_length_exceeded"
        file = upload(client, "longer.md", b"many words " * 4000)
        with pytest.raises(openai.BadRequestError, match=r"8,\d+ tokens.*prompt.*300"):
            client.chat.completions.create(model="scripted", messages=[asked("?", file)])
        with pytest.raises(openai.BadRequestError, match=r"900 tokens are kept for the answer.*max_completion_tokens"):
            client.chat.completions.create(model="scripted", messages=[asked("?")], max_tokens=900)
    assert len(scripted_server.chats) == 1


@pytest.mark.parametrize(
    ("reply", "status", "message"),
    [
        (Reply.error(500, "out of memory"), 502, "The model's server failed (500): out of memory"),
        (Reply.error(503, "starting"), 503, "The model's server failed (503)"),
        (Reply.error(429, "slow down"), 503, "The model's server is busy"),
        (Reply.error(400, "top_p is too low"), 400, "The model's server refused the request (400): top_p is too low"),
        (Reply.error(400, "maximum context length is 50 tokens"), 400, "tokens, documents and conversation together"),
        (Reply([CUT]), 503, "The model's server closed the connection"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_the_models_server_fails(
    reply: Reply, status: int, message: str, stream: bool, server: Running, scripted_server: ScriptedServer
) -> None:
    scripted_server.script(reply)
    with pytest.raises(openai.APIStatusError) as caught:
        server.client().chat.completions.create(model="scripted", messages=[asked("?")], stream=stream)
    assert caught.value.status_code == status
    assert message in caught.value.message
    assert scripted_server.url not in caught.value.message


def test_the_models_server_is_gone(tmp_path: Path) -> None:
    with ScriptedServer() as gone, api(gone, tmp_path / "data") as server:
        gone.vanish()
        with pytest.raises(openai.InternalServerError, match="cannot be reached: connection refused") as caught:
            server.client().chat.completions.create(model="scripted", messages=[asked("?")])
    assert caught.value.status_code == 503


def test_the_models_server_breaks_off(server: Running, scripted_server: ScriptedServer) -> None:
    scripted_server.script(Reply([chunk({"content": "It takes"}), CUT]))
    stream = server.client().chat.completions.create(model="scripted", messages=[asked("?")], stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "It takes"]
    with pytest.raises(openai.APIError, match="broke off after 8 characters"):
        next(stream)


def test_a_fault_of_ours_says_no_more_than_where(
    capfd: pytest.CaptureFixture[str],
    scripted_server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def broken(_: LongReader, question: str, **__: Any) -> Any:
        raise RuntimeError(question)
        yield

    monkeypatch.setattr(LongReader, "astream", broken)
    with (
        api(scripted_server, tmp_path / "data") as server,
        pytest.raises(openai.InternalServerError, match=r"Internal error \(RuntimeError\)"),
    ):
        server.client().chat.completions.create(model="scripted", messages=[asked("A piece of a document")])
    log = capfd.readouterr().err
    assert "RuntimeError, raised in" in log
    assert "in broken" in log
    assert "piece of a document" not in log


# Clients that leave, and clients that are too many

NEVER = threading.Event()


@pytest.mark.parametrize("parts", [[NEVER], [chunk({"content": "It takes"}), NEVER]], ids=["prefill", "answer"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_stops_the_model(
    parts: list[Any], stream: bool, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    with api(scripted_server, tmp_path / "data", limits=ApiLimits(answers=1)) as server:
        scripted_server.script(Reply(parts))
        heard: list[str | None] = []

        async def leave() -> None:
            async with server.async_client() as client:

                async def ask() -> None:
                    answer: Any = await client.chat.completions.create(
                        model="scripted", messages=[asked("?")], stream=stream
                    )
                    async for part in answer:
                        heard.append(part.choices[0].delta.content)

                task = asyncio.create_task(ask())
                await asyncio.to_thread(wait_until, lambda: scripted_server.chats)
                assert await asyncio.to_thread(scripted_server.chats[0].held.wait, PATIENCE)
                while stream and len(parts) > 1 and "It takes" not in heard:
                    await asyncio.sleep(0.01)
                with pytest.raises(openai.RateLimitError, match="1 answers are under way") as caught:
                    await client.chat.completions.create(model="scripted", messages=[asked("?")])
                assert caught.value.code == "too_many_requests"
                assert caught.value.response.headers["retry-after"] == "1"
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

        asyncio.run(leave())
        assert scripted_server.chats[0].gone.wait(PATIENCE)
        scripted_server.default = Reply.text("There is room again.")

        def again() -> bool:
            try:
                return bool(server.client().chat.completions.create(model="scripted", messages=[asked("?")]))
            except openai.RateLimitError:
                return False

        wait_until(again)


def test_a_stream_without_news_shows_that_it_lives(scripted_server: ScriptedServer, tmp_path: Path) -> None:
    with api(scripted_server, tmp_path / "data", tick=0.05) as server:
        shown = threading.Event()
        scripted_server.script(Reply([shown, *Reply.text(ANSWER).parts]))
        client = server.client()
        lines: list[str] = []
        with client.chat.completions.with_streaming_response.create(
            model="scripted", messages=[asked("?")], stream=True
        ) as answer:
            for line in answer.iter_lines():
                lines.append(line)
                if lines.count(": ") == 4:
                    shown.set()
        assert lines.count(": ") >= 4
        assert lines[-2:] == ["data: [DONE]", ""]


def test_ending_the_server_stops_the_model(
    scripted_server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("longread.agent.cli.api._GRACE", 1)
    scripted_server.script(Reply([chunk({"content": "It takes"}), NEVER]))
    told: list[BaseException] = []

    def ask(client: openai.OpenAI) -> None:
        try:
            client.chat.completions.create(model="scripted", messages=[asked("?")])
        except openai.APIError as error:
            told.append(error)

    with ExitStack() as until_told:  # the client stays: it is the server that ends
        with api(scripted_server, tmp_path / "data") as server:
            client = openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)
            thread = threading.Thread(target=ask, args=(until_told.enter_context(client),))
            thread.start()
            until_told.callback(thread.join)
            wait_until(lambda: scripted_server.chats)
        assert scripted_server.chats[0].gone.wait(PATIENCE)
    assert len(told) == 1


# The example


def test_the_example_asks_and_shows_what_is_cited(
    server: Running, scripted_server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "book.md").write_bytes(BOOK)
    scripted_server.script(Reply.text(ANSWER, usage=COUNTS))
    example = Path(__file__).parents[3] / "examples" / "openai_client.py"
    done = subprocess.run(
        [sys.executable, str(example), str(tmp_path / "book.md"), "How many?"],
        env={**os.environ, "OPENAI_BASE_URL": f"{server.url}/v1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        ANSWER,
        "book.md, page The book (found by model)",
        "book.md, page The book (found by lookup)",
        "200 tokens read, 9 written",
    ]


@pytest.mark.parametrize("streams", [False, True])
def test_files_that_are_larger_than_the_window(tmp_path: Path, streams: bool):
    pages = [f"# Part {number}\n\n" + "The grass is green over the quiet hills. " * 30 for number in range(20)]
    book = "\n\n".join([*pages[:9], "# Harbour\n\nThe harbour was founded in 1194.", *pages[9:]]).encode()
    with (
        ScriptedServer() as scripted,
        api(scripted, tmp_path / "data", window=3000, max_tokens=100, overflow="retrieve") as running,
    ):
        scripted.default = Reply.text("In 1194.")
        client = running.client()
        question = [asked("When was the harbour founded?", ("book.md", book))]
        answer = client.chat.completions.create(model="scripted", messages=question, stream=streams)
        about = [chunk.longread for chunk in answer if hasattr(chunk, "longread")][-1] if streams else answer.longread
        sent = str(scripted.chats[-1].json["messages"])
        nothing = [asked("Zanzibar?", ("book.md", book))]
        with pytest.raises(openai.BadRequestError, match="No page has a word of the question"):
            client.chat.completions.create(model="scripted", messages=nothing)
    assert "founded in 1194" in sent
    assert len(sent) < len(book)
    assert about["notes"][0].startswith("The model saw ")
    assert about["pages_seen"]["book"]
