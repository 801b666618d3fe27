"""SVG drawings: their text from top to bottom and from left to right."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from . import markup
from .base import Format, OpenFile, ParseOptions, RawPage, Sections
from .plain import cut, decoded

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_TRANSFORM = re.compile(r"(matrix|translate|scale)\s*\(([^)]*)\)")
_STYLE = re.compile(r"([\w-]+)\s*:\s*([^;]+)")
_NOT_DRAWN = frozenset(
    ["defs", "symbol", "clipPath", "mask", "pattern", "marker", "style", "script", "metadata", "linearGradient"]
)
_LINE = 0.6
"""Fraction of the size of the font within which texts are on one line."""
_SIZE = 16.0
_MAX_DEPTH = 2000

Matrix = tuple[float, float, float, float, float, float]
_UNIT: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


class _Placed(NamedTuple):
    x: float
    y: float
    size: float
    text: str


@dataclass(frozen=True)
class _State:
    """What an element inherits."""

    matrix: Matrix = _UNIT
    size: float = _SIZE
    hidden: str = ""
    """How the text is hidden; empty if it is not."""


class Svg(Format):
    name = "SVG"
    extensions = (".svg",)
    media_type = "image/svg+xml"
    library = "lxml"
    textual = True
    options = ("encoding", "hidden")

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        import lxml.etree as etree

        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True, huge_tree=False)
        try:
            root = etree.fromstring(data, parser)
        except (etree.XMLSyntaxError, ValueError):
            root = None
        if root is None or not str(root.tag).lower().endswith("svg"):
            text, warnings = decoded(data, options)
            return cut(text, [*warnings, "Not a drawing in well-formed XML; read as plain text."])
        reader = _Reader(options)
        reader.read(root)
        title = " ".join("".join(next(root.iterfind("{*}title"), _nothing(root)).itertext()).split())
        text = "\n".join([*reader.described, *_lines(reader.placed)])
        warnings = [] if text.strip() else ["The drawing has no text; its shapes were not read."]
        return Sections(1, sections=[RawPage("drawing", text or title, reader.notes())], title=title, warnings=warnings)


class _Reader:
    def __init__(self, options: ParseOptions):
        self._keep = options.hidden == "keep"
        self.placed: list[_Placed] = []
        self.described: list[str] = []
        self._pictures = 0
        self._hidden: dict[str, int] = {}

    def notes(self) -> tuple[str, ...]:
        notes = [markup.hidden_note(words, why, kept=self._keep) for why, words in self._hidden.items()]
        if self._pictures:
            notes.append(
                "a picture in it was not read"
                if self._pictures == 1
                else f"{self._pictures} pictures in it were not read"
            )
        return tuple(notes)

    def read(self, root: "_Element") -> None:
        pending: list[tuple[_Element, _State, int]] = [(root, _State(), 0)]
        while pending:
            element, state, depth = pending.pop()
            if not isinstance(element.tag, str) or depth > _MAX_DEPTH:
                continue
            name = element.tag.rpartition("}")[2]
            if name in _NOT_DRAWN:
                continue
            state = _inherited(element, state)
            if name == "text":
                self._text(element, state)
            elif name == "foreignObject":
                text = " ".join("".join(map(str, element.itertext())).split())
                self._place(text, *_point(state.matrix, _first(element, "x"), _first(element, "y")), state)
            elif name == "desc" and depth == 1:
                self.described.append(" ".join("".join(map(str, element.itertext())).split()))
            else:
                self._pictures += name == "image"
                pending += [(child, state, depth + 1) for child in reversed(element)]

    def _text(self, element: "_Element", state: _State) -> None:
        """The runs of a text: those with a place of their own apart."""
        x, y = _first(element, "x"), _first(element, "y")
        runs: list[tuple[float, float, _State, list[str]]] = [(x, y, state, [element.text or ""])]
        for child in element.iterdescendants():
            if not isinstance(child.tag, str):
                continue
            inner = _inherited(child, state)
            moved = child.get("x") is not None or child.get("y") is not None or (child.get("dy") or "0") != "0"
            if moved or inner.hidden != runs[-1][2].hidden:
                x = _first(child, "x") if child.get("x") is not None else x
                y = _first(child, "y") if child.get("y") is not None else y
                shift = child.get("dy") or "0"
                y += _number(shift) * (inner.size if shift.strip().endswith("em") else 1.0)
                runs.append((x, y, inner, []))
            runs[-1][3].append((child.text or "") if child.tag.rpartition("}")[2] != "title" else "")
            runs[-1][3].append(child.tail or "")
        for x, y, inner, parts in runs:
            if text := " ".join("".join(parts).split()):
                self._place(text, *_point(inner.matrix, x, y), inner)

    def _place(self, text: str, x: float, y: float, state: _State) -> None:
        if state.hidden and text:
            self._hidden[state.hidden] = self._hidden.get(state.hidden, 0) + len(text.split())
            text = markup.hidden(text) if self._keep else ""
        if text:
            a, b, c, d, _, _ = state.matrix
            self.placed.append(_Placed(x, y, max(state.size * max(abs(d), abs(b), abs(c), abs(a)), 0.1), text))


def _lines(placed: list[_Placed]) -> list[str]:
    """The texts by lines, which are from top to bottom."""
    lines: list[list[_Placed]] = []
    for one in sorted(placed, key=lambda one: (one.y, one.x)):
        if lines and abs(one.y - lines[-1][0].y) < _LINE * min(one.size, lines[-1][0].size):
            lines[-1].append(one)
        else:
            lines.append([one])
    return [" ".join(one.text for one in sorted(line, key=lambda one: one.x)) for line in lines]


def _inherited(element: "_Element", state: _State) -> _State:
    style = {name.lower(): value.strip() for name, value in _STYLE.findall(element.get("style") or "")}

    def given(name: str) -> str:
        return style.get(name) or element.get(name) or ""

    hidden = state.hidden
    if given("display") == "none":
        hidden = "display: none"
    elif given("visibility") in ("hidden", "collapse"):
        hidden = "visibility: hidden"
    elif any(given(name) and _number(given(name), 1.0) == 0 for name in ("opacity", "fill-opacity")):
        hidden = "transparent"
    size = _number(given("font-size"), state.size) if given("font-size")[:1].isdigit() else state.size
    return _State(_product(state.matrix, element.get("transform") or ""), size, hidden)


def _product(matrix: Matrix, transform: str) -> Matrix:
    for kind, numbers in _TRANSFORM.findall(transform):
        given = [float(number) for number in _NUMBER.findall(numbers)]
        if kind == "translate" and given:
            other: Matrix = (1.0, 0.0, 0.0, 1.0, given[0], given[1] if len(given) > 1 else 0.0)
        elif kind == "scale" and given:
            other = (given[0], 0.0, 0.0, given[1] if len(given) > 1 else given[0], 0.0, 0.0)
        elif kind == "matrix" and len(given) == 6:
            other = (given[0], given[1], given[2], given[3], given[4], given[5])
        else:
            continue
        a, b, c, d, e, f = matrix
        p, q, r, s, t, u = other
        matrix = (a * p + c * q, b * p + d * q, a * r + c * s, b * r + d * s, a * t + c * u + e, b * t + d * u + f)
    return matrix


def _point(matrix: Matrix, x: float, y: float) -> tuple[float, float]:
    a, b, c, d, e, f = matrix
    return a * x + c * y + e, b * x + d * y + f


def _number(text: str, default: float = 0.0) -> float:
    found = _NUMBER.match(text.strip())
    return float(found[0]) if found else default


def _first(element: "_Element", name: str) -> float:
    return _number((element.get(name) or "").replace(",", " "))


def _nothing(root: "_Element") -> "_Element":
    return root.makeelement("nothing")
