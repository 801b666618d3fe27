"""Which tools a model may call, as the command line says it; and what the user is asked before a call."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..tools import NAMES, document_tools
from .control import neutralise
from .errors import ConfigError

if TYPE_CHECKING:
    from qwen_agent.tools import BaseTool

    from .corpus import Corpus
    from .events import ToolStart


@dataclass(frozen=True)
class ToolChoice:
    """What the command line says of tools."""

    names: tuple[str, ...] = ()
    none: bool = False
    approve: bool = False
    """Ask before each call, and not only before one with effects."""

    def check(self) -> None:
        """Find what is wrong at a glance.

        Raises:
            ConfigError: a tool that there is not, or one asked for together with none.
        """
        for name in self.names:
            if name not in NAMES:
                raise ConfigError(f"--tool {name}: there is no such tool. There are {', '.join(NAMES)}.")
        if self.none and self.names:
            raise ConfigError(f"--no-tools and --tool {self.names[0]} exclude each other.")


def chosen(choice: ToolChoice, corpus: "Corpus", *, calls_tools: bool) -> "list[BaseTool]":
    """The tools for this corpus.

    Those on documents that are named, or all of them.

    Args:
        calls_tools: whether the model was trained to call any; one that was not gets those that are named.
    """
    if choice.none or not (choice.names or calls_tools):
        return []
    return list(document_tools(corpus, clean=clean, names=choice.names or None))


def clean(text: str) -> str:
    """Text of a document on its way to a model."""
    return neutralise(text)[0]


def approval(
    tools: "Sequence[BaseTool]", *, always: bool, ask: "Callable[[ToolStart], bool]"
) -> "Callable[[ToolStart], bool]":
    """What decides over a call: `ask`, for tools with effects or, `always`, for all."""
    harmless = set() if always else {tool.name for tool in tools if not getattr(tool, "effects", True)}
    return lambda call: call.name in harmless or ask(call)
