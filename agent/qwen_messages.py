"""Conversion between Qwen-Agent's messages and the turns of a conversation."""

from collections.abc import Sequence
from typing import Any

from qwen_agent.llm.schema import ASSISTANT, FUNCTION, ContentItem, Message
from qwen_agent.utils.utils import extract_text_from_message

from .citations.lookup import without_sources
from .prompt.messages import ChatMessage, MessagePicture

_UNSEEN = ("image", "audio", "video")


def as_message(turn: ChatMessage) -> Message:
    """Convert a turn to a message of Qwen-Agent."""
    fields: dict[str, Any] = {**turn}
    if pictures := fields.pop("pictures", None):
        fields["content"] = _with_pictures(turn["content"], pictures)
    return Message(**fields)  # pydantic makes its FunctionCall of ours


def _with_pictures(text: str, pictures: Sequence[MessagePicture]) -> list[ContentItem]:
    items: list[ContentItem] = []
    at = 0
    for picture in pictures:
        if picture["offset"] > at:
            items.append(ContentItem(text=text[at : picture["offset"]]))
        items.append(ContentItem(image=picture["url"]))
        at = picture["offset"]
    return [*items, ContentItem(text=text[at:])] if at < len(text) else items


def as_turn(message: Message) -> ChatMessage:
    """Convert a message to a turn, without the progress and cost in its `extra`."""
    turn = ChatMessage(role=message.role, content=text_of(message))  # type: ignore[typeddict-item]
    if message.function_call:
        turn["function_call"] = {"name": message.function_call.name, "arguments": message.function_call.arguments}
    if message.role == FUNCTION and message.name:
        turn["name"] = message.name
    if function_id := (message.extra or {}).get("function_id"):
        turn["extra"] = {"function_id": function_id}
    return turn


def from_message(message: Message) -> ChatMessage:
    """Convert a message of another agent's conversation. Answers lose the line of pages that longread appended."""
    turn = as_turn(message)
    if message.role == ASSISTANT:
        turn["content"] = without_sources(turn["content"])
    return turn


def text_in(messages: Sequence[Message]) -> str:
    """The text of a model's messages, without its tool calls."""
    return "".join(text_of(message) for message in messages if not message.function_call)


def text_of(message: Message) -> str:
    """The text of a message, without its files. Images, audio and video are named as not shown."""
    text = extract_text_from_message(message, add_upload_info=False)
    if not isinstance(message.content, list):
        return text
    unseen = [
        f"({item.type}{'' if item.value.startswith('data:') else f' {item.value}'}: cannot be shown)"
        for item in message.content
        if item.type in _UNSEEN and isinstance(item.value, str)
    ]
    return "\n".join([text, *unseen] if text else unseen)
