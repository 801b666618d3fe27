"""Error messages for the failures of a server: one line that says what to do."""

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from longread.errors import LongreadError, PromptTooLong, ServerError

if TYPE_CHECKING:
    import openai

NO_KEY = "EMPTY"
"""Sent if there is no API key: the header must not be empty, and local servers ignore it."""

_EXCERPT = 300

# The wording of vLLM, SGLang, llama.cpp, llama-cpp-python, LM Studio, TGI, OpenAI, xAI and DashScope.
_WINDOW = re.compile(
    r"(?:maximum (?:context|model|prompt) length (?:is|of)|model's context length \(|available context size \("
    r"|context length of only|configured limit of|(?:exceeds?|max) context window of|configured context size is"
    r"|input length should be \[1,|must be <=|\"n_ctx\":)\s*(\d[\d,]*)",
    re.IGNORECASE,
)
_TOKENS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"resulted in (\d[\d,]*) tokens",
        r"contains (\d[\d,]*) (?:input )?tokens",  # not vLLM's "contains at least", where it stopped counting
        r"\"n_prompt_tokens\":\s*(\d+)",
        r"prompt \(length (\d[\d,]*)\)",
        r"(?:input|request|requested tokens) \((\d[\d,]*)(?: tokens)?\)",
        r"keep the first (\d[\d,]*) tokens",
        r"prompt (?:has|too long:) (\d[\d,]*) tokens",
        r"given: (\d[\d,]*) `inputs` tokens",
        r"\((\d[\d,]*) in the messages",
        r"requested (?:a total of )?(\d[\d,]*) tokens",
    )
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|context (?:length|window|size)|prompt (?:is )?too long"
    r"|input (?:is )?too long|too many (?:input )?tokens",
    re.IGNORECASE,
)


# The wording of vLLM, SGLang, llama.cpp, Ollama and LM Studio.
_NO_TOOLS = re.compile(
    r"enable-auto-tool-choice|tool-call-parser|tools param requires|does not support (?:tool|function)"
    r"|(?:tools?|functions?|tool[ _]calls?|tool[ _]choice|function calling) (?:is|are) not (?:supported|enabled)"
    r"|do(?:es)? not support (?:the )?'?\"?tools",
    re.IGNORECASE,
)

_ENGINE_DIED = re.compile(r"EngineDeadError|EngineCore encountered an issue")  # of vLLM


class ToolsRefused(ServerError):
    """The server does not accept requests with tools."""


class _Server(Protocol):
    shown: str
    api_key: str


def translate(
    error: "openai.OpenAIError", server: _Server, *, model: str = "", estimate: Callable[[], int] | None = None
) -> LongreadError:
    """Convert an error of the openai client that was raised before the answer began.

    Args:
        model: the requested model; "" if the call is not about one.
        estimate: counts the tokens of the prompt, for servers that reject a long one without counting it.
    """
    import openai

    if isinstance(error, openai.APIStatusError):
        target = error.response.headers.get("location")
        if error.response.is_redirect and target:
            return ServerError(f"{server.shown} sends on to {one_line(target)}: if you trust it, give that address.")
        return refused(server, error.status_code, error.response.text, model=model, estimate=estimate)
    if isinstance(error, openai.APIConnectionError):
        return _unreachable(server, error)
    body = error.body if isinstance(error, openai.APIError) else None
    return refused(server, None, json.dumps({"error": body or str(error)}), model=model, estimate=estimate)


def refused(
    server: _Server, status: int | None, text: str, *, model: str = "", estimate: Callable[[], int] | None = None
) -> LongreadError:
    """The error for a rejected request.

    Args:
        status: of the HTTP response; None if it was accepted, and the error is in the stream.
        text: the body of the response.
    """
    detail = message(text.replace(server.api_key, "***") if server.api_key != NO_KEY else text)
    if status in (None, 400, 413, 422, 500) and (limits := too_long(text)):
        return _prompt_too_long(server, model, *limits, detail, estimate)
    code = f" ({status})" if status else ""
    if _ENGINE_DIED.search(text):
        return ServerError(f"{server.shown} lost its engine{code}. agent serve --status tells why, if it ran here.")
    if status in (400, 404, 422, 500, 501) and _NO_TOOLS.search(text):
        return ToolsRefused(f"{server.shown} takes no tools{code}: {detail}.")
    if status in (401, 403):
        needed = "wants an API key" if server.api_key == NO_KEY else "did not accept the API key"
        return ServerError(f"{server.shown} {needed}{code}: {detail}. Set the key that this server expects as api_key.")
    if status == 404:
        return ServerError(f"{server.shown} has no such page (404): {detail}. Usually the address ends in /v1.")
    if status == 429:
        return ServerError(f"{server.shown} is busy or the quota is used up{code}: {detail}. Try again later.")
    if status and status >= 500:
        return ServerError(f"{server.shown} failed{code}: {detail}. Its log should say why.")
    return ServerError(f"{server.shown} refused the request{code}: {detail}.")


def no_stream(server: _Server, content_type: str, text: str, *, model: str) -> LongreadError:
    """The error for a response that is not a stream of chunks."""
    if "json" in content_type and '"choices"' in text:
        return ServerError(f"{server.shown} answered in one piece: longread needs a server that streams.")
    if "json" in content_type:
        return refused(server, None, text, model=model)
    return ServerError(
        f"{server.shown} answered with {message(text)}. Is this the right port and path? "
        "Usually the address ends in /v1."
    )


def broken_off(server: _Server, characters: int, why: str) -> ServerError:
    """The error for a stream that ended early. What has arrived was passed on."""
    return ServerError(
        f"The answer of {server.shown} broke off after {characters:,} characters: {why}. Its log should say more."
    )


def silence(server: _Server, characters: int, seconds: float) -> ServerError:
    """The error for a server that is connected and sends nothing."""
    what = f"no more after {characters:,} characters" if characters else "no token"
    return ServerError(
        f"{server.shown} sent {what} for {seconds:g} seconds. "
        "Long prompts take minutes to their first token: set a longer timeout if it is still at work."
    )


def too_long(text: str) -> tuple[int | None, int | None] | None:
    """(tokens of the prompt, tokens that fit), as far as the error message `text` has them; None if it is about
    something else."""
    window = _WINDOW.search(text)
    if not window and not _TOO_LONG.search(text):
        return None
    tokens = next((found for pattern in _TOKENS if (found := pattern.search(text))), None)
    return _number(tokens), _number(window)


def message(text: str) -> str:
    """The message in the body of a response, as one line without a full stop."""
    try:
        detail: Any = json.loads(text)
    except ValueError:
        title = re.search(r"<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
        detail = f"a web page, {title[1]!r}" if title else text
    for key in ("error", "message", "detail"):
        if isinstance(detail, dict) and detail.get(key):
            detail = detail[key]
    return one_line(detail).rstrip(". ") or "no reason given"


def one_line(detail: object) -> str:
    """The text of `detail` as one line, shortened if it is long."""
    text = detail if isinstance(detail, str) else json.dumps(detail, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else f"{text[:_EXCERPT]}…"


def reason(error: BaseException) -> str:
    """Why a connection failed: the innermost cause with a message."""
    return next((one_line(str(cause)) for cause in reversed(list(_causes(error))) if str(cause)), type(error).__name__)


def _prompt_too_long(
    server: _Server,
    model: str,
    tokens: int | None,
    window: int | None,
    detail: str,
    estimate: Callable[[], int] | None,
) -> PromptTooLong:
    counted = tokens or max(estimate() if estimate else 0, (window or 0) + 1)
    count = f"{'' if tokens else 'about '}{counted:,} tokens"
    limit = f"takes {window:,}" if window else f"refuses it ({detail})"
    return PromptTooLong(
        f"The prompt is {count} long, and {model or 'the model'} on {server.shown} {limit}, answer included. "
        "Ask about fewer documents or pages, or start the server with a longer window.",
        tokens=counted,
        budget=window or 0,
    )


def _unreachable(server: _Server, error: "openai.APIConnectionError") -> ServerError:
    import openai

    causes = list(_causes(error))
    start = f"{server.shown} cannot be reached"
    if isinstance(error, openai.APITimeoutError):
        return ServerError(f"{start}: no answer to the attempt to connect. Is it running, and is the address right?")
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return ServerError(f"{start}: no host has this name. Check the address and the network ({reason(error)}).")
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return ServerError(f"{start}: encryption failed ({reason(error)}). Check https or http, and its certificate.")
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return ServerError(f"{start}: connection refused. Is it running, and is the port right?")
    if {"RemoteProtocolError", "ReadError", "WriteError"} & {type(cause).__name__ for cause in causes}:
        return ServerError(
            f"{server.shown} closed the connection without an answer ({reason(error)}). Its log should say why; "
            "a server that speaks https does this when it is asked with http."
        )
    return ServerError(f"{start}: {reason(error)}. Is it running, and is the address right?")


def _causes(error: BaseException) -> Iterator[BaseException]:
    yield error
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    if (cause := error.__cause__ or error.__context__) is not None:
        yield from _causes(cause)


def _number(match: re.Match[str] | None) -> int | None:
    return int(match[1].replace(",", "")) if match else None
