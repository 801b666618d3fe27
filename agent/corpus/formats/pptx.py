"""PowerPoint: a page per slide, with tables, charts, diagrams and speaker notes."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any

from .base import Format, OpenFile, ParseOptions, RawPage, Sections
from .zip_archive import open_archive, properties

_DIAGRAM = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/diagramData"
_TEXT = "{http://schemas.openxmlformats.org/drawingml/2006/main}t"
_PARAGRAPH = "{http://schemas.openxmlformats.org/drawingml/2006/main}p"


class Pptx(Format):
    name = "PowerPoint"
    extensions = (".pptx", ".pptm")
    media_type = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    library = "python-pptx"
    zip_member = "ppt/presentation.xml"

    def open(self, data: bytes, options: ParseOptions) -> OpenFile:
        from pptx import Presentation

        metadata = properties(open_archive(data, self.name))
        pages: list[RawPage] = []
        outline: list[tuple[int, str, int]] = []
        for number, slide in enumerate(Presentation(BytesIO(data)).slides, start=1):
            heading = slide.shapes.title
            title = " ".join(heading.text_frame.text.split()) if heading is not None else ""
            if title:
                outline.append((1, title, number))
            body = [f"# {title}"] if title else []
            body += _texts(shape for shape in slide.shapes if heading is None or shape.shape_id != heading.shape_id)
            body += _diagrams(slide)
            if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) and notes.text.strip():
                body.append(f"Notes: {notes.text}")
            pages.append(RawPage(str(number), "\n\n".join(body)))
        return Sections(len(pages), sections=pages, outline=outline, title=metadata.pop("title", ""), metadata=metadata)


def _texts(shapes: Iterable[Any]) -> Iterator[str]:
    """The texts of shapes in the order of the file, which screen readers use."""
    for shape in shapes:
        if hasattr(shape, "shapes"):  # a group
            yield from _texts(shape.shapes)
        elif getattr(shape, "has_table", False):
            rows = [[cell.text.replace("\n", " ") for cell in row.cells] for row in shape.table.rows]
            yield markdown_table(rows)
        elif getattr(shape, "has_chart", False):
            yield _chart(shape.chart)
        elif shape.has_text_frame and shape.text_frame.text.strip():
            yield shape.text_frame.text


def _chart(chart: Any) -> str:
    """A chart as the table of its data."""
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    tables = []
    for plot in chart.plots:
        series = list(plot.series)
        if not series:
            continue
        categories = [str(c) for c in plot.categories]
        rows = [["", *(s.name or "" for s in series)]]
        for i in range(max([len(categories), *(len(tuple(s.values)) for s in series)], default=0)):
            values = [tuple(s.values)[i] if i < len(tuple(s.values)) else None for s in series]
            rows.append([categories[i] if i < len(categories) else "", *("" if v is None else str(v) for v in values)])
        tables.append(markdown_table(rows))
    return "\n\n".join(["Chart: " + title if title else "Chart", *tables])


def _diagrams(slide: Any) -> Iterator[str]:
    """SmartArt, whose text is in a separate part that python-pptx has no API for."""
    import lxml.etree as etree

    for relation in slide.part.rels.values():
        if relation.reltype == _DIAGRAM:
            root = etree.fromstring(relation.target_part.blob)
            lines = ("".join(t.text or "" for t in p.iter(_TEXT)) for p in root.iter(_PARAGRAPH))
            if text := "\n".join(line for line in lines if line.strip()):
                yield text


def markdown_table(rows: list[list[str]]) -> str:
    """A Markdown table whose first row is the header."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join([*lines[:1], "|" + "---|" * len(rows[0]), *lines[1:]]) if rows else ""
