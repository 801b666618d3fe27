"""A Word document from its parts: the body page by page, notes, headers and footers, and what is to be said of it."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..base import OpenFile, ParseError, ParseOptions, RawPage, Sections
from ..office.package import Package, R, Relationship
from ..zip_archive import open_archive
from .context import Change, Shared
from .controls import Controls
from .notes import Notes
from .numbering import Numbering
from .pages import Attachments, Pages
from .story import SectionEnd, Story
from .styles import Styles
from .xml import W, has, integer, value

if TYPE_CHECKING:
    from lxml.etree import _Element  # lxml has no public name for this class

_MAIN = re.compile(r"(?:.*/)?document\d*\.xml\Z", re.IGNORECASE)
_COUNTED: tuple[tuple[str, tuple[Change, ...]], ...] = (
    ("insertion", ("inserted",)),
    ("deletion", ("deleted", "taken back")),
    ("move", ("moved here", "moved away")),
)
_TREATED = {
    "marked": "both versions are in the text, with marks",
    "final": "the text is the one after accepting them; what they delete is left out",
    "original": "the text is the one before them; what they insert is left out",
}


def open_document(data: bytes, options: ParseOptions, *, chunk: bool = False) -> OpenFile:
    """Read a Word document.

    Args:
        chunk: it is a part of another document: without headers and footers.

    Raises:
        ParseError: there is no document in it.
    """
    package = Package(open_archive(data, "Word"))
    main = package.main("word/document.xml")
    if main not in package:
        main = next((name for name in package if _MAIN.match(name)), main)
    root = package.xml(main)
    if root is None:
        why = package.damaged.get(main, "it has none")
        raise ParseError(f"damaged: the main part of the document, {main}, cannot be read ({why})")
    body = root.find(f"{W}body")
    body = root if body is None else body
    related = {relation.kind: relation for relation in reversed(package.relationships(main).values())}
    settings = _part(package, related, "settings")
    styles = Styles(_part(package, related, "styles"))
    shared = Shared(
        package=package,
        styles=styles,
        numbering=Numbering(_part(package, related, "numbering"), styles),
        options=options,
        controls=Controls(package, main, styles),
        attachments=Attachments(keep_hidden=options.hidden == "keep"),
        is_chunk=chunk,
    )
    shared.coloured = _has_colour(root) and has(settings, "displayBackgroundShape")
    sections = [one for one in body.iter(f"{W}sectPr") if str(one.getparent().tag) in (f"{W}pPr", body.tag)]
    shared.notes = Notes(shared, main, settings, sections)
    pages, outline, warnings = _body(shared, main, root, body, sections)
    if not chunk and (margins := _margins(shared, main, sections, settings)):
        pages.append(margins)
    metadata = package.properties()
    damaged = [
        f"Damaged: {name} is not read completely ({' '.join(fault.split())})."
        for name, fault in package.damaged.items()
    ]
    return Sections(
        len(pages),
        sections=pages,
        outline=outline,
        title=metadata.pop("title", ""),
        metadata=metadata,
        warnings=[*_changes(shared), *warnings, *damaged],
    )


def _body(
    shared: Shared, main: str, root: "_Element", body: "_Element", sections: "list[_Element]"
) -> tuple[list[RawPage], list[tuple[int, str, int]], list[str]]:
    pages = Pages()
    _start(pages, sections[0] if sections else None, first=True)
    for found in Story(shared, main, root).parts(body):
        if isinstance(found, SectionEnd):
            shared.sections_begun += 1
            following = sections[shared.sections_begun - 1 : shared.sections_begun]
            _start(pages, following[0] if following else None)
        else:
            pages.add(found)
    for block in shared.notes.endnotes:
        pages.add(block)
    finished, outline, warnings = pages.finished(shared.attachments)
    return list(finished), outline, warnings


def _start(pages: Pages, properties: "_Element | None", *, first: bool = False) -> None:
    """Start a section of the body."""
    numbers = properties.find(f"{W}pgNumType") if properties is not None else None
    kind = value(properties, "type") or "nextPage"
    start = integer(numbers.get(f"{W}start")) if numbers is not None else None
    written = numbers.get(f"{W}fmt", "decimal") if numbers is not None else "decimal"
    pages.start_section("continuous" if first else kind, start, written)


def _margins(shared: Shared, main: str, sections: "list[_Element]", settings: "_Element | None") -> RawPage | None:
    """Headers and footers, each distinct one once, as a last page."""
    texts: dict[str, None] = {}
    relations = shared.package.relationships(main)
    for kind in ("header", "footer"):
        for name in dict.fromkeys(_used(sections, kind, relations, settings)):
            root = shared.package.xml(name)
            if root is not None:
                text = Story(shared, name, root, "headers").text(root)
                if text.strip():
                    texts[text] = None
    if not texts:
        return None
    return shared.attachments.page("headers and footers", "\n".join(texts))


def _used(
    sections: "list[_Element]", kind: str, relations: dict[str, Relationship], settings: "_Element | None"
) -> Iterator[str]:
    """The parts of the headers or footers that are shown on any page."""
    two_sided = has(settings, "evenAndOddHeaders")
    current: dict[str, str] = {}  # a section has those of the one before, unless it names others
    for section in sections:
        for reference in section.iterchildren(f"{W}{kind}Reference"):
            relation = relations.get(reference.get(f"{R}id", ""))
            if relation is not None and not relation.external:
                current[reference.get(f"{W}type", "default")] = relation.target
        for which in ("first", "default", "even"):
            shown = {"first": has(section, "titlePg"), "even": two_sided}.get(which, True)
            if shown and which in current:
                yield current[which]


def _has_colour(root: "_Element") -> bool:
    background = root.find(f"{W}background")
    return background is not None and background.get(f"{W}color", "auto").upper() not in ("AUTO", "FFFFFF")


def _part(package: Package, related: dict[str, Relationship], kind: str) -> "_Element | None":
    """A part by its relationship; None if there is none."""
    relation = related.get(kind)
    return package.xml(relation.target) if relation is not None and not relation.external else None


def _changes(shared: Shared) -> list[str]:
    """A warning that counts the tracked changes."""
    counts: list[str] = []
    for name, kinds in _COUNTED:
        # A move is stored twice: where the text was, and where it is.
        numbers = [shared.changes[kind] for kind in kinds]
        if count := max(numbers) if name == "move" else sum(numbers):
            counts.append(f"{count:,} {name}{'' if count == 1 else 's'}")
    if not counts:
        return []
    listed = f"{', '.join(counts[:-1])} and {counts[-1]}" if len(counts) > 1 else counts[0]
    return [f"Tracked changes: {listed}; {_TREATED[shared.options.changes]}."]
