"""Words and addresses that a line end divides: which hyphens stay."""

from collections import Counter

import pymupdf
import pytest

from longread.agent.corpus.formats.pdf.hyphens import joined
from longread.agent.corpus.formats.pdf.text import page_text
from longread.agent.corpus.formats.pdf.words import is_one_word, is_word, spellings

ENGLISH = "\nThe sum of the parts is in the box that is for the use of the house, and with it to the end."


@pytest.mark.parametrize(
    ("divided", "whole"),
    [
        # A typesetter's division goes.
        ("some infor-\nmation here", "some information here"),
        ("the INFOR-\nMATION here", "the INFORMATION here"),
        ("a well-under-\nstood thing", "a well-understood thing"),
        ("is under-\nstand", "is understand"),
        ("the inter-\nnational law", "the international law"),
        # A compound's hyphen stays.
        ("state-of-the-\nart methods", "state-of-the-art methods"),
        ("a state-of-\nthe-art method", "a state-of-the-art method"),
        ("state-\nof-the-art", "state-of-the-art"),
        ("non-\nrefundable tickets", "non-refundable tickets"),
        ("a self-\nemployed man", "a self-employed man"),
        ("twenty-\nthree of them", "twenty-three of them"),
        ("anti-\ninflammatory", "anti-inflammatory"),
        ("the mother-\nin-law", "the mother-in-law"),
        ("the x-\naxis", "the x-axis"),
        ("all T-\ncells", "all T-cells"),
        ("by e-\nmail", "by e-mail"),
        ("North-\nSouth", "North-South"),
        ("the Hewlett-\nPackard printer", "the Hewlett-Packard printer"),
        # U+2010 and U+2011 are hyphens too.
        ("infor\u2010\nmation", "information"),
        ("Vor\u2010\nund Nachteile", "Vor- und Nachteile"),
        # Suspended hyphens are followed by a space.
        ("Die Vor-\nund Nachteile", "Die Vor- und Nachteile"),
        ("Ein-\noder Ausgang", "Ein- oder Ausgang"),
        ("pre-\nand post-treatment", "pre- and post-treatment"),
        ("short-\nor long-term", "short- or long-term"),
        ("twee-\nen driekamerwoning", "twee- en driekamerwoning"),
        ("in- och\nutgång, in-\noch ut", "in- och\nutgång, in- och ut"),
        ("pre-\ny posguerra", "pre- y posguerra"),
        # Numbers.
        ("in 1990-\n2000 and", "in 1990-2000 and"),
        ("Article 5-\nbis says", "Article 5-bis says"),
        ("with COVID-\n19 cases", "with COVID-19 cases"),
        ("a 12-\nmonth term", "a 12-month term"),
    ],
)
def test_divisions(divided: str, whole: str) -> None:
    assert joined(divided + ENGLISH) == whole + ENGLISH


@pytest.mark.parametrize(
    "text",
    [
        "some probabil-\n9",  # the number of the page
        "and so -\nsaid she",
        "graded A-\nB+ and C",
        "a list:\n-\nitem",
        "trailing-",
        "-\n",
        "x\u2014\ny",
    ],
)
def test_line_ends_that_divide_nothing_stay(text: str) -> None:
    assert joined(text) == text


def test_how_the_page_spells_a_word_decides() -> None:
    assert joined("you may re-\nsign it" + ENGLISH + " To re-sign a lease.") == "you may re-sign it" + ENGLISH + (
        " To re-sign a lease."
    )
    assert joined("you may re-\nsign now" + ENGLISH + " If I resign.").startswith("you may resign now")
    assert joined("the ground-\ntruth set" + ENGLISH + " groundtruth").startswith("the groundtruth set")
    assert joined("the AutoScholar-\nQuery set\nAutoScholarQuery").startswith("the AutoScholarQuery set")
    assert joined("the infor-\nmation\nan infor-mation desk").startswith("the infor-mation")


def test_the_document_decides_where_the_page_does_not() -> None:
    asked: list[int] = []

    def words() -> Counter[str]:
        asked.append(1)
        return Counter({"co-op": 3, "coop": 1})

    assert joined("the co-\nop is open" + ENGLISH, words).startswith("the co-op is open")
    assert joined("nothing is divided", words) == "nothing is divided"
    assert len(asked) == 1


def test_the_pages_of_a_small_document_are_evidence_for_each_other() -> None:
    with pymupdf.open() as document:
        for text in ("You should re-\nsign the lease.", "We re-sign every year.", "They re-sign too."):
            document.new_page().insert_text((72, 100), text)
        texts = [page_text(page)[0] for page in document]
        assert texts[0] == "You should re-sign the lease."
        # The same, whatever was read before.
        again = pymupdf.open(stream=document.tobytes())
        assert page_text(again[0])[0] == texts[0]


@pytest.mark.parametrize(
    ("divided", "whole"),
    [
        ("at jane-\ndoe@example.org, or", "at jane-doe@example.org, or"),
        ("at jane.doe@example-\nsite.org now", "at jane.doe@example-site.org now"),
        ("at jane.doe@\nexample.org now", "at jane.doe@example.org now"),
        ("at jane.doe@example.\norg now", "at jane.doe@example.org now"),
        ("see https://example.org/long-\npath/file;", "see https://example.org/long-path/file;"),
        ("see https://example.org/long/\npath/file;", "see https://example.org/long/path/file;"),
        ("see https://example.\ncom/path", "see https://example.com/path"),
        ("see https://example.org/a?b=1&\nc=2 there", "see https://example.org/a?b=1&c=2 there"),
        ("see https://example.org/pa\nth/index.html there", "see https://example.org/path/index.html there"),
        ("see www.example.org/annual-\nreport-2024.pdf", "see www.example.org/annual-report-2024.pdf"),
        ("doi:10.1000/xyz-\n123.456 is", "doi:10.1000/xyz-123.456 is"),
        ("https://doi.org/10.1000/\nxyz123 is", "https://doi.org/10.1000/xyz123 is"),
        ("the file annual-\nreport.pdf is", "the file annual-report.pdf is"),
        ("in /usr/share/foo-\nbar/baz", "in /usr/share/foo-bar/baz"),
        ("set max_\ntokens to 5", "set max_tokens to 5"),
        ("set max_new-\ntokens to 5", "set max_new-tokens to 5"),
    ],
)
def test_addresses_keep_their_signs(divided: str, whole: str) -> None:
    assert joined(divided + ENGLISH) == whole + ENGLISH


@pytest.mark.parametrize(
    "text",
    [
        "see https://example.org/\nThe next sentence",
        "see https://example.org/ and\nmore",
        "see https://example.org.\nThe next sentence",
        "see https://example.org/path\nhttps://example.org/other",
        "write to jane@example.org\nand wait",
        "at 10.30\nthe train left",
        "see https://example.org/a\n12",
    ],
)
def test_lines_after_an_address_stay(text: str) -> None:
    assert joined(text) == text


def test_soft_hyphens() -> None:
    assert joined("infor\u00ad\nmation" + ENGLISH).startswith("information\n")
    assert joined("in\u00adfor\u00admation" + ENGLISH).startswith("information\n")
    assert "\u00ad" not in joined("a\u00ad b \u00ad c")
    # Some fonts have no other hyphen, so that a visible one is extracted as a soft one.
    assert joined("state\u00adof\u00adthe\u00adart methods" + ENGLISH).startswith("state-of-the-art methods")


def test_other_languages() -> None:
    german = "\nDie Summe der Teile ist in dem Haus und auf dem Tisch."
    assert joined("die Datenschutz-\ngrundverordnung" + german).startswith("die Datenschutzgrundverordnung")
    assert joined("die Datenschutz-\nGrundverordnung" + german).startswith("die Datenschutz-Grundverordnung")
    assert joined("die Haus-\ntür" + german).startswith("die Haustür")
    french = "\nLa somme des parties est dans la maison, et le reste aussi."
    assert joined("allez-\nvous" + french).startswith("allez-vous")
    assert joined("le gouverne-\nment" + french).startswith("le gouvernement")
    assert joined("инфор-\nмация").startswith("информация")


def test_known_words() -> None:
    assert is_word("information")
    assert is_word("refundable")
    assert not is_word("theart")
    assert not is_word("preand")
    assert is_one_word("infor", "mation")
    assert not is_one_word("the", "art")
    assert spellings(["State-of-the-art, and the ART"]) == Counter(
        {"state-of-the-art": 1, "state-of": 1, "of-the": 1, "the-art": 1, "and": 1, "the": 1, "art": 1}
    )


def test_long_lines_take_linear_time() -> None:
    text = "word-\n" * 20_000
    assert len(joined(text)) <= len(text)
    assert joined("x" * 200_000 + "-\nand more").endswith("- and more")


def test_an_endless_address_takes_linear_time() -> None:
    text = "\n".join(["see https://example.org/a_", *["part_"] * 30_000])
    assert joined(text).startswith("see https://example.org/a_part_part_")
