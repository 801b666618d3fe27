"""Quotes in an answer are found as it streams, whatever they look like, and looked up on their pages."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longread.agent.citations import passages, quote_parser
from longread.agent.citations.normalize import NormalText
from longread.agent.citations.passages import Passages
from longread.agent.citations.quote_checker import CheckedQuote, QuoteChecker, check_quotes
from longread.agent.citations.quote_parser import QuoteParser, find_quotes
from longread.agent.corpus import Corpus
from longread.agent.corpus.page_selection import select_pages
from longread.control_tokens import neutralise
from tests.support.corpora import corpus, document
from tests.support.real_files import extract

BOOK = corpus(
    document(
        "book",
        "One token of the 7B model takes 57,344 bytes of K/V cache in bfloat16. A million tokens\ntake 57.3 GB. "
        "It is not possible to divide\nthe model’s heads by eight. Mr. Knightley, in fact, was\none of the few people",
        "who could see faults in Emma Woodhouse, and the only one who ever told her of them. The largest "
        "tensor-parallel size of the “7B” model is 4,\nsaid Emma. A long sen-",
        "tence is divided here. Chunked prefill reads the prompt in\nchunks of 32,768 tokens¹ and no more.\n"
        "1 A footnote on the page.\n3",
        "Running title\nIt saves 96.7 percent of the memory, at −5 °C and at 10² bytes, <|im_end|> included.",
        "Running title\nThe end.",
    ),
    document("中文手册", "北京是中华人民共和国的首都，\n也是一座历史悠久的大城市。上海是一座现代的大城市。"),
)


def places(answer: str) -> list[tuple[str, list[str]]]:
    return [(answer[c.start : c.end], [f"{p.document}:{p.page}" for p in c.places]) for c in find_quotes(answer)]


def one(answer: str, about: Corpus = BOOK) -> CheckedQuote:
    (quote,) = check_quotes(answer, about)
    assert answer[quote.start : quote.end] == quote.text
    return quote


# Finding


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('He says "the cat sat on the mat" [a:3].', [("the cat sat on the mat", ["a:3"])]),
        ("Says “the cat sat on the mat” [a:3, b:4-5].", [("the cat sat on the mat", ["a:3", "b:4", "b:5"])]),
        ("Says «the cat sat on the mat» [a:3][b:4].", [("the cat sat on the mat", ["a:3", "b:4"])]),
        ("Sagt „die Katze sitzt auf ihr“ [a:3].", [("die Katze sitzt auf ihr", ["a:3"])]),
        ("Sagt »die Katze sitzt auf ihr« [a:3].", [("die Katze sitzt auf ihr", ["a:3"])]),
        ("Dit « le chat est sur le tapis » [a:3].", [("le chat est sur le tapis", ["a:3"])]),
        ("书上说「猫坐在垫子上睡觉了」[书:3]。", [("猫坐在垫子上睡觉了", ["书:3"])]),
        ('书上说"猫坐在垫子上睡觉了"[书:3]。', [("猫坐在垫子上睡觉了", ["书:3"])]),
        ("『猫坐在垫子上睡觉了』[书:3]", [("猫坐在垫子上睡觉了", ["书:3"])]),
        # marks: within, before, of another sentence, of the whole paragraph, none
        ('It says "the cat sat on the mat [a:3]".', [("the cat sat on the mat", ["a:3"])]),
        ('In [a:3] "the cat sat on the mat" is read.', [("the cat sat on the mat", ["a:3"])]),
        ('[a:1] is one. It says "the cat sat on it." [a:3] So [a:4].', [("the cat sat on it.", ["a:3"])]),
        (
            '"The cat sat there." And "so did the other cat" [a:3].',
            [("The cat sat there.", ["a:3"]), ("so did the other cat", ["a:3"])],
        ),
        ('One [a:1]. "The cat sat on it". Two [a:2].', [("The cat sat on it", ["a:2", "a:1"])]),
        ('"The cat sat on it"', [("The cat sat on it", [])]),
        ('"The cat sat on it" at [12:30].', [("The cat sat on it", [])]),
        # block quotes: a mark in it, after it, before it
        ("> The cat sat\n> on the mat [a:3]\n\nNext [b:1].", [("The cat sat\n> on the mat", ["a:3"])]),
        ("So:\n\n> The cat sat on it.\n> — A. Author\n\n[a:3]", [("The cat sat on it.", ["a:3"])]),
        ("As [a:3] says:\n\n> The cat sat on it.\n\nNo more.", [("The cat sat on it.", ["a:3"])]),
        ('> "The cat sat on it" [a:3]', [("The cat sat on it", ["a:3"])]),
        (
            'As [a:3] says:\n- "the cat sat there"\n- "it was a cat"',
            [("the cat sat there", ["a:3"]), ("it was a cat", ["a:3"])],
        ),
        # nested and unbalanced
        ('"He said "yes we can" to them" [a:3]', [('He said "yes we can" to them', ["a:3"])]),
        ("“He said ‘yes we can’ to them” [a:3]", [("He said ‘yes we can’ to them", ["a:3"])]),
        ('A 5" pipe and "the cat sat on it" [a:3]', [("the cat sat on it", ["a:3"])]),
        ('He "never closed it. “The cat sat on it” [a:3]', [("The cat sat on it", ["a:3"])]),
        ('"Never closed [a:3].\n\n"The cat sat on it" [a:3]', [("The cat sat on it", ["a:3"])]),
        # no claims
        ('The "cat" and the "big black cat" and “” and "".', []),
        ('```\nprint("the cat sat on the mat")\n```\n`"the cat sat on the mat"`', []),
    ],
)
def test_quotes_and_their_marks_are_found(answer: str, expected: list[tuple[str, list[str]]]) -> None:
    assert places(answer) == expected


def test_a_short_quote_with_a_mark_of_its_own_is_a_claim() -> None:
    assert places('It takes "57,344 bytes" [book:1] and "two words" more.') == [("57,344 bytes", ["book:1"])]


def test_a_quote_is_told_when_its_mark_has_come() -> None:
    finder = QuoteParser()
    assert finder.feed('It says "the cat sat on the mat" [a:3]') == []  # the mark may go on
    assert len(finder.feed(", and")) == 1
    assert finder.feed(' "the dog did too" and so on.\n\nNext') != []
    assert finder.finish() == []


_TOKENS = st.sampled_from(
    [
        *'"“”„«»「」`.:, —[]',
        *("``", "```", "\n", "\n\n", "> ", "- ", "1. ", "| ", "..."),
        *("[a:1]", "[b:2, 3]", "[12:30]", "one two three four ", "word", "你好啊世"),
    ]
)


@settings(max_examples=400)
@given(st.lists(_TOKENS, max_size=40).map("".join), st.data())
def test_how_an_answer_is_cut_into_pieces_does_not_matter(answer: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=12)))
    finder = QuoteParser()
    found = [c for a, b in zip([0, *cuts], [*cuts, len(answer)], strict=True) for c in finder.feed(answer[a:b])]
    found += finder.finish()
    assert found == find_quotes(answer)
    single = QuoteParser()
    assert [c for character in answer for c in single.feed(character)] + single.finish() == found
    for claim in found:
        assert 0 <= claim.start < claim.end <= len(answer)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often it is looked at what a quote claims, and at what pages have."""
    counts: Counter[str] = Counter()

    def count(of: Any, name: str) -> None:
        original = getattr(of, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            counts[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(of, name, counted)

    count(quote_parser, "_span")
    count(passages, "NormalText")
    for name in ("exact", "exact_elsewhere", "near", "candidates", "_index"):
        count(Passages, name)
    return counts


def test_an_answer_that_repeats_itself_without_end_is_checked_in_time(calls: Counter[str]) -> None:
    looks = []
    for many in (200, 400):
        answer = 'It "takes 57,344 bytes of K/V cache" [book:1] ' * many
        checker = QuoteChecker(BOOK)
        calls.clear()
        found = [quote for at in range(0, len(answer), 5) for quote in checker.feed(answer[at : at + 5])]
        found += checker.finish()
        assert len(found) == many
        looks.append(calls["_span"])
    assert looks[1] - looks[0] == 200, "from some length on a quote more is a single look more"


# The normal form


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("eﬃcient ﬂow", "efficient flow"),
        ("docu-\nments", "documents"),
        ("docu\u00ad\nments", "documents"),
        ("a well-\nknown thing", "a well-known thing"),
        ("one—two", "one -- two"),
        ("“so” it’s", "'so' it's"),
        ("``so'' it's", '"so" it\'s'),
        ("a  b\n c\u00a0d", "a b c d"),
        ("**bold** _and_ `code` ***both*** *so* __too__", "bold and code both so too"),
        ("这是**重点**内容", "这是重点内容"),
        ("北京，\n是 首都", "北京，是首都"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("‹|im_end|>", "<|im_end|>"),
        ("• one • two", "one two"),
        ("cafe\u0301", "café"),
    ],
)
def test_what_may_be_written_otherwise_is_equal(text: str, other: str) -> None:
    assert NormalText(text).text == NormalText(other).text


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("10²", "102"),
        ("2*3", "23"),
        ("5-6", "56"),
        ("a, b", "a b"),
        ("Word", "word"),
        ("we're", "were"),
        ("a_b", "ab"),
        ("*p = 2 * q", "p = 2 q"),
    ],
)
def test_what_means_something_else_is_not(text: str, other: str) -> None:
    assert NormalText(text).text != NormalText(other).text


@given(st.text(st.sampled_from("ab1. \n-—\u00ad“”'\"*_ﬁé\u0301¹²•北，‹<"), max_size=60))
def test_offsets_lead_back_to_the_text(text: str) -> None:
    normal = NormalText(text)
    for at, character in enumerate(normal.text):
        start, end = normal.span(at, at + 1)
        assert 0 <= start < end <= len(text)
        if character.isalnum():
            assert character in NormalText(text[start:end]).text
    starts = [normal.span(at, at + 1)[0] for at in range(len(normal.text))]
    assert starts == sorted(starts)


# Looking up


@pytest.mark.parametrize(
    ("answer", "actual"),
    [
        ('"A million tokens take 57.3 GB" [book:1]', "A million tokens\ntake 57.3 GB"),
        ('"a million tokens take 57.3 GB." [book:1]', "A million tokens\ntake 57.3 GB"),
        ('"The model\'s heads by eight" [book:1]', "the model’s heads by eight"),
        (
            '"[I]t is not possible to divide the model\'s heads" [book:1]',
            "It is not possible to divide\nthe model’s heads",
        ),
        (
            "“the **largest** tensor-parallel size of the ‘7B’ model” [book:2]",
            "The largest tensor-parallel size of the “7B” model",
        ),
        (
            '"reads the prompt in chunks of 32,768 tokens and no more" [book:3]',
            "reads the prompt in\nchunks of 32,768 tokens¹ and no more",
        ),
        ('"One token ... takes 57,344 bytes" [book:1]', "One token … takes 57,344 bytes"),
        ('"One token […] in bfloat16 … take 57.3 GB" [book:1]', "One token … in bfloat16 … take 57.3 GB"),
        ('"10² bytes, ‹|im_end|> included" [book:4]', "10² bytes, <|im_end|> included"),
        ('"at -5 °C and at 10² bytes" [book:4]', "at −5 °C and at 10² bytes"),
        (
            "“北京是中华人民共和国的首都，也是一座历史悠久的大城市”[中文手册:1]",
            "北京是中华人民共和国的首都，\n也是一座历史悠久的大城市",
        ),
        # over the end of a page, said to be on either; a word divided there; a footnote and a running title between
        ('"one of the few people who could see faults" [book:1]', "one of the few people\nwho could see faults"),
        ('"one of the few people who could see faults" [book:2]', "one of the few people\nwho could see faults"),
        ('"a long sentence is divided here" [book:2]', "A long sen\ntence is divided here"),
        (
            '"chunks of 32,768 tokens and no more. It saves 96.7 percent" [book:3]',
            "chunks of 32,768 tokens¹ and no more.\nIt saves 96.7 percent",
        ),
    ],
)
def test_the_words_of_the_page_are_verified(answer: str, actual: str) -> None:
    quote = one(answer)
    assert (quote.status, quote.similarity) == ("verified", 1.0)
    assert quote.actual == actual
    assert (quote.document, quote.page_found) == (quote.cited_document, quote.cited_page)
    texts = {page.number: page.text for page in BOOK[quote.document or ""].pages}
    assert NormalText(" ".join(texts[span.page][span.start : span.end] for span in quote.spans)).text in (
        NormalText(actual.replace("\n", " ")).text,
        NormalText(actual.replace(" … ", " ")).text,
    )


@pytest.mark.parametrize(
    ("quote", "actual"),
    [
        ("A million tokens take 57.4 GB", "A million tokens\ntake 57.3 GB"),
        ("A million tokens take 57 GB", "A million tokens\ntake 57.3 GB"),
        ("One token of the 14B model takes 57,344 bytes", "One token of the 7B model takes 57,344 bytes"),
        ("It is possible to divide the model's heads", "It is not possible to divide\nthe model’s heads"),
        ("One token of the 7B model never takes 57,344 bytes", "One token of the 7B model takes 57,344 bytes"),
        ("Mr. Elton, in fact, was one of the few", "Mr. Knightley, in fact, was\none of the few"),
        ("One token takes 57,344 bytes of K/V cache", "One token of the 7B model takes 57,344 bytes of K/V cache"),
        ("Mr. Knightley in fact was one of the few", "Mr. Knightley, in fact, was\none of the few"),
        ("344 bytes of K/V cache in bfloat16", "57,344 bytes of K/V cache in bfloat16"),
        ("it is not possible to divide The model's heads", "It is not possible to divide\nthe model’s heads"),
    ],
)
def test_an_altered_quote_is_corrected_and_never_verified(quote: str, actual: str) -> None:
    for marks in (" [book:1]", ""):
        found = one(f'"{quote}"{marks}')
        assert (found.status, found.actual, found.page_found) == ("corrected", actual, 1)
        assert 0.6 <= found.similarity <= 1.0


def test_a_footnote_mark_may_be_left_out_but_is_a_number_where_it_is_written() -> None:
    pages = corpus(
        document("d", "We compare the tokens¹ and the methods.12 Then we close. The objects.100,101 Others.")
    )
    for quote in (
        "compare the tokens and the methods. Then we close",
        "compare the tokens¹ and the methods.12 Then we",
    ):
        assert one(f'"{quote}" [d:1]', pages).status == "verified", quote
    for quote in ("compare the tokens² and the methods", "the methods.13 Then we close", "The objects.100,102 Others"):
        assert one(f'"{quote}" [d:1]', pages).status == "corrected", quote


def test_lines_of_the_text_at_the_end_of_a_page_are_not_skipped() -> None:
    first = "It runs over two pages\nand then has a line\n7"
    pages = corpus(document("d", first, "that must not be lost.", "and then has no line"))
    assert one('"It runs over two pages and then has a line that must not be lost" [d:1]', pages).status == "verified"
    assert one('"It runs over two pages that must not be lost" [d:1]', pages).status == "corrected"


def test_parts_of_words_and_numbers_are_not_verified() -> None:
    pages = corpus(document("d", "It is impossible to do that at 1.5 percent, or at -7 degrees, or for 2,500 users."))
    for altered in ("possible to do that at 1.5", "5 percent, or at -7 degrees", "7 degrees, or for 2,500 users"):
        assert one(f'"{altered}" [d:1]', pages).status == "corrected", altered
    assert one('"impossible to do that at 1" [d:1]', pages).status == "corrected"
    assert one('"at -7 degrees, or for 2" [d:1]', pages).status == "corrected"


def test_a_moved_quote_says_both_pages() -> None:
    quote = one('"It saves 96.7 percent of the memory" [book:2]')
    assert (quote.status, quote.cited_page, quote.page_found) == ("moved", 2, 4)
    assert str(quote) == "cited [book:2], found on [book:4]"
    other = one('"上海是一座现代的大城市" [book:2]')
    assert (other.status, other.cited_document, other.document, other.page_found) == ("moved", "book", "中文手册", 1)
    assert one('"It saves 96.7 percent of the memory" [book:99]').status == "moved"
    assert one('"It saves 96.7 percent of the memory" [bok:4]').status == "moved"
    assert one('"people who could see faults in Emma" [book:4]').page_found == 1


def test_of_several_marks_the_one_that_has_it_counts() -> None:
    quote = one('"It saves 96.7 percent of the memory" [book:1, 中文手册:1, book:4]')
    assert (quote.status, quote.cited_page, quote.page_found) == ("verified", 4, 4)


def test_a_quote_without_a_mark_is_looked_for_everywhere() -> None:
    quote = one('It "saves 96.7 percent of the memory".')
    assert (quote.status, quote.cited_page, quote.cited_document, quote.page_found) == ("verified", None, None, 4)


@pytest.mark.parametrize("answer", ['"Bananas grow in Ecuador and are yellow" [book:1]', '"Bananas grow in Ecuador"'])
def test_an_invented_quote_is_unverified(answer: str) -> None:
    quote = one(answer)
    assert (quote.status, quote.document, quote.page_found, quote.label, quote.actual) == ("unverified", *[None] * 4)
    assert (quote.similarity, quote.spans, quote.page_start) == (0.0, (), None)


def test_an_ellipsis_does_not_join_what_says_nothing() -> None:
    assert one('"One ... of ... the ... in" [book:1]').status != "verified"


def test_an_ellipsis_does_not_join_parts_in_the_wrong_order() -> None:
    assert one('"takes 57,344 bytes ... One token of" [book:1]').status != "verified"


def test_pages_that_were_left_out_are_no_neighbours() -> None:
    part = select_pages(BOOK, ["book:1,3"])
    assert one('"one of the few people tence is divided here" [book:1]', part).status != "verified"


def test_offsets_lead_into_the_page() -> None:
    quote = one('"take 57.3 GB. It is not possible" [book:1]')
    text = BOOK["book"].pages[0].text
    assert quote.page_start is not None
    assert text[quote.page_start : quote.page_end] == quote.actual == "take 57.3 GB. It is not possible"
    assert quote.model_dump()["page_start"] == quote.page_start


def test_what_was_made_harmless_in_the_prompt_is_compared_as_it_was() -> None:
    page = "The template ends a turn with <|im_end|> and a newline."
    shown = neutralise(page)[0]
    assert shown != page
    assert one(f'"{shown}" [d:1]', corpus(document("d", page))).status == "verified"


def test_streamed_checks_are_those_of_the_whole_answer() -> None:
    answer = (
        '"A million tokens take 57.3 GB" [book:1]. "It saves 97 percent of the memory" [book:4].\n\n> Nothing of it.'
    )
    checker = QuoteChecker(BOOK)
    found = [quote for character in answer for quote in checker.feed(character)]
    assert [quote.status for quote in found] == ["verified", "corrected"]
    assert (*found, *checker.finish()) == check_quotes(answer, BOOK)


def test_a_large_corpus_is_searched_in_time(calls: Counter[str]) -> None:
    """What the page that is named has costs a look at that page, and what none has a look at few of the 3,000."""
    words = [f"word{number % 977} thing{number * 7 % 5003}" for number in range(90_000)]
    pages = [" ".join(words[at : at + 30]) for at in range(0, len(words), 30)]
    large = corpus(document("large", *pages))
    whole = Passages(large)
    exact = " ".join(f'"{" ".join(words[at + 3 : at + 12])}" [large:{at // 30 + 1}].' for at in range(0, 27_000, 2700))
    invented = " ".join(
        f'"thing1 that word{n} never thing{n + 9} said of thing{n + 3} there" [large:9].' for n in range(10)
    )
    check_quotes(exact + invented, large, whole)
    assert calls["_index"] == 1
    assert calls["NormalText"] <= 2 * len(pages) + 2 * 20  # both forms of a page once, and those of the quotes
    for answer, status, most in (
        (exact, "verified", {"exact": 1}),
        (invented, "unverified", {"exact": 15, "exact_elsewhere": 1, "near": 14, "candidates": 1}),
    ):
        calls.clear()
        assert [quote.status for quote in check_quotes(answer, large, whole)] == [status] * 10
        assert calls.pop("NormalText") == 2 * 10
        assert calls.pop("_span") <= 2 * 10
        assert all(count <= 10 * most.get(name, 0) for name, count in calls.items()), calls


# Real files


def test_quotes_of_a_paper_are_verified(paper: Path) -> None:
    """Two columns, ligatures, words divided at line ends, sentences over the end of a page and its number."""
    about = Corpus.load([paper])
    for page, words in (
        (1, "We introduce PaSa, an advanced Paper Search agent powered by large language models."),
        (1, "represents a particularly challenging information retrieval task. It requires long-tail specialized"),
        (6, "it is important to note that the AutoScholarQuery may only include a subset of the ground-truth papers"),
        (6, "citations often emphasize a limited number of key references"),
        (7, "indicating whether the paper satisfies the query, and (2) a rationale"),
        (8, "contributing to an overall 3.52% improvement in the recall of the entire agent system"),
    ):
        quote = one(f'"{words}" [pasa:{page}]', about)
        assert (quote.status, quote.page_found) == ("verified", page), quote
        start, _, rest = words.partition(" it is " if " it is " in words else " ")
        altered = one(f'"{start} never {rest}" [pasa:{page}]', about)
        assert altered.status == "corrected", altered
        assert "never" not in (altered.actual or "never")


@pytest.mark.parametrize("turn", [0, 90, 270])
def test_quotes_of_a_rotated_page_with_chinese_and_footnotes_are_verified(tmp_path: Path, turn: int) -> None:
    with pymupdf.open() as file:
        page = file.new_page()
        page.insert_textbox(
            (72, 72, 300, 300),
            "北京是中华人民共和国的首都，也是一座历史悠久的大城市。",
            fontname="china-s",
            fontsize=20,
        )
        page.insert_textbox(
            (72, 320, 300, 500), "The efficient docu-\nment has a word¹ and marks.\n\n1 A footnote of the first page."
        )
        page.set_rotation(turn)
        file.save(tmp_path / "turned.pdf")
    about = Corpus.load([tmp_path / "turned.pdf"])
    for words in (
        "北京是中华人民共和国的首都，也是一座历史悠久的大城市",
        "The efficient document has a word and 'marks'.",
        "A footnote of the first page",
    ):
        assert one(f"“{words}” [turned:1]", about).status == "verified"


@pytest.mark.parametrize(
    ("requirement", "inside", "page", "words"),
    [
        ("paper-qa==2026.8.12", "tests/stub_data/pasa.pdf", 7, "Accessed via the Google Search API provided by https"),
        ("paper-qa==2026.8.12", "tests/stub_data/pasa.pdf", 7, "and then calls Google with the parameters site"),
        ("pypdf==7.1.0", "resources/issue-914-xmp-data.pdf", 1, "君乐宝益生菌桶装发酵乳1080g"),
        ("pypdf==7.1.0", "resources/issue-914-xmp-data.pdf", 1, "2 蒙牛屋顶包原味酸牛奶 480g"),
        ("pypdf==7.1.0", "resources/AutoCad_Diagram.pdf", 1, "Insert the cable until the outer mantle is aligned"),
        ("pypdf==7.1.0", "resources/AutoCad_Diagram.pdf", 1, "largest cable in a normal environment"),
        ("pypdf==7.1.0", "resources/test Orient.pdf", 1, "box text on left written vertically to starboard"),
        ("pypdf==7.1.0", "resources/crazyones.pdf", 1, "How else can you stare at an empty canvas and see a work"),
    ],
)
def test_quotes_of_other_peoples_files_are_verified(
    tmp_path: Path, requirement: str, inside: str, page: int, words: str
) -> None:
    """Footnotes and their marks, Chinese in a table, a page and text that are turned, lines that end anywhere."""
    about = Corpus.load([extract(requirement, inside, tmp_path)])
    [name] = [document.name for document in about.documents]
    quote = one(f'"{words}" [{name}:{page}]', about)
    assert (quote.status, quote.page_found) == ("verified", page), quote
    number = next(iter(re.findall(r"\d+", words)), None)
    other = (
        words.replace(number, f"9{number}") if number else words.replace(" the ", " no ").replace(" in a ", " in no ")
    )
    if other == words:
        other = f"{words.rpartition(' ')[0]} nowhere"
    altered = one(f'"{other}" [{name}:{page}]', about)
    assert altered.status in ("corrected", "unverified"), altered


def test_a_number_at_a_word_is_a_footnotes_mark_only_where_the_footnote_is() -> None:
    about = corpus(
        document("a", "We ask the engine7 for it, and the model qwen2 reads.\n7Accessed in May.\n2 of them.")
    )
    assert one('"We ask the engine for it" [a:1]', about).status == "verified"
    assert one('"Accessed in May" [a:1]', about).status == "verified"
    assert one('"and the model qwen reads" [a:1]', about).status == "corrected"
