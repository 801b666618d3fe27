"""`read_pages` and `outline`: whole pages, and where there is no table of contents, no invented one."""

from collections.abc import Callable

from longread import Corpus
from longread.documents import Document, OutlineEntry
from tests.support.corpora import corpus, document
from tests.support.messages import says

Calls = Callable[..., Callable[..., str]]


def test_pages_come_whole_after_their_marks(calls: Calls):
    call = calls(corpus(document("a", "one\n line", "two", "", "four")))
    assert call("read_pages", pages="3, 1-2") == "[a:1]\none\n line\n[a:2]\ntwo\n[a:3]\n(no text on this page)"
    for wrong, said in [
        ("5", "a has no page 5. Its pages are 1-4."),
        ("0", "a has no page 0. Its pages are 1-4."),
        ("3-5", "a does not have all pages of 3-5. Its pages are 1-4."),
        ("4-2", "a does not have all pages of 4-2. Its pages are 1-4."),
        ("1-999999999", "a does not have all pages of 1-999999999. Its pages are 1-4."),
        ("1-99999999999", "'1-99999999999' is not a page or a range of pages; write for instance 3-5,9."),
        ("all", "'all' is not a page or a range of pages; write for instance 3-5,9."),
    ]:
        assert call("read_pages", pages=wrong) == f"read_pages: pages: {said}"


def test_labels_are_said_where_they_differ(calls: Calls):
    a = document("a", "x", "y")
    pages = (a.pages[0].model_copy(update={"label": "iv"}), a.pages[1])
    call = calls(corpus(a.model_copy(update={"pages": pages})))
    assert call("read_pages", pages="1-2") == "[a:1] (iv)\nx\n[a:2]\ny"


def test_pages_that_have_no_room_are_named(calls: Calls):
    call = calls(corpus(document("a", *["x" * 300] * 9)), characters=1000)
    answer = call("read_pages", pages="1-4,7,9")
    assert answer.startswith("[a:1]\nxxx")
    assert answer.endswith(
        "2 of 6 pages shown: they have 1,836 characters, and 1,000 are shown at a time. Not shown: 3-4, 7, 9."
    )
    assert len(answer) <= 1000


def test_a_very_long_page_comes_in_parts(calls: Calls):
    text = "".join(f"{n:04} " for n in range(1000)).strip()
    call = calls(corpus(document("a", text)), characters=2000)
    read = ""
    while len(read) < len(text):
        answer = call("read_pages", pages="1", offset=len(read))
        assert len(answer) <= 2000
        _, part, *rest = answer.split("\n")
        read += part
        if rest:
            assert rest[0].endswith(f"of 4,999 of this page shown; ask for it with offset={len(read)}.")
    assert read == text
    assert says(call("read_pages", pages="1", offset=5000), "read_pages", "offset", "5,000", "1", "4,999", "characters")


def test_the_table_of_contents_of_a_real_book(calls: Calls):
    call = calls(Corpus.load(["examples/handbook.pdf"]))
    lines = call("outline").split("\n")
    assert says(lines[0], "handbook", "'The longread handbook'", "8", "contents", "8")
    assert lines[3] == "Dual Chunk Attention [handbook:3]"
    assert len(lines) == 9


def with_outline(entries: int) -> Document:
    outline = tuple(OutlineEntry(level=1 + (n % 3 > 0), title=f"Part {n}", page=n + 1) for n in range(entries))
    return document("a", *["x"] * entries).model_copy(update={"outline": outline})


def test_levels_and_long_outlines(calls: Calls):
    call = calls(corpus(with_outline(90)), characters=1000)
    answer = call("outline", depth=1)
    assert says(answer, "60", "below", "level", "1")
    assert "Part 3 [a:4]" in answer
    assert "Part 4 [a:5]" not in answer
    answer = call("outline")
    assert len(answer) <= 1000
    shown = answer.count("[a:")
    assert answer.endswith(f"Lines 1-{shown} of 90 shown; ask with offset={shown} for more.")
    assert "  Part 1 [a:2]" in answer
    assert f"Part {shown} [a:" in call("outline", offset=shown).split("\n")[1]
    assert says(call("outline", offset=90), "outline", "offset", "90", "90")


def test_without_a_table_of_contents_first_lines_are_called_first_lines(calls: Calls):
    pages = [f"The Whale\nChapter about {word}\nText.\n{n}" for n, word in enumerate(["sea", "ship", "sky", "sun"], 1)]
    answer = calls(corpus(document("a", *pages, "")))("outline")
    assert answer.split("\n") == [
        "a: 'a', 5 pages, no table of contents in the file. These are the first lines of its pages, which may or may "
        "not be headings:",
        "[a:1] Chapter about sea",
        "[a:2] Chapter about ship",
        "[a:3] Chapter about sky",
        "[a:4] Chapter about sun",
    ]
    assert calls(corpus(document("a", "")))("outline").endswith("Its pages have no text.")


def test_several_documents_are_listed(calls: Calls):
    answer = calls(corpus(with_outline(2), document("b", "x", title="The book of b")))("outline")
    assert answer.split("\n") == [
        "2 documents:",
        "a: 'a', 2 pages, a table of contents of 2 entries.",
        "b: 'The book of b', 1 page, no table of contents in the file.",
    ]


def test_a_document_with_gaps_says_which_pages_it_has(calls: Calls):
    whole = document("a", *map(str, range(200)))
    odd = whole.model_copy(update={"pages": whole.pages[::2]})
    call = calls(corpus(odd))
    assert call("read_pages", pages="3,5").startswith("[a:3]\n2\n[a:5]")
    answer = call("read_pages", pages="3-5")
    assert says(answer, "pages", "3-5", "pages", "1", "3", "5")
    assert answer.endswith("77, 79 and 60 more.")
