# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""OpenDocument as LibreOffice writes it: spreadsheets and presentations."""

from .facts import Cell, Contains, Flagged, Hidden, Order, cells
from .opendocument import cell, odf, paragraph, rows, table
from .samples import sample


@sample(
    "budget.ods",
    Contains("8.50%", ("8.5%",)),
    Contains("€1,250.00", ("1,250.00 €", "1.250,00 €")),
    Contains("04.05.2025", ("2025-05-04",)),
    Contains("Err:502", ("#VALUE!",)),
    Cell("€1,250.00", "Amount", "Roof"),
    Contains("TRUE"),
)
def budget() -> bytes:
    return odf(
        "spreadsheet",
        table(
            "Budget", ("Item", "Amount"), ("Roof", cell("€1,250.00", value="1250", kind="currency")),
            ("Interest", cell("8.50%", value="0.085", kind="percentage")), ("Due", cell("04.05.2025", value="2025-05-04", kind="date")),
            ("Check", cell("Err:502")), ("Paid", cell("TRUE", value="true", kind="boolean")),
        ),
    )  # fmt: skip


@sample(
    "repeated.ods",
    Cell("idle", "Mode", "Pump 1"),
    Cell("idle", "Mode", "Pump 3"),
    Cell("7", "Hours", "Pump 3"),
    Cell("Hall 2", "Hall", "Pump 3"),
    Contains("last row"),
)
def repeated() -> bytes:
    body = (
        '<table:table table:name="Pumps"><table:table-column table:number-columns-repeated="4"/>'
        + rows(("Hall", "Pump", "Mode", "Hours"))
        + rows(
            (cell("Hall 2", more=' table:number-rows-spanned="2"'), "Pump 1", "idle", "5"),
            ("<table:covered-table-cell/>", "Pump 3", "idle", "7"),
        )
        + '<table:table-row table:number-rows-repeated="1040000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
        + rows(("last row",))
        + "</table:table>"
    )
    return odf("spreadsheet", body)


@sample(
    "hidden_sheet.ods",
    Contains("Open list"),
    Hidden("internal rate 0.41", named="hidden"),
    Hidden("filtered out 77", named="hidden"),
    Flagged("the hidden sheet", named="hidden"),
    Contains("Counted twice"),
)
def hidden_sheet() -> bytes:
    styles = '<style:style style:name="ta2" style:family="table"><style:table-properties table:display="false"/></style:style>'
    note = f"<office:annotation><dc:creator>Li</dc:creator>{paragraph('Counted twice')}</office:annotation>"
    first = (
        '<table:table table:name="List"><table:table-column table:number-columns-repeated="2"/>'
        + rows((cell("Open list", inside=note), "1"))
        + f'<table:table-row table:visibility="collapse">{cell("filtered out 77")}</table:table-row></table:table>'
    )
    return odf(
        "spreadsheet",
        first + table("Internal", ("internal rate 0.41",), more=' table:style-name="ta2"'),
        styles=styles,
    )


def _slide(name: str, inner: str, *, style: str = "dp1", notes: str = "") -> str:
    noted = (
        f"<presentation:notes><draw:frame><draw:text-box>{paragraph(notes)}</draw:text-box></draw:frame></presentation:notes>"
        if notes
        else ""
    )
    return f'<draw:page draw:name="{name}" draw:style-name="{style}">{inner}{noted}</draw:page>'


def _frame(text: str, top: float) -> str:
    return f'<draw:frame svg:x="2cm" svg:y="{top}cm" svg:width="20cm" svg:height="2cm"><draw:text-box>{paragraph(text)}</draw:text-box></draw:frame>'


@sample(
    "lecture.odp",
    Contains("Bees in winter"),
    Contains("Feed them in October"),
    Contains("Mention the mites"),
    Order("Bees in winter", "Feed them in October"),
    Order("Feed them in October", "Questions"),
)
def lecture() -> bytes:
    body = (
        _slide("page1", _frame("Bees in winter", 1), notes="Mention the mites")
        + _slide("page2", _frame("Feed them in October", 1))
        + _slide("page3", _frame("Questions", 1))
    )
    return odf("presentation", body)


@sample(
    "groups_and_tables.odp",
    Contains("Grouped text"),
    Contains("Text in a shape"),
    cells(("Hive", "Honey"), ("North", "14 kg"), ("South", "9 kg")),
    Hidden("slide kept back", named="hidden"),
    Flagged("the hidden slide", named="hidden"),
)
def odp_groups() -> bytes:
    styles = '<style:style style:name="dp2" style:family="drawing-page"><style:drawing-page-properties presentation:visibility="hidden"/></style:style>'
    grid = f'<draw:frame svg:x="2cm" svg:y="8cm">{table("H", ("Hive", "Honey"), ("North", "14 kg"), ("South", "9 kg"))}</draw:frame>'
    inner = f"<draw:g>{_frame('Grouped text', 2)}</draw:g><draw:custom-shape svg:x='2cm' svg:y='5cm'>{paragraph('Text in a shape')}</draw:custom-shape>{grid}"
    return odf(
        "presentation",
        _slide("page1", inner) + _slide("page2", _frame("slide kept back", 1), style="dp2"),
        styles=styles,
    )
