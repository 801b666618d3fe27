"""Page labels of PDF: numbers in the styles of the specification (ISO 32000-1, 12.4.2)."""


def numeral(number: int, style: str) -> str:
    """A page number in one of PDF's styles: D, R, r, A, a, or none."""
    if style == "D":
        return str(number)
    if style in ("A", "a"):  # A to Z, then AA to ZZ
        letters = chr(ord("A") + (number - 1) % 26) * ((number - 1) // 26 + 1)
        return letters if style == "A" else letters.lower()
    if style in ("R", "r"):
        roman, rest = "", number
        for value, sign in _ROMAN:
            roman += sign * (rest // value)
            rest %= value
        return roman if style == "R" else roman.lower()
    return ""


_ROMAN = (
    *((1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL")),
    *((10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I")),
)
