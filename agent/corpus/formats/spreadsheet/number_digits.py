"""Numbers in sections of number formats: placeholders, groups of thousands, percent, exponents, fractions."""

import math
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

from .number_tokens import Section, Token

_LOST = 0.0100001
"""The relative error of a display from which on it does not mean the same: 5% for 0.0525, but not 33% for 1/3."""
_NOISE = 1e-12
"""Numbers below are zero but for rounding errors."""
_LARGEST = 1e300


def general(value: float) -> str:
    """A number as the format "General" shows it: at most 11 characters without the sign, as in a wide column."""
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if 1 <= size < 1e11:
        text = f"{value:.10g}" if size < 1e10 else f"{value:.0f}"
        if "e" not in text and len(text) <= 12:
            return text
    elif 1e-4 <= size < 1:
        return f"{value:.9f}".rstrip("0").rstrip(".")
    elif not size:
        return "0"
    elif 1e-9 <= size < 1:  # 0.00001, but 1.23457E-05
        text = f"{value:.12f}".rstrip("0")
        if len(text) <= (11 if value > 0 else 12):
            return text
    mantissa, _, exponent = f"{value:.5E}".partition("E")
    return f"{_trimmed(mantissa)}E{exponent[0]}{int(exponent[1:]):02}"


def _trimmed(text: str) -> str:
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


class Digits:
    """A section of a format with placeholders, prepared for many numbers."""

    def __init__(self, section: Section):
        tokens = section.tokens
        self.percent = sum(token.kind == "percent" for token in tokens)
        self.exponent = next((at for at, token in enumerate(tokens) if token.kind == "exponent"), -1)
        slash = next((at for at, token in enumerate(tokens) if token.kind == "slash"), -1)
        before = [token.kind for token in tokens[:slash]]
        self.fraction = slash if slash > 0 and "digit" in before and "point" not in before else -1
        if self.fraction < 0:
            tokens = [Token("literal", "/") if token.kind == "slash" else token for token in tokens]
        end = self.exponent if self.exponent >= 0 else len(tokens)
        point = next((at for at in range(end) if tokens[at].kind == "point"), end)
        whole, decimals = tokens[:point], tokens[point:end]
        places = [at for at, token in enumerate(whole) if token.kind == "digit"]
        commas = [at for at, token in enumerate(whole) if token.kind == "comma"]
        self.grouped = bool(places) and any(places[0] < at < places[-1] for at in commas)
        self.thousands = sum(not places or at > places[-1] for at in commas) if places or decimals else 0
        last = max((at for at, token in enumerate(decimals) if token.kind == "digit"), default=0)
        self.thousands += sum(at > last for at, token in enumerate(decimals) if token.kind == "comma")
        self.whole = [token for token in whole if token.kind != "comma"]
        self.decimals = [token for token in decimals if token.kind != "comma"]
        self.rest = [token for token in tokens[end:] if token.kind != "comma"]
        self.places = sum(token.kind == "digit" for token in self.decimals)
        self.digits = len(places)
        self._scale = 2 * self.percent - 3 * self.thousands
        self._plain = self._prepare_plain()
        self.tokens = tokens
        simple = self._plain is not None and self._plain[2] == 1 and not self.thousands
        self._factor, self._unit = 10.0**self._scale, 10.0**self.places
        # Half a unit of the last digit shown is less than 1% of what is above.
        self._limit = max(1.0, 60 / self._unit) / self._factor if simple else float("inf")

    def _prepare_plain(self) -> tuple[str, str, int] | None:
        """Text before and after, and the least number of digits, of formats without text between digits."""
        kinds = [token for token in self.whole if token.kind == "digit"]
        zeros = "".join(token.text for token in kinds).lstrip("#")
        if self.exponent >= 0 or self.fraction >= 0 or not zeros or set(zeros) != {"0"}:
            return None
        first = self.whole.index(kinds[0])
        inside = self.whole[first : first + len(kinds)]
        decimals = self.decimals[: self.places + 1]
        if inside != kinds or any(t.kind == "digit" for t in self.whole[first + len(kinds) :]):
            return None
        if any(t.text != "0" for t in decimals[1:]) or len(decimals) == 1 or (self.grouped and len(zeros) > 3):
            return None
        after = [*self.whole[first + len(kinds) :], *self.decimals[self.places + 1 :]]
        return _text(self.whole[:first]), _text(after), len(zeros)

    def quick(self, value: float) -> str:
        """The display of a positive number if it is easily had and means the same; else empty."""
        number = value * self._factor
        if not self._limit <= value < 1e9 or abs(number * self._unit % 1 - 0.5) < 1e-4 or not self._plain:
            return ""
        before, after, _ = self._plain
        text = f"{number:,.{self.places}f}" if self.grouped else f"{number:.{self.places}f}"
        return (before + text + after).strip()

    def show(self, value: float, *, signed: bool) -> tuple[str, bool]:
        """The display of a number, and whether it means the same as the number.

        Args:
            signed: a minus is put before a negative number.
        """
        if abs(value) > _LARGEST:
            return f"{value:E}", True
        if self.fraction >= 0:
            text, shown = self._show_fraction(abs(value))
        elif self.exponent >= 0:
            text, shown = self._show_scientific(abs(value))
        else:
            text, shown = self._show_decimal(abs(value))
        same = not self.thousands and (abs(abs(value) - shown) <= _LOST * abs(value) or abs(value) < _NOISE)
        sign = "-" if value < 0 and signed and shown else ""
        return sign + text.strip(), same

    def _rounded(self, value: float, scale: int, places: int) -> Decimal:
        """Rounded half up as the decimal number of 15 digits that spreadsheets show: 1.005 to 1.01."""
        return Decimal(f"{value:.15g}").scaleb(scale).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)

    def _show_decimal(self, value: float) -> tuple[str, float]:
        number = self._rounded(value, self._scale, self.places)
        shown = float(number.scaleb(-self._scale))
        if self._plain:
            before, after, zeros = self._plain
            text = f"{number:,f}" if self.grouped else f"{number:f}"
            if zeros > 1:
                whole, point, decimals = text.partition(".")
                text = whole.zfill(zeros) + point + decimals
            return before + text + after, shown
        whole, _, decimals = f"{number:f}".partition(".")
        return self._filled(whole, decimals) + _text(self.rest), shown

    def _filled(self, whole: str, decimals: str) -> str:
        return self._whole(whole) + _decimals(self.decimals, decimals)

    def _whole(self, digits: str) -> str:
        """The digits of a whole number in the placeholders before the point, from right to left."""
        digits = digits.lstrip("0")
        if not self.digits:
            return _text(self.whole) + digits
        parts: list[str] = []
        left, done = self.digits, 0
        for token in reversed(self.whole):
            if token.kind != "digit":
                parts.append(token.text)
                continue
            left -= 1
            here = digits if left == 0 else digits[-1:]
            digits = digits[: len(digits) - len(here)]
            for digit in reversed(here or {"0": "0", "?": " "}.get(token.text, "")):
                if self.grouped and done and done % 3 == 0:
                    parts.append("," if digit != " " else " ")
                parts.append(digit)
                done += 1
        return "".join(reversed(parts))

    def _show_scientific(self, value: float) -> tuple[str, float]:
        step = max(self.digits, 1)
        exponent = math.floor(math.log10(value)) if value else 0
        exponent = (
            exponent // step * step if step > 1 and any(t.text == "#" for t in self.whole) else exponent - step + 1
        )
        if value == 0:
            exponent = 0
        number = self._rounded(value, -exponent, self.places)
        if number >= Decimal(10) ** step:
            exponent += step if any(t.text == "#" for t in self.whole) else 1
            number = self._rounded(value, -exponent, self.places)
        whole, _, decimals = f"{number:f}".partition(".")
        sign = "-" if exponent < 0 else self.rest[0].text[1].replace("-", "")
        digits = sum(token.kind == "digit" for token in self.rest)
        after = _text([token for token in self.rest[1:] if token.kind != "digit"])
        text = f"{self._filled(whole, decimals)}E{sign}{abs(exponent):0{digits}}{after}"
        return text, float(number.scaleb(exponent))

    def _show_fraction(self, value: float) -> tuple[str, float]:
        tokens = self.tokens
        top = self.fraction - 1
        while top > 0 and tokens[top].kind != "digit":
            top -= 1
        while top > 0 and tokens[top - 1].kind == "digit":
            top -= 1
        bottom = self.fraction + 1
        while bottom < len(tokens) and tokens[bottom].text == " ":
            bottom += 1
        end = bottom
        fixed = ""
        while end < len(tokens) and (tokens[end].kind == "digit" or tokens[end].text.isdigit()):
            fixed += tokens[end].text if tokens[end].text.isdigit() else ""
            end += 1
        before = tokens[:top]
        mixed = any(token.kind == "digit" for token in before)
        exact = Fraction(Decimal(f"{value:.15g}")) * 100**self.percent
        whole = int(exact) if mixed else 0
        part = exact - whole
        if int(fixed or "0"):
            denominator = int(fixed)
            numerator = int(part * denominator + Fraction(1, 2))
        else:
            limit = 10 ** min(max(end - bottom, 1), 9) - 1
            near = part.limit_denominator(limit)
            numerator, denominator = near.numerator, near.denominator
        if mixed and numerator == denominator:
            whole, numerator = whole + 1, 0
        shown = float(whole + Fraction(numerator, denominator)) / 100**self.percent
        text = f"{numerator}/{denominator}"
        if mixed:
            zero = not any(token.text == "0" for token in before) and not whole
            if not numerator:
                text = str(whole)
            elif not zero:
                text = f"{whole} {text}"
        first = next((at for at, token in enumerate(before) if token.kind == "digit"), len(before))
        return _text(before[:first]) + text + _text(tokens[max(end, bottom) :]), shown


def _decimals(tokens: list[Token], digits: str) -> str:
    """The digits after the point in their placeholders: "#" leaves zeros at the end out, "?" puts spaces for them."""
    parts: list[str] = []
    at = 0
    significant = len(digits.rstrip("0"))
    last_zero = max(
        (at for at, token in enumerate(t for t in tokens if t.kind == "digit") if token.text == "0"), default=-1
    )
    for token in tokens:
        if token.kind != "digit":
            parts.append(token.text)
            continue
        if at < significant or at <= last_zero:
            parts.append(digits[at])
        elif token.text == "?":
            parts.append(" ")
        at += 1
    return "".join(parts)


def _text(tokens: list[Token]) -> str:
    """Literals; placeholders among them show nothing."""
    return "".join("" if token.kind in ("digit", "comma", "exponent") else token.text for token in tokens)
