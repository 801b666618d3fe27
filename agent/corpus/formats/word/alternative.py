"""Documents within the document (w:altChunk; 17.17.2), which Word merges when it opens the file."""

from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from .. import markup
from ..base import ParseError
from .pages import Block, cleaned

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

    from .story import Story

_WORD = (".docx", ".docm", ".dotx", ".dotm")
_READ = (".htm", ".html", ".xhtml", ".txt", ".md", ".mht", ".mhtml", ".rtf", *_WORD)


def blocks(element: "_Element", story: "Story") -> Iterator[Block]:
    """The text of w:altChunk; its name, if it cannot be read."""
    from ..registry import formats  # it imports this package
    from .document import open_document

    shared = story.shared
    name = story.target(element)
    data = shared.package.read(name) if name else None
    extension = PurePath(name).suffix.lower()
    known = next((one for one in formats() if extension in one.extensions), None) if extension in _READ else None
    if data and known is not None and not shared.is_chunk:  # no chunks within chunks without end
        try:
            opened = (
                open_document(data, shared.options, chunk=True)
                if extension in _WORD
                else known.open(data, shared.options)
            )
            texts = [cleaned(opened.page(index).text) for index in range(opened.pages)]
        except ParseError:
            texts = []
        if texts:
            yield from map(Block, texts)
            return
    note = shared.attachments.add(f"a document within the document ({PurePath(name).name or 'missing'}) was not read")
    yield Block(markup.named("document", PurePath(name).name) + note)
