"""Equations of Office (OMML; ECMA-376 part 1, 22.1) as LaTeX."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from .symbols import ACCENTS, COMMANDS, FUNCTIONS, joined, math, text

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MAX_DEPTH = 60
"""Levels of an equation that are written as such; what is nested deeper is written as its letters."""

_ONE = re.compile(r"(?:[^\\{}]|\\[A-Za-z]+|\\[^A-Za-z]|\\[a-z]+\{[^{}]*\})\Z")
_TALL = re.compile(r"\\(?:frac|begin|sum|prod|int|binom|sqrt|over|under)|\^\{[^{}]{4}")
_FENCED = {"()": "pmatrix", "[]": "bmatrix", "{}": "Bmatrix", "||": "vmatrix", "‖‖": "Vmatrix"}
_GROUPS = {"⏟": "underbrace", "⏞": "overbrace", "⏜": "overparen", "⏝": "underparen"}
_FENCES = {"{": "\\{", "}": "\\}", "": "."}
_STYLES = {"b": "mathbf", "bi": "boldsymbol"}
_SCRIPTS = {
    "double-struck": "mathbb",
    "script": "mathcal",
    "fraktur": "mathfrak",
    "sans-serif": "mathsf",
    "monospace": "mathtt",
}
_REVISED = {"final": frozenset(("del", "moveFrom")), "original": frozenset(("ins", "moveTo"))}


def to_latex(element: "_Element", version: Literal["final", "original"] = "final") -> str:
    """An equation as LaTeX, without delimiters; "" of an empty one.

    What this does not know is written as the text in it. `$` and the like are escaped.

    Args:
        element: m:oMath, or m:oMathPara, whose equations become lines.
        version: what of the tracked changes inside of it is left out.
    """
    writer = _Writer(_REVISED[version])
    if _local(element) == "oMathPara":
        lines = [line for child in element if _local(child) == "oMath" and (line := writer.row(child, 0).strip())]
        return _environment("gathered", lines) if len(lines) > 1 else "".join(lines)
    return writer.row(element, 0).strip()


class _Writer:
    def __init__(self, left_out: frozenset[str]):
        self._left_out = left_out
        self._aligned = 0
        """How many arrays of equations surround this place: in these "&" is where lines are aligned."""
        self._writers: dict[str, Callable[[_Element, int], str]] = {
            "acc": self._accent,
            "bar": self._bar,
            "borderBox": lambda e, depth: f"\\boxed{{{self._part(e, 'e', depth)}}}",
            "d": self._delimited,
            "eqArr": self._lines,
            "f": self._fraction,
            "func": self._function,
            "groupChr": self._group,
            "limLow": lambda e, depth: self._limit(e, depth, "_", "underset"),
            "limUpp": lambda e, depth: self._limit(e, depth, "^", "overset"),
            "m": lambda e, depth: self._matrix(e, depth, "matrix"),
            "nary": self._operator,
            "phant": self._phantom,
            "r": self._run,
            "rad": self._root,
            "sPre": self._before,
            "sSub": lambda e, depth: self._base(e, depth) + self._script(e, "sub", "_", depth),
            "sSup": lambda e, depth: self._base(e, depth) + self._script(e, "sup", "^", depth),
            "sSubSup": self._both,
        }

    def row(self, element: "_Element | None", depth: int) -> str:
        """The children of an element in a row."""
        if element is None:
            return ""
        if depth > _MAX_DEPTH:
            return math("".join(t.text or "" for t in element.iter("{*}t")))
        parts: list[str] = []
        for child in element:
            name = _local(child)
            if name in self._left_out or name.endswith("Pr"):
                continue
            write = self._writers.get(name, self.row)
            parts.append(write(child, depth + 1))
        return joined(parts)

    def _part(self, element: "_Element", name: str, depth: int) -> str:
        return self.row(_child(element, name), depth).strip()

    def _run(self, element: "_Element", depth: int) -> str:
        properties = _child(element, "rPr")
        parts: list[str] = []
        for child in element:
            match _local(child):
                case "t" | "delText":
                    parts.append(child.text or "")
                case "tab" | "br" | "cr":
                    parts.append(" ")
                case _:
                    pass
        characters = "".join(parts)
        if properties is not None and _flag(properties, "nor"):
            return text(characters)
        if characters.strip() in FUNCTIONS:
            return f"\\{characters.strip()}"
        written = math(characters, aligned=self._aligned > 0)
        if properties is None or not written.strip():
            return written
        style = _SCRIPTS.get(_value(properties, "scr")) or _STYLES.get(_value(properties, "sty"))
        return f"\\{style}{{{written}}}" if style and "&" not in written else written

    def _base(self, element: "_Element", depth: int) -> str:
        base = self._part(element, "e", depth)
        return base if _ONE.match(base) else f"{{{base}}}"

    def _script(self, element: "_Element", name: str, sign: str, depth: int) -> str:
        script = self._part(element, name, depth)
        if script and set(script) <= {"'"}:
            return script
        if script == "\\prime":
            return "'"
        return f"{sign}{{{script}}}" if script else ""

    def _both(self, element: "_Element", depth: int) -> str:
        scripts = self._script(element, "sub", "_", depth) + self._script(element, "sup", "^", depth)
        return self._base(element, depth) + scripts

    def _before(self, element: "_Element", depth: int) -> str:
        scripts = self._script(element, "sub", "_", depth) + self._script(element, "sup", "^", depth)
        return f"{{}}{scripts}{self._part(element, 'e', depth)}"

    def _fraction(self, element: "_Element", depth: int) -> str:
        above, below = self._part(element, "num", depth), self._part(element, "den", depth)
        match _property(element, "type", "bar"):
            case "lin" | "skw":
                return "/".join(
                    part if _ONE.match(part) or part.isalnum() else f"{{{part}}}" for part in (above, below)
                )
            case "noBar":
                return f"\\genfrac{{}}{{}}{{0pt}}{{}}{{{above}}}{{{below}}}"
            case _:
                return f"\\frac{{{above}}}{{{below}}}"

    def _root(self, element: "_Element", depth: int) -> str:
        degree = "" if _on(_property(element, "degHide", "0")) else self._part(element, "deg", depth)
        return f"\\sqrt{f'[{degree}]' if degree else ''}{{{self._part(element, 'e', depth)}}}"

    def _operator(self, element: "_Element", depth: int) -> str:
        sign = _property(element, "chr", "∫")
        lower = "" if _on(_property(element, "subHide", "0")) else self._script(element, "sub", "_", depth)
        upper = "" if _on(_property(element, "supHide", "0")) else self._script(element, "sup", "^", depth)
        return joined([COMMANDS.get(sign, sign) + lower + upper, " ", self._part(element, "e", depth)])

    def _delimited(self, element: "_Element", depth: int) -> str:
        begin, end = _property(element, "begChr", "("), _property(element, "endChr", ")")
        parts = [child for child in element if _local(child) == "e"]
        only = [child for child in parts[0] if not _local(child).endswith("Pr")] if len(parts) == 1 else []
        if len(only) == 1:
            name = _local(only[0])
            if name == "m" and begin + end in _FENCED:
                return self._matrix(only[0], depth + 1, _FENCED[begin + end])
            if name == "eqArr" and (begin, end) == ("{", ""):
                return self._lines(only[0], depth + 1, "cases")
            if name == "f" and begin + end == "()" and _property(only[0], "type", "bar") == "noBar":
                above, below = self._part(only[0], "num", depth + 1), self._part(only[0], "den", depth + 1)
                return f"\\binom{{{above}}}{{{below}}}"
        contents = [self.row(part, depth).strip() for part in parts]
        separator = math(_property(element, "sepChr", "|"))
        if begin and end and not any(map(_TALL.search, contents)):
            between = f" {separator} " if separator == "|" else f"{separator} "
            return joined([_fence(begin), between.join(contents), _fence(end)])
        between = f" \\middle{separator} " if separator == "|" else f"{separator} "
        return f"\\left{_fence(begin)} {between.join(contents)} \\right{_fence(end)}"

    def _lines(self, element: "_Element", depth: int, environment: str = "aligned") -> str:
        self._aligned += 1
        lines = [self.row(child, depth).strip() for child in element if _local(child) == "e"]
        self._aligned -= 1
        return _environment(environment, lines)

    def _matrix(self, element: "_Element", depth: int, environment: str) -> str:
        aligned, self._aligned = self._aligned, 0
        rows = [
            " & ".join(self.row(cell, depth + 1).strip() for cell in row if _local(cell) == "e")
            for row in element
            if _local(row) == "mr"
        ]
        self._aligned = aligned
        return _environment(environment, rows)

    def _accent(self, element: "_Element", depth: int) -> str:
        sign, base = _property(element, "chr", "\u0302"), self._part(element, "e", depth)
        narrow, wide = ACCENTS.get(sign, ("", ""))
        if not narrow:
            return f"\\overset{{{math(sign)}}}{{{base}}}"
        return f"\\{narrow if _ONE.match(base) else wide}{{{base}}}"

    def _bar(self, element: "_Element", depth: int) -> str:
        command = "overline" if _property(element, "pos", "bot") == "top" else "underline"
        return f"\\{command}{{{self._part(element, 'e', depth)}}}"

    def _group(self, element: "_Element", depth: int) -> str:
        sign, base = _property(element, "chr", "⏟"), self._part(element, "e", depth)
        if sign in _GROUPS:
            return f"\\{_GROUPS[sign]}{{{base}}}"
        command = "overset" if _property(element, "pos", "bot") == "top" else "underset"
        return f"\\{command}{{{math(sign)}}}{{{base}}}"

    def _limit(self, element: "_Element", depth: int, sign: str, command: str) -> str:
        base, limit = self._part(element, "e", depth), self._part(element, "lim", depth)
        if base.lstrip("\\") in FUNCTIONS or base.startswith(("\\underbrace{", "\\overbrace{", "\\operatorname{")):
            return f"{base}{sign}{{{limit}}}"
        return f"\\{command}{{{limit}}}{{{base}}}"

    def _function(self, element: "_Element", depth: int) -> str:
        name = self._part(element, "fName", depth)
        if name.isalpha() and len(name) > 1:
            name = f"\\operatorname{{{name}}}"
        return f"{name} {self._part(element, 'e', depth)}"

    def _phantom(self, element: "_Element", depth: int) -> str:
        return self._part(element, "e", depth) if _on(_property(element, "show", "1")) else ""


def _local(element: "_Element") -> str:
    return str(element.tag).rpartition("}")[2]


def _child(element: "_Element", name: str) -> "_Element | None":
    return next((child for child in element if _local(child) == name), None)


def _value(properties: "_Element", name: str, default: str = "") -> str:
    found = _child(properties, name)
    if found is None:
        return default
    return next((value for key, value in found.attrib.items() if str(key).rpartition("}")[2] == "val"), "")


def _property(element: "_Element", name: str, default: str) -> str:
    """A property of an object such as m:f, which stands in m:fPr."""
    properties = _child(element, f"{_local(element)}Pr")
    return default if properties is None else _value(properties, name, default)


def _flag(properties: "_Element", name: str) -> bool:
    return _child(properties, name) is not None and _on(_value(properties, name))


def _on(value: str) -> bool:
    return value not in ("0", "false", "off")


def _fence(sign: str) -> str:
    return _FENCES.get(sign) or math(sign)


def _environment(name: str, lines: Sequence[str]) -> str:
    rows = " \\\\ ".join(lines)
    return f"\\begin{{{name}}} {rows} \\end{{{name}}}"
