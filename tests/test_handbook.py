"""The handbook that newcomers are shown is the one that handbook.md makes, and its facts can be found again."""

import importlib.util
import sys
from pathlib import Path

import pymupdf
import pytest

from longread.agent.prompt.tokenizer import qwen
from longread.control_tokens import neutralise

EXAMPLES = Path(__file__).parent.parent / "examples"

# Sentences that a question can be asked about: each stands on one page only.
FACTS = {
    "The source code of longread is published under the Apache-2.0 licence.": 1,
    "The command of longread is called agent.": 1,
    "the base frequency of the position code went from 10,000 to 10,000,000.": 2,
    "The length of one DCA chunk is 253,952 tokens, which is c minus w.": 3,
    "The published budget of the 7B model is 3,920 verticals and 7,650 slashes per head, on average.": 4,
    "The K/V cache size of one token is 57,344 bytes for the 7B model, in bfloat16.": 5,
    "For sampling, the makers recommend a temperature of 0.7, a top-p of 0.8, and a repetition penalty of 1.05.": 5,
    "At most three pages are shown under an answer, the best one first, and each is marked as found by lookup.": 7,
    "Its window is 8,192 tokens.": 8,
}


@pytest.fixture(scope="module")
def maker():
    spec = importlib.util.spec_from_file_location("make_handbook", EXAMPLES / "make_handbook.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def pages(data: bytes) -> list[str]:
    """The text of each page, however its lines are broken: that depends on the version of PyMuPDF."""
    with pymupdf.open("pdf", data) as document:
        return [" ".join(str(page.get_text()).split()) for page in document]


@pytest.fixture(scope="module")
def handbook() -> list[str]:
    return pages((EXAMPLES / "handbook.pdf").read_bytes())


def test_the_pdf_is_what_the_text_makes_today(maker, handbook: list[str]):
    markdown = (EXAMPLES / "handbook.md").read_text(encoding="utf-8")
    made = maker.render_pdf(markdown)
    assert pages(made) == handbook, "run: python examples/make_handbook.py"
    assert maker.render_pdf(markdown) == made  # no date, no random identifier


def test_the_pdf_has_pages_an_outline_and_a_title(handbook: list[str]):
    assert 5 <= len(handbook) <= 10
    assert (EXAMPLES / "handbook.pdf").stat().st_size < 200_000
    with pymupdf.open(EXAMPLES / "handbook.pdf") as document:
        assert document.metadata is not None
        assert document.metadata["title"] == "The longread handbook"
        assert document.metadata["author"] == "The longread authors"
        outline = document.get_toc()
    assert [(level, number) for level, _, number in outline] == [(1, n + 1) for n in range(len(handbook))]
    for (_, title, number), text in zip(outline, handbook, strict=True):
        assert title in text
        assert text.endswith(f" {number}")  # the page number at the foot


def test_the_handbook_fits_a_small_model(handbook: list[str]):
    assert sum(qwen().counts(handbook)) < 4500  # the built-in model holds 8,192, answer and page marks included


@pytest.mark.parametrize(("sentence", "number"), FACTS.items())
def test_each_fact_stands_on_one_page(handbook: list[str], sentence: str, number: int):
    assert [n for n, text in enumerate(handbook, start=1) if sentence in text] == [number]


def test_one_control_token_is_there_to_be_found(handbook: list[str]):
    assert [neutralise(text)[1] for text in handbook] == [0, 0, 0, 0, 0, 0, 1, 0]


def test_letters_are_not_joined(handbook: list[str]):
    assert not set("".join(handbook)) & set("ﬀﬁﬂﬃﬄ")


def test_a_chapter_that_is_too_long_is_named(maker):
    with pytest.raises(ValueError, match=r"chapter 'Long'.*shorten"):
        maker.render_pdf("# Title\n\nLead.\n\n## Long\n\n" + "Many words. " * 2000)


@pytest.mark.parametrize("markdown", ["No title\n## A\n", "# Only a title\n"])
def test_a_handbook_without_title_or_chapters_is_refused(maker, markdown: str):
    with pytest.raises(ValueError, match=r"handbook begins.*'# Title'.*'## Chapter'"):
        maker.render_pdf(markdown)
