"""Convert the pieces of a streamed answer to Qwen-Agent's messages, and these to the history of the next question."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, cast

from ..prompt.messages import ChatMessage

PieceKind = Literal["text", "reasoning", "call", "result"]

CUT_OFF = "[cut off here]"
"""Appended in the history to an answer that was cut off, so that the model does not take it for complete."""
_NO_RESULT = "No result: the call was interrupted."


class Piece(NamedTuple):
    """An event of a turn."""

    kind: PieceKind
    content: str
    """The text; for a call, JSON of `id`, `name` and `arguments`; for a result, JSON of `id`, `name` and `content`."""


def fold(pieces: Iterable[Piece]) -> list[dict[str, Any]]:
    """The messages that the pieces make up. Each call is a separate message, as in Qwen-Agent."""
    messages: list[dict[str, Any]] = []
    text: list[str] = []
    reasoning: list[str] = []

    def flush() -> None:
        if text or reasoning:
            thought = {"reasoning_content": "".join(reasoning)} if reasoning else {}
            messages.append({"role": "assistant", "content": "".join(text), **thought})
            text.clear()
            reasoning.clear()

    for kind, content in pieces:
        match kind:
            case "text":
                text.append(content)
            case "reasoning":
                if text:  # reasoning again, after it had started to write
                    flush()
                reasoning.append(content)
            case "call":
                flush()
                call = json.loads(content)
                function = {"name": call["name"], "arguments": call["arguments"]}
                messages.append(
                    {"role": "assistant", "content": "", "function_call": function, "extra": _with_id(call)}
                )
            case "result":
                flush()
                result = json.loads(content)
                messages.append(
                    {
                        "role": "function",
                        "name": result["name"],
                        "content": result["content"],
                        "extra": _with_id(result),
                    }
                )
    flush()
    return messages


def written(messages: Sequence[dict[str, Any]]) -> str:
    """All text that the model wrote for the user."""
    texts = (text_of(message) for message in messages if message["role"] == "assistant")
    return "\n\n".join(text for text in texts if text)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message whose content may be a list of parts."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text") or "" for part in content)


def with_answer(messages: Sequence[dict[str, Any]], answer: str) -> list[dict[str, Any]]:
    """The messages, ending with `answer`, which can differ from what was streamed."""
    result = list(messages)
    if not answer or written(result) == answer:
        return result
    if result and result[-1]["role"] == "assistant" and not result[-1].get("function_call"):
        result[-1] = {**result[-1], "content": answer}
    else:
        result.append({"role": "assistant", "content": answer})
    return result


def remembered(question: str, messages: Sequence[dict[str, Any]], *, whole: bool) -> list[ChatMessage]:
    """A turn as part of a history: without its reasoning, and marked if it was cut off.

    A turn that was cut off before its answer began is left out.
    """
    result = [
        {key: value for key, value in message.items() if key != "reasoning_content"}
        for message in messages
        if message["role"] != "assistant" or message.get("function_call") or text_of(message)
    ]
    if not result:
        return []
    asked = ChatMessage(role="user", content=question)
    if whole:
        return [asked, *cast("list[ChatMessage]", result)]
    result += [
        {
            "role": "function",
            "name": call["function_call"]["name"],
            "content": _NO_RESULT,
            "extra": call.get("extra") or {},
        }
        for call in _unanswered(result)
    ]
    if result[-1]["role"] == "assistant":
        result[-1] = {**result[-1], "content": f"{text_of(result[-1])}\n\n{CUT_OFF}"}
    else:
        result.append({"role": "assistant", "content": CUT_OFF})
    return [asked, *cast("list[ChatMessage]", result)]


def _unanswered(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls without a result. A result without an id belongs to the first open call of its name."""
    waiting: list[dict[str, Any]] = []
    for message in messages:
        if message.get("function_call"):
            waiting.append(message)
        elif message["role"] == "function":
            found = next((call for call in waiting if _answers(message, call)), None)
            if found:
                waiting.remove(found)
    return waiting


def _answers(result: dict[str, Any], call: dict[str, Any]) -> bool:
    wanted = (result.get("extra") or {}).get("function_id")
    if wanted:
        return wanted == (call.get("extra") or {}).get("function_id")
    return result.get("name") == call["function_call"]["name"]


def _with_id(piece: dict[str, Any]) -> dict[str, Any]:
    return {"function_id": piece["id"]} if piece["id"] else {}
