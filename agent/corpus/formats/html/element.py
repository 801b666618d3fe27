"""The interface between the converter and the handlers of elements."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .styles import Declarations
from .tree import Attributes, Event

if TYPE_CHECKING:
    from .convert import Converter

Closer = Callable[[], None]
"""Called at the end of an element."""

Handler = Callable[["Converter", str, Attributes, Declarations, list[Closer]], None]
"""Called at the beginning of an element: (page, tag, attributes, style, the closers of its end)."""


def text_of(found: Sequence[Event]) -> str:
    """The text of collected events."""
    return "".join(name for kind, name, _ in found if kind == "text")
