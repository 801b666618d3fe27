"""The format HTML."""

from ..base import Format, OpenFile, ParseOptions, Sections
from ..markdown import sections
from .page import to_markdown, with_notes


class Html(Format):
    name = "HTML"
    extensions = (".html", ".htm", ".xhtml", ".xht", ".shtml")
    media_type = "text/html"
    library = "selectolax"
    revision = 2
    textual = True
    options = ("hidden", "encoding")

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        page = to_markdown(data, encoding=options.encoding, hidden=options.hidden)
        split, outline = sections(page.text) if page.text else ([], [])
        pages = with_notes(page.text, split, page.marks, kept=options.hidden == "keep")
        return Sections(
            len(pages),
            sections=pages,
            outline=outline,
            title=page.title,
            metadata=page.metadata,
            warnings=list(page.warnings),
        )
