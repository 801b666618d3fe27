"""How the API is run: what it serves, who may ask, and how much of it."""

from pydantic import BaseModel, ConfigDict, Field

from ..corpus.options import LoadOptions
from ..overflow import Overflow
from ..tool_choice import ToolChoice

_MIB, _GIB = 1 << 20, 1 << 30


class Limits(BaseModel):
    """What one server takes. Over each of them a client is told so, with the number."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers: int = Field(default=8, ge=1)
    """Chat completions at once; one more is refused (429)."""
    requests: int = Field(default=64, ge=1)
    """Requests of any kind at once, uploads under way included; one more is refused (429)."""
    prompt_tokens: int | None = Field(default=None, ge=1)
    """Of one prompt, documents included; None leaves it to the model's window."""
    file_bytes: int = Field(default=128 * _MIB, ge=1)
    """Of one file."""
    body_bytes: int = Field(default=64 * _MIB, ge=1024)
    """Of one chat completion's request, files inside it included."""
    files: int = Field(default=1000, ge=0)
    storage_bytes: int = Field(default=10 * _GIB, ge=0)
    """Of all files together."""
    parsing: int = Field(default=2, ge=1)
    """Files that are parsed at once; others wait. Each takes processes of its own."""
    kept_tokens: int = Field(default=4_000_000, ge=0)
    """Of the corpora that are kept in memory between requests; the one used last always is."""


class Options(BaseModel):
    """Settings of `create_app`."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)

    name: str | None = None
    """What clients call the model; None: as its own server does."""
    key: str | None = Field(default=None, min_length=1, repr=False)
    """What clients must send as a bearer token. None: nothing; then no web page may send requests, and the server must
    be asked under a name of this machine."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may use the API from a browser."""
    window: int | None = None
    """See `LongReader`."""
    max_tokens: int = 512
    """The longest answer, for requests that do not say."""
    tools: ToolChoice = ToolChoice()
    """What the model may call on the documents of a request."""
    overflow: Overflow = "error"
    """What to do when the documents of a request are larger than the window. `notes` in the response say what was."""
    load: LoadOptions = LoadOptions(cache=False)
    """How files are read. A cache would keep the text of files that clients have deleted."""
    limits: Limits = Limits()
    tick: float = Field(default=10.0, gt=0)
    """Seconds after which a stream without news sends a comment, so that nothing on the way takes it for dead."""
