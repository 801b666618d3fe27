"""WordprocessingML as Word writes it: paragraphs, runs, tables, numbering, and the package around them."""

from collections.abc import Iterable, Mapping

from .archive import packed

_W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"
NAMESPACES = (
    f'xmlns:w="{_W}" xmlns:r="{_R}" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" '
    'xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    'xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture" '
    'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart" '
    'xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" '
    'xmlns:w14="http://schemas.microsoft.com/office/word/2010/wordml" mc:Ignorable="w14"'
)
HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
STRICT = {
    _W: "http://purl.oclc.org/ooxml/wordprocessingml/main",
    _R: "http://purl.oclc.org/ooxml/officeDocument/relationships",
}
_PARTS = {
    "numbering": "numbering+xml",
    "styles": "styles+xml",
    "footnotes": "footnotes+xml",
    "endnotes": "endnotes+xml",
    "comments": "comments+xml",
    "header1": "header+xml",
    "footer1": "footer+xml",
    "settings": "settings+xml",
}


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def t(text: str) -> str:
    """The text element of a run."""
    return f'<w:t xml:space="preserve">{escape(text)}</w:t>'


def run(text: str, properties: str = "") -> str:
    return f"<w:r>{f'<w:rPr>{properties}</w:rPr>' if properties else ''}{t(text)}</w:r>"


def p(*content: str, style: str = "", properties: str = "") -> str:
    """A paragraph of runs; plain text becomes a run."""
    inner = "".join(part if part.startswith("<") else run(part) for part in content)
    style = f'<w:pStyle w:val="{style}"/>' if style else ""
    return f"<w:p><w:pPr>{style}{properties}</w:pPr>{inner}</w:p>"


def listed(text: str, level: int = 0, number: int = 1) -> str:
    """A paragraph of a list."""
    return p(text, properties=f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>')


def cell(*content: str, span: int = 1, merge: str = "") -> str:
    """A table cell. `merge`: "restart" begins a vertical merge, "continue" goes on with it."""
    across = f'<w:gridSpan w:val="{span}"/>' if span > 1 else ""
    down = {"": "", "restart": '<w:vMerge w:val="restart"/>', "continue": "<w:vMerge/>"}[merge]
    inner = "".join(part if part.startswith(("<w:p>", "<w:tbl>")) else p(part) for part in content or ("",))
    if inner.endswith("</w:tbl>"):
        inner += p("")
    return f'<w:tc><w:tcPr><w:tcW w:w="2000" w:type="dxa"/>{across}{down}</w:tcPr>{inner}</w:tc>'


def row(*cells: str) -> str:
    return "<w:tr>" + "".join(one if one.startswith("<w:tc>") else cell(one) for one in cells) + "</w:tr>"


def table(*rows: str | Iterable[str], columns: int = 3) -> str:
    grid = '<w:gridCol w:w="2000"/>' * columns
    inner = "".join(one if isinstance(one, str) else row(*one) for one in rows)
    return f'<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/></w:tblPr><w:tblGrid>{grid}</w:tblGrid>{inner}</w:tbl>'


def level(index: int, kind: str, shape: str, *, start: int = 1, more: str = "") -> str:
    """A level of an abstract numbering: `kind` is "decimal", "lowerLetter"…, `shape` is "%1.%2"."""
    return (
        f'<w:lvl w:ilvl="{index}"><w:start w:val="{start}"/><w:numFmt w:val="{kind}"/>{more}'
        f'<w:lvlText w:val="{shape}"/><w:lvlJc w:val="left"/></w:lvl>'
    )


def numbering(*lists: Iterable[str], instances: str = "") -> str:
    """numbering.xml with an abstract numbering for each list of levels; without `instances`, one number for each."""
    abstract = "".join(
        f'<w:abstractNum w:abstractNumId="{i}"><w:multiLevelType w:val="multilevel"/>{"".join(levels)}</w:abstractNum>'
        for i, levels in enumerate(lists)
    )
    plain = "".join(f'<w:num w:numId="{i + 1}"><w:abstractNumId w:val="{i}"/></w:num>' for i in range(len(lists)))
    return f"{HEAD}<w:numbering {NAMESPACES}>{abstract}{instances or plain}</w:numbering>"


def styles(more: str = "") -> str:
    """styles.xml with the usual styles of a new document."""
    headings = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{i}"><w:name w:val="heading {i}"/><w:basedOn w:val="Normal"/>'
        f'<w:pPr><w:outlineLvl w:val="{i - 1}"/></w:pPr></w:style>'
        for i in (1, 2, 3)
    )
    return (
        f'{HEAD}<w:styles {NAMESPACES}><w:style w:type="paragraph" w:default="1" w:styleId="Normal">'
        f'<w:name w:val="Normal"/></w:style>{headings}{more}</w:styles>'
    )


def notes(kind: str, *texts: str) -> str:
    """footnotes.xml or endnotes.xml with the separators that Word always writes, and notes from id 1."""
    name = kind[:-1]
    fixed = (
        f'<w:{name} w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:{name}>'
        f'<w:{name} w:type="continuationSeparator" w:id="0"><w:p><w:r><w:continuationSeparator/></w:r></w:p></w:{name}>'
    )
    given = "".join(
        f'<w:{name} w:id="{i}">{p(f"<w:r><w:{name}Ref/></w:r>", " " + text)}</w:{name}>'
        for i, text in enumerate(texts, 1)
    )
    return f"{HEAD}<w:{kind} {NAMESPACES}>{fixed}{given}</w:{kind}>"


def document(
    *body: str,
    parts: Mapping[str, str] | None = None,
    relations: str = "",
    files: Mapping[str, str | bytes] | None = None,
    types: str = "",
    main: str = "document",
    strict: bool = False,
    template: str = "document.main+xml",
    section: str = "",
) -> bytes:
    """A .docx file.

    Args:
        body: paragraphs and tables.
        parts: XML parts by their usual names: numbering, styles, footnotes, endnotes, comments, header1, footer1.
        relations: more relationships of the document.
        files: further files of the package.
        types: their content types.
        main: the name of the document's part: Word Online writes "document2".
        strict: with the namespaces of Strict Open XML.
        template: the content type of the main part, without its beginning.
        section: the content of the last section's properties.
    """
    parts = {"styles": styles(), **(parts or {})}
    base = STRICT[_R] if strict else _R
    links = "".join(
        f'<Relationship Id="rId{name}" Type="{base}/{name.rstrip("1")}" Target="{name}.xml"/>' for name in parts
    )
    overrides = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{_TYPE}.{_PARTS[name]}"/>' for name in parts
    )
    text = f"{HEAD}<w:document {NAMESPACES}><w:body>{''.join(body)}<w:sectPr>{section}</w:sectPr></w:body></w:document>"
    start = "application/vnd.ms-word.document.macroEnabled.main+xml" if "macro" in template else f"{_TYPE}.{template}"
    package: dict[str, str | bytes] = {
        "[Content_Types].xml": (
            f'{HEAD}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>'
            f'<Override PartName="/word/{main}.xml" ContentType="{start}"/>{overrides}{types}</Types>'
        ),
        "_rels/.rels": (
            f'{HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f'<Relationship Id="rId1" Type="{base}/officeDocument" Target="word/{main}.xml"/></Relationships>'
        ),
        f"word/{main}.xml": text,
        f"word/_rels/{main}.xml.rels": (
            f'{HEAD}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
            f"{links}{relations}</Relationships>"
        ),
        **{f"word/{name}.xml": content for name, content in parts.items()},
        **(files or {}),
    }
    if strict:
        for name, content in package.items():
            if isinstance(content, str):
                for loose, tight in STRICT.items():
                    content = content.replace(f'"{loose}"', f'"{tight}"')
                package[name] = content
    return packed(package)
