"""Facts about a PDF as a whole that its pages are read with. Each is found out when it is first asked for."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from .fonts import doubtful_fonts
from .layers import with_all_layers
from .pictures import repeated_pictures
from .xfa import is_dynamic

if TYPE_CHECKING:
    import pymupdf


class Facts:
    def __init__(self, document: "pymupdf.Document", password: str):
        self._document = document
        self._password = password

    @cached_property
    def all_layers(self) -> "pymupdf.Document | None":
        """The document with all layers switched on; None if none is off."""
        return with_all_layers(self._document, self._password)

    @cached_property
    def repeated_pictures(self) -> frozenset[int]:
        """The numbers of pictures that are on many pages."""
        return repeated_pictures(self._document)

    @cached_property
    def is_dynamic(self) -> bool:
        """The pages of an XFA form are not in the file."""
        return is_dynamic(self._document)

    def is_doubtful(self, index: int) -> bool:
        """Whether a font of a page names none of its characters."""
        fonts: Any = self._document.get_page_fonts(index) if self._doubtful_fonts else ()
        return any(font[0] in self._doubtful_fonts for font in fonts)

    @cached_property
    def _doubtful_fonts(self) -> frozenset[int]:
        return doubtful_fonts(self._document)

    def warnings(self, *, attachments: bool) -> list[str]:
        """What a reader of the whole file has to know. `attachments`: the files in it are read."""
        document = self._document
        warnings: list[str] = []
        if document.is_repaired:
            warnings.append("The file is damaged; MuPDF repaired what it could.")
        if document.embfile_count() and not attachments:
            names = ", ".join(document.embfile_names())
            warnings.append(f"Attached files were not read: {names}; --attachments reads them.")
        if document.xref_get_key(document.pdf_catalog(), "Collection")[0] != "null":
            warnings.append("The file is a portfolio: its pages are only a cover, its content is the attached files.")
        if self.is_dynamic:
            warnings.append(
                "The file is a dynamic XFA form, whose pages only Adobe's programs show; what was filled in was read."
            )
        return warnings
