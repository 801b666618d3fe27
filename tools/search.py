"""The tool `search`: finds phrases, regular expressions or words in the corpus and counts them exactly."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import cached_property
from time import monotonic
from typing import Literal, NamedTuple

import regex
from pydantic import Field

from longread.control_tokens import sanitize
from longread.documents import Document, HasDocuments, citation_mark
from longread.page_ranges import format_ranges

from .base import MOST_RANGES, Arguments, DocumentTool, ToolError, ToolLimits, count_fitting
from .text.bm25 import PageRanking, RankedPage
from .text.phrases import JoinedPages, Span, UnwrappedText, fold_case
from .text.words import words

_AROUND = 100
"""Characters of context on each side of a match."""
_LONGEST = 400
"""Maximum number of characters shown of a match."""
_MOST_DOCUMENTS = 20
"""Documents whose counts are listed one by one."""
_MOST_SPANS = 2_000
"""Positions of a regular expression's matches stored beyond the offset: it may match every character."""
_RECURSION = regex.compile(r"\(\?(?:R|[+-]?\d+|&|P>)")
_QUANTIFIERS = "*+?{"


class SearchArguments(Arguments):
    query: str = Field(min_length=1, max_length=500, description="The phrase, regular expression or words to look for.")
    mode: Literal["exact", "regex", "bm25"] = Field(
        "exact",
        description="exact: the phrase verbatim, regardless of line breaks and hyphenation. regex: a regular "
        "expression within one page, Python's syntax; a space stands for any white space. bm25: the pages most "
        "relevant to the words.",
    )
    document: str | None = Field(None, description="The name of one document to look in; without it, all.")
    pages: str | None = Field(None, description="Pages of that document, such as 3-5,9; without it, all.")
    case_sensitive: bool = Field(False, description="Whether upper and lower case differ; for exact and regex.")
    whole_words: bool = Field(False, description="Whether 'art' is not found in 'part'; for exact.")
    offset: int = Field(0, ge=0, description="Matches (bm25: pages) to skip, to see more of a long result.")


class _Found(NamedTuple):
    """The matches in one document."""

    document: Document
    pages: JoinedPages
    counts: dict[int, int]
    """Page number to number of matches, for the pages that have any."""
    spans: Sequence[Span]
    """The matches in order; for a regular expression, the first ones."""

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class Search(DocumentTool[SearchArguments]):
    """Searches the corpus. Counts are exact: every match that does not overlap the one before it.

    Args:
        corpus: the documents.
        limits: limits of one call; None: the defaults.
        ranking: a ranking of the pages of `corpus`; None: it is made when the first call needs one.
    """

    name = "search"
    description = (
        "Finds text in the documents and counts it exactly: matches, pages and documents, with a snippet and its "
        "[name:page] mark for each match. Use it to count, to find every mention, and to check wording."
    )
    arguments = SearchArguments

    def __init__(self, corpus: HasDocuments, *, limits: ToolLimits | None = None, ranking: PageRanking | None = None):
        super().__init__(corpus, limits=limits)
        self._given_ranking = ranking
        self._texts: dict[str, UnwrappedText] = {}

    @cached_property
    def _ranking(self) -> PageRanking:
        return self._given_ranking or PageRanking(self.corpus)

    def run(self, arguments: SearchArguments) -> str:
        if not arguments.query.strip():
            raise ToolError("query is empty.")
        one = arguments.document is not None or arguments.pages is not None
        documents = [self.document(arguments.document)] if one else list(self.corpus.documents)
        scope = {
            document.name: {page.number for page in self.pages(document, arguments.pages)} for document in documents
        }
        if arguments.mode == "bm25":
            return self._rank(arguments, scope)
        find = self._find_phrase if arguments.mode == "exact" else self._find_regex
        found = [each for each in find(arguments, documents, scope) if each.counts]
        return self._report(arguments, found, scope)

    def _find_phrase(
        self, arguments: SearchArguments, documents: Sequence[Document], scope: dict[str, set[int]]
    ) -> Iterator[_Found]:
        for document in documents:
            text = self._text(document)
            spans = text.find(
                arguments.query, case_sensitive=arguments.case_sensitive, whole_words=arguments.whole_words
            )
            counts: dict[int, int] = {}
            inside: list[Span] = []
            for number, start, end in text.parts():
                first, last = bisect_left(spans, (start, start)), bisect_left(spans, (end, end))
                if first < last and number in scope[document.name]:
                    counts[number] = last - first
                    inside += spans[first:last]
            yield _Found(document, text, counts, inside)

    def _find_regex(
        self, arguments: SearchArguments, documents: Sequence[Document], scope: dict[str, set[int]]
    ) -> Iterator[_Found]:
        pattern = _compile(arguments.query, case_sensitive=arguments.case_sensitive)
        deadline = monotonic() + self.limits.regex_seconds
        seen = 0
        for document in documents:
            pages = [page for page in document.pages if page.number in scope[document.name]]
            joined = JoinedPages((page.number, page.text) for page in pages)
            counts: dict[int, int] = {}
            spans: list[Span] = []
            for page, (_, start, _) in zip(pages, joined.parts(), strict=True):
                try:
                    if (left := deadline - monotonic()) <= 0:
                        raise TimeoutError
                    for match in pattern.finditer(page.text, timeout=left, concurrent=True):
                        if match.end() == match.start():
                            continue  # the empty matches of an expression like "a*"
                        counts[page.number] = counts.get(page.number, 0) + 1
                        seen += 1
                        if seen <= arguments.offset + _MOST_SPANS:
                            spans.append((start + match.start(), start + match.end()))
                except TimeoutError as error:
                    where = citation_mark(document, page.number)
                    raise ToolError(
                        f"the regular expression took more than {self.limits.regex_seconds:g} s and was stopped at "
                        f"{where}; nothing was counted. Make it simpler (no repetition within repetition), or give "
                        "document and pages."
                    ) from error
            yield _Found(document, joined, counts, spans)

    def _report(self, arguments: SearchArguments, found: Sequence[_Found], scope: dict[str, set[int]]) -> str:
        total, pages = sum(each.total for each in found), sum(len(each.counts) for each in found)
        of_pages = sum(map(len, scope.values()))
        head = (
            f"{total:,} {_plural(total, 'match', 'matches')} of {self._describe_query(arguments)} on {pages:,} of "
            f"{of_pages:,} {_plural(of_pages, 'page')}"
        )
        if not total:
            hint = " mode=bm25 finds pages by single words." if arguments.mode == "exact" else ""
            return f"{head}.{hint}"
        lines = [f"{head}, in {len(found)} of {len(scope)} {_plural(len(scope), 'document')}."]
        lines += [
            f"{each.document.name}: {each.total:,} on {len(each.counts):,} {_plural(len(each.counts), 'page')}: "
            f"{format_ranges(each.counts, most=MOST_RANGES)}"
            for each in found[:_MOST_DOCUMENTS]
        ]
        if rest := found[_MOST_DOCUMENTS:]:
            more = sum(each.total for each in rest)
            lines.append(f"and {more:,} in {len(rest):,} more {_plural(len(rest), 'document')}")
        if arguments.offset >= total:
            raise ToolError(f"offset is {arguments.offset:,}, and there are {total:,} matches, numbered from 0.")
        entries, ends = self._snippets(found, arguments.offset)
        count = count_fitting(entries, self.limits.characters - len("\n".join(lines)) - 200)
        shown = f"Matches {arguments.offset + 1:,}-{ends[count - 1]:,} of {total:,}, quoted from the documents:"
        return "\n".join([*lines, shown, *entries[:count], *_more(ends[count - 1], total)])

    def _snippets(self, found: Sequence[_Found], offset: int) -> tuple[list[str], list[int]]:
        """Quote matches from `offset` on; those close together share a snippet.

        Returns:
            The snippets, and for each the number of matches up to its end.
        """
        entries: list[str] = []
        ends: list[int] = []
        before = 0  # matches of the documents before
        for each in found:
            at = max(0, offset - before)
            while at < len(each.spans) and len(entries) < self.limits.snippets:
                text, start, end, following = _window(each, at)
                number = each.pages.page(each.spans[at][0])
                count = f" ({following - at} matches)" if following - at > 1 else ""
                entries.append(self.quote(each.document, number, _ellipsis(text, start, end, each, number)) + count)
                ends.append(before + following)
                at = following
            before += each.total
        return entries, ends

    def _rank(self, arguments: SearchArguments, scope: dict[str, set[int]]) -> str:
        ranked = [
            each
            for each in self._ranking.rank(arguments.query)
            if each.page.number in scope.get(each.document.name, ())
        ]
        of_pages = sum(map(len, scope.values()))
        query = self._describe_query(arguments)
        head = f"{len(ranked):,} of {of_pages:,} {_plural(of_pages, 'page')} have a word of {query}"
        if not ranked:
            return f"{head}."
        if arguments.offset >= len(ranked):
            raise ToolError(f"offset is {arguments.offset:,}, and there are {len(ranked):,} pages, numbered from 0.")
        wanted = list(dict.fromkeys(words(arguments.query)))
        chunk = ranked[arguments.offset :][: self.limits.snippets]
        entries = [self.quote(each.document, each.page.number, _densest(each, wanted)) for each in chunk]
        count = count_fitting(entries, self.limits.characters - len(head) - 300)
        last = arguments.offset + count
        shown = f"Ranks {arguments.offset + 1:,}-{last:,}, best first, quoted from the documents:"
        return "\n".join([f"{head}.", shown, *entries[:count], *_more(last, len(ranked))])

    def _text(self, document: Document) -> UnwrappedText:
        if document.name not in self._texts:
            self._texts[document.name] = UnwrappedText((page.number, page.text) for page in document.pages)
        return self._texts[document.name]

    def _describe_query(self, arguments: SearchArguments) -> str:
        kind = {"exact": "the phrase ", "regex": "the expression ", "bm25": ""}[arguments.mode]
        return f"{kind}{sanitize(' '.join(arguments.query.split()))!r}"


def _compile(query: str, *, case_sensitive: bool) -> "regex.Pattern[str]":
    if _RECURSION.search(query):
        raise ToolError("a regular expression may not call itself or its groups.")
    flags = regex.MULTILINE | (0 if case_sensitive else regex.IGNORECASE)
    try:
        return regex.compile(_any_space(query), flags)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ToolError(f"the regular expression cannot be read: {error}.") from error


def _any_space(pattern: str) -> str:
    """Replace spaces in the expression by `\\s+`: line breaks on a page carry no meaning."""
    parts: list[str] = []
    inside = False  # a character class
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if character == "\\":
            parts.append(pattern[at : at + 2])
            at += 2
            continue
        if character == " " and not inside:
            parts.append(r"\s" if pattern[at + 1 : at + 2] in tuple(_QUANTIFIERS) else r"\s+")
        else:
            parts.append(character)
        inside = character == "[" or (inside and character != "]")
        at += 1
    return "".join(parts)


def _window(found: _Found, at: int) -> tuple[str, int, int, int]:
    """Choose the context of the match `at`.

    Returns:
        (text, start, end, following): the context is text[start:end]; `following` is the first match outside it.
    """
    text, (start, end) = found.pages.text, found.spans[at]
    first, last = found.pages.part(start)
    opening, closing = max(first, start - _AROUND), min(max(last, end), min(end, start + _LONGEST) + _AROUND)
    if opening > first and (space := text.find(" ", opening, start)) >= 0:
        opening = space + 1
    if closing < last and (space := text.rfind(" ", min(end, closing), closing)) >= 0:
        closing = space
    following = at + 1
    while following < len(found.spans) and found.spans[following][1] <= closing and found.spans[following][0] < last:
        following += 1
    return text, opening, closing, following


def _ellipsis(text: str, start: int, end: int, found: _Found, page: int) -> str:
    first, last = found.pages.part(start)
    runs_on = f" (runs on to page {found.pages.page(end - 1)})" if found.pages.page(end - 1) != page else ""
    return f"{'…' * (start > first)}{text[start:end]}{'…' * (end < last)}{runs_on}"


def _densest(ranked: RankedPage, wanted: Sequence[str]) -> str:
    """The passage of a page that contains the most distinct query words."""
    text = UnwrappedText([(ranked.page.number, ranked.page.text)]).text
    low = fold_case(text)
    places = sorted(
        (match.start(), word) for word in wanted for match in regex.finditer(regex.escape(word), low) if word
    )
    size = 3 * _AROUND
    best, first, count = 0, 0, 0
    for index, (start, _) in enumerate(places):
        while start - places[first][0] > size:
            first += 1
        if (different := len({word for _, word in places[first : index + 1]})) > count:
            best, count = places[first][0], different
    opening = max(0, best - _AROUND // 2)
    if opening and (space := text.find(" ", opening, best)) >= 0:
        opening = space + 1
    closing = opening + size + _AROUND
    return f"{'…' * (opening > 0)}{text[opening:closing]}{'…' * (closing < len(text))}"


def _more(shown: int, total: int) -> list[str]:
    if shown >= total:
        return []
    return [f"{total - shown:,} more not shown: call again with offset={shown}, or narrow the search."]


def _plural(count: int, one: str, many: str | None = None) -> str:
    return one if count == 1 else many or f"{one}s"
