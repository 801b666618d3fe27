"""What is anchored in a run: pictures, text boxes, charts, diagrams, embedded objects; as DrawingML or VML."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import markup
from ..office import charts, diagrams
from ..office.drawing_text import paragraph_text
from ..office.package import R
from .context import chosen
from .pages import Block, cleaned, without_noncharacters
from .xml import MC, W14, W

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .story import Story

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_WP = "{http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing}"
_PIC = "{http://schemas.openxmlformats.org/drawingml/2006/picture}"
_CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
_DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"
_VML = "{urn:schemas-microsoft-com:vml}"
_OFFICE = "{urn:schemas-microsoft-com:office:office}"
_EMU = 12_700
"""English Metric Units in a point."""
_SMALL = 20
"""In points: pictures with a shorter side are signs and lines."""
_LENGTH = re.compile(r"(-?[\d.]+)\s*(pt|in|cm|mm|px|pc|)\Z")
_POINTS = {"pt": 1, "in": 72, "cm": 72 / 2.54, "mm": 7.2 / 2.54, "px": 0.75, "pc": 12, "": 1 / _EMU}
_PROGRAMS = (
    ("equation", "equation"), ("mathtype", "equation"), ("excel", "Excel sheet"), ("powerpoint", "PowerPoint slides"),
    ("visio", "Visio drawing"), ("word", "Word document"), ("acroexch", "PDF"), ("package", "file"),
    ("chemdraw", "ChemDraw structure"), ("msgraph", "chart"), ("outlook", "mail"),
)  # fmt: skip


@dataclass
class Drawing:
    text: str = ""
    """At its place in the paragraph."""
    after: "list[_Element | Block]" = field(default_factory=list)
    """What follows the paragraph: w:txbxContent, charts."""
    hidden: bool = False


@dataclass
class _Found:
    """What was met within a drawing."""

    description: str = ""
    size: tuple[float, float] = (0, 0)
    decorative: bool = False
    pictures: int = 0
    alternatives: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    object: str = ""
    control: str = ""


def read(element: "_Element", story: "Story") -> Drawing:
    """Read w:drawing, w:pict or w:object."""
    drawing, found = Drawing(), _Found()
    stack: list[Iterator[_Element]] = [iter((element,))]
    while stack:
        child = next(stack[-1], None)
        if child is None:
            stack.pop()
            continue
        tag = str(child.tag)
        if tag == f"{W}txbxContent":
            drawing.after.append(child)
        elif tag == f"{MC}AlternateContent":
            choice = chosen(child)
            stack.append(iter(choice if choice is not None else ()))
        elif tag == f"{_CHART}chart" or (tag.endswith("}chart") and child.get(f"{R}id")):
            drawing.after.append(_chart(child, found, story))
        elif tag == f"{_DIAGRAM}relIds":
            drawing.after.append(_diagram(child, found, story))
        elif tag == f"{_A}p":
            if text := paragraph_text(child):
                found.words.append(text)
        elif tag == f"{W14}contentPart" or tag.endswith("}contentPart"):
            found.words.append(markup.named("ink"))
        else:
            _look_at(child, found, drawing)
            stack.append(iter(child))
    drawing.text = "".join(_texts(found, drawing, story))
    return drawing


def _look_at(element: "_Element", found: _Found, drawing: Drawing) -> None:
    tag = str(element.tag)
    if tag == f"{_WP}docPr":
        found.description = _description(element)
        drawing.hidden = element.get("hidden") in ("1", "true")
    elif tag == f"{_WP}extent":
        found.size = _points(element.get("cx", "")), _points(element.get("cy", ""))
    elif tag.endswith("}decorative"):
        found.decorative = element.get("val", "1") in ("1", "true")
    elif tag == f"{_PIC}pic":
        found.pictures += 1
    elif tag == f"{_PIC}cNvPr" or tag.endswith("}cNvPr"):
        if (text := _description(element)) and text != found.description:
            found.alternatives.append(text)
    elif tag == f"{_VML}imagedata":
        found.pictures += 1
        if (title := element.get(f"{_OFFICE}title", "")) and not found.description:
            found.description = without_noncharacters(title)
    elif tag == f"{_VML}textpath":
        if text := element.get("string", "").strip():
            found.words.append(markup.named("watermark", without_noncharacters(text)))
    elif tag == f"{_OFFICE}OLEObject":
        found.object = element.get("ProgID", "") or "unknown"
    elif tag == f"{W}control":
        found.control = element.get(f"{W}name", "") or "control"
    elif tag.startswith(_VML):
        style = dict(part.strip().partition(":")[::2] for part in element.get("style", "").lower().split(";"))
        if element.get("alt"):
            found.description = without_noncharacters(element.get("alt", ""))
        if "width" in style and "height" in style and not found.size[0]:
            found.size = _points(style["width"]), _points(style["height"])
        drawing.hidden = drawing.hidden or style.get("visibility", "").strip() == "hidden"


def _texts(found: _Found, drawing: Drawing, story: "Story") -> Iterator[str]:
    note = story.shared.attachments.add
    if found.object:
        kind = next((name for key, name in _PROGRAMS if found.object.lower().startswith(key)), found.object)
        yield markup.named("equation" if kind == "equation" else "embedded object", "" if kind == "equation" else kind)
        yield note(f"an embedded object ({kind}) was not read")
    elif found.control:
        yield markup.named("control", found.control)
        yield note(f"a control ({found.control}) was not read")
    elif found.pictures or (found.description and not drawing.after and not found.words):
        descriptions = [found.description, *found.alternatives] if not found.decorative else []
        yield " ".join(filter(None, (markup.picture(" ".join(text.split())) for text in descriptions)))
        if found.pictures and not found.decorative and min(found.size, default=0) >= _SMALL:
            yield note(markup.picture_note(*found.size))
        elif found.pictures and not any(found.size):
            yield note("a picture was not read")
    yield " ".join(found.words)


def _description(element: "_Element") -> str:
    return without_noncharacters((element.get("descr") or element.get("title") or "").strip())


def _points(length: str) -> float:
    match = _LENGTH.match(length.strip())
    try:
        return abs(float(match[1])) * _POINTS[match[2]] if match else 0
    except ValueError:
        return 0


def _chart(element: "_Element", found: _Found, story: "Story") -> Block:
    text = _part(element.get(f"{R}id", ""), story, charts.chart_text)
    if not text:
        return _unread("chart", found, story)
    if found.description and found.description not in text:
        text = f"{text}\n\n{markup.named('description', found.description)}"
    return Block(text)


def _diagram(element: "_Element", found: _Found, story: "Story") -> Block:
    text = _part(element.get(f"{R}dm", ""), story, diagrams.diagram_text)
    return Block(f"{markup.named('diagram', found.description)}\n{text}") if text else _unread("diagram", found, story)


def _unread(kind: str, found: _Found, story: "Story") -> Block:
    note = story.shared.attachments.add(f"a {kind} was not read")
    return Block(markup.named(kind, found.description) + note)


def _part(identity: str, story: "Story", as_text: Callable[["_Element"], str]) -> str:
    """A chart or diagram as text; "" if it is not in the file, or cannot be read."""
    relation = story.relationships.get(identity)
    root = story.shared.package.xml(relation.target) if relation and not relation.external else None
    if root is None:
        return ""
    try:
        return cleaned(as_text(root))
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return ""  # an odd chart, which is named then
