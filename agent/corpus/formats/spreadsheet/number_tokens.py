"""The tokens of number formats such as `[Red]#,##0.00_);[h]:mm` (ECMA-376 part 1, 18.8.31)."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<literal>"[^"]*"?|\\.)
    | (?P<space>_.)
    | (?P<fill>\*.)
    | (?P<elapsed>\[(?:h+|m+|s+)\])
    | (?P<bracket>\[[^\]]*\]?)
    | (?P<general>general|standard)
    | (?P<half>am/pm|a/p|上午/下午|午前/午後)
    | (?P<exponent>e[+-](?=[0#?]))
    | (?P<date>y+|m+|d+|h+|s+(?:\.0+)?|b{2,4}|g+|e+|a{3,4})
    | (?P<digit>[0#?])
    | (?P<point>\.) | (?P<comma>,) | (?P<percent>%) | (?P<slash>/) | (?P<text>@)
    | (?P<other>.)""",
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)
_CONDITION = re.compile(r"\[(<=|>=|<>|<|>|=)\s*(-?[\d.]+(?:e[+-]?\d+)?)\]", re.IGNORECASE)
_MAX_CODE = 1024
"""Characters of a format code that are read; Excel allows 255."""
_MAX_DIGITS = 128


class Token(NamedTuple):
    kind: str
    """The name of a group of the pattern; "literal" for all text that is shown as it is."""
    text: str


@dataclass
class Section:
    """One of up to four formats between semicolons."""

    tokens: list[Token] = field(default_factory=list)
    condition: tuple[str, float] | None = None
    language: int = 0
    """The low 16 bits of the Windows locale identifier; 0: none given."""

    def has(self, *kinds: str) -> bool:
        return any(token.kind in kinds for token in self.tokens)


def sections(code: str) -> list[Section]:
    """The sections of a format code. Of an ill-formed one, what can be understood."""
    found = [Section()]
    digits = 0
    for match in _TOKEN.finditer(code[:_MAX_CODE]):
        kind, text = str(match.lastgroup), match.group()
        section = found[-1]
        match kind:
            case "literal":
                section.tokens.append(Token("literal", text[1:].removesuffix('"') if text[0] == '"' else text[1:]))
            case "space":
                section.tokens.append(Token("literal", " "))
            case "fill":
                pass
            case "bracket":
                _bracket(section, text)
            case "other" if text == ";":
                found.append(Section())
            case "other":
                section.tokens.append(Token("literal", text))
            case "digit" if digits >= _MAX_DIGITS:
                pass
            case _:
                digits += kind == "digit"
                section.tokens.append(Token(kind, text.lower() if kind != "half" else text))
    for section in found:
        _settle(section)
    return found


def _bracket(section: Section, text: str) -> None:
    """A currency or locale, `[$€-407]`, or a condition, `[<=100]`. Colours and numeral systems change no text here."""
    if text.startswith("[$"):
        symbol, _, locale = text[2:].rstrip("]").partition("-")
        if symbol:
            section.tokens.append(Token("literal", symbol))
        try:
            section.language = int(locale or "0", 16) & 0xFFFF
        except ValueError:
            section.language = _LANGUAGE_TAGS.get(locale.partition("-")[0].lower(), 0)
    elif condition := _CONDITION.fullmatch(text):
        try:
            section.condition = condition[1], float(condition[2])
        except ValueError:
            section.condition = None


_LANGUAGE_TAGS = {"de": 0x07, "fr": 0x0C, "es": 0x0A, "it": 0x10, "nl": 0x13, "pt": 0x16, "ja": 0x11, "en": 0x09}


def _settle(section: Section) -> None:
    """Decide what `m`, `e` and `.` mean from the tokens around them."""
    tokens = section.tokens
    first = next((token.kind for token in tokens if token.kind in ("digit", "point", "date", "elapsed")), "")
    if first in ("digit", "point"):  # letters in a number are text: `0.0 kg`
        section.tokens = [Token("literal", t.text) if t.kind in ("date", "half") else t for t in tokens]
        return
    if not section.has("date", "elapsed"):
        return
    timed = [at for at, token in enumerate(tokens) if token.kind in ("date", "elapsed")]
    for here, at in enumerate(timed):
        token = tokens[at]
        if token.kind == "date" and token.text in ("m", "mm"):
            before = tokens[timed[here - 1]].text.strip("[]")[0] if here else ""
            after = tokens[timed[here + 1]].text.strip("[]")[0] if here + 1 < len(timed) else ""
            if before == "h" or after == "s":
                tokens[at] = Token("minute", token.text)
    # Zeros and points that are not of a number: "hh.000" has them as fractions of a second.
    section.tokens = [
        Token("literal", t.text) if t.kind in ("point", "comma", "percent", "slash", "digit") else t for t in tokens
    ]
