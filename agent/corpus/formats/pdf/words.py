"""Known words: whether a spelling is a word of its own, and which spellings a document uses.

The list of words is the vocabulary of Qwen's tokenizer, which is installed with qwen-agent anyway: a spelling that is
common in any language is one token of it.
"""

import re
from binascii import a2b_base64
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

_WORD = re.compile(r"[^\W\d_]+(?:[-\u2010\u2011][^\W\d_]+)*")
_ENDINGS = (
    *("ability", "ations", "ation", "ments", "ment", "ness", "able", "ible", "ings", "ing", "ers", "ally", "ical"),
    *("ism", "ist", "ity", "ive", "ous", "ed", "er", "es", "ly", "al", "s", "d"),
)


_RARE = 40_000
"""Rank from which on a word is rare enough that two much commoner ones are rather a compound: "commandline"."""
_COMMON = 4
"""How many times lower their ranks must be."""
_SHORT = 3
"""Letters of a part of a compound at least."""


@cache
def _ranks() -> dict[str, int]:
    """Words in lower case by their place in the vocabulary, the commonest first."""
    spec = find_spec("qwen_agent")
    path = Path(spec.origin or "").parent / "utils" / "qwen.tiktoken" if spec else None
    ranks: dict[str, int] = {}
    if path is not None and path.is_file():
        # In base64, a space begins with "I". Each parser process does this once, so every call in the loop counts.
        for rank, line in enumerate(path.read_bytes().split(b"\n")):
            if line[:1] == b"I":
                word = a2b_base64(line[: line.index(b" ")])[1:].decode("utf-8", "ignore")
                if word.isalpha():
                    ranks.setdefault(word.lower(), rank)
    return ranks


def is_word(spelling: str) -> bool:
    """Whether a spelling is a common word, or one with a common English ending."""
    return _rank(spelling.lower()) is not None


def is_one_word(before: str, after: str) -> bool:
    """Whether two parts are rather one word than a compound with a hyphen."""
    before, after = before.lower(), after.lower()
    whole = _rank(before + after)
    if whole is None or whole < _RARE:
        return whole is not None
    parts = _ranks().get(before), _ranks().get(after)
    return min(len(before), len(after)) < _SHORT or any(part is None or part > whole / _COMMON for part in parts)


def is_commoner(one: str, other: str) -> bool:
    """Whether the first of two spellings is the commoner word."""
    first, second = _rank(one.lower()), _rank(other.lower())
    return first is not None and (second is None or first < second)


def _rank(word: str) -> int | None:
    ranks = _ranks()
    if (found := ranks.get(word)) is not None:
        return found
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if len(stem) >= 4 and stem != word:
            return ranks.get(stem, ranks.get(stem + "e"))
    return None


def spellings(texts: Iterable[str]) -> Counter[str]:
    """The words of texts in lower case, those with hyphens as they are and in parts of two."""
    found: Counter[str] = Counter()
    for text in texts:
        for word in _WORD.findall(text.lower()):
            parts = re.split("[-\u2010\u2011]", word)
            found[word if len(parts) == 1 else "-".join(parts)] += 1
            if len(parts) > 2:
                found.update("-".join(pair) for pair in pairwise(parts))
    return found
