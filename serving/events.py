"""What a model reports while it works. The same three events whether it runs in this process or behind an endpoint."""

from pydantic import BaseModel, ConfigDict, Field


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True)


class Usage(_Event):
    """The cost of one answer. Token counts are the model's own; times are seconds on this side of the wire."""

    prompt_tokens: int
    """Tokens of the whole prompt, cached ones included."""
    cached_tokens: int | None
    """How many of them were not prefilled again. None: the server does not say."""
    output_tokens: int
    ttft: float
    """Seconds from sending the request to the first token of the answer."""
    seconds: float
    """Seconds from sending the request to the last token of the answer."""
    estimated: bool = False
    """True: the server sent no counts; these are by Qwen's vocabulary, without the chat template's own tokens."""

    @property
    def tokens_per_second(self) -> float:
        """Decode speed: output tokens after the first, over the time they took."""
        decoding = self.seconds - self.ttft
        return (self.output_tokens - 1) / decoding if self.output_tokens > 1 and decoding > 0 else 0.0


class Prefill(_Event):
    """A chunk of the prompt has been read."""

    done: int
    """Prompt tokens in the K/V cache, `cached` included."""
    total: int
    cached: int
    """Prompt tokens that were in the K/V cache from the start."""
    seconds_left: float | None = None
    """An estimate, None before there is anything to base it on."""


class Waiting(_Event):
    """A server has the prompt and has not answered yet: it does not say how much of it is read."""

    seconds: float


class Delta(_Event):
    """A piece of the answer, or of the reasoning before it."""

    text: str
    reasoning: bool = False


class Finish(_Event):
    """The answer has ended. Always the last event of a stream that was not cancelled."""

    usage: Usage
    reason: str = Field(description="'stop', 'length' or 'tool_calls'")


ModelEvent = Prefill | Waiting | Delta | Finish


class Download(_Event):
    """Bytes of a model have arrived."""

    name: str
    done: int
    total: int | None
    """None: the source does not say."""


class Convert(_Event):
    """A downloaded model is being brought into the layout that the engine loads. Once a machine."""

    name: str


class Starting(_Event):
    """A server is on its way up."""

    name: str
    what: str
    """What it is doing, in its own log's words or ours."""
    seconds: float


ObtainEvent = Download | Convert
"""What `longread.serving.models.obtain` reports."""
ServeEvent = ObtainEvent | Starting
"""What `longread.serving.launch.launch` reports."""
