"""What a server sends -> text: decompressed within a limit, decoded, HTML as Markdown."""

import codecs
import re
import zlib
from collections.abc import AsyncIterator

from .base import ToolError

HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("application/json", "application/xml", "application/javascript", "application/yaml", "application/toml")
_INVISIBLE = ("script", "style", "template", "noscript", "svg", "head")
_MOST_TAGS = 100_000
"""Of a page: making Markdown of so many takes ten seconds, in which nothing can stop it."""
_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]*>")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


def is_text(media_type: str) -> bool:
    """Whether `text` can make text of it."""
    return media_type in (*HTML, *_TEXT) or media_type.startswith("text/") or media_type.endswith(("+json", "+xml"))


def text(data: bytes, media_type: str, charset: str | None) -> str:
    """The text of a page.

    Args:
        charset: what the server says of it.

    Raises:
        ToolError: it is nested so deep, or has so many tags, that it cannot be read.
    """
    if media_type not in HTML:
        return _decoded(data, charset).strip()
    try:
        return _markdown(data, charset)
    except RecursionError as error:
        raise ToolError("the page is nested too deep to be read.") from error


async def gunzipped(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Decompressed, `most` bytes and one at a time: a kilobyte can stand for a megabyte.

    Raises:
        ToolError: it is not gzip, or not whole.
    """
    decoder = zlib.decompressobj(wbits=31)
    try:
        async for chunk in chunks:
            while chunk:
                if decoder.eof:  # another member follows
                    decoder = zlib.decompressobj(wbits=31)
                yield decoder.decompress(chunk, most + 1)
                chunk = decoder.unconsumed_tail or decoder.unused_data
    except zlib.error as error:
        raise ToolError(f"the page is not compressed as it says ({error}).") from error
    if not decoder.eof:
        raise ToolError("the page broke off.")


def _markdown(data: bytes, charset: str | None) -> str:
    if (tags := data.count(b"<")) > _MOST_TAGS:
        raise ToolError(f"the page has {tags:,} tags, and more than {_MOST_TAGS:,} are not read.")
    from bs4 import BeautifulSoup
    from bs4.dammit import EncodingDetector
    from markdownify import MarkdownConverter

    html = _decoded(data, charset or EncodingDetector.find_declared_encoding(data, is_html=True))
    # The parser for HTML is the one that takes what there is; of an XML declaration it would make a warning.
    soup = BeautifulSoup(_XML_DECLARATION.sub("", html, count=1), "lxml")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for tag in soup.find_all(_INVISIBLE):
        tag.decompose()
    converter = MarkdownConverter(
        heading_style="atx", strip=["img"], escape_asterisks=False, escape_underscores=False, escape_misc=False
    )
    body = _BLANK_LINES.sub("\n\n", converter.convert_soup(soup)).strip()
    return f"Title: {title}\n\n{body}".strip() if title else body


def _decoded(data: bytes, charset: str | None) -> str:
    try:
        known = codecs.lookup(charset or "").name
        # What calls itself Latin-1 on the web is Windows-1252 (WHATWG Encoding Standard, 4.2).
        return data.decode("cp1252" if known == "iso8859-1" else known, errors="replace").removeprefix("\ufeff")
    except (LookupError, UnicodeError):
        pass  # a name that Python does not know, or not as one of an encoding, says nothing
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data).best()
        return str(best) if best else data.decode(errors="replace")
