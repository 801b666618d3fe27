"""The labels of list items: numbers, letters and Roman numerals."""

from dataclasses import dataclass

from .tree import Attributes

_STYLES = {
    "1": "decimal",
    "a": "lower-alpha",
    "A": "upper-alpha",
    "i": "lower-roman",
    "I": "upper-roman",
    "lower-latin": "lower-alpha",
    "upper-latin": "upper-alpha",
}
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc")),
    *((50, "l"), (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)


@dataclass
class ListState:
    """A list that is open."""

    ordered: bool
    style: str = "decimal"
    number: int = 1
    """Of the next item."""
    step: int = 1

    def label(self, attributes: Attributes, style: str = "") -> str:
        """The label of the next item, with a space after it; "* " in a list without numbers."""
        value = integer(attributes.get("value"))
        if self.ordered and value is not None:
            self.number = value
        number, self.number = self.number, self.number + self.step
        style = _STYLES.get(attributes.get("type", ""), "") or style or self.style
        return f"{numeral(number, style)}. " if self.ordered and style not in _UNNUMBERED else "* "


_UNNUMBERED = frozenset(("none", "disc", "circle", "square"))


def list_state(tag: str, attributes: Attributes, style: str, items: int | None) -> ListState:
    """A list that begins.

    Args:
        style: its `list-style-type`.
        items: their number, for a list that counts down.
    """
    if tag != "ol":
        return ListState(ordered=False)
    start = integer(attributes.get("start"))
    back = "reversed" in attributes
    first = start if start is not None else (items if back and items is not None else 1)
    kind = style or _STYLES.get(attributes.get("type", ""), "decimal")
    return ListState(True, kind, first, -1 if back else 1)


def numeral(number: int, style: str) -> str:
    """A number in the style of CSS: "iv", "d", "04"."""
    if style.endswith("alpha") or style in ("lower-latin", "upper-latin"):
        if number < 1:
            return str(number)
        letters = ""
        while number:
            number, rest = divmod(number - 1, 26)
            letters = chr(97 + rest) + letters
        return letters.upper() if style.startswith("upper") else letters
    if style.endswith("roman"):
        if not 0 < number < 4000:
            return str(number)
        text = ""
        for value, sign in _ROMAN:
            text += sign * (number // value)
            number %= value
        return text.upper() if style.startswith("upper") else text
    return f"{number:02d}" if style == "decimal-leading-zero" else str(number)


def integer(value: str | None) -> int | None:
    """A number as HTML writes it; None if it is not one."""
    text = (value or "").strip()
    digits = text[1:] if text[:1] in "+-" else text
    return int(text) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else None
