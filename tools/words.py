"""Words as an index counts them, in any script."""

import unicodedata
from itertools import pairwise

import regex

# Scripts that are written without spaces between words, and Korean, whose endings join the word they follow.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\u30fc"

_RUN = regex.compile(rf"([{UNSPACED}]+)|[^\W_{UNSPACED}]+")
_SPACED_RUN = regex.compile(r"[^\W_]+")
_UNSPACED = regex.compile(f"[{UNSPACED}]")


def words(text: str) -> list[str]:
    """The words of `text`, in order, as BM25 counts them.

    A run of letters, digits and the marks on them is a word, in compatibility form and without case. Where words are
    not spaced apart each character is one, and each two in a row, so that a term of one or of several characters is
    found without a dictionary.
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
