"""An OpenAI-compatible server: its address, its HTTP clients, and its models."""

import json
import re
import socket
import sys
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel, ConfigDict

from longread.errors import ConfigError, ServerError

from .server_errors import NO_KEY, one_line, translate

if TYPE_CHECKING:
    import openai


_LOGIN = re.compile(r"//[^/@\s]*@")


def redact_url(url: str) -> str:
    """A URL without user name and password, for showing it."""
    return _LOGIN.sub("//", url)


_CONNECT_SECONDS = 10.0
_CALL_SECONDS = 60.0  # for short calls: a list of models, the tokens of a page
_KEY = re.compile(r"[!-~]+")
_PASTED = re.compile(r"/(?:chat/completions|completions|models)$")
# Names of a model's window in /v1/models: of vLLM and SGLang; of OpenRouter and Together; of Groq.
_WINDOW_KEYS = ("max_model_len", "context_length", "context_window")
_Client = TypeVar("_Client", bound="openai.OpenAI | openai.AsyncOpenAI")


class Server:
    """The address and API key of a server.

    `url` may be given with or without `/v1`, with trailing slashes, or as the address of chat completions: a bare host
    gets `/v1`, any other path is used as it is. `unix:/run/vllm.sock` is a Unix domain socket.

    Raises:
        ConfigError: `url` is not the address of a server.
    """

    def __init__(self, url: str, api_key: str | None = None):
        self.api_key = (api_key or "").strip() or NO_KEY
        if not _KEY.fullmatch(self.api_key):
            raise ConfigError(
                "The API key has characters that are not allowed in HTTP headers: use only ASCII, without spaces."
            )
        self.socket: str | None = None
        text = url.strip()
        if text.startswith("unix:/") and text.removeprefix("unix:").strip("/"):
            self.socket = "/" + text.removeprefix("unix:").lstrip("/")
            self.root, self.shown = "http://localhost", f"unix:{self.socket}"
            self.api = f"{self.root}/v1"
            return
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            parts, port = None, None
        if parts is None or parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise ConfigError(
                f"The server {redact_url(url)!r} is not an address that can be used: write http://HOST:PORT/v1, "
                "https:// where it is encrypted, or unix:/PATH for a Unix domain socket."
            )
        path = _PASTED.sub("", parts.path.rstrip("/")) or "/v1"
        self.api = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
        self.root = self.api.removesuffix("/v1")
        # A user name and password in the URL are sent, but never shown.
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        self.shown = f"{parts.scheme}://{host}{f':{port}' if port else ''}{path}"

    # Neither client follows redirects: they would send the documents to a server that nobody named.

    def client(self) -> "openai.OpenAI":
        """A client for short calls."""
        import openai

        _restore_ipv6()
        return _private(
            self,
            openai.OpenAI(
                base_url=self.api,
                api_key=self.api_key,
                max_retries=0,
                timeout=openai.Timeout(_CALL_SECONDS, connect=_CONNECT_SECONDS),
                http_client=_over_socket("Client", "HTTPTransport", self.socket)
                or openai.DefaultHttpxClient(follow_redirects=False),
            ),
        )

    def async_client(self, *, retries: int) -> "openai.AsyncOpenAI":
        """A client for chat completions. It never times out once connected: only the caller can tell a long prefill
        from a dead server."""
        import openai

        _restore_ipv6()
        return _private(
            self,
            openai.AsyncOpenAI(
                base_url=self.api,
                api_key=self.api_key,
                max_retries=retries,
                timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),
                http_client=_over_socket("AsyncClient", "AsyncHTTPTransport", self.socket)
                or openai.DefaultAsyncHttpxClient(follow_redirects=False),
            ),
        )

    def call(self, client: "openai.OpenAI", method: str, url: str, body: object = None) -> Any:
        """Send a request; returns the JSON of the response.

        Raises:
            LongreadError: the server cannot be reached, refused the request, or sent something else.
        """
        import openai

        try:
            text = client.get(url, cast_to=str) if method == "GET" else client.post(url, cast_to=str, body=body)
        except openai.OpenAIError as error:
            raise translate(error, self) from error
        try:
            return json.loads(text)
        except ValueError:
            raise ServerError(
                f"{self.shown} did not answer with JSON but with {one_line(text)!r}. "
                "Is this the right port and path? Usually the address ends in /v1."
            ) from None


class ServedModel(BaseModel):
    """A model of a server."""

    model_config = ConfigDict(frozen=True)

    id: str
    window: int | None
    """Tokens of prompt and answer together. None: the server does not report it."""


def list_models(server: str, api_key: str | None = None) -> list[ServedModel]:
    """List the models of a server.

    Raises:
        ServerError: it cannot be reached, or refused the request.
        ConfigError: `server` is not an address.
    """
    there = Server(server, api_key)
    with there.client() as client:
        reply = there.call(client, "GET", "/models")
    entries = reply.get("data") if isinstance(reply, dict) else None
    if not isinstance(entries, list) or not all(isinstance(e, dict) and isinstance(e.get("id"), str) for e in entries):
        raise ServerError(f"{there.shown}/models did not answer with a list of models but with {one_line(reply)!r}.")
    return [ServedModel(id=entry["id"], window=_window(entry)) for entry in entries]


def only_model(server: str, api_key: str | None = None) -> str:
    """The name of the only model of a server.

    Raises:
        ConfigError: it serves none, or several, which the message names.
    """
    served = [model.id for model in list_models(server, api_key)]
    if len(served) == 1:
        return served[0]
    if not served:
        raise ConfigError(f"{Server(server).shown} lists no models: say which one to ask for.")
    raise ConfigError(f"{Server(server).shown} serves {len(served)} models: choose one of {', '.join(served)}.")


def _window(entry: dict[str, Any]) -> int | None:
    meta = entry.get("meta")  # llama.cpp
    values = [entry.get(key) for key in _WINDOW_KEYS] + [meta.get("n_ctx") if isinstance(meta, dict) else None]
    return next((value for value in values if isinstance(value, int) and value > 0), None)


def _restore_ipv6() -> None:
    """Undo a side effect of importing Qwen-Agent's tools: host names are resolved without IPv6 from then on."""
    theirs = sys.modules.get("qwen_agent.tools.image_search")
    if theirs is not None and socket.getaddrinfo is getattr(theirs, "_new_getaddrinfo", None):
        socket.getaddrinfo = theirs._orig_getaddrinfo


def _over_socket(client: str, transport: str, socket: str | None) -> Any:
    if socket is None:
        return None
    import httpx

    return getattr(httpx, client)(transport=getattr(httpx, transport)(uds=socket))


def is_openai(url: str) -> bool:
    """Whether a server is that of OpenAI. Only then may the environment name an account."""
    host = urlsplit(url).hostname or ""
    return host == "openai.com" or host.endswith(".openai.com")


def _private(server: Server, client: _Client) -> _Client:
    """Do not send the OpenAI account that is set in the environment to any other server."""
    if not is_openai(server.api):
        client.organization = client.project = None
    return client
