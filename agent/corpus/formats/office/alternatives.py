"""Markup compatibility (ECMA-376 part 3): content in a new form, with another form for programs that do not know it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .package import local

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_UNKNOWN = ("psez", "pslz", "psuz", "am3d", "iact")
"""Prefixes of forms that have no text: zooms of slides and models, whose other form is a picture."""


def shown_children(element: "_Element") -> "Iterator[_Element]":
    """The children of an element, with one form of those that have several."""
    # A stack, because alternatives may be nested, and by a stranger deeper than Python's stack allows.
    stack = [iter(element)]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
        elif local(child) == "AlternateContent":
            if (form := _form(child)) is not None:
                stack.append(iter(form))
        else:
            yield child


def _form(alternatives: "_Element") -> "_Element | None":
    """The first choice that can be read and is not empty, else the fallback, else any."""
    choices = [child for child in alternatives if local(child) == "Choice" and len(child)]
    known = [choice for choice in choices if not set(choice.get("Requires", "").split()) & set(_UNKNOWN)]
    fallback = [child for child in alternatives if local(child) == "Fallback" and len(child)]
    return next(iter([*known, *fallback, *choices]), None)
