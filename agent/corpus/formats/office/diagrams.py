"""SmartArt as an indented list of the texts of its points (ECMA-376 part 1, 21.4)."""

from typing import TYPE_CHECKING

from .drawing_text import paragraphs
from .package import integer

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_LAYOUT = ("pres",)
"""Points that only say how others are drawn."""


def diagram_text(root: "_Element") -> str:
    """The texts of a diagram, a line each, indented by level, in the order of its connections.

    Points that no connection leads to follow at the end. Call `markup.finished` on the text of the page that it becomes
    part of.

    Args:
        root: the root element of a diagram's data part (dgm:dataModel), or of its drawing (dsp:drawing).
    """
    points = {point.get("modelId", ""): point for point in root.iterfind("{*}ptLst/{*}pt")}
    if not points:
        return "\n".join(f"- {text}" for text in paragraphs(root))
    texts = {
        identity: " ".join(paragraphs(point)) for identity, point in points.items() if point.get("type") not in _LAYOUT
    }
    children: dict[str, list[tuple[int, str]]] = {}
    below: set[str] = set()
    for connection in root.iterfind("{*}cxnLst/{*}cxn"):
        if connection.get("type", "parOf") == "parOf":
            child = connection.get("destId", "")
            order = connection.get("srcOrd", "")
            children.setdefault(connection.get("srcId", ""), []).append((integer(order), child))
            below.add(child)
    lines: list[str] = []
    seen: set[str] = set()

    def add(start: str) -> None:
        stack = [(start, 0)]
        while stack:
            identity, level = stack.pop()
            if identity in seen:
                continue
            seen.add(identity)
            if text := texts.get(identity):
                lines.append(f"{'  ' * level}- {text}")
                level += 1
            following = sorted(children.get(identity, ()), key=lambda child: child[0])
            stack += [(child, level) for _, child in reversed(following)]

    for identity, point in points.items():
        if point.get("type") == "doc":
            add(identity)
    for identity in texts:
        if identity not in below:
            add(identity)
    for identity in texts:
        add(identity)
    return "\n".join(lines)
