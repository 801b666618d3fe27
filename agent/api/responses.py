"""Chat completions for clients: as one object, or as a stream of server-sent events."""

import json
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from longread.control_tokens import encodable
from longread.events import Delta, Usage

from ..answer import Answer, ReaderEvent

DONE = "data: [DONE]\n\n"

# The model was not allowed to continue: the answer is cut short.
_FINISH = {"limit": "length"}


@dataclass
class Written:
    """What the model has written. The message also contains its text between tool calls."""

    text: str = ""
    _fresh: bool = True
    """The next text is the start of a response."""

    def add(self, event: ReaderEvent) -> str:
        """The text that an event adds to the message; "" for none."""
        if isinstance(event, Usage):  # the end of a request to the model
            self._fresh = True
        if not isinstance(event, Delta) or event.reasoning:
            return ""
        piece = event.text
        if self._fresh:
            piece = piece.lstrip("\n")
            if not piece:
                return ""
            piece = f"\n\n{piece}" if self.text else piece
            self._fresh = False
        self.text += piece
        return piece


@dataclass
class Completion:
    """One chat completion."""

    model: str
    include_usage: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(
        self, answer: Answer, content: str, reasoning: str, annotations: list[dict[str, Any]], notes: Sequence[str]
    ) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": None, "annotations": annotations}
        if reasoning:
            message["reasoning_content"] = reasoning
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason(answer)}
        usage = as_usage(answer.usage)
        return {**self._frame("chat.completion"), "choices": [choice], "usage": usage, "longread": about(answer, notes)}

    def chunk(self, delta: dict[str, Any], finish: str | None = None, **more: Any) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self.include_usage else {}
        return event({**self._frame("chat.completion.chunk"), "choices": [choice], **usage, **more})

    def usage_chunk(self, answer: Answer) -> str:
        return event({**self._frame("chat.completion.chunk"), "choices": [], "usage": as_usage(answer.usage)})

    def _frame(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def event(value: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"


def finish_reason(answer: Answer) -> str:
    reason = answer.finish_reason or "stop"
    return _FINISH.get(reason, reason)


def about(answer: Answer, notes: Sequence[str]) -> dict[str, Any]:
    """What OpenAI's API has no field for."""
    return {
        "unknown_citations": list(answer.unknown_citations),
        "quotes": [quote.model_dump(mode="json") for quote in answer.quotes],
        "notes": list(notes),
        "pages_seen": answer.pages_seen,
        "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in answer.tool_calls],
        "usage_estimated": answer.usage is not None and answer.usage.estimated,
    }


def as_usage(usage: Usage | None) -> dict[str, Any] | None:
    """None if the model's server did not report it."""
    if usage is None:
        return None
    details = None if usage.cached_tokens is None else {"cached_tokens": usage.cached_tokens}
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.prompt_tokens + usage.output_tokens,
        "prompt_tokens_details": details,
    }


class EventStream(Response):
    """Sends what an async generator yields, and closes it when it is exhausted, fails, or the client disconnects."""

    media_type = "text/event-stream"

    def __init__(self, pieces: AsyncGenerator[str, None]):
        self._pieces = pieces
        self.status_code = 200
        self.background: BackgroundTask | None = None
        # X-Accel-Buffering: otherwise nginx buffers the stream.
        self.init_headers({"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._pieces:
                data = encodable(piece).encode()
                await send({"type": "http.response.body", "body": data, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._pieces.aclose()
