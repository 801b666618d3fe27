"""What the handlers of elements have in common."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .styles import Declarations
from .tree import Attributes, Event

if TYPE_CHECKING:
    from .convert import Converter

Closer = Callable[[], None]
"""What is done at the end of an element."""

Handler = Callable[["Converter", str, Attributes, Declarations, list[Closer]], None]
"""What is done at the beginning of an element: (page, tag, attributes, style, what to do at its end)."""


def text_of(found: Sequence[Event]) -> str:
    """The text of collected events."""
    return "".join(name for kind, name, _ in found if kind == "text")
