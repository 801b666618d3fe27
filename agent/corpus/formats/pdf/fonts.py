"""Text that no one can read because its fonts do not say what their characters are, or say it wrongly."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from .words import is_word

if TYPE_CHECKING:
    import pymupdf

_MEANINGLESS = re.compile("[\x01-\x08\x0e-\x1f\ue000-\uf8ff\U000f0800-\U0010fffd]")
_SYMBOLS = 0.3
"""Fraction of characters for private use and for control above which a page is signs without meaning; bullets are
fewer."""
_LETTERS = re.compile("[a-z]+")
_LONGEST = 14
"""Letters in a row that may be a word; longer ones are data, such as base64."""
_ENOUGH = 150
"""Pairs of letters from which on their frequency says something."""
_UNLIKELY = 5.0
"""Mean of the pairs' unlikeliness that no language reaches: English has 3.7, Polish, Czech, Welsh and program code at
most 4.7, and English with exchanged letters 5.2 and more."""
_FEW_VOWELS = 0.36
"""Fraction of vowels among the letters above which a text is not worth the look: English has 0.38."""
_START = 1500
"""Characters that are looked at first."""
_LONG = 800
"""Letters from which on a usual number of vowels is enough to clear a text."""
_VOWELS = "aeiouyAEIOUY"
_KNOWN = 0.3
"""Fraction of known words below which the text of a font that names no characters is nonsense."""
_NAME = re.compile(r"/(?:[A-Za-z]{0,3}\d+|cid[_\d]+|index\d+|glyph\d+|\.notdef)(?=[\s/\]])")
_ANY_NAME = re.compile(r"/[^\s/\]]+(?=[\s/\]])")
_FEW_NAMES = 10
"""Characters of a font below which it is for signs, not text."""
_SAMPLE = 40

_ALPHABET = " abcdefghijklmnopqrstuvwxyz"
# Binary logarithms of the probability that one letter follows another, with the sign changed, in the words of Qwen's
# vocabulary that are ASCII letters: a row for each first letter; a blank begins and ends a word.
_PAIRS = (
    "944344555566545547434665988495459757596353959343667868436773999369378389357399969"
    "439693993494589299473599969247862879399678499558578979357536668699453768335767579"
    "439893499299499389465499969248993964499575599457499979338972999399777399564598969"
    "556454659998452369544959896438872899598787379957399999247982887398595479646588969"
    "338762789398379479955579949335782899399757339959599979348444638497886589843669979"
    "466557668696442559345465779439783995499489349354599979569868889699479879765079999"
    "337652869397756379544678959259593995497678558943597979339683894299688479445598959"
    "555554759498443759333989898439891999299899499799899989327662894398684479557898969"
    "257384996399669639973689779157575989599555549646797988238882987398697489898596955"
)
_UNLIKELINESS = {
    (first, second): int(_PAIRS[len(_ALPHABET) * i + j])
    for i, first in enumerate(_ALPHABET)
    for j, second in enumerate(_ALPHABET)
}


def is_nonsense(text: str, is_doubtful: Callable[[], bool]) -> bool:
    """Whether the text of a page is not what its picture shows.

    Args:
        is_doubtful: whether a font of the page names none of its characters; called only where that decides.
    """
    if len(_MEANINGLESS.findall(text)) > _SYMBOLS * len(text):
        return True
    start = text[:_START]
    letters = sum(map(str.isalpha, start))
    ordinary = sum(map(start.count, _VOWELS)) > _FEW_VOWELS * letters
    if not ordinary and _is_unlikely(start) and _is_unlikely(text):
        return True
    if letters > _LONG and ordinary:
        return False
    return letters > 0 and is_doubtful() and _is_unknown(text)


def _is_unlikely(text: str) -> bool:
    words = [word for word in _LETTERS.findall(text.lower()) if 2 <= len(word) <= _LONGEST]
    joined = f" {' '.join(words)} "
    if len(joined) < max(_ENOUGH, len(text) // 3):
        return False  # another script, or data
    pairs = list(pairwise(joined))
    return sum(map(_UNLIKELINESS.__getitem__, pairs)) > _UNLIKELY * len(pairs)


def _is_unknown(text: str) -> bool:
    words = re.findall(r"[^\W\d_]{3,}", text)[:500]
    return bool(words) and sum(map(is_word, words)) < _KNOWN * len(words)


def doubtful_fonts(document: "pymupdf.Document") -> frozenset[int]:
    """The numbers of fonts that name none of their characters, on a sample of the pages."""
    count = document.page_count
    seen: dict[int, bool] = {}
    for index in range(0, count, max(1, count // _SAMPLE)):
        fonts: Any = document.get_page_fonts(index)
        for number, _, kind, *_ in fonts:
            if number and number not in seen:
                seen[number] = kind in ("Type3", "Type1", "TrueType") and _names_nothing(document, number)
    return frozenset(number for number, doubtful in seen.items() if doubtful)


def _names_nothing(document: "pymupdf.Document", number: int) -> bool:
    if document.xref_get_key(number, "ToUnicode")[0] != "null":
        return False
    kind, names = document.xref_get_key(number, "Encoding/Differences")
    if kind != "array":
        return document.xref_get_key(number, "Subtype")[1] == "/Type3" and kind == "null"
    found = len(_ANY_NAME.findall(names))
    return found >= _FEW_NAMES and len(_NAME.findall(names)) > 0.8 * found
