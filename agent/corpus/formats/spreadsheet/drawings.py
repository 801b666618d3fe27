"""What lies over the cells of an Excel sheet: text boxes, charts, diagrams, pictures, form controls."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import markup
from ..office.charts import chart_text
from ..office.diagrams import diagram_text
from ..office.drawing_text import paragraphs
from ..office.package import Package, R, local
from .sheet import Sheet

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_EMU = 12_700
"""Per point."""
_TICKED = ("1", "2")
OFF_SCREEN = "hidden shapes"


def add_drawings(package: Package, part: str, sheet: Sheet, *, keep_hidden: bool) -> None:
    """Add the texts of the drawings of a sheet to `sheet.beside`, from top to bottom."""
    controls = [text for related in package.related(part, "vmlDrawing") for text in _controls(package, related.target)]
    for related in package.related(part, "drawing"):
        root = package.xml(related.target)
        if root is None:
            sheet.beside_notes.append("a drawing that cannot be read is left out")
            continue
        drawing = _Drawing(package, related.target, sheet, keep_hidden=keep_hidden, has_controls=bool(controls))
        anchors = [anchor for anchor in root if local(anchor).endswith("Anchor")]
        for anchor in sorted(anchors, key=_place):
            sheet.beside += drawing.read(anchor)
    sheet.beside += controls


def _place(anchor: "_Element") -> tuple[int, int]:
    start = anchor.find("{*}from")
    row, column = (start.findtext(f"{{*}}{name}") if start is not None else "" for name in ("row", "col"))
    return int(row) if (row or "").isdigit() else 0, int(column) if (column or "").isdigit() else 0


class _Drawing:
    def __init__(self, package: Package, part: str, sheet: Sheet, *, keep_hidden: bool, has_controls: bool):
        self._package = package
        self._part = part
        self._sheet = sheet
        self._keep_hidden = keep_hidden
        self._has_controls = has_controls

    def read(self, anchor: "_Element") -> list[str]:
        """The texts of the shapes at an anchor, in the order of the file."""
        found: list[str] = []
        stack = [iter(anchor)]
        while stack:
            element = next(stack[-1], None)
            if element is None:
                stack.pop()
                continue
            match local(element):
                case "sp" | "cxnSp":
                    found += self._visible(element, "\n".join(paragraphs(element)))
                case "pic":
                    found += self._visible(element, self._picture(element))
                case "graphicFrame":
                    found += self._visible(element, self._frame(element))
                case "contentPart":
                    found.append(markup.named("handwriting"))
                case "AlternateContent":
                    stack.append(iter(self._alternatives(element)))
                case "grpSp" | "Choice" | "Fallback":
                    stack.append(iter(element))
                case _:
                    pass
        return found

    def _alternatives(self, element: "_Element") -> "list[_Element]":
        """The choice of programs of today. That for form controls repeats what their own part says."""
        choices = element.findall("{*}Choice") or element.findall("{*}Fallback")
        if self._has_controls and choices and choices[0].get("Requires") == "a14":
            return []
        return choices[:1]

    def _visible(self, shape: "_Element", text: str) -> Iterator[str]:
        properties = _properties(shape)
        if not text or properties is None or properties.get("hidden") not in ("1", "true"):
            if text:
                yield text
            return
        words = len(text.split())
        self._sheet.beside_notes.append(markup.hidden_note(words, OFF_SCREEN, kept=self._keep_hidden))
        if self._keep_hidden:
            yield markup.hidden(text)

    def _picture(self, element: "_Element") -> str:
        properties = _properties(element)
        description = " ".join(((properties.get("descr") if properties is not None else "") or "").split())
        if description:
            return markup.picture(description)
        size = element.find("{*}spPr/{*}xfrm/{*}ext")
        width, height = (_points(size.get(name, "")) if size is not None else 0.0 for name in ("cx", "cy"))
        note = markup.picture_note(width, height) if width and height else "a picture was not read"
        self._sheet.beside_notes.append(note)
        return markup.named("picture")

    def _frame(self, element: "_Element") -> str:
        properties = _properties(element)
        name = (properties.get("descr") or properties.get("name") or "") if properties is not None else ""
        data = element.find(".//{*}graphicData")
        for child in data if data is not None else ():
            match local(child):
                case "chart":
                    root = self._related(child.get(f"{R}id", ""))
                    if root is not None and (text := chart_text(root)):
                        return markup.finished(text) + _cells_of(root)
                    self._sheet.beside_notes.append("a chart could not be read")
                    return markup.named("chart", name)
                case "relIds":
                    root = self._related(child.get(f"{R}dm", ""))
                    text = diagram_text(root) if root is not None else ""
                    return markup.finished(text) or markup.named("diagram", name)
                case "slicer" | "timeslicer":
                    return markup.named("filter buttons", child.get("name", name))
                case _:
                    pass
        self._sheet.beside_notes.append("an object of an unknown kind is named only")
        return markup.named("object", name)

    def _related(self, identity: str) -> "_Element | None":
        related = self._package.relationships(self._part).get(identity)
        return self._package.xml(related.target) if related is not None and not related.external else None


def _cells_of(chart: "_Element") -> str:
    """The cells that a chart draws, if the file does not repeat their values in the chart."""
    if chart.find(".//{*}pt") is not None:
        return ""
    cells = dict.fromkeys(text for found in chart.iter("{*}f") if (text := (found.text or "").strip()))
    return f"\n\nIts data are the cells {', '.join(cells)}." if cells else ""


def _properties(shape: "_Element") -> "_Element | None":
    return next(shape.iter("{*}cNvPr"), None)


def _points(emu: str) -> float:
    return int(emu) / _EMU if emu.isdigit() else 0.0


def _controls(package: Package, part: str) -> Iterator[str]:
    """The form controls of a sheet, which Excel stores in VML: check boxes with their ticks, and labels."""
    root = package.xml(part)
    for shape in root.iter("{urn:schemas-microsoft-com:vml}shape") if root is not None else ():
        data = next(shape.iter("{urn:schemas-microsoft-com:office:excel}ClientData"), None)
        kind = data.get("ObjectType", "") if data is not None else ""
        if data is None or kind in ("Note", "Pict", "Scroll", "Spin"):
            continue
        box = next(shape.iter("{urn:schemas-microsoft-com:vml}textbox"), None)
        # An unclosed <br> makes a recovering parser take what follows the label for a part of it.
        found = box.xpath(".//text()[not(ancestor::*[local-name() = 'ClientData'])]") if box is not None else []
        text = " ".join("".join(map(str, found)).split()) if isinstance(found, list) else ""
        if kind in ("Checkbox", "Radio"):
            ticked = (data.findtext("{*}Checked") or "").strip() in _TICKED
            yield f"{markup.check_box(ticked)} {text}".strip()
        elif text:
            yield text
