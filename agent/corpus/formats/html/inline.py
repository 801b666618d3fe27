"""Elements in a line of text."""

import re
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from .. import markup
from . import forms
from .element import Closer, Handler
from .styles import Declarations
from .tree import Attributes

if TYPE_CHECKING:
    from .convert import Converter as Page

LANGUAGE = re.compile(r"(?:language|lang|highlight-source|brush:)[-\s]?([\w+#.-]+)")
"""A class that names the language of code."""
_CODE = ("code", "kbd", "samp", "tt")
_SPANS = {"b": "strong", "strong": "strong", "i": "em", "em": "em", "s": "del", "strike": "del", "del": "del"}
_NOTE = re.compile(r"\s*(?:\d{1,3}|[*†‡§]|[a-z])\s*\Z")


def line_break(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.writer.line_break()


def span(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    kind = _SPANS[tag]
    page.span(kind, struck if kind == "del" else _as_it_is, closers)


def script(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.script(tag, closers)


def code(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    if not page.writer.frame.preformatted:
        page.span("code", _code, closers)
    elif named := LANGUAGE.search(attributes.get("class", "")):
        page.language = page.language or named[1]


def quotation(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    start, end = "“”" if page.quotes % 2 == 0 else "‘’"
    page.quotes += 1
    page.writer.text(start)

    def close() -> None:
        page.quotes -= 1
        page.writer.text(end)

    closers.append(close)


def link(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    address = attributes.get("href", "").strip()
    if not address or page.writer.frame.preformatted:
        return
    if _is_note(attributes, address):
        page.span("note", _note_writer(page, attributes), closers)
        return
    if page.base:
        with suppress(ValueError):  # not an address
            address = urljoin(page.base, address)
    if address.startswith(("http:", "https:", "mailto:")):
        page.span("link", lambda inner: _linked(inner, address), closers, once=True)


def _is_note(attributes: Attributes, address: str) -> bool:
    role = f"{attributes.get('epub:type', '')} {attributes.get('role', '')}"
    return "noteref" in role or "doc-noteref" in role or (address.startswith("#") and len(address) > 1)


def _note_writer(page: "Page", attributes: Attributes) -> Callable[[str], str]:
    """The mark of a note, which styles raise: "word" and "1" must not read as "word1"."""
    reference = "noteref" in f"{attributes.get('epub:type', '')} {attributes.get('role', '')}"
    before = page.writer.frame.last
    raised = any(span.kind in ("superscript", "subscript") for span in page.writer.spans)

    def write(inner: str) -> str:
        if raised:
            return inner
        touches = bool(before) and not before.isspace() and before not in "([^"
        return markup.superscript(inner) if (reference or touches) and _NOTE.match(inner) else inner

    return write


def ruby(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    page.span("ruby", lambda inner: f"({inner.strip()})" if inner.strip() else "", closers)


def abbreviation(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    title = " ".join(attributes.get("title", "").split())

    def write(inner: str) -> str:
        if not inner.strip() or title in page.explained or title.lower() == inner.strip().lower():
            return inner
        page.explained.add(title)
        return f"{inner} ({title})"

    if title:
        page.span("abbreviation", write, closers)


def field(page: "Page", tag: str, attributes: Attributes, style: Declarations, closers: list[Closer]) -> None:
    value = forms.field(attributes)
    if value and page.writer.frame.last.isalnum():
        value = f" {value}"
    page.writer.text(value)
    page.writer.text(" ")


def _as_it_is(inner: str) -> str:
    return inner


def struck(inner: str) -> str:
    """Text that is struck out."""
    text = inner.strip()
    return inner.replace(text, f"~~{text}~~", 1) if text else inner


def _code(inner: str) -> str:
    text = inner.strip()
    if not text:
        return inner
    fence = "``" if "`" in text else "`"
    return inner.replace(text, f"{fence}{text}{fence}", 1)


def _linked(inner: str, address: str) -> str:
    text = inner.strip()
    if not text or text in (address, address.removeprefix("mailto:"), address.rstrip("/")):
        return inner
    return inner.replace(text, f"[{text}]({address})", 1)


INLINE: dict[str, Handler] = {
    **dict.fromkeys(_SPANS, span),
    **dict.fromkeys(_CODE, code),
    **dict.fromkeys(("sup", "sub"), script),
    **dict.fromkeys(("abbr", "acronym"), abbreviation),
    "br": line_break,
    "q": quotation,
    "a": link,
    "rt": ruby,
    "input": field,
}
