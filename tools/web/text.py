"""Convert the reply of a web server to text: decompress it within a limit, decode it, and turn HTML into Markdown."""

import codecs
import re
import zlib
from collections.abc import AsyncIterator

from ..base import ToolError

HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("application/json", "application/xml", "application/javascript", "application/yaml", "application/toml")
_INVISIBLE = ("script", "style", "template", "noscript", "svg", "head")
_MOST_TAGS = 100_000
"""Maximum for a page: converting so many to Markdown takes ten seconds, and cannot be interrupted."""
_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]*>")
_BLANK_LINES = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


def is_text(media_type: str) -> bool:
    """Whether `text` can convert this media type."""
    return media_type in (*HTML, *_TEXT) or media_type.startswith("text/") or media_type.endswith(("+json", "+xml"))


def text(data: bytes, media_type: str, charset: str | None) -> str:
    """Convert a page to text.

    Args:
        charset: the encoding that the server declares; None: it is detected.

    Raises:
        ToolError: the page is nested too deeply, or has too many tags.
    """
    if media_type not in HTML:
        return _decode(data, charset).strip()
    try:
        return _markdown(data, charset)
    except RecursionError as error:
        raise ToolError("the page is nested too deeply to be read.") from error


async def gunzip(chunks: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """Decompress gzip, at most `most` + 1 bytes at a time: a kilobyte can expand to a megabyte.

    Raises:
        ToolError: the data is not valid gzip, or is truncated.
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
        raise ToolError(f"the compressed data of the page is invalid ({error}).") from error
    if not decoder.eof:
        raise ToolError("the page is incomplete: its compressed data ends early.")


def _markdown(data: bytes, charset: str | None) -> str:
    if (tags := data.count(b"<")) > _MOST_TAGS:
        raise ToolError(f"the page has {tags:,} tags; the limit is {_MOST_TAGS:,}.")
    from bs4 import BeautifulSoup
    from bs4.dammit import EncodingDetector
    from markdownify import MarkdownConverter

    html = _decode(data, charset or EncodingDetector.find_declared_encoding(data, is_html=True))
    # lxml's HTML parser accepts malformed pages. It would warn about an XML declaration.
    soup = BeautifulSoup(_XML_DECLARATION.sub("", html, count=1), "lxml")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for tag in soup.find_all(_INVISIBLE):
        tag.decompose()
    converter = MarkdownConverter(
        heading_style="atx", strip=["img"], escape_asterisks=False, escape_underscores=False, escape_misc=False
    )
    body = _BLANK_LINES.sub("\n\n", converter.convert_soup(soup)).strip()
    return f"Title: {title}\n\n{body}".strip() if title else body


def _decode(data: bytes, charset: str | None) -> str:
    try:
        known = codecs.lookup(charset or "").name
        # Latin-1 means Windows-1252 on the web (WHATWG Encoding Standard, 4.2).
        return data.decode("cp1252" if known == "iso8859-1" else known, errors="replace").removeprefix("\ufeff")
    except (LookupError, UnicodeError):
        pass  # not the name of an encoding that Python supports
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = from_bytes(data).best()
        return str(best) if best else data.decode(errors="replace")
