"""Styles: what a paragraph or a run takes from its style and the styles that this is based on."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .xml import VAL, W, has, integer, is_on, number, value

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MAX_BASES = 50
"""Styles in a chain; Word has at most 11, and a damaged file a circle."""
# The names of built-in styles are English in every Word; without styles, the identifier is all there is.
_HEADING = re.compile(r"heading ?([1-9])\Z", re.IGNORECASE)
_HEADING_ID = re.compile(
    r"(?:heading|überschrift|berschrift|titre|título|ttulo|titolo|kop|rubrik|overskrift|otsikko|nagłówek|nagwek|nadpis)"
    r"[ _]?([1-9])\Z",
    re.IGNORECASE,
)
_BODY = 9
"""The outline level of text that is no heading."""
_TOGGLED = ("vanish", "strike")
_WHITE = ("background1", "light1")
_HIGHLIGHTS = {
    "black": "000000",
    "blue": "0000FF",
    "cyan": "00FFFF",
    "darkGray": "808080",
    "green": "00FF00",
    "lightGray": "C0C0C0",
    "magenta": "FF00FF",
    "red": "FF0000",
    "white": "FFFFFF",
    "yellow": "FFFF00",
}
_PROPERTIES = {
    W + name: name
    for name in (
        "b", "i", "strike", "dstrike", "vanish", "specVanish", "vertAlign", "color", "sz", "shd", "highlight", "rFonts",
        "rStyle", "ins", "del", "moveFrom", "moveTo",
    )
}  # fmt: skip
_SYMBOLIC = ("symbol", "wingdings", "webdings", "marlett")


class RunProperties(NamedTuple):
    """What of a run's formatting means something to a reader."""

    bold: bool = False
    italic: bool = False
    strike: bool = False
    vanish: bool = False
    script: str = ""
    """ "superscript" or "subscript"."""
    colour: str = ""
    """Six hexadecimal digits; empty for the colour that stands out from the page."""
    size: int = 22
    """In half points."""
    shaded: bool = False
    fill: str = ""
    """The colour behind the letters, if the run says it; six hexadecimal digits."""
    font: str = ""
    """Only if it is a font of symbols."""
    change: str = ""
    """The element of a tracked change among the properties, which is how some programs mark a run: "ins"."""


@dataclass
class ParagraphStyle:
    """What a paragraph takes from its style."""

    chain: tuple[str, ...] = ()
    """The identifiers of the style and of those that it is based on, in that order."""
    name: str = ""
    outline: int = _BODY
    """From 0; 9 for text that is no heading."""
    list: str | None = None
    list_level: int | None = None
    listed_at: str = ""
    """The identifier of the style that names the list."""
    page_break: bool = False
    shaded: bool = False
    run: dict[str, object] = field(default_factory=dict)
    plain_run: RunProperties | None = None
    """The properties of a run that has none of its own."""

    @property
    def is_title(self) -> bool:
        return self.name.lower() == "title"

    @property
    def is_contents(self) -> bool:
        """An entry of a table of contents, or of figures."""
        name = self.name.lower()
        return (name.startswith("toc ") and name[4:].isdigit()) or name == "table of figures"


class Styles:
    """The styles of a document.

    Args:
        root: w:styles; None for a document without this part.
    """

    def __init__(self, root: "_Element | None"):
        self._styles: dict[str, _Element] = {}
        self._default = ""
        self._paragraphs: dict[str, ParagraphStyle] = {}
        self._characters: dict[str, dict[str, object]] = {}
        self._tables: dict[str, bool] = {}
        defaults = root.find(f"{W}docDefaults/{W}rPrDefault/{W}rPr") if root is not None else None
        self._defaults = overlay(defaults)
        self.language = value(defaults, "lang", "en")
        for style in root.iterchildren(f"{W}style") if root is not None else ():
            identity = style.get(f"{W}styleId", "")
            self._styles.setdefault(identity, style)
            if style.get(f"{W}type") == "paragraph" and style.get(f"{W}default", "0") in ("1", "true", "on"):
                self._default = identity

    def paragraph(self, identity: str) -> ParagraphStyle:
        """The style of a paragraph; the default one for "" or an unknown identifier."""
        found = self._paragraphs.get(identity)
        if found is None:
            found = self._paragraphs[identity] = self._resolved(identity)
        return found

    def numbering_list(self, identity: str) -> str:
        """The list that a style of the kind "numbering" names."""
        style = self._styles.get(identity)
        properties = style.find(f"{W}pPr/{W}numPr") if style is not None else None
        return value(properties, "numId")

    def is_placeholder(self, identity: str) -> bool:
        """Whether this is the character style of text that asks for a value."""
        style = self._styles.get(identity)
        name = value(style, "name") if style is not None else identity
        return name.lower().replace(" ", "") == "placeholdertext"

    def shades_tables(self, identity: str) -> bool:
        """Whether a table style gives any cell a background."""
        if identity not in self._tables:
            self._tables[identity] = any(
                is_shading(shading) for style in self._chain(identity) for shading in style.iter(f"{W}shd")
            )
        return self._tables[identity]

    def run(self, properties: "_Element | None", paragraph: ParagraphStyle) -> RunProperties:
        """The properties of a run: its own, those of its character style, and those of its paragraph's style."""
        base = paragraph.run
        if properties is None or not len(properties):
            if paragraph.plain_run is None:
                paragraph.plain_run = _as_properties(self._defaults, base)
            return paragraph.plain_run
        own = overlay(properties)
        identity = str(own.pop("style", ""))
        if not identity:
            return _as_properties(self._defaults, base, own)
        style = self._character(identity)
        # On in both styles is off (17.7.3).
        toggled: dict[str, object] = {key: style[key] != base.get(key, False) for key in _TOGGLED if key in style}
        return _as_properties(self._defaults, base, style, toggled, own)

    def _character(self, identity: str) -> dict[str, object]:
        if identity not in self._characters:
            merged: dict[str, object] = {}
            for style in reversed(self._chain(identity)):
                merged |= overlay(style.find(f"{W}rPr"))
            self._characters[identity] = {k: v for k, v in merged.items() if k not in ("style", "change")}
        return self._characters[identity]

    def _chain(self, identity: str) -> "list[_Element]":
        found: list[_Element] = []
        style = self._styles.get(identity)
        while style is not None and len(found) < _MAX_BASES and style not in found:
            found.append(style)
            style = self._styles.get(value(style, "basedOn"))
        return found

    def _resolved(self, identity: str) -> ParagraphStyle:
        styles = self._chain(identity) or self._chain(self._default)
        result = ParagraphStyle(chain=tuple(style.get(f"{W}styleId", "") for style in styles) or (identity,))
        result.name = value(styles[0], "name") if styles else identity
        outline: int | None = None
        for style in styles:
            properties = style.find(f"{W}pPr")
            list_properties = properties.find(f"{W}numPr") if properties is not None else None
            if list_properties is not None:
                if result.list is None and (named := value(list_properties, "numId")):
                    result.list, result.listed_at = named, style.get(f"{W}styleId", "")
                if result.list_level is None:
                    result.list_level = number(list_properties, "ilvl")
            if outline is None:
                heading = _HEADING.match(value(style, "name"))
                outline = number(properties, "outlineLvl")
                if outline is None and heading:
                    outline = int(heading[1]) - 1
        for style in reversed(styles):
            properties = style.find(f"{W}pPr")
            if properties is not None:
                broken, shading = properties.find(f"{W}pageBreakBefore"), properties.find(f"{W}shd")
                result.page_break = is_on(broken) if broken is not None else result.page_break
                result.shaded = is_shading(shading) if shading is not None else result.shaded
            # Bold headings are headings already.
            inherited = overlay(style.find(f"{W}rPr"))
            result.run |= {k: v for k, v in inherited.items() if k not in ("bold", "italic", "style", "change")}
        if identity and identity not in self._styles:
            heading = _HEADING_ID.match(identity)
            outline = int(heading[1]) - 1 if heading else outline
            result.name = identity if identity.lower() == "title" else result.name
        result.outline = _BODY if outline is None or not 0 <= outline <= _BODY else outline
        return result


def overlay(properties: "_Element | None") -> dict[str, object]:
    """Those of a run's properties that are set here, by the names of `RunProperties`."""
    found: dict[str, object] = {}
    for child in properties if properties is not None else ():
        tag = child.tag
        match _PROPERTIES.get(tag):
            case None:
                continue
            case "b":
                found["bold"] = is_on(child)
            case "i":
                found["italic"] = is_on(child)
            case "strike" | "dstrike":
                found["strike"] = is_on(child) or bool(found.get("strike"))
            case "vanish" | "specVanish":
                found["vanish"] = is_on(child) or bool(found.get("vanish"))
            case "vertAlign":
                script = child.get(VAL, "")
                found["script"] = script if script in ("superscript", "subscript") else ""
            case "color":
                colour = child.get(VAL, "").upper()
                if not colour and child.get(f"{W}themeColor") in _WHITE and child.get(f"{W}themeShade") is None:
                    colour = "FFFFFF"
                found["colour"] = "" if colour == "AUTO" else colour
            case "sz":
                size = integer(child.get(VAL))
                if size is not None:
                    found["size"] = size
            case "shd":
                found["shaded"] = is_shading(child)
                found["fill"] = child.get(f"{W}fill", "").upper()
            case "highlight":
                found["fill"] = _HIGHLIGHTS.get(child.get(VAL, ""), "")
                found["shaded"] = child.get(VAL, "none") not in ("none", "white") or bool(found.get("shaded"))
            case "rFonts":
                name = child.get(f"{W}ascii") or child.get(f"{W}hAnsi") or ""
                if name:
                    found["font"] = name if name.lower().startswith(_SYMBOLIC) else ""
            case "rStyle":
                found["style"] = child.get(VAL, "")
            case change:
                found["change"] = change
    return found


def is_shading(element: "_Element") -> bool:
    """Whether w:shd gives a background other than white."""
    pattern = element.get(VAL, "clear")
    if pattern == "nil":
        return False
    if element.get(f"{W}themeFill"):
        return not element.get(f"{W}themeFill", "").startswith(_WHITE)
    if pattern == "solid":
        return element.get(f"{W}color", "auto").upper() != "FFFFFF"
    return pattern != "clear" or element.get(f"{W}fill", "auto").upper() not in ("AUTO", "FFFFFF")


def mark_vanishes(properties: "_Element | None") -> bool:
    """Whether the mark at the end of a paragraph is hidden, so that nothing of the paragraph is left if its text is.

    A style separator (w:specVanish) hides the mark only to put two styles on one line.
    """
    return has(properties, "vanish") and not has(properties, "specVanish")


def _as_properties(*overlays: dict[str, object]) -> RunProperties:
    merged: dict[str, object] = {}
    for one in overlays:
        merged |= one
    return RunProperties(**merged)  # type: ignore[arg-type]  # `overlay` names its fields
