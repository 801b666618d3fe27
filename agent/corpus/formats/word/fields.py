"""Fields: which text is an instruction and which its result, and results that Word does not store (17.16)."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import markup
from .number_formats import written
from .symbols import symbol
from .xml import VAL, W, integer, is_on, number

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ABSOLUTE = ("http:", "https:", "mailto:", "ftp:")
_MAX_LENGTH = 10_000
"""Characters of an instruction; more are ignored."""
_OUTLINE = ("upperRoman", "upperLetter", "decimal", "lowerLetter", "decimal", "lowerLetter", "lowerRoman")


@dataclass(eq=False)
class Field:
    """A field that has begun and not ended."""

    instruction: list[str] = field(default_factory=list)
    within_result: bool = True
    """Nothing that surrounds the field hides its result."""
    in_result: bool = False
    replaced: bool = False
    """Its value was written already, so that the stored result is left out."""
    address: str = ""
    """Where its result leads, for a hyperlink."""
    data: "_Element | None" = None
    """w:ffData, of the fields of forms."""

    @property
    def shows(self) -> bool:
        """Whether text here is seen by a reader."""
        return self.within_result and self.in_result and not self.replaced

    @property
    def arguments(self) -> list[str]:
        """The name of the field, in capitals, and its arguments."""
        text = "".join(self.instruction)[:_MAX_LENGTH]
        found = [quoted or plain for quoted, plain in _ARGUMENT.findall(text)]
        return [found[0].upper(), *found[1:]] if found else [""]


class Counters:
    """The numbers of fields that count themselves."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def next(self, name: str) -> int:
        self._counts[name] = self._counts.get(name, 0) + 1
        return self._counts[name]


def absolute(address: str) -> str:
    """An address that means something outside of the file; "" for any other."""
    return address if address.lower().startswith(_ABSOLUTE) else ""


def target(arguments: list[str]) -> str:
    """Where a HYPERLINK field leads."""
    if arguments[0] != "HYPERLINK":
        return ""
    named: list[str] = []
    switch = ""
    for argument in arguments[1:]:
        if argument.startswith("\\") and len(argument) == 2:
            switch = argument.lower()
        elif switch in ("\\l", "\\o", "\\t"):
            switch = ""
        else:
            named.append(argument.replace("\\\\", "\\"))
    return absolute(named[0]) if named else ""


def form_value(found: Field, name: str) -> str | None:
    """The value of a check box or a list to choose from; None of other fields."""
    data = found.data
    if data is None:
        return markup.check_box(False) if name == "FORMCHECKBOX" else None
    if name == "FORMCHECKBOX":
        box = data.find(f"{W}checkBox")
        checked, default = (box.find(W + key) if box is not None else None for key in ("checked", "default"))
        return markup.check_box(is_on(checked) if checked is not None else is_on(default))
    if name == "FORMDROPDOWN":
        choices = data.find(f"{W}ddList")
        if choices is None:
            return None
        entries = [entry.get(VAL, "") for entry in choices.iterchildren(f"{W}listEntry")]
        chosen = number(choices, "result")
        at = chosen if chosen is not None else number(choices, "default") or 0
        return entries[at] if 0 <= at < len(entries) else ""
    return None


def unstored(found: Field, counters: Counters, language: str) -> str:
    """The result of a field whose result the file does not contain, where Word works it out for every view."""
    arguments = found.arguments
    name = arguments[0]
    value = form_value(found, name)
    if value is not None:
        return value
    if name == "SYMBOL" and len(arguments) > 1:
        return _symbol(arguments[1:])
    if name in ("MACROBUTTON", "GOTOBUTTON"):
        return " ".join(arguments[2:])
    if name in ("AUTONUM", "AUTONUMLGL"):
        return f"{counters.next(name)}."
    if name == "AUTONUMOUT":
        return f"{written(counters.next(name), _OUTLINE[0], language=language)}."
    if name == "EQ":
        return equation("".join(found.instruction).strip()[2:])
    return ""


def _symbol(arguments: list[str]) -> str:
    code = integer(arguments[0])
    if code is None:
        try:
            code = int(arguments[0], 16)
        except ValueError:
            return arguments[0]
    font = next((arguments[at + 1] for at, a in enumerate(arguments[:-1]) if a.lower() == "\\f"), "")
    return symbol(font, code)


_FORMAT = re.compile(r"\\\*\s*\w+")
_SWITCH = re.compile(r"\\([a-zA-Z]+)\s*(-?\d+)?")


def equation(text: str) -> str:
    """An EQ field, which is how Word wrote fractions and roots before it had equations (17.16.5.13).

    Fractions and roots are written on a line; of everything else, what it is made of.
    """
    result, _ = _terms(_FORMAT.sub("", text), 0, 0)
    return " ".join(result.split())


def _terms(text: str, at: int, depth: int) -> tuple[str, int]:
    """The text from `at` to the parenthesis that ends it, with its switches carried out; and where that is."""
    parts: list[str] = []
    raised = ""
    name = ""
    while at < len(text) and text[at] != ")":
        if text[at] == "\\" and at + 1 < len(text) and not text[at + 1].isalpha():
            parts.append(text[at + 1])
            at += 2
        elif text[at] == "\\" and (match := _SWITCH.match(text, at)):
            switch = match[1].lower()
            raised = switch if switch in ("up", "do") else raised
            name = name if switch in ("up", "do", "al", "ac", "ar", "ad", "di", "fo", "ba") and name else switch
            at = match.end()
        elif text[at] == "(" and name and depth < 20:
            inner, at = _terms(text, at + 1, depth + 1)
            at += 1
            parts.append(_switched(name, raised, inner.split("\x1f")))
            name = raised = ""
        elif text[at] == "(":
            inner, at = _terms(text, at + 1, depth + 1) if depth < 20 else ("(", at)
            parts.append(f"({inner.replace(chr(31), ',')})" if depth < 20 else "(")
            at += 1
        else:
            # What separates arguments depends on the language of the system that wrote the field.
            parts.append("\x1f" if text[at] in ",;" and depth else text[at])
            at += 1
    return "".join(parts), at


def _switched(name: str, raised: str, arguments: list[str]) -> str:
    inner = [argument.strip() for argument in arguments]
    if name == "f" and len(inner) == 2:
        return f"({inner[0]})/({inner[1]})" if not all(map(str.isalnum, inner)) else f"{inner[0]}/{inner[1]}"
    if name == "r":
        return f"√({inner[-1]})" if len(inner) < 2 or not inner[0] else f"root {inner[0]} of ({inner[1]})"
    if name == "s" and raised:
        text = "".join(inner)
        return markup.superscript(text) if raised == "up" else markup.subscript(text)
    if name == "b":
        return f"({','.join(inner)})"
    return "".join(inner) if name in ("o", "x", "s", "d") else " ".join(inner)


def ends(root: "_Element") -> "set[_Element]":
    """The beginnings of fields that have an end in this part.

    A field that only begins would hide everything that follows.
    """
    found: set[_Element] = set()
    begun: list[_Element] = []
    for element in root.iter(f"{W}fldChar"):
        kind = element.get(f"{W}fldCharType")
        if kind == "begin":
            begun.append(element)
        elif kind == "end" and begun:
            found.add(begun.pop())
    return found
