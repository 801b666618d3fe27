"""Reading order: the oracle is what typesetters drew, the input is the same blocks with their order destroyed."""

import random
from collections.abc import Callable
from pathlib import Path

import pymupdf
import pytest

from longread.agent.corpus.formats.pdf.reading_order import Block, is_ordered, ordered
from tests.agent.corpus.loading import load

FLAGS = pymupdf.TEXT_MEDIABOX_CLIP


def blocks_of(path: Path, number: int) -> list[Block]:
    with pymupdf.open(path) as document:
        raw = document[number - 1].get_text("blocks", flags=FLAGS)
    return [Block(*block[:4], block[4]) for block in raw if block[4].strip()]


@pytest.mark.parametrize("number", [3, 4, 7, 8, 9, 10, 11])  # two columns; tables and footnotes on some
def test_shuffled_columns_come_back(paperqa: Callable[[str], Path], number: int) -> None:
    right = blocks_of(paperqa("pasa.pdf"), number)
    assert is_ordered(right)
    for seed in range(5):
        shuffled = right[:]
        random.Random(seed).shuffle(shuffled)
        assert not is_ordered(shuffled)
        assert ordered(shuffled) == right


def test_two_columns_are_read_one_after_the_other(paperqa: Callable[[str], Path]) -> None:
    text = load(paperqa("pasa.pdf")).pages[4].text
    left = text.index("For example, as Figure 2 shows, the agent begins")
    right = text.index("per in its context. The agent subsequently uses a")
    assert left < text.index("by receiving a user query, incorporating") < right
    assert right < text.index("The training process for the Crawler comprises")


def column(x: float, lines: int, name: str, top: float = 100) -> list[Block]:
    return [Block(x, top + 12 * i, x + 200, top + 12 * i + 10, f"{name}{i}") for i in range(lines)]


def test_aligned_paragraphs_do_not_cut_columns_apart() -> None:
    left, right = column(50, 8, "l"), column(300, 8, "r")
    title = Block(50, 50, 500, 70, "title")
    foot = Block(250, 700, 300, 710, "foot")
    rows = [block for pair in zip(left, right, strict=True) for block in reversed(pair)]
    assert [b.text for b in ordered([foot, *reversed(rows), title])] == [
        *("title", *(f"l{i}" for i in range(8)), *(f"r{i}" for i in range(8)), "foot"),
    ]


def test_a_table_is_read_by_rows() -> None:
    cells = [Block(50 + 60 * c, 100 + 20 * r, 90 + 60 * c, 110 + 20 * r, f"{r}{c}") for r in range(5) for c in range(8)]
    by_columns = sorted(cells, key=lambda cell: (cell.x0, -cell.y0))
    assert [cell.text for cell in ordered(by_columns)] == [cell.text for cell in cells]


def test_blocks_on_top_of_each_other_are_all_kept() -> None:
    heap = [Block(10 + i % 3, 100 - i, 200, 140 - i, str(i)) for i in range(60)]
    assert sorted(ordered(heap)) == sorted(heap)
    assert ordered([]) == []
