"""Split text in any script into words for BM25."""

import unicodedata
from itertools import pairwise

import regex

# Scripts without spaces between words, and Korean, whose particles are attached to words.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc"

_RUN = regex.compile(rf"([{UNSPACED}]+)|[^\W_{UNSPACED}]+")
_SPACED_RUN = regex.compile(r"[^\W_]+")
_UNSPACED = regex.compile(f"[{UNSPACED}]")


def words(text: str) -> list[str]:
    """Split `text` into words, in order.

    A run of letters, digits and combining marks is a word, in Unicode compatibility form (NFKC) and case-folded. In
    scripts without spaces between words, every character and every pair of adjacent characters is a word, so that terms
    of one or several characters are found without a dictionary.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    text = text.casefold()
    if text.isascii() or not _UNSPACED.search(text):
        return _SPACED_RUN.findall(text)
    found: list[str] = []
    for match in _RUN.finditer(text):
        run = match[0]
        if match[1] is None:
            found.append(run)
        else:
            found += run
            found += map("".join, pairwise(run))
    return found
