"""Tool calls through the endpoint model: as servers stream them, and as Qwen-Agent's agents use them."""

import json

import pytest
from qwen_agent.agent import BasicAgent
from qwen_agent.agents import Assistant, FnCallAgent
from qwen_agent.llm.schema import USER, Message
from qwen_agent.tools.base import BaseTool

from tests.support.endpoints import QUESTION, Endpoint, last
from tests.support.scripted_server import Reply, ScriptedServer, chunk

pytestmark = pytest.mark.usefixtures("elsewhere")
WEATHER = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


class Weather(BaseTool):
    name = WEATHER["name"]
    description = WEATHER["description"]
    parameters = WEATHER["parameters"]

    def call(self, params, **kwargs) -> str:
        return f"Sunny in {self._verify_json_format_args(params)['city']}."


def test_a_tool_call_arrives_in_pieces(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.calls(("weather", {"city": "Paris"}), text="Let me look."))
    text, call = last(endpoint().chat(QUESTION, functions=[WEATHER]))
    assert text.content == "Let me look."
    assert text.extra["finish_reason"] == "tool_calls"
    assert (call.function_call.name, call.function_call.arguments) == ("weather", '{"city": "Paris"}')
    assert call.extra == {"function_id": "call-0"}
    sent = scripted_server.chats[0].json
    assert sent["tools"] == [{"type": "function", "function": WEATHER}]
    assert "tool_choice" not in sent


def call_chunk(**fields) -> dict:
    return chunk({"tool_calls": [fields]})


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        pytest.param(
            [
                call_chunk(index=0, id="a", function={"name": "weather", "arguments": None}),
                call_chunk(index=0, id=None, function={"name": None, "arguments": "{}"}),
            ],
            [("a", "weather", "{}")],
            id="arguments None at first",
        ),
        pytest.param(
            [call_chunk(index=0, id="a", function={"name": "weather", "arguments": {"city": "Paris"}})],
            [("a", "weather", '{"city": "Paris"}')],
            id="arguments as an object",
        ),
        pytest.param(
            [call_chunk(index=0, id="a", function={"name": "weather", "arguments": '"Paris"'})],
            [("a", "weather", '"Paris"')],
            id="arguments that are a JSON string pass through",
        ),
        pytest.param(
            [
                call_chunk(index=0, id="a", function={"name": "weather", "arguments": '"{\\"city\\":'}),
                call_chunk(index=0, function={"arguments": ' \\"Paris\\"}"'}),
            ],
            [("a", "weather", '{"city": "Paris"}')],
            id="an object encoded twice",
        ),
        pytest.param(
            [call_chunk(index=0, id="a", function={"name": "weather", "arguments": '"{\\"city'})],
            [("a", "weather", '"{\\"city')],
            id="arguments that were cut off pass through",
        ),
        pytest.param(
            [call_chunk(index=0, id="a", function={"name": "weather"})],
            [("a", "weather", "{}")],
            id="no arguments",
        ),
        pytest.param(
            [
                call_chunk(index=0, id="a", function={"name": "wea", "arguments": ""}),
                call_chunk(index=0, function={"name": "ther", "arguments": "{}"}),
            ],
            [("a", "weather", "{}")],
            id="the name in pieces",
        ),
        pytest.param(
            [
                call_chunk(index=0, id="a", function={"name": "weather", "arguments": '{"city":'}),
                call_chunk(index=0, id="a", function={"name": "weather", "arguments": '"Paris"}'}),
            ],
            [("a", "weather", '{"city":"Paris"}')],
            id="id and name repeated",
        ),
        pytest.param(
            [
                call_chunk(index=0, id="a", function={"name": "weather", "arguments": "{}"}),
                call_chunk(index=0, id="b", function={"name": "time", "arguments": "{}"}),
            ],
            [("a", "weather", "{}"), ("b", "time", "{}")],
            id="every call numbered 0",
        ),
        pytest.param(
            [
                call_chunk(id="a", function={"name": "weather", "arguments": '{"city":'}),
                call_chunk(function={"arguments": '"Paris"}'}),
                call_chunk(id="b", function={"name": "time", "arguments": "{}"}),
            ],
            [("a", "weather", '{"city":"Paris"}'), ("b", "time", "{}")],
            id="no index",
        ),
        pytest.param(
            [
                call_chunk(index=1, function={"name": "time", "arguments": "{}"}),
                call_chunk(index=2, function={"name": "date", "arguments": "{}"}),
                call_chunk(index=2, function=None),
            ],
            [("call_0", "time", "{}"), ("call_1", "date", "{}")],
            id="no ids",
        ),
    ],
)
def test_tool_calls_as_servers_stream_them(
    scripted_server: ScriptedServer, endpoint: Endpoint, chunks: list, calls: list
):
    scripted_server.script(Reply([*chunks, chunk({}, finish_reason="tool_calls")]))
    answer = last(endpoint().chat(QUESTION, functions=[WEATHER]))
    assert [(m.extra["function_id"], m.function_call.name, m.function_call.arguments) for m in answer] == calls
    assert answer[0].extra["usage"]["estimated"]


def test_choices_about_tools_are_passed_on(scripted_server: ScriptedServer, endpoint: Endpoint):
    model = endpoint()
    for choice, sent in (
        ("weather", {"type": "function", "function": {"name": "weather"}}),
        ("none", "none"),
        ("auto", "auto"),
    ):
        settings = {"function_choice": choice, "parallel_function_calls": False}
        last(model.chat(QUESTION, functions=[WEATHER], extra_generate_cfg=settings))
        body = scripted_server.chats[-1].json
        assert body["tool_choice"] == sent
        assert body["parallel_tool_calls"] is False
        assert body["tools"], "sent with 'none' too: the prompt's prefix must not change"
        assert not {"function_choice", "parallel_function_calls"} & set(body)


@pytest.mark.parametrize("cities", [["Paris"], ["Paris", "Rome"]])
@pytest.mark.parametrize("agent_class", [FnCallAgent, Assistant])
def test_qwen_agents_call_tools_through_it(scripted_server: ScriptedServer, endpoint: Endpoint, agent_class, cities):
    scripted_server.script(
        Reply.calls(*[("weather", {"city": city}) for city in cities]),
        Reply.text("Sunny everywhere."),
    )
    agent = agent_class(llm=endpoint(), function_list=[Weather()])
    response = agent.run_nonstream([Message(USER, "The weather?")])

    assert [m.role for m in response] == ["assistant"] * len(cities) + ["function"] * len(cities) + ["assistant"]
    assert response[-1].content == "Sunny everywhere."
    history = scripted_server.chats[1].json["messages"]
    assert [m["role"] for m in history] == ["user", "assistant"] + ["tool"] * len(cities)
    assert [call["id"] for call in history[1]["tool_calls"]] == [m["tool_call_id"] for m in history[2:]]
    assert [m["content"] for m in history[2:]] == [f"Sunny in {city}." for city in cities]


@pytest.mark.parametrize("arguments", ['"Paris"', '["Paris"]', '"{\\"town\\": \\"Paris\\"}"', '{"city": 7}'])
def test_the_model_is_told_that_its_arguments_are_not_what_the_tool_takes(
    scripted_server: ScriptedServer, endpoint: Endpoint, arguments: str
):
    wrong = call_chunk(index=0, id="a", function={"name": "weather", "arguments": arguments})
    scripted_server.script(Reply([wrong, chunk({}, finish_reason="tool_calls")]), Reply.text("I cannot say."))
    response = FnCallAgent(llm=endpoint(), function_list=[Weather()]).run_nonstream([Message(USER, "The weather?")])
    assert response[-1].content == "I cannot say."
    said, told = scripted_server.chats[1].json["messages"][1:]
    assert told["role"] == "tool"
    assert "ValidationError" in told["content"]
    assert isinstance(json.loads(said["tool_calls"][0]["function"]["arguments"]), dict), "templates walk over them"


def test_basic_agent(scripted_server: ScriptedServer, endpoint: Endpoint):
    agent = BasicAgent(llm=endpoint(), system_message="Be brief.")
    assert agent.run_nonstream([{"role": "user", "content": "Hi"}])[0]["content"] == "The scripted answer."
    assert [m["role"] for m in scripted_server.chats[0].json["messages"]] == ["system", "user"]


def test_tools_in_the_prompt_for_servers_without_tool_calls(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(
        Reply.text('Look.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Paris"}}\n</tool_call>'),
        Reply.text("Sunny."),
    )
    agent = FnCallAgent(llm=endpoint({"fncall_prompt_type": "nous"}), function_list=[Weather()])
    response = agent.run_nonstream([Message(USER, "The weather in Paris?")])
    assert [m.role for m in response] == ["assistant", "assistant", "function", "assistant"]
    assert response[0].extra["usage"]["prompt_tokens"] > 0
    first, second = (request.json for request in scripted_server.chats)
    assert "tools" not in first
    assert "weather" in first["messages"][0]["content"]
    assert "Sunny in Paris." in second["messages"][-1]["content"]


def test_an_empty_answer_has_usage_too(scripted_server: ScriptedServer, endpoint: Endpoint):
    scripted_server.script(Reply.text(""), Reply.text(""))
    for settings in ({}, {"fncall_prompt_type": "nous"}):
        (message,) = last(endpoint(settings).chat(QUESTION, functions=[WEATHER]))
        assert message.content == ""
        assert message.extra["usage"]["prompt_tokens"] > 0
