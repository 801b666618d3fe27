"""Fields of PDF forms (AcroForm): their names and values, written where they are on the page.

A field's appearance is replaced by one character that no other text has, before the text of the page is extracted; then
the character by the field. So a value stands beside its label, in any script, and a tick is not the 3 or 4 of a font of
symbols.
"""

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import markup

if TYPE_CHECKING:
    import pymupdf

_FIRST = 0xF0000
"""In a private use plane of Unicode that fonts of symbols do not use."""
_MOST = 1000
"""Fields of a page that are written in their places; the others follow the text."""
_MARK = re.compile(f"[{chr(_FIRST + 1)}-{chr(_FIRST + _MOST)}]")
_CMAP = (
    b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Marks def /CMapType 2 def "
    b"1 begincodespacerange <0000> <FFFF> endcodespacerange "
    b"1 beginbfrange <0001> <03FE> <DB80DC01> endbfrange endcmap end end"
)

_HIDDEN = 2 | 32
"""Flags of annotations that are not shown (ISO 32000-1, 12.5.3)."""
_PASSWORD = 1 << 13
_NOT_WORD = re.compile(r"[\W_]+")
_INDEX = re.compile(r"\[\d+\]")


class Field(NamedTuple):
    """A field of a form as text."""

    name: str
    text: str
    """Its value, tick or state."""
    ticked: bool | None = None
    """For check boxes and radio buttons."""

    def written(self, before: str = "") -> str:
        """The field with its name, unless the text before it ends with that."""
        if self.ticked is not None:
            return f"{markup.check_box(self.ticked)} {self.name}".rstrip()
        if not self.text:
            return markup.named("empty field", self.name)
        return self.text if not self.name or _ends_with(before, self.name) else f"{self.name}: {self.text}"


class PageFields:
    """The fields of a page."""

    def __init__(self, page: "pymupdf.Page"):
        self.page = page
        self.hidden: list[Field] = []
        self._placed: list[Field] = []
        self._following: list[str] = []
        """What is not written in its place."""

    def place(self) -> "pymupdf.Page":
        """Mark the places of the fields; returns the page to extract the text from."""
        document: Any = self.page.parent
        font = 0
        widgets: list[Any] = list(self.page.widgets())
        for widget in widgets:
            field = field_of(widget)
            if field is None:
                continue
            flags = _flags(document, widget.xref)
            if flags & _HIDDEN:
                if field.text or field.ticked:
                    self.hidden.append(field)
                continue
            if _is_signature(widget) and field.text != _UNSIGNED:
                self._following.append(markup.named("signature", f"{field.name}, {field.text}"))  # it is drawn, too
                continue
            if len(self._placed) == _MOST or widget.rect.is_empty:
                self._following.append(field.written())
                continue
            font = font or _font(document)
            self._placed.append(field)
            _mark(document, widget, font, len(self._placed))
        if font:
            self.page = document.reload_page(self.page)
        return self.page

    def written(self, text: str) -> str:
        """The text of the page with the fields in place of their marks."""
        text = _beside_labels(text, self.page, self._ticks()) if self._placed else text
        parts: list[str] = []
        seen: set[int] = set()
        done = 0
        for match in _MARK.finditer(text):
            number = ord(match[0]) - _FIRST
            parts.append(text[done : match.start()])
            done = match.end()
            if number <= len(self._placed) and number not in seen:
                seen.add(number)
                line = "".join(parts[-3:])[-200:].rpartition("\n")
                before = line[2] if line[2].strip() else line[0].rpartition("\n")[2]
                parts.append(self._placed[number - 1].written(before))
        parts.append(text[done:])
        lost = [field.written() for number, field in enumerate(self._placed, 1) if number not in seen]
        return "\n".join(part for part in ("".join(parts), *lost, *self._following) if part)

    def _ticks(self) -> frozenset[str]:
        return frozenset(chr(_FIRST + i) for i, field in enumerate(self._placed, 1) if field.ticked is not None)


_UNSIGNED = "not signed"


def field_of(widget: Any) -> Field | None:
    """A field with its value; None for buttons that only do something."""

    kind = widget.field_type_string
    name = _name(widget)
    value = widget.field_value
    if kind == "Button":
        return None
    if kind in ("CheckBox", "RadioButton"):
        on = widget.on_state()
        state = _key(widget, "AS").removeprefix("/")
        ticked = state not in ("", "Off", "null") if state else value not in ("Off", "", None, False)
        option = str(on) if kind == "RadioButton" and on and on is not True else ""
        return Field(f"{name}: {_unescaped(option)}" if option else name, "", bool(ticked))
    if kind == "Signature":
        return Field(name, _signature(widget))
    if kind in ("ComboBox", "ListBox"):
        chosen = value if isinstance(value, list | tuple) else [value]
        texts = [_shown_choice(str(one), widget.choice_values) for one in chosen if one]
        return Field(name, ", ".join(texts))
    text = str(value or "")
    if text and widget.field_flags & _PASSWORD:
        text = "*" * len(text)
    return Field(name, text.replace("\r\n", "\n").replace("\r", "\n").strip())


def _shown_choice(value: str, choices: Any) -> str:
    """What a list shows for a value, with the value itself where that says more than a number."""
    for choice in choices or ():
        if isinstance(choice, list | tuple) and len(choice) == 2 and str(choice[0]) == value:
            return str(choice[1])
    return value


def _name(widget: Any) -> str:
    """The name that a reader sees as a hint, or the last part of the field's own."""
    label = " ".join(str(widget.field_label or "").split())
    return label or _INDEX.sub("", str(widget.field_name or "")).rpartition(".")[2].strip()


def _is_signature(widget: Any) -> bool:

    return widget.field_type_string == "Signature"


def _signature(widget: Any) -> str:
    document = widget.parent.parent
    kind, value = document.xref_get_key(widget.xref, "V")
    if kind == "null":
        kind, value = document.xref_get_key(widget.xref, "Parent/V")
    if kind == "null":
        return _UNSIGNED
    signer = document.xref_get_key(int(value.split()[0]), "Name") if kind == "xref" else ("null", "")
    return f"signed by {signer[1]}" if signer[0] == "string" and signer[1] else "signed"


def _key(widget: Any, key: str) -> str:
    kind, value = widget.parent.parent.xref_get_key(widget.xref, key)
    return value if kind == "name" else ""


def _flags(document: "pymupdf.Document", xref: int) -> int:
    kind, value = document.xref_get_key(xref, "F")
    return int(value) if kind == "int" else 0


def _unescaped(name: str) -> str:
    return re.sub("#([0-9a-fA-F]{2})", lambda match: chr(int(match[1], 16)), name)


def _ends_with(before: str, name: str) -> bool:
    wanted = _NOT_WORD.sub("", name).casefold()
    return bool(wanted) and _NOT_WORD.sub("", before).casefold().endswith(wanted)


def _beside_labels(text: str, page: "pymupdf.Page", ticks: frozenset[str]) -> str:
    """The text with marks that are on lines of their own put beside the labels of their fields.

    A label is to the left, or, of a box to tick, close to the right.
    """
    raw: Any = page.get_text("dict", flags=0)
    lines = [line for block in raw["blocks"] for line in block.get("lines", ())]
    texts = [("".join(span["text"] for span in line["spans"]).strip(), line["bbox"]) for line in lines]
    labels = [(words, box) for words, box in texts if words and not _MARK.search(words)]
    counts: Counter[str] = Counter()
    numbered: list[tuple[str, Any, int]] = []
    """Labels from top to bottom, with the number of those before that read the same."""
    for words, box in sorted(labels, key=lambda label: (label[1][1], label[1][0])):
        numbered.append((words, box, counts[words]))
        counts[words] += 1
    found: dict[tuple[str, int, bool], str] = {}
    moved: set[str] = set()
    for mark, box in texts:
        if len(mark) != 1 or not _MARK.match(mark):
            continue
        middle = (box[1] + box[3]) / 2
        row = [label for label in numbered if label[1][1] <= middle <= label[1][3]]
        gaps = [(box[0] - at[2], words, number, False) for words, at, number in row if at[2] <= box[0] + 3]
        if mark in ticks:
            close = [(at[0] - box[2], words, number, True) for words, at, number in row if at[0] >= box[2] - 3]
            gaps = [gap for gap in close if gap[0] < _CLOSE] or gaps
        if gaps and (best := min(gaps))[0] < _FAR:
            key = best[1:]
            found[key] = found.get(key, "") + mark
            moved.add(mark)
    rows = text.split("\n")
    alone = {mark for row in rows if not _MARK.sub("", row).strip() for mark in row.split()} & moved
    rows = [row for row in rows if row.strip() or not row]
    at_rows = Counter[str]()
    for i, row in enumerate(rows):
        if not _MARK.sub("", row).strip():
            rows[i] = " ".join(mark for mark in row.split() if mark not in alone)
            continue
        for words in sorted({words for words, _, _ in found if words in row}, key=len, reverse=True):
            number = at_rows[words]
            at_rows[words] += 1
            before = "".join(mark + " " for mark in found.pop((words, number, True), "") if mark in alone)
            after = "".join(" " + mark for mark in found.pop((words, number, False), "") if mark in alone)
            row = row.replace(words, f"{before}{words}{after}", 1)
        rows[i] = row
    left = "".join(mark for marks in found.values() for mark in marks if mark in alone)
    return "\n".join([*(row for row in rows if row), *left])


_CLOSE = 30.0
"""Distance in points between a box to tick and the label on its right, at most."""
_FAR = 150.0
"""Distance in points between a label and its field, at most."""


def _font(document: "pymupdf.Document") -> int:
    """A font whose characters are the marks."""
    kept = vars(document)
    if "longread_marks" not in kept:
        descriptor, descendant, font, cmap = (document.get_new_xref() for _ in range(4))
        document.update_object(cmap, "<<>>")
        document.update_stream(cmap, _CMAP)
        document.update_object(
            descriptor,
            "<</Type/FontDescriptor/FontName/Marks/Flags 4/FontBBox[0 0 1000 1000]/ItalicAngle 0/Ascent 800"
            "/Descent -200/CapHeight 700/StemV 80>>",
        )
        document.update_object(
            descendant,
            "<</Type/Font/Subtype/CIDFontType2/BaseFont/Marks/CIDSystemInfo"
            f"<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/DW 500/FontDescriptor {descriptor} 0 R>>",
        )
        document.update_object(
            font,
            "<</Type/Font/Subtype/Type0/BaseFont/Marks/Encoding/Identity-H"
            f"/DescendantFonts[{descendant} 0 R]/ToUnicode {cmap} 0 R>>",
        )
        # MuPDF makes the appearance of fields anew where this is true.
        if document.xref_get_key(document.pdf_catalog(), "AcroForm")[0] == "xref":
            form = int(document.xref_get_key(document.pdf_catalog(), "AcroForm")[1].split()[0])
            document.xref_set_key(form, "NeedAppearances", "false")
        elif document.xref_get_key(document.pdf_catalog(), "AcroForm")[0] == "dict":
            document.xref_set_key(document.pdf_catalog(), "AcroForm/NeedAppearances", "false")
        kept["longread_marks"] = font
    return kept["longread_marks"]


def _mark(document: "pymupdf.Document", widget: Any, font: int, number: int) -> None:
    """Replace the appearance of a field by its mark."""
    x0, y0, x1, y1 = widget.rect
    width, height = x1 - x0, y1 - y0
    turned = document.xref_get_key(widget.xref, "MK/R")[1]
    matrix = {"90": "0 1 -1 0 0 0", "180": "-1 0 0 -1 0 0", "270": "0 -1 1 0 0 0"}.get(turned, "1 0 0 1 0 0")
    if turned in ("90", "270"):
        width, height = height, width
    size = min(max(0.7 * height, 4.0), 10.0)
    base = height - size if height > 3 * size else (height - size) / 2 + 0.2 * size
    appearance = document.get_new_xref()
    document.update_object(
        appearance,
        f"<</Type/XObject/Subtype/Form/BBox[0 0 {width:.2f} {height:.2f}]/Matrix[{matrix}]"
        f"/Resources<</Font<</F {font} 0 R>>>>>>",
    )
    document.update_stream(appearance, b"BT /F %.1f Tf 1 %.2f Td <%04X> Tj ET" % (size, base, number))
    document.xref_set_key(widget.xref, "AP", f"<</N {appearance} 0 R>>")
