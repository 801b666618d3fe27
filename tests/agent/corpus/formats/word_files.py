"""Word files as these tests write them: XML in a package."""

import io
import zipfile
from collections.abc import Mapping

from longread.agent.corpus.formats import OpenFile, ParseOptions
from longread.agent.corpus.formats.word import Word

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
NAMESPACES = " ".join(
    f'xmlns:{prefix}="{address}"'
    for prefix, address in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "r": _OFFICE,
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "pic": "http://schemas.openxmlformats.org/drawingml/2006/picture",
        "c": "http://schemas.openxmlformats.org/drawingml/2006/chart",
        "dgm": "http://schemas.openxmlformats.org/drawingml/2006/diagram",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "wp14": "http://schemas.microsoft.com/office/word/2010/wordprocessingDrawing",
        "w14": "http://schemas.microsoft.com/office/word/2010/wordml",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "adec": "http://schemas.microsoft.com/office/drawing/2017/decorative",
        "v": "urn:schemas-microsoft-com:vml",
        "o": "urn:schemas-microsoft-com:office:office",
    }.items()
)
_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_ROOTS = {"styles": "styles", "numbering": "numbering", "settings": "settings", "footnotes": "footnotes"}
_ROOTS |= {"endnotes": "endnotes", "comments": "comments"}


def docx(
    body: str,
    *,
    main: str = "word/document.xml",
    root: str = "document",
    relations: Mapping[str, tuple[str, str]] | None = None,
    files: Mapping[str, str | bytes] | None = None,
    media_type: str = _MAIN,
    strict: bool = False,
    before: str = "",
    **parts: str,
) -> bytes:
    """A Word file.

    Args:
        body: the content of w:body.
        relations: the identifiers of further relationships, with their kind and target ("http…" for an outer one).
        files: more parts of the package.
        before: what precedes w:body.
        parts: the contents of styles, numbering and so on; those of other parts start with the name of their root
            element: header1="hdr:<w:p/>".
    """
    links = {f"rId9{at}": (_kind(name), f"{name}.xml") for at, name in enumerate(parts)} | dict(relations or {})
    folder, _, name = main.rpartition("/")
    written: dict[str, str | bytes] = {
        "[Content_Types].xml": (
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f'<Override PartName="/{main}" ContentType="{media_type}"/></Types>'
        ),
        "_rels/.rels": _relationships({"rId1": ("officeDocument", main)}),
        main: f"<w:{root} {NAMESPACES}>{before}<w:body>{body}</w:body></w:{root}>",
        f"{folder}/_rels/{name}.rels": _relationships(links),
        **{f"{folder}/{part}.xml": _part(part, content) for part, content in parts.items()},
        **(files or {}),
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in written.items():
            data = content.encode() if isinstance(content, str) else content
            archive.writestr(path, _as_strict(data) if strict else data)
    return out.getvalue()


def read(data: bytes, **options: str) -> OpenFile:
    """The file as the format reads it."""
    return Word().open(data, ParseOptions(**options))  # type: ignore[arg-type]


def text(body: str, options: Mapping[str, str] | None = None, **parts: object) -> str:
    """The text of a file with this body, all pages together."""
    opened = read(docx(body, **parts), **(options or {}))  # type: ignore[arg-type]
    return "\n\f".join(opened.page(index).text for index in range(opened.pages))


def notes(opened: OpenFile) -> list[str]:
    return [note for index in range(opened.pages) for note in opened.page(index).notes]


def p(*content: str, style: str = "", properties: str = "") -> str:
    """A paragraph. What is no XML becomes a run."""
    named = f'<w:pStyle w:val="{style}"/>' if style else ""
    runs = "".join(one if one.startswith("<") else r(one) for one in content)
    return f"<w:p><w:pPr>{named}{properties}</w:pPr>{runs}</w:p>"


def r(characters: str, properties: str = "") -> str:
    """A run."""
    return f'<w:r><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{characters}</w:t></w:r>'


def listed(characters: str, level: int = 0, number: int = 1) -> str:
    """A paragraph in a list."""
    return p(characters, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def level(at: int, template: str, kind: str = "decimal", *, start: int = 1, more: str = "") -> str:
    """A level of a list."""
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="{start}"/><w:numFmt w:val="{kind}"/>{more}'
        f'<w:lvlText w:val="{template}"/></w:lvl>'
    )


def lists(*levels: str, overrides: Mapping[int, str] | None = None) -> str:
    """The numbering part: one abstract list, as list 1 and, with overrides, under other numbers."""
    instances = {1: "", **(overrides or {})}
    return f'<w:abstractNum w:abstractNumId="0">{"".join(levels)}</w:abstractNum>' + "".join(
        f'<w:num w:numId="{number}"><w:abstractNumId w:val="0"/>{more}</w:num>' for number, more in instances.items()
    )


def table(*rows: str, properties: str = "") -> str:
    return f"<w:tbl><w:tblPr>{properties}</w:tblPr>{''.join(rows)}</w:tbl>"


def tr(*cells: str, properties: str = "") -> str:
    """A row. What is no XML becomes a cell."""
    written = "".join(one if one.startswith("<w:tc>") else tc(one) for one in cells)
    return f"<w:tr><w:trPr>{properties}</w:trPr>{written}</w:tr>"


def tc(content: str, properties: str = "") -> str:
    inner = content if content.startswith(("<w:p", "<w:tbl")) else p(content)
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{inner}</w:tc>"


def field(instruction: str, *result: str, data: str = "") -> str:
    """A complex field; without a result, one that the program works out."""
    shown = "".join(one if one.startswith("<") else r(one) for one in result)
    separated = f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{shown}' if result else ""
    return (
        f'<w:r><w:fldChar w:fldCharType="begin">{data}</w:fldChar></w:r>'
        f"<w:r><w:instrText>{instruction}</w:instrText></w:r>{separated}"
        '<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )


def drawing(
    content: str, *, width: int = 0, height: int = 0, properties: str = 'id="1" name="x"', more: str = ""
) -> str:
    """A run with a drawing of a size in points."""
    return (
        f'<w:r><w:drawing><wp:inline><wp:extent cx="{width * 12700}" cy="{height * 12700}"/>'
        f"<wp:docPr {properties}>{more}</wp:docPr><a:graphic><a:graphicData>{content}</a:graphicData></a:graphic>"
        "</wp:inline></w:drawing></w:r>"
    )


PICTURE = '<pic:pic><pic:blipFill><a:blip r:embed="rId77"/></pic:blipFill></pic:pic>'


def _part(name: str, content: str) -> str:
    element, separator, inner = content.partition(":") if name not in _ROOTS else (_ROOTS[name], ":", content)
    assert separator, f"{name} needs the name of its root element"
    return f"<w:{element} {NAMESPACES}>{inner}</w:{element}>"


def _kind(part: str) -> str:
    return part.rstrip("0123456789")


def _relationships(links: Mapping[str, tuple[str, str]]) -> str:
    written = "".join(
        f'<Relationship Id="{identity}" Type="{_OFFICE}/{kind}" Target="{target}"'
        + (' TargetMode="External"' if ":" in target else "")
        + "/>"
        for identity, (kind, target) in links.items()
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{written}</Relationships>'
    )


def _as_strict(data: bytes) -> bytes:
    for name in (b"wordprocessingml", b"drawingml", b"officeDocument"):
        data = data.replace(b"schemas.openxmlformats.org/" + name + b"/2006/", b"purl.oclc.org/ooxml/" + name + b"/")
    return data
