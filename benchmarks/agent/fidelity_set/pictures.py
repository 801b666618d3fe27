"""Pictures with text on them, drawn with a font that matplotlib brings, so that each machine draws the same."""

import io
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image, ImageDraw, ImageFont

FONT = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
BOLD = FONT.with_name("DejaVuSans-Bold.ttf")


@cache
def _font(size: int) -> Any:
    return ImageFont.truetype(str(FONT), size)


def page(*lines: str, width: int = 1240, height: int = 700, size: int = 44) -> Image.Image:
    """Lines of black text on white, as a scanner at 150 dots an inch sees them."""
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        draw.text((80, 70 + number * size * 2), line, fill="black", font=_font(size))
    return image


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def text(*lines: str, kind: str = "PNG") -> bytes:
    """A picture file with lines of text."""
    return encoded(page(*lines), kind, **({"dpi": (150, 150)} if kind in ("PNG", "JPEG", "TIFF") else {}))


def shape() -> bytes:
    """A picture without text."""
    image = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 40, 340, 260), fill="navy")
    draw.rectangle((150, 100, 250, 200), fill="gold")
    return encoded(image)
