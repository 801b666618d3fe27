"""HTML, converted to Markdown: headings, lists, tables and links are preserved."""

import re

from .base import Format, OpenFile, ParseOptions, Sections
from .markdown import sections

_INVISIBLE = ("script", "style", "template", "noscript")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


class Html(Format):
    name = "HTML"
    extensions = (".html", ".htm", ".xhtml")
    media_type = "text/html"
    library = "markdownify"
    textual = True

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, title, metadata, warnings = to_markdown(data)
        pages, outline = sections(text)
        return Sections(len(pages), sections=pages, outline=outline, title=title, metadata=metadata, warnings=warnings)


def to_markdown(data: bytes) -> tuple[str, str, dict[str, str], list[str]]:
    """Convert a page of HTML or XHTML; returns (Markdown, title, metadata, warnings)."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(data, "xml" if _is_xml(data) else "lxml")
    warnings = ["Some bytes do not fit the encoding, and read as U+FFFD."] * soup.contains_replacement_characters
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    named = {str(meta.get("name", "")).lower(): str(meta.get("content", "")) for meta in soup.find_all("meta")}
    metadata = {name: named[name] for name in ("author", "date", "description", "keywords") if named.get(name)}
    for tag in soup.find_all(_INVISIBLE):
        tag.decompose()
    return markdown_of(str(soup.body or soup)), title, metadata, warnings


def markdown_of(html: str) -> str:
    """Convert HTML to Markdown without escaping: a quote of the text must be found in it."""
    from markdownify import MarkdownConverter

    class Converter(MarkdownConverter):
        def convert_a(self, el, text, parent_tags):
            # Only absolute addresses: others are tokens without meaning.
            address = str(el.get("href", ""))
            elsewhere = address.startswith(("http:", "https:", "mailto:"))
            return f"[{text}]({address})" if elsewhere and text.strip() else text

        def convert_img(self, el, text, parent_tags):
            return str(el.get("alt", "") or "")  # the source may be the picture as base64

    converter = Converter(heading_style="atx", escape_asterisks=False, escape_underscores=False, escape_misc=False)
    return _BLANK_LINES.sub("\n\n", converter.convert(html)).strip()


def _is_xml(data: bytes) -> bool:
    """Whether the data parses as XML: XHTML parsed as HTML loses everything after a `<title/>` or `<script/>`."""
    import lxml.etree as etree

    if not data[:200].lstrip().startswith(b"<?xml"):
        return False
    try:
        etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError:
        return False
    return True
