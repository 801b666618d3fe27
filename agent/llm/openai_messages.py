"""Conversion between Qwen-Agent's messages and those of the OpenAI API."""

import json
from collections.abc import Sequence
from typing import Any

from qwen_agent.llm.schema import ASSISTANT, FUNCTION, SYSTEM, USER, FunctionCall, Message
from qwen_agent.utils.utils import encode_image_as_base64

_NO_RESULT = "No result: the call was interrupted."


def to_openai(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Convert a conversation to the messages of a chat completion.

    Qwen-Agent has a separate assistant message for each tool call: runs of them become one message. A call without a
    result gets one that says so, because servers reject a conversation with an open call.
    """
    last_question = max((i for i, m in enumerate(messages) if m.role == USER), default=-1)
    converted: list[dict[str, Any]] = []
    pending: list[tuple[str, str]] = []  # (id, name) of calls without a result
    for i, turn in enumerate(messages):
        if turn.role == FUNCTION:
            result = text_content(turn.content)
            converted.append({"role": "tool", "tool_call_id": _answered(turn, pending), "content": result})
            continue
        if turn.role != ASSISTANT:
            converted += _interrupted(pending)
            converted.append({"role": SYSTEM if turn.role == SYSTEM else USER, "content": _content(turn.content)})
            continue
        if not converted or converted[-1]["role"] != ASSISTANT:
            converted += _interrupted(pending)
            converted.append({"role": ASSISTANT, "content": ""})
        message = converted[-1]
        if said := text_content(turn.content):
            message["content"] += f"\n\n{said}" if message["content"] else said
        # Reasoning is kept with the tool calls that it led to, and left out of earlier turns, as chat templates do.
        if turn.reasoning_content and i > last_question:
            message["reasoning_content"] = message.get("reasoning_content", "") + str(turn.reasoning_content)
        if turn.function_call:
            calls = message.setdefault("tool_calls", [])
            call_id = (turn.extra or {}).get("function_id") or f"call_{len(converted)}_{len(calls)}"
            pending.append((call_id, turn.function_call.name))
            calls.append({"id": call_id, "type": "function", "function": _call(turn.function_call)})
    return converted + _interrupted(pending)


def text_content(content: Any) -> str:
    """The text of a message's content, which is a string or a list of Qwen-Agent's or of the API's items."""
    if isinstance(content, str):
        return content
    items = (item if isinstance(item, dict) else item.model_dump() for item in content or ())
    return "".join(item.get("text") or "" for item in items)


def _content(content: Any) -> str | list[dict[str, Any]]:
    """The content of a message for the API: a string, or a list of parts if there are pictures."""
    if isinstance(content, str) or not any(item.image for item in content):
        return text_content(content)
    return [
        {"type": "image_url", "image_url": {"url": _picture_url(item.image)}}
        if item.image
        else {"type": "text", "text": item.text or ""}
        for item in content
        if item.image or item.text
    ]


def _picture_url(picture: str) -> str:
    """An address that a server can read: a local file becomes a data URL."""
    if picture.startswith(("data:", "http://", "https://")):
        return picture
    return encode_image_as_base64(picture.removeprefix("file://"))


def to_tools(functions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Convert Qwen-Agent's function descriptions to tools of the API. Parameters in a list become a JSON schema."""
    tools = []
    for function in functions:
        if function.get("type") == "function":
            tools.append(function)
            continue
        parameters = function.get("parameters")
        if not isinstance(parameters, dict):
            fields = [dict(field) for field in parameters or []]
            required = [field["name"] for field in fields if field.pop("required", False)]
            parameters = {
                "type": "object",
                "properties": {field.pop("name"): field for field in fields},
                "required": required,
            }
        name = function.get("name") or function["name_for_model"]
        description = function.get("description") or function.get("description_for_model") or ""
        tools.append(
            {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}
        )
    return tools


def to_tool_choice(function_choice: str) -> str | dict[str, Any]:
    """Convert Qwen-Agent's `function_choice`: 'auto', 'none', or the name of the function that must be called."""
    if function_choice in ("auto", "none"):
        return function_choice
    return {"type": "function", "function": {"name": function_choice}}


def _call(call: FunctionCall) -> dict[str, str]:
    # A model may have written anything, but servers parse the arguments of past calls, and templates iterate over them.
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        arguments = call.arguments
    if not isinstance(arguments, dict):
        return {"name": call.name, "arguments": json.dumps({"arguments": arguments}, ensure_ascii=False)}
    return {"name": call.name, "arguments": call.arguments or "{}"}


def _answered(result: Message, pending: list[tuple[str, str]]) -> str:
    """The id of the call that `result` belongs to: by id, by name, or the first. It is removed from the pending
    calls."""
    wanted = (result.extra or {}).get("function_id")
    found = next(
        (call for call in pending if call[0] == wanted),
        next((call for call in pending if call[1] == result.name), pending[0] if pending else None),
    )
    if found is None:
        return wanted or "call_0"
    pending.remove(found)
    return found[0]


def _interrupted(pending: list[tuple[str, str]]) -> list[dict[str, Any]]:
    results = [{"role": "tool", "tool_call_id": call_id, "content": _NO_RESULT} for call_id, _ in pending]
    pending.clear()
    return results
