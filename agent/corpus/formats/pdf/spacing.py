"""Letter-spaced words: "C O N T E N T S"."""

import re
from collections import Counter
from itertools import pairwise

from .lines import Line
from .words import is_word

_SPACED = re.compile(r"(?<![^\s(\"“'])[^\W\d_](?:[ \u00a0]{1,4}[^\W\d_]){3,}(?![^\s).,:;!?\"”'])")
_QUICK = re.compile(r" [^\W\d_] {1,4}[^\W\d_] ")
"""In every text with such a word: sought much faster than the word."""
_MOST = 0.6
"""Fraction of the letters of a letter-spaced line that have a gap after them."""
_VOWELS = frozenset("aeiouyäöüáéíóúàèùâêîôûåøæаеёиоуыэюяαεηιουω")


def is_spaced(text: str) -> bool:
    """Whether a text may have letter-spaced words."""
    return _QUICK.search(text) is not None and _SPACED.search(text) is not None


def without_gaps(lines: list[Line]) -> list[Line]:
    """Lines of a "rawdict", letter-spaced ones without the spaces that MuPDF puts in gaps: drawn ones divide words."""
    rows = Counter(round(line.baseline) for line in lines)
    for line in lines:
        chars = [char for raw in line.raws for span in raw["spans"] for char in span["chars"]]
        gaps = sum(bool(char.get("synthetic")) for char in chars)
        letters = sum(char["c"].isalpha() for char in chars)
        if letters > 3 and gaps > _MOST * (letters - 1) and rows[round(line.baseline)] == 1:
            text = "".join(char["c"] for char in chars if not char.get("synthetic")).strip()
            if " " in text or _is_heading(text):
                line.text = text
    return lines


def closed(text: str) -> str:
    """The text, with the letters of letter-spaced words together."""
    return _SPACED.sub(_words, text) if is_spaced(text) else text


def _words(found: re.Match[str]) -> str:
    words = [re.sub(r"\s", "", part) for part in re.split(r"[ \u00a0]{2,}", found[0])]
    # "TABLE OF CONTENTS": short words say nothing of themselves.
    long = [word for word in words if len(word) > 3]
    return " ".join(words) if long and all(map(_is_heading, long)) else found[0]


def _is_heading(word: str) -> bool:
    """Whether letters are those of a word, and not the heads of columns or the variables of a formula."""
    lower = word.lower()
    if word not in (word.upper(), word.capitalize(), lower):
        return False
    if is_word(lower):
        return True
    rising = sum(ord(b) - ord(a) == 1 for a, b in pairwise(lower))
    vowels = sum(letter in _VOWELS for letter in lower)
    return len(word) > 5 and word != lower and rising < 2 and 0.2 < vowels / len(word) < 0.7
