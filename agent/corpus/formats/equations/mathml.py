"""MathML (W3C, version 3 and MathML Core) as LaTeX."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .symbols import ACCENTS, FUNCTIONS, joined, math, text

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_ONE = re.compile(r"(?:[^\\{}]|\\[A-Za-z]+)\Z")
_BASE = re.compile(r"(?:[^\\{}^_]|\d+|\\[A-Za-z]+(?:\{[^{}]*\})*)\Z")
_LIMITS = re.compile(r"\\(?:sum|prod|coprod|big\w+|lim|limsup|liminf|max|min|sup|inf|i*int|oint|operatorname)\b")
_VARIANTS = {
    "bold": "mathbf",
    "bold-italic": "boldsymbol",
    "double-struck": "mathbb",
    "script": "mathcal",
    "bold-script": "mathcal",
    "fraktur": "mathfrak",
    "bold-fraktur": "mathfrak",
    "sans-serif": "mathsf",
    "monospace": "mathtt",
    "normal": "mathrm",
}
_MATRICES = {"()": "pmatrix", "[]": "bmatrix", "{}": "Bmatrix", "||": "vmatrix", "‖‖": "Vmatrix"}
_BEGIN, _END = "\\begin{matrix}", "\\end{matrix}"
_UNWRITTEN = frozenset(("annotation", "annotation-xml", "mprescripts", "none", "maligngroup", "malignmark", "mglyph"))
_STRETCHED = {"⏞": "overbrace", "⏟": "underbrace", "⏜": "overparen", "⏝": "underparen"}
_INVISIBLE = frozenset("\u2061\u2062\u2063\u2064\u200b")
_SPACES = re.compile(r"[ \t\n\r]+")


class _Part(NamedTuple):
    """An element that is written."""

    tag: str
    latex: str
    source: str
    """Its own characters."""


def to_latex(element: "_Element") -> str:
    """An equation as LaTeX, without delimiters: its LaTeX source if it has one, as MathJax and Wikipedia write it.

    What this does not know is written as the text in it.

    Args:
        element: the element `math`, in its namespace or in none.
    """
    import lxml.etree as etree

    for inner in element.iter():
        is_source = _local(inner) == "annotation" and "tex" in (inner.get("encoding") or "").lower()
        if is_source and (source := "".join(inner.itertext()).strip()):
            return _unwrapped(source)
    open_: list[list[_Part]] = [[]]
    for event, node in etree.iterwalk(element, events=("start", "end")):
        if event == "start":
            open_.append([])
        else:
            parts = open_.pop()
            tag = _local(node)
            latex = "" if tag in _UNWRITTEN else _written(tag, node, parts)
            open_[-1].append(_Part(tag, latex, (node.text or "").strip()))
    return _SPACES.sub(" ", joined(part.latex for part in open_[0])).strip()


def _local(element: "_Element") -> str:
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def _unwrapped(source: str) -> str:
    """LaTeX without the style that Wikipedia puts around it."""
    if source.startswith("{\\displaystyle") and source.endswith("}"):
        source = source[len("{\\displaystyle") : -1]
    return _SPACES.sub(" ", source).strip().strip("$").strip()


def _written(tag: str, node: "_Element", parts: Sequence[_Part]) -> str:
    if writer := _WRITERS.get(tag):
        return writer(node, parts)
    own = "" if parts else _SPACES.sub(" ", node.text or "").strip()
    return _row(parts) if parts else math(own)


def _row(parts: Sequence[_Part]) -> str:
    """Elements beside each other; a table between brackets is a matrix."""
    latex = [part.latex for part in parts]
    for at, part in enumerate(parts):
        if 0 < at < len(parts) - 1 and part.latex.startswith(_BEGIN):
            kind = _MATRICES.get(parts[at - 1].source + parts[at + 1].source)
            if kind and parts[at - 1].tag == parts[at + 1].tag == "mo":
                latex[at - 1] = latex[at + 1] = ""
                latex[at] = _with_kind(part.latex, kind)
    return joined(latex)


def _with_kind(matrix: str, kind: str) -> str:
    """A matrix with its brackets."""
    return f"\\begin{{{kind}}}{matrix[len(_BEGIN) : -len(_END)]}\\end{{{kind}}}"


def _identifier(node: "_Element", parts: Sequence[_Part]) -> str:
    name = "".join(sign for sign in (node.text or "").strip() if sign not in _INVISIBLE)
    variant = _VARIANTS.get((node.get("mathvariant") or "").lower(), "")
    if name in FUNCTIONS:
        return f"\\{name}"
    latex = math(name)
    if len(name) == 1:
        return latex if not variant or (variant == "mathrm" and not name.isalpha()) else f"\\{variant}{{{latex}}}"
    if len(name) > 1 and name.isalpha() and name.isascii():
        return f"\\{variant or 'mathrm'}{{{latex}}}"
    return latex


def _number(node: "_Element", parts: Sequence[_Part]) -> str:
    latex = math((node.text or "").strip())
    variant = _VARIANTS.get((node.get("mathvariant") or "").lower(), "")
    return f"\\{variant}{{{latex}}}" if variant and variant != "mathrm" and latex else latex


def _operator(node: "_Element", parts: Sequence[_Part]) -> str:
    sign = "".join(char for char in (node.text or "").strip() if char not in _INVISIBLE)
    if sign in FUNCTIONS:
        return f"\\{sign}"
    if len(sign) > 1 and sign.isalpha():
        return f"\\operatorname{{{math(sign)}}}"
    return math(sign)


def _words(node: "_Element", parts: Sequence[_Part]) -> str:
    words = _SPACES.sub(" ", (node.text or "").replace("\u00a0", " "))
    if parts:  # MathML in HTML may have elements of HTML here
        words = _SPACES.sub(" ", "".join(node.itertext()))
    return text(words)


def _fraction(node: "_Element", parts: Sequence[_Part]) -> str:
    above, below = _pick(parts, 2)
    if (node.get("linethickness") or "").strip() in ("0", "0px", "0pt", "0em"):
        return f"\\genfrac{{}}{{}}{{0pt}}{{}}{{{above}}}{{{below}}}"
    return f"{_group(above)}/{_group(below)}" if node.get("bevelled") == "true" else f"\\frac{{{above}}}{{{below}}}"


def _root(node: "_Element", parts: Sequence[_Part]) -> str:
    inner, degree = _pick(parts, 2)
    return f"\\sqrt[{degree}]{{{inner}}}"


def _scripts(*signs: str) -> Callable[["_Element", Sequence[_Part]], str]:
    def write(node: "_Element", parts: Sequence[_Part]) -> str:
        base, *scripts = _pick(parts, 1 + len(signs))
        return _based(base) + "".join(
            f"{sign}{{{script}}}" for sign, script in zip(signs, scripts, strict=True) if script
        )

    return write


def _prescripts(node: "_Element", parts: Sequence[_Part]) -> str:
    if not parts:
        return ""
    places = [at for at, part in enumerate(parts) if part.tag == "mprescripts"]
    middle = places[0] if places else len(parts)
    after, before = parts[1:middle], parts[middle + 1 :]

    def pairs(scripts: Sequence[_Part]) -> str:
        found = ""
        for at, part in enumerate(scripts):
            if part.latex:
                found += f"{'_^'[at % 2]}{{{part.latex}}}"
        return found

    return (f"{{}}{pairs(before)}" if before else "") + _based(parts[0].latex) + pairs(after)


def _over(node: "_Element", parts: Sequence[_Part]) -> str:
    base, above = _pick(parts, 2)
    return _placed(base, "", above, "", parts[1].source if len(parts) > 1 else "")


def _under(node: "_Element", parts: Sequence[_Part]) -> str:
    base, below = _pick(parts, 2)
    return _placed(base, below, "", parts[1].source if len(parts) > 1 else "", "")


def _under_over(node: "_Element", parts: Sequence[_Part]) -> str:
    base, below, above = _pick(parts, 3)
    sources = [part.source for part in parts[1:3]] + ["", ""]
    return _placed(base, below, above, sources[0], sources[1])


def _placed(base: str, below: str, above: str, below_sign: str, above_sign: str) -> str:
    """Something with something above and below: an accent, a brace, or limits."""
    if above_sign in ACCENTS:
        one, more = ACCENTS[above_sign]
        base, above = f"\\{one if _ONE.match(base) else more}{{{base}}}", ""
    elif above_sign in _STRETCHED:
        base, above = f"\\{_STRETCHED[above_sign]}{{{base}}}", ""
    if below_sign in _STRETCHED:
        base, below = f"\\{_STRETCHED[below_sign]}{{{base}}}", ""
    elif below_sign in ("_", "\u0332", "¯", "‾", "ˍ"):
        base, below = f"\\underline{{{base}}}", ""
    if _LIMITS.match(base) or base.startswith(("\\underbrace", "\\overbrace")):
        return base + (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")
    base = f"\\underset{{{below}}}{{{base}}}" if below else base
    return f"\\overset{{{above}}}{{{base}}}" if above else base


def _table(node: "_Element", parts: Sequence[_Part]) -> str:
    rows = [part.latex for part in parts if part.latex]
    lines = " \\\\ ".join(rows)
    return f"{_BEGIN}{lines}{_END}" if rows else ""


def _cells(node: "_Element", parts: Sequence[_Part]) -> str:
    return " & ".join(part.latex for part in parts)


def _labeled(node: "_Element", parts: Sequence[_Part]) -> str:
    label = parts[0].latex if parts else ""
    return " & ".join([*(part.latex for part in parts[1:]), label])


def _fenced(node: "_Element", parts: Sequence[_Part]) -> str:
    begin, end = node.get("open", "("), node.get("close", ")")
    if len(parts) == 1 and parts[0].latex.startswith(_BEGIN) and begin + end in _MATRICES:
        kind = _MATRICES[begin + end]
        return _with_kind(parts[0].latex, kind)
    signs = "".join((node.get("separators", ",")).split())
    inner: list[str] = []
    for at, part in enumerate(parts):
        if at and signs:
            inner.append(math(signs[min(at - 1, len(signs) - 1)]))
        inner.append(part.latex)
    return joined([math(begin), *inner, math(end)])


def _enclosed(node: "_Element", parts: Sequence[_Part]) -> str:
    inner = _row(parts) if parts else math((node.text or "").strip())
    notation = (node.get("notation") or "longdiv").split()
    if "box" in notation or "roundedbox" in notation:
        return f"\\boxed{{{inner}}}"
    if any(name.endswith("diagonalstrike") for name in notation):
        return f"\\cancel{{{inner}}}"
    if "radical" in notation:
        return f"\\sqrt{{{inner}}}"
    if "top" in notation or "bottom" in notation:
        return f"\\{'over' if 'top' in notation else 'under'}line{{{inner}}}"
    return inner


def _space(node: "_Element", parts: Sequence[_Part]) -> str:
    if node.get("linebreak") == "newline":
        return " \\\\ "
    width = node.get("width", "")
    match = re.match(r"\s*(\d*\.?\d+)em", width)
    return "\\quad " if match and float(match[1]) >= 0.8 else (" " if width and not width.startswith("-") else "")


def _first(node: "_Element", parts: Sequence[_Part]) -> str:
    return next((part.latex for part in parts if part.tag not in _UNWRITTEN), "")


def _pick(parts: Sequence[_Part], count: int) -> list[str]:
    """The LaTeX of the first `count` elements; of what there is too much, in the last."""
    found = [part.latex for part in parts]
    if len(found) > count:
        found[count - 1 :] = [joined(found[count - 1 :])]
    return found + [""] * (count - len(found))


def _group(latex: str) -> str:
    return latex if _ONE.match(latex) or latex.isdecimal() else f"{{{latex}}}"


def _based(latex: str) -> str:
    """What scripts may follow."""
    return latex if _BASE.match(latex) or latex.startswith("\\begin") else f"{{{latex}}}"


_WRITERS: dict[str, Callable[["_Element", Sequence[_Part]], str]] = {
    "mi": _identifier,
    "mn": _number,
    "mo": _operator,
    "mtext": _words,
    "ms": lambda node, parts: text(f'"{"".join(node.itertext())}"'),
    "mfrac": _fraction,
    "msqrt": lambda node, parts: f"\\sqrt{{{_row(parts)}}}",
    "mroot": _root,
    "msub": _scripts("_"),
    "msup": _scripts("^"),
    "msubsup": _scripts("_", "^"),
    "mmultiscripts": _prescripts,
    "mover": _over,
    "munder": _under,
    "munderover": _under_over,
    "mtable": _table,
    "mtr": _cells,
    "mlabeledtr": _labeled,
    "mfenced": _fenced,
    "menclose": _enclosed,
    "mspace": _space,
    "mphantom": lambda node, parts: "",
    "semantics": _first,
    "maction": _first,
}
