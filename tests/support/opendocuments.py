"""OpenDocument files written by hand, as archives and as flat XML."""

import zipfile
from collections.abc import Mapping
from io import BytesIO

_URN = "urn:oasis:names:tc:opendocument:xmlns:"
_NAMESPACES = {
    "office": f"{_URN}office:1.0",
    "style": f"{_URN}style:1.0",
    "text": f"{_URN}text:1.0",
    "table": f"{_URN}table:1.0",
    "draw": f"{_URN}drawing:1.0",
    "svg": f"{_URN}svg-compatible:1.0",
    "fo": f"{_URN}xsl-fo-compatible:1.0",
    "presentation": f"{_URN}presentation:1.0",
    "chart": f"{_URN}chart:1.0",
    "form": f"{_URN}form:1.0",
    "meta": f"{_URN}meta:1.0",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xlink": "http://www.w3.org/1999/xlink",
    "math": "http://www.w3.org/1998/Math/MathML",
    "loext": "urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0",
}
NAMESPACES = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _NAMESPACES.items())
_MASTER = (
    '<style:page-layout style:name="pm"><style:page-layout-properties fo:page-width="28cm" fo:page-height="21cm"/>'
    "</style:page-layout>"
)


def document(
    body: str,
    kind: str = "text",
    *,
    automatic: str = "",
    common: str = "",
    master: str = "",
    layouts: str = "",
    parts: Mapping[str, str | bytes] | None = None,
    flat: bool = False,
    mimetype: bool = True,
) -> bytes:
    """An OpenDocument file.

    Args:
        body: what is in office:text or office:presentation (`kind`).
        automatic: automatic styles of the content.
        common: styles of the document.
        master: master pages. "M" is there, with a page of 28 by 21 cm, if this is empty.
        layouts: automatic styles of the master pages.
        parts: other parts, by name.
    """
    content = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    master = master or '<style:master-page style:name="M" style:page-layout-name="pm"/>'
    styles = (
        f"<office:styles>{common}</office:styles><office:automatic-styles>{_MASTER}{layouts}</office:automatic-styles>"
        f"<office:master-styles>{master}</office:master-styles>"
    )
    own = f"<office:automatic-styles>{automatic}</office:automatic-styles>"
    meta = "<office:meta><dc:title>The title</dc:title><dc:creator>Ann</dc:creator></office:meta>"
    if flat:
        # One part holds all automatic styles.
        both = styles.replace("</office:automatic-styles>", f"{automatic}</office:automatic-styles>")
        return f"<?xml version='1.0'?><office:document {NAMESPACES}>{meta}{both}{content}</office:document>".encode()
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        if mimetype:
            archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        files: dict[str, str | bytes] = {
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{_URN}manifest:1.0"/>',
            "content.xml": f"<office:document-content {NAMESPACES}>{own}{content}</office:document-content>",
            "styles.xml": f"<office:document-styles {NAMESPACES}>{styles}</office:document-styles>",
            "meta.xml": f"<office:document-meta {NAMESPACES}>{meta}</office:document-meta>",
        }
        for name, part in (files | dict(parts or {})).items():
            archive.writestr(name, part)
    return stream.getvalue()


def style(name: str, properties: str, family: str = "text", attributes: str = "") -> str:
    return f'<style:style style:name="{name}" style:family="{family}" {attributes}>{properties}</style:style>'


def text_style(name: str, attributes: str, family: str = "text") -> str:
    return style(name, f"<style:text-properties {attributes}/>", family)


def list_style(name: str, *levels: str) -> str:
    """A list style. Each level is the attributes of a numbered one, or the character of a bullet."""
    inside = ""
    for at, level in enumerate(levels, start=1):
        kind, attributes = ("number", level) if "=" in level else ("bullet", f'text:bullet-char="{level}"')
        inside += f'<text:list-level-style-{kind} text:level="{at}" {attributes}/>'
    return f'<text:list-style style:name="{name}">{inside}</text:list-style>'


def p(text: str, style_name: str = "") -> str:
    return f'<text:p text:style-name="{style_name}">{text}</text:p>'


def h(text: str, level: int = 1, attributes: str = "") -> str:
    return f'<text:h text:outline-level="{level}" {attributes}>{text}</text:h>'


def ul(*items: str, style_name: str = "L", attributes: str = "") -> str:
    """A text:list. Items are XML; one that starts with "<" is not put into a paragraph."""
    inside = "".join(f"<text:list-item>{item if item.startswith('<') else p(item)}</text:list-item>" for item in items)
    return f'<text:list text:style-name="{style_name}" {attributes}>{inside}</text:list>'


def frame(content: str, x: float = 1, y: float = 1, attributes: str = "", width: float = 6, height: float = 1) -> str:
    """A draw:frame. Lengths are in centimetres."""
    place = f'svg:x="{x}cm" svg:y="{y}cm" svg:width="{width}cm" svg:height="{height}cm"'
    return f"<draw:frame {place} {attributes}>{content}</draw:frame>"


def text_box(text: str, x: float = 1, y: float = 1, attributes: str = "") -> str:
    return frame(f"<draw:text-box>{text if text.startswith('<') else p(text)}</draw:text-box>", x, y, attributes)


def slide(shapes: str, attributes: str = "") -> str:
    return f'<draw:page draw:name="page" draw:master-page-name="M" {attributes}>{shapes}</draw:page>'


def row(*cells: str) -> str:
    return f"<table:table-row>{''.join(cells)}</table:table-row>"


def cell(content: str, attributes: str = "") -> str:
    return f"<table:table-cell {attributes}>{p(content) if not content.startswith('<') else content}</table:table-cell>"


def note(kind: str, mark: str, content: str) -> str:
    return (
        f'<text:note text:note-class="{kind}"><text:note-citation>{mark}</text:note-citation>'
        f"<text:note-body>{p(content)}</text:note-body></text:note>"
    )
