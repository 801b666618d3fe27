"""The tool `compare`: the differences between two versions of a text, word by word, with the pages on both sides."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

import regex
from pydantic import Field

from longread.control_tokens import sanitize
from longread.documents import Document, Page, citation_mark
from longread.page_ranges import format_ranges

from .base import Arguments, DocumentTool, ToolError, count_fitting
from .text.phrases import UnwrappedText
from .text.running_lines import RunningLines
from .text.word_diff import Change, changes
from .text.words import UNSPACED

_CONTEXT = 8
"""Words of context on each side of a change."""
_LONGEST = 80
"""Maximum number of words shown of one deletion or insertion."""
_NEAR = 200
"""A change is near the phrase if it is within this many words of it."""
_LETTER = rf"[^\W_{UNSPACED}]"
_TOKEN = regex.compile(rf"[{UNSPACED}]|{_LETTER}+(?:[-'.,]{_LETTER}+)*|\S")
_HYPHEN = regex.compile(r"(?<=\p{L})-(?=\p{L})")


class CompareArguments(Arguments):
    first: str = Field(description="The name of the document with the earlier version.")
    second: str = Field(description="The name of the document with the later version.")
    first_pages: str | None = Field(None, description="Only changes on these pages of the first, such as 3-5,9.")
    second_pages: str | None = Field(
        None,
        description="Only changes on these pages of the second. If first_pages is given too, only these "
        "pages are compared with those.",
    )
    phrase: str | None = Field(None, max_length=500, description="Only changes near this phrase.")
    offset: int = Field(0, ge=0, description="Changes to skip, to see more of a long list.")


class _Side(NamedTuple):
    """One of the two documents, split into words."""

    document: Document
    unwrapped: UnwrappedText
    keys: list[str]
    """The words in the form that is compared: with case, but without hyphens and the shapes of quotes and dashes."""
    spans: list[tuple[int, int]]
    """The position of each word in `unwrapped.text`."""
    running: int
    """Number of header and footer lines left out."""

    @property
    def words(self) -> int:
        return _count(self.keys)

    def text(self, start: int, end: int) -> str:
        return self.unwrapped.text[self.spans[start][0] : self.spans[end - 1][1]] if start < end else ""

    def gap(self, at: int) -> str:
        """The text between the word at `at` and the one before: a space or nothing."""
        if not 0 < at < len(self.spans):
            return ""
        return self.unwrapped.text[self.spans[at - 1][1] : self.spans[at][0]]

    def page(self, at: int) -> int:
        """The page of the word at `at`, or of the last word if there is none."""
        return self.unwrapped.page(self.spans[min(at, len(self.spans) - 1)][0]) if self.spans else 0


class Compare(DocumentTool[CompareArguments]):
    """Compares two versions. Text that moved counts as deleted in one place and inserted in the other."""

    name = "compare"
    description = (
        "Compares two versions of a text word by word: counts insertions, deletions and replacements exactly and shows "
        "each change with its pages as [-deleted-]{+inserted+}. Line breaks, page breaks, hyphenation and running "
        "headers do not count as changes; text that moved counts as deleted and inserted."
    )
    arguments = CompareArguments

    def run(self, arguments: CompareArguments) -> str:
        first, second = self.document(arguments.first), self.document(arguments.second)
        only = (arguments.first_pages, arguments.second_pages)
        both = all(only)
        if first.name == second.name and not both:
            raise ToolError(
                f"first and second are both {first.name}; give first_pages and second_pages, or another document."
            )
        wanted = tuple(self.pages(*pair) for pair in zip((first, second), only, strict=True))
        a = _side(first, wanted[0] if both else first.pages)
        b = _side(second, wanted[1] if both else second.pages)
        found = changes(a.keys, b.keys)
        lines = [self._summary(a, b, found)]
        shown = found
        if arguments.phrase is not None:
            shown = self._near(arguments.phrase, a, b, shown)
        if any(only) and not both:
            shown = [change for change in shown if _is_on(a, b, change, arguments, wanted)]
        if len(shown) < len(found):
            lines.append(f"{len(shown):,} of these changes {'is' if len(shown) == 1 else 'are'} where you asked.")
        if arguments.offset and arguments.offset >= len(shown):
            raise ToolError(f"offset is {arguments.offset:,}, and there are {len(shown):,} changes, numbered from 0.")
        chunk = shown[arguments.offset :][: self.limits.snippets]
        if not chunk:
            return "\n".join(lines)
        bounds = _bounds(found, len(a.keys))
        entries = [self._entry(a, b, change, bounds[change.start, change.end]) for change in chunk]
        count = count_fitting(entries, self.limits.characters - len("\n".join(lines)) - 200)
        end = arguments.offset + count
        lines.append(f"Changes {arguments.offset + 1:,}-{end:,} of {len(shown):,}, quoted from the documents:")
        lines += entries[:count]
        if end < len(shown):
            lines.append(
                f"{len(shown) - end:,} more not shown: call again with offset={end}, or give pages or a phrase."
            )
        return "\n".join(lines)

    def _summary(self, a: _Side, b: _Side, found: Sequence[Change]) -> str:
        sizes = f"{_about(a)} against {_about(b)}"
        if not found:
            return f"{sizes}: no change.{_left_out(a, b)}"
        deleted = [c for c in found if c.second_start == c.second_end]
        inserted = [c for c in found if c.start == c.end]
        replaced = [c for c in found if c.start < c.end and c.second_start < c.second_end]
        gone = sum(_count(a.keys[c.start : c.end]) for c in found)
        return (
            f"{sizes}: {_plural(len(found), 'change')}: "
            f"{_plural(len(inserted), 'insertion')} ({_plural(_words(b, inserted, second=True), 'word')}), "
            f"{_plural(len(deleted), 'deletion')} ({_plural(_words(a, deleted), 'word')}), "
            f"{_plural(len(replaced), 'replacement')} ({_plural(_words(a, replaced), 'word')} by "
            f"{_words(b, replaced, second=True):,}). {a.words - gone:,} words are the same.{_left_out(a, b)}"
        )

    def _near(self, phrase: str, a: _Side, b: _Side, found: Sequence[Change]) -> list[Change]:
        """The changes within `_NEAR` words of the phrase, in either version."""
        places = [[_word_at(side, start) for start, _ in side.unwrapped.find(phrase)] for side in (a, b)]
        if not any(places):
            raise ToolError(f"neither {a.document.name} nor {b.document.name} has the phrase {phrase!r} there.")
        return [
            change
            for change in found
            if any(change.start - _NEAR <= at <= change.end + _NEAR for at in places[0])
            or any(change.second_start - _NEAR <= at <= change.second_end + _NEAR for at in places[1])
        ]

    def _entry(self, a: _Side, b: _Side, change: Change, bounds: tuple[int, int]) -> str:
        """Format one change: `[a:3] [b:4] before [-old-]{+new+} after`.

        Args:
            bounds: the span of words in `a` around the change that no other change touches.
        """
        start, end = max(bounds[0], change.start - _CONTEXT), min(bounds[1], change.end + _CONTEXT)
        marks = citation_mark(a.document, a.page(change.start)), citation_mark(b.document, b.page(change.second_start))
        deleted, inserted = change.start < change.end, change.second_start < change.second_end
        parts = [
            a.text(start, change.start),
            a.gap(change.start) if deleted else b.gap(change.second_start),
            f"[-{_shortened(a, change.start, change.end)}-]" if deleted else "",
            f"{{+{_shortened(b, change.second_start, change.second_end)}+}}" if inserted else "",
            b.gap(change.second_end) if inserted else a.gap(change.end),
            a.text(change.end, end),
        ]
        return f"{' '.join(marks)} {sanitize(''.join(parts).strip())}"


def _side(document: Document, pages: Sequence[Page]) -> _Side:
    running = RunningLines(document)
    unwrapped = UnwrappedText((page.number, running.body(page)) for page in pages)
    spans = [match.span() for match in _TOKEN.finditer(unwrapped.cased)]
    keys = [unwrapped.cased[start:end] for start, end in spans]
    keys = [_HYPHEN.sub("", key) if "-" in key else key for key in keys]
    return _Side(document, unwrapped, keys, spans, running.count)


def _bounds(found: Sequence[Change], end: int) -> dict[tuple[int, int], tuple[int, int]]:
    """For each change, the span of words around it in the first text in which nothing else changes."""
    edges = [0, *(change.end for change in found)], [*(change.start for change in found), end]
    return {(c.start, c.end): (edges[0][i], edges[1][i + 1]) for i, c in enumerate(found)}


def _is_on(a: _Side, b: _Side, change: Change, arguments: CompareArguments, wanted: tuple[list[Page], ...]) -> bool:
    """Whether a change touches the requested pages, which are those of one document only."""
    if arguments.first_pages is not None:
        side, pages, start, end = a, wanted[0], change.start, change.end
    else:
        side, pages, start, end = b, wanted[1], change.second_start, change.second_end
    numbers = {page.number for page in pages}
    return any(side.page(start) <= number <= side.page(max(start, end - 1)) for number in numbers)


def _word_at(side: _Side, at: int) -> int:
    return max(0, bisect_right(side.spans, (at, len(side.unwrapped.text))) - 1)


def _shortened(side: _Side, start: int, end: int) -> str:
    if end - start <= _LONGEST:
        return side.text(start, end)
    half = _LONGEST // 2
    left = _count(side.keys[start + half : end - half])
    pages = format_ranges(range(side.page(start), side.page(end - 1) + 1))
    return f"{side.text(start, start + half)} … ({left:,} more words; pages {pages}) … {side.text(end - half, end)}"


def _about(side: _Side) -> str:
    return f"{side.document.name} ({_plural(side.words, 'word')})"


def _left_out(a: _Side, b: _Side) -> str:
    if not a.running + b.running:
        return ""
    return f" Left out as running headers and footers: {a.running:,} and {b.running:,} lines."


def _words(side: _Side, found: Sequence[Change], *, second: bool = False) -> int:
    spans = ((c.second_start, c.second_end) if second else (c.start, c.end) for c in found)
    return sum(_count(side.keys[start:end]) for start, end in spans)


def _count(keys: Sequence[str]) -> int:
    """Number of words among the tokens, which include punctuation marks."""
    return sum(key[0].isalnum() for key in keys)


def _plural(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
