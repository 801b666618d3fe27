"""The slides of a presentation and the pages of a drawing, with their shapes in visual order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import markup
from ..base import RawPage
from ..markdown import Outline
from ..visual_order import Box, ordered
from ..word.pages import cleaned
from .blocks import BlockReader, joined
from .context import Context
from .frames import described
from .inline import comment
from .names import attribute, child, children, name, text_in
from .transforms import box_of, inner_box

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_CLASS, _PLACEHOLDER = "presentation:class", "presentation:placeholder"
_LABELS = ("page-number", "handout", "page")
"""Placeholders that only say what the page's label says, or show it small."""
_FIELDS = {
    "presentation:footer": ("presentation:use-footer-name", "presentation:footer-decl"),
    "presentation:header": ("presentation:use-header-name", "presentation:header-decl"),
    "presentation:date-time": ("presentation:use-date-time-name", "presentation:date-time-decl"),
}
_LISTED = 20
_COMPARED = 2000
"""Maximum number of shapes on a slide that are compared to find what is behind a text."""
_NESTING = 40
"""Levels of groups that are read in visual order; what is deeper is read in the order of the file."""


@dataclass
class _Unit:
    """A shape with its text."""

    text: str
    box: Box | None


def slides(content: "_Element", context: Context, master: Context) -> tuple[list[RawPage], Outline, list[str]]:
    """The pages of an office:presentation or office:drawing, an outline of their titles, and warnings.

    Args:
        master: the context of the styles' part, which the master pages are in.
    """
    master.attachments = context.attachments
    reader = _SlideReader(content, context, master)
    pages: list[RawPage] = []
    outline: Outline = []
    for number, page in enumerate(children(content, "draw:page"), start=1):
        title, text, is_hidden = reader.read(page)
        mark = " (hidden)" if is_hidden else ""
        if is_hidden:
            reader.hidden.append(str(number))
        heading = [f"# {title}{mark}"] if title else [mark.strip()] if mark else []
        pages.append(context.attachments.page(str(number), "\n\n".join([*heading, *text])))
        if title:
            outline.append((1, markup.finished(cleaned(title)) + mark, number))
    warnings: list[str] = []
    if reader.hidden:
        some, more = ", ".join(reader.hidden[:_LISTED]), len(reader.hidden) - _LISTED
        what = (
            f"Slide {some} is"
            if len(reader.hidden) == 1
            else f"Slides {some}{f' and {more} more' if more > 0 else ''} are"
        )
        warnings.append(f'{what} hidden in the show: kept, and marked "(hidden)".')
    return pages, outline, warnings


def _is_over(shape: "_Element", behind: Sequence[Box]) -> bool:
    """Whether something else may be behind a shape than the slide."""
    box = box_of(shape)
    return name(shape) == "draw:g" or box is None or len(behind) > _COMPARED or any(box.meets(one) for one in behind)


class _SlideReader:
    def __init__(self, content: "_Element", context: Context, master: Context):
        self._context = context
        self._blocks = BlockReader(context)
        self._master = BlockReader(master)
        self._masters_read: set[str] = set()
        self.hidden: list[str] = []
        self._declared = {
            (name(element), attribute(element, "presentation:name")): text_in(element)
            for element in children(content, *(kind for _, kind in _FIELDS.values()))
        }

    def read(self, page: "_Element") -> tuple[str, list[str], bool]:
        """The title of a slide, its other texts in visual order, and whether the show leaves it out."""
        master = self._context.styles.master(attribute(page, "draw:master-page-name"))
        size = self._context.styles.page_size(master)
        drawn = self._context.styles.of("drawing-page", attribute(page, "draw:style-name"))
        self._context.fields = self._fields_of(page)
        colour = self._colour(drawn, master)
        behind = self._master_boxes(master)
        title = ""
        units: list[_Unit] = []
        comments: list[str] = []
        for shape in page:
            kind = name(shape)
            if kind == "office:annotation":
                comments.append(comment(self._blocks, shape))
            elif kind.startswith(("draw:", "dr3d:", "table:")) and attribute(shape, _PLACEHOLDER) != "true":
                if attribute(shape, _CLASS) in _LABELS:
                    continue
                self._context.background = "" if _is_over(shape, behind) else colour
                unit = self._unit(shape, size, self._blocks)
                if self._blocks.frames.is_filled(shape) and unit.box is not None:
                    behind.append(unit.box)
                if not title and attribute(shape, _CLASS) == "title":
                    title = " ".join(unit.text.split())
                elif unit.text:
                    units.append(unit)
        texts = [unit.text for unit in ordered(units, lambda unit: unit.box)]
        texts += self._edges(drawn)
        if master is not None and drawn.get("presentation:background-objects-visible") != "false":
            texts += self._of_master(master, size)
        if notes := self._notes(page):
            texts.append(f"Notes: {notes}")
        if comments:
            texts.append("\n".join(comments))
        return title, texts, drawn.get("presentation:visibility") == "hidden"

    def _unit(self, shape: "_Element", size: tuple[float, float] | None, reader: BlockReader, depth: int = 0) -> _Unit:
        if name(shape) == "draw:g" and depth < _NESTING and attribute(shape, "draw:display") != "none":
            members = [self._unit(part, size, reader, depth + 1) for part in shape if name(part).startswith("draw:")]
            texts = [unit.text for unit in ordered([unit for unit in members if unit.text], lambda unit: unit.box)]
            return _Unit("\n\n".join(texts) or markup.picture(described(shape)), inner_box(shape))
        found = reader.frames.read(shape)
        text = "\n\n".join(part for part in (found.inline, joined(found.blocks)) if part)
        box = box_of(shape) if name(shape) != "draw:g" else inner_box(shape)
        if text and size and box is not None and not box.meets(Box(0, 0, *size)):
            text = reader.context.conceal(text, "outside the slide")
        return _Unit(text, box)

    def _colour(self, drawn: dict[str, str], master: "_Element | None") -> str:
        """The colour of a slide, "" if it is not plain."""
        inherited = attribute(master, "draw:style-name") if master is not None else ""
        for style in (drawn, self._master.context.styles.of("drawing-page", inherited)):
            fill = style.get("drawing-page draw:fill", "")
            if fill in ("solid", "bitmap", "gradient", "hatch"):
                return style.get("drawing-page draw:fill-color", "") if fill == "solid" else ""
        return "#ffffff"

    def _master_boxes(self, master: "_Element | None") -> list[Box]:
        """The places of what a master page draws behind the shapes of its slides."""
        shapes = [shape for shape in master if name(shape).startswith("draw:")] if master is not None else []
        filled = [one for one in shapes if not attribute(one, _CLASS) and self._master.frames.is_filled(one)]
        boxes = [box_of(shape) if name(shape) != "draw:g" else inner_box(shape) for shape in filled]
        return [box for box in boxes if box is not None]

    def _fields_of(self, page: "_Element") -> dict[str, str]:
        declared = {
            field: self._declared.get((kind, attribute(page, use)), "") for field, (use, kind) in _FIELDS.items()
        }
        return {field: text for field, text in declared.items() if text}

    def _edges(self, drawn: dict[str, str]) -> list[str]:
        """The footer and the date, which are stored beside the slides and shown by their master."""
        shown = {
            "presentation:footer": drawn.get("presentation:display-footer"),
            "presentation:date-time": drawn.get("presentation:display-date-time"),
        }
        return [text for field, text in self._context.fields.items() if shown.get(field) == "true"]

    def _of_master(self, master: "_Element", size: tuple[float, float] | None) -> list[str]:
        """Text of a master page that is no placeholder, on the first slide that shows it."""
        key = attribute(master, "style:name")
        if key in self._masters_read:
            return []
        self._masters_read.add(key)
        texts = [
            self._unit(shape, size, self._master).text
            for shape in master
            if name(shape).startswith("draw:") and not attribute(shape, _CLASS) and text_in(shape)
        ]
        found = [text for text in texts if text]
        if found:
            found[-1] += self._context.note("text of the master page is on this page, and on no other that shows it")
        return found

    def _notes(self, page: "_Element") -> str:
        notes = child(page, "presentation:notes")
        texts: list[str] = []
        for shape in notes if notes is not None else ():
            own = attribute(shape, _CLASS) in ("notes", "")
            if own and attribute(shape, _PLACEHOLDER) != "true" and name(shape) in ("draw:frame", "draw:custom-shape"):
                found = self._blocks.frames.read(shape)
                texts += [part for part in (found.inline, joined(found.blocks)) if part]
        return "\n".join(texts)
