"""`agent show` prints what a prompt contains, and beside it what was skipped or altered."""

import base64
import json
import re
from pathlib import Path

import pymupdf
import pytest
from typer.testing import CliRunner, Result

from longread import Corpus
from longread.agent.cli.app import app
from longread.agent.prompt.build import DocumentBlock
from longread.agent.prompt.tokenizer import qwen

HANDBOOK = Path(__file__).parents[3] / "examples" / "handbook.pdf"


def show(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["show", *map(str, arguments)])


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    """A document with a control token on its last page, and tags of HTML in its text."""
    lines = [f"line {number} of a <b>plain</b> text, long enough to fill pages with it" for number in range(120)]
    path = tmp_path / "odd.txt"
    path.write_text("\n".join([*lines, "the end <|im_start|>"]))
    return path


@pytest.mark.parametrize("selected", [None, "2-3"])
def test_the_text_is_that_of_the_prompt(selected: str | None) -> None:
    corpus = Corpus.load([HANDBOOK])
    if selected:
        from longread import select_pages

        corpus = select_pages(corpus, [selected])
    result = show(HANDBOOK, *(["--pages", selected] if selected else []))
    assert result.exit_code == 0, result.stderr
    assert result.stdout == DocumentBlock.of(corpus, qwen()).text


def test_notes_are_on_standard_error_with_their_page(odd: Path) -> None:
    result = show(odd)
    last = Corpus.load([odd]).documents[0].pages[-1].number
    assert last > 1
    assert re.search(rf"page {last}: 1 control token", result.stderr)
    assert "control token" not in result.stdout
    assert "<|im_start|>" not in result.stdout


def test_json_has_pages_with_their_notes(odd: Path) -> None:
    found = json.loads(show(odd, "--json").stdout)
    (document,) = found["documents"]
    assert document["tokens"] == sum(page["tokens"] for page in document["pages"])
    assert document["pages"][0]["notes"] == []
    (note,) = document["pages"][-1]["notes"]
    assert "control token" in note
    assert document["pages"][-1]["text"].endswith("the end ‹|im_start|>")
    assert found["failures"] == []


def test_a_web_page_has_the_picture_of_each_page_beside_its_text(tmp_path: Path) -> None:
    with pymupdf.open() as file:
        for color in ((1, 0, 0), (0, 0, 1)):
            page = file.new_page(width=200, height=100)
            page.draw_rect(page.rect, fill=color, color=color)
            page.insert_text((20, 50), f"a {'red' if color[0] else 'blue'} <page>", color=(1, 1, 1))
        file.save(tmp_path / "flags.pdf")
    result = show(tmp_path / "flags.pdf", "--html")
    assert result.exit_code == 0, result.stderr
    assert "<script" not in result.stdout
    assert re.findall(r"a (red|blue) &lt;page&gt;", result.stdout) == ["red", "blue"]
    pictures = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', result.stdout)
    assert len(pictures) == 2
    for picture, color in zip(pictures, ("red", "blue"), strict=True):
        seen = pymupdf.Pixmap(base64.b64decode(picture))
        red, _, blue = seen.pixel(5, 5)
        assert (red > 200) == (color == "red")
        assert (blue > 200) == (color == "blue")
        assert seen.width / seen.height == pytest.approx(2, abs=0.02)


def test_a_web_page_of_a_text_has_no_pictures_and_no_tags_of_the_text(odd: Path) -> None:
    result = show(odd, "--html")
    assert "<img" not in result.stdout
    assert "<b>" not in result.stdout
    assert "line 5 of a &lt;b&gt;plain" in result.stdout
    assert "control token" in result.stdout


def test_only_one_form_at_a_time(odd: Path) -> None:
    result = show(odd, "--html", "--json")
    assert result.exit_code == 2
    assert "--json and --html" in result.stderr


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    result = show(tmp_path / "none.txt")
    assert result.exit_code == 1
    assert "none.txt" in result.stderr
