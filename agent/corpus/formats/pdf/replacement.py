"""Text that a file gives for what is drawn (ActualText), where it says something else than what is drawn.

It is meant for ligatures, divided words and ornaments, and MuPDF extracts it instead of the characters.
"""

from collections import Counter
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pymupdf

_KEY = b"/ActualText"
_WORDS = 3
"""Words that are not drawn from which on they are looked at."""
_LIKE = 0.5
"""Similarity of what is said and what is drawn below which they are different texts."""
_LETTERS = 2000

ELSEWHERE = "in place of other text that is drawn"


def replaced_text(page: "pymupdf.Page", content: bytes) -> str:
    """The words that are extracted from the page in place of other words that are drawn; empty if there are none."""
    import pymupdf

    if _KEY not in content:
        return ""
    said: Any = page.get_text("text", flags=0)
    drawn: Any = page.get_text("text", flags=pymupdf.TEXT_IGNORE_ACTUALTEXT)
    if "\ufffd" in drawn:
        return ""  # it is the only text that the file has
    says, draws = Counter(said.split()), Counter(drawn.split())
    extra, lost = says - draws, draws - says
    for words in (extra, lost):  # emoji and ornaments have no text but this
        for word in [word for word in words if not any(map(str.isalnum, word))]:
            del words[word]
    if extra.total() < _WORDS or not lost:
        return ""
    only_said = " ".join(_only(said, extra))
    only_drawn = " ".join(_only(drawn, lost))
    pair = only_said[:_LETTERS], only_drawn[:_LETTERS]
    return only_said if SequenceMatcher(None, *pair, autojunk=False).ratio() < _LIKE else ""


def as_drawn(page: "pymupdf.Page") -> "pymupdf.Page":
    """The page without the texts that stand for what is drawn."""
    document: Any = page.parent
    for number in page.get_contents():
        stream = document.xref_stream(number) or b""
        if _KEY in stream:
            document.update_stream(number, stream.replace(_KEY, b"/Said"))
    return document.reload_page(page)


def _only(text: str, words: Counter[str]) -> list[str]:
    left = Counter(words)
    found: list[str] = []
    for word in text.split():
        if left[word] > 0:
            left[word] -= 1
            found.append(word)
    return found
