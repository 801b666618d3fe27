"""Render handbook.md to handbook.pdf: a chapter a page, page numbers, an outline, the same bytes every time.

Run `python examples/make_handbook.py` after every change of handbook.md.

A chapter a page, so that the page a fact stands on does not depend on how a version of PyMuPDF breaks lines.
"""

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymupdf
from markdown_it import MarkdownIt

HERE = Path(__file__).parent
SOURCE = HERE / "handbook.md"
TARGET = HERE / "handbook.pdf"

PAPER = pymupdf.paper_rect("a4")
MARGIN = 64
BODY = pymupdf.Rect(MARGIN, MARGIN, PAPER.x1 - MARGIN, PAPER.y1 - MARGIN)
FOOT = pymupdf.Rect(BODY.x0, BODY.y1 + 14, BODY.x1, PAPER.y1 - 16)
CSS = """
body { font-family: serif; font-size: 11.5pt; line-height: 1.35; }
h1 { font-family: sans-serif; font-size: 22pt; margin: 0 0 4pt 0; }
h2 { font-family: sans-serif; font-size: 15pt; margin: 0 0 8pt 0; }
p { margin: 0 0 8pt 0; text-align: justify; }
p.lead { font-style: italic; margin-bottom: 16pt; text-align: left; }
li { margin: 0 0 2.5pt 0; }
table { margin: 2pt 0 8pt 0; font-size: 10.5pt; }
th { text-align: left; padding: 2pt 14pt 2pt 0; border-bottom: 0.7pt solid #555; }
td { text-align: left; padding: 2pt 14pt 1.5pt 0; }
code { font-family: monospace; font-size: 10.5pt; }
p.foot { font-family: sans-serif; font-size: 8pt; color: #555; text-align: center; }
"""

# MuPDF sets "fi" and "fl" as one glyph, and a PDF reader then finds "\ufb01" in the text. An element between the two
# letters keeps them apart.
LIGATURE = re.compile(r"(?<=f)([fil])(?![^<]*>)")


@dataclass(frozen=True)
class Chapter:
    """What fills one page."""

    title: str
    html: str


def chapters(markdown: str) -> tuple[str, list[Chapter]]:
    """The title of the book, and its chapters as HTML. The lines before the first chapter go on the first page.

    Raises:
        ValueError: the text does not begin with a `# Title`, or has no `## Chapter`.
    """
    front, *rest = markdown.split("\n## ")
    heading, _, lead = front.partition("\n")
    if not heading.startswith("# ") or not rest:
        raise ValueError("the handbook begins with '# Title' and has a '## Chapter' for every page")
    title = heading.removeprefix("# ").strip()
    render = MarkdownIt("commonmark").enable("table").render
    made = [Chapter(part.partition("\n")[0].strip(), render("## " + part)) for part in rest]
    cover = f"<h1>{title}</h1>" + render(lead).replace("<p>", '<p class="lead">')
    made[0] = Chapter(made[0].title, cover + made[0].html)
    return title, made


def render_pdf(markdown: str) -> bytes:
    """The handbook as a PDF.

    Raises:
        ValueError: a chapter that does not fit its page; the message names it.
    """
    title, made = chapters(markdown)
    buffer = io.BytesIO()
    writer = pymupdf.DocumentWriter(buffer)
    for number, chapter in enumerate(made, start=1):
        device = writer.begin_page(PAPER)
        _draw(chapter.html, BODY, device, what=f"the chapter {chapter.title!r}")
        _draw(f'<p class="foot">{number}</p>', FOOT, device, what="the foot of a page")
        writer.end_page()
    writer.close()

    with pymupdf.open("pdf", buffer.getvalue()) as document:
        document.set_metadata({"title": title, "author": "The longread authors", "subject": "Long-context reading"})
        document.set_toc([[1, chapter.title, number] for number, chapter in enumerate(made, start=1)])
        document.subset_fonts()
        # no_new_id: the file identifier is otherwise drawn at random.
        return document.tobytes(garbage=4, deflate=True, use_objstms=True, no_new_id=True)


def _draw(html: str, where: pymupdf.Rect, device: Any, *, what: str) -> None:
    story = pymupdf.Story(html=LIGATURE.sub(r"<span>\1</span>", html), user_css=CSS)
    more, _ = story.place(where)
    if more:
        raise ValueError(f"{what} does not fit on its page: shorten it")
    story.draw(device)


def main() -> None:
    data = render_pdf(SOURCE.read_text(encoding="utf-8"))
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(data) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
