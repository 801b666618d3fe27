"""Word, by mammoth: headings, lists, tables, text boxes, notes and comments, in document order."""

import re
from io import BytesIO
from zipfile import ZipFile

from .base import Format, OpenFile, ParseOptions, RawPage, Sections
from .html import markdown_of
from .markdown import sections
from .zip_archive import local, open_archive, properties, xml

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Subtitle'] => p:fresh
comment-reference => sup
"""
_IGNORED = "An unrecognised element was ignored: "


class Docx(Format):
    name = "Word"
    extensions = (".docx", ".docm")
    media_type = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    library = "mammoth"
    zip_member = "word/document.xml"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        import mammoth

        archive = open_archive(data, self.name)
        # Without a source, a picture is represented by its description, and not by its bytes in base64.
        picture = mammoth.images.img_element(lambda _: {"src": ""})
        result = mammoth.convert_to_html(BytesIO(data), style_map=_STYLES, convert_image=picture)
        messages = [str(message.message) for message in result.messages]
        ignored = sorted({re.split("[:}]", message)[-1] for message in messages if message.startswith(_IGNORED)})
        metadata = properties(archive)
        pages, outline = sections(markdown_of(result.value))
        return Sections(
            len(margins := [*pages, *_margins(archive)]),
            sections=margins,
            outline=outline,
            title=metadata.pop("title", ""),
            metadata=metadata,
            warnings=[f"Not read: elements of the kinds {', '.join(ignored)}."] if ignored else [],
        )


def _margins(archive: ZipFile) -> list[RawPage]:
    """Headers and footers, each distinct one once, as a last page: mammoth leaves them out."""
    texts: dict[str, None] = {}
    for name in sorted(archive.namelist()):
        if name.startswith(("word/header", "word/footer")) and (root := xml(archive, name)) is not None:
            paragraphs = (p for p in root.iter() if local(p) == "p")
            lines = ("".join(t.text or "" for t in p.iter() if local(t) == "t") for p in paragraphs)
            if text := "\n".join(line for line in lines if line.strip()):
                texts[text] = None
    return [RawPage("headers and footers", "\n".join(texts))] if texts else []
