"""Phrase search that ignores line breaks and hyphenation.

White space of any kind becomes one space, words hyphenated at the end of a line are joined, and line breaks within
Chinese, Japanese or Thai are removed. Otherwise the text is that of the page, and every match knows its page.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cached_property
from itertools import accumulate

import regex

from .words import UNSPACED

# Between letters, a hyphen at the end of a line may come from hyphenation. Next to a digit it belongs to the text.
_DIVISION = regex.compile(r"(?<=\p{L}\p{M}?)[-\u2010]\h*\n\h*(?=\p{L})")
_HYPHEN_AND_BREAK = regex.compile(r"(?<=\w[-\u2010])\h*\n\h*(?=\w)")
_SOFT = regex.compile(r"\u00ad(?:\h*\n\h*)?|[\u200b\u2060\ufeff]")
_WIDE = rf"[{UNSPACED}\u3000-\u303f\uff00-\uffef--\p{{Hangul}}]"
_WIDE_BREAK = regex.compile(rf"(?<={_WIDE})\h*\n\h*(?={_WIDE})", regex.V1)
_HYPHEN_AT_END = re.compile(r"[-\u2010][^\S\n]*\n")
_LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st"})
_TYPOGRAPHY = str.maketrans(
    {**dict.fromkeys("‘’‚‛′`´", "'"), **dict.fromkeys("“”„‟″«»", '"'), **dict.fromkeys("‐‑‒–—―−", "-"), "ς": "σ"}
)
_SPACED_LETTER = f"[^\\W_{UNSPACED}]"
_SPACED = regex.compile(_SPACED_LETTER)
_NO_LETTER_BEFORE, _NO_LETTER_AFTER = f"(?<!{_SPACED_LETTER})", f"(?!{_SPACED_LETTER})"


def unwrap(text: str) -> tuple[str, list[int]]:
    """Normalize white space and hyphenation.

    Returns:
        The text, and the positions in it where a hyphen between letters was removed.
    """
    if not text.isascii():
        text = _WIDE_BREAK.sub("", _SOFT.sub("", text.translate(_LIGATURES)))
    if not _HYPHEN_AT_END.search(text):
        return " ".join(text.split()), []
    parts = [" ".join(_HYPHEN_AND_BREAK.sub("", part).split()) for part in _DIVISION.split(text)]
    return "".join(parts), list(accumulate(map(len, parts[:-1])))


def fold_case(text: str) -> str:
    """Fold case, and unify hyphens and quotation marks, for comparison. The length stays."""
    lower = text.lower()
    if len(lower) != len(text):  # "İ" becomes two
        lower = "".join(low if len(low := character.lower()) == 1 else character for character in text)
    return lower if lower.isascii() else lower.translate(_TYPOGRAPHY)


Span = tuple[int, int]
"""(start, end): characters of `JoinedPages.text`."""


class JoinedPages:
    """The pages of a document as one string, `text`, with the position of each page.

    Args:
        pages: (number, text) in order.
    """

    def __init__(self, pages: Iterable[tuple[int, str]]):
        self._numbers: list[int] = []
        self._starts: list[int] = []
        self.text = self._join(pages)

    def _join(self, pages: Iterable[tuple[int, str]]) -> str:
        size = 0
        pieces: list[str] = []
        for number, text in pages:
            self._numbers.append(number)
            self._starts.append(size)
            pieces.append(text + "\n")
            size += len(pieces[-1])
        return "".join(pieces)

    def page(self, at: int) -> int:
        """The number of the page that contains the character at `at`."""
        return self._numbers[max(0, bisect_right(self._starts, at) - 1)]

    def parts(self) -> Iterator[tuple[int, int, int]]:
        """(number, start, end) of each page."""
        return zip(self._numbers, self._starts, [*self._starts[1:], len(self.text)], strict=True)

    def part(self, at: int) -> Span:
        """The span of the page that contains the character at `at`."""
        index = max(0, bisect_right(self._starts, at) - 1)
        return self._starts[index], self._starts[index + 1] if index + 1 < len(self._starts) else len(self.text)


class UnwrappedText(JoinedPages):
    """The pages of a document as one string, with white space and hyphenation normalized by `unwrap`.

    A phrase that continues on the next page is found, and counts for the page where it starts.
    """

    def _join(self, pages: Iterable[tuple[int, str]]) -> str:
        self.joints: set[int] = set()
        """Positions where a hyphen between letters was removed."""
        pieces: list[str] = []
        size = 0
        for number, raw in pages:
            text, joints = unwrap(raw)
            if pieces:
                pieces[-1] = self._join_to_next(pieces[-1], text[:1], size)
                size = self._starts[-1] + len(pieces[-1])
            self._numbers.append(number)
            self._starts.append(size)
            self.joints.update(size + joint for joint in joints)
            pieces.append(text)
            size += len(text)
        return "".join(pieces)

    def _join_to_next(self, text: str, following: str, size: int) -> str:
        """The end of a page in front of the next one: like a line break, it may divide a word or need no space."""
        if not text or not following:
            return text + " " if text else text
        around, divided = unwrap(f"{text[-2:]}\n{following}")
        if divided:
            self.joints.add(size - 1)
            return text[:-1]
        return text + " " if around[-2:-1] == " " else text

    @cached_property
    def folded(self) -> str:
        return fold_case(self.text)

    @cached_property
    def cased(self) -> str:
        """The text with hyphens and quotation marks unified, but case kept."""
        return self.text if self.text.isascii() else self.text.translate(_TYPOGRAPHY)

    def find(self, phrase: str, *, case_sensitive: bool = False, whole_words: bool = False) -> list[Span]:
        """Find every occurrence of the phrase, from left to right, without overlaps.

        A hyphen of the phrase also matches where one was removed from the text as hyphenation.
        """
        wanted = unwrap(phrase)[0]
        wanted = wanted.translate(_TYPOGRAPHY) if case_sensitive else fold_case(wanted)
        if not wanted:
            return []
        text = self.cased if case_sensitive else self.folded
        divisible = "-" in wanted.strip("-") and bool(self.joints)
        expression = "-?".join(map(re.escape, wanted.split("-"))) if divisible else re.escape(wanted)
        if whole_words:
            # Has no effect in scripts without spaces between words.
            expression = f"{_NO_LETTER_BEFORE}{expression}" if _SPACED.match(wanted[0]) else expression
            expression = f"{expression}{_NO_LETTER_AFTER}" if _SPACED.match(wanted[-1]) else expression
        pattern = regex.compile(expression) if whole_words else re.compile(expression)
        if not divisible:
            return [match.span() for match in pattern.finditer(text)]
        found: list[Span] = []
        at = 0
        while match := pattern.search(text, at):
            start, end = match.span()
            if self._is_divided(wanted, text, start, end):
                found.append((start, end))
                at = end
            else:
                at = start + 1
        return found

    def _is_divided(self, wanted: str, text: str, start: int, end: int) -> bool:
        """Whether each hyphen that the phrase has and the text lacks was removed from the text as hyphenation."""
        if end - start == len(wanted):
            return True
        at = start
        for character in wanted:
            if at < end and text[at] == character:
                at += 1
            elif at not in self.joints:
                return False
        return True
