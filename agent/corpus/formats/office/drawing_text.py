"""The text of DrawingML paragraphs (a:p) in titles, labels and diagrams."""

from typing import TYPE_CHECKING

from .. import markup
from .package import local

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_REFERENCES = frozenset(
    ("CELLRANGE", "CELLREF", "VALUE", "SERIESNAME", "CATEGORYNAME", "XVALUE", "YVALUE", "BUBBLESIZE", "PERCENTAGE")
)
"""Fields of data labels that repeat what the chart's table says; the text stored for them is only their name."""


def paragraphs(element: "_Element") -> list[str]:
    """The texts of the paragraphs in `element`, one line each, without empty ones."""
    lines = (paragraph_text(found) for found in element.iter("{*}p"))
    return [line for line in lines if line]


def paragraph_text(paragraph: "_Element") -> str:
    """The text of a paragraph on one line, with superscripts and subscripts marked."""
    parts: list[str] = []
    for child in paragraph:
        match local(child):
            case "r":
                parts.append(scripted(child, "".join(t.text or "" for t in child.iterchildren("{*}t"))))
            case "fld" if child.get("type", "") not in _REFERENCES:
                parts += [t.text or "" for t in child.iterchildren("{*}t")]
            case "br":
                parts.append(" ")
            case _:
                pass
    return " ".join("".join(parts).split())


def scripted(run: "_Element", text: str) -> str:
    """The text of a run, marked as its baseline says."""
    properties = run.find("{*}rPr")
    baseline = properties.get("baseline", "0") if properties is not None else "0"
    try:
        offset = float(baseline.rstrip("%"))
    except ValueError:
        return text
    return markup.superscript(text) if offset > 0 else markup.subscript(text) if offset < 0 else text
