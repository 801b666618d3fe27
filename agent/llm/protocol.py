"""The contract of a chat model: what longread expects of a model beside Qwen-Agent's own interface.

A chat model is a `qwen_agent.llm.base.BaseChatModel`. longread calls `chat(messages, functions=…,
extra_generate_cfg=…)`, which yields cumulative lists of messages, and closes the iterator to stop the model. Everything
else is optional. A model reports progress and cost in `extra` of the messages it yields:

| Key | Value | When |
|---|---|---|
| `prefill` | The fields of `longread.events.Prefill` | Before the first token |
| `waiting` | Seconds since the request was sent | Before the first token, if prefill progress is unknown |
| `read` | Prompt tokens that the server has processed, or None | Beside `waiting` |
| `usage` | The fields of `longread.events.Usage` | In the last list |
| `finish_reason` | "stop", "length" or "tool_calls" | In the last list |

What a model can do, it says in attributes. `capabilities` reads them, and has the one default for each model that does
not have the attribute, such as those of Qwen-Agent.

`DEFAULT_RETRIES` and `DEFAULT_TIMEOUT` are the retry policy of models behind a server.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qwen_agent.llm.base import BaseChatModel

    from ..prompt.tokenizer import Tokenizer

    class ChatModel(BaseChatModel):
        """A chat model that has every capability as an attribute: what `chat_model` makes of a configuration."""

        window: int | None
        tokenizer: Tokenizer | None
        calls_tools: bool
        native_tools: bool
        concurrent: bool
        structured_output: bool
        vision: bool


DEFAULT_RETRIES = 2
"""Number of times that a request is repeated if it failed before the server began to answer: on connection errors and
on the statuses 408, 409, 429 and 5xx, after 0.5 to 8 seconds, or after the server's `Retry-After`. Once an answer has
begun, its request is never repeated. `generate_cfg["max_retries"]` overrides it."""

DEFAULT_TIMEOUT = 1800.0
"""Seconds without a token, the first one included, after which a server counts as dead. A prefill of a million tokens
takes many minutes, and most servers send nothing meanwhile."""


@dataclass(frozen=True)
class Capabilities:
    """What a chat model can do. Each is read from the model when it is used: reading some of them queries a server."""

    llm: Any

    @property
    def window(self) -> int | None:
        """Tokens of prompt and answer together. Default: None, not known, so that nothing is checked before sending."""
        return getattr(self.llm, "window", None)

    @property
    def tokenizer(self) -> "Tokenizer | None":
        """Counts tokens as the model does. Default: None; Qwen's vocabulary is used."""
        return getattr(self.llm, "tokenizer", None)

    @property
    def calls_tools(self) -> bool:
        """Whether the model was trained to call tools. Default: True.

        A model that calls tools gets the long instructions and is offered the document tools; any other gets the brief
        instructions and only the tools that the user names. Most models that are served today are trained for it, and
        those of Qwen-Agent describe the tools in the prompt where the API has none.
        """
        return getattr(self.llm, "calls_tools", True)

    @property
    def native_tools(self) -> bool:
        """Whether tools are part of the request, and not of the prompt. Default: False, as in Qwen-Agent.

        A model where it is True has a method `write_tools_into_prompt()`, which makes it False: it is called when
        `chat` raises `longread.agent.llm.server_errors.ToolsRefused`.
        """
        return getattr(self.llm, "native_tools", False)

    @property
    def concurrent(self) -> bool:
        """Whether requests from several threads run at the same time. Default: False."""
        return getattr(self.llm, "concurrent", False)

    @property
    def structured_output(self) -> bool:
        """Whether `response_format` in `extra_generate_cfg` constrains the output. Default: False."""
        return getattr(self.llm, "structured_output", False)

    @property
    def vision(self) -> bool:
        """Whether messages may contain images. Default: Qwen-Agent's `support_multimodal_input`."""
        return getattr(self.llm, "vision", getattr(self.llm, "support_multimodal_input", False))


NAMES = tuple(name for name, value in vars(Capabilities).items() if isinstance(value, property))
"""The names of the capabilities."""


def capabilities(llm: "BaseChatModel") -> Capabilities:
    """What `llm` can do, with the defaults for what it does not say."""
    return Capabilities(llm)
