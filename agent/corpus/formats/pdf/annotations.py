"""Comments and links of a PDF page, read from its annotations (ISO 32000-1, 12.5)."""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import markup

if TYPE_CHECKING:
    import pymupdf

_DRAWN = frozenset(("FreeText", "Stamp", "Text", "Caret"))
"""Annotations that MuPDF draws in a form of its own where the file has none."""
_ON_TEXT = frozenset(("Highlight", "Underline", "Squiggly", "StrikeOut"))
_MEDIA = {"Sound": "sound", "Movie": "video", "Screen": "video", "RichMedia": "media", "3D": "3D model"}
_SILENT = frozenset(("Link", "Widget", "Popup", "FileAttachment", "Watermark", "PrinterMark", "TrapNet"))
_HIDDEN = 2 | 32
_ABSOLUTE = re.compile(r"(?:https?://|mailto:)\S", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:https?://|mailto:)(?:www\.)?", re.IGNORECASE)
_TAG = re.compile(r"<[^>]*>")
_BREAK = re.compile(r"</p>|<br ?/?>", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\s*[\r\n]\s*")
_MOST = 1000
"""Annotations of a page that are read."""
_QUOTED = 300
"""Characters of commented text that are repeated with the comment."""


class Annotation(NamedTuple):
    kind: str
    xref: int
    contents: str
    author: str
    box: tuple[float, float, float, float]
    """As the text of the page has it, in points."""
    quads: tuple[float, ...]
    uri: str
    reply_to: int
    flags: int
    drawn: bool
    """The file has an appearance of it."""
    file: str = ""


def annotations_of(document: "pymupdf.Document", index: int) -> list[Annotation]:
    """The annotations of a page but fields of forms, without loading the page, which would change them."""
    from pymupdf import mupdf

    page = mupdf.pdf_lookup_page_obj(mupdf.pdf_document_from_fz_document(document.this), index)
    listed = mupdf.pdf_dict_gets(page, "Annots")
    found: list[Annotation] = []
    for number in range(min(mupdf.pdf_array_len(listed), _MOST)):
        item = mupdf.pdf_array_get(listed, number)
        kind = mupdf.pdf_to_name(mupdf.pdf_dict_gets(item, "Subtype"))
        if kind in ("Widget", "Popup", ""):
            continue
        uri = mupdf.pdf_to_text_string(mupdf.pdf_dict_getp(item, "A/URI"))
        if kind == "Link" and not _ABSOLUTE.match(uri):
            continue
        box = mupdf.pdf_to_rect(mupdf.pdf_dict_gets(item, "Rect"))
        corners = mupdf.pdf_dict_gets(item, "QuadPoints")
        found.append(
            Annotation(
                kind,
                mupdf.pdf_to_num(item),
                _contents(item),
                " ".join(mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(item, "T")).split()),
                (box.x0, box.y0, box.x1, box.y1),
                tuple(
                    mupdf.pdf_to_real(mupdf.pdf_array_get(corners, i))
                    for i in range(min(mupdf.pdf_array_len(corners), 8 * _MOST))
                ),
                uri,
                mupdf.pdf_to_num(mupdf.pdf_dict_gets(item, "IRT")),
                mupdf.pdf_to_int(mupdf.pdf_dict_gets(item, "F")),
                bool(mupdf.pdf_dict_getp(item, "AP/N").m_internal),
                _file_name(item) if kind == "FileAttachment" else "",
            )
        )
    return found


def _contents(item: Any) -> str:
    from pymupdf import mupdf

    plain = mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(item, "Contents")).strip()
    if plain:
        return _LINE_ENDS.sub("\n", plain)
    rich = mupdf.pdf_dict_gets(item, "RC")
    if mupdf.pdf_is_stream(rich):
        return ""
    import html

    return html.unescape(_TAG.sub("", _BREAK.sub("\n", mupdf.pdf_to_text_string(rich)))).strip()


def _file_name(item: Any) -> str:
    from pymupdf import mupdf

    for key in ("FS/UF", "FS/F"):
        if name := mupdf.pdf_to_text_string(mupdf.pdf_dict_getp(item, key)):
            return name
    return mupdf.pdf_to_text_string(mupdf.pdf_dict_gets(item, "FS")) or "without a name"


def attached_bytes(document: "pymupdf.Document", annotation: Annotation) -> bytes:
    """The file that is attached at a place of a page; empty if it cannot be read."""
    for key in ("FS/EF/F", "FS/EF/UF"):
        kind, value = document.xref_get_key(annotation.xref, key)
        if kind == "xref":
            return document.xref_stream(int(value.split()[0])) or b""
    return b""


def leave_to_comments(document: "pymupdf.Document", annotations: list[Annotation]) -> None:
    """Keep what MuPDF would draw of its own out of the page's text: it is among the comments."""
    for annotation in annotations:
        if annotation.kind in _DRAWN and not annotation.drawn and annotation.xref:
            document.xref_set_key(annotation.xref, "F", str(annotation.flags | 2))


def comments(page: "pymupdf.Page", annotations: list[Annotation], *, hidden: bool = False) -> list[str]:
    """The comments on a page as lines; those that are not shown if `hidden`."""
    authors = {annotation.xref: annotation.author for annotation in annotations if annotation.xref}
    lines: list[str] = []
    for annotation in annotations:
        if annotation.kind in _SILENT or bool(annotation.flags & _HIDDEN) != hidden:
            continue
        if annotation.kind in _MEDIA:
            lines.append(markup.named(_MEDIA[annotation.kind], annotation.contents))
            continue
        if annotation.kind in ("FreeText", "Stamp") and annotation.drawn:
            continue  # in the text
        text, author = annotation.contents, annotation.author
        if annotation.kind in _ON_TEXT:
            quoted = _text_under(page, annotation)
            if annotation.kind == "StrikeOut" and not text:
                text = "struck out"
            text = f"“{quoted}”: {text}" if quoted and text else text
        if annotation.reply_to in authors and text:
            author = f"{author or 'someone'} in reply to {authors[annotation.reply_to] or 'this'}"
        if text:
            lines.append(markup.comment(text, author))
    return lines


def _text_under(page: "pymupdf.Page", annotation: Annotation) -> str:
    import pymupdf

    points = annotation.quads
    parts: list[str] = []
    for at in range(0, len(points) - 7, 8):
        xs, ys = points[at : at + 8 : 2], points[at + 1 : at + 8 : 2]
        box = _on_page(page, (min(xs), min(ys), max(xs), max(ys)))
        words: Any = page.get_text("words", clip=pymupdf.Rect(box))
        parts += [word[4] for word in words if box[1] <= (word[1] + word[3]) / 2 <= box[3]]
    text = " ".join(parts)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def with_links(page: "pymupdf.Page", text: str, annotations: list[Annotation]) -> str:
    """The text with the targets of links to the web and to mail addresses, as `[text](address)`."""
    closed = "".join(text.split())
    links = [one for one in annotations if one.kind == "Link" and not one.flags & _HIDDEN]
    if all(_core(link.uri) in closed for link in links):
        return text
    words: Any = page.get_text("words", flags=0)
    anchors: list[tuple[str, list[int]]] = []
    for link in links:
        x0, y0, x1, y1 = _on_page(page, link.box)
        inside = [
            number
            for number, word in enumerate(words)
            if x0 - 1 <= (word[0] + word[2]) / 2 <= x1 + 1 and y0 - 1 <= (word[1] + word[3]) / 2 <= y1 + 1
        ]
        if anchors and anchors[-1][0] == link.uri and inside and anchors[-1][1]:
            anchors[-1][1].extend(inside)  # a link over several lines
        else:
            anchors.append((link.uri, inside))
    edits: list[tuple[int, int, str]] = []
    missing: list[str] = []
    for uri, inside in anchors:
        shown = " ".join(words[number][4] for number in inside).rstrip(".,;:!?")
        if _core(uri) in _core(shown):
            continue
        place = _find(text, shown, [word[4] for word in words[: inside[0]]]) if inside else None
        if place and all(place[1] <= start or place[0] >= end for start, end, _ in edits):
            edits.append((*place, uri))
        elif _core(uri) not in closed:
            missing.append(f"[{shown}]({uri})" if shown else uri)
    for start, end, uri in sorted(edits, reverse=True):
        text = f"{text[:start]}[{text[start:end]}]({uri}){text[end:]}"
    return "\n".join(part for part in (text, *dict.fromkeys(missing)) if part)


def _find(text: str, shown: str, before: list[str]) -> tuple[int, int] | None:
    """Where the words of a link are in the text: the same occurrence as in the order of drawing."""
    pattern = re.compile(r"\s+".join(map(re.escape, shown.split())))
    occurrences = [match.span() for match in pattern.finditer(text)]
    if not occurrences:
        return None
    number = len(pattern.findall(" ".join(before)))
    return occurrences[min(number, len(occurrences) - 1)]


def _core(address: str) -> str:
    return _SCHEME.sub("", "".join(address.split())).rstrip("/.")


def _on_page(page: "pymupdf.Page", box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box in the units of the file in those of the page's text."""
    import pymupdf

    x0, y0, x1, y1 = (pymupdf.Rect(box) * page.transformation_matrix).normalize()
    if page.rotation:
        x0, y0, x1, y1 = (pymupdf.Rect(x0, y0, x1, y1) * page.derotation_matrix).normalize()
    return x0, y0, x1, y1
