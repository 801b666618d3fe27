"""What the readers of the parts of a document share."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..base import ParseOptions
from ..office.package import Package
from .controls import Controls
from .fields import Counters
from .numbering import Numbering
from .pages import Attachments
from .styles import Styles
from .xml import MC

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .notes import Notes

Change = Literal["", "inserted", "deleted", "moved here", "moved away", "taken back"]
CHANGES: dict[str, Change] = {
    "ins": "inserted",
    "del": "deleted",
    "moveTo": "moved here",
    "moveFrom": "moved away",
    "cellIns": "inserted",
    "cellDel": "deleted",
}
"""Elements of tracked changes, and what they say about their content."""

_UNDERSTOOD = (
    "http://schemas.microsoft.com/office/word/",  # except for ink, which has a picture as the alternative
    "http://schemas.microsoft.com/office/drawing/2014/chartex",
    "http://schemas.microsoft.com/office/drawing/2015/9/8/chartex",
    "http://schemas.microsoft.com/office/drawing/2010/main",
    "http://schemas.microsoft.com/office/drawing/2007/8/2/chart",
    "http://schemas.openxmlformats.org/",
)
_INK = "http://schemas.microsoft.com/office/word/2010/wordprocessingInk"


class Context(NamedTuple):
    """What surrounds a run."""

    change: Change = ""
    link: str = ""
    hidden: str = ""
    """Why it is hidden, or ""."""


@dataclass
class Shared:
    """A document as it is read."""

    package: Package
    styles: Styles
    numbering: Numbering
    options: ParseOptions
    attachments: Attachments
    controls: Controls
    notes: "Notes" = field(init=False)
    counters: Counters = field(default_factory=Counters)
    changes: Counter[Change] = field(default_factory=Counter)
    pages_begun: int = 1
    sections_begun: int = 1
    nested_tables: int = 0
    is_chunk: bool = False
    """The document is part of another one."""
    coloured: bool = False
    """The page itself has a colour, so that white text can be read."""

    def shows(self, change: Change) -> bool:
        """Whether text of a tracked change is in the version that was asked for."""
        if not change or self.options.changes == "marked":
            return True
        return change in (("inserted", "moved here") if self.options.changes == "final" else ("deleted", "moved away"))


def within(outer: Change, inner: Change) -> Change:
    """A change inside of another one. What was inserted and then deleted is in neither version."""
    if not outer or not inner or outer == inner:
        return outer or inner
    added = ("inserted", "moved here")
    return inner if (outer in added) == (inner in added) and "taken back" not in (outer, inner) else "taken back"


def chosen(alternatives: "_Element") -> "_Element | None":
    """The alternative of mc:AlternateContent that a current Word shows."""
    for choice in alternatives.iterchildren(f"{MC}Choice"):
        spaces = choice.nsmap
        required = [spaces.get(prefix, "") or "" for prefix in choice.get("Requires", "").split()]
        if all(space.startswith(_UNDERSTOOD) and space != _INK for space in required):
            return choice
    return alternatives.find(f"{MC}Fallback")
