"""PDF files, read by PyMuPDF."""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..base import AttachedFile, Format, OpenFile, ParseError, ParseOptions, RawPage, SecretNeeded, WrongFormat
from .labels import numeral

if TYPE_CHECKING:
    import pymupdf

    from .document import Facts

_KEEP = 256
"""Pages after which MuPDF's cache of fonts and pictures is cleared; its own limit is 256 MiB."""


class Pdf(Format):
    name = "PDF"
    extensions = (".pdf",)
    media_type = "application/pdf"
    library = "pymupdf"
    revision = 2
    magic = b"%PDF-"
    options = ("layout", "ocr", "ocr_all", "ocr_language", "hidden", "attachments")
    random_access = True

    def holds_files(self, options: ParseOptions) -> bool:
        return options.attachments

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
            how = "--password (password=… in LoadOptions)"
            raise SecretNeeded(
                f"the password is wrong; give another one with {how}"
                if options.password
                else f"encrypted; give its password with {how}"
            )
        return PdfFile.of(document, options, secret=locked)


class PdfFile(OpenFile):
    """An open PDF. Pages are independent of each other."""

    document: "pymupdf.Document"
    facts: "Facts"
    options: ParseOptions
    read: int = 0

    @classmethod
    def of(cls, document: "pymupdf.Document", options: ParseOptions, *, secret: bool) -> "PdfFile":
        from .document import Facts

        metadata = {name: str(text).strip() for name, text in (document.metadata or {}).items() if text}
        file = cls(
            document.page_count,
            title=metadata.pop("title", ""),
            metadata={name: text for name, text in metadata.items() if name not in ("encryption", "trapped")},
            secret=secret,
        )
        file.document, file.options = document, options
        file.outline = [(level, " ".join(title.split()), max(page, 1)) for level, title, page in document.get_toc()]
        file.facts = Facts(document, options.password)
        file.warnings += file.facts.warnings(attachments=options.attachments)
        return file

    def page(self, index: int) -> RawPage:
        import pymupdf

        from .page import PageReader

        reader = PageReader(self.document, index, self.facts, self.options)
        text = reader.text()
        self.read += 1
        if self.read % _KEEP == 0:
            pymupdf.TOOLS.store_shrink(100)
        notes = tuple(dict.fromkeys(reader.notes))
        return RawPage(self._label(index), text, notes, needs_picture=reader.needs_picture)

    def attached_files(self) -> Iterator[AttachedFile]:
        from .annotations import annotations_of, attached_bytes

        for name in self.document.embfile_names() if self.document.embfile_count() else ():
            yield AttachedFile(name, self.document.embfile_get(name))
        for index in range(self.pages):
            for annotation in annotations_of(self.document, index):
                if annotation.kind == "FileAttachment":
                    data = attached_bytes(self.document, annotation)
                    problem = "" if data else "damaged or in another file"
                    yield AttachedFile(annotation.file, data, problem=problem)

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


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
