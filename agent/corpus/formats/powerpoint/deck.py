"""A presentation: its slides in order, with sections, notes, comments and what the layouts say."""

import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .. import markup
from ..base import OpenFile, ParseError, ParseOptions, RawPage, Sections
from ..office.package import Package, R, integer
from .comments import authors, comments
from .findings import Findings
from .inheritance import Sheet, placeholder
from .shapes import ShapeReader
from .slide import leaves, scenery, shapes_of, slide_text
from .text import Surroundings, TextReader

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MAIN = "ppt/presentation.xml"
_SLIDE_PART = re.compile(r"ppt/slides/slide(\d+)\.xml\Z", re.IGNORECASE)
_NOTES_AT_THE_EDGE = ("hdr", "ftr", "dt", "sldNum", "sldImg")
_LISTED = 20


def read(archive: zipfile.ZipFile, options: ParseOptions) -> OpenFile:
    """Read all slides of a presentation."""
    return _Deck(Package(archive), options).read()


class _Deck:
    def __init__(self, package: Package, options: ParseOptions):
        self._package = package
        self._keep_hidden = options.hidden == "keep"
        self._main = package.main(_MAIN)
        self._root = package.xml(self._main)
        self._warnings: list[str] = []
        self._hidden_slides: list[str] = []
        self._sheets: dict[str, Sheet | None] = {}
        self._layouts_read: set[str] = set()
        self._authors = authors(package, self._main)
        self._defaults = self._root.find("{*}defaultTextStyle") if self._root is not None else None
        self._size = self._slide_size()

    def read(self) -> OpenFile:
        if self._root is None and not any(_SLIDE_PART.match(name) for name in self._package):
            fault = self._package.damaged.get(self._main, "it is missing")
            raise ParseError(f"damaged: the list of slides, {self._main}, cannot be read ({fault})")
        sections = self._sections()
        level = 2 if sections else 1
        pages: list[RawPage] = []
        outline: list[tuple[int, str, int]] = []
        for number, (identity, part) in enumerate(self._slides(), start=self._first_number()):
            if name := sections.get(identity):
                outline.append((1, name, len(pages) + 1))
            title, page = self._page(str(number), part)
            pages.append(page)
            if title:
                outline.append((level, title, len(pages)))
        metadata = self._package.properties()
        return Sections(
            len(pages),
            sections=pages,
            outline=outline,
            title=metadata.pop("title", ""),
            metadata=metadata,
            warnings=[*self._warnings, *self._hidden_warning(), *self._damage()],
        )

    def _page(self, label: str, part: str) -> tuple[str, RawPage]:
        sheet = self._sheet(part)
        if sheet is None:
            why = "damaged" if part in self._package else "missing from the file"
            return "", RawPage(label, "", (f"the slide is {why}",))
        findings = Findings(self._keep_hidden)
        title, body = slide_text(sheet, self._size, self._defaults, findings)
        hidden = sheet.root.get("show", "1") in ("0", "false")
        if hidden:
            self._hidden_slides.append(label)
        mark = " (hidden)" if hidden else ""
        parts = [f"# {title}{mark}"] if title else [mark.strip()] if mark else []
        parts += body
        parts += self._inherited(sheet, findings)
        if notes := self._notes(part, findings):
            parts.append(f"Notes: {notes}")
        if found := comments(self._package, part, self._authors):
            parts.append("\n".join(found))
        if sheet.root.find("{*}cSld/{*}bg/{*}bgPr/{*}blipFill") is not None:
            findings.notes.append("the picture in the background was not read")
        text = markup.finished("\n\n".join(parts))
        title = markup.finished(title)
        return title + mark if title else "", RawPage(label, text, findings.all_notes())

    def _sheet(self, part: str) -> Sheet | None:
        """A slide, layout or master with what it inherits from; None if it cannot be read."""
        if part not in self._sheets:
            chain: list[tuple[str, _Element]] = []
            current = part
            for kind in ("slideLayout", "slideMaster", ""):
                root = self._package.xml(current) if current else None
                if root is None:
                    break
                chain.append((current, root))
                current = next((found.target for found in self._package.related(current, kind)), "")
                if current in self._sheets:
                    break
            base = self._sheets.get(current)
            for name, root in reversed(chain):
                base = Sheet(self._package, name, root, base)
                self._sheets[name] = base
            if not chain:
                self._sheets[part] = None
        return self._sheets[part]

    def _inherited(self, slide: Sheet, findings: Findings) -> Iterator[str]:
        """Text that the layout and the master show on their slides, on the first slide that shows it."""
        sheet = slide
        while sheet.shows_base and sheet.base is not None:
            sheet = sheet.base
            if sheet.part in self._layouts_read:
                continue
            self._layouts_read.add(sheet.part)
            inner = Findings(self._keep_hidden)
            shapes = shapes_of(sheet, self._size)
            drawn = list(leaves(shapes))
            places = [(leaf.element, leaf.box) for leaf in drawn]
            reader = ShapeReader(sheet, self._defaults, inner, places, scenery(sheet, self._size))
            texts = [
                reader.text(leaf.element, at, leaf.why_hidden)
                for at, leaf in enumerate(drawn)
                if placeholder(leaf.element) is None and leaf.element.find("{*}txBody") is not None
            ]
            if found := [text for text in texts if text]:
                kind = "layout" if sheet.base is not None else "master"
                findings.notes.append(f"text of the slide {kind} is on this page, and on no other that shows it")
                yield "\n".join(found)
            findings.hidden.update(inner.hidden)

    def _notes(self, slide: str, findings: Findings) -> str:
        part = next((found.target for found in self._package.related(slide, "notesSlide")), "")
        sheet = self._sheet_of_notes(part)
        if sheet is None or sheet.tree is None:
            return ""
        reader = TextReader(sheet, findings)
        texts: list[str] = []
        for leaf in leaves(shapes_of(sheet, None)):
            ph = placeholder(leaf.element)
            if ph is None or ph.get("type") not in _NOTES_AT_THE_EDGE:
                lines = reader.lines(leaf.element.find("{*}txBody"), Surroundings([]))
                table = leaf.element.find(".//{*}tbl")
                texts += lines or ([" ".join(t.text or "" for t in table.iter("{*}t"))] if table is not None else [])
        return "\n".join(texts)

    def _sheet_of_notes(self, part: str) -> Sheet | None:
        root = self._package.xml(part) if part else None
        return Sheet(self._package, part, root, None) if root is not None else None

    def _slides(self) -> Iterator[tuple[str, str]]:
        """(id, part) of the slides in the order of the show."""
        listed = self._root.findall("{*}sldIdLst/{*}sldId") if self._root is not None else []
        if listed:
            relations = self._package.relationships(self._main)
            for element in listed:
                found = relations.get(element.get(f"{R}id", ""))
                yield element.get("id", ""), found.target if found is not None else ""
        elif self._root is None or self._main in self._package.damaged:
            self._warnings.append("The list of slides is damaged: they are in the order of their files' numbers.")
            numbered = [(int(match[1]), name) for name in self._package if (match := _SLIDE_PART.match(name))]
            yield from (("", name) for _, name in sorted(numbered))

    def _first_number(self) -> int:
        given = self._root.get("firstSlideNum", "1") if self._root is not None else "1"
        return integer(given, 1)

    def _slide_size(self) -> tuple[float, float] | None:
        size = self._root.find("{*}sldSz") if self._root is not None else None
        try:
            return (float(size.get("cx", "")), float(size.get("cy", ""))) if size is not None else None
        except ValueError:
            return None

    def _sections(self) -> dict[str, str]:
        """The id of the first slide of each section, to the section's name."""
        found: dict[str, str] = {}
        for section in self._root.iterfind(".//{*}sectionLst/{*}section") if self._root is not None else ():
            first = section.find("{*}sldIdLst/{*}sldId")
            if first is not None:
                found[first.get("id", "")] = section.get("name", "").strip()
        return found

    def _hidden_warning(self) -> Iterator[str]:
        if self._hidden_slides:
            some = ", ".join(self._hidden_slides[:_LISTED])
            more = f" and {len(self._hidden_slides) - _LISTED} more" if len(self._hidden_slides) > _LISTED else ""
            one = len(self._hidden_slides) == 1
            what = f"Slide {some} is" if one else f"Slides {some}{more} are"
            yield f'{what} hidden in the show: kept, and marked "(hidden)".'

    def _damage(self) -> Iterator[str]:
        for part, fault in list(self._package.damaged.items())[:_LISTED]:
            yield f"{part} in the file is damaged ({fault}): what can be read of it is kept."
