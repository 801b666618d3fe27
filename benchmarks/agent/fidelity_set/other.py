# ruff: noqa: E501 - markup stands as the programs write it, on one line
"""Rich text, vector and raster pictures."""

from . import pictures
from .facts import Contains, Flagged, Hidden, Order, cells
from .samples import sample

_UNREAD = "ocr|picture|image|scan"
_RTF = r"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fswiss Helvetica;}}{\colortbl;\red255\green255\blue255;}"


def _rtf(body: str) -> bytes:
    return (_RTF + body + "}").encode("ascii")


@sample(
    "letter.rtf",
    Contains("Sehr geehrte Frau Müller"),
    Contains("Der Preis beträgt 45 €"),
    Contains("10^4 m", wrong=("104 m",)),
    Contains("“quoted”"),
    Contains("Привет"),
    Order("Sehr geehrte Frau Müller", "Der Preis"),
)
def letter() -> bytes:
    return _rtf(
        r"\pard Sehr geehrte Frau M\'fcller\par Der Preis betr\'e4gt 45 \'80\par Lift of 10{\super 4} m\par \ldblquote quoted\rdblquote\par "
        r"\u1055?\u1088?\u1080?\u1074?\u1077?\u1090?\par "
    )


@sample("table.rtf", cells(("Item", "Pieces", "Weight"), ("Bolt", "400", "8.2"), ("Nut", "390", "3.1")))
def table() -> bytes:
    def row(*texts: str) -> str:
        bounds = "".join(rf"\cellx{2000 * i}" for i in range(1, len(texts) + 1))
        return rf"\trowd\trgaph108{bounds}" + "".join(rf"\pard\intbl {text}\cell" for text in texts) + r"\row "

    return _rtf(row("Item", "Pieces", "Weight") + row("Bolt", "400", "8.2") + row("Nut", "390", "3.1") + r"\pard\par ")


@sample(
    "hidden.rtf",
    Contains("The lease runs until 2031"),
    Hidden("landlord bluffs"),
    Contains("see the annex"),
    Contains("https://lease.example"),
    Hidden("fonttbl"),
    Hidden("Helvetica"),
)
def hidden() -> bytes:
    return _rtf(
        r"\pard The lease runs until 2031{\v  landlord bluffs}\par "
        r'{\field{\*\fldinst HYPERLINK "https://lease.example"}{\fldrslt see the annex}}\par {\*\generator Riched20 10.0;}'
    )


@sample(
    "notes.rtf",
    Contains("The tower leans"),
    Contains("Measured by hand in 1998"),
    Contains("Heading of the notice"),
    Contains("second line"),
)
def notes() -> bytes:
    return _rtf(
        r"{\header\pard Heading of the notice\par}\pard The tower leans{\super\chftn{\footnote\pard Measured by hand in 1998}} today\line second line\par "
    )


_SVG = '<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="400" height="300">'


@sample(
    "diagram.svg",
    Contains("Intake tower"),
    Contains("Pressure pipe"),
    Contains("Profile of the dam"),
    Hidden("do as I say"),
    Contains("Turbine hall, level 2"),
)
def diagram() -> bytes:
    return (
        f'{_SVG}<title>Profile of the dam</title><g transform="translate(20 30)"><text x="10" y="20">Intake tower</text></g>'
        '<text x="10" y="90"><tspan>Pressure </tspan><tspan font-weight="bold">pipe</tspan></text><text x="1" y="1" display="none">do as I say</text>'
        '<text x="10" y="150">Turbine hall, <tspan>level 2</tspan></text></svg>'
    ).encode()


@sample(
    "chart.svg",
    Contains("Harvest in tonnes"),
    Contains("2023: 41.7"),
    Contains("2024: 38.2"),
    Order("Harvest in tonnes", "2023: 41.7"),
)
def chart() -> bytes:
    bars = "".join(
        f'<rect x="{x}" y="100" width="30" height="{h}"/><text x="{x}" y="280">{text}</text>'
        for x, h, text in ((20, 90, "2023: 41.7"), (200, 80, "2024: 38.2"))
    )
    return f'{_SVG}<style>text {{ font: 12px sans-serif }}</style><text x="20" y="30">Harvest in tonnes</text>{bars}</svg>'.encode()


for _extension, _kind in (("png", "PNG"), ("jpg", "JPEG"), ("tiff", "TIFF"), ("webp", "WEBP")):
    sample(
        f"notice.{_extension}",
        Contains("LOST PROPERTY OFFICE", named=_UNREAD),
        Contains("Room 214", named=_UNREAD),
        Flagged("that the file is a picture", named=_UNREAD),
    )(lambda kind=_kind: pictures.text("LOST PROPERTY OFFICE", "Room 214", kind=kind))


@sample("two_pages.tif", Contains("FIRST SHEET", named=_UNREAD), Contains("SECOND SHEET", named=_UNREAD))
def two_pages() -> bytes:
    first, second = pictures.page("FIRST SHEET"), pictures.page("SECOND SHEET")
    return pictures.encoded(
        first, "TIFF", save_all=True, append_images=[second], dpi=(150, 150), compression="tiff_deflate"
    )
