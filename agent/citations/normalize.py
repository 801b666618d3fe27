"""Normalize text for comparing quotes, and keep the offsets into the original.

Treated as equal: compatible forms of a letter in Unicode (ligatures, full width), kinds of dashes and of white space,
words divided at a line end and words with a hyphen, quotation marks around words, Markdown's emphasis, bullets, and the
look-alikes of `longread.control_tokens`. Not treated as equal: case, numbers, punctuation, and any other word.
"""

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import repeat

from longread.control_tokens import restore

CJK = "\u2e80-\u303f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff"
"""The inside of a regular expression class: characters of scripts without spaces between words."""
QUOTATION_MARKS = "\"'“”„‟‘’‚‛«»「」『』〝〞"

_BULLETS = "•‣▪●■□◦∙"
_SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹"
_ONE_FOR_ONE = str.maketrans(
    {"›": ">", **dict.fromkeys("´`‘’‚‛", "'"), **dict.fromkeys("‐‑⁃", "-"), **dict.fromkeys("‒–—―−﹘﹣－", "—")}
)
_COMPATIBLE = re.compile("[\\s\\S][\u0300-\u036f]+|[^\x00-\x7f]")
_INVISIBLE = re.compile("\u00ad[^\\S\n]*\n?[^\\S\n]*|[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_IN_WORD = f"[^\\W{CJK}]"
# Emphasis comes in pairs: *p is a pointer, and 2*3 a product.
_EMPHASIS = re.compile(
    rf"(\*\*\*|\*\*|(?<!{_IN_WORD})\*)(?=[^\s*])[^*\n]{{0,300}}(?<=[^\s*])\1(?!\*)"
    rf"|(?<!{_IN_WORD})(__?_?)(?=[^\s_])[^\n]{{0,300}}?(?<=[^\s_])\2(?!{_IN_WORD})"
)
_EMPHASIS_SIGN = re.compile("[*_]")
_SIGN = re.compile(f"[{QUOTATION_MARKS}]+|[{_BULLETS}]")
MAY_HAVE_FOOTNOTES = re.compile(rf"[{_SUPERSCRIPT}]|[a-z][.!?]\d|[a-z]{{3}}\d|\^[\d(]")
"""In every text that differs from the same one without footnote marks."""
_FOOTNOTE = re.compile(
    rf"(?<=[^\W\d_]{{4}})[{_SUPERSCRIPT}]+|(?<=[.,;:!?)])[{_SUPERSCRIPT}]+"
    # As a page marks what is raised: "objects^7", "model.^(32,33)", and "^7" before the note.
    r"|(?:(?<=[^\W\d_]{4})|(?<=[.,;:!?)])) ?\^(?:\d{1,3}|\(\d{1,3}(?:[,—]\d{1,3})*\))(?![\w(^])"
    r"|(?:^|(?<=\n))\^\d{1,3}(?=\s)"
    # A mark after a sentence, as extracted: "objects.100 Then".
    r"|(?<=[a-z]{4}[.!?])\d{1,3}(?:,\d{1,3})*(?=\s+[A-Z]|\s*\Z)"
)
# Extraction joins a raised mark to its word, "Google7", and to its note, "7Accessed": these are not numbers.
_NOTE = "(?=[A-Z][a-z]|https?:|[a-z]{3})"
_NOTE_NUMBER = re.compile(rf"^\d{{1,2}}{_NOTE}", re.MULTILINE)
_MARKED = "(?<=[a-z]{3})(?:%s)(?![^\\W_])"
_UNSPACED = re.compile(rf"(?<=[{CJK}])\s+|\s+(?=[{CJK}])")
_HAS_UNSPACED = re.compile(f"[{CJK}]")
_GAP = re.compile(r"[\s—-]{2,}|[^\S ]|[—-]")


class NormalText:
    """The normal form of a text, and the original offset of each of its characters.

    Args:
        footnote_marks: False removes what looks like one. A page is also compared without them, since a quote may omit
            them; a quote keeps them, since they may be numbers.
    """

    __slots__ = ("_origins", "original", "text")

    def __init__(self, original: str, *, footnote_marks: bool = True):
        self.original = original
        self.text = restore(original).translate(_ONE_FOR_ONE)
        self._origins = array("I", range(len(original)))
        if not self.text.isascii():
            if not unicodedata.is_normalized("NFKC", self.text):
                self._substitute(_COMPATIBLE, lambda match: _compatible(match.group()))
            self._substitute(_INVISIBLE, lambda _: "")
        if "*" in self.text or "_" in self.text:
            signs = {at for match in _EMPHASIS.finditer(self.text) for at in _ends(match)}
            self._substitute(_EMPHASIS_SIGN, lambda match: "" if match.start() in signs else match.group())
        self._substitute(_SIGN, _sign)
        if not footnote_marks:
            self._substitute(_FOOTNOTE, lambda _: "")
            self._leave_out_notes()
        if _HAS_UNSPACED.search(self.text):
            self._substitute(_UNSPACED, lambda _: "")
        self._substitute(_GAP, _gap)
        stripped = self.text.lstrip()
        self._origins = self._origins[len(self.text) - len(stripped) :]
        self.text = stripped.rstrip()

    def _leave_out_notes(self) -> None:
        found = {number for number in _NOTE_NUMBER.findall(self.text) if re.search(_MARKED % number, self.text)}
        if found:
            numbers = "|".join(found)
            self._substitute(re.compile(rf"{_MARKED % numbers}|^(?:{numbers}){_NOTE}", re.MULTILINE), lambda _: "")

    def _substitute(self, pattern: re.Pattern[str], by: Callable[[re.Match[str]], str]) -> None:
        text, origins, done = self.text, self._origins, 0
        parts: list[str] = []
        mapped = array("I")
        for match in pattern.finditer(text):
            start, end = match.span()
            new = by(match)
            if new == match.group():
                continue
            parts += [text[done:start], new]
            mapped += origins[done:start]
            mapped.extend(repeat(origins[start], len(new)))
            done = end
        if done:
            self.text = "".join([*parts, text[done:]])
            self._origins = mapped + origins[done:]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The offsets of `self.text[start:end]`, which is not empty, in the original."""
        last = self._origins[end - 1] + 1
        while last < len(self.original) and unicodedata.combining(self.original[last]):
            last += 1
        first = self._origins[start]
        while first < last - 1 and self.original[first].isspace():  # of a dash with space around it
            first += 1
        return first, last


@lru_cache(4096)
def _compatible(characters: str) -> str:
    # A superscript is not a digit: 10² is not 102. Footnote marks are removed later.
    if unicodedata.decomposition(characters[0]).startswith(("<super>", "<sub>")):
        return characters
    return unicodedata.normalize("NFKC", characters)


def _ends(match: re.Match[str]) -> Iterator[int]:
    """The offsets of the signs of emphasis around the text of a match."""
    size = len(match[1] or match[2])
    yield from range(match.start(), match.start() + size)
    yield from range(match.end() - size, match.end())


def _sign(match: re.Match[str]) -> str:
    """What remains of a sign that may belong to the typesetting and not to the wording."""
    found, text = match.group(), match.string
    start, end = match.span()
    apostrophe = found == "'" and _is_word(text[start - 1 : start]) and _is_word(text[end : end + 1])
    return found if apostrophe else ""


def _is_word(character: str) -> bool:
    return (character.isalnum() or character == "_") and not _HAS_UNSPACED.match(character)


def _gap(match: re.Match[str]) -> str:
    """White space and dashes: one space, one dash, or nothing where a hyphen joins or divides words."""
    found, text = match.group(), match.string
    signs = found.rstrip()
    if not signs.strip():
        return " "
    start, end = match.span()
    if signs == "-" and text[start - 1 : start].isalpha() and text[end : end + 1].isalpha():
        return ""
    return "-"
