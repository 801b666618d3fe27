"""The turns of a conversation, in the shape of Qwen-Agent's messages, and as ChatML renders them.

Turns are plain dictionaries: a history can be stored as JSON, and importing this does not import Qwen-Agent.
"""

import json
from collections.abc import Sequence
from typing import (
    Any,
    Literal,
    NotRequired,  # pydantic cannot use typing's before Python 3.12
)

from typing_extensions import TypedDict

from longread.control_tokens import sanitize


class FunctionCall(TypedDict):
    """A call of a tool by the model."""

    name: str
    arguments: str
    """JSON, as the model wrote it."""


class MessagePicture(TypedDict):
    """A picture inside a message."""

    offset: int
    """The index in the message's content before which it stands."""
    url: str
    """A data URL."""


class ChatMessage(TypedDict):
    """One message. A tool call is a separate assistant message, and its result a function message."""

    role: Literal["system", "user", "assistant", "function"]
    content: str
    name: NotRequired[str]
    """In a result: the name of the tool."""
    function_call: NotRequired[FunctionCall]
    extra: NotRequired[dict[str, Any]]
    """`function_id` ties a result to its call."""
    pictures: NotRequired[list[MessagePicture]]
    """Only in the message with the documents, in the order of their offsets."""


def sanitized(turn: ChatMessage) -> ChatMessage:
    """A turn without control tokens, and without leading and trailing white space, which would merge with the chat
    template's own newline and change the token count."""
    safe: ChatMessage = {**turn, "content": sanitize(turn["content"]).strip()}
    if call := turn.get("function_call"):
        safe["function_call"] = {"name": sanitize(call["name"]), "arguments": sanitize(call["arguments"])}
    return safe


def rendered(turn: ChatMessage) -> str:
    """The text of a turn as the chat templates of Qwen and Qwen-Agent write it, for counting."""
    if call := turn.get("function_call"):
        body = f'{{"name": {json.dumps(call["name"])}, "arguments": {call["arguments"]}}}'
        return f"{turn['content']}\n<tool_call>\n{body}\n</tool_call>"
    if turn["role"] == "function":
        return f"<tool_response>\n{turn['content']}\n</tool_response>"
    return turn["content"]


def rendered_tools(functions: Sequence[dict[str, Any]]) -> str:
    """The tools as Qwen's chat template writes them under the system prompt, for counting. Empty without tools."""
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
