"""Checks before the body of a request is read: authentication, origin and size; and one log line per request."""

import asyncio
import contextlib
import hashlib
import secrets
import time
from dataclasses import dataclass
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .errors import GONE, TOO_MANY, ApiError, as_api_error, log
from .options import ApiLimits

_OPEN = "/health"
_FILES = "/v1/files"
_FORM = 64 << 10
"""Bytes of an upload in addition to the file."""
_DRAIN = 10.0
"""Seconds for which the rest of a request that is too large is received, so that its sender can read the response."""
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


@dataclass(frozen=True)
class Rules:
    """The requests that are allowed."""

    key: str | None
    origins: frozenset[str]
    limits: ApiLimits

    def check(self, path: str, headers: Headers) -> None:
        """Check a request.

        Raises:
            ApiError: it is not allowed.
        """
        if self.key is None:
            self._check_browser(headers)
        elif path != _OPEN:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not given.strip():
                raise ApiError(401, "No API key: send it as 'Authorization: Bearer KEY'.", code="missing_api_key")
            if not secrets.compare_digest(_digest(given.strip()), _digest(self.key)):
                raise ApiError(401, "The API key is not the one that this server expects.", code="invalid_api_key")

    def _check_browser(self, headers: Headers) -> None:
        """Without a key, any web page that a user of this machine opens could send requests, or read responses by
        resolving its own name to this machine."""
        host = headers.get("host", "")
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        if name.strip("[]").lower() not in LOOPBACK:
            raise ApiError(403, f"This server has no key, and is to be asked as localhost, not as {host!r}.")
        origin = headers.get("origin")
        if origin is not None and origin not in self.origins:
            raise ApiError(
                403, f"Pages from {origin!r} may not use this server: it was not started with --cors for it."
            )

    def most(self, path: str) -> int:
        """Maximum number of bytes of the body of a request."""
        return self.limits.file_bytes + _FORM if path.rstrip("/") == _FILES else self.limits.body_bytes


class Guard:
    """ASGI middleware. Adds the dict `scope["longread.log"]`, whose entries become part of the log line."""

    def __init__(self, app: ASGIApp, rules: Rules):
        self._app = app
        self._rules = rules
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        status = GONE
        facts: dict[str, object] = {}
        scope["longread.log"] = facts

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._under_way += 1
        try:
            body = _Body(scope, receive, self._rules.most(scope["path"]))
            self._rules.check(scope["path"], body.headers)
            if self._under_way > self._rules.limits.requests:
                raise ApiError(429, f"{self._rules.limits.requests} requests are under way: try again.", code=TOO_MANY)
            await body.check()
            await self._app(scope, body.receive, sending)
        except Exception as error:
            answer = as_api_error(error)
            if status == GONE:
                await answer.response(scope, receive, sending)
            facts["error"] = answer.code or answer.status_code
        finally:
            self._under_way -= 1
            status = facts.pop("status", status)
            told = "".join(f" {name}={value}" for name, value in facts.items())
            host = (scope.get("client") or ("-",))[0]
            path = quote(scope["path"])
            log.info("%s %s %s %s %.2fs%s", host, scope["method"], path, status, time.monotonic() - started, told)


class _Body:
    """The body of a request, up to a number of bytes."""

    def __init__(self, scope: Scope, receive: Receive, most: int):
        self.headers = Headers(scope=scope)
        self._receive = receive
        self._most = most
        self._got = 0

    async def check(self) -> None:
        length = self.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most:
            if "expect" not in self.headers:  # otherwise the sender waits for permission to continue
                await self._drain()
            raise self._too_large()

    async def receive(self) -> Message:
        message = await self._receive()
        self._got += len(message.get("body", b""))
        if self._got > self._most:
            if message.get("more_body"):
                await self._drain()
            raise self._too_large()
        return message

    def _too_large(self) -> ApiError:
        return ApiError(413, f"The request is larger than the {self._most:,} bytes that it may have.", code="too_large")

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN):
                while (await self._receive()).get("more_body"):
                    pass


def _digest(key: str) -> bytes:
    """A digest of fixed length: a comparison in constant time reveals the length of its arguments."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
