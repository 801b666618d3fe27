"""The text of shapes and table cells, with lists, links, scripts, equations and hidden words."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from .. import markup
from ..office.alternatives import shown_children
from ..office.drawing_text import scripted
from ..office.package import R, integer, local
from .colours import Colour, alike, clear
from .findings import Findings
from .inheritance import Sheet, level_style
from .numbering import Numbering

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_SMALLEST = 200
"""Hundredths of a point below which nobody can read text."""
_UNKNOWN_NUMBER = "‹#›"
"""What some programs store in place of a slide's number."""
_ESCAPE = re.compile("_x000[BD]_")
_SEEN_BY = ("ln", "highlight", "effectLst/{*}glow", "effectLst/{*}outerShdw")
_FILLS = ("solidFill", "noFill", "gradFill", "blipFill", "pattFill", "grpFill")


class _Run(NamedTuple):
    text: str
    link: str
    hidden: str
    """Why nobody sees it, or ""."""


@dataclass
class Surroundings:
    """What the text of a shape depends on beside itself."""

    styles: "list[_Element]"
    """List styles, the nearest first."""
    behind: Callable[[], Colour | None] = lambda: None
    """The colour behind the text, None if it is not plain or not known."""
    colour: Colour | None = None
    """The text's colour by the style of the shape."""


class TextReader:
    """Reads the text bodies of a sheet."""

    def __init__(self, sheet: Sheet, findings: Findings):
        self._sheet = sheet
        self._findings = findings

    def lines(self, body: "_Element | None", around: Surroundings) -> list[str]:
        """The paragraphs of a text body, without empty ones."""
        if body is None:
            return []
        own = body.find("{*}lstStyle")
        around = Surroundings([own, *around.styles] if own is not None else around.styles, around.behind, around.colour)
        numbering = Numbering()
        lines: list[str] = []
        for paragraph in body.iterchildren("{*}p"):
            properties = paragraph.find("{*}pPr")
            given = properties.get("lvl", "0") if properties is not None else "0"
            level = min(integer(given), 8)
            styles = [found for style in around.styles if (found := level_style(style, level)) is not None]
            text = self._paragraph(paragraph, styles, around).strip("\n ")
            if not text.strip():
                continue
            mark = numbering.mark(level, styles if properties is None else [properties, *styles])
            # An indented second line belongs to the same item.
            text = text.replace("\n", f"\n{'  ' * (level + 1)}") if mark else text
            lines.append(f"{'  ' * level}{mark} {text}" if mark else text)
        return lines

    def link(self, element: "_Element | None") -> str:
        """The address of an a:hlinkClick; "" for a link within the deck."""
        found = (
            self._sheet.package.relationships(self._sheet.part).get(element.get(f"{R}id", ""))
            if element is not None
            else None
        )
        return found.target.strip() if found is not None and found.external and found.kind == "hyperlink" else ""

    def _paragraph(self, paragraph: "_Element", styles: "list[_Element]", around: Surroundings) -> str:
        parts: list[str] = []
        for (link, hidden), runs in groupby(
            self._runs(paragraph, styles, around), key=lambda run: (run.link, run.hidden)
        ):
            text = "".join(run.text for run in runs)
            if hidden:
                text = self._findings.conceal(text, hidden)
            parts.append(markup.link(text, link))
        return "".join(parts)

    def _runs(self, paragraph: "_Element", styles: "list[_Element]", around: Surroundings) -> Iterator[_Run]:
        for child in shown_children(paragraph):
            match local(child):
                case "r" | "fld":
                    properties = child.find("{*}rPr")
                    text = _ESCAPE.sub("\n", "".join(t.text or "" for t in child.iterchildren("{*}t")))
                    link = self.link(properties.find("{*}hlinkClick")) if properties is not None else ""
                    if text and text != _UNKNOWN_NUMBER:
                        hidden = self._hidden(properties, styles, around) if text.strip() else ""
                        yield _Run(scripted(child, text).replace("\v", "\n"), link, hidden)
                case "br":
                    yield _Run("\n", "", "")
                case "m" | "oMath" | "oMathPara":
                    yield _Run(equation(child), "", "")
                case _:
                    pass

    def _hidden(self, properties: "_Element | None", styles: "list[_Element]", around: Surroundings) -> str:
        defaults = [found for style in styles if (found := style.find("{*}defRPr")) is not None]
        chain = [properties, *defaults] if properties is not None else defaults
        size = next((found for one in chain if (found := one.get("sz")) is not None), "")
        if integer(size, _SMALLEST) < _SMALLEST:
            return "below 2 points"
        fill = None if properties is None else _fill(properties)
        if properties is not None and any(properties.find(f"{{*}}{name}") is not None for name in _SEEN_BY):
            return ""  # its outline, shadow or highlight is seen
        if fill is None and properties is not None and properties.find("{*}hlinkClick") is not None:
            return ""  # links have a colour of their own
        palette = self._sheet.palette
        if fill is not None and local(fill) == "noFill" and (properties is None or properties.find("{*}ln") is None):
            return "transparent"
        if fill is None and around.colour is not None:
            colour, opacity = around.colour, 1.0
        else:
            fill = fill if fill is not None else next((f for one in defaults if (f := _fill(one)) is not None), None)
            if fill is None or local(fill) != "solidFill":
                return ""
            colour, opacity = palette.of(fill)
        if clear(opacity):
            return "transparent"
        behind = around.behind() if colour is not None else None
        return (
            "in the colour of its background"
            if colour is not None and behind is not None and alike(colour, behind)
            else ""
        )


def equation(element: "_Element") -> str:
    """The equations in an a14:m, or one itself, as LaTeX between dollar signs."""
    from .. import equations
    from ..equations.omml import to_latex

    if local(element) == "m":
        return "".join(equation(child) for child in element if local(child) in ("oMath", "oMathPara"))
    delimited = equations.display if local(element) == "oMathPara" else equations.inline
    return delimited(to_latex(element))


def _fill(properties: "_Element") -> "_Element | None":
    return next((child for child in properties if local(child) in _FILLS), None)
