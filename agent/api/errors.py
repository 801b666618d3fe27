"""Errors in the form of OpenAI's API: `{"error": {"message", "type", "param", "code"}}`."""

import logging
import traceback
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from longread.control_tokens import encodable
from longread.errors import (
    ConfigError,
    DocumentError,
    LongreadError,
    NothingMatches,
    PromptTooLong,
    ServerError,
    WindowFailed,
)

from ..structured_output import InvalidAnswer

log = logging.getLogger("longread.api")

GONE = 499
"""The status in the log of a request whose client has disconnected, as in nginx."""

TOO_MANY = "too_many_requests"

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(HTTPException):
    """The error that a client gets. An HTTPException, because FastAPI passes those on wherever they are raised."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None):
        headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}, 503: {"Retry-After": "5"}}
        super().__init__(status, message, headers.get(status))
        self.code = code
        self.param = param

    @property
    def body(self) -> dict[str, Any]:
        kind = _TYPES.get(self.status_code, "server_error" if self.status_code >= 500 else "invalid_request_error")
        param = None if self.param is None else encodable(self.param)
        return {"error": {"message": encodable(self.detail), "type": kind, "param": param, "code": self.code}}

    @property
    def response(self) -> Response:
        return JSONResponse(self.body, self.status_code, self.headers)


def refused(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """An invalid request."""
    return ApiError(400, message, param=param, code=code)


def as_api_error(error: Exception, *, server: str | None = None) -> ApiError:
    """Convert any exception raised during a request.

    Args:
        server: the address of the model's server, which is hidden from the client.
    """
    match error:
        case ApiError():
            return error
        case HTTPException():
            return ApiError(error.status_code, str(error.detail))
        case PromptTooLong():
            return refused(_too_long(error), param="messages", code="context_length_exceeded")
        case InvalidAnswer():
            return ApiError(422, str(error), code="invalid_answer", param="response_format")
        case DocumentError():
            return refused(str(error), code="invalid_file", param="file")
        case NothingMatches():
            return refused(str(error), param="messages", code="nothing_matches")
        case WindowFailed(__cause__=ServerError() as cause):
            return as_api_error(cause, server=server)
        case ConfigError():
            return refused(str(error).replace("--max-tokens", "max_completion_tokens"))
        case ServerError():
            message = str(error).replace(server, "the model's server") if server else str(error)
            return _of_server(error, message[:1].upper() + message[1:])
        case LongreadError():
            return ApiError(500, str(error), code="model_error")
    # The message of the exception may contain text of a document: the log only gets its class, and where it was raised.
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("%s, raised in\n%s", type(error).__qualname__, where.rstrip())
    return ApiError(500, f"Internal error ({type(error).__name__}). The server's log says where.", code="internal")


def _of_server(error: ServerError, message: str) -> ApiError:
    """The error for a response of the model's server: what it says about the request is for the client."""
    status = getattr(error.__cause__, "status_code", None)
    if status in (400, 422):
        return refused(message)
    unavailable = status in (429, 503) or type(error.__cause__).__name__.startswith("APIConnection")
    return ApiError(503 if unavailable else 502, message, code="model_server_error")


def _too_long(error: PromptTooLong) -> str:
    room = f"the model has room for {error.budget:,}" if error.budget else "that is more than the model has room for"
    return (
        f"The prompt has {error.tokens:,} tokens, documents and conversation together, and {room}, the answer aside. "
        "Nothing was cut. Name fewer or shorter files, or ask for a shorter answer (max_completion_tokens)."
    )
