"""Documents: how they are cited and printed."""

from longread.documents import citation_mark
from tests.support.corpora import document


def test_a_page_is_cited_by_the_name_of_its_document():
    assert citation_mark(document("book", "x"), 12) == "[book:12]"


def test_a_document_prints_what_it_is_and_not_its_text():
    book = document("book", *["word " * 10_000] * 50, title="A book")
    assert repr(book) == f"Document(name='book', title='A book', source='book.pdf', pages=50, tokens={book.tokens})"
    assert len(str(book)) < 200
    page = repr(book.pages[2])
    assert page.startswith("Page(number=3, label='3', text='word word ")
    assert "…'" in page
    assert len(page) < 150


def test_a_short_page_prints_its_text_whole():
    (page,) = document("book", "It's short.").pages
    assert repr(page) == f"""Page(number=1, label='1', text="It's short.", tokens={page.tokens})"""
