"""Make a chat model from a configuration: one of longread's, or any that Qwen-Agent has."""

from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from longread.errors import ConfigError

from .protocol import NAMES, capabilities

if TYPE_CHECKING:
    from qwen_agent.llm.base import BaseChatModel

    from .protocol import ChatModel

    Model = TypeVar("Model", bound=BaseChatModel)

EMBEDDED = "longread-embedded"
ENDPOINT = "longread-endpoint"


@overload
def chat_model(llm: "Model") -> "Model": ...


@overload
def chat_model(llm: dict[str, Any] | None = None) -> "ChatModel": ...


@overload
def chat_model(llm: "dict[str, Any] | BaseChatModel | None") -> "BaseChatModel": ...


def chat_model(llm: "dict[str, Any] | BaseChatModel | None" = None) -> "BaseChatModel":
    """Make a Qwen-Agent chat model. Its attributes say what it can do: see `longread.agent.llm.protocol`.

    Args:
        llm: a configuration, whose `model_type` is "longread-endpoint", "longread-embedded" or one of Qwen-Agent's;
            None for the embedded engine with its default model; or a model, which is returned as it is.

    Raises:
        ConfigError: a setting that the model does not have.
        LongreadError: the model cannot be found or used.
    """
    from qwen_agent.llm import get_chat_model
    from qwen_agent.llm.base import BaseChatModel

    if isinstance(llm, BaseChatModel):
        return llm
    model = get_chat_model(llm or {"model_type": EMBEDDED})
    for name in NAMES:
        if not hasattr(type(model), name) and name not in vars(model):
            setattr(model, name, getattr(capabilities(model), name))
    return cast("ChatModel", model)


def model_config(
    llm: "dict[str, Any] | BaseChatModel | None", *, server: str | None, model: str | None, api_key: str | None
) -> "dict[str, Any] | BaseChatModel | None":
    """The configuration for the arguments of `LongReader`.

    Raises:
        ConfigError: they contradict each other.
    """
    given = {"server": server, "model": model, "api_key": api_key}
    names = [name for name, value in given.items() if value is not None]
    if not names:
        return llm
    if llm is not None:
        raise ConfigError(
            f"`llm` and `{names[0]}` exclude each other: put `{names[0]}` into the configuration of `llm`."
        )
    if server is not None:
        return {"model_type": ENDPOINT, "server": server, "model": model or "", "api_key": api_key}
    if api_key is not None:
        raise ConfigError("`api_key` is for a server, and there is no `server`.")
    return {"model_type": EMBEDDED, "model": model}
