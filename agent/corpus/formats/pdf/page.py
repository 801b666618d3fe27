"""A page of a PDF: its text, what is written or drawn on it besides, and notes on what is left out."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import markup
from ..base import ParseOptions
from .annotations import Annotation, annotations_of, comments, leave_to_comments, with_links
from .fonts import is_nonsense
from .forms import PageFields
from .hidden import LAYER, Hidden, hidden_text
from .layers import hidden_layers
from .pictures import Picture, may_have_pictures, unread_pictures
from .recognition import DPI, FIGURE_DPI, is_sensible, recognize
from .replacement import ELSEWHERE, as_drawn, replaced_text
from .text import page_text
from .xfa import form_data

if TYPE_CHECKING:
    import pymupdf

    from .document import Facts

_NONSENSE = 0.3
"""Fraction of characters without a Unicode value above which the text layer of a page is unusable."""
_MOST_PICTURES = 4
"""Parts of a page that are read by OCR at most."""

NO_TEXT = "no text layer, only a picture of it; --ocr always would read it"
OVERPRINTED = "next to no text, over a picture that covers the page; --ocr always would read it"
UNREADABLE = "fonts without Unicode values, so most of the text is nonsense; --ocr always would read it"
UNREAD = "fonts without Unicode values, so most of the text is nonsense, and OCR could not read it either"
UNMAPPED = "some characters have no Unicode value in the file's fonts and may read as nonsense"
UNSTRUCTURED = "read without the layout model, which would have put in its hidden text"
BY_OCR = "read by OCR"


class PageReader:
    """Reads one page."""

    def __init__(self, document: "pymupdf.Document", index: int, facts: "Facts", options: ParseOptions):
        self._document = document
        self._index = index
        self._facts = facts
        self._options = options
        self.notes: list[str] = []
        self.needs_picture = False
        self._kept: list[str] = []
        """Hidden text that is to be put in."""

    def text(self) -> str:
        """The text of the page. Afterwards `notes` and `needs_picture` are complete."""
        annotations = annotations_of(self._document, self._index)
        leave_to_comments(self._document, annotations)
        page = self._document.load_page(self._index)
        fields = PageFields(page) if page.first_widget else None
        if fields:
            page = fields.place()
        content = page.read_contents()
        if said := replaced_text(page, content):
            page = as_drawn(page)
            self._hide([(ELSEWHERE, said)])
        text = self._drawn(page, content)
        if fields:
            text = fields.written(text)
            self._hide([("in hidden fields of the form", field.written()) for field in fields.hidden])
        following = self._annotated(page, annotations)
        if annotations:
            text = with_links(page, text, annotations)
        if self._index == 0 and self._facts.is_dynamic:
            following += self._filled_in()
        lines = (text, *following, *self._kept)
        return "\n".join(line for line in lines if line)

    def _drawn(self, page: "pymupdf.Page", content: bytes) -> str:
        """What is written on the page, in its text or in pictures."""
        hidden = self._searched(page, content)
        texts = list(hidden.texts) if hidden else []
        if self._facts.all_layers is not None:
            complete = self._facts.all_layers.load_page(self._index)
            texts += [(LAYER, line) for line in hidden_layers(page, complete)]
        self._hide(texts)
        text, unmapped = page_text(page, hidden.places if hidden else None)
        if unmapped > _NONSENSE or is_nonsense(text, lambda: self._facts.is_doubtful(self._index)):
            return self._instead_of(text, page)
        if unmapped:
            self.notes.append(UNMAPPED)
        if self._options.layout and text:
            if hidden:
                self.notes.append(UNSTRUCTURED)
            else:
                from .layout import markdown

                text = markdown(self._document, self._index, text)
        return self._with_pictures(page, content, text)

    def _searched(self, page: "pymupdf.Page", content: bytes) -> Hidden | None:
        """The hidden text of the page; if it cannot be drawn, that is noted."""
        from pymupdf import mupdf

        try:
            return hidden_text(page, content)
        except mupdf.FzErrorBase as error:
            self.notes.append(f"the page cannot be drawn, so hidden text was not looked for ({_line(error)})")
            return None

    def _hide(self, texts: Sequence[tuple[str, str]]) -> None:
        """Note hidden texts, each given with the reason, and keep them where that is wanted."""
        words: Counter[str] = Counter()
        for why, text in texts:
            words[why] += len(text.split()) or 1
        kept = self._options.hidden == "keep"
        self.notes += [markup.hidden_note(count, why, kept=kept) for why, count in words.items()]
        self._kept += [markup.hidden(text) for _, text in texts] if kept else []

    def _instead_of(self, nonsense: str, page: "pymupdf.Page") -> str:
        """The text of a page whose fonts do not say what its characters are."""
        self.needs_picture = True
        seen = self._recognized(page, tuple(page.rect), DPI, with_text=True) if self._options.ocr else ""
        self.notes.append(BY_OCR if seen else UNREAD if self._options.ocr else UNREADABLE)
        return seen or nonsense

    def _with_pictures(self, page: "pymupdf.Page", content: bytes, text: str) -> str:
        """The text with that of pictures, as far as OCR reads it; notes on those that it does not."""
        if not may_have_pictures(content):
            return text
        parts = [text] if text else []
        attempts = 0
        for picture in self._pictures(page):
            self.needs_picture = True
            seen = ""
            if (
                self._options.ocr
                and (picture.whole or picture.legible or self._options.ocr_all)
                and attempts < _MOST_PICTURES
            ):
                attempts += 1
                seen = self._recognized(page, picture.box, DPI if picture.whole else FIGURE_DPI)
            if seen:
                parts.append(seen)
            self.notes.append(self._note(picture, text, seen))
        return "\n".join(parts)

    def _pictures(self, page: "pymupdf.Page") -> list[Picture]:
        from pymupdf import mupdf

        try:
            return unread_pictures(page, self._facts.repeated_pictures)
        except mupdf.FzErrorBase as error:
            self.notes.append(f"the page cannot be drawn, so its pictures were not read ({_line(error)})")
            return []

    def _note(self, picture: Picture, text: str, seen: str) -> str:
        if seen and picture.whole:
            return BY_OCR
        if seen:
            return f"a picture of {picture.width:,.0f}×{picture.height:,.0f} pt was read by OCR"
        if picture.whole and not self._options.ocr:
            return OVERPRINTED if text else NO_TEXT
        return markup.picture_note(picture.width, picture.height)

    def _recognized(self, page: "pymupdf.Page", box: Any, dpi: int, *, with_text: bool = False) -> str:
        """What OCR reads in a part of a page; empty if that is no text."""
        language, tessdata = self._options.ocr_language, self._options.tessdata
        try:
            seen = recognize(page, box, dpi=dpi, language=language, tessdata=tessdata, with_text=with_text)
        except (RuntimeError, MemoryError) as error:
            self.notes.append(f"OCR failed ({_line(error)})")
            return ""
        if not is_sensible(seen.text):
            return ""
        if seen.lowered:
            self.notes.append(f"the page is so large that OCR read it at {seen.dpi} dpi")
        return seen.text

    def _annotated(self, page: "pymupdf.Page", annotations: list[Annotation]) -> list[str]:
        """The comments on a page; notes on files that are attached to it."""
        if not annotations:
            return []
        if not self._options.attachments:
            files = (annotation.file for annotation in annotations if annotation.kind == "FileAttachment")
            self.notes += [f"the attached file {file} was not read; --attachments reads it" for file in files]
        self._hide([("in hidden annotations", line) for line in comments(page, annotations, hidden=True)])
        return comments(page, annotations)

    def _filled_in(self) -> list[str]:
        """What was filled in in a form whose pages are not in the file."""
        try:
            return form_data(self._document)
        except ValueError as error:
            self.notes.append(f"what was filled in could not be read ({_line(error)})")
            return []


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
