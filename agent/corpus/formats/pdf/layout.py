"""A PDF page as Markdown with headings and tables, by pymupdf4llm."""

import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pymupdf

_TAG = re.compile(r"</?\w+[^>]*>")
_WORD = re.compile(r"\w+")


def markdown(document: "pymupdf.Document", index: int, text: str) -> str:
    """The page as Markdown, followed by the lines of its plain `text` that the layout model left out.

    The model leaves out text that it takes for part of a picture.
    """
    import pymupdf4llm

    found = pymupdf4llm.to_markdown(
        document, pages=[index], use_ocr=False, header=True, footer=True, show_progress=False
    )
    assert isinstance(found, str)
    words = Counter(_WORD.findall(_TAG.sub(" ", found)))
    lost: list[str] = []
    for line in text.split("\n"):
        wanted = Counter(_WORD.findall(line))
        if 2 * (wanted & words).total() < wanted.total():
            lost.append(line)
        else:
            words -= wanted
    return "\n".join([found.strip(), *lost])
