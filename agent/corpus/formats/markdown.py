"""Markdown, and other formats converted to Markdown: pages consist of whole sections where possible."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise

from ..text import split_lines, split_sections
from .base import Format, OpenFile, ParseOptions, RawPage, Sections, line_label
from .text_encoding import decode

_FRONT_MATTER = re.compile(r"\A---\n.*?^---\n", re.DOTALL | re.MULTILINE)

Outline = list[tuple[int, str, int]]


class Markdown(Format):
    name = "Markdown"
    extensions = (".md", ".markdown", ".mdown", ".qmd", ".rmd")
    media_type = "text/markdown"
    library = "markdown-it-py"
    revision = 2
    textual = True
    options = ("encoding",)

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        text, warnings = decode(data, options.encoding)
        pages, outline = sections(text, as_written=True)
        title = next((title for level, title, _ in outline if level == 1), "")
        return Sections(len(pages), sections=pages, outline=outline, title=title, warnings=warnings)


def sections(
    text: str, *, as_written: bool = False, headings: Mapping[int, tuple[int, str]] | None = None
) -> tuple[Sequence[RawPage], Outline]:
    """Split a text into pages; returns them with the headings as an outline. The label of a page is its heading.

    Args:
        as_written: the text is the content of the file, so that line numbers mean something to its reader.
        headings: line number, from 1, to level and title; None finds them as Markdown has them.
    """
    headings = _headings(text) if headings is None else headings
    pages: list[RawPage] = []
    outline: Outline = []
    current = ""
    for part in split_sections(split_lines(text), headings.keys()):
        inside = [(headings[line.number], line.number) for line in part if line.number in headings]
        if inside and (inside[0][1] == part[0].number or not current):
            label = inside[0][0][1]
        elif current:
            label = f"{current} (continued)"
        else:
            label = line_label(part) if as_written else f"part {len(pages) + 1}"
        pages.append(RawPage(label, "".join(line.text for line in part)))
        outline += [(level, title, len(pages)) for (level, title), _ in inside]
        current = inside[-1][0][1] if inside else current
    return pages, outline


def _headings(text: str) -> dict[int, tuple[int, str]]:
    """Line number, from 1, to (level, title). Headings inside code blocks, lists and quotes do not count."""
    from markdown_it import MarkdownIt

    # A YAML header between dashes looks like an underlined heading.
    text = _FRONT_MATTER.sub(lambda header: "\n" * header.group().count("\n"), text.replace("\r\n", "\n"))
    tokens = MarkdownIt("commonmark").parse(text)
    found: dict[int, tuple[int, str]] = {}
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            parts = [child.content for child in content.children or () if child.type in ("text", "code_inline")]
            if title := " ".join("".join(parts).split()):
                found[opening.map[0] + 1] = int(opening.tag[1]), title
    return found
