"""PDF files, read by PyMuPDF."""

from bisect import bisect_right
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..base import Format, OpenFile, ParseError, ParseOptions, RawPage, SecretNeeded, WrongFormat
from .labels import numeral
from .text import page_text

if TYPE_CHECKING:
    import pymupdf

_KEEP = 256
"""Pages after which MuPDF's cache of fonts and pictures is cleared; its own limit is 256 MiB."""
_SCANT = 60
"""Characters below which the text of a page covered by a picture is taken for a stamp on a scan."""
_COVERED = 0.6
"""Fraction of a page that pictures cover in a scan."""
_NONSENSE = 0.3
"""Fraction of characters without a Unicode value above which the text layer of a page is unusable."""
_DPI = 300
_ATTACHMENT = 17
_FREE_TEXT, _WIDGET = 2, 19
"""Annotations whose text is drawn on the page, and therefore read with it."""

NO_TEXT = "no text layer, only pictures or drawings; --ocr would read them"
OVERPRINTED = "next to no text, over a picture that covers the page; --ocr would read it"
UNREADABLE = "fonts without Unicode values, so most of the text is nonsense; --ocr would read it"
UNMAPPED = "some characters have no Unicode value in the file's fonts and may read as nonsense"
BY_OCR = "read by OCR"


class Pdf(Format):
    name = "PDF"
    extensions = (".pdf",)
    media_type = "application/pdf"
    library = "pymupdf"
    magic = b"%PDF-"
    options = ("layout", "ocr", "ocr_language")
    random_access = True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        import pymupdf

        pymupdf.TOOLS.mupdf_display_errors(False)
        pymupdf.TOOLS.mupdf_display_warnings(False)
        if options.layout and not find_spec("pymupdf4llm"):
            raise ParseError("reading the layout needs pymupdf4llm: pip install 'longread[layout]'")
        try:
            document = pymupdf.open(stream=data, filetype="pdf")
        except (pymupdf.FileDataError, pymupdf.EmptyFileError, RuntimeError) as error:
            raise ParseError(f"not a PDF, or damaged beyond repair ({_line(error)})") from error
        if not document.is_pdf:
            raise WrongFormat("not a PDF; give it the extension of what it is")
        locked = bool(document.needs_pass)
        if locked and not document.authenticate(options.password):
            wrong = "the password is wrong" if options.password else "encrypted"
            raise SecretNeeded(f"{wrong}; give its password with --password (password=… in LoadOptions)")
        return PdfFile.of(document, options, secret=locked)


class PdfFile(OpenFile):
    """An open PDF. Pages are independent of each other."""

    document: "pymupdf.Document"
    options: ParseOptions
    read: int = 0

    @classmethod
    def of(cls, document: "pymupdf.Document", options: ParseOptions, *, secret: bool) -> "PdfFile":
        metadata = {name: str(text).strip() for name, text in (document.metadata or {}).items() if text}
        file = cls(
            document.page_count,
            title=metadata.pop("title", ""),
            metadata={name: text for name, text in metadata.items() if name not in ("encryption", "trapped")},
            secret=secret,
        )
        file.document, file.options = document, options
        file.outline = [(level, " ".join(title.split()), max(page, 1)) for level, title, page in document.get_toc()]
        if document.is_repaired:
            file.warnings.append("The file is damaged; MuPDF repaired what it could.")
        if document.embfile_count():
            file.warnings.append(f"Attached files were not read: {', '.join(document.embfile_names())}.")
        return file

    def page(self, index: int) -> RawPage:
        import pymupdf

        page = self.document.load_page(index)
        text, unmapped = page_text(page)
        note = UNREADABLE if unmapped > _NONSENSE else self._picture(page) if len(text) < _SCANT else None
        notes = [UNMAPPED] if 0 < unmapped <= _NONSENSE else []
        if note and self.options.ocr:
            seen = self._ocr(page)
            text = seen if note == UNREADABLE or text in seen else f"{text}\n{seen}"
            note = BY_OCR
        elif self.options.layout and not note:
            from .layout import markdown

            text = markdown(self.document, index, text)
        notes += [note] if note else []
        comments: list[str] = []
        for annotation in page.annots() if page.first_annot else ():
            if annotation.type[0] == _ATTACHMENT:
                notes.append(f"the attached file {annotation.file_info['filename']} was not read")
            elif annotation.type[0] not in (_FREE_TEXT, _WIDGET) and (content := annotation.info["content"].strip()):
                comments.append(f"[Comment] {content}")
        self.read += 1
        if self.read % _KEEP == 0:
            pymupdf.TOOLS.store_shrink(100)
        return RawPage(self._label(index), "\n".join([text, *comments]), tuple(notes))

    def _picture(self, page: "pymupdf.Page") -> str | None:
        """Describes a page with almost no text by what it shows instead; None if it is just short, or blank."""
        log = page.get_bboxlog()
        boxes = [page.rect & box for kind, box in log if kind in ("fill-image", "fill-imgmask")]
        covered = sum(abs(box) for box in boxes) > _COVERED * abs(page.rect)
        if any("text" in kind for kind, _ in log):
            return OVERPRINTED if covered else None
        return NO_TEXT if len(log) > 1 or boxes else None  # one drawing is a frame or a background

    def _ocr(self, page: "pymupdf.Page") -> str:
        sight = page.get_textpage_ocr(
            language=self.options.ocr_language, dpi=_DPI, full=True, tessdata=self.options.tessdata
        )
        raw: list[Any] = page.get_text("blocks", textpage=sight)  # pyright: ignore[reportAssignmentType]
        return "\n".join(text for block in raw if (text := " ".join(block[4].split())))

    def _label(self, index: int) -> str:
        at = bisect_right([rule["startpage"] for rule in self._label_rules], index) - 1
        if at < 0:
            return str(index + 1)
        rule = self._label_rules[at]
        number = index - rule["startpage"] + rule.get("firstpagenum", 1)
        return rule.get("prefix", "") + numeral(number, rule.get("style", "")) or str(index + 1)

    @cached_property
    def _label_rules(self) -> list[dict[str, Any]]:
        return sorted(self.document.get_page_labels(), key=lambda rule: rule["startpage"])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
