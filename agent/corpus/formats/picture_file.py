"""Picture files, read by OCR: photographs and scans, one page for each picture of a TIFF."""

from typing import TYPE_CHECKING, Any

from . import markup
from .base import Format, OpenFile, ParseError, ParseOptions, RawPage, WrongFormat

if TYPE_CHECKING:
    import pymupdf

_DPI = 300
_PIXELS = 12_000_000
"""Pixels that Tesseract gets at once: an A4 page at 300 dpi has 8.7 million, and it takes some 30 bytes for each."""
_MAX_PIXELS = 200_000_000
"""Pixels that are unpacked at once."""
BY_OCR = "read by OCR"
_NO_OCR = (
    "only OCR or a model that reads pictures can, and OCR is off or Tesseract's language data is not there "
    "(pip install 'longread[ocr]')"
)


class Picture(Format):
    name = "picture"
    extensions = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".gif", ".bmp")
    media_type = "image/*"
    library = "pymupdf"
    options = ("ocr", "ocr_language")
    random_access = True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        import pymupdf

        pymupdf.TOOLS.mupdf_display_errors(False)
        pymupdf.TOOLS.mupdf_display_warnings(False)
        if data[:4] == b"RIFF":
            data = _from_webp(data)
        try:
            document = pymupdf.open(stream=data, filetype=_kind(data))
            count = document.page_count
        except (pymupdf.FileDataError, pymupdf.EmptyFileError, _mupdf_error(), RuntimeError) as error:
            raise WrongFormat(f"not a picture, or a damaged one ({' '.join(str(error).split())})") from None
        file = PictureFile(count)
        file.document, file.options = document, options
        return file


def _mupdf_error() -> type[Exception]:
    """The base class of MuPDF's own errors, which PyMuPDF passes on for pictures."""
    from pymupdf import mupdf  # pyright: ignore[reportPrivateImportUsage]

    return mupdf.FzErrorBase


class PictureFile(OpenFile):
    """An open picture file."""

    document: "pymupdf.Document"
    options: ParseOptions

    def page(self, index: int) -> RawPage:
        import pymupdf

        try:
            pixmap = self._pixmap(index)
        except (pymupdf.FileDataError, _mupdf_error(), RuntimeError) as error:
            raise WrongFormat(f"not a picture, or a damaged one ({' '.join(str(error).split())})") from None
        if not self.options.ocr:
            size = markup.picture_note(pixmap.width, pixmap.height, "px")
            return RawPage(str(index + 1), "", (f"{size}: {_NO_OCR}",), needs_picture=True)
        found = pixmap.pdfocr_tobytes(
            compress=False, language=self.options.ocr_language, tessdata=self.options.tessdata
        )
        with pymupdf.open(stream=found, filetype="pdf") as document:
            raw: list[Any] = document[0].get_text("blocks")  # pyright: ignore[reportAssignmentType]
        lines = (" ".join(line.split()) for block in raw for line in block[4].splitlines())
        text = "\n".join(line for line in lines if line)
        if not text:
            note = markup.picture_note(pixmap.width, pixmap.height, "px").replace(
                "was not read", "has no text that OCR finds"
            )
            return RawPage(str(index + 1), "", (note,), needs_picture=True)
        return RawPage(str(index + 1), text, (BY_OCR,), needs_picture=True)

    def _pixmap(self, index: int) -> "pymupdf.Pixmap":
        """A picture in the resolution in which it is read."""
        import pymupdf

        page = self.document.load_page(index)
        area = max(page.rect.width * page.rect.height, 1.0)
        if area * (96 / 72) ** 2 > _MAX_PIXELS:
            raise ParseError("the picture is too large to be unpacked")
        zoom = min(_DPI / 72, (_PIXELS / area) ** 0.5)
        pixmap = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=False)
        pixmap.set_dpi(round(72 * zoom), round(72 * zoom))
        return pixmap


def _kind(data: bytes) -> str:
    """The extension by which MuPDF knows the kind of a picture."""
    starts = {b"\x89PNG": "png", b"\xff\xd8": "jpeg", b"II*\0": "tiff", b"MM\0*": "tiff", b"GIF8": "gif", b"BM": "bmp"}
    for start, kind in starts.items():
        if data.startswith(start):
            return kind
    raise WrongFormat("not a picture, or of an unknown kind")


def _from_webp(data: bytes) -> bytes:
    """WebP as PNG, since MuPDF does not read it."""
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data), formats=["WEBP"]) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise ParseError("the picture is too large to be unpacked")
            out = BytesIO()
            picture.convert("RGB").save(out, "PNG", compress_level=1)
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise WrongFormat(f"not a picture, or a damaged one ({error})") from None
    return out.getvalue()
