"""What was said, turn by turn, in the shape of Qwen-Agent's messages; and each turn as ChatML writes it.

Plain dictionaries: a history can be kept as JSON, and importing this does not import Qwen-Agent.
"""

import json
from collections.abc import Sequence
from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic cannot use typing's before Python 3.12
)

from typing_extensions import TypedDict

from .control import encodable, neutralise


class FunctionCall(TypedDict):
    """A tool that the model called."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class ChatMessage(TypedDict):
    """One message. A call of a tool is an assistant's message of its own, and its result a function's."""

    role: Literal["system", "user", "assistant", "function"]
    content: str
    name: NotRequired[str]
    """Of the tool, in a result."""
    function_call: NotRequired[FunctionCall]
    extra: NotRequired[dict[str, Any]]
    """`function_id` ties a result to its call."""


def harmless(turn: ChatMessage) -> ChatMessage:
    """A turn without control tokens, and without white space at its edges: that would join the chat template's own
    newline and change the count of tokens."""
    said: ChatMessage = {**turn, "content": _harmless(turn["content"]).strip()}
    if call := turn.get("function_call"):
        said["function_call"] = {"name": _harmless(call["name"]), "arguments": _harmless(call["arguments"])}
    return said


def written(turn: ChatMessage) -> str:
    """A turn's text in a prompt as Qwen's chat template, and Qwen-Agent's, write it: what is counted."""
    if call := turn.get("function_call"):
        body = f'{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}'
        return f"{turn['content']}\n<tool_call>\n{body}\n</tool_call>"
    if turn["role"] == "function":
        return f"<tool_response>\n{turn['content']}\n</tool_response>"
    return turn["content"]


def described(functions: Sequence[dict[str, Any]]) -> str:
    """What Qwen's chat template puts under the system message for tools: what is counted. Empty without any."""
    if not functions:
        return ""
    lines = "\n".join(
        json.dumps({"type": "function", "function": function}, ensure_ascii=False) for function in functions
    )
    return (
        "\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        f"You are provided with function signatures within <tools></tools> XML tags:\n<tools>\n{lines}\n</tools>\n\n"
        "For each function call, return a json object with function name and arguments within <tool_call></tool_call> "
        'XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
    )


def _harmless(text: str) -> str:
    return encodable(neutralise(text)[0])
