"""One way to write what readers write in several: escapes, emphasis, scripts, quotation marks, white space.

The same function is applied to a reader's text and to the facts, so that no reader gains or loses by its dialect.
"""

import html
import re
import unicodedata

_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱ", "0123456789+-()ni", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎", "0123456789+-()", strict=True))
_RAISED = re.compile(f"[{''.join(_SUPERSCRIPTS)}]+")
_LOWERED = re.compile(f"[{''.join(_SUBSCRIPTS)}]+")
_TAGGED = re.compile(r"<(sup|sub)\b[^>]*>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(
    r"</?(?:a|b|i|u|s|p|q|br|em|hr|div|del|ins|img|kbd|span|code|mark|small|strong|strike|font|cite|center|ul|ol|li|h[1-6]"
    r"|tbody|thead|tfoot|table|colgroup|col|caption|tr|td|th|pre|blockquote|sup|sub|section|figure|figcaption|details|summary|o:p)"
    r"(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_RAISED_PAIR = re.compile(r"\^([^\s^]{1,12})\^")
_LOWERED_PAIR = re.compile(r"(?<![~\w])?(?<!~)~([^\s~]{1,12})~(?!~)")
_IN_BRACES = re.compile(r"([\^_])\{\s*([^{}]{1,12}?)\s*\}")
_IN_PARENTHESES = re.compile(r"([\^_])\(([+-]?\w{1,12})\)")
_FORMULA = re.compile(r"\${1,2}([^$\n]{1,300}?)\${1,2}")
_EMPHASIS = re.compile(r"\*+|`+|__+(?=\w)|(?<=\w)__+|(?<=[.,;:!?)])__+")
_ITALIC = re.compile(r"(?<![\w\\^])_(\S(?:[^_\n]*\S)?)_(?!\w)")
_SCRIPT_GAP = re.compile(r"\s*([\^])\s*(?=[\w({])")
_LEADER = re.compile(r"(?:\s?\.){3,}[\s.]*")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_QUOTES = str.maketrans({"‘": "'", "’": "'", "‚": "'", "“": '"', "”": '"', "„": '"', "‐": "-", "‑": "-", "−": "-"})


def without_markup(text: str) -> str:
    """The characters that a text in Markdown, with some HTML in it, stands for. Line ends stay."""
    text = _TAGGED.sub(lambda match: ("^" if match[1].lower() == "sup" else "_") + match[2], text)
    text = _RAISED.sub(lambda match: "^" + "".join(_SUPERSCRIPTS[letter] for letter in match[0]), text)
    text = _LOWERED.sub(lambda match: "_" + "".join(_SUBSCRIPTS[letter] for letter in match[0]), text)
    text = _TAG.sub(" ", text).replace("\\\n", "\n")
    text = html.unescape(text)
    text = _ESCAPE.sub(r"\1", text)
    text = _FORMULA.sub(lambda match: match[1] if re.search(r"[\\^_{}=]", match[1]) else match[0], text)
    text = _RAISED_PAIR.sub(r"^\1", text)
    text = _LOWERED_PAIR.sub(r"_\1", text)
    text = _IN_BRACES.sub(r"\1\2", text)
    text = _IN_PARENTHESES.sub(r"\1\2", text)
    text = _EMPHASIS.sub("", text)
    text = _ITALIC.sub(r"\1", text)
    text = _SCRIPT_GAP.sub(r"\1", text)
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return text.translate(_QUOTES)


def normal(text: str) -> str:
    """The same on one line, with single spaces, and with dotted leaders of any length as three points."""
    return " ".join(_LEADER.sub(" ... ", without_markup(text)).split())


def tag_letters(text: str) -> str:
    """The letters that tag characters (U+E0000 to U+E007F) hide in a text: invisible, but not to a model."""
    return "".join(chr(ord(letter) - 0xE0000) for letter in text if 0xE0020 <= ord(letter) <= 0xE007E)
