"""From a configuration to a chat model: ours, or any that Qwen-Agent knows."""

from typing import Any

from qwen_agent.llm import get_chat_model
from qwen_agent.llm.base import BaseChatModel

EMBEDDED = "longread-embedded"


def chat_model(llm: dict[str, Any] | BaseChatModel | None) -> BaseChatModel:
    """A Qwen-Agent chat model.

    Args:
        llm: a model, which is returned as it is; a Qwen-Agent configuration, whose `model_type` may be one of ours; or
            None, for the embedded engine with its default model.
    """
    if isinstance(llm, BaseChatModel):
        return llm
    from . import embedded, endpoint  # noqa: F401  registers both with Qwen-Agent

    return get_chat_model(llm or {"model_type": EMBEDDED})
