"""Embedded content of a page: pictures, drawings, equations, frames and films."""

import re
from collections.abc import Iterable, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from .. import markup
from .tree import Attributes, Event

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:px)?\s*\Z")
_STYLED = re.compile(r"(?:^|[;\s])(width|height)\s*:\s*(\d+(?:\.\d+)?)px", re.IGNORECASE)
_TRACKING = 2
"""Pixels of a picture that is there to count readers."""
_ICON = 32
"""Pixels of a picture that is no content if it has no alternative text."""
_DRAWING = 100
_NAME = re.compile(r"[A-Za-z_][\w.-]*\Z")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_TEX_CLASSES = frozenset(("tex", "latex", "math", "mwe-math-fallback-image-inline", "mwe-math-fallback-image-display"))
_LABELS = frozenset(("text", "foreignobject"))
_APART = frozenset(("div", "p", "br", "li", "td"))
_UNSEEN = frozenset(("style", "script", "defs", "symbol", "metadata", "desc", "clippath", "mask", "pattern", "marker"))


def picture(attributes: Attributes) -> tuple[str, bool]:
    """A picture as its alternative text; and whether it is one that has none, and is not read."""
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return "", False
    sides = _sides(attributes)
    if sides and min(sides) <= _TRACKING:
        return "", False
    alt = " ".join((attributes.get("alt") or attributes.get("aria-label") or attributes.get("title") or "").split())
    if alt:
        classes = attributes.get("class", "").split()
        if any(name in _TEX_CLASSES for name in classes) and ("\\" in alt or "^" in alt or "_" in alt):
            return f"${alt}$", False
        return markup.picture(alt), False
    decorative = attributes.get("role") in ("presentation", "none") or (bool(sides) and max(sides) <= _ICON)
    return "", not decorative


def drawing(attributes: Attributes, events: Sequence[Event]) -> tuple[str, bool]:
    """An SVG drawing as its text, or its title; and whether it is one that has neither, and is not read."""
    if attributes.get("aria-hidden") == "true" and attributes.get("role") != "img":
        return "", False
    lines: list[str] = []
    title = attributes.get("aria-label", "")
    collected: list[str] = []
    unseen = texts = switched = 0
    titled = False
    for kind, name, about in events:
        tag = name.lower() if kind != "text" else ""
        if kind == "start":
            unseen += tag in _UNSEEN
            titled |= tag == "title"
            if tag == "switch":
                switched = 1
            elif tag in _LABELS:
                texts += 1
                collected = []
            elif texts and (tag in _APART or (tag == "tspan" and not about.keys().isdisjoint(("x", "y", "dy")))):
                collected.append(" ")
        elif kind == "end":
            unseen -= tag in _UNSEEN
            titled &= tag != "title"
            if tag == "switch":
                switched = 0
            elif tag in _LABELS and texts:
                texts -= 1
                line = " ".join("".join(collected).split())
                if line and switched < 2:  # the first alternative that can be shown is
                    lines.append(line)
                    switched *= 2
                collected = []
        elif titled and not unseen:
            title = title or " ".join(name.split())
        elif texts and not unseen:
            collected.append(name)
    lines = [line for line in lines if line]
    if lines:
        return "\n".join([markup.picture(title)] * bool(title) + lines), False
    if title:
        return markup.picture(title), False
    sides = _sides(attributes)
    return "", bool(sides) and min(sides) > _DRAWING


def medium(tag: str, attributes: Attributes) -> str:
    """The name of a film, a sound, a frame or another object, with its address if that means something."""
    kind = {"iframe": "frame", "embed": "object"}.get(tag, tag)
    title = attributes.get("title") or attributes.get("aria-label") or attributes.get("name") or ""
    address = attributes.get("src") or attributes.get("data") or ""
    if address.startswith(("http:", "https:")):
        return markup.named(kind, f"{title} ({address})" if title else address)
    if address[:5].lower() in ("data:", "blob:", "about"):
        address = ""
    name = unquote(urlsplit(address).path).rpartition("/")[2] if address.isprintable() and "[" not in address else ""
    return markup.named(kind, title or name)


def equation(events: Iterable[Event]) -> tuple[str, bool]:
    """The LaTeX of the MathML among the events, and whether it is displayed on a line of its own."""
    import lxml.etree as etree

    from ..equations.mathml import to_latex

    builder: Any = None
    depth = 0
    shown = False
    for kind, name, attributes in events:
        if kind == "start" and (builder is not None or name == "math"):
            if builder is None:
                builder = etree.TreeBuilder()
                shown = attributes.get("display") == "block" or attributes.get("mode") == "display"
            depth += 1
            about = {key: _CONTROLS.sub("", value) for key, value in attributes.items() if _NAME.match(key)}
            builder.start(name if _NAME.match(name) else "mrow", about)
        elif builder is not None and kind == "text":
            builder.data(_CONTROLS.sub("", name))
        elif builder is not None and kind == "end":
            builder.end(name if _NAME.match(name) else "mrow")
            depth -= 1
            if not depth:
                return to_latex(builder.close()), shown
    return "", False


def glyphs(events: Iterable[Event]) -> str:
    """The characters of an equation that MathJax 3 has drawn by styles: `mjx-c1D465` is one."""
    found: list[str] = []
    for kind, _, attributes in events:
        if kind == "start":
            for name in attributes.get("class", "").split():
                code = name.removeprefix("mjx-c")
                if code != name and re.fullmatch("[0-9A-F]{2,5}", code):
                    found.append(chr(int(code, 16)))
    return "".join(found)


def _sides(attributes: Attributes) -> list[float]:
    """Width and height in pixels, as far as they are written."""
    found = [float(match[1]) for name in ("width", "height") if (match := _SIZE.match(attributes.get(name, "")))]
    return found or [float(number) for _, number in _STYLED.findall(attributes.get("style", ""))]
