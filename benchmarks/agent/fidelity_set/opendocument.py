# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""OpenDocument as LibreOffice writes it: texts, spreadsheets, presentations."""

from . import pictures
from .archive import packed
from .facts import Cell, Changed, Contains, Flagged, Hidden, Numbered, Order, cells
from .samples import sample

_NAMES = "office text table style draw presentation form svg:svg-compatible fo:xsl-fo-compatible meta number dr3d chart config"
_NAMESPACES = (
    "".join(
        f' xmlns:{name.split(":")[0]}="urn:oasis:names:tc:opendocument:xmlns:{name.split(":")[-1]}:1.0"'
        for name in _NAMES.replace("draw ", "draw:drawing ").split()
    )
    + ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'
    + ' xmlns:math="http://www.w3.org/1998/Math/MathML" xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'


def odf(
    kind: str, body: str, *, styles: str = "", page_styles: str = "", files: dict[str, bytes] | None = None
) -> bytes:
    media = f"application/vnd.oasis.opendocument.{kind}"
    listed = "".join(
        f'<manifest:file-entry manifest:full-path="{name}" manifest:media-type="{media_type}"/>'
        for name, media_type in (
            ("/", media),
            ("content.xml", "text/xml"),
            ("styles.xml", "text/xml"),
            *((name, "image/png") for name in files or {}),
        )
    )
    manifest = f'{_HEAD}<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0" manifest:version="1.3">{listed}</manifest:manifest>'
    return packed(
        {
            "mimetype": media,
            "content.xml": (
                f'{_HEAD}<office:document-content{_NAMESPACES} office:version="1.3"><office:automatic-styles>{styles}</office:automatic-styles>'
                f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
            ),
            "styles.xml": f'{_HEAD}<office:document-styles{_NAMESPACES} office:version="1.3"><office:styles/>{page_styles}</office:document-styles>',
            **(files or {}),
            "META-INF/manifest.xml": manifest,
        },
        stored=("mimetype",),
    )


def paragraph(text: str, style: str = "Standard") -> str:
    return f'<text:p text:style-name="{style}">{text}</text:p>'


def cell(text: str = "", *, value: str = "", kind: str = "float", more: str = "", inside: str = "") -> str:
    typed = (
        f' office:value-type="{kind}" {"office:value" if kind in ("float", "percentage", "currency") else f"office:{kind}-value"}="{value}"'
        if value
        else ' office:value-type="string"'
    )
    return (
        f"<table:table-cell{typed if text else ''}{more}>{inside}{paragraph(text) if text else ''}</table:table-cell>"
    )


def rows(*given: tuple[str, ...]) -> str:
    return "".join(
        f"<table:table-row>{''.join(one if one.startswith('<') else cell(one) for one in row)}</table:table-row>"
        for row in given
    )


def table(name: str, *given: tuple[str, ...], more: str = "") -> str:
    columns = max(len(row) for row in given)
    return f'<table:table table:name="{name}"{more}><table:table-column table:number-columns-repeated="{columns}"/>{rows(*given)}</table:table>'


@sample(
    "report.odt",
    Contains("Annual report of the allotment club"),
    Contains("The well is 10^3 cm deep", wrong=("103 cm",)),
    Contains("H_2O", ("H2O",)),
    Contains("Minutes of 4 April, page 2"),
    Contains("two  spaces", ("two spaces",)),
    Order("Annual report of the allotment club", "The well is"),
)
def report() -> bytes:
    styles = (
        '<style:style style:name="T1" style:family="text"><style:text-properties style:text-position="super 58%"/></style:style>'
        '<style:style style:name="T2" style:family="text"><style:text-properties style:text-position="sub 58%"/></style:style>'
    )
    note = '<text:note text:id="ftn1" text:note-class="footnote"><text:note-citation>1</text:note-citation><text:note-body><text:p>Minutes of 4 April, page 2</text:p></text:note-body></text:note>'
    return odf(
        "text",
        '<text:h text:style-name="Heading_20_1" text:outline-level="1">Annual report of the allotment club</text:h>'
        + paragraph(f'The well is 10<text:span text:style-name="T1">3</text:span> cm deep{note} and full of H<text:span text:style-name="T2">2</text:span>O.')
        + paragraph('Here are two<text:s text:c="2"/>spaces<text:line-break/>and a<text:tab/>tab.'),
        styles=styles,
    )  # fmt: skip


@sample(
    "tables.odt",
    cells(("Plot", "Tenant", "Fee"), ("12", "Brandt", "85.00")),
    Cell("Row B", "Row", "Yilmaz"),
    Cell("Row B", "Row", "Novak"),
    Cell("92.50", "Fee", "Novak"),
    Cell("waived", "Fee", "Sato"),
)
def odt_tables() -> bytes:
    return odf(
        "text",
        paragraph("Tenants")
        + table("T1", ("Plot", "Tenant", "Fee"), ("12", "Brandt", "85.00"))
        + table(
            "T2", ("Row", "Tenant", "Plot", "Fee"),
            (cell("Row B", more=' table:number-rows-spanned="2"'), "Yilmaz", "14", "90.00"),
            ("<table:covered-table-cell/>", "Novak", "15", "92.50"),
            ("Row C", "Sato", cell("waived", more=' table:number-columns-spanned="2"'), "<table:covered-table-cell/>"),
        ),
    )  # fmt: skip


@sample(
    "numbered_clauses.odt",
    Numbered("1.", "Use of the plots"),
    Numbered("1.1", "Hedges are cut in March"),
    Numbered("1.2", "Fires are forbidden"),
    Numbered("2.", "Fees"),
    Numbered("2.1", "Fees are due in January"),
)
def odt_numbers() -> bytes:
    levels = "".join(
        f'<text:list-level-style-number text:level="{i}" style:num-format="1" style:num-suffix="{"." if i == 1 else ""}" text:display-levels="{i}"/>'
        for i in (1, 2)
    )
    items = (
        ("Use of the plots", ("Hedges are cut in March", "Fires are forbidden")),
        ("Fees", ("Fees are due in January",)),
    )
    body = "".join(
        f"<text:list-item>{paragraph(head)}<text:list>{''.join(f'<text:list-item>{paragraph(one)}</text:list-item>' for one in below)}</text:list></text:list-item>"
        for head, below in items
    )
    return odf(
        "text",
        f'<text:list text:style-name="L1">{body}</text:list>',
        styles=f'<text:list-style style:name="L1">{levels}</text:list-style>',
    )


@sample(
    "changes_and_hidden.odt",
    Changed("120 euro", "150 euro", named="track|chang|delet"),
    Contains("We need a new shed"),
    Hidden("vote for the chairman"),
    Flagged("the hidden text", named="hidden|invisible"),
    Contains("R. Costa"),
    Contains("Is this the net price"),
)
def odt_changes() -> bytes:
    who = "<office:change-info><dc:creator>R. Costa</dc:creator><dc:date>2025-01-02T10:00:00</dc:date></office:change-info>"
    tracked = (
        f'<text:tracked-changes><text:changed-region text:id="c1"><text:deletion>{who}<text:p>120 euro</text:p></text:deletion></text:changed-region>'
        f'<text:changed-region text:id="c2"><text:insertion>{who}</text:insertion></text:changed-region></text:tracked-changes>'
    )
    note = "<office:annotation><dc:creator>R. Costa</dc:creator><dc:date>2025-01-02T10:00:00</dc:date><text:p>Is this the net price</text:p></office:annotation>"
    styles = (
        '<style:style style:name="T9" style:family="text"><style:text-properties text:display="none"/></style:style>'
    )
    return odf(
        "text",
        tracked + paragraph(f'The fee is <text:change text:change-id="c1"/><text:change-start text:change-id="c2"/>150 euro<text:change-end text:change-id="c2"/>{note} a year.')
        + paragraph('We need a new shed<text:span text:style-name="T9"> vote for the chairman</text:span>.'),
        styles=styles,
    )  # fmt: skip


@sample(
    "frames.odt",
    Contains("Main text of the flyer"),
    Contains("Framed: harvest feast on 3 October"),
    Contains("Map of the plots"),
    Contains("frac{m}{v}", ("m/v", "(m)/(v)", "{m}{v}", "m over v", "{m} over {v}"), named="equation|formula|object"),
    Flagged("the picture", named=r"picture|image|!\[|Map of the plots"),
)
def odt_frames() -> bytes:
    frame = f'<draw:frame draw:name="Frame1" svg:width="5cm"><draw:text-box>{paragraph("Framed: harvest feast on 3 October")}</draw:text-box></draw:frame>'
    picture = '<draw:frame draw:name="Image1" svg:width="4cm" svg:height="3cm"><draw:image xlink:href="Pictures/1.png"/><svg:desc>Map of the plots</svg:desc></draw:frame>'
    formula = '<draw:frame draw:name="Object1"><draw:object><math:math><math:mfrac><math:mi>m</math:mi><math:mi>v</math:mi></math:mfrac></math:math></draw:object></draw:frame>'
    return odf(
        "text",
        paragraph(f"Main text of the flyer{frame}") + paragraph(picture) + paragraph(f"Density is {formula}."),
        files={"Pictures/1.png": pictures.shape()},
    )
