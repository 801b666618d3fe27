"""LongReader calls tools: what the model is sent, what comes back, and where it ends."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from qwen_agent.agents import FnCallAgent, GroupChat, Router
from qwen_agent.llm.schema import ContentItem, Message
from qwen_agent.tools import BaseTool

from longread import Answer, LongReader
from longread.agent import loop
from longread.agent.events import Note, ToolEnd, ToolStart
from longread.agent.structured_output import InvalidAnswer
from longread.agent.tool_calls import REFUSED, LoopLimits
from longread.errors import PromptTooLong, ServerError
from longread.events import Delta, Usage
from tests.support.corpora import corpus, document
from tests.support.endpoints import Endpoint
from tests.support.scripted_server import Reply, ScriptedServer

BOOK = corpus(document("book", "One token of the 7B model takes 57,344 bytes of K/V cache.", "Prefill reads."))


class Count(BaseTool):
    """Counts letters, or does what else the test wants."""

    name = "count"
    description = "Count the letters of a word."
    parameters = [{"name": "word", "type": "string", "description": "a word", "required": True}]  # noqa: RUF012

    def __init__(self, does: Any = lambda word: len(word)):
        super().__init__()
        self.does = does
        self.cancelled = threading.Event()

    def call(self, params: str | dict, **kwargs: Any) -> Any:
        result = self.does(self._verify_json_format_args(params)["word"])
        return result if isinstance(result, list) else str(result)

    def cancel(self) -> None:
        self.cancelled.set()


def calls(*words: str, text: str = "") -> Reply:
    return Reply.calls(*[("count", {"word": word}) for word in words], text=text)


def test_tools_are_called_and_their_results_go_back(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(calls("one", "three", text="I count."), Reply.text("3 and 5 [book:1]."))
    events = list(LongReader(BOOK, endpoint(), function_list=[Count()]).stream("How many letters?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text == "3 and 5 [book:1]."
    assert [str(citation) for citation in answer.citations][:1] == ["[book:1]"]
    assert [(end.name, json.loads(end.arguments), end.result, end.failed) for end in answer.tool_calls] == [
        ("count", {"word": "one"}, "3", False),
        ("count", {"word": "three"}, "5", False),
    ]
    kinds = [type(event) for event in events if isinstance(event, ToolStart | ToolEnd | Usage | Answer)]
    assert kinds == [Usage, ToolStart, ToolStart, ToolEnd, ToolEnd, Usage, Answer]
    texts = [event.text for event in events if isinstance(event, Delta)]
    assert "".join(texts) == "I count.3 and 5 [book:1]."
    assert answer.usage
    assert answer.usage.output_tokens == sum(event.output_tokens for event in events if isinstance(event, Usage))

    first, second = (request.json for request in scripted_server.chats)
    assert [tool["function"]["name"] for tool in first["tools"]] == ["count"]
    assert second["tools"] == first["tools"], "the prompt's prefix must not change"
    assert second["messages"][:2] == first["messages"]
    assert [turn["role"] for turn in second["messages"]] == ["system", "user", "assistant", "tool", "tool"]
    assert [turn["content"] for turn in second["messages"][3:]] == ["3", "5"]
    ids = [call["id"] for call in second["messages"][2]["tool_calls"]]
    assert ids == [turn["tool_call_id"] for turn in second["messages"][3:]]


def test_a_follow_up_question_has_the_calls_before_it(scripted_server: ScriptedServer, endpoint: Endpoint):
    reader = LongReader(BOOK, endpoint(), function_list=[Count()])
    scripted_server.script(calls("one"), Reply.text("Three."), calls("two"), Reply.text("Three again."))
    first = reader.ask("One?")
    second = reader.ask("Two?", history=json.loads(json.dumps(first.history)))
    assert second.text == "Three again."
    sent = scripted_server.chats[3].json["messages"]
    assert [turn["role"] for turn in sent] == [
        "system", "user", "assistant", "tool", "assistant", "user", "assistant", "tool",
    ]  # fmt: skip
    before = scripted_server.chats[1].json["messages"]
    assert sent[: len(before)] == before, "what the server has cached is sent as it was"


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (lambda word: {}[word], "count failed: KeyError: 'one'"),
        (lambda word: (_ for _ in ()).throw(ServerError("The page is gone.")), "count: The page is gone."),
        (lambda word: [ContentItem(text="a"), ContentItem(image="x.png")], "a\n(image: x.png)"),
    ],
)
def test_whatever_a_tool_does_the_answer_goes_on(
    scripted_server: ScriptedServer, endpoint: Endpoint, does: Any, told: str
):
    scripted_server.script(calls("one"), Reply.text("I cannot say."))
    answer = LongReader(BOOK, endpoint(), function_list=[Count(does)]).ask("How many?")
    assert answer.text == "I cannot say."
    assert answer.tool_calls[0].result == told
    assert answer.tool_calls[0].failed == (not told.startswith("a"))
    assert scripted_server.chats[1].json["messages"][-1]["content"] == told


def test_a_tool_that_must_be_called_first(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(calls("one"), Reply.text("Three."))
    LongReader(BOOK, endpoint(), function_list=[Count()]).ask("How many?", function_choice="count")
    first, second = (request.json for request in scripted_server.chats)
    assert first["tool_choice"] == {"type": "function", "function": {"name": "count"}}
    assert second.get("tool_choice", "auto") == "auto"


def test_a_tool_that_is_not_there(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.calls(("weather", {})), Reply.text("I cannot say."))
    answer = LongReader(BOOK, endpoint(), function_list=[Count()]).ask("How is the weather?")
    assert answer.tool_calls[0].result == "There is no tool 'weather'. There are: count."


def test_calls_of_one_answer_run_at_once(scripted_server: ScriptedServer, endpoint: Endpoint):
    together = threading.Barrier(3, timeout=300)
    scripted_server.script(calls("a", "b", "c"), Reply.text("Done."))
    answer = LongReader(BOOK, endpoint(), function_list=[Count(lambda word: (together.wait(), word)[1])]).ask("Go")
    assert [end.result for end in answer.tool_calls] == ["a", "b", "c"]


def test_a_call_that_is_not_allowed(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(calls("good", "bad"), Reply.text("Well."))
    asked: list[str] = []

    def approve(call: ToolStart) -> bool:
        asked.append(call.name)
        return "good" in call.arguments

    answer = LongReader(BOOK, endpoint(), function_list=[Count()], approve=approve).ask("Go")
    assert asked == ["count", "count"]
    assert [end.result for end in answer.tool_calls] == ["4", REFUSED]


def test_a_tool_that_takes_too_long(scripted_server: ScriptedServer, endpoint: Endpoint):
    free = threading.Event()
    fast: list[threading.Thread] = []

    def does(word: str) -> str:
        if word == "slow":
            free.wait()
        else:
            fast.append(threading.current_thread())
        return word

    def approve(call: ToolStart) -> bool:
        if "slow" in call.arguments:  # the fast one has answered by then, on any machine
            while not fast or fast[0].is_alive():
                time.sleep(0.01)
        return True

    tool = Count(does)
    scripted_server.script(calls("fast", "slow"), Reply.text("Well."))
    reader = LongReader(BOOK, endpoint(), function_list=[tool], limits=LoopLimits(tool_seconds=0.5), approve=approve)
    try:
        answer = reader.ask("Go")  # returns though the slow one never does
    finally:
        free.set()
    assert [end.result for end in answer.tool_calls] == ["fast", "count has not answered within 0.5 seconds."]
    assert tool.cancelled.is_set()


def test_closing_the_stream_while_a_tool_runs(scripted_server: ScriptedServer, endpoint: Endpoint):
    tool = Count(lambda word: tool.cancelled.wait())
    scripted_server.script(calls("slow"))
    stream = LongReader(BOOK, endpoint(), function_list=[tool]).stream("Go")
    while not isinstance(next(stream), ToolStart):
        pass
    stream.close()  # at the start of the call, before the thread: nothing to cancel
    assert not tool.cancelled.is_set()

    async def cancel() -> None:
        scripted_server.script(calls("slow"), Reply.text("Too late.", pause=3600.0))
        started = asyncio.Event()
        reader = LongReader(BOOK, endpoint(), function_list=[tool], limits=LoopLimits(tool_seconds=1))
        task = asyncio.create_task(
            reader.aask("Go", on_event=lambda event: started.set() if isinstance(event, ToolStart) else None)
        )
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert tool.cancelled.is_set()


@pytest.mark.parametrize(
    "limits", [LoopLimits(steps=3), LoopLimits(output_tokens=9, steps=50), LoopLimits(seconds=9e5, steps=50)], ids=str
)
def test_the_loop_ends(
    scripted_server: ScriptedServer, endpoint: Endpoint, limits: LoopLimits, monkeypatch: pytest.MonkeyPatch
):
    later = 0.0
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + later))

    def slow(word: str) -> str:
        nonlocal later
        later += 5e5
        return word

    scripted_server.default = lambda request: (
        Reply.text("Enough.") if request.json.get("tool_choice") == "none" else calls("more")
    )
    answer = LongReader(BOOK, endpoint(), function_list=[Count(slow)], limits=limits).ask("Go")
    assert answer.text == "Enough."
    assert len(scripted_server.chats) <= 3
    assert answer.tool_calls
    assert all(chat.json["tools"] for chat in scripted_server.chats)


def test_a_model_that_will_not_stop_calling(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.default = calls("more", text="One more.")
    events = list(LongReader(BOOK, endpoint(), function_list=[Count()], limits=LoopLimits(steps=2)).stream("Go"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish_reason, len(answer.tool_calls)) == ("One more.", "limit", 1)
    assert any(isinstance(event, Note) and "may call no more tools" in event.text for event in events)
    assert "function_call" not in answer.history[-1]


def test_a_result_that_the_window_has_no_room_for(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(calls("big"), Reply.text("I see."))
    tool = Count(lambda word: "word " * 5000)
    reader = LongReader(BOOK, endpoint(), function_list=[tool], window=1500, max_tokens=100)
    answer = reader.ask("Go")
    told = scripted_server.chats[1].json["messages"][-1]["content"]
    assert told.startswith("The result has 5,00")
    assert told.endswith("Nothing of it is shown. Ask for less.")
    assert answer.text == "I see."
    prompt = reader.prompt(answer.history[:-1])
    assert prompt.fits
    with pytest.raises(PromptTooLong, match="Nothing was cut"):
        LongReader(BOOK, endpoint(), function_list=[tool], window=250, max_tokens=100).ask("Go")


@pytest.mark.parametrize(
    "refusal",
    [
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "registry.ollama.ai/library/gemma:2b does not support tools",
        "tools param requires --jinja flag",
    ],
)
def test_a_server_without_tool_calls_gets_them_in_the_prompt(
    scripted_server: ScriptedServer, endpoint: Endpoint, refusal: str
):
    scripted_server.script(
        Reply.error(400, refusal),
        Reply.text('Look.\n<tool_call>\n{"name": "count", "arguments": {"word": "one"}}\n</tool_call>'),
        Reply.text("Three."),
        Reply.text("Three still."),
    )
    reader = LongReader(BOOK, endpoint(), function_list=[Count()])
    events = list(reader.stream("How many?"))
    answer = events[-1]
    assert isinstance(answer, Answer)
    assert answer.text == "Three."
    [note] = [event.text for event in events if isinstance(event, Note)]
    assert refusal.split()[0].strip('"') in note
    assert note.endswith("They are described in the prompt instead.")
    second, third = (request.json for request in scripted_server.chats[1:])
    assert "tools" not in second
    assert "count" in second["messages"][0]["content"]
    assert "<tool_response>\n3\n</tool_response>" in third["messages"][-1]["content"]
    reader.ask("Sure?", history=answer.history)
    assert len(scripted_server.chats) == 4, "it is remembered"


class Found(BaseModel):
    bytes: int
    page: int


def test_an_answer_as_an_object(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.text('{"bytes": 57344, "page": 1}'))
    answer = LongReader(BOOK, endpoint()).ask("How many bytes?", schema=Found)
    assert answer.parsed == Found(bytes=57344, page=1)
    sent = scripted_server.chats[0].json
    assert sent["response_format"]["json_schema"]["schema"] == Found.model_json_schema()
    assert sent["messages"][-1]["content"].endswith(json.dumps(Found.model_json_schema()))


def test_an_object_that_does_not_fit_is_asked_for_once_more(scripted_server: ScriptedServer, endpoint: Endpoint):
    wrong = Reply.text('{"bytes": "many", "page": 1}')
    scripted_server.script(wrong, Reply.text('```json\n{"bytes": 1, "page": 1}\n```'), wrong, Reply.text("Many."))
    reader = LongReader(BOOK, endpoint())
    schema = Found.model_json_schema()
    assert reader.ask("How many?", schema=schema).parsed == {"bytes": 1, "page": 1}
    complaint = scripted_server.chats[1].json["messages"][-1]["content"]
    assert complaint.startswith("The model's answer does not fit the schema: $.bytes: 'many' ")
    with pytest.raises(InvalidAnswer, match="it is not JSON") as caught:
        reader.ask("How many?", schema=Found)
    assert caught.value.text == "Many."


def test_tools_first_and_then_the_object(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(calls("one"), Reply.text("Three."), Reply.text('{"bytes": 3, "page": 1}'))
    answer = LongReader(BOOK, endpoint(), function_list=[Count()]).ask("How many?", schema=Found)
    assert answer.parsed == Found(bytes=3, page=1)
    one, two, three = (request.json for request in scripted_server.chats)
    assert "response_format" not in one
    assert "response_format" not in two
    assert (three["tool_choice"], three["response_format"]["type"]) == ("none", "json_schema")


def test_many_questions_at_once(scripted_server: ScriptedServer, endpoint: Endpoint):
    together = threading.Barrier(20, timeout=300)

    def reply(request: Any) -> Reply:
        together.wait()
        return Reply.text(request.json["messages"][-1]["content"][-4:])

    scripted_server.default = reply

    async def ask() -> list[Answer]:
        reader = LongReader(BOOK, endpoint())
        return await asyncio.gather(*(reader.aask(f"Number {i:04}") for i in range(20)))

    assert [answer.text for answer in asyncio.run(ask())] == [f"{i:04}" for i in range(20)]


def test_astream_gives_the_events_of_stream(scripted_server: ScriptedServer, endpoint: Endpoint):
    async def collect() -> list[Any]:
        return [event async for event in LongReader(BOOK, endpoint()).astream("What?")]

    events = asyncio.run(collect())
    assert "".join(event.text for event in events if isinstance(event, Delta)) == "The scripted answer."
    assert isinstance(events[-1], Answer)

    async def fail() -> None:
        scripted_server.script(Reply.error(400, "No."))
        async for _ in LongReader(BOOK, endpoint()).astream("What?"):
            pass

    with pytest.raises(ServerError, match=r"refused the request \(400\): No"):
        asyncio.run(fail())


@pytest.fixture
def files(tmp_path: Any) -> Iterator[list[str]]:
    for name, text in (("one", "The answer is forty-two."), ("two", "The question is lost.")):
        (tmp_path / f"{name}.txt").write_text(text)
    return [str(tmp_path / f"{name}.txt") for name in ("one", "two")]


@pytest.mark.usefixtures("elsewhere")
def test_it_stands_where_qwen_agents_assistant_stands(
    scripted_server: ScriptedServer, endpoint: Endpoint, files: list[str]
):
    scripted_server.default = Reply.text("It is forty-two.")
    bot = LongReader(llm=endpoint(), function_list=[Count()], files=files[:1], system_message="Be brief.")
    assert isinstance(bot, FnCallAgent)
    question = {"role": "user", "content": [{"text": "What is the answer?"}, {"file": files[1]}]}
    *_, last = bot.run([question])
    assert last[-1]["content"] == "It is forty-two.\n\nPages with these words (found by lookup): [one:1]"
    sent = scripted_server.chats[0].json["messages"]
    assert sent[0]["content"].endswith("Be brief.")
    assert "[one:1]\nThe answer is forty-two." in sent[1]["content"]
    assert "[two:1]\nThe question is lost." in sent[1]["content"]


@pytest.mark.usefixtures("elsewhere")
def test_it_works_without_documents(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(calls("one"), Reply.text("Three."))
    bot = LongReader(llm=endpoint(), function_list=[Count()])
    *_, last = bot.run([{"role": "user", "content": "How many?"}])
    assert [message["role"] for message in last] == ["assistant", "function", "assistant"]
    assert last[-1]["content"] == "Three."
    assert [turn["role"] for turn in scripted_server.chats[0].json["messages"]] == ["user"]
    assert scripted_server.chats[0].json["messages"][0]["content"] == "How many?"


@pytest.mark.usefixtures("elsewhere")
def test_it_calls_tools_among_qwen_agents_own_agents(scripted_server: ScriptedServer, endpoint: Endpoint):
    reader = LongReader(BOOK, endpoint(), function_list=[Count()], name="reader", description="Reads the book.")
    scripted_server.script(calls("one"), Reply.text("Three."))
    group = GroupChat(agents=[reader], agent_selection_method="round_robin")
    *_, last = group.run([Message("user", "How many?", name="user")], max_round=1)
    assert last[-1].content.startswith("Three.")
    scripted_server.script(Reply.text("Call: reader\nReply:"), calls("one"), Reply.text("Three."))
    *_, last = Router(llm=endpoint(), agents=[reader]).run([Message("user", "How many?")])
    assert last[-1].content.startswith("Three.")
    assert last[-1].name == "reader"
