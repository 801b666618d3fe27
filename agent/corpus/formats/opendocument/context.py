"""The state that the readers of one document share."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import markup
from ..word.pages import Attachments, HiddenWords
from .changes import Changes
from .lists import ListNumbers
from .names import attribute, descendants
from .parts import Parts
from .styles import Styles

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

MAX_DEPTH = 60
"""Levels of lists, sections, tables and frames in each other; what is deeper is read as plain text."""


@dataclass
class Context:
    parts: Parts
    styles: Styles
    numbers: ListNumbers
    attachments: Attachments
    changes: Changes
    keep_hidden: bool
    controls: "dict[str, _Element]" = field(default_factory=dict)
    """Form controls by their ids."""
    fields: dict[str, str] = field(default_factory=dict)
    """Texts of fields whose text is stored elsewhere: "presentation:footer"."""
    background: str = "#ffffff"
    """The colour of the page or slide, "" if it is not plain or something else may be behind a text."""
    nested_tables: int = 0
    """Tables in cells of others so far."""
    page_start: tuple[int, str] | None = None
    """The number of the page that begins with the next block, and the format of such numbers, where they start anew."""
    depth: int = 0

    def note(self, text: str) -> str:
        """A note on the page of this place: what stands for it in the text."""
        return self.attachments.add(text)

    def conceal(self, text: str, why: str) -> str:
        """Count hidden text; returns what of it goes into the page."""
        words = len(text.split())
        if not words:
            return ""
        counted = self.attachments.add(HiddenWords(words, why))
        return counted + (markup.hidden(text) if self.keep_hidden else "")

    def find_controls(self, content: "_Element") -> None:
        for forms in descendants(content, "office:forms"):
            for element in forms.iter():
                if identity := attribute(element, "xml:id") or attribute(element, "form:id"):
                    self.controls[identity] = element
