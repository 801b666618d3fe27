"""PDF, by PyMuPDF."""

import re
from bisect import bisect_right
from collections import Counter
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .base import Format, OpenFile, ParseError, ParseOptions, RawPage, SecretNeeded, WrongFormat
from .pdf_reading_order import Block, is_ordered, ordered

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

_DIVISION = re.compile("[-\u2010]\n(?=.)")
_WORD_END = re.compile(r"[^\W\d_]+\Z")
_WORD_START = re.compile(r"[^\W\d_]+")

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
        text, unmapped = self._text(page)
        note = UNREADABLE if unmapped > _NONSENSE else self._picture(page) if len(text) < _SCANT else None
        notes = [UNMAPPED] if 0 < unmapped <= _NONSENSE else []
        if note and self.options.ocr:
            seen = self._ocr(page)
            text = seen if note == UNREADABLE or text in seen else f"{text}\n{seen}"
            note = BY_OCR
        elif self.options.layout and not note:
            from .pdf_layout import markdown

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

    def _text(self, page: "pymupdf.Page") -> tuple[str, float]:
        """The text of the page, and the fraction of it that was guessed from the internal numbering of fonts."""
        import pymupdf

        flags = pymupdf.TEXT_MEDIABOX_CLIP  # without the flag that keeps ligatures, so that they are expanded
        text = self._ordered(page, flags)
        unmapped = text.count("\ufffd")
        if not unmapped:
            return text, 0.0
        return self._ordered(page, flags | pymupdf.TEXT_CID_FOR_UNKNOWN_UNICODE), unmapped / len(text)

    def _ordered(self, page: "pymupdf.Page", flags: int) -> str:
        raw: list[Any] = page.get_text("blocks", flags=flags)  # pyright: ignore[reportAssignmentType]
        blocks = [Block(x0, y0, x1, y1, text.strip("\n")) for x0, y0, x1, y1, text, *_ in raw if text.strip()]
        return _joined("\n".join(block.text for block in reading_order(page, blocks, flags)).strip())

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
        return rule.get("prefix", "") + _numeral(number, rule.get("style", "")) or str(index + 1)

    @cached_property
    def _label_rules(self) -> list[dict[str, Any]]:
        return sorted(self.document.get_page_labels(), key=lambda rule: rule["startpage"])


def reading_order(page: "pymupdf.Page", blocks: list[Block], flags: int) -> list[Block]:
    """The text blocks that `flags` gives for a page, in reading order."""
    if is_ordered(blocks):
        return blocks
    turn = _turn(page, flags)
    return blocks if turn and is_ordered(blocks, turn) else ordered(blocks, turn)


def _turn(page: "pymupdf.Page", flags: int) -> int:
    """Clockwise quarter turns that make most of the text run from left to right."""
    directions: Counter[int] = Counter()
    raw: Any = page.get_text("dict", flags=flags)
    for line in (line for block in raw["blocks"] for line in block.get("lines", ())):
        x, y = (round(part) for part in line["dir"])
        directions[{(1, 0): 0, (0, -1): 1, (-1, 0): 2, (0, 1): 3}.get((x, y), 0)] += len(line["spans"])
    return directions.most_common(1)[0][0] if directions else 0


def _joined(text: str) -> str:
    """Join words that are divided at line ends. MuPDF's own option has no effect on its blocks.

    The hyphen is removed, unless the page contains the word with it elsewhere and not without it. A soft hyphen always
    is.
    """
    text = text.replace("\u00ad\n", "")
    parts: list[str] = []
    done = 0
    for division in _DIVISION.finditer(text):
        before = _WORD_END.search(text, max(0, division.start() - 64), division.start())
        after = _WORD_START.match(text, division.end())
        if before is None or after is None or not after[0][0].islower():
            continue
        with_hyphen = f"{before[0]}-{after[0]}"
        keep = with_hyphen in text and before[0] + after[0] not in text
        parts += [text[done : division.start()], "-" if keep else ""]
        done = division.end()
    return "".join([*parts, text[done:]])


def _numeral(number: int, style: str) -> str:
    """A page number in one of PDF's styles: D, R, r, A, a, or none."""
    if style == "D":
        return str(number)
    if style in ("A", "a"):  # A to Z, then AA to ZZ
        letters = chr(ord("A") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if style == "A" else letters.lower()
    if style in ("R", "r"):
        roman, rest = "", number
        for value, sign in _ROMAN:
            roman += sign * (rest // value)
            rest %= value
        return roman if style == "R" else roman.lower()
    return ""


_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
