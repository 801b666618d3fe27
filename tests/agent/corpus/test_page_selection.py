"""Choosing pages."""

import pytest

from longread.agent.corpus.page_selection import select_pages
from longread.errors import DocumentError
from longread.page_ranges import format_ranges
from tests.support.corpora import corpus, document

ONE = corpus(document("book", *(f"page {i}" for i in range(1, 11))))
TWO = corpus(*ONE.documents, document("notes", "a", "b"))


@pytest.mark.parametrize(
    ("selections", "expected"),
    [
        (["1-3"], [1, 2, 3]),
        (["book:2, 9-10"], [2, 9, 10]),
        (["4", "book:2"], [2, 4]),
        (["3-4,4-5"], [3, 4, 5]),
    ],
)
def test_chosen_pages_keep_their_numbers(selections: list[str], expected: list[int]) -> None:
    assert [page.number for page in select_pages(ONE, selections).documents[0].pages] == expected


def test_the_other_documents_stay_whole() -> None:
    book, notes = select_pages(TWO, ["book:1"]).documents
    assert (len(book.pages), len(notes.pages)) == (1, 2)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("1-3", r"does not say which of the 2 documents it means.*book, notes"),
        ("other:1", r"no document is named 'other'.*book, notes"),
        ("book:0", r"book has pages 1-10, not 0"),
        ("book:3-11", r"book has pages 1-10, not 3-11"),
        ("book:5-3", r"book has pages 1-10, not 5-3"),
        ("book:x", r"'x' is not a page or a range like 3-20"),
        ("book:", r"'' is not a page or a range"),
    ],
)
def test_what_cannot_be_chosen_is_said(selection: str, message: str) -> None:
    with pytest.raises(DocumentError, match=message):
        select_pages(TWO, [selection])


def test_ranges_are_written_short() -> None:
    assert format_ranges([7, 1, 2, 3, 9, 10]) == "1-3, 7, 9-10"
    assert format_ranges([]) == ""


def test_the_counts_are_those_of_the_chosen_pages() -> None:
    whole = TWO.tokens, TWO.documents[0].tokens
    chosen = select_pages(TWO, ["book:2-3"])
    assert chosen.documents[0].tokens == sum(page.tokens for page in ONE.documents[0].pages[1:3])
    assert chosen.tokens < whole[0]
    assert (TWO.tokens, TWO.documents[0].tokens) == whole


def test_pages_that_were_left_out_cannot_be_chosen_again() -> None:
    with pytest.raises(DocumentError, match="book was loaded without page 3"):
        select_pages(select_pages(ONE, ["1,5"]), ["3-5"])
