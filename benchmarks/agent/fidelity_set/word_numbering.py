# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Word documents: numbers of clauses and headings, fields and cross-references."""

from . import word
from .facts import Contains, Numbered, Order
from .samples import sample
from .word import level, listed, p, run

_LEGAL = [
    level(0, "decimal", "%1."),
    level(1, "decimal", "%1.%2"),
    level(2, "lowerLetter", "(%3)"),
    level(3, "lowerRoman", "(%4)"),
]


@sample(
    "contract_clauses.docx",
    Numbered("1.", "Definitions"),
    Numbered("2.", "Payment"),
    Numbered("2.1", "The Buyer pays within thirty days"),
    Numbered("2.2", "Late payment bears interest"),
    Numbered("(a)", "at eight per cent a year"),
    Numbered("(b)", "from the day after the due date"),
    Numbered("(i)", "unless the Seller waived it"),
    Numbered("2.3", "Payment is made in euro"),
    Numbered("3.", "Termination"),
    Numbered("3.1", "Either party may terminate"),
)
def contract() -> bytes:
    return word.document(
        listed("Definitions"), p("Words with capitals have the meaning of this clause."),
        listed("Payment"), listed("The Buyer pays within thirty days", 1), listed("Late payment bears interest", 1),
        listed("at eight per cent a year", 2), p("This sentence stands between (a) and (b) without a number."),
        listed("from the day after the due date", 2), listed("unless the Seller waived it", 3),
        listed("Payment is made in euro", 1), listed("Termination"), listed("Either party may terminate", 1),
        parts={"numbering": word.numbering(_LEGAL)},
    )  # fmt: skip


@sample(
    "restarted_lists.docx",
    Numbered("1.", "Unpack the pump"),
    Numbered("3.", "Open the inlet valve"),
    Numbered("1.", "Close the outlet"),
    Numbered("2.", "Drain the tank"),
    Numbered("7.", "Sign the protocol"),
    Numbered("IV.", "Annex on spare parts"),
)
def restarted() -> bytes:
    lists = [level(0, "decimal", "%1.")], [level(0, "upperRoman", "%1.", start=4)]
    instances = (
        '<w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="2"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride></w:num>'
        '<w:num w:numId="3"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="7"/></w:lvlOverride></w:num>'
        '<w:num w:numId="4"><w:abstractNumId w:val="1"/></w:num>'
    )
    return word.document(
        p("Start-up"), listed("Unpack the pump"), listed("Connect the hoses"), p("Wait for ten minutes."),
        listed("Open the inlet valve"), p("Shut-down"), listed("Close the outlet", 0, 2), listed("Drain the tank", 0, 2),
        p("Acceptance"), listed("Sign the protocol", 0, 3), listed("Annex on spare parts", 0, 4),
        parts={"numbering": word.numbering(*lists, instances=instances)},
    )  # fmt: skip


@sample(
    "numbered_headings.docx",
    Numbered("1", "Scope"),
    Numbered("2", "Requirements"),
    Numbered("2.1", "Mechanical strength"),
    Numbered("2.2", "Corrosion"),
    Numbered("2.2.1", "Salt spray test"),
    Numbered("3", "Marking"),
    Contains("see 2.2.1 for the test"),
)
def headings() -> bytes:
    levels = [
        level(i, "decimal", ".".join(f"%{n}" for n in range(1, i + 2)), more=f'<w:pStyle w:val="Heading{i + 1}"/>')
        for i in range(3)
    ]
    more = ""
    styles = word.styles(more)
    for i in (1, 2, 3):
        plain = f'<w:pPr><w:outlineLvl w:val="{i - 1}"/></w:pPr>'
        numbered = f'<w:pPr><w:numPr><w:ilvl w:val="{i - 1}"/><w:numId w:val="1"/></w:numPr><w:outlineLvl w:val="{i - 1}"/></w:pPr>'
        styles = styles.replace(plain, numbered)
    reference = _field(" REF _Ref1234 \\r \\h ", "2.2.1")
    return word.document(
        p("Scope", style="Heading1"), p("This standard covers brackets; ", "see ", reference, " for the test."),
        p("Requirements", style="Heading1"), p("Mechanical strength", style="Heading2"), p("Load of 40 kN."),
        p("Corrosion", style="Heading2"),
        p('<w:bookmarkStart w:id="1" w:name="_Ref1234"/>', "Salt spray test", '<w:bookmarkEnd w:id="1"/>', style="Heading3"),
        p("Exposure for 240 hours."), p("Marking", style="Heading1"),
        parts={"numbering": word.numbering(levels), "styles": styles},
    )  # fmt: skip


def _field(code: str, result: str) -> str:
    return (
        '<w:r><w:fldChar w:fldCharType="begin"/></w:r>'
        f'<w:r><w:instrText xml:space="preserve">{code}</w:instrText></w:r>'
        f'<w:r><w:fldChar w:fldCharType="separate"/></w:r>{run(result)}<w:r><w:fldChar w:fldCharType="end"/></w:r>'
    )


@sample(
    "fields.docx",
    Contains("between Harbour Foods Ltd and the Carrier"),
    Contains("dated 14 March 2025"),
    Contains("a rate of 12.4 %"),
    Contains("Table 3: Tariffs"),
    Contains("as clause 9.4 provides"),
    Contains("Visit our site"),
    Contains("https://harbour.example/terms"),
)
def fields() -> bytes:
    simple = f'<w:fldSimple w:instr=" MERGEFIELD Company \\* MERGEFORMAT ">{run("Harbour Foods Ltd")}</w:fldSimple>'
    nested = _field(" IF 1 = 1 ", "12.4 %")
    link = f'<w:hyperlink r:id="rIdLink">{run("Visit our site")}</w:hyperlink>'
    return word.document(
        p("Agreement between ", simple, " and the Carrier, dated ", _field(' DATE \\@ "d MMMM yyyy" ', "14 March 2025"), "."),
        p("It bears a rate of ", nested, " a year."),
        p("Table ", f'<w:fldSimple w:instr=" SEQ Table ">{run("3")}</w:fldSimple>', ": Tariffs"),
        p("Liability is limited as clause ", _field(" REF _Ref99 \\w ", "9.4"), " provides."),
        p(link),
        relations='<Relationship Id="rIdLink" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/hyperlink" '
        'Target="https://harbour.example/terms" TargetMode="External"/>',
    )  # fmt: skip


@sample(
    "statute_articles.docx",
    Numbered("Article 1", "Seat of the association"),
    Numbered("Article 2", "Members"),
    Numbered("§ 2.1", "Ordinary members pay"),
    Numbered("§ 2.2", "Honorary members do not"),
    Numbered("A)", "natural persons"),
    Numbered("B)", "companies"),
    Order("Seat of the association", "Members"),
)
def statute() -> bytes:
    levels = [level(0, "decimal", "Article %1"), level(1, "decimal", "§ %1.%2"), level(2, "upperLetter", "%3)")]
    return word.document(
        listed("Seat of the association"), listed("Members"), listed("Ordinary members pay", 1),
        listed("Honorary members do not", 1), listed("natural persons", 2), listed("companies", 2),
        parts={"numbering": word.numbering(levels)},
    )  # fmt: skip


@sample(
    "padded_numbers.docx",
    Numbered("01", "Receipt of goods"),
    Numbered("02", "Inspection"),
    Numbered("b", "by a sworn expert"),
    Numbered("03", "Storage"),
    Contains("• keep dry", ("- keep dry", "* keep dry", "keep dry")),
)
def padded() -> bytes:
    levels = [level(0, "decimalZero", "%1"), level(1, "lowerLetter", "%2.")], [level(0, "bullet", "•")]
    return word.document(
        listed("Receipt of goods"), listed("Inspection"), listed("by the buyer", 1), listed("by a sworn expert", 1),
        listed("Storage"), listed("keep dry", 0, 2), parts={"numbering": word.numbering(*levels)},
    )  # fmt: skip
