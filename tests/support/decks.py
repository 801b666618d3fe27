"""Presentations written part by part, as programs other than python-pptx write them."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO

P = "http://schemas.openxmlformats.org/presentationml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
C = "http://schemas.openxmlformats.org/drawingml/2006/chart"
NAMESPACES = (
    f'xmlns:p="{P}" xmlns:a="{A}" xmlns:r="{REL}" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:a14="http://schemas.microsoft.com/office/drawing/2010/main" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
)
INCH = 914_400
_STRICT = (
    ("http://schemas.openxmlformats.org/officeDocument/2006/", "http://purl.oclc.org/ooxml/officeDocument/"),
    ("http://schemas.openxmlformats.org/drawingml/2006/", "http://purl.oclc.org/ooxml/drawingml/"),
    ("http://schemas.openxmlformats.org/presentationml/2006/", "http://purl.oclc.org/ooxml/presentationml/"),
)
_THEME = (
    f'<a:theme xmlns:a="{A}"><a:themeElements><a:clrScheme name="x">'
    '<a:dk1><a:sysClr val="windowText" lastClr="000000"/></a:dk1>'
    '<a:lt1><a:sysClr val="window" lastClr="FFFFFF"/></a:lt1>'
    '<a:dk2><a:srgbClr val="1F497D"/></a:dk2><a:lt2><a:srgbClr val="EEECE1"/></a:lt2>'
    '<a:accent1><a:srgbClr val="4F81BD"/></a:accent1></a:clrScheme></a:themeElements></a:theme>'
)
_STYLES = (
    "<p:txStyles><p:titleStyle><a:lvl1pPr><a:buNone/></a:lvl1pPr></p:titleStyle><p:bodyStyle>"
    '<a:lvl1pPr><a:buChar char="•"/></a:lvl1pPr><a:lvl2pPr><a:buChar char="–"/></a:lvl2pPr></p:bodyStyle></p:txStyles>'
)
_MAP = '<p:clrMap bg1="lt1" tx1="dk1" bg2="lt2" tx2="dk2" accent1="accent1"/>'


def paragraph(text: str = "", properties: str = "", runs: str = "") -> str:
    """An a:p with `text`, or with the XML of `runs`."""
    return f"<a:p>{properties}{runs or f'<a:r><a:t>{text}</a:t></a:r>'}</a:p>"


def placed(left: float, top: float, width: float, height: float, attributes: str = "") -> str:
    """An a:xfrm. Lengths are in inches."""
    x, y, cx, cy = (round(length * INCH) for length in (left, top, width, height))
    return f'<a:xfrm {attributes}><a:off x="{x}" y="{y}"/><a:ext cx="{cx}" cy="{cy}"/></a:xfrm>'


def box(
    text: str,
    left: float = 1,
    top: float = 1,
    width: float = 2,
    height: float = 0.5,
    *,
    paragraphs: str = "",
    ph: str = "",
    names: str = "",
    fill: str = "",
    inner: str = "",
    turn: str = "",
) -> str:
    """A text box or, with `ph`, a placeholder that is where its layout puts it."""
    xfrm = "" if ph else placed(left, top, width, height, turn)
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="9" name="Box" {names}>{inner}</p:cNvPr><p:cNvSpPr/><p:nvPr>{ph}</p:nvPr>'
        f"</p:nvSpPr><p:spPr>{xfrm}{fill}</p:spPr>"
        f"<p:txBody><a:bodyPr/><a:lstStyle/>{paragraphs or paragraph(text)}</p:txBody></p:sp>"
    )


def frame(kind: str, content: str, name: str = "Frame", top: float = 3) -> str:
    """A p:graphicFrame. `kind` is the last part of the address of its content's kind."""
    uri = f"http://schemas.openxmlformats.org/drawingml/2006/{kind}"
    xfrm = placed(1, top, 4, 2).replace("a:xfrm", "p:xfrm")
    return (
        f'<p:graphicFrame><p:nvGraphicFramePr><p:cNvPr id="8" name="{name}"/><p:cNvGraphicFramePr/><p:nvPr/>'
        f'</p:nvGraphicFramePr>{xfrm}<a:graphic><a:graphicData uri="{uri}">{content}</a:graphicData></a:graphic>'
        "</p:graphicFrame>"
    )


def chart_frame(identity: str, name: str = "Chart") -> str:
    return frame("chart", f'<c:chart xmlns:c="{C}" r:id="{identity}"/>', name)


@dataclass
class Slide:
    shapes: str
    attributes: str = ""
    background: str = ""
    """The XML of a p:bg."""
    related: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Relationship id to (kind, target): ("chart", "../charts/chart1.xml")."""
    tail: str = ""


def deck(
    slides: Sequence[Slide | str],
    parts: Mapping[str, str | bytes] | None = None,
    *,
    layout: str = "",
    master: str = "",
    presentation: str = "",
    related: Mapping[str, tuple[str, str]] | None = None,
    strict: bool = False,
) -> bytes:
    """A presentation of 10 by 7.5 inches.

    Args:
        parts: other parts, by name.
        layout, master: the shapes of the one layout and its master.
        presentation: what follows the list of slides.
        related: relationships of the presentation.
    """
    all_slides = [Slide(slide) if isinstance(slide, str) else slide for slide in slides]
    ids = "".join(f'<p:sldId id="{256 + at}" r:id="s{at}"/>' for at in range(len(all_slides)))
    files: dict[str, str | bytes] = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>',
        "_rels/.rels": _relationships({"r1": ("officeDocument", "ppt/presentation.xml")}),
        "ppt/presentation.xml": (
            f"<p:presentation {NAMESPACES}><p:sldIdLst>{ids}</p:sldIdLst>"
            f'<p:sldSz cx="{10 * INCH}" cy="{7.5 * INCH:.0f}"/>'
            f"{presentation}</p:presentation>"
        ),
        "ppt/_rels/presentation.xml.rels": _relationships(
            {f"s{at}": ("slide", f"slides/slide{at + 1}.xml") for at in range(len(all_slides))} | dict(related or {})
        ),
        "ppt/slideLayouts/slideLayout1.xml": f"<p:sldLayout {NAMESPACES}>{_tree(layout, '')}</p:sldLayout>",
        "ppt/slideLayouts/_rels/slideLayout1.xml.rels": _relationships(
            {"r1": ("slideMaster", "../slideMasters/slideMaster1.xml")}
        ),
        "ppt/slideMasters/slideMaster1.xml": (
            f"<p:sldMaster {NAMESPACES}>{_tree(master, '')}{_MAP}{_STYLES}</p:sldMaster>"
        ),
        "ppt/slideMasters/_rels/slideMaster1.xml.rels": _relationships({"r1": ("theme", "../theme/theme1.xml")}),
        "ppt/theme/theme1.xml": _THEME,
    }
    for at, slide in enumerate(all_slides, start=1):
        tree = _tree(slide.shapes, slide.background)
        files[f"ppt/slides/slide{at}.xml"] = f"<p:sld {NAMESPACES} {slide.attributes}>{tree}{slide.tail}</p:sld>"
        files[f"ppt/slides/_rels/slide{at}.xml.rels"] = _relationships(
            {"layout": ("slideLayout", "../slideLayouts/slideLayout1.xml")} | dict(slide.related)
        )
    files |= parts or {}
    if strict:
        files = {name: _strict(part) if isinstance(part, str) else part for name, part in files.items()}
    return archive(files)


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A ZIP archive of these parts."""
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        for name, part in files.items():
            written.writestr(name, part)
    return stream.getvalue()


def _tree(shapes: str, background: str) -> str:
    return (
        f"<p:cSld>{background}<p:spTree><p:nvGrpSpPr><p:cNvPr id='1' name=''/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr>"
        f"<p:grpSpPr/>{shapes}</p:spTree></p:cSld>"
    )


def _relationships(related: Mapping[str, tuple[str, str]]) -> str:
    lines = ""
    for identity, (kind, target) in related.items():
        mode = ' TargetMode="External"' if "://" in target else ""
        lines += f'<Relationship Id="{identity}" Type="{REL}/{kind}" Target="{target}"{mode}/>'
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{lines}</Relationships>'
    )


def _strict(part: str) -> str:
    for transitional, strict in _STRICT:
        part = part.replace(transitional, strict)
    return part
