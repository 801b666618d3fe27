# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Word documents: merged and nested tables, scripts, equations, page breaks, odd packages."""

from . import word
from .facts import Cell, Contains, Order, cells
from .samples import sample
from .word import cell, p, row, run, table

_UP, _DOWN = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'
_BREAK = '<w:r><w:br w:type="page"/></w:r>'


@sample(
    "price_list.docx",
    cells(
        ("Article", "Unit", "Price"),
        ("Hinge 40", "piece", "3.20"),
        ("Hinge 60", "piece", "4.75"),
        ("Oil", "litre", "11.90"),
    ),
)
def price_list() -> bytes:
    return word.document(
        p("Prices from May"),
        table(("Article", "Unit", "Price"), ("Hinge 40", "piece", "3.20"), ("Hinge 60", "piece", "4.75"), ("Oil", "litre", "11.90")),
        p("Prices are net."),
    )  # fmt: skip


@sample(
    "merged_rows.docx",
    Cell("Quarter one", "Quarter", "Lemgo"),
    Cell("412", "Tonnes", "Lemgo"),
    Cell("388", "Tonnes", "Detmold"),
    Cell("Quarter one", "Quarter", "Detmold"),
    Cell("Detmold", "Plant", "388"),
    Cell("97", "Tonnes", "Brake"),
)
def merged_rows() -> bytes:
    return word.document(
        p("Output by plant"),
        table(
            row("Quarter", "Plant", "Tonnes"),
            row(cell("Quarter one", merge="restart"), "Lemgo", "412"),
            row(cell(merge="continue"), "Detmold", "388"),
            row(cell(merge="continue"), "Brake", "97"),
        ),
    )  # fmt: skip


@sample(
    "merged_heads.docx",
    Cell("51", "2023", "North"),
    Cell("64", "2024", "North"),
    Cell("12", "2023", "South"),
    Cell("18", "Exports", "South"),
    Cell("not reported", "2023", "West", spanned=True),
    Cell("not reported", "2024", "West", spanned=True),
)
def merged_heads() -> bytes:
    return word.document(
        table(
            row(cell("Region", merge="restart"), cell("Exports", span=2)),
            row(cell(merge="continue"), "2023", "2024"),
            row("North", "51", "64"), row("South", "12", "18"),
            row("West", cell("not reported", span=2)),
        ),
    )  # fmt: skip


@sample(
    "nested_table.docx",
    Contains("Outer left"),
    Contains("gasket"),
    Contains("0.85"),
    Contains("After the inner table"),
    Order("gasket", "bolt M8"),
)
def nested() -> bytes:
    inner = table(("part", "mm"), ("gasket", "0.85"), ("bolt M8", "25.4"), columns=2)
    return word.document(
        table(row("Position", "Content"), row("Outer left", cell("Parts:", inner, "After the inner table")), columns=2),
    )  # fmt: skip


@sample(
    "scripts.docx",
    Contains("10^6 km", wrong=("106 km",)),
    Contains("CO_2 per tonne", ("CO2 per tonne",)),
    Contains("log_10 100", ("log_10100", "log_(10)100", "log_10(100"), wrong=("log10100",)),
    Contains("a leak of 3·10^-5 mbar", wrong=("10-5 mbar",)),
    Contains("area of 45 m^2", wrong=("45 m2",)),
    Contains("the 1st of May", ("the 1^st of May",)),
)
def scripts() -> bytes:
    return word.document(
        p("The probe is 10", run("6", _UP), " km away."), p("It emits CO", run("2", _DOWN), " per tonne."),
        p("log", run("10", _DOWN), "100 is two."), p("We measured a leak of 3·10", run("-5", _UP), " mbar."),
        p("An area of 45 m", run("2", _UP), " is needed on the 1", run("st", _UP), " of May."),
    )  # fmt: skip


def _m(text: str) -> str:
    return f"<m:r><m:t>{text}</m:t></m:r>"


@sample(
    "equations.docx",
    Contains("The yield is", named="equation|formula"),
    Contains("F_y", ("F_{y}", "F y"), named="equation|formula"),
    Contains(
        "frac{a+b}{2}",
        ("frac{a + b}{2}", "(a+b)/2", "(a + b)/2", "(a+b)/(2)", "{a+b}{2}"),
        wrong=("a+b2",),
        named="equation|formula",
    ),
    Contains("sqrt{x}", ("√x", "√(x)", "sqrt(x)", r"\sqrt x"), named="equation|formula"),
    Contains("x^3", named="equation|formula", wrong=("x3",)),
    Contains("ends the derivation"),
)
def equations() -> bytes:
    sub = f"<m:sSub><m:e>{_m('F')}</m:e><m:sub>{_m('y')}</m:sub></m:sSub>"
    fraction = f"<m:f><m:num>{_m('a+b')}</m:num><m:den>{_m('2')}</m:den></m:f>"
    root = f'<m:rad><m:radPr><m:degHide m:val="1"/></m:radPr><m:deg/><m:e>{_m("x")}</m:e></m:rad>'
    power = f"<m:sSup><m:e>{_m('x')}</m:e><m:sup>{_m('3')}</m:sup></m:sSup>"
    return word.document(
        p("The yield is ", f"<m:oMath>{sub}{_m('=')}{fraction}</m:oMath>", " in the first case."),
        f"<w:p><m:oMathPara><m:oMath>{root}{_m('+')}{power}</m:oMath></m:oMathPara></w:p>",
        p("That ends the derivation."),
    )  # fmt: skip


@sample(
    "page_breaks.docx",
    Order("First sheet text", "Second sheet text"),
    Order("Second sheet text", "Third sheet text"),
    Contains("Fourth sheet text"),
    Contains("broken over two lines", ("broken over\ttwo lines",)),
    Contains("Chapter 1 9", ("Chapter 1\t9", "Chapter 1...9", "Chapter 1 .... 9")),
)
def page_breaks() -> bytes:
    return word.document(
        p("First sheet text", _BREAK), p("Second sheet text"), p("Third sheet text", properties="<w:pageBreakBefore/>"),
        p("<w:r><w:lastRenderedPageBreak/></w:r>", "Fourth sheet text"),
        p("broken over", "<w:r><w:br/></w:r>", "two lines"), p("Chapter 1", "<w:r><w:tab/></w:r>", "9"),
    )  # fmt: skip


@sample("word_online.docx", Contains("Written in the browser"), cells(("Task", "Owner"), ("Survey", "Ines Roth")))
def online() -> bytes:
    return word.document(
        p("Written in the browser"), table(("Task", "Owner"), ("Survey", "Ines Roth"), columns=2), main="document2"
    )


@sample(
    "strict.docx",
    Contains("Saved as Strict Open XML"),
    cells(("Bridge", "Span"), ("Weser", "128 m"), ("Lippe", "57 m")),
)
def strict() -> bytes:
    return word.document(
        p("Saved as Strict Open XML"),
        table(("Bridge", "Span"), ("Weser", "128 m"), ("Lippe", "57 m"), columns=2),
        strict=True,
    )


@sample("macros.docm", Contains("Order form with a macro"), Contains("Quantity: 350 bags"))
def macros() -> bytes:
    return word.document(p("Order form with a macro"), p("Quantity: 350 bags"), template="macroEnabled")


@sample("letter_template.dotx", Contains("Dear Madam or Sir"), Contains("Reference 2025/0417"))
def template() -> bytes:
    return word.document(p("Dear Madam or Sir"), p("Reference 2025/0417"), template="template.main+xml")


@sample(
    "dangling_relations.docx",
    Contains("Before the lost image"),
    Contains("After the lost image"),
    Contains("the terms online"),
)
def dangling() -> bytes:
    lost = (
        '<w:r><w:drawing><wp:inline><wp:extent cx="900000" cy="600000"/><wp:docPr id="1" name="Image 1"/><a:graphic>'
        '<a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic><pic:blipFill>'
        '<a:blip r:embed="rId404"/></pic:blipFill></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>'
    )
    link = f'<w:hyperlink r:id="rId405">{run("the terms online")}</w:hyperlink>'
    return word.document(
        p("Before the lost image"), p(lost), p("After the lost image"), p(link),
        relations='<Relationship Id="rId404" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/image" Target="NULL"/>',
    )  # fmt: skip
