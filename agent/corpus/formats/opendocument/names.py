"""Names of elements and attributes with the prefixes that the specification uses: "text:list-item"."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_URN = re.compile(
    r"\{(?:urn:oasis:names:tc:opendocument:xmlns:([a-z-]+?)(?:-compatible)?:1\.\d|([^}]*))\}(.*)", re.DOTALL
)
_PREFIXES = {"xsl-fo": "fo", "drawing": "draw"}
_OTHERS = {
    "http://www.w3.org/1999/xlink": "xlink",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://www.w3.org/1998/Math/MathML": "math",
    "http://www.w3.org/XML/1998/namespace": "xml",
    "urn:org:documentfoundation:names:experimental:office:xmlns:loext:1.0": "loext",
}
_URIS = {prefix: uri for uri, prefix in _OTHERS.items()}
_URN_NAMES = {"fo": "xsl-fo-compatible", "svg": "svg-compatible", "smil": "smil-compatible", "draw": "drawing"}


def name(element: "_Element") -> str:
    """The name of an element: "text:p"; "" for what is none, such as a reference to an entity."""
    return prefixed(element.tag) if isinstance(element.tag, str) else ""


def attribute(element: "_Element", key: str, default: str = "") -> str:
    """The value of an attribute by a name such as "text:style-name"."""
    return element.get(_key(key), default)


def child(element: "_Element", *path: str) -> "_Element | None":
    """The first descendant by the names of the elements that lead to it."""
    found: _Element | None = element
    for step in path:
        found = found.find(_key(step)) if found is not None else None
    return found


def children(element: "_Element", *names: str) -> "list[_Element]":
    return list(element.iterchildren(*(_key(one) for one in names)))


def descendants(element: "_Element", *names: str) -> "list[_Element]":
    return list(element.iter(*(_key(one) for one in names)))


def text_in(element: "_Element | None") -> str:
    """All text in an element, on one line."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


@lru_cache(4096)
def prefixed(tag: str) -> str:
    """The name of an element or attribute as lxml writes it, with the specification's prefix."""
    match = _URN.match(tag)
    if match is None:
        return tag
    urn, other, local = match.groups()
    return f"{_PREFIXES.get(urn, urn) if urn else _OTHERS.get(other, '')}:{local}"


@lru_cache(4096)
def _key(key: str) -> str:
    prefix, _, local = key.partition(":")
    uri = _URIS.get(prefix) or f"urn:oasis:names:tc:opendocument:xmlns:{_URN_NAMES.get(prefix, prefix)}:1.0"
    return f"{{{uri}}}{local}"
