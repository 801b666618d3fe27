"""Events that a model or a server reports. A model in this process and one behind a server report the same ones."""

from pydantic import BaseModel, ConfigDict, Field


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class Usage(_Event):
    """The cost of one answer. Token counts are those of the model; times are measured here, in seconds."""

    prompt_tokens: int
    """Tokens of the whole prompt, including cached ones."""
    cached_tokens: int | None
    """Prompt tokens that were in the prefix cache. None: the server does not report it."""
    output_tokens: int
    ttft: float
    """Time from sending the request to the first token."""
    seconds: float
    """Time from sending the request to the last token."""
    estimated: bool = False
    """True: the server reported no counts. These are counted with Qwen's vocabulary, without the tokens of the chat
    template."""

    @property
    def tokens_per_second(self) -> float:
        """Decoding speed: output tokens after the first, per second."""
        decoding = self.seconds - self.ttft
        return (self.output_tokens - 1) / decoding if self.output_tokens > 1 and decoding > 0 else 0.0


class Prefill(_Event):
    """A chunk of the prompt has been processed."""

    done: int
    """Prompt tokens in the K/V cache, including `cached`."""
    total: int
    cached: int
    """Prompt tokens that were in the prefix cache."""
    seconds_left: float | None = None
    """An estimate; None at the start."""


class Waiting(_Event):
    """A server is processing the prompt, and does not report its progress."""

    seconds: float


class Delta(_Event):
    """Text of the answer, or of the reasoning before it."""

    text: str
    reasoning: bool = False


class Finish(_Event):
    """The end of the answer. Always the last event of a stream that was not cancelled."""

    usage: Usage
    reason: str = Field(description="'stop', 'length' or 'tool_calls'")


ModelEvent = Prefill | Waiting | Delta | Finish


class Download(_Event):
    """Download progress of a model, in bytes."""

    name: str
    done: int
    total: int | None
    """None: the size is unknown."""


class Convert(_Event):
    """A downloaded model is being converted to the format of the engine. Happens once per machine."""

    name: str


class Starting(_Event):
    """A server is starting."""

    name: str
    what: str
    """What it is doing: a line of its log, or a description."""
    seconds: float


ObtainEvent = Download | Convert
"""The events of `longread.serving.models.catalog.obtain`."""
ServeEvent = ObtainEvent | Starting
"""The events of `longread.serving.vllm_server.launch.launch`."""
