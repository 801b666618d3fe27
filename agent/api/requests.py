"""Parse the body of a chat completion: which parts of OpenAI's API are supported, and what is rejected.

Nothing is silently ignored: what this server cannot do is an error. Only labels that do not affect the answer (`user`,
`metadata`, …) are accepted and unused.
"""

import base64
import binascii
import json
import mimetypes
import re
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from longread.control_tokens import encodable, neutralise

from ..prompt.messages import ChatMessage
from ..structured_output import json_schema
from .errors import refused
from .file_store import FileStore, safe_name
from .ingest import sha256_of
from .reader_cache import Attachment

_OURS = "the server's own tools work on the documents, and a client's cannot be called"
_REFUSED = {
    "n": (1, "one answer is given"),
    "logprobs": (False, "probabilities are not reported"),
    "top_logprobs": (0, "probabilities are not reported"),
    "tools": ([], _OURS),
    "tool_choice": ("none", _OURS),
    "functions": ([], _OURS),
    "function_call": ("none", _OURS),
    "modalities": (["text"], "answers are text"),
    "audio": (None, "answers are text"),
    "logit_bias": ({}, "it is not passed on"),
    "store": (False, "nothing is stored"),
    "prediction": (None, "it is not passed on"),
    "web_search_options": (None, "answers come from the documents"),
    "reasoning_effort": (None, "it is not passed on"),
    "verbosity": (None, "it is not passed on"),
}
"""Unsupported parameters of OpenAI's API: the one value that is accepted, and why no other."""
_LABELS = ("user", "metadata", "safety_identifier", "prompt_cache_key", "service_tier", "parallel_tool_calls")
_SAMPLING = ("temperature", "top_p", "top_k", "seed", "stop", "frequency_penalty", "presence_penalty")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _Text(_Strict):
    type: Literal["text"]
    text: str


class _File(_Strict):
    file_id: str | None = None
    file_data: str | None = None
    filename: str | None = None


class _FilePart(_Strict):
    type: Literal["file"]
    file: _File


class _System(_Strict):
    role: Literal["system", "developer"]
    content: str | list[_Text]


class _User(_Strict):
    role: Literal["user"]
    content: str | list[Annotated[_Text | _FilePart, Field(discriminator="type")]]


class _Assistant(_Strict):
    role: Literal["assistant"]
    content: str | list[_Text]
    # Additional fields of longread's answers, for clients that send the whole message back.
    annotations: list[Any] | None = None
    reasoning_content: str | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    tool_calls: None = None


class _JsonSchema(_Strict):
    name: str = ""
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: bool | None = None


class _Format(_Strict):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _JsonSchema | None = None


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: Literal[False] = False


class _Body(_Strict):
    model: str
    messages: list[Annotated[_System | _User | _Assistant, Field(discriminator="role")]] = Field(min_length=1)
    stream: bool = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1)
    seed: int | None = None
    stop: str | list[str] | None = None
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    response_format: _Format | None = None


@dataclass(frozen=True)
class ParsedRequest:
    """A parsed request."""

    model: str
    question: str
    history: tuple[ChatMessage, ...]
    system: str | None
    attachments: tuple[Attachment, ...]
    """In the order in which the conversation first names them, which is their order in the prompt of each turn."""
    notes: tuple[str, ...]
    max_tokens: int | None
    sampling: dict[str, Any]
    schema: dict[str, Any] | None
    stream: bool
    include_usage: bool


def read(data: bytes, store: FileStore, *, file_bytes: int) -> ParsedRequest:
    """Parse the body of a request.

    Args:
        file_bytes: maximum size of a file inside it.

    Raises:
        ApiError: it is invalid, or names a file that does not exist.
    """
    body = _parsed(data)
    limit = body.max_completion_tokens if body.max_tokens is None else body.max_tokens
    if body.max_completion_tokens not in (None, limit):
        raise refused("max_tokens and max_completion_tokens are the same setting: give one.", param="max_tokens")
    if body.stream_options and not body.stream:
        raise refused("stream_options are for stream=true.", param="stream_options")
    system: list[str] = []
    turns: list[ChatMessage] = []
    attachments: dict[str, Attachment] = {}
    notes: list[str] = []
    for index, message in enumerate(body.messages):
        text = _text(message.content)
        if isinstance(message, _System):
            if turns or attachments:
                raise refused("Instructions come first: no system message after others.", param=f"messages[{index}]")
            system.append(neutralise(encodable(text))[0])
            continue
        if isinstance(message, _User):
            for file, param in _files(message, index):
                attachment = _attachment(file, param, store, file_bytes)
                same = attachments.setdefault(attachment.sha256, attachment)
                if same.file_id != attachment.file_id or same.filename != attachment.filename:
                    notes.append(f"{attachment.filename} has the same bytes as {same.filename}: they are read once.")
        turns.append(ChatMessage(role=message.role, content=text))
    question, history = _conversation(turns)
    return ParsedRequest(
        model=body.model,
        question=question,
        history=history,
        system="\n\n".join(system) or None,
        attachments=tuple(attachments.values()),
        notes=tuple(dict.fromkeys(notes)),
        max_tokens=limit,
        sampling={name: value for name in _SAMPLING if (value := getattr(body, name)) is not None},
        schema=_schema(body.response_format),
        stream=body.stream,
        include_usage=bool(body.stream_options and body.stream_options.include_usage),
    )


def _parsed(data: bytes) -> _Body:
    try:
        given = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise refused(f"The request is not JSON ({error}).", code="invalid_json") from error
    if not isinstance(given, dict):
        raise refused("The request is no JSON object.", code="invalid_json")
    given = {name: value for name, value in given.items() if value is not None and name not in _LABELS}
    for name, (allowed, why) in _REFUSED.items():
        if (value := given.pop(name, allowed)) != allowed or isinstance(value, bool) != isinstance(allowed, bool):
            raise refused(f"{name} is not supported here: {why}.", param=name, code="unsupported_parameter")
    try:
        return _Body.model_validate(given)
    except ValidationError as error:
        raise _invalid(error) from error


def _invalid(error: ValidationError) -> Exception:
    # Of the errors of a union's members, the deepest is about the intended member.
    first = max(error.errors(include_url=False, include_input=False), key=lambda found: len(found["loc"]))
    path: list[str | int] = []
    for before, part in zip((None, *first["loc"]), first["loc"], strict=False):
        # pydantic adds the name of the union member, which is not part of the request.
        if not (isinstance(part, str) and (isinstance(before, int) or part == "str" or part.startswith("list["))):
            path.append(part)
    param = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
    if first["type"] == "extra_forbidden":
        return refused(f"Unrecognized parameter: {param}.", param=param, code="unknown_parameter")
    if first["type"] == "union_tag_invalid":
        context = first.get("ctx", {})
        tag, expected, what = context["tag"], context["expected_tags"], context["discriminator"].strip("'")
        return refused(f"{param}: {what} {tag!r} is not supported here, only {expected}.", param=param)
    return refused(f"{param or 'The request'}: {first['msg']}.", param=param or None)


def _text(content: str | list[Any]) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content if isinstance(part, _Text))


def _files(message: _User, index: int) -> list[tuple[_File, str]]:
    if isinstance(message.content, str):
        return []
    return [
        (part.file, f"messages[{index}].content[{number}].file")
        for number, part in enumerate(message.content)
        if isinstance(part, _FilePart)
    ]


def _attachment(file: _File, param: str, store: FileStore, file_bytes: int) -> Attachment:
    if (file.file_id is None) == (file.file_data is None):
        raise refused("A file is given by file_id or by file_data, and not by both.", param=param)
    if file.file_id is not None:
        stored = store.get(file.file_id)
        return Attachment(filename=stored.filename, sha256=stored.sha256, stored=stored)
    written = file.file_data or ""
    url = _DATA_URL.match(written)
    if written.startswith("data:") and not url:
        raise refused("file_data is no data URL with base64: data:TYPE;base64,….", param=f"{param}.file_data")
    try:
        data = base64.b64decode(written[url.end() if url else 0 :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise refused(
            f"file_data is not base64 ({error}).", param=f"{param}.file_data", code="invalid_base64"
        ) from error
    if len(data) > file_bytes:
        raise refused(f"The file has {len(data):,} bytes, and a file may have {file_bytes:,}.", param=param)
    suffix = (mimetypes.guess_extension(url[1] or "") if url else None) or ""
    if not file.filename and not suffix:
        raise refused("A file in the request needs a filename: its ending says what it is.", param=f"{param}.filename")
    return Attachment(filename=safe_name(file.filename, fallback=f"file{suffix}"), sha256=sha256_of(data), data=data)


def _conversation(turns: list[ChatMessage]) -> tuple[str, tuple[ChatMessage, ...]]:
    """The question, and the conversation before it. A message with only files is not a separate turn if the next one is
    from the user too."""
    spoken = [
        turn
        for turn, after in zip(turns, [*turns[1:], None], strict=True)
        if turn["content"].strip() or turn["role"] != "user" or after is None or after["role"] != "user"
    ]
    if not spoken or spoken[-1]["role"] != "user":
        raise refused("The last message must be the user's question.", param="messages")
    if spoken[0]["role"] != "user":
        raise refused("After the instructions the first message must be the user's.", param="messages")
    if not spoken[-1]["content"].strip():
        raise refused("The last message asks nothing: put a text beside its files.", param="messages")
    return spoken[-1]["content"], tuple(spoken[:-1])


def _schema(wanted: _Format | None) -> dict[str, Any] | None:
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "object"}
    if wanted.json_schema is None:
        raise refused("response_format of type json_schema has no json_schema.", param="response_format")
    schema = wanted.json_schema.schema_
    if outside := _outside(schema):
        # The validator would fetch it, and clients must not choose what this server fetches.
        raise refused(
            f"The schema refers to {outside!r}: only references inside it are followed.", param="response_format"
        )
    return json_schema(schema)


def _outside(schema: Any) -> str | None:
    """A reference that leads out of a schema, if there is one."""
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            for name, inner in value.items():
                if name in ("$ref", "$dynamicRef", "$recursiveRef") and isinstance(inner, str) and inner[:1] != "#":
                    return inner
                waiting.append(inner)
        elif isinstance(value, list):
            waiting += value
    return None
