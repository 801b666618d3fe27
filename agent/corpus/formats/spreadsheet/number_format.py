"""Number formats of spreadsheets: how a stored number or text is displayed.

Displays are those of Excel in English (United States): what a file leaves to the computer it is opened on, such as the
sign between decimals, is as there. Where a display does not mean the same as the number, the number follows in
brackets: "5% [0.0525]", "1-Mar [2024-03-01]" (see `NumberFormat.show`).
"""

import re
from functools import lru_cache

from .number_digits import Digits, general
from .number_tokens import Section, sections
from .serial_date import moment, shown_date

_DATES = "m/d/yyyy"
BUILT_IN = {
    0: "General",
    1: "0",
    2: "0.00",
    3: "#,##0",
    4: "#,##0.00",
    5: '"$"#,##0_);("$"#,##0)',
    6: '"$"#,##0_);[Red]("$"#,##0)',
    7: '"$"#,##0.00_);("$"#,##0.00)',
    8: '"$"#,##0.00_);[Red]("$"#,##0.00)',
    9: "0%",
    10: "0.00%",
    11: "0.00E+00",
    12: "# ?/?",
    13: "# ??/??",
    14: _DATES,
    15: "d-mmm-yy",
    16: "d-mmm",
    17: "mmm-yy",
    18: "h:mm AM/PM",
    19: "h:mm:ss AM/PM",
    20: "h:mm",
    21: "h:mm:ss",
    22: f"{_DATES} h:mm",
    # 27 to 36 and 50 to 58 are dates and times of East Asia, each country's its own.
    **dict.fromkeys((*range(27, 32), 36, *range(50, 59)), _DATES),
    **dict.fromkeys(range(32, 36), "h:mm:ss"),
    37: "#,##0_);(#,##0)",
    38: "#,##0_);[Red](#,##0)",
    39: "#,##0.00_);(#,##0.00)",
    40: "#,##0.00_);[Red](#,##0.00)",
    41: '_(* #,##0_);_(* (#,##0);_(* "-"_);_(@_)',
    42: '_("$"* #,##0_);_("$"* (#,##0);_("$"* "-"_);_(@_)',
    43: '_(* #,##0.00_);_(* (#,##0.00);_(* "-"??_);_(@_)',
    44: '_("$"* #,##0.00_);_("$"* (#,##0.00);_("$"* "-"??_);_(@_)',
    45: "mm:ss",
    46: "[h]:mm:ss",
    47: "mm:ss.0",
    48: "##0.0E+0",
    49: "@",
    # Thai
    59: "0",
    60: "0.00",
    61: "#,##0",
    62: "#,##0.00",
    67: "0%",
    68: "0.00%",
    69: "# ?/?",
    70: "# ??/??",
    71: "d/m/yyyy",
    72: "d-mmm-yy",
    73: "d-mmm",
    74: "mmm-yy",
    75: "h:mm",
    76: "h:mm:ss",
    77: "d/m/yyyy h:mm",
    78: "mm:ss",
    79: "[h]:mm:ss",
    80: "mm:ss.0",
    81: "d/m/bb",
}
"""The formats that files name by number only (ECMA-376 part 1, 18.8.30)."""

_DASHES = re.compile(r"[\s$€£¥]*[-–—]+[\s$€£¥]*")
_COMPARE = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
    "<>": lambda a, b: a != b,
}


class NumberFormat:
    """A format code, prepared for many values."""

    def __init__(self, code: str, *, from_1904: bool = False):
        """Args:
        from_1904: day 0 is 1904-01-01, as in files of Excel for Macintosh.
        """
        found = sections(code)[:4] or [Section()]
        self._from_1904 = from_1904
        # The last section is for text if there are four, or if it has an "@".
        self._text: Section | None = None
        if len(found) == 4 or (len(found) > 1 and found[-1].has("text")):
            self._text = found.pop()
        elif len(found) == 1 and found[0].has("text"):
            self._text = found[0]
        self._sections = found
        self._digits = [Digits(s) if s.has("digit") and not s.has("date", "elapsed") else None for s in found]
        self._kinds = [
            "date" if s.has("date", "elapsed") else "general" if s.has("general", "text") else "" for s in found
        ]
        self._quick = self._digits[0] if not any(s.condition for s in found) else None
        self.is_general = len(found) == 1 and code.strip().lower() in ("general", "", "standard")
        text = self._text
        self.changes_text = text is not None and [
            t.text for t in text.tokens if t.kind != "literal" or t.text.strip()
        ] != ["@"]
        """Texts are not displayed as they are."""

    def show(self, value: float) -> str:
        """A number as displayed; empty if the format shows nothing of it.

        The number follows in brackets if the display is off by more than 1%, or in thousands; if it hides a minus; if
        it has no digits, unless it is a dash for 0; if "General" shows a whole number with an exponent. For dates, see
        `serial_date.shown_date`; the brackets have the date in ISO 8601.
        """
        if self.is_general:
            return _general(value)
        if value > 0 and self._quick is not None and (text := self._quick.quick(value)):
            return text
        at, signed = self._choose(value)
        if at < 0:
            return general(value)
        section, digits, kind = self._sections[at], self._digits[at], self._kinds[at]
        if kind == "date":
            shown = shown_date(section, value, from_1904=self._from_1904)
            if shown is None:  # Excel fills the cell with "#"
                return general(value)
            return f"{shown[0]} [{shown[1]}]" if shown[1] else shown[0]
        if kind == "general":
            number = _general(abs(value))
            parts = [number if t.kind in ("general", "text") else t.text for t in section.tokens]
            return ("-" if value < 0 and signed else "") + "".join(parts).strip()
        if digits is None:
            text = "".join(t.text for t in section.tokens).strip()
            if not text:
                return ""
            text = ("-" if value < 0 and signed else "") + text
            return text if not value and _DASHES.fullmatch(text) else f"{text} [{general(value)}]"
        text, same = digits.show(value, signed=signed)
        if not text:
            return ""
        if value < 0 and not signed and same and text.isascii() and not any(c in "-(" or c.isalpha() for c in text):
            same = abs(value) < 1e-12
        return text if same else f"{text} [{general(value)}]"

    def _choose(self, value: float) -> tuple[int, bool]:
        """The index of the section for a number, or -1; and whether it gets a minus."""
        found = self._sections
        if len(found) == 1 and not found[0].condition:
            return 0, True
        if not any(section.condition for section in found):
            at = 1 if value < 0 else 2 if value == 0 and len(found) > 2 else 0
            return at, at == 0
        for at, section in enumerate(found):
            condition = section.condition
            if condition is None:
                # Without a condition of its own, the first is for positive numbers, the second for negative ones if
                # a third is for the rest.
                last = at == len(found) - 1
                matches = last or (value > 0 if at == 0 else value < 0)
                negative = at == 1 and not last
            else:
                sign, limit = condition
                matches = _COMPARE[sign](value, limit)
                negative = sign in ("<", "<=") and limit <= 0 and not (sign == "<=" and limit == 0)
            if matches:
                return at, not negative
        return -1, True

    def show_text(self, text: str) -> str:
        """A text as displayed; empty if the format shows nothing of it."""
        if not self.changes_text or self._text is None:
            return text
        return "".join(text if t.kind in ("text", "general") else t.text for t in self._text.tokens).strip()

    def is_date(self) -> bool:
        return any(section.has("date") for section in self._sections)

    def iso(self, value: float) -> str:
        """A number as a date and time of day in ISO 8601; empty if it is none."""
        at = moment(value, from_1904=self._from_1904)
        return at.iso(time=bool(at.seconds)) if at else ""


def _general(value: float) -> str:
    text = general(value)
    # The digits of an article number or a bank account are its meaning.
    return f"{text} [{int(value)}]" if "E" in text and value == int(value) and abs(value) < 1e16 else text


@lru_cache(maxsize=4096)
def number_format(code: str, from_1904: bool = False) -> NumberFormat:
    return NumberFormat(code, from_1904=from_1904)
