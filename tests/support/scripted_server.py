"""An OpenAI-compatible server on loopback that answers by script and remembers what it was asked.

    with ScriptedServer() as server:
        server.script(Reply.text("Paris."), Reply.error(429, "slow down"))
        ...  # talk to server.url
        assert server.chats[0].json["messages"][-1]["content"] == "Capital of France?"

Replies are used up in order, one a chat completion; when none is left, `server.default` answers. A reply may also be a
function of the request. `GET /v1/models` lists `server.models`; `POST /tokenize` works when `server.tokenize` is set.
"""

import contextlib
import fcntl
import json
import os
import select
import socket
import socketserver
import ssl
import struct
import sys
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

CUT = object()
"""In `Reply.parts`: close the connection here, in the middle of the response."""


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the client closed the connection before it had the whole reply."""
    sent: int = 0
    """Parts of the reply that were sent."""
    held: threading.Event = field(default_factory=threading.Event)
    """Set when the reply has come to an event, for which it waits."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What is sent. `parts` go out one by one: a dict as a server-sent event, a str as it is, a function is called with
    the request and gives one of these, a number is a pause in seconds, an event is waited for, and `CUT` ends it."""

    parts: Iterable[Any] = ()
    status: int = 200
    content_type: str = "text/event-stream"
    headers: dict[str, str] = field(default_factory=dict)
    before: float | threading.Event = 0.0
    """Seconds until the status line, or what it waits for."""

    @classmethod
    def text(
        cls,
        text: str,
        *,
        reasoning: str = "",
        pieces: int = 3,
        usage: dict[str, Any] | bool | None = True,
        finish_reason: str | None = "stop",
        pause: float = 0.0,
        hold: threading.Event | None = None,
        reasoning_field: str = "reasoning_content",
    ) -> "Reply":
        """An answer in some pieces. `usage`: True for four bytes a token, None for a server that sends none. `hold`:
        waited for after the first piece of the text."""
        events: list[Any] = [chunk({"role": "assistant", "content": ""})]
        for key, whole in ((reasoning_field, reasoning), ("content", text)):
            step = max(1, -(-len(whole) // pieces))
            for i in range(0, len(whole), step):
                events += [pause, chunk({key: whole[i : i + step]})]
                if hold and key == "content" and i == 0:
                    events.append(hold)
        return cls([*events, *_end(finish_reason, usage, len(text) // 4 + 1)])

    @classmethod
    def calls(cls, *calls: tuple[str, Any], text: str = "", usage: dict[str, Any] | bool | None = True) -> "Reply":
        """Tool calls, (name, arguments) each, streamed the way vLLM does: the name, then the arguments in pieces."""
        events: list[Any] = [chunk({"role": "assistant", "content": text or None})]
        for index, (name, arguments) in enumerate(calls):
            call = {"index": index, "id": f"call-{index}", "type": "function"}
            events.append(chunk({"tool_calls": [{**call, "function": {"name": name, "arguments": ""}}]}))
            written = arguments if isinstance(arguments, str) else json.dumps(arguments)
            for i in range(0, len(written), 5):
                piece = {"index": index, "function": {"arguments": written[i : i + 5]}}
                events.append(chunk({"tool_calls": [piece]}))
        return cls([*events, *_end("tool_calls", usage, 8)])

    @classmethod
    def error(cls, status: int, message: str, **fields: Any) -> "Reply":
        """A refusal as OpenAI and vLLM write it."""
        return cls.json({"error": {"message": message, "type": "error", "code": status, **fields}}, status=status)

    @classmethod
    def json(cls, value: Any, *, status: int = 200) -> "Reply":
        return cls([json.dumps(value)], status=status, content_type="application/json")

    @classmethod
    def page(cls, title: str, *, status: int = 200) -> "Reply":
        """A web page, as another service on that port would answer."""
        html = f"<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
        return cls([html], status=status, content_type="text/html")


def chunk(delta: dict[str, Any] | None, *, finish_reason: str | None = None, **fields: Any) -> dict[str, Any]:
    """One event of a streamed chat completion; without choices if `delta` is None."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
    return {**base, "choices": choices, **fields}


def _end(finish_reason: str | None, usage: dict[str, Any] | bool | None, tokens: int) -> list[Any]:
    def counts(request: Request) -> dict[str, Any]:
        read = len(request.body) // 4
        return {"prompt_tokens": read, "completion_tokens": tokens, "total_tokens": read + tokens}

    events: list[Any] = [] if finish_reason is None else [chunk({}, finish_reason=finish_reason)]
    if usage:
        events.append(lambda request: chunk(None, usage=counts(request) if usage is True else usage))
    return [*events, "data: [DONE]\n\n"]


Answer = Reply | Callable[[Request], Reply]


class ScriptedServer:
    """Serves until closed; a context manager. `url` ends in /v1.

    Args:
        unix: the path of a Unix domain socket to listen on, instead of a port.
        tls: a certificate and its key in one PEM file, to speak https.
    """

    def __init__(self, *, unix: str | None = None, tls: str | None = None):
        self.requests: list[Request] = []
        self.default: Answer = Reply.text("The scripted answer.")
        self.models: list[dict[str, Any]] = [{"id": "scripted", "object": "model"}]
        self.tokenize: Callable[[dict[str, Any]], Reply] | None = None
        self._script: deque[Answer] = deque()
        handler = type("Handler", (_Handler,), {"scripted": self})
        if unix:
            self._server: socketserver.BaseServer = _UnixServer(unix, handler)
            self.url = f"unix:{unix}"
        else:
            tcp = _TCPServer(("127.0.0.1", 0), handler)
            if tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(tls)
                tcp.socket = context.wrap_socket(tcp.socket, server_side=True)
            self._server = tcp
            self.url = f"http{'s' if tls else ''}://127.0.0.1:{tcp.server_address[1]}/v1"
        self._unix = unix
        self._kept = socket.socket()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def script(self, *replies: Answer) -> None:
        """Answer the next chat completions so, in this order."""
        self._script.extend(replies)

    def forget(self) -> None:
        """What was scripted and has not been asked for."""
        self._script.clear()

    @property
    def chats(self) -> list[Request]:
        """The chat completions that were asked for, without the requests for models and tokens."""
        return [request for request in self.requests if request.path == "/v1/chat/completions"]

    def reply_to(self, request: Request) -> Reply:
        if request.path == "/v1/models":
            return Reply.json({"object": "list", "data": self.models})
        if request.path == "/tokenize" and self.tokenize:
            return self.tokenize(request.json)
        if request.path != "/v1/chat/completions":
            return Reply.json({"detail": "Not Found"}, status=404)
        reply = self._script.popleft() if self._script else self.default
        return reply(request) if callable(reply) else reply

    def vanish(self) -> None:
        """From now on connections are refused. The port stays this server's: nobody else can take it meanwhile."""
        self._kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._kept.bind(self._server.server_address)
        self._end()

    def close(self) -> None:
        self._end()
        self._kept.close()
        if self._unix:
            os.unlink(self._unix)

    def _end(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pause(self, until: float | threading.Event, connection: socket.socket) -> bool:
        """Wait so many seconds, or for an event, but not for a client that has gone. Whether it is still there."""
        event = until if isinstance(until, threading.Event) else None
        deadline = 0.0 if isinstance(until, threading.Event) else time.monotonic() + until
        while not self._closing.is_set():
            over = event.is_set() if event else time.monotonic() >= deadline
            left = 0.0 if over else 0.02 if event else max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([connection], [], [], min(0.02, left))
            if readable:
                with contextlib.suppress(OSError):
                    if connection.recv(1, socket.MSG_PEEK):
                        return True
                return False
            if over:
                return True
        return False

    def __enter__(self) -> "ScriptedServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _TCPServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_port = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that goes away, or does not trust the certificate, is part of the script."""


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scripted: ScriptedServer

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("content-length", 0))))

    def _answer(self, body: bytes) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, body)
        self.scripted.requests.append(request)
        reply = self.scripted.reply_to(request)
        self.close_connection = True  # one request a connection: its end is then the client's doing, or the script's
        try:
            if not self._send(request, reply):
                request.gone.set()
        except OSError:
            request.gone.set()

    def _send(self, request: Request, reply: Reply) -> bool:
        if not self._wait(reply.before, request):
            return False
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        for part in reply.parts:
            if callable(part):
                part = part(request)
            if part is CUT:
                self._reset()
                return True
            if not self._wait(part if isinstance(part, int | float | threading.Event) else 0.0, request):
                return False
            if isinstance(part, dict):
                self._chunk(f"data: {json.dumps(part)}\n\n")
            elif isinstance(part, str):
                self._chunk(part)
            request.sent += 1
        self.wfile.write(b"0\r\n\r\n")
        return True

    def _wait(self, until: float | threading.Event, request: Request) -> bool:
        if isinstance(until, threading.Event):
            request.held.set()
        return self.scripted.pause(until, self.connection)

    def _reset(self) -> None:
        """Not an orderly end: what a crashed server looks like, when the client has got what was sent before."""
        if sys.platform == "linux":
            while any(fcntl.ioctl(self.connection, termios.TIOCOUTQ, bytes(4))):
                time.sleep(0.001)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def _chunk(self, text: str) -> None:
        data = text.encode()
        if data:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""
