"""A page of HTML or XHTML as a stream of events, from a tree that an HTML5 or XML parser builds.

HTML is parsed by Lexbor (selectolax) as in browsers; XHTML that is well-formed by libxml2 (lxml), since a parser of
HTML takes `<title/>` for the beginning of a title without end.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

from .doctype import expanded, without_doctype

Attributes = dict[str, str]
Event = tuple[Literal["start", "end", "text"], str, Attributes]
"""("start", tag, attributes), ("end", tag, {}) or ("text", text, {})."""

MAX_DEPTH = 800
"""Levels of open elements: a parser of HTML5 looks through all of them for each tag, and takes minutes for 100,000.
Chromium's limit is 512."""
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_NO_LEVEL = frozenset(
    (
        *("area", "base", "br", "col", "embed", "frame", "hr", "img", "input", "link", "meta", "param"),
        *("source", "track", "wbr", "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot"),
        *("option", "optgroup", "rt", "rp", "html", "head", "body"),
    )
)
"""Elements that have no content, or end where the next of the kind begins."""
_CELLS = frozenset(("td", "th", "tr", "tbody", "thead", "tfoot", "caption"))
_FORMATS = frozenset(("a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"))
"""Elements that a parser of HTML5 opens again in each block that follows, until they are closed."""
_RAW = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style", "textarea", "title", "xmp")}
"""Elements whose content is no markup, to where they end."""
_MAX_FORMATS = 16
"""Such elements that may be open: 20,000 paragraphs after 800 of them would be 16 million elements."""
_XHTML = re.compile(r"""xmlns\s*=\s*["']http://www\.w3\.org/1999/xhtml["']""")
_SELF_CLOSED = re.compile(
    r"<(title|script|style|textarea|iframe|noscript|a|b|i|em|strong|span|div|p|q|sup|sub|small|td|th|li|dt|dd|h[1-6]|"
    r"section|blockquote|pre|code|table|tr|ul|ol|select|option|object|video|audio|canvas|xmp|button)"
    r"(\s[^<>]*)?/>",
    re.IGNORECASE,
)
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_NONE: Attributes = {}


def events(text: str, *, xml: bool = False) -> tuple[Iterator[Event], list[str]]:
    """The elements and texts of a page in document order; returned with warnings.

    Args:
        xml: it is meant to be XHTML, whatever it looks like.
    """
    page = without_doctype(text)
    meant = xml or text.lstrip("\ufeff \t\r\n")[:5] == "<?xml" or bool(_XHTML.search(page.text, 0, 2048))
    if meant:
        source, warnings = expanded(page, xml=True)
        if (root := _xml(source)) is not None:
            return _of_lxml(root), warnings
    source, warnings = expanded(page, xml=False)
    if meant:
        source = _SELF_CLOSED.sub(r"<\1\2></\1>", source)
    source, cut = _flattened(source)
    if cut:
        warnings.append(f"Nested more than {MAX_DEPTH} levels deep; {cut:,} tags further inside were ignored.")
    from selectolax.lexbor import LexborHTMLParser

    parser = LexborHTMLParser(f"<!DOCTYPE html>{source}")
    return _of_lexbor(parser), warnings


def _xml(source: str) -> Any:
    """The root of well-formed XML, else None."""
    import lxml.etree as etree

    parser = etree.XMLParser(
        resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True, remove_comments=True, remove_pis=True
    )
    try:
        return etree.fromstring(_CONTROLS.sub("", source).lstrip().encode(), parser)
    except etree.XMLSyntaxError:
        return None


def _of_lxml(root: Any) -> Iterator[Event]:
    import lxml.etree as etree

    for event, element in etree.iterwalk(root, events=("start", "end")):
        if not isinstance(element.tag, str):
            continue
        tag = element.tag.rpartition("}")[2]
        if event == "start":
            names = element.attrib.items()
            yield "start", tag, {_attribute(name): value for name, value in names} if names else _NONE
            if element.text:
                yield "text", element.text, _NONE
        else:
            yield "end", tag, _NONE
            if element.tail and element is not root:
                yield "text", element.tail, _NONE


def _attribute(name: str) -> str:
    """An attribute as HTML writes it: "epub:type", "xlink:href", "xml:lang"."""
    namespace, _, local = name.rpartition("}")
    if not namespace:
        return local
    prefix = {"ops": "epub", "xlink": "xlink", "namespace": "xml"}.get(namespace.rpartition("/")[2], "")
    return f"{prefix}:{local}" if prefix else local


def _of_lexbor(parser: Any) -> Iterator[Event]:
    """A walk without recursion. `parser` owns the memory of the nodes."""
    node = parser.root
    while node is not None:
        tag = node.tag
        child = None
        if tag == "-text":
            yield "text", node.text_content or "", _NONE
        elif tag[:1] != "-":
            found = node.attributes
            yield "start", tag, {name: value or "" for name, value in found.items()} if found else _NONE
            child = node.child
            if child is None:
                yield "end", tag, _NONE
        if child is not None:
            node = child
            continue
        while node is not None:
            following = node.next
            if following is not None:
                node = following
                break
            node = node.parent
            if node is None or node.tag == "-document":
                return
            yield "end", node.tag, _NONE


def _flattened(source: str) -> tuple[str, int]:
    """The source without tags that are nested too deeply, and their number except of formats. Their text stays."""
    if source.count("<") <= _MAX_FORMATS:
        return source, 0
    stack: list[str] = []
    dropped: dict[str, int] = {}
    formats = cut = last = after = 0
    parts: list[str] = []
    for match in _TAG.finditer(source):
        if match.start() < after:
            continue
        closing, tag = match[1], match[2].lower()
        if tag in _RAW:
            end_tag = None if closing else _RAW[tag].search(source, match.end())
            after = match.end() if closing else len(source) if end_tag is None else end_tag.start()
            continue
        if tag in _NO_LEVEL:
            if tag in _CELLS and "table" in stack:  # what is open in a cell ends with it
                while stack[-1] != "table":
                    formats -= stack.pop() in _FORMATS
                dropped = {name: count for name, count in dropped.items() if name not in _FORMATS}
            continue
        drop = False
        if not closing:
            is_format = tag in _FORMATS
            if drop := len(stack) >= MAX_DEPTH or (is_format and formats >= _MAX_FORMATS):
                dropped[tag] = dropped.get(tag, 0) + 1
                cut += not is_format
            else:
                stack.append(tag)
                formats += is_format
        elif dropped.get(tag, 0):
            dropped[tag] -= 1
            drop = True
        elif tag in stack:
            if tag in _FORMATS:
                del stack[len(stack) - 1 - stack[::-1].index(tag)]
                formats -= 1
            else:
                while (popped := stack.pop()) != tag:
                    formats -= popped in _FORMATS
        if drop and (end := source.find(">", match.end())) >= 0:
            parts.append(source[last : match.start()])
            last = max(last, end + 1)
    return ("".join(parts) + source[last:] if parts else source), cut
