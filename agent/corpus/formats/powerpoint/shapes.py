"""Single shapes as text: text boxes, pictures, tables, charts, diagrams, media and embedded objects."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from .. import markup
from ..office.alternatives import shown_children
from ..office.charts import chart_text
from ..office.diagrams import diagram_text
from ..office.drawing_text import paragraphs
from ..office.package import Package, R, local
from .backdrop import Backdrop, Drawn
from .findings import Findings
from .geometry import POINT
from .inheritance import Sheet, placeholder
from .tables import table_text
from .text import Surroundings, TextReader

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MEDIA = {
    "videoFile": "video",
    "audioFile": "audio",
    "wavAudioFile": "audio",
    "quickTimeFile": "video",
    "audioCd": "audio",
}
_PLAIN_TABLES = ("{2D5ABB26-0587-4C30-8999-92F81FD0307C}", "{5940675A-B579-460E-94D1-54222C63F5DA}")
_CAN_FAIL = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What reading a part by a stranger's hand may raise: that part is named, and the others are read."""
_SMALLEST_PICTURE = 10.0
"""Points; smaller pictures are bullets and rules."""


class ShapeReader:
    """Reads the shapes of a slide.

    Args:
        defaults: the list styles of the presentation.
        drawn: the shapes with their places, in the order in which they are drawn.
        scenery: those of the layout and the master that are drawn before.
    """

    def __init__(
        self,
        sheet: Sheet,
        defaults: "_Element | None",
        findings: Findings,
        drawn: Sequence[Drawn],
        scenery: Sequence[tuple[Sheet, Drawn]] = (),
    ):
        self._sheet = sheet
        self._package: Package = sheet.package
        self._defaults = [defaults] if defaults is not None else []
        self._findings = findings
        self._drawn = drawn
        self._backdrop = Backdrop(sheet, drawn, scenery)

    def text(self, element: "_Element", at: int, why_hidden: str = "") -> str:
        """The text of the shape at this place among the drawn ones."""
        why_hidden = why_hidden or ("covered by another shape" if self._backdrop.is_covered(at) else "")
        if not why_hidden:
            return self._read(element, at, self._findings)
        inner = Findings(keep_hidden=False)
        text = self._read(element, at, inner)
        self._findings.hidden.update(inner.hidden)
        return self._findings.conceal(text, why_hidden)

    def description(self, element: "_Element") -> str:
        """The alternative text of a shape as a picture."""
        properties = _names(element)
        if properties is None or properties.find(".//{*}decorative[@val='1']") is not None:
            return ""
        described = properties.get("descr", "").strip() or properties.get("title", "").strip()
        return markup.picture(" ".join(described.split()))

    def controls(self) -> list[str]:
        """The form controls of the slide, which are stored beside its shapes."""
        holder = self._sheet.root.find("{*}cSld/{*}controls")
        names = [child.get("name", "") for child in shown_children(holder)] if holder is not None else []
        if names:
            self._findings.notes.append("form controls were not read")
        return [markup.named("control", name) for name in names]

    def _read(self, element: "_Element", at: int, findings: Findings) -> str:
        match local(element):
            case "sp":
                text = self._text_box(element, at, findings)
            case "pic":
                text = self._picture(element, at, findings)
            case "graphicFrame":
                text = self._frame(element, at, findings)
            case "contentPart":
                findings.notes.append("handwriting was not read")
                text = markup.named("ink", _name(element))
            case _:
                text = ""
        properties = _names(element)
        link = (
            TextReader(self._sheet, findings).link(properties.find("{*}hlinkClick")) if properties is not None else ""
        )
        if not text or not link or local(element) == "graphicFrame":
            return text
        return markup.link(text, link) if "\n" not in text and text[0] != "[" else f"{text} <{link}>"

    def _text_box(self, element: "_Element", at: int, findings: Findings) -> str:
        ph = placeholder(element)
        if ph is not None and ph.get("type") == "sldNum" and not _says_more(element):
            return ""  # the page's label
        lines = TextReader(self._sheet, findings).lines(element.find("{*}txBody"), self._around(element, ph, at))
        if lines or ph is not None:
            return "\n".join(lines)
        if text := self.description(element):
            return text
        if element.find("{*}spPr/{*}blipFill") is not None:
            self._note_picture(element, at, findings)
        return ""

    def _around(self, element: "_Element", ph: "_Element | None", at: int) -> Surroundings:
        styles = [*self._sheet.list_styles(ph), *(self._defaults if ph is None else ())]
        font = element.find("{*}style/{*}fontRef")
        colour = self._sheet.palette.of(font)[0] if font is not None else None
        return Surroundings(styles, cache(lambda: self._backdrop.behind(at)), colour)

    def _picture(self, element: "_Element", at: int, findings: Findings) -> str:
        kind = next(
            (k for name, k in _MEDIA.items() if element.find(f"{{*}}nvPicPr/{{*}}nvPr/{{*}}{name}") is not None), ""
        )
        if kind:
            findings.notes.append(f"{'an' if kind == 'audio' else 'a'} {kind} was not read")
            properties = _names(element)
            described = properties.get("descr", "") if properties is not None else ""
            return markup.named(kind, " ".join((described or _name(element)).split()))
        text = self.description(element)
        if not text:
            self._note_picture(element, at, findings)
        return text

    def _note_picture(self, element: "_Element", at: int, findings: Findings) -> None:
        box = self._drawn[at][1]
        properties = _names(element)
        if properties is not None and properties.find(".//{*}decorative[@val='1']") is not None:
            return
        if box is None:
            findings.notes.append("a picture was not read")
            return
        width, height = (box.right - box.left) / POINT, (box.bottom - box.top) / POINT
        if max(width, height) >= _SMALLEST_PICTURE:
            findings.notes.append(markup.picture_note(width, height))

    def _frame(self, element: "_Element", at: int, findings: Findings) -> str:
        data = element.find("{*}graphic/{*}graphicData")
        kind = data.get("uri", "").rstrip("/").rpartition("/")[2] if data is not None else ""
        try:
            if data is not None:
                match kind:
                    case "table":
                        return self._table(data, at, findings)
                    case "chart" | "chartex":
                        return self._chart(data, element, findings)
                    case "diagram":
                        return self._diagram(data, element, findings)
                    case "ole":
                        return self._object(data, element, findings)
                    case _:
                        pass
        except _CAN_FAIL as error:
            findings.notes.append(f"a {kind or 'graphic'} could not be read ({type(error).__name__}: {error})")
            return markup.named(kind or "graphic", _name(element))
        findings.notes.append(f"a graphic ({kind or 'of no known kind'}) was not read")
        return self.description(element) or markup.named("graphic", _name(element))

    def _table(self, data: "_Element", at: int, findings: Findings) -> str:
        reader = TextReader(self._sheet, findings)
        found = data.find("{*}tbl")
        if found is None:
            return ""
        style = found.findtext("{*}tblPr/{*}tableStyleId", "").strip()
        below = self._backdrop.under(at) if style in ("", *_PLAIN_TABLES) else None

        def text(cell: "_Element") -> str:
            properties = cell.find("{*}tcPr")
            own = properties.find("{*}solidFill") if properties is not None else None
            behind = self._sheet.palette.of(own)[0] if own is not None else below
            return "\n".join(reader.lines(cell.find("{*}txBody"), Surroundings(self._defaults, lambda: behind)))

        return table_text(found, text)

    def _related(self, data: "_Element", attribute: str) -> "tuple[str, _Element | None]":
        """The name and the root of the part that an element in `data` refers to."""
        identity = next((value for child in data.iter() for name, value in child.items() if name == attribute), "")
        found = self._package.relationships(self._sheet.part).get(identity)
        return (
            (found.target, self._package.xml(found.target)) if found is not None and not found.external else ("", None)
        )

    def _chart(self, data: "_Element", element: "_Element", findings: Findings) -> str:
        part, root = self._related(data, f"{R}id")
        if root is None:
            findings.notes.append("a chart is missing from the file, or damaged")
            return markup.named("chart", _name(element))
        texts = [chart_text(root)]
        if "|" not in texts[0]:
            findings.notes.append("a chart stores no data")
            texts.append(self.description(element))
        for relation in self._package.related(part, "chartUserShapes"):
            drawn = self._package.xml(relation.target)
            texts += paragraphs(drawn) if drawn is not None else []
        return "\n".join(text for text in texts if text)

    def _diagram(self, data: "_Element", element: "_Element", findings: Findings) -> str:
        _, root = self._related(data, f"{R}dm")
        if root is None:
            findings.notes.append("a diagram is missing from the file, or damaged")
            return markup.named("diagram", _name(element))
        return diagram_text(root) or self.description(element) or markup.named("diagram", _name(element))

    def _object(self, data: "_Element", element: "_Element", findings: Findings) -> str:
        found = next(data.iter("{*}oleObj"), None)
        program = found.get("progId", "") if found is not None else ""
        name = (found.get("name", "") if found is not None else "") or _name(element)
        findings.notes.append(f"an embedded object ({program or name or 'of no known kind'}) was not read")
        return "\n".join(
            text for text in (markup.named("embedded object", name or program), self.description(element)) if text
        )


def _names(element: "_Element") -> "_Element | None":
    """The p:cNvPr of a shape: its name, alternative text and link."""
    return next((child.find("{*}cNvPr") for child in element if local(child).startswith("nv")), None)


def _says_more(element: "_Element") -> bool:
    """Whether the placeholder of a slide's number has text beside the number."""
    texts = ("".join(run.itertext()) for run in element.iterfind("{*}txBody/{*}p/{*}r"))
    return any(any(character.isalpha() for character in text) for text in texts)


def _name(element: "_Element") -> str:
    properties = _names(element)
    return properties.get("name", "") if properties is not None else ""
