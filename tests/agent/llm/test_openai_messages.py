import json

from qwen_agent.llm.schema import ASSISTANT, FUNCTION, SYSTEM, USER, FunctionCall, Message

from longread.agent.llm.openai_messages import to_openai, to_tool_choice, to_tools


def called(name: str, arguments: str, function_id: str | None = None, **fields) -> Message:
    extra = {"function_id": function_id} if function_id else {}
    return Message(ASSISTANT, "", function_call=FunctionCall(name, arguments), extra=extra, **fields)


def result(name: str, content: str, function_id: str | None = None) -> Message:
    return Message(FUNCTION, content, name=name, extra={"function_id": function_id} if function_id else None)


def test_plain_turns_keep_only_role_and_content():
    turns = [Message(SYSTEM, "Be brief."), Message(USER, "Hi", name="ann"), Message(ASSISTANT, "Hello.")]
    assert to_openai(turns) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello."},
    ]


def test_parallel_calls_become_one_assistant_message_and_results_name_their_call():
    turns = [
        Message(USER, "Weather and time?"),
        Message(ASSISTANT, "Let me look."),
        called("weather", '{"city": "Paris"}', "a"),
        called("time", '{"city": "Paris"}', "b"),
        result("weather", "Sunny.", "a"),
        result("time", "Noon.", "b"),
    ]
    _, assistant, *results = to_openai(turns)
    assert assistant["content"] == "Let me look."
    assert [(call["id"], call["function"]["name"]) for call in assistant["tool_calls"]] == [
        ("a", "weather"),
        ("b", "time"),
    ]
    assert results == [
        {"role": "tool", "tool_call_id": "a", "content": "Sunny."},
        {"role": "tool", "tool_call_id": "b", "content": "Noon."},
    ]


def test_a_result_without_a_known_id_goes_to_the_open_call_of_its_name():
    turns = [
        called("weather", "{}"),
        called("time", "{}"),
        result("time", "Noon."),
        result("weather", "Sunny.", "unheard-of"),
    ]
    assistant, noon, sunny = to_openai(turns)
    weather, clock = (call["id"] for call in assistant["tool_calls"])
    assert weather != clock
    assert (noon["tool_call_id"], sunny["tool_call_id"]) == (clock, weather)


def test_a_result_that_nobody_asked_for_keeps_its_id():
    assert to_openai([result("time", "Noon.", "z")])[0]["tool_call_id"] == "z"
    assert to_openai([result("time", "Noon.")])[0]["tool_call_id"] == "call_0"


def test_an_interrupted_call_is_closed_before_the_next_turn_and_at_the_end():
    interrupted = {"role": "tool", "tool_call_id": "a", "content": "No result: the call was interrupted."}
    turns = [Message(USER, "Weather?"), called("weather", "{}", "a")]
    assert to_openai(turns)[-1] == interrupted
    asked_again = to_openai([*turns, Message(USER, "And?")])
    assert asked_again[2:] == [interrupted, {"role": "user", "content": "And?"}]


def test_an_answer_after_results_is_a_message_of_its_own():
    turns = [called("weather", "{}", "a"), result("weather", "Sunny.", "a"), Message(ASSISTANT, "It is sunny.")]
    assert [message["role"] for message in to_openai(turns)] == ["assistant", "tool", "assistant"]


def test_texts_in_a_row_are_kept_apart():
    assert to_openai([Message(ASSISTANT, "One."), Message(ASSISTANT, "Two.")])[0]["content"] == "One.\n\nTwo."


def test_reasoning_stays_with_the_calls_it_led_to_and_is_left_out_of_earlier_turns():
    turns = [
        Message(USER, "Hi"),
        Message(ASSISTANT, "Hello.", reasoning_content="A greeting."),
        Message(USER, "Weather?"),
        Message(ASSISTANT, "", reasoning_content="I should look."),
        called("weather", "{}", "a"),
        result("weather", "Sunny.", "a"),
    ]
    messages = to_openai(turns)
    assert "reasoning_content" not in messages[1]
    assert messages[3]["reasoning_content"] == "I should look."
    assert messages[3]["tool_calls"]


def test_arguments_that_are_no_json_object_are_wrapped_so_that_servers_can_parse_them():
    for written, sent in (
        ('{"city": "Paris"}', {"city": "Paris"}),
        ("", {}),
        ('"Paris"', {"arguments": "Paris"}),
        ("city=Paris {", {"arguments": "city=Paris {"}),
        ("[1, 2]", {"arguments": [1, 2]}),
    ):
        (assistant, _) = to_openai([called("weather", written, "a")])
        assert json.loads(assistant["tool_calls"][0]["function"]["arguments"]) == sent


def test_tools_from_schemas_lists_of_parameters_and_ready_tools():
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    fields = [
        {"name": "city", "type": "string", "description": "Where", "required": True},
        {"name": "day", "type": "string"},
    ]
    ready = {"type": "function", "function": {"name": "ready", "parameters": schema}}
    by_schema, by_list, by_model_name, as_is, bare = to_tools(
        [
            {"name": "weather", "description": "The weather.", "parameters": schema},
            {"name": "forecast", "description": "Later.", "parameters": fields},
            {"name_for_model": "old", "description_for_model": "An old tool.", "parameters": schema},
            ready,
            {"name": "now", "description": "The time."},
        ]
    )
    assert by_schema == {
        "type": "function",
        "function": {"name": "weather", "description": "The weather.", "parameters": schema},
    }
    assert by_list["function"]["parameters"] == {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Where"}, "day": {"type": "string"}},
        "required": ["city"],
    }
    assert fields[0]["name"] == "city", "the caller's description is left alone"
    assert by_model_name["function"]["name"] == "old"
    assert by_model_name["function"]["description"] == "An old tool."
    assert as_is is ready
    assert bare["function"]["parameters"] == {"type": "object", "properties": {}, "required": []}


def test_tool_choice():
    assert to_tool_choice("auto") == "auto"
    assert to_tool_choice("none") == "none"
    assert to_tool_choice("weather") == {"type": "function", "function": {"name": "weather"}}
