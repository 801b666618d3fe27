# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""PDFs whose letters are the difficulty: hyphens, scripts, right-to-left text, leaders, ligatures."""

from . import pictures
from .facts import Contains, Numbered, Order
from .pdf_layout import drawn, flow, fpdf, lines, paragraph
from .samples import sample


@sample(
    "hyphens.pdf",
    Contains("the agreement on deliveries", wrong=("agree-ment", "agree- ment")),
    Contains("a well-known maker", wrong=("wellknown",)),
    Contains("state-of-the-art pumps", wrong=("state-of-theart",)),
    Contains("Ein- und Ausfuhr", wrong=("Einund",)),
    Contains("https://pumps.example/price-list/2025", wrong=("pricelist",)),
    Contains("the years 1998-2004", wrong=("19982004",)),
    Contains("non-refundable deposit", wrong=("nonrefundable",)),
)
def hyphens() -> bytes:
    return drawn(
        lambda canvas: lines(
            canvas, "Both parties signed the agree-", "ment on deliveries from a well-", "known maker of state-of-the-", "art pumps. The rules on Ein-",
            "und Ausfuhr apply. This agreement and", "the deposit follow https://pumps.example/price-", "list/2025 for the years 1998-",
            "2004, with a non-", "refundable deposit. The well-known maker", "knows that a non-refundable fee is usual.",
        )
    )  # fmt: skip


@sample(
    "scripts.pdf",
    Contains("2.5·10^8 m", wrong=("108 m",)),
    Contains("CO_2", ("CO2",)),
    Contains("m^3 of gravel", wrong=("m3 of gravel",)),
    Contains("seen before", wrong=("before7",)),
)
def scripts() -> bytes:
    return flow(
        paragraph("The satellite is 2.5·10<super>8</super> m away and finds CO<sub>2</sub> there."), paragraph("They moved 40 m<super>3</super> of gravel."),
        paragraph("This was seen before<super>7</super> by others."),
    )  # fmt: skip


@sample(
    "arabic.pdf",
    Contains("مرحبا بالعالم"),
    Contains("السعر 1,250.75"),
    Contains("2031"),
    Contains("Invoice in two scripts"),
)
def arabic() -> bytes:
    pdf = fpdf()
    pdf.add_font("DejaVu", "", str(pictures.FONT))
    pdf.set_font("DejaVu", size=14)
    pdf.set_text_shaping(True)
    for text in ("Invoice in two scripts", "مرحبا بالعالم", "السعر 1,250.75", "عام 2031"):
        pdf.cell(0, 10, text, new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


@sample("hebrew.pdf", Contains("שלום לכולם"), Contains("1,980"), Order("שלום לכולם", "סוף המסמך"))
def hebrew() -> bytes:
    pdf = fpdf()
    pdf.add_font("DejaVu", "", str(pictures.FONT))
    pdf.set_font("DejaVu", size=14)
    pdf.set_text_shaping(True)
    for text in ("שלום לכולם", "המחיר הוא 1,980 שקל", "סוף המסמך"):
        pdf.cell(0, 10, text, new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())


@sample(
    "contents.pdf",
    Contains("Introduction"),
    Numbered("1.2", "Safety rules"),
    Contains("Safety rules ... 14", ("Safety rules 14", "Safety rules | 14")),
    Contains("Index ... 208", ("Index 208", "Index | 208")),
)
def contents() -> bytes:
    return drawn(
        lambda canvas: lines(
            canvas,
            "Contents",
            f"1.1 Introduction {'. ' * 45}3",
            f"1.2 Safety rules {'. ' * 44}14",
            f"Index {'.' * 90} 208",
        )
    )


@sample("ligatures.pdf", Contains("efficient flow of traffic"), Contains("Straße nach Łódź"), Contains("offices"))
def ligatures() -> bytes:
    pdf = fpdf()
    pdf.add_font("DejaVu", "", str(pictures.FONT))
    pdf.set_font("DejaVu", size=12)
    pdf.set_text_shaping(True)
    for text in ("eﬃcient flow of traﬃc", "Straße nach Łódź", "oﬃces"):
        pdf.cell(0, 10, text, new_x="LMARGIN", new_y="NEXT")
    return bytes(pdf.output())
