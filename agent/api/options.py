"""The options of the API."""

from pydantic import BaseModel, ConfigDict, Field

from ..corpus.options import LoadOptions
from ..corpus.picture_selection import Vision
from ..overflow import Overflow
from ..tool_selection import ToolChoice

_MIB, _GIB = 1 << 20, 1 << 30


class ApiLimits(BaseModel):
    """The limits of a server. A request beyond one of them gets an error with the number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: int = Field(default=8, ge=1)
    """Maximum number of chat completions at a time; another one is rejected (429)."""
    requests: int = Field(default=64, ge=1)
    """Maximum number of requests of any kind at a time, including running uploads; another one is rejected (429)."""
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Tokens of a prompt, including documents. None: the model's window."""
    file_bytes: int = Field(default=128 * _MIB, ge=1)
    """Bytes of a file."""
    body_bytes: int = Field(default=64 * _MIB, ge=1024)
    """Bytes of the request of a chat completion, including its files."""
    files: int = Field(default=1000, ge=0)
    storage_bytes: int = Field(default=10 * _GIB, ge=0)
    """Bytes of all files together."""
    parsing: int = Field(default=2, ge=1)
    """Number of files that are parsed at a time; others wait. Each needs its own processes."""
    kept_tokens: int = Field(default=4_000_000, ge=0)
    """Tokens of the corpora that are cached in memory between requests; the most recent one always is."""


class ApiOptions(BaseModel):
    """Options of `create_app`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str | None = None
    """The name of the model for clients; None: its own name."""
    key: str | None = Field(default=None, min_length=1, repr=False)
    """The bearer token of clients. None: no token; then web pages cannot send requests, and the server must be
    addressed by a name of this machine."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may use the API from a browser."""
    window: int | None = None
    """See `LongReader`."""
    max_tokens: int = 512
    """Maximum length of an answer, if the request has none."""
    tools: ToolChoice = ToolChoice()
    """The document tools that the model may call."""
    overflow: Overflow = "error"
    """What to do if the documents of a request exceed the window. `notes` in the response say what was done."""
    vision: Vision = "auto"
    """Which pages of the server's own documents are sent as pictures, too: see `LongReader`. Pages of uploaded files
    never are."""
    load: LoadOptions = LoadOptions(cache=False)
    """How files are parsed. A cache would keep the text of files that clients have deleted."""
    limits: ApiLimits = ApiLimits()
    tick: float = Field(default=10.0, gt=0)
    """Seconds without an event after which a stream sends a comment, so that no proxy closes the connection."""
