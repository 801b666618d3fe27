"""The names of WordprocessingML (ECMA-376 part 1, 17), and its values."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
W15 = "{http://schemas.microsoft.com/office/word/2012/wordml}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
VAL = f"{W}val"

_OFF = frozenset(("0", "false", "off", "none"))


def value(parent: "_Element | None", name: str, default: str = "") -> str:
    """The value of the child w:NAME; `default` without such a child."""
    child = parent.find(W + name) if parent is not None else None
    return default if child is None else child.get(VAL, default)


def number(parent: "_Element | None", name: str) -> int | None:
    """The value of the child w:NAME as a number; None if it is not there, or not a number."""
    return integer(value(parent, name))


def integer(text: str | None) -> int | None:
    """A decimal number of a length that a file may mean; None for anything else."""
    if text is None or len(text) > 12:
        return None
    try:
        return int(text)
    except ValueError:
        try:
            return int(float(text))  # some programs write "24.0"
        except (ValueError, OverflowError):
            return None


def is_on(element: "_Element | None") -> bool:
    """Whether a property that is either on or off is there and on."""
    return element is not None and element.get(VAL, "1") not in _OFF


def has(parent: "_Element | None", name: str) -> bool:
    """Whether the child w:NAME, a property that is either on or off, is on."""
    return parent is not None and is_on(parent.find(W + name))
