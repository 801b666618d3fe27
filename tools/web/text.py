"""Convert the reply of a web server to text: decompress it within a limit, and decode it."""

import codecs
import re
import zlib
from collections.abc import AsyncIterator, Callable

from ..base import ToolError

HTML = ("text/html", "application/xhtml+xml")
_TEXT = ("application/json", "application/xml", "application/javascript", "application/yaml", "application/toml")
_INVISIBLE = frozenset(("script", "style", "template", "noscript", "svg", "head"))
_INLINE = frozenset(
    (
        *("a", "abbr", "b", "bdi", "bdo", "cite", "code", "em", "font", "i", "kbd", "mark", "q", "s", "samp", "small"),
        *("span", "strong", "sub", "sup", "u", "var"),
    )
)
_BLANK = re.compile(r"[ \t\r\n\f]+")
_META = re.compile(rb"""<meta\s[^>]*?charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_DECLARATION = re.compile(r"\s*<\?xml[^>]*>")

HtmlReader = Callable[[bytes, str | None, str], str]
"""Converts a page of HTML to text: (data, encoding that the server declares, address)."""


def is_text(media_type: str) -> bool:
    """Whether this media type can be converted."""
    return media_type in (*HTML, *_TEXT) or media_type.startswith("text/") or media_type.endswith(("+json", "+xml"))


def text(data: bytes, charset: str | None) -> str:
    """Decode a text.

    Args:
        charset: the encoding that the server declares; None: it is detected.
    """
    return _decode(data, charset).strip()


def plain_text(data: bytes, charset: str | None, address: str) -> str:
    """The text of a page of HTML, without its markup; an `HtmlReader`."""
    import lxml.etree as etree

    meta = _META.search(data[:4096])
    html = _decode(data, charset or (meta[1].decode("ascii") if meta else None))
    html = _CONTROLS.sub("", _DECLARATION.sub("", html, count=1))
    parser = etree.HTMLParser(huge_tree=True, remove_comments=True, remove_pis=True)
    root = etree.fromstring(html, parser) if html.strip() else None
    if root is None:
        return ""
    title = " ".join((root.findtext(".//title") or "").split())
    parts: list[str] = []
    walk = etree.iterwalk(root, events=("start", "end"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start" and (tag in _INVISIBLE or not tag):
            walk.skip_subtree()
        elif event == "start":
            parts += ["" if tag in _INLINE else "\n", _BLANK.sub(" ", element.text or "")]
        else:
            parts += ["" if tag in _INLINE or not tag else "\n", _BLANK.sub(" ", element.tail or "")]
    lines = (line.strip() for line in "".join(parts).split("\n"))
    body = "\n".join(line for line in lines if line)
    return f"Title: {title}\n\n{body}".strip() if title else body


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
