"""Tables for the terminal."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

from rich.table import Column, Table
from rich.text import Text

from .console import printable

if TYPE_CHECKING:
    from ..prompt.build import Prompt


def budget_table(prompt: "Prompt", ranges: dict[str, list[tuple[str, int]]], window: int | None) -> Table:
    """Tokens of each document and page range, and in total.

    Args:
        ranges: for each document name, the (pages, tokens) of its ranges.
        window: the model's context window in tokens; None if unknown.
    """
    table = Table("document", "pages", Column("tokens", justify="right"), box=None, pad_edge=False)
    for share in prompt.shares:
        for pages, tokens in ranges.get(share.name, []):
            table.add_row(share.name, pages, f"{tokens:,}", style="dim")
        table.add_row(share.name, f"all {share.pages:,}", f"{share.tokens:,}")
    table.add_row("instructions, tools, question, chat template", "", f"{prompt.tokens - prompt.document_tokens:,}")
    table.add_row("prompt", "", f"{prompt.tokens:,}", style="bold")
    if prompt.budget is None or window is None:
        table.add_row("budget", "", "unknown: set --window")
    else:
        reserve = window - prompt.budget
        table.add_row(f"budget (window {window:,}, less {reserve:,} for the answer)", "", f"{prompt.budget:,}")
        table.add_row("left" if prompt.fits else "over budget", "", f"{abs(prompt.budget - prompt.tokens):,}")
    return table


def rows(headings: Iterable[str], body: Iterable[Iterable[str | Text]], *, numbers: Collection[int] = ()) -> Table:
    """A table whose cells are wrapped, never cut off, so that names and paths can be copied.

    Args:
        numbers: the indexes of right-aligned columns.
    """
    columns = (
        Column(heading, overflow="fold", justify="right" if index in numbers else "left")
        for index, heading in enumerate(headings)
    )
    table = Table(*columns, box=None, pad_edge=False)
    for row in body:
        table.add_row(*(printable(cell) if isinstance(cell, str) else cell for cell in row))
    return table
