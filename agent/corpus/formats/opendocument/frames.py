"""Frames and shapes: text boxes, pictures, formulas, charts, other objects, media and form controls."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import equations, markup
from ..word.pages import Block
from .charts import chart_text
from .context import MAX_DEPTH, Context
from .names import attribute, child, children, descendants, name, text_in
from .styles import length
from .tables import table_text

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .blocks import BlockReader

_SMALLEST_PICTURE = 10.0
"""Points; smaller pictures are bullets and rules."""
_GROUPS = ("draw:g", "draw:a", "draw:layer-set")
_IGNORED = ("draw:page-thumbnail", "draw:glue-point", "draw:enhanced-geometry", "draw:layer", "draw:contour-polygon")
_TICKED = ("checked", "true")


@dataclass
class Found:
    """What a frame says: text at its place in a line, and blocks of its own."""

    inline: str = ""
    blocks: list[Block] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        self.inline = " ".join(text for text in (self.inline, other.inline) if text)
        self.blocks += other.blocks


class FrameReader:
    def __init__(self, context: Context, blocks: "BlockReader"):
        self._context = context
        self._blocks = blocks

    def read(self, element: "_Element") -> Found:
        """A draw:frame, group or shape."""
        kind = name(element)
        found = Found()
        if kind in _IGNORED:
            return found
        if self._context.depth > MAX_DEPTH:
            return Found(text_in(element))
        self._context.depth += 1
        try:
            if attribute(element, "draw:display") == "none":
                inner = self._visible(element, kind)
                text = "\n".join(text for text in (inner.inline, *(block.text for block in inner.blocks)) if text)
                found.inline = self._context.conceal(text, "in a hidden shape")
                return found
            return self._visible(element, kind)
        finally:
            self._context.depth -= 1

    def _visible(self, element: "_Element", kind: str) -> Found:
        if kind in _GROUPS:
            found = Found()
            for part in element:
                if name(part).startswith(("draw:", "dr3d:")):
                    found.add(self.read(part))
            if not found.inline and not found.blocks:
                found.inline = markup.picture(described(element))
            return found
        if kind == "draw:frame":
            return self._frame(element)
        if kind == "draw:control":
            return Found(self._control(element))
        blocks = list(self._blocks.read(element, None, self.background(element)))
        return Found("", blocks) if blocks else Found(markup.picture(described(element)))

    def background(self, element: "_Element") -> str:
        """The colour behind the text of a shape, "" if it is not plain, or not known."""
        properties = self._context.styles.of("graphic", attribute(element, "draw:style-name"))
        properties = properties or self._context.styles.of(
            "presentation", attribute(element, "presentation:style-name")
        )
        fill = properties.get("graphic draw:fill", "")
        if fill == "solid":
            return properties.get("graphic draw:fill-color", "")
        plain = properties.get("graphic fo:background-color", "")
        if plain.startswith("#"):
            return plain
        # What is no frame is filled unless its style says otherwise, in a colour of the program.
        return self._context.background if fill == "none" or (not fill and name(element) == "draw:frame") else ""

    def is_filled(self, element: "_Element") -> bool:
        """Whether a shape may hide what is behind it."""
        kind = name(element)
        if kind in ("draw:line", "draw:connector", "draw:control", *_IGNORED):
            return False
        if kind == "draw:frame" and child(element, "draw:text-box") is None:
            return True
        if kind in _GROUPS:
            inside = (one for one in element.iter() if name(one).startswith("draw:") and name(one) not in _GROUPS)
            return any(self.is_filled(one) for one in inside)
        properties = self._context.styles.of("graphic", attribute(element, "draw:style-name"))
        properties = properties or self._context.styles.of(
            "presentation", attribute(element, "presentation:style-name")
        )
        fill = properties.get("graphic draw:fill", "none" if kind == "draw:frame" else "solid")
        return fill != "none" or properties.get("graphic fo:background-color", "").startswith("#")

    def _frame(self, element: "_Element") -> Found:
        """A frame shows the first of its contents that a program can show; pictures are for those that cannot."""
        for content in element:
            match name(content):
                case "draw:text-box":
                    blocks = list(self._blocks.read(content, None, self.background(element)))
                    return Found("", blocks)
                case "table:table":
                    return Found("", list(self._blocks.read_table(content)))
                case "draw:object":
                    return self._object(element, content)
                case "draw:object-ole":
                    title = described(element) or attribute(element, "draw:name")
                    note = self._context.note(f"an embedded object ({title or 'without a name'}) was not read")
                    return Found(markup.named("embedded object", title) + note)
                case "draw:plugin" | "draw:applet" | "draw:floating-frame":
                    kind = _media_kind(content)
                    title = described(element) or attribute(content, "xlink:href").rpartition("/")[2]
                    return Found(markup.named(kind, title) + self._context.note(f"{kind} was not read"))
                case "draw:image":
                    return Found(self._picture(element))
                case _:
                    pass
        return Found(markup.picture(described(element)))

    def _picture(self, element: "_Element") -> str:
        if text := markup.picture(described(element)):
            return text
        width, height = (length(attribute(element, f"svg:{side}")) for side in ("width", "height"))
        if not width or not height:
            return self._context.note("a picture was not read")
        return self._context.note(markup.picture_note(width, height)) if max(width, height) >= _SMALLEST_PICTURE else ""

    def _object(self, frame: "_Element", element: "_Element") -> Found:
        root = self._context.parts.object(element)
        title = described(frame) or attribute(frame, "draw:name")
        if root is not None:
            if name(root) == "math:math":
                return Found(_formula(root))
            body = child(root, "office:body")
            content = next(iter(body), None) if body is not None else None
            if content is not None and name(content) == "office:chart":
                return Found("", [Block(chart_text(root, title))])
            if content is not None and name(content) == "office:spreadsheet":
                tables = (table_text(found, self._blocks) for found in children(content, "table:table"))
                return Found("", [Block(text) for text in tables if text])
            if content is not None and name(content) == "office:text":
                return Found("", list(self._blocks.read(content)))
            if formula := next(iter(descendants(root, "math:math")), None):
                return Found(_formula(formula))
        note = self._context.note(f"an embedded object ({title or 'without a name'}) was not read")
        return Found(markup.named("embedded object", title) + note)

    def _control(self, element: "_Element") -> str:
        """A form control with its label and its value."""
        control = self._context.controls.get(attribute(element, "draw:control"))
        if control is None:
            return ""
        label = attribute(control, "form:label") or described(element) or attribute(control, "form:name")
        match name(control):
            case "form:checkbox":
                ticked = attribute(control, "form:current-state", attribute(control, "form:state")) in _TICKED
                return f"{markup.check_box(ticked)} {label}".strip()
            case "form:radio":
                ticked = attribute(control, "form:current-selected", attribute(control, "form:selected")) in _TICKED
                return f"{markup.check_box(ticked)} {label}".strip()
            case "form:listbox":
                options = children(control, "form:option")
                chosen = [
                    attribute(one, "form:label", attribute(one, "form:value"))
                    for one in options
                    if attribute(one, "form:current-selected", attribute(one, "form:selected")) == "true"
                ]
                return f"{label}: {', '.join(chosen)}" if chosen else f"{label}:"
            case "form:button" | "form:fixed-text" | "form:frame":
                return label
            case "form:hidden" | "form:password":
                return ""
            case _:
                value = attribute(control, "form:current-value", attribute(control, "form:value"))
                value = value or " ".join(text_in(p) for p in children(control, "text:p"))
                return f"{label}: {value}" if label else value


def described(element: "_Element") -> str:
    """The alternative text of a shape: its description, else its title."""
    texts = (text_in(found) for key in ("svg:desc", "svg:title") for found in children(element, key))
    return next((text for text in texts if text), "")


def _formula(root: "_Element") -> str:
    from ..equations.mathml import to_latex

    for annotation in descendants(root, "math:annotation"):
        annotation.text = None  # the same in LibreOffice's own language
    return equations.inline(to_latex(root))


def _media_kind(content: "_Element") -> str:
    described = f"{attribute(content, 'draw:mime-type')} {attribute(content, 'xlink:href')}".lower()
    if name(content) != "draw:plugin":
        return name(content).partition(":")[2]
    audio = ("audio", ".mp3", ".wav", ".ogg", ".m4a", ".flac")
    return "audio" if any(sign in described for sign in audio) else "video" if "media" in described else "plugin"
