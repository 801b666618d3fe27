"""Footnotes, endnotes and comments: their texts, and their numbers as Word shows them (17.11, 17.13.4)."""

from typing import TYPE_CHECKING, Literal, NamedTuple

from .. import markup
from .context import Shared
from .number_formats import written
from .pages import Block, Footnote, cleaned
from .story import Story
from .xml import W, number, value

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

Kind = Literal["footnote", "endnote"]


class _Rules(NamedTuple):
    """How notes are numbered."""

    format: str
    start: int
    restart: str
    """ "continuous", "eachSect" or "eachPage"."""


class Notes:
    """The notes and comments of a document.

    Args:
        part: the name of the main part.
        settings: w:settings, which says how notes are numbered; None without this part.
        sections: the properties (w:sectPr) of the sections, in order.
    """

    def __init__(self, shared: Shared, part: str, settings: "_Element | None", sections: "list[_Element]"):
        self._shared = shared
        self._settings = settings
        self._sections = sections
        self._elements: dict[tuple[str, str], _Element] = {}
        self._parts: dict[str, tuple[str, _Element]] = {}
        self._counts: dict[Kind, int] = {}
        self._began: dict[Kind, int] = {}
        self._reading = False
        self.endnotes: list[Block] = []
        for kind, name in (("footnote", "footnotes"), ("endnote", "endnotes"), ("comment", "comments")):
            for relation in shared.package.related(part, name):
                root = shared.package.xml(relation.target)
                if root is None:
                    continue
                self._parts[kind] = relation.target, root
                for element in root.iterchildren(f"{W}{kind}"):
                    self._elements.setdefault((kind, element.get(f"{W}id", "")), element)

    def referred(self, reference: "_Element", own_mark: str, story: Story) -> str:
        """The mark of a footnote or an endnote, which is read with it; "" if there is no such note.

        Args:
            own_mark: the mark that the author chose in place of a number.
        """
        kind: Kind = "footnote" if reference.tag == f"{W}footnoteReference" else "endnote"
        element = self._elements.get((kind, reference.get(f"{W}id", "")))
        if element is None or self._reading:
            return ""
        mark = f"[^{own_mark.strip() or self._next(kind)}]"
        text = self._text(kind, element)
        if kind == "endnote":
            self.endnotes.append(Block(f"{mark}: {text}", tight=True))
            return mark
        return mark + self._shared.attachments.add(Footnote(mark, text))

    def comment(self, reference: "_Element") -> str:
        """A comment with its author; "" if there is no such comment."""
        element = self._elements.get(("comment", reference.get(f"{W}id", "")))
        if element is None or self._reading:
            return ""
        author = " ".join((element.get(f"{W}author") or element.get(f"{W}initials") or "").split())
        return markup.comment(" ".join(self._text("comment", element).split("\n")), cleaned(author))

    def _text(self, kind: str, element: "_Element") -> str:
        part, root = self._parts[kind]
        self._reading = True
        try:
            return Story(self._shared, part, root, f"{kind}s").text(element)
        finally:
            self._reading = False

    def _next(self, kind: Kind) -> str:
        rules = self._rules(kind)
        began = {"eachPage": self._shared.pages_begun, "eachSect": self._shared.sections_begun}.get(rules.restart, 0)
        if kind not in self._counts or self._began.get(kind) != began:
            self._counts[kind] = rules.start - 1
        self._began[kind] = began
        self._counts[kind] += 1
        return written(self._counts[kind], rules.format)

    def _rules(self, kind: Kind) -> _Rules:
        """The rules of the current section, where it has any, or else of the document."""
        at = min(self._shared.sections_begun, len(self._sections)) - 1
        section = self._sections[at].find(f"{W}{kind}Pr") if self._sections else None
        document = self._settings.find(f"{W}{kind}Pr") if self._settings is not None else None
        formats = (value(one, "numFmt") for one in (section, document))
        default = "decimal" if kind == "footnote" else "lowerRoman"
        restarts = (value(one, "numRestart") for one in (section, document))
        starts = [start for one in (section, document) if (start := number(one, "numStart")) is not None]
        return _Rules(
            next(filter(None, formats), default), starts[0] if starts else 1, next(filter(None, restarts), "continuous")
        )
